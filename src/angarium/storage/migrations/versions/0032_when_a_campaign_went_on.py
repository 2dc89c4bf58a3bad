"""When a campaign went on after a pause: what was before is not held against it again."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("campaign") as batch_op:
        batch_op.add_column(sa.Column("resumed_at", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("campaign") as batch_op:
        batch_op.alter_column("resumed_at", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("campaign") as batch_op:
        batch_op.drop_column("resumed_at")
