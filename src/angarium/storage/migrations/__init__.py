"""The history of the schema; Alembic runs `env.py`, and `storage/migrate.py` runs Alembic."""
