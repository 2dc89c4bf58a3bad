"""The suppression list and the audit log are filtered by indexes of their own, however long they are."""

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "suppression_group", "suppression", ["workspace_id", "reason", "kind", "source", "line_id", "id"]
    )
    op.create_index("audit_at", "audit", ["workspace_id", "at", "number"])
    op.create_index("audit_actor", "audit", ["workspace_id", "actor", "number"])
    op.create_index("audit_action", "audit", ["workspace_id", "action", "number"])
    op.create_index("audit_actor_action", "audit", ["workspace_id", "actor", "action", "number"])


def downgrade() -> None:
    for name in ("audit_actor_action", "audit_action", "audit_actor", "audit_at"):
        op.drop_index(name, "audit")
    op.drop_index("suppression_group", "suppression")
