"""Names are looked for by their first letters."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

FILL = sa.text("UPDATE contact SET begins = substr(sought, 1, 3) WHERE sought <> ''")


def upgrade() -> None:
    with op.batch_alter_table("contact", schema=None) as batch_op:
        batch_op.drop_index("contact_sought")
        batch_op.add_column(sa.Column("begins", sa.Text(), nullable=False, server_default=""))
    op.get_bind().execute(FILL)
    with op.batch_alter_table("contact", schema=None) as batch_op:
        batch_op.create_index(
            "contact_begins",
            ["workspace_id", "begins", "id", "sought"],
            unique=False,
            postgresql_ops={"begins": "text_pattern_ops"},
        )


def downgrade() -> None:
    with op.batch_alter_table("contact", schema=None) as batch_op:
        batch_op.drop_index("contact_begins", postgresql_ops={"begins": "text_pattern_ops"})
        batch_op.create_index(
            "contact_sought",
            ["workspace_id", "sought", "id"],
            unique=False,
            postgresql_ops={"sought": "text_pattern_ops"},
        )
        batch_op.drop_column("begins")
