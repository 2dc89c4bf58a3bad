"""Who wrote a campaign: none of them approves it."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("campaign") as batch_op:
        batch_op.add_column(sa.Column("written_by", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE campaign SET written_by = created_by")
    with op.batch_alter_table("campaign") as batch_op:
        batch_op.alter_column("written_by", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("campaign") as batch_op:
        batch_op.drop_column("written_by")
