"""PostgreSQL through asyncpg: a pool, works that run again after a deadlock, and no careless settings.

Rules of the file:

1. A work is one transaction on one connection, READ COMMITTED; a read is one snapshot, REPEATABLE READ.
2. Two works may lock the same rows in another order. PostgreSQL then gives up one of them, and it is run
   again from the top: nobody but the database saw anything of it.
3. A server that does not keep what it has committed is refused at the start. What a transaction needs it sets
   for itself, in the message that begins it: that its commit is kept, and the workspace that it is done for.
   Nothing is set for a session, which behind a pgbouncer others use as well.
4. A COMMIT that got no answer is asked after (`marks.py`): what was committed is done, and what was not is
   run again. Only where PostgreSQL stays away is the caller told that it is not known.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from angarium.core.clock import Clock, SystemClock
from angarium.core.problems import FieldProblem, Problem, shown
from angarium.storage.behalf import ALL, whose
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement
from angarium.storage.database import (
    WAITING_MAX,
    Conflict,
    News,
    OnNews,
    Row,
    Transaction,
    Trouble,
    unavailable,
)
from angarium.storage.marks import Marks
from angarium.storage.postgres_planner import tell_planner
from angarium.storage.row_security import begun_for, set_for

P = ParamSpec("P")
T = TypeVar("T")

POOL_MAX = 10
STATEMENT_CACHE = 500
TRIES_MAX = 4  # the first and three more
CONNECT_TIMEOUT_S = 10
COMMAND_TIMEOUT_S = 60
# Within a transaction: a process that stands still, or is cut off, then holds up nobody. Whoever is cut off
# between two messages of one statement is not idle in PostgreSQL's eyes, nor does `statement_timeout` end it
# there (SocketBackend in tcop/postgres.c holds cancels off); version 17 has a limit for that.
IDLE_S, WHOLE_S, WHOLE_SINCE = 20, 60, 17
CLOSE_TIMEOUT_S = 10
DOUBT_S = 10.0  # how long it is tried to learn whether something was committed; a caller waits for it
ASK_AGAIN_S = 0.1

RUN = f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = {IDLE_S * 1000}"
WHOLE = f"; SET LOCAL transaction_timeout = {WHOLE_S * 1000}"
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
RUN_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
# The first that fits; what is not of the server is not here.
OUT_OF_SERVICE: tuple[tuple[tuple[type[Exception], ...], Trouble], ...] = (
    ((asyncpg.DiskFullError,), Trouble.FULL),
    ((*RUN_AGAIN, asyncpg.LockNotAvailableError), Trouble.LOCKED),
    ((asyncpg.InsufficientResourcesError,), Trouble.CROWDED),
    ((OSError, TimeoutError, asyncpg.PostgresConnectionError), Trouble.AWAY),
    ((asyncpg.OperatorInterventionError, asyncpg.InterfaceError), Trouble.AWAY),
    ((asyncpg.IdleInTransactionSessionTimeoutError,), Trouble.AWAY),
    # The connection was lost between two messages of a statement: "cannot switch to state 15".
    ((asyncpg.InternalClientError,), Trouble.AWAY),
    ((asyncpg.PostgresSystemError,), Trouble.ERROR),
)
# A pool that lends another connection to each transaction: what was prepared is not there any more.
LOST_STATEMENT = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
POOLED = (
    "A pgbouncer in transaction mode stands before PostgreSQL. Say ?statement_cache_size=0 at the end of the "
    "setting `database`, or, from pgbouncer 1.21 on, max_prepared_statements = 500 in its own."
)
_SETTING = "SELECT current_setting($1)"
OURS = {"pool_max", "statement_cache_size"}
# Both are the whole server's (runtime-config-wal in PostgreSQL's manual); `synchronous_commit` we may set.
KEEPERS = ("fsync", "full_page_writes")
KEEP = "; SET LOCAL synchronous_commit = on"
COMMIT = "COMMIT"


class _Doubt(Exception):
    """A COMMIT got no answer. `result`: of the work, if it was committed."""

    def __init__(self, number: int | None, result: Any) -> None:
        super().__init__("a COMMIT got no answer")
        self.number = number
        self.result = result


class PostgresDatabase:
    """A database on a PostgreSQL server."""

    dialect = "postgresql"

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._marks: Marks | None = None
        self._dsn, options = split_url(url)
        self._pool_max = _number(options, "pool_max", POOL_MAX)
        self._statement_cache = _number(options, "statement_cache_size", STATEMENT_CACHE)
        self._pool: asyncpg.Pool | None = None
        self._waiting = 0
        self._begin = RUN
        self.on_news: OnNews | None = None
        self.trouble: Trouble | None = None  # what kept the last change from being committed

    async def start(self) -> None:
        """Connect; Problem `database-careless` when the server does not keep what it has committed."""
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=0,  # else asyncpg keeps one by itself, and complains to nobody while it cannot
                max_size=self._pool_max,
                init=_prepare,
                reset=_nothing_to_reset,
                statement_cache_size=self._statement_cache,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
            )
            async with self._pool.acquire() as connection:
                whole = WHOLE if connection.get_server_version().major >= WHOLE_SINCE else ""
                self._begin = RUN + whole + ("" if await _keeps(connection) else KEEP)
                self._marks = await Marks.begin(connection, self._clock)
        except Problem:
            await self.stop()
            raise
        except Exception as error:
            await self.stop()
            raise not_let_in(error) from error

    async def stop(self) -> None:
        """Let the works under way end, then close."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            pool.terminate()

    async def tell_planner(self) -> None:
        """Have tables counted that have grown (`postgres_planner.py`)."""
        if self._pool is None:
            raise unavailable(Trouble.CLOSED)
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                await tell_planner(connection)
        except Exception as error:
            raise translated(error) from error

    async def broken(self) -> Trouble:
        """Never: a server whose disk fails stops by itself, and comes back with what it has kept."""
        never: asyncio.Future[Trouble] = asyncio.get_running_loop().create_future()
        return await never

    async def run(
        self, work: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a work that may write; returns after the durable commit."""
        result = await self._counted(self._begin, work, args, kwargs)
        self.trouble = None
        return result

    async def read(
        self, work: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a work that only reads, on one snapshot."""
        return await self._counted(READ, work, args, kwargs)

    async def _counted(
        self, begin: str, work: Callable[..., Awaitable[T]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> T:
        if self._waiting >= WAITING_MAX:
            raise unavailable(Trouble.CROWDED, f"{self._waiting} transactions")
        self._waiting += 1
        try:
            return await self._until_done(begin, work, args, kwargs)
        except Exception as error:
            self.trouble = trouble_of(error) or self.trouble
            translation = translated(error)
            if translation is error:
                raise
            raise translation from error
        finally:
            self._waiting -= 1

    async def _until_done(
        self, begin: str, work: Callable[..., Awaitable[T]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> T:
        for left in reversed(range(TRIES_MAX)):
            with self._numbered(begin) as number:
                try:
                    return await self._once(begin, number, work, args, kwargs)
                except RUN_AGAIN:
                    if not left:
                        raise
                except _Doubt as doubt:
                    if await self._was_committed(doubt):
                        result: T = doubt.result
                        return result
                    if not left:
                        raise unavailable(Trouble.AWAY, str(doubt.__cause__)) from doubt
        raise AssertionError("the last try returns or raises")

    def _numbered(self, begin: str) -> AbstractContextManager[int | None]:
        if begin == READ or self._marks is None:
            return nullcontext()
        return self._marks.under_way()

    async def _once(
        self,
        begin: str,
        number: int | None,
        work: Callable[..., Awaitable[T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> T:
        if self._pool is None:
            raise unavailable(Trouble.CLOSED)
        workspace_id = whose()
        async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
            try:
                await connection.execute(begin + begun_for(workspace_id))
                tx = PostgresTransaction(connection, workspace_id)
                result = await work(tx, *args, **kwargs)
                try:
                    await _commit(connection, self._text(number) if tx.wrote else COMMIT)
                except Exception as error:
                    if begin != READ and _says_nothing(error):
                        raise _Doubt(number, result) from error
                    raise
            except BaseException:
                await _roll_back(connection)
                raise
        if tx.news and self.on_news is not None:
            self.on_news(tx.news)
        return result

    def _text(self, number: int | None) -> str:
        return COMMIT if self._marks is None or number is None else self._marks.commit(number)

    async def _was_committed(self, doubt: _Doubt) -> bool:
        """Whether it was, or never will be; Problem when that cannot be told within DOUBT_S."""
        cause: BaseException | None = doubt.__cause__
        if self._marks is None or doubt.number is None:
            raise unavailable(Trouble.UNSURE, str(cause)) from doubt
        until = self._clock.monotonic() + DOUBT_S
        while self._pool is not None and (left_s := until - self._clock.monotonic()) > 0:
            try:
                async with asyncio.timeout(left_s), self._pool.acquire(timeout=left_s) as connection:
                    return await self._marks.kept(connection, doubt.number)
            except Exception as error:
                if trouble_of(error) is None:
                    raise
                cause = error
            await self._clock.sleep(ASK_AGAIN_S)
        raise unavailable(Trouble.UNSURE, str(cause)) from doubt


class PostgresTransaction:
    """The verbs on one connection."""

    dialect = "postgresql"
    exclusive = False
    awaited = False  # others run beside it

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy, workspace_id: int = ALL) -> None:
        self._connection = connection
        self._workspace_id = workspace_id  # for which it was begun
        self.news: News = {}
        self.wrote = False  # a statement changes rows by its own verb alone: SQLite knows no other way

    @asynccontextmanager
    async def across_workspaces(self) -> AsyncIterator[None]:
        """Look beyond the workspace that this is done for; two round trips, where it is done for one."""
        workspace_id, self._workspace_id = self._workspace_id, ALL
        if workspace_id == ALL:
            yield
            return
        await self._connection.execute(set_for(ALL))
        yield
        await self._connection.execute(set_for(workspace_id))  # after an error the transaction ends anyway
        self._workspace_id = workspace_id

    async def rows(self, statement: Statement, /, **values: Any) -> list[Row]:
        """All rows."""
        prepared = statement.on("postgresql")
        found = await self._fetch(prepared.text, prepared.bind(values))
        self.wrote |= bool(found) and not prepared.text.startswith("SELECT")
        return found

    async def row(self, statement: Statement, /, **values: Any) -> Row | None:
        """The first row, or None."""
        found = await self.rows(statement, **values)
        return found[0] if found else None

    async def execute(self, statement: Statement, /, **values: Any) -> int:
        """Make a change; returns how many rows it changed."""
        prepared = statement.on("postgresql")
        return self._changed(await self._connection.execute(prepared.text, *prepared.bind(values)))

    async def hold(self, name: int) -> None:
        """Wait for the name, and hold it to the end."""
        await self._connection.execute("SELECT pg_advisory_xact_lock($1)", name)

    async def insert(self, bulk: BulkInsert, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        """Insert them all."""
        if not rows:
            return []
        bulk.check(rows)
        self.wrote = True
        if bulk.returning:
            return await self._fetch(bulk.text("postgresql"), _columns(rows))
        await self._connection.execute(bulk.text("postgresql"), *_columns(rows))
        return []

    async def update(self, bulk: BulkUpdate, rows: Sequence[tuple[Any, ...]]) -> int:
        """Change them all."""
        if not rows:
            return 0
        bulk.check(rows)
        return self._changed(await self._connection.execute(bulk.text("postgresql"), *_columns(rows)))

    async def update_returning(self, bulk: BulkUpdate, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        """Change them all; returns the keys of those that were changed."""
        if not rows:
            return []
        bulk.check(rows)
        found = await self._fetch(bulk.text_returning("postgresql"), _columns(rows))
        self.wrote |= bool(found)
        return found

    async def _fetch(self, text: str, arguments: Sequence[Any]) -> list[Row]:
        found: list[Row] = await self._connection.fetch(text, *arguments)
        return found

    def _changed(self, status: str) -> int:
        """`UPDATE 3` -> 3; a statement that counts nothing, such as `CREATE TABLE`, changed no row."""
        count = status.rpartition(" ")[2]
        self.wrote |= count != "0"
        return int(count) if count.isdigit() else 0


def translated(error: Exception) -> Exception:
    """The driver's error as the rooms know it."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return Conflict(error.constraint_name or "")
    if isinstance(error, LOST_STATEMENT):
        return Problem(
            "database-pooled", "Prepared statements get lost on the way", status=503, detail=POOLED
        )
    trouble = trouble_of(error)
    if trouble is not None:
        return unavailable(trouble, f"PostgreSQL: {error or type(error).__name__}")
    return error


def not_let_in(error: Exception) -> Exception:
    """The same of who has not been connected yet: what is no trouble of the server's is wrong in the address,
    such as a name, a password or a parameter."""
    known = translated(error)
    if known is error and isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | ValueError):
        remedy = "Mend the setting `database`, or the password (PGPASSWORD, ~/.pgpass)."
        detail = f"PostgreSQL: {error}. {remedy}"
        return Problem("database-refused", "The database does not let us in", status=503, detail=detail)
    return known


def trouble_of(error: Exception) -> Trouble | None:
    """What an error says of the server; None when it says nothing of it."""
    if isinstance(error, asyncpg.DataError):  # some are InterfaceErrors as well: a value that does not fit
        return None
    return next((trouble for kinds, trouble in OUT_OF_SERVICE if isinstance(error, kinds)), None)


def split_url(url: str) -> tuple[str, dict[str, str]]:
    """The driver's URL, and the settings in it that are ours."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    ours = {name: value for name, value in pairs if name in OURS}
    rest = [(name, value) for name, value in pairs if name not in OURS]
    return urlunsplit(parts._replace(query=urlencode(rest))), ours


def _number(options: dict[str, str], name: str, default: int) -> int:
    value = options.get(name, str(default))
    if not value.isascii() or not value.isdigit():
        wrong = FieldProblem(
            "database", f"{name} is no whole number", f"such as {name}={default}", shown(value)
        )
        raise Problem("settings", "The settings are not valid", detail=wrong.problem, fields=(wrong,))
    return int(value)


async def _prepare(connection: asyncpg.Connection) -> None:
    # sum(bigint) is numeric; the rooms know integers and floats only.
    await connection.set_type_codec(
        "numeric", schema="pg_catalog", format="text", encoder=str, decoder=_integer_or_float
    )


async def _nothing_to_reset(connection: asyncpg.Connection) -> None:
    """A work leaves no trace on its connection, so the round trip that would wipe it is saved."""


def _integer_or_float(text: str) -> float:
    return float(text) if "." in text or "N" in text else int(text)


async def _keeps(connection: asyncpg.pool.PoolConnectionProxy) -> bool:
    """Whether a commit is kept unless we ask for more; a Problem where nothing that we ask for would do."""
    off = [name for name in KEEPERS if await connection.fetchval(_SETTING, name) == "off"]
    if off:
        raise Problem(
            "database-careless",
            "This PostgreSQL may lose what it has committed",
            detail=f"It runs with {' and '.join(f'{name} = off' for name in off)}. "
            f"Set {' and '.join(off)} to on in postgresql.conf and reload it (SELECT pg_reload_conf()).",
        )
    return bool(await connection.fetchval(_SETTING, "synchronous_commit") != "off")


async def _commit(connection: asyncpg.pool.PoolConnectionProxy, text: str) -> None:
    swallowed = "the work caught an error of the database, so nothing was committed"
    try:
        done = await connection.execute(text)
    except asyncpg.InFailedSQLTransactionError as error:
        raise RuntimeError(swallowed) from error
    if done != COMMIT:
        raise RuntimeError(swallowed)


def _says_nothing(error: Exception) -> bool:
    """Whether a COMMIT that failed so may yet have been done: anything but an ERROR of the server's own. What
    ends the connection (FATAL, PANIC) may come after the commit, and a pgbouncer does not know."""
    if isinstance(error, RuntimeError):
        return False
    return not isinstance(error, asyncpg.PostgresError) or error.severity_en != "ERROR"


async def _roll_back(connection: asyncpg.pool.PoolConnectionProxy) -> None:
    try:
        await connection.execute("ROLLBACK")
    except BaseException:  # lost, or cancelled again: it must not go back to the pool as it is
        with suppress(asyncpg.InterfaceError):  # it has been taken out already
            connection.terminate()


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True))
