"""Whether a change was committed whose COMMIT got no answer: the last thing it did was to leave a mark.

The mark travels in one message with the COMMIT: it costs no round trip, and is there if and only if
the change is: also on a server that took over from another, whatever that one had not passed on. Who was left
without an answer asks by leaving the same mark, as one of a change that was given up. Whichever of the two
was first stands, for they have one key: if ours, the change was not committed, and if its COMMIT is still on
its way it will fail on our mark. A change that wrote nothing leaves none.

The transaction's own number would do with `pg_xact_status`, for a round trip more in each change; but it says
nothing after a fail-over, when it may be that of another transaction
(https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, PrimaryKeyConstraint, Table

from angarium.core.clock import Clock
from angarium.storage.schema import Count, Id, Instant, metadata

KEPT = 256  # changes between two times of letting go of marks that nobody can ask for any more
DAY = 86_400_000_000  # after which nobody asks for those of a process that has ended

# Of processes and not of workspaces, so no workspace leads its key. Empty on SQLite, which always answers.
commit_mark = Table(
    "commit_mark",
    metadata,
    Column("run", Id, nullable=False, autoincrement=False),  # of one pool of connections, by no other
    Column("number", Id, nullable=False, autoincrement=False),  # of one change among those of its run
    Column("kept", Count, nullable=False),  # 1: it was committed; 0: it was given up before
    Column("made_at", Instant, nullable=False),
    PrimaryKeyConstraint("run", "number"),
    sqlite_with_rowid=False,
)

_THERE = "SELECT to_regclass('commit_mark') IS NOT NULL"
_RUN = "SELECT ('x' || right(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint"
# As text and not with values: several statements are one message only so, and numbers need no planning.
_LEAVE = "INSERT INTO commit_mark VALUES ({run}, {number}, 1, {now}); COMMIT"
_LET_GO = "DELETE FROM commit_mark WHERE run = {run} AND number < {oldest} OR made_at < {before}; "
_GIVE_UP = "INSERT INTO commit_mark VALUES ($1, $2, 0, $3) ON CONFLICT (run, number) DO NOTHING"
_KEPT = "SELECT kept FROM commit_mark WHERE run = $1 AND number = $2"


class Marks:
    """The marks of one run, by the numbers of its changes. `connection` is asyncpg's."""

    def __init__(self, run: int, clock: Clock) -> None:
        self._run = run
        self._clock = clock
        self._last = self._tidied_at = 0
        self._under_way: set[int] = set()

    @classmethod
    async def begin(cls, connection: Any, clock: Clock) -> Marks | None:
        """Those of a new run; None in a database without the table, which is not up to date."""
        if not await connection.fetchval(_THERE):
            return None
        return cls(await connection.fetchval(_RUN), clock)

    @contextmanager
    def under_way(self) -> Iterator[int]:
        """The number of one change; until the end of this block it may be asked after."""
        self._last += 1
        number = self._last
        self._under_way.add(number)
        try:
            yield number
        finally:
            self._under_way.discard(number)

    def commit(self, number: int) -> str:
        """The text that leaves the mark and commits; now and then it lets go of what nobody asks after."""
        now = self._clock.now()
        leave = _LEAVE.format(run=self._run, number=number, now=now)
        if number - self._tidied_at < KEPT:
            return leave
        self._tidied_at = number
        return _LET_GO.format(run=self._run, oldest=min(self._under_way), before=now - DAY) + leave

    async def kept(self, connection: Any, number: int) -> bool:
        """Whether a change was committed; if not, it never will be."""
        await connection.execute(_GIVE_UP, self._run, number, self._clock.now())
        return bool(await connection.fetchval(_KEPT, self._run, number))
