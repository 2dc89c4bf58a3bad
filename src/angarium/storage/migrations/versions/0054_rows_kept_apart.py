"""PostgreSQL keeps the rows of workspaces apart.

Nothing to do here: after every run of revisions `env.py` gives each table of workspaces the policy that it
lacks. This one makes that run happen.
"""

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
