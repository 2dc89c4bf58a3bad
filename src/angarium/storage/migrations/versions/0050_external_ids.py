"""External ids in a table of their own, no longer in an index of contacts."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("contact_external_id", "contact")
    op.create_table(
        "external_id",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "value", name=op.f("pk_external_id")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO external_id (workspace_id, value, contact_id)"
        " SELECT workspace_id, external_id, id FROM contact WHERE external_id IS NOT NULL ORDER BY 1, 2"
    )


def downgrade() -> None:
    op.drop_table("external_id")
    op.create_index("contact_external_id", "contact", ["workspace_id", "external_id"], unique=True)
