"""The Twilio door: accounts of clients, how their messages were asked for, and what is to be told of them."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

TEXT, WHOLE, BIG = sa.Text(), sa.Integer(), sa.BigInteger()


def upgrade() -> None:
    op.create_table(
        "twilio_account",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("key_id", BIG, nullable=False),
        sa.Column("token", TEXT, nullable=False),
        sa.Column("settings", TEXT, nullable=False),
        sa.Column("enabled", WHOLE, nullable=False),
        sa.Column("version", WHOLE, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("updated_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_twilio_account")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "twilio_message",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("message_id", BIG, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("service_sid", TEXT, nullable=False),
        sa.Column("status_callback", TEXT, nullable=False),
        sa.Column("told", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", "message_id", name=op.f("pk_twilio_message")),
        sqlite_with_rowid=False,
    )
    op.create_index("twilio_message_message", "twilio_message", ["workspace_id", "message_id"])
    op.create_table(
        "twilio_letter",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("id", BIG, nullable=False),
        sa.Column("subject_id", BIG, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("code", WHOLE, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("due_at", BIG, nullable=False),
        sa.Column("tries", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", "id", name=op.f("pk_twilio_letter")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for name in ("twilio_letter", "twilio_message", "twilio_account"):
        op.drop_table(name)
