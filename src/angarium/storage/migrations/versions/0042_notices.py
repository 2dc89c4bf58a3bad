"""Notices, what has been read of them, and an index of the facts that come seldom."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

MANY = ("message", "inbound", "consent", "contact", "suppression")
SELDOM = " AND ".join(f"substr(kind, 1, {len(noun) + 1}) <> '{noun}.'" for noun in MANY)
# What was before is told to nobody: the reader begins where the log of each workspace ends now.
BEGIN = """
    INSERT INTO fact_cursor (workspace_id, reader, tx, seq)
    SELECT w.workspace_id, 'notices', f.tx, f.seq
    FROM workspace w JOIN fact f ON f.seq = (
        SELECT n.seq FROM fact n WHERE n.workspace_id = w.workspace_id ORDER BY n.tx DESC, n.seq DESC LIMIT 1
    )
"""


def upgrade() -> None:
    op.create_index(
        "fact_seldom",
        "fact",
        ["workspace_id", "tx", "seq"],
        sqlite_where=sa.text(SELDOM),
        postgresql_where=sa.text(SELDOM),
    )
    op.create_table(
        "notice",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("says", sa.Text(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "kind", "about", "day", name=op.f("pk_notice")),
        sqlite_with_rowid=False,
    )
    op.create_index("notice_order", "notice", ["workspace_id", "id"], unique=True)
    op.create_index("notice_about", "notice", ["workspace_id", "about"])
    op.create_table(
        "notice_reader",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("reader_id", sa.BigInteger(), nullable=False),
        sa.Column("until_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "reader_id", name=op.f("pk_notice_reader")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notice_read",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("reader_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "reader_id", "id", name=op.f("pk_notice_read")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notice_muted",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("reader_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "reader_id", "kind", name=op.f("pk_notice_muted")),
        sqlite_with_rowid=False,
    )
    op.execute(BEGIN)


def downgrade() -> None:
    for table in ("notice_muted", "notice_read", "notice_reader", "notice"):
        op.drop_table(table)
    op.drop_index("fact_seldom", table_name="fact")
