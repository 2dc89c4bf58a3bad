"""Servers beside one another: who is there, who has which lease, what was rung."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fabric_member",
        sa.Column("server", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("node", sa.Integer(), nullable=False),
        sa.Column("joined_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("server", name=op.f("pk_fabric_member")),
        sqlite_with_rowid=False,
    )
    op.create_index("fabric_member_node", "fabric_member", ["node"], unique=True)
    op.create_table(
        "fabric_lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("server", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_fabric_lease")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fabric_topic",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rung", sa.BigInteger(), nullable=False),
        sa.Column("rung_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_fabric_topic")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("fabric_topic")
    op.drop_table("fabric_lease")
    op.drop_table("fabric_member")
