"""The forecast of a campaign, kept beside its report."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("campaign") as batch_op:
        batch_op.add_column(sa.Column("forecast", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("campaign") as batch_op:
        batch_op.alter_column("forecast", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("campaign") as batch_op:
        batch_op.drop_column("forecast")
