"""Names are looked for without madda and hamza, as people write them."""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None
# Whoever runs an older version beside this one does not find such names, nor is what it writes found, until
# the contact is saved again.

# One for one: the first letters of a word stay the first.
LETTERS = {"آ": "ا", "أ": "ا", "إ": "ا", "ٱ": "ا", "ئ": "ی", "ؤ": "و"}
COLUMNS = ("sought", "begins", "last_begins")


def _without(column: str) -> str:
    told = column
    for letter, bare in LETTERS.items():
        told = f"replace({told}, '{letter}', '{bare}')"
    return told


SETS = ", ".join(f"{column} = {_without(column)}" for column in COLUMNS)
THOSE = " OR ".join(f"sought LIKE '%{letter}%'" for letter in LETTERS)
FILL = f"UPDATE contact SET {SETS} WHERE {THOSE}"  # noqa: S608  of what stands here


def upgrade() -> None:
    op.execute(sa.text(FILL))


def downgrade() -> None:
    """Nothing: an older version finds these names once they are saved again."""
