"""What was said to providers about attempts, and until when all of it is recorded on a line."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchange",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_exchange")),
        sqlite_with_rowid=False,
    )
    op.create_index("exchange_attempt", "exchange", ["workspace_id", "attempt_id"])
    with op.batch_alter_table("line") as batch_op:
        batch_op.add_column(sa.Column("recorded_until", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("line") as batch_op:
        batch_op.alter_column("recorded_until", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("line") as batch_op:
        batch_op.drop_column("recorded_until")
    op.drop_index("exchange_attempt", "exchange")
    op.drop_table("exchange")
