"""SQLite through apsw: one writer that commits in groups, a few readers, or everything in memory.

Rules of the file:

1. The writer is the only connection that writes and the only one that checkpoints. Whatever is queued when
   it comes back from a commit is the next group: one BEGIN IMMEDIATE, each work in a savepoint of its own,
   one COMMIT, one wake-up of the event loop. So a work that fails falls alone, and a disk that takes a
   millisecond to sync carries thousands of works a second.
2. `synchronous=FULL`: in WAL mode NORMAL loses the last commits when the power goes.
3. Nothing else opens the file: closing a descriptor drops every POSIX lock of the process
   (sqlite.org/howtocorrupt.html §2.2). Migrations come through `connect` as well.
4. A sync that failed is never tried again: the kernel may have dropped what it could not write, and the next
   sync would say that all is well (PostgreSQL's wiki, "Fsync Errors"). Nothing more is taken, the file is
   closed without a checkpoint, and the process must end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import apsw

from angarium.storage.database import OnNews, Transaction, Trouble
from angarium.storage.sqlite_lanes import (
    BUSY_TIMEOUT_MS,
    Lane,
    LoopLane,
    ThreadLane,
    commit_group,
    queue,
    read_each,
    read_in_memory,
)
from angarium.storage.sqlite_planner import tell_planner
from angarium.storage.sqlite_trouble import Health, translated

P = ParamSpec("P")
T = TypeVar("T")

READERS = 2
GROUP_MAX = 500  # works in one commit; bounds how long the first of them waits for the last
STATEMENT_CACHE = 500
# A split may number a page past the end of the file for a moment (balance_nonroot in btree.c), and then the
# commit goes through all pages that are kept. So few are: the system keeps the file at hand anyway.
CACHE_KIB = 16 * 1024
# What readers look at is seldom what they looked at before, and the system keeps the file at hand. With as
# much as the writer, the report of a campaign and its pages left 34 MiB behind, and took no less time.
READER_CACHE_KIB = 2 * 1024
CHECKPOINT_PAGES = 4_000  # 16 MiB of WAL, then the writer moves it into the database
JOURNAL_LIMIT_BYTES = 64 << 20


class SqliteDatabase:
    """One SQLite file, or one database in memory when the path is empty."""

    dialect = "sqlite"

    def __init__(self, path: str, *, reads_only: bool = False) -> None:
        self._path = path
        self._reads_only = reads_only
        self._health = Health()
        self.on_news: OnNews | None = None
        self._connections: list[apsw.Connection] = []
        self._writer: Lane | None = None
        self._readers: Lane | None = None

    async def start(self) -> None:
        """Open the file, making it when there is none."""
        loop = asyncio.get_running_loop()
        if not self._path:
            memory = connect("")
            self._connections = [memory]
            self._writer = LoopLane(loop, self._health, memory, commit_group)
            self._readers = LoopLane(loop, self._health, memory, read_in_memory)
            return
        try:
            writers = [] if self._reads_only else [await asyncio.to_thread(_open_writer, self._path)]
            readers = [connect(self._path, read_only=True) for _ in range(READERS)]
        except apsw.Error as error:
            raise translated(error) from error
        self._connections = [*readers, *writers]
        if writers:
            self._writer = ThreadLane(loop, self._health, writers, commit_group, GROUP_MAX)
        self._readers = ThreadLane(loop, self._health, readers, read_each, 1)

    @property
    def trouble(self) -> Trouble | None:
        """What kept the last change from being committed."""
        return self._health.trouble

    async def tell_planner(self) -> None:
        """Nothing: it was told when the file was opened (`sqlite_planner.py`)."""

    async def broken(self) -> Trouble:
        """Return when a sync has failed, or the file is damaged."""
        return await self._health.ended()

    async def stop(self) -> None:
        """Finish what is queued and close; the writer last, for it checkpoints."""
        lanes, self._readers, self._writer = (self._readers, self._writer), None, None
        for lane in lanes:
            if lane is not None:
                await lane.close()
        connections, self._connections = self._connections, []
        for connection in connections:
            if self._health.broken:
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.close()

    async def run(
        self, work: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a work that may write; returns after the durable commit."""
        return await queue(self._writer, work, args, kwargs, self.on_news)

    async def read(
        self, work: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a work that only reads, on one snapshot."""
        return await queue(self._readers, work, args, kwargs)


def _open_writer(path: str) -> apsw.Connection:
    writer = connect(path)
    tell_planner(writer)
    return writer


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
        f"cache_size = -{READER_CACHE_KIB if read_only else CACHE_KIB}",
        f"temp_store = {'FILE' if read_only else 'MEMORY'}",
        "mmap_size = 0",
        f"journal_size_limit = {JOURNAL_LIMIT_BYTES}",
        f"wal_autocheckpoint = {0 if read_only else CHECKPOINT_PAGES}",
    ]
    for setting in settings:
        connection.execute(f"PRAGMA {setting}").fetchall()
    if read_only:
        # A report sorts a row for each message, of a million a hundred MiB and more. Beyond its cache it
        # goes through a file without a name beside the database: there is room, and nobody else reads there.
        _sort_in(connection, Path(path).parent)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("PRAGMA query_only = ON")
    return connection


def _sort_in(connection: apsw.Connection, folder: Path) -> None:
    """Where the files lie that SQLite sorts in; of the whole process.

    Its manual would have that set before there are threads. The pragma holds the mutex that is held where a
    file gets its name (SQLITE_MUTEX_STATIC_TEMPDIR in pragma.c and os_unix.c), so others may sort meanwhile.
    """
    quoted = str(folder.absolute()).replace("'", "''")
    connection.execute(f"PRAGMA temp_store_directory = '{quoted}'").fetchall()
