"""PostgreSQL tidies the tables that change with every message in smaller steps.

By default it waits until a fifth of a table is dead, or new (autovacuum_vacuum_scale_factor and
autovacuum_vacuum_insert_scale_factor are 0.2: runtime-config-autovacuum in its manual). Of a hundred million
attempts that is twenty million, and the small indexes of what waits are full of dead entries long before. No
fillfactor: none of these updates is HOT (decision 0038).
"""

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

CHANGED = ("attempt", "message", "journal", "campaign_member")
SOONER = "autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01"
ADDED = "autovacuum_vacuum_insert_scale_factor = 0.05"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in CHANGED:
            op.execute(f"ALTER TABLE {table} SET ({SOONER})")
        op.execute(f"ALTER TABLE fact SET ({ADDED})")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in CHANGED:
            op.execute(
                f"ALTER TABLE {table} RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)"
            )
        op.execute("ALTER TABLE fact RESET (autovacuum_vacuum_insert_scale_factor)")
