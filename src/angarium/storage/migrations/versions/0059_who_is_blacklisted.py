"""Whom an operator's blacklist names is found without a look at the addresses of all others."""

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

LISTED = sa.text("operator_blacklist = 1")


def upgrade() -> None:
    op.create_index(
        "address_blacklisted",
        "address",
        ["workspace_id", "contact_id"],
        sqlite_where=LISTED,
        postgresql_where=LISTED,
    )


def downgrade() -> None:
    op.drop_index("address_blacklisted", "address")
