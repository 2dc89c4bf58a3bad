"""For whom an import keeps addresses: a block of newcomers who are to come."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

COLUMNS = ("reserved_first", "reserved_last")


def upgrade() -> None:
    with op.batch_alter_table("contact_import") as batch_op:
        for name in COLUMNS:
            batch_op.add_column(sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("contact_import") as batch_op:
        for name in COLUMNS:
            batch_op.drop_column(name)
