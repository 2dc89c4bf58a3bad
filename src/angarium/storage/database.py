"""A database as the rooms see it: one function is one transaction.

`await database.run(work, …)` hands `work` a transaction, runs it to its end and returns after the durable
commit. Rules for a `work`:

1. It awaits nothing but the transaction it was given, so none stays open across the network.
2. It changes nothing outside the database: after a deadlock it is run again from the top.
3. An error ends it. A statement that failed is not caught inside (PostgreSQL would not go on).

Whoever is cancelled while waiting for `run` does not know whether it was committed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from angarium.core.problems import Problem
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement

P = ParamSpec("P")
T = TypeVar("T")

Row = Sequence[Any]

News = dict[tuple[int, str], int]  # workspace and noun -> how many facts
OnNews = Callable[[News], None]

WAITING_MAX = 10_000  # transactions; above it a caller is told to come back, before memory tells us
RETRY_AFTER_S = 5


class Trouble(StrEnum):
    """Why the database cannot do it now, in the words that a caller and an operator read."""

    FULL = "storage full"
    LOCKED = "database locked"
    AWAY = "database away"
    UNSURE = "not known whether it was kept"
    CROWDED = "too much waiting"
    CLOSED = "database closed"
    ERROR = "storage error"
    BROKEN = "disk failure"  # a sync failed: what was written may be lost, and a second sync would lie
    DAMAGED = "database damaged"


ADVICE = {
    Trouble.FULL: "There is no room for what is to be written. It goes on by itself when there is.",
    Trouble.LOCKED: "Another process holds the database. It goes on by itself when it lets go.",
    Trouble.AWAY: "The database server cannot be reached, or ended the connection.",
    Trouble.UNSURE: "The connection broke while it was being committed, and the database server cannot be "
    "asked. Repeat it with the same Idempotency-Key; without one, look first whether it was done.",
    Trouble.CROWDED: "More is waiting to be written than the database has taken.",
    Trouble.CLOSED: "The server is stopping.",
    Trouble.ERROR: "The database could not read or write its files.",
    Trouble.BROKEN: "The disk did not keep what was written to it. The server stops.",
    Trouble.DAMAGED: "The database's file is not as it was written. The server stops.",
}
# After these nothing that the process still holds can be believed, so it must end.
FATAL = frozenset({Trouble.BROKEN, Trouble.DAMAGED})


class Transaction(Protocol):
    """What a work is given."""

    dialect: str
    exclusive: bool  # nobody else writes before it ends, so what was read once is still so
    news: News  # the facts that this transaction appends, told when it is committed

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for this one to end. Whoever has much to write may then stop in between."""

    def across_workspaces(self) -> AbstractAsyncContextManager[None]:
        """Within the `async with`, rows of other workspaces than that for which this is done are there too.

        To be said where a statement must: at what another workspace lends, at where else a person belongs.
        """

    async def rows(self, statement: Statement, /, **values: Any) -> list[Row]:
        """All rows of a query, or of a change that returns some."""

    async def row(self, statement: Statement, /, **values: Any) -> Row | None:
        """The first row, or None."""

    async def execute(self, statement: Statement, /, **values: Any) -> int:
        """Make a change; returns how many rows it changed."""

    async def hold(self, name: int) -> None:
        """Wait until no other transaction holds this name, and hold it to the end.

        Whoever holds several takes them in order of size.
        """

    async def insert(self, bulk: BulkInsert, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        """Insert them all; returns the `returning` columns of the rows that went in, in no order."""

    async def update(self, bulk: BulkUpdate, rows: Sequence[tuple[Any, ...]]) -> int:
        """Change them all; returns how many rows were changed."""

    async def update_returning(self, bulk: BulkUpdate, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        """Change them all; returns the `match` columns of the rows that were changed, in no order."""


class Database(Protocol):
    """An open database. A service: start and stop it."""

    dialect: str
    on_news: OnNews | None  # is told, on the event loop, of what was committed; a hint that may be lost

    @property
    def trouble(self) -> Trouble | None:
        """What kept the last change from being committed; None after one that was."""

    async def start(self) -> None:
        """Connect, and check that what is committed stays committed."""

    async def stop(self) -> None:
        """Finish what is queued, then close; calling it again changes nothing."""

    async def run(
        self, work: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a work that may write; returns its result after the durable commit.

        Raises Conflict when a unique index refused a row, Problem `storage-unavailable` (503) when the
        database cannot do it now, and whatever the work itself raised; each of them rolls it back.
        """

    async def read(
        self, work: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a work that only reads, on one snapshot."""

    async def tell_planner(self) -> None:
        """Have whoever plans statements know of tables that have grown; Problem as for `run`."""

    async def broken(self) -> Trouble:
        """Return when this process must end, for nothing it writes from now on could be believed."""


class Conflict(Exception):
    """A unique index refused a row. `constraint` is its name, the same on both databases."""

    def __init__(self, constraint: str) -> None:
        super().__init__(f"there is already a row with the same {constraint}")
        self.constraint = constraint


def unavailable(trouble: Trouble, told: str = "") -> Problem:
    """The database cannot do it now; `told` is what it said itself."""
    detail = f"{trouble}: {ADVICE[trouble]}"
    return Problem(
        "storage-unavailable",
        "The database cannot take this now",
        status=503,
        detail=f"{detail} ({told})" if told else detail,
        retry_after_s=RETRY_AFTER_S,
    )


def open_database(url: str, *, reads_only: bool = False) -> Database:
    """The database behind a URL; it is not touched before `start`. With `reads_only` nothing can be changed,
    which only a file of SQLite has to be told.

    `sqlite:///relative.db`, `sqlite:////absolute.db`; `sqlite://` is in memory and runs on the event loop
    itself; `postgresql://user@host/name`, with `?pool_max=10` and, behind a pgbouncer older than 1.21,
    `?statement_cache_size=0`.
    """
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        from angarium.storage.sqlite import SqliteDatabase  # noqa: PLC0415  a driver is loaded where it is used

        return SqliteDatabase(url.removeprefix("sqlite://").removeprefix("/"), reads_only=reads_only)
    if scheme in {"postgresql", "postgres"}:
        from angarium.storage.postgres import PostgresDatabase  # noqa: PLC0415  as above

        return PostgresDatabase(url)
    raise ValueError(f"a database URL begins with sqlite:// or postgresql://, not {scheme!r}")
