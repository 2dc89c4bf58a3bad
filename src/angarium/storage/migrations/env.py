"""Runs the revisions on the connection it was given: in one transaction, one process at a time."""

from alembic import context
from sqlalchemy import text

from angarium.storage.row_security import COMPLETE
from angarium.storage.schema import metadata

LOCK = 0x616E6761  # "anga": the advisory lock of whoever migrates

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
    transactional_ddl=True,  # both can: a migration is never half done
)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    context.run_migrations()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(COMPLETE)
