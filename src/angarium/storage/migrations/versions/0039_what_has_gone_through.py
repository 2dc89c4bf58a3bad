"""What has gone through, in half hours."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

COUNTS = ("asked", "reached", "unreached", "refused", "sent", "delivered", "read", "clicked")


def upgrade() -> None:
    op.create_table(
        "traffic",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id", "slot", "class", "channel", "currency", name=op.f("pk_traffic")
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("traffic")
