"""What servers say of themselves, and which versions a database allows."""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None
least = "0055"  # older versions do not look whether they may run on a newer database


def upgrade() -> None:
    op.create_table(
        "server",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("node", sa.Integer(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beat_s", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column("said", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "migration",
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("least", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_migration")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("migration")
    op.drop_table("server")
