"""What happened to contacts stands in their rows."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

EVENTS = ("sent", "delivered", "read", "clicked", "replied")
# Sums are written in another way: they are told anew from the log of facts.
FORGET = (
    "DELETE FROM contact_mention",
    "DELETE FROM activity_topic",
    "DELETE FROM fact_cursor WHERE reader = 'activity'",
)


def upgrade() -> None:
    op.drop_table("contact_activity")
    op.create_table(
        "contact_activity",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        *(sa.Column(event, sa.LargeBinary(), nullable=True) for event in EVENTS),
        sa.PrimaryKeyConstraint("workspace_id", "contact_id", name=op.f("pk_contact_activity")),
        sqlite_with_rowid=False,
    )
    for event in EVENTS:
        op.add_column("contact_index", sa.Column(event, sa.LargeBinary(), nullable=True))
    for statement in FORGET:
        op.execute(statement)


def downgrade() -> None:
    for statement in FORGET:
        op.execute(statement)
    with op.batch_alter_table("contact_index", schema=None) as batch_op:
        for event in EVENTS:
            batch_op.drop_column(event)
    op.drop_table("contact_activity")
    op.create_table(
        "contact_activity",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("class", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("recent", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id", "event", "contact_id", "class", "channel", name=op.f("pk_contact_activity")
        ),
        sqlite_with_rowid=False,
    )
