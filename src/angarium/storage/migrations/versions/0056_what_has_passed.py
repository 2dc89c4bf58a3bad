"""What messages and campaigns had come to that were let go of."""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

STEP = ("tried", "accepted", "delivered", "read", "failed", "unknown", "fell_back", "late", "parts")


def upgrade() -> None:
    op.create_table(
        "past_share",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("label", "class", "state", "reason", "currency")
        ),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("finished", "total", "cost_micros")),
        sa.PrimaryKeyConstraint(
            "workspace_id", "label", "class", "state", "reason", "currency", name=op.f("pk_past_share")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "past_step",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("delivered_in", sa.BigInteger(), nullable=False),
        sa.Column("read_in", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*STEP, "cost_micros")),
        sa.PrimaryKeyConstraint(
            "workspace_id",
            "label",
            "delivered_in",
            "read_in",
            "step",
            "channel",
            "line_id",
            name=op.f("pk_past_step"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "campaign_outcome",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.Column("cleared", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "campaign_id", name=op.f("pk_campaign_outcome")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("campaign_outcome")
    op.drop_table("past_step")
    op.drop_table("past_share")
