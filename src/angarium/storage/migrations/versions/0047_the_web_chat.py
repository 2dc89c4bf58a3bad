"""The web chat: who its visitors are, and what was said."""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

TEXT, WHOLE, BIG = sa.Text(), sa.Integer(), sa.BigInteger()


def upgrade() -> None:
    op.create_table(
        "web_chat_visitor",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("line_id", BIG, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("last_number", BIG, nullable=False),
        sa.Column("seen_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "line_id", "address", name=op.f("pk_web_chat_visitor")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "web_chat_entry",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("line_id", BIG, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("ref", TEXT, nullable=False),
        sa.Column("own", WHOLE, nullable=False),
        sa.Column("words", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.Column("delivered_at", BIG, nullable=False),
        sa.Column("read_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id", "line_id", "address", "number", name=op.f("pk_web_chat_entry")
        ),
        sqlite_with_rowid=False,
    )
    place = ["workspace_id", "line_id"]
    due = sa.text("expires_at > 0")
    op.create_index("web_chat_entry_ref", "web_chat_entry", [*place, "ref"], unique=True)
    op.create_index("web_chat_entry_at", "web_chat_entry", [*place, "at"])
    op.create_index(
        "web_chat_entry_expires",
        "web_chat_entry",
        [*place, "expires_at"],
        sqlite_where=due,
        postgresql_where=due,
    )


def downgrade() -> None:
    op.drop_table("web_chat_entry")
    op.drop_table("web_chat_visitor")
