"""Campaigns, their members, and labels that are halted."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

WORDS = ("name", "state", "reason", "wanted", "frozen", "created_by", "started_by")
COUNTS = ("version", "members", "told", "left_out", "under_way")
NUMBERS = ("begins_at", "after_id", "paced_at", "created_at", "updated_at")
MAYBE = ("built_at", "started_at", "ended_at")


def upgrade() -> None:
    op.create_table(
        "campaign",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in WORDS),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in NUMBERS),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in MAYBE),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_campaign")),
        sqlite_with_rowid=False,
    )
    _index("campaign_under_way", "campaign", ["workspace_id", "id"], "under_way = 1")
    op.create_table(
        "campaign_member",
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("workspace_id", "campaign_id", "contact_id")
        ),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("state", "reason", "detail")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("due_at", "message_id")),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("variables", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "campaign_id", "contact_id", name=op.f("pk_campaign_member")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "campaign_member_contact", "campaign_member", ["workspace_id", "contact_id", "campaign_id"]
    )
    due = ["workspace_id", "campaign_id", "due_at", "contact_id"]
    _index("campaign_member_due", "campaign_member", due, "state = 'waiting'")
    op.create_table(
        "halted_label",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "label", name=op.f("pk_halted_label")),
        sqlite_with_rowid=False,
    )


def _index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_table("halted_label")
    op.drop_table("campaign_member")
    op.drop_table("campaign")
