"""The SMPP door: accounts of clients, what they have submitted, and letters that wait for them."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

TEXT, WHOLE, BIG = sa.Text(), sa.Integer(), sa.BigInteger()


def upgrade() -> None:
    op.create_table(
        "smpp_account",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("system_id", TEXT, nullable=False),
        sa.Column("password_hash", TEXT, nullable=False),
        sa.Column("settings", TEXT, nullable=False),
        sa.Column("enabled", WHOLE, nullable=False),
        sa.Column("version", WHOLE, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("updated_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_smpp_account")),
        sqlite_with_rowid=False,
    )
    op.create_index("smpp_account_system_id", "smpp_account", ["system_id"], unique=True)
    op.create_table(
        "smpp_submission",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("message_id", BIG, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("source_ton", WHOLE, nullable=False),
        sa.Column("source_npi", WHOLE, nullable=False),
        sa.Column("dest_ton", WHOLE, nullable=False),
        sa.Column("dest_npi", WHOLE, nullable=False),
        sa.Column("style", WHOLE, nullable=False),
        sa.Column("asked", WHOLE, nullable=False),
        sa.Column("told", TEXT, nullable=False),
        sa.Column("submitted_at", BIG, nullable=False),
        sa.Column("text_key", TEXT, nullable=False),
        sa.Column("text_id", BIG, nullable=False),
        sa.Column("number", WHOLE, nullable=False),
        sa.Column("total", WHOLE, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("held", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_smpp_submission")),
        sqlite_with_rowid=False,
    )
    op.create_index("smpp_submission_message", "smpp_submission", ["workspace_id", "message_id"])
    for name, columns, condition in (
        ("smpp_submission_text", ["workspace_id", "text_key", "id"], "total > 1"),
        ("smpp_submission_held", ["workspace_id", "submitted_at"], "held <> ''"),
    ):
        where = sa.text(condition)
        op.create_index(name, "smpp_submission", columns, sqlite_where=where, postgresql_where=where)
    op.create_table(
        "smpp_letter",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("id", BIG, nullable=False),
        sa.Column("subject_id", BIG, nullable=False),
        sa.Column("word", TEXT, nullable=False),
        sa.Column("error", WHOLE, nullable=False),
        sa.Column("intermediate", WHOLE, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", "id", name=op.f("pk_smpp_letter")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for name in ("smpp_letter", "smpp_submission", "smpp_account"):
        op.drop_table(name)
