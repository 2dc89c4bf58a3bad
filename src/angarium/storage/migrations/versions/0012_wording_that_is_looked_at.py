"""Messages whose wording a person has to look at."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.create_index(
            "message_review",
            ["workspace_id", "id"],
            unique=False,
            sqlite_where=sa.text("reason = 'review'"),
            postgresql_where=sa.text("reason = 'review'"),
        )


def downgrade() -> None:
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.drop_index("message_review")
