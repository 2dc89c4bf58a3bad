"""Names are looked for by the first letters of their last words too."""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None
# Whoever runs an older version beside this one is not found by a surname until the contact is saved again.

HAS_LAST = sa.text("last_begins <> ''")
BYTEWISE = {"last_begins": "text_pattern_ops"}
# What is left of a name when all that is in none of its spaces goes from its end is all but the last word.
FILL = """
UPDATE contact SET last_begins = substr(sought, length(rtrim(sought, replace(sought, ' ', ''))) + 1, 3)
WHERE sought LIKE '% %'"""


def upgrade() -> None:
    op.add_column("contact", sa.Column("last_begins", sa.Text(), nullable=False, server_default=""))
    op.execute(FILL)
    op.create_index(
        "contact_last_begins",
        "contact",
        ["workspace_id", "last_begins", "id"],
        unique=False,
        sqlite_where=HAS_LAST,
        postgresql_where=HAS_LAST,
        postgresql_ops=BYTEWISE,
    )


def downgrade() -> None:
    op.drop_index("contact_last_begins", "contact", postgresql_ops=BYTEWISE)
    with op.batch_alter_table("contact") as batch_op:
        batch_op.drop_column("last_begins")
