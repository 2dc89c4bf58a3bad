"""Works on SQLite: the transaction they are handed, the queue they wait in, and who runs them.

The rules are told in `storage/sqlite.py`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from queue import SimpleQueue
from typing import Any, TypeVar

import apsw

from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement
from angarium.storage.database import WAITING_MAX, News, OnNews, Row, Trouble, unavailable
from angarium.storage.sqlite_trouble import Health, translated, trouble_of

T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000  # how long somebody else may hold the file before callers are told to come back
BUSY_AGAIN_MS = 250  # the same once that has happened, until it is over
AT_ONCE = 32  # rows to a statement
AWAITED_ELSEWHERE = "a transaction may not await anything but the database"

# ── a transaction ────────────────────────────────────────────────────────────────────────────────────


class SqliteTransaction:
    """The verbs on one connection. Their awaits never suspend: see `_drive`."""

    dialect = "sqlite"
    exclusive = True

    def __init__(self, connection: apsw.Connection, waiting: Callable[[], int]) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._waiting = waiting  # how many jobs nobody has taken yet
        self.news: News = {}  # of the work that runs
        self.alone = True  # no other work is in the same commit

    @property
    def awaited(self) -> bool:
        """Whether a work waits for this one, in the same commit or for the next."""
        return not self.alone or self._waiting() > 0

    @asynccontextmanager
    async def across_workspaces(self) -> AsyncIterator[None]:
        """Nothing to ask for: SQLite has no rules of its own about rows."""
        yield

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

    async def hold(self, name: int) -> None:
        """Nothing to wait for: there is one writer."""

    async def insert(self, bulk: BulkInsert, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        """Insert them all."""
        bulk.check(rows)
        if bulk.returning:  # one by one: of several at once SQLite does not say in which order they come
            return list(self._cursor.executemany(bulk.text("sqlite"), rows))
        self._at_once(bulk, rows)
        return []

    async def update(self, bulk: BulkUpdate, rows: Sequence[tuple[Any, ...]]) -> int:
        """Change them all."""
        bulk.check(rows)
        before = self._connection.total_changes()
        self._at_once(bulk, rows)
        return self._connection.total_changes() - before

    def _at_once(self, bulk: BulkInsert | BulkUpdate, rows: Sequence[tuple[Any, ...]]) -> None:
        """Many rows to a statement. Each step of a statement lets go of the interpreter and must get it back:
        with a row to a step, whoever else works in Python takes it away a hundred times in a batch."""
        whole = len(rows) - len(rows) % AT_ONCE
        for begin in range(0, whole, AT_ONCE):
            self._cursor.execute(
                bulk.of(AT_ONCE), tuple(chain.from_iterable(rows[begin : begin + AT_ONCE]))
            ).fetchall()
        if whole < len(rows):
            self._cursor.executemany(bulk.text("sqlite"), rows[whole:]).fetchall()

    async def update_returning(self, bulk: BulkUpdate, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        """Change them all; returns the keys of those that were changed."""
        bulk.check(rows)
        return list(self._cursor.executemany(bulk.text_returning("sqlite"), rows))


# ── works and what became of them ────────────────────────────────────────────────────────────────────


class _Job:
    """A work that waits, and the future of whoever waits for it."""

    __slots__ = ("args", "future", "kwargs", "news", "outcome", "work")

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
        self.news: News = {}

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
        self.error = error


async def queue(
    lane: Lane | None,
    work: Callable[..., Awaitable[T]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    on_news: OnNews | None = None,
) -> T:
    if lane is None:
        raise unavailable(Trouble.CLOSED)
    if lane.waiting >= WAITING_MAX:
        raise unavailable(Trouble.CROWDED, f"{lane.waiting} transactions")
    job = _Job(work, args, kwargs, asyncio.get_running_loop().create_future())
    lane.put(job)
    result: T = await job.future
    if job.news and on_news is not None:
        on_news(job.news)
    return result


def commit_group(connection: apsw.Connection, tx: SqliteTransaction, jobs: Sequence[_Job]) -> None:
    """Run the jobs in one transaction and commit it; what it raises is the failure of every job."""
    try:
        _begin(connection)
        tx.alone = len(jobs) == 1
        for job in jobs:
            job.outcome = _run_within(connection, tx, job)
        if connection.in_transaction:
            connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _begin(connection: apsw.Connection) -> None:
    """Take the file for writing. Whoever holds it is waited for at length once, and then only looked at."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except apsw.BusyError:
        connection.set_busy_timeout(BUSY_AGAIN_MS)
        raise
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)


def _run_within(connection: apsw.Connection, tx: SqliteTransaction, job: _Job) -> Any:
    if not tx.alone:
        connection.execute("SAVEPOINT work")
    try:
        result = _drive(job, tx)
    except BaseException as error:
        if not connection.in_transaction:  # SQLite gave the whole group up: disk full, I/O error
            raise
        connection.execute("ROLLBACK" if tx.alone else "ROLLBACK TO work; RELEASE work")
        return _Failed(error)
    if not tx.alone:
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


def read_in_memory(connection: apsw.Connection, tx: SqliteTransaction, jobs: Sequence[_Job]) -> None:
    """The same on the one connection that there is; query_only would make it forget all it has prepared."""
    for job in jobs:
        before = connection.total_changes()
        read_each(connection, tx, [job])
        if connection.total_changes() != before:
            job.outcome = _Failed(apsw.ReadOnlyError("attempt to write a readonly database"))


def _drive(job: _Job, tx: SqliteTransaction) -> Any:
    job.news = tx.news = {}
    steps = job.work(tx, *job.args, **job.kwargs).__await__()
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    steps.close()
    raise RuntimeError(AWAITED_ELSEWHERE)


# ── who runs them ────────────────────────────────────────────────────────────────────────────────────

_Process = Callable[[apsw.Connection, SqliteTransaction, Sequence[_Job]], None]


class ThreadLane:
    """Threads that take jobs from one queue, each with a connection of its own."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        health: Health,
        connections: Sequence[apsw.Connection],
        process: _Process,
        group_max: int,
    ) -> None:
        self._loop = loop
        self._health = health
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
        tx = SqliteTransaction(connection, self._jobs.qsize)
        closing = False
        while not closing:
            jobs, closing = self._take()
            if jobs:
                _attend(self._process, self._health, connection, tx, jobs)
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


class LoopLane:
    """Jobs run on the event loop itself, at its next turn: the same order every time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, health: Health, connection: apsw.Connection, process: _Process
    ) -> None:
        self._loop = loop
        self._health = health
        self._connection = connection
        self._jobs: deque[_Job] = deque()
        self._tx = SqliteTransaction(connection, lambda: len(self._jobs))
        self._process = process

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
            _attend(self._process, self._health, self._connection, self._tx, jobs)
            _settle(jobs)


Lane = ThreadLane | LoopLane


def _attend(
    process: _Process,
    health: Health,
    connection: apsw.Connection,
    tx: SqliteTransaction,
    jobs: Sequence[_Job],
) -> None:
    """Process jobs, and note of each how it ended and of the file how it is."""
    before = connection.total_changes()
    try:
        if health.broken is not None:
            raise unavailable(health.broken)
        process(connection, tx, jobs)
        if connection.total_changes() != before:
            health.committed()
    except BaseException as error:
        for job in jobs:
            job.outcome = _Failed(error)
    for job in jobs:
        if isinstance(job.outcome, _Failed):
            _explain(job.outcome, health, connection)


def _explain(failed: _Failed, health: Health, connection: apsw.Connection) -> None:
    error, errno_ = failed.error, connection.system_errno
    trouble = trouble_of(error, errno_) if isinstance(error, apsw.Error) else None
    if trouble is not None:
        health.met(trouble)
    failed.error = translated(error, errno_)


def _settle(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.settle()
