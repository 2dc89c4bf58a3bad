"""Names are looked for by the first letters of the word before the last too."""

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None
# Whoever runs an older version beside this one is not found by such a word until the contact is saved again.

HAS_MIDDLE = sa.text("middle_begins <> ''")
BYTEWISE = {"middle_begins": "text_pattern_ops"}
# All but the last word, as in 0061, and of that again what stands behind its last space.
HEAD = "rtrim(rtrim(sought, replace(sought, ' ', '')))"
FILL = f"""
UPDATE contact SET middle_begins = substr({HEAD}, length(rtrim({HEAD}, replace({HEAD}, ' ', ''))) + 1, 3)
WHERE sought LIKE '% % %'"""  # noqa: S608  of what stands here


def upgrade() -> None:
    op.add_column("contact", sa.Column("middle_begins", sa.Text(), nullable=False, server_default=""))
    op.execute(FILL)
    op.create_index(
        "contact_middle_begins",
        "contact",
        ["workspace_id", "middle_begins", "id"],
        unique=False,
        sqlite_where=HAS_MIDDLE,
        postgresql_where=HAS_MIDDLE,
        postgresql_ops=BYTEWISE,
    )


def downgrade() -> None:
    op.drop_index("contact_middle_begins", "contact", postgresql_ops=BYTEWISE)
    with op.batch_alter_table("contact") as batch_op:
        batch_op.drop_column("middle_begins")
