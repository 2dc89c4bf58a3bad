"""The history of the schema: `storage/migrate.py` asks, `runner.py` calls Alembic, Alembic runs `env.py`."""

from pathlib import Path

FOLDER = Path(__file__).parent
