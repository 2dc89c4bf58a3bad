"""Attempts of which providers are asked what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inquiry",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("ask_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "attempt_id", name=op.f("pk_inquiry")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("inquiry", schema=None) as batch_op:
        batch_op.create_index("inquiry_due", ["workspace_id", "line_id", "ask_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("inquiry", schema=None) as batch_op:
        batch_op.drop_index("inquiry_due")
    op.drop_table("inquiry")
