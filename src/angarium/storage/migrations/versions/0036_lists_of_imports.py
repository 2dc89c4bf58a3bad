"""Whom the rows of a file meant, and the variables of each."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_member",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("variables", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "import_id", "contact_id", name=op.f("pk_import_member")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("import_member")
