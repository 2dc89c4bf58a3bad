"""Messages that are held."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.create_index(
            "message_held",
            ["workspace_id", "id"],
            unique=False,
            sqlite_where=sa.text("reason = 'restored'"),
            postgresql_where=sa.text("reason = 'restored'"),
        )


def downgrade() -> None:
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.drop_index("message_held")
