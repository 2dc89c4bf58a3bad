"""What many facts say in the same words is kept once."""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None
least = "0060"  # older versions would take what is a fact's own for all that it says

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Two objects become one: the end of the first and the beginning of the second make way for a comma.
ALL_OF_IT = """
UPDATE fact SET body = (
    SELECT CASE fact.body WHEN '{}' THEN c.body
        ELSE substr(fact.body, 1, length(fact.body) - 1) || ',' || substr(c.body, 2) END
    FROM fact_common c WHERE c.id = fact.common_id
) WHERE common_id <> 0"""


def upgrade() -> None:
    op.create_table(
        "fact_common",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("holders", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fact_common")),
    )
    op.add_column("fact", sa.Column("common_id", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.execute(ALL_OF_IT)
    with op.batch_alter_table("fact") as batch_op:
        batch_op.drop_column("common_id")
    op.drop_table("fact_common")
