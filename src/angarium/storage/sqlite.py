"""SQLite through apsw: one writer that commits in groups, a few readers, or everything in memory.

Rules of the file:

1. The writer is the only connection that writes and the only one that checkpoints. Whatever is queued when
   it comes back from a commit is the next group: one BEGIN IMMEDIATE, each work in a savepoint of its own,
   one COMMIT, one wake-up of the event loop. So a work that fails falls alone, and a disk that takes a
   millisecond to sync carries thousands of works a second.
2. `synchronous=FULL`: in WAL mode NORMAL loses the last commits when the power goes.
3. Nothing else opens the file: closing a descriptor drops every POSIX lock of the process
   (sqlite.org/howtocorrupt.html §2.2). Migrations come through `connect` as well.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from queue import SimpleQueue
from typing import Any, Concatenate, ParamSpec, TypeVar

import apsw

from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement
from angarium.storage.database import WAITING_MAX, Conflict, Row, Transaction, unavailable
from angarium.storage.schema import unique_name

P = ParamSpec("P")
T = TypeVar("T")

READERS = 2
GROUP_MAX = 500  # works in one commit; bounds how long the first of them waits for the last
BUSY_TIMEOUT_MS = 5_000
STATEMENT_CACHE = 500
CACHE_KIB = 64 * 1024
CHECKPOINT_PAGES = 4_000  # 16 MiB of WAL, then the writer moves it into the database
JOURNAL_LIMIT_BYTES = 64 << 20

AWAITED_ELSEWHERE = "a transaction may not await anything but the database"
UNIQUE_FAILED = re.compile(r"UNIQUE constraint failed: (?:index '(?P<index>.+)'|(?P<columns>.+))")
OUT_OF_SERVICE = (
    apsw.FullError,
    apsw.IOError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.NoMemError,
    apsw.InterruptError,
)


class SqliteDatabase:
    """One SQLite file, or one database in memory when the path is empty."""

    dialect = "sqlite"

    def __init__(self, path: str) -> None:
        self._path = path
        self._connections: list[apsw.Connection] = []
        self._writer: _Lane | None = None
        self._readers: _Lane | None = None

    async def start(self) -> None:
        """Open the file, making it when there is none."""
        loop = asyncio.get_running_loop()
        if not self._path:
            memory = connect("")
            self._connections = [memory]
            self._writer = _LoopLane(loop, memory, commit_group)
            self._readers = _LoopLane(loop, memory, _read_in_memory)
            return
        try:
            writer = await asyncio.to_thread(connect, self._path)
            readers = [connect(self._path, read_only=True) for _ in range(READERS)]
        except apsw.Error as error:
            raise translated(error) from error
        self._connections = [*readers, writer]
        self._writer = _ThreadLane(loop, [writer], commit_group, GROUP_MAX)
        self._readers = _ThreadLane(loop, readers, read_each, 1)

    async def stop(self) -> None:
        """Finish what is queued and close; the writer last, for it checkpoints."""
        lanes, self._readers, self._writer = (self._readers, self._writer), None, None
        for lane in lanes:
            if lane is not None:
                await lane.close()
        connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    async def run(
        self, work: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a work that may write; returns after the durable commit."""
        return await _queue(self._writer, work, args, kwargs)

    async def read(
        self, work: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a work that only reads, on one snapshot."""
        return await _queue(self._readers, work, args, kwargs)


def connect(path: str, *, read_only: bool = False) -> apsw.Connection:
    """A connection with our settings; an empty path is a database in memory."""
    connection = apsw.Connection(path or ":memory:", statementcachesize=STATEMENT_CACHE)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    # Else the planner looks at what is bound to a LIMIT or compared beside a partial index, and plans anew
    # each time that changes: nine tenths of a claim (sqlite.org/c3ref/c_dbconfig_defensive.html, QPSG).
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    settings = [
        "journal_mode = WAL",
        "synchronous = FULL",
        f"cache_size = -{CACHE_KIB}",
        "temp_store = MEMORY",
        "mmap_size = 0",
        f"journal_size_limit = {JOURNAL_LIMIT_BYTES}",
        f"wal_autocheckpoint = {0 if read_only else CHECKPOINT_PAGES}",
    ]
    for setting in settings:
        connection.execute(f"PRAGMA {setting}").fetchall()
    if read_only:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("PRAGMA query_only = ON")
    return connection


# ── a transaction ────────────────────────────────────────────────────────────────────────────────────


class SqliteTransaction:
    """The verbs on one connection. Their awaits never suspend: see `_drive`."""

    dialect = "sqlite"

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    async def rows(self, statement: Statement, /, **values: Any) -> list[Row]:
        """All rows."""
        prepared = statement.on("sqlite")
        return list(self._cursor.execute(prepared.text, prepared.bind(values)))

    async def row(self, statement: Statement, /, **values: Any) -> Row | None:
        """The first row, or None."""
        prepared = statement.on("sqlite")
        found = list(self._cursor.execute(prepared.text, prepared.bind(values)))
        return found[0] if found else None

    async def execute(self, statement: Statement, /, **values: Any) -> int:
        """Make a change; returns how many rows it changed."""
        prepared = statement.on("sqlite")
        before = self._connection.total_changes()
        self._cursor.execute(prepared.text, prepared.bind(values)).fetchall()
        return self._connection.total_changes() - before

    async def insert(self, bulk: BulkInsert, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        """Insert them all."""
        bulk.check(rows)
        return list(self._cursor.executemany(bulk.text("sqlite"), rows))

    async def update(self, bulk: BulkUpdate, rows: Sequence[tuple[Any, ...]]) -> int:
        """Change them all."""
        bulk.check(rows)
        before = self._connection.total_changes()
        self._cursor.executemany(bulk.text("sqlite"), rows).fetchall()
        return self._connection.total_changes() - before

    async def update_returning(self, bulk: BulkUpdate, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        """Change them all; returns the keys of those that were changed."""
        bulk.check(rows)
        return list(self._cursor.executemany(bulk.text_returning("sqlite"), rows))


# ── works and what became of them ────────────────────────────────────────────────────────────────────


class _Job:
    """A work that waits, and the future of whoever waits for it."""

    __slots__ = ("args", "future", "kwargs", "outcome", "work")

    def __init__(
        self,
        work: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        future: asyncio.Future[Any],
    ) -> None:
        self.work = work
        self.args = args
        self.kwargs = kwargs
        self.future = future
        self.outcome: Any = None  # a result, or _Failed

    def settle(self) -> None:
        """Tell whoever waits; on the event loop."""
        if self.future.done():
            return
        if isinstance(self.outcome, _Failed):
            self.future.set_exception(self.outcome.error)
        else:
            self.future.set_result(self.outcome)


class _Failed:
    """How a work ended that did not end well."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = translated(error)


async def _queue(
    lane: _Lane | None, work: Callable[..., Awaitable[T]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> T:
    if lane is None:
        raise unavailable("The database is closed.")
    if lane.waiting >= WAITING_MAX:
        raise unavailable(f"{lane.waiting} transactions are waiting.")
    job = _Job(work, args, kwargs, asyncio.get_running_loop().create_future())
    lane.put(job)
    result: T = await job.future
    return result


def commit_group(connection: apsw.Connection, tx: SqliteTransaction, jobs: Sequence[_Job]) -> None:
    """Run the jobs in one transaction and commit it; what it raises is the failure of every job."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            job.outcome = _run_within(connection, tx, job, alone=len(jobs) == 1)
        if connection.in_transaction:
            connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run_within(connection: apsw.Connection, tx: SqliteTransaction, job: _Job, *, alone: bool) -> Any:
    if not alone:
        connection.execute("SAVEPOINT work")
    try:
        result = _drive(job, tx)
    except BaseException as error:
        if not connection.in_transaction:  # SQLite gave the whole group up: disk full, I/O error
            raise
        connection.execute("ROLLBACK" if alone else "ROLLBACK TO work; RELEASE work")
        return _Failed(error)
    if not alone:
        connection.execute("RELEASE work")
    return result


def read_each(connection: apsw.Connection, tx: SqliteTransaction, jobs: Sequence[_Job]) -> None:
    """Run each job on a snapshot of its own."""
    for job in jobs:
        connection.execute("BEGIN")
        try:
            job.outcome = _drive(job, tx)
        except BaseException as error:
            job.outcome = _Failed(error)
        connection.execute("ROLLBACK")


def _read_in_memory(connection: apsw.Connection, tx: SqliteTransaction, jobs: Sequence[_Job]) -> None:
    """The same on the one connection that there is; query_only would make it forget all it has prepared."""
    for job in jobs:
        before = connection.total_changes()
        read_each(connection, tx, [job])
        if connection.total_changes() != before:
            job.outcome = _Failed(apsw.ReadOnlyError("attempt to write a readonly database"))


def _drive(job: _Job, tx: SqliteTransaction) -> Any:
    steps = job.work(tx, *job.args, **job.kwargs).__await__()
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    steps.close()
    raise RuntimeError(AWAITED_ELSEWHERE)


def translated(error: BaseException) -> BaseException:
    """The driver's error as the rooms know it."""
    if isinstance(error, apsw.ConstraintError):
        found = UNIQUE_FAILED.search(str(error))
        translation: Exception = Conflict(_constraint(found)) if found else error
    elif isinstance(error, OUT_OF_SERVICE):
        translation = unavailable(f"SQLite: {error}")
    else:
        return error
    translation.__cause__ = error
    return translation


def _constraint(found: re.Match[str]) -> str:
    if found["index"]:
        return found["index"]
    columns = [column.partition(".") for column in found["columns"].split(", ")]
    return unique_name(columns[0][0], frozenset(name for _, _, name in columns))


# ── who runs them ────────────────────────────────────────────────────────────────────────────────────

_Process = Callable[[apsw.Connection, SqliteTransaction, Sequence[_Job]], None]


class _ThreadLane:
    """Threads that take jobs from one queue, each with a connection of its own."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connections: Sequence[apsw.Connection],
        process: _Process,
        group_max: int,
    ) -> None:
        self._loop = loop
        self._process = process
        self._group_max = group_max
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, args=(connection,), name="sqlite", daemon=True)
            for connection in connections
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many jobs nobody has taken yet."""
        return self._jobs.qsize()

    def put(self, job: _Job) -> None:
        """Queue a job; its future is settled when it is done."""
        self._jobs.put(job)

    async def close(self) -> None:
        """Finish what is queued."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _serve(self, connection: apsw.Connection) -> None:
        tx = SqliteTransaction(connection)
        closing = False
        while not closing:
            jobs, closing = self._take()
            if jobs:
                _attend(self._process, connection, tx, jobs)
                self._loop.call_soon_threadsafe(_settle, jobs)

    def _take(self) -> tuple[list[_Job], bool]:
        jobs: list[_Job] = []
        item = self._jobs.get()
        while item is not None:
            jobs.append(item)
            if len(jobs) == self._group_max or self._jobs.empty():
                return jobs, False
            item = self._jobs.get()  # nobody else takes from a queue whose groups are larger than one
        return jobs, True


class _LoopLane:
    """Jobs run on the event loop itself, at its next turn: the same order every time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connection: apsw.Connection, process: _Process
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._tx = SqliteTransaction(connection)
        self._process = process
        self._jobs: deque[_Job] = deque()

    @property
    def waiting(self) -> int:
        """How many jobs are queued."""
        return len(self._jobs)

    def put(self, job: _Job) -> None:
        """Queue a job."""
        if not self._jobs:
            self._loop.call_soon(self._drain)
        self._jobs.append(job)

    async def close(self) -> None:
        """Finish what is queued."""
        self._drain()

    def _drain(self) -> None:
        jobs = list(self._jobs)
        self._jobs.clear()
        if jobs:
            _attend(self._process, self._connection, self._tx, jobs)
            _settle(jobs)


_Lane = _ThreadLane | _LoopLane


def _attend(
    process: _Process, connection: apsw.Connection, tx: SqliteTransaction, jobs: Sequence[_Job]
) -> None:
    try:
        process(connection, tx, jobs)
    except BaseException as error:
        for job in jobs:
            job.outcome = _Failed(error)


def _settle(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.settle()
