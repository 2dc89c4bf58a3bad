"""apsw in the clothes of PEP 249, as much of it as SQLAlchemy and Alembic put on.

The file of a database must not be opened with a second SQLite library, and the one in Python's standard
library is such a second one. Not for the rooms: they speak to apsw directly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apsw

from angarium.storage.sqlite import connect as open_connection

apilevel = "2.0"
threadsafety = 1
paramstyle = "qmark"
sqlite_version = apsw.sqlite_lib_version()
sqlite_version_info = tuple(int(number) for number in sqlite_version.split("."))

# SQLAlchemy knows the classes of PEP 249 by their names.
Error = apsw.Error
Warning = InterfaceError = DatabaseError = DataError = InternalError = apsw.Error  # noqa: A001  PEP 249's word
ProgrammingError = NotSupportedError = apsw.SQLError
IntegrityError = apsw.ConstraintError
OperationalError = apsw.SQLError
Binary = bytes


class Cursor:
    """One statement at a time; its rows are fetched at once."""

    arraysize = 1
    lastrowid: int | None = None
    rowcount = -1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.description: list[tuple[Any, ...]] | None = None

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Run a statement; the first one after a commit opens a transaction."""
        inner = self._connection.begun()
        self.description = None
        inner.exec_trace = self._describe
        self._rows = list(inner.execute(statement, tuple(parameters)))
        self.rowcount = self._connection.inner.changes()
        self.lastrowid = self._connection.inner.last_insert_rowid()
        return self

    def executemany(self, statement: str, many: Sequence[Sequence[Any]]) -> Cursor:
        """Run a statement for each tuple of parameters."""
        for parameters in many:
            self.execute(statement, parameters)
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """The next rows."""
        taken, self._rows = self._rows[: size or 1], self._rows[size or 1 :]
        return taken

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows that are left."""
        return self.fetchmany(len(self._rows))

    def close(self) -> None:
        """Forget the rows."""
        self._rows = []

    def _describe(self, cursor: apsw.Cursor, _statement: str, _parameters: Any) -> bool:
        # Asked for before the first step: apsw no longer knows once a statement without rows has ended.
        columns = cursor.get_description()
        self.description = [(name, kind, None, None, None, None, None) for name, kind in columns] or None
        return True


class Connection:
    """A connection whose transactions begin by themselves."""

    isolation_level = ""

    def __init__(self, path: str) -> None:
        self.inner = open_connection(path)

    def cursor(self) -> Cursor:
        """A new cursor."""
        return Cursor(self)

    def begun(self) -> apsw.Cursor:
        """A cursor of the driver, inside a transaction."""
        if not self.inner.in_transaction:
            self.inner.execute("BEGIN IMMEDIATE")
        return self.inner.cursor()

    def commit(self) -> None:
        """End the transaction, if there is one."""
        if self.inner.in_transaction:
            self.inner.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        if self.inner.in_transaction:
            self.inner.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self.inner.close()

    def create_function(self, name: str, arity: int, function: Callable[..., Any], **_: Any) -> None:
        """SQLAlchemy brings its own `regexp`."""
        self.inner.create_scalar_function(name, function, arity)


def connect(path: str, **_: Any) -> Connection:
    """Open a file with the settings of `storage/sqlite.py`."""
    return Connection(path)
