"""Runs the revisions on the connection it was given: in one transaction, one process at a time.

Beside each revision is noted which one a version must know at least to run on the database from then on: that
of the revision itself where it says so (`least = "0052"`), else as before. Servers of the version before look
at it when they start, and while they run (storage/migrate.py).
"""

from typing import Any, cast

from alembic import context
from sqlalchemy import inspect, text

from angarium.storage.row_security import COMPLETE
from angarium.storage.schema import metadata

LOCK = 0x616E6761  # "anga": the advisory lock of whoever migrates
# Who waits for a table keeps off all who come later, so nobody waits long; whoever migrates tries again.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"

connection = context.config.attributes["connection"]
applied: list[Any] = []  # scripts, the oldest first
undone: list[str] = []


def _noted(*, step: Any, **_: Any) -> None:
    if step.is_upgrade:
        applied.append(step.up_revision)
    else:
        undone.append(step.up_revision_id)


def _write_down() -> None:
    if not inspect(connection).has_table("migration"):
        return
    for one in undone:
        connection.execute(text("DELETE FROM migration WHERE revision = :one"), {"one": one})
    least = connection.scalar(text("SELECT coalesce(max(least), '') FROM migration"))
    for script in applied:
        least = max(least, getattr(script.module, "least", ""))
        connection.execute(
            text("INSERT INTO migration (revision, least) VALUES (:revision, :least)"),
            {"revision": script.revision, "least": least},
        )


context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
    transactional_ddl=True,  # both can: a migration is never half done
    on_version_apply=cast("Any", _noted),
)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        connection.execute(text(LOCK_TIMEOUT))
    context.run_migrations()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(COMPLETE)
    if applied or undone:
        _write_down()
