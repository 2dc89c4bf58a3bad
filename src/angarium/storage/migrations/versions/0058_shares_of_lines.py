"""Shares of a line, each with an owner."""

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

KEPT = "CREATE TEMPORARY TABLE line_owner_kept AS SELECT workspace_id, line_id, max(epoch) AS epoch"
PUT_BACK = "INSERT INTO line_owner (workspace_id, line_id, epoch) SELECT workspace_id, line_id, epoch"


def upgrade() -> None:
    share = sa.Column("share", sa.Integer(), server_default="0", nullable=False)
    _make_anew([share], ["share"])


def downgrade() -> None:
    _make_anew([], [])


def _make_anew(more: list[sa.Column[int]], key: list[str]) -> None:
    """The table with another key; a server of the version before writes no share, and means the first."""
    op.execute(f"{KEPT} FROM line_owner GROUP BY workspace_id, line_id")
    op.drop_table("line_owner")
    op.create_table(
        "line_owner",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        *more,
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "line_id", *key, name=op.f("pk_line_owner")),
        sqlite_with_rowid=False,
    )
    op.execute(f"{PUT_BACK} FROM line_owner_kept")
    op.execute("DROP TABLE line_owner_kept")
