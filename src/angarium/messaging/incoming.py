"""What providers say, on its way into the journal; and the log that takes it while the ledger is away.

Rules of the file:

1. A provider is answered when what it said is durable: in the journal, or in the log of a fabric that stands
   while the ledger does not (`Fabric.outlives_ledger`). With another fabric there is the journal alone, and a
   provider that gets no good answer comes again.
2. The log is asked only while the ledger is away: a callback that the ledger takes costs nothing more.
3. Whether the ledger has kept something may not be known: then the log has it too, under the same id, and
   whichever comes into the journal second is nothing.
4. The log is drained by one server at a time, oldest first, and each piece is worked through before the next.
   What came directly meanwhile may be earlier in the journal: states have ranks and bear any order
   (`receipts.py`).
5. What lies in the log is sealed as in the journal.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec
import structlog

from angarium.core.fabric import Backlog
from angarium.core.fabric import Entry as LogEntry
from angarium.core.problems import Problem
from angarium.core.service import Seldom
from angarium.messaging import poison, receive
from angarium.messaging.case import open_callback, seal_callback
from angarium.messaging.store import inbox
from angarium.messaging.store.inbox import Entry
from angarium.messaging.world import World
from angarium.storage import instance

log = structlog.get_logger()

NAME = "incoming"  # of the log
LEDGER_S = 3.0  # how long the ledger is waited for: a provider waits as well, for ten seconds and more
LOOK_S = 0.5  # between two looks whether the ledger is back
DRAINED_MAX = 300  # pieces in one transaction
WAIT_S = 1.0  # for the next piece
MEASURE_S = 5.0  # between two looks how much is in the log


class Incoming:
    """Keeps what providers say. `take_up` works a piece of the journal through, later."""

    def __init__(
        self,
        world: World,
        workspaces: Callable[[], Awaitable[list[int]]],
        take_up: Callable[[Entry], asyncio.Future[None]],
        done: Counter[str],
    ) -> None:
        self._world = world
        self._workspaces = workspaces
        self._take_up = take_up
        self._done = done
        fabric = world.ground.fabric
        self._log = fabric.log(NAME) if fabric.outlives_ledger else None
        self._away = asyncio.Event()
        self._late: set[asyncio.Task[None]] = set()
        self.backlog: Backlog | None = None  # how much was in the log when it was looked at last
        self._refused = ""  # why the log took nothing when it was asked last

    @property
    def away(self) -> bool:
        """Whether the log is asked, and not the ledger."""
        return self._away.is_set()

    async def keep(self, entries: Sequence[Entry]) -> bool:
        """Return when they are durable, and their providers may be answered: True when in the journal, to be
        taken up; False when in the log. Problem when neither has them for sure."""
        if self._log is None:
            await receive.journal(self._world, entries)
            return True
        if not self.away:
            if await self._journal(entries):
                return True
            log.warning("the ledger is away: the log takes what providers say")
            self._away.set()
        await self._append([_packed(self._world, one) for one in entries])
        return False

    async def trouble(self, ledger: Callable[[], Awaitable[str]]) -> str:
        """What keeps what providers say from being kept; "" when nothing does. `ledger`: the same of it."""
        why = "" if self.away else await ledger()
        if self._log is None:
            return why
        return self._refused if why or self.away else ""

    async def _append(self, entries: Sequence[LogEntry]) -> None:
        assert self._log is not None
        try:
            await self._log.append(entries)
        except Problem as problem:
            self._refused = problem.detail
            raise
        self._refused = ""
        self._done["logged"] += len(entries)

    async def _journal(self, entries: Sequence[Entry]) -> bool:
        """Whether the ledger has taken them in time. It may yet, later: then they are taken up."""
        writing = asyncio.ensure_future(receive.journal(self._world, entries))
        try:
            done, _ = await asyncio.wait((writing,), timeout=LEDGER_S)
        except asyncio.CancelledError:
            writing.cancel()
            raise
        if done:
            return _is_kept(writing)
        late = asyncio.create_task(self._when_it_comes(writing, entries))
        self._late.add(late)
        late.add_done_callback(self._late.discard)
        return False

    async def _when_it_comes(self, writing: asyncio.Future[None], entries: Sequence[Entry]) -> None:
        await asyncio.wait((writing,))
        if writing.exception() is None:
            for one in entries:
                self._take_up(one)

    async def stop(self) -> None:
        """Wait for nothing more."""
        for late in self._late:
            late.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    # ── what goes on by itself, where there is a log ─────────────────────────────────────────────────

    async def watch(self) -> None:
        """While the ledger is away, look whether it can write again."""
        ground = self._world.ground
        while True:
            await self._away.wait()
            try:
                await ground.db.run(instance.touch, ground.clock.now())
            except Problem:
                await ground.clock.sleep(LOOK_S)
                continue
            log.info("the ledger is back")
            self._away.clear()

    async def measure(self) -> None:
        """Look now and then how much is in the log."""
        assert self._log is not None
        seldom = Seldom(self._world.ground.clock)
        while True:
            try:
                self.backlog = await self._log.waiting()
            except Problem as problem:
                if seldom.now(NAME):
                    log.warning("nobody can tell how much is in the log", why=problem.detail)
            await self._world.ground.clock.sleep(MEASURE_S)

    async def drain(self) -> None:
        """Bring what is in the log into the journal, and work it through. For one server at a time.

        What cannot be brought there now is given back: another may have the turn next, and would be handed it
        only when it had been waited for.
        """
        assert self._log is not None
        try:
            await self._drain()
        finally:
            with suppress(Problem):
                await self._log.give_back()

    async def _drain(self) -> None:
        assert self._log is not None
        while True:
            found = await self._log.read(DRAINED_MAX, WAIT_S)
            if not found:
                continue
            entries = [one for one in map(_unpacked, found) if one is not None]
            new = await self._journal_once(entries)
            await self._log.done()
            self._done["drained"] += len(new)
            taken_up = [self._take_up(open_callback(self._world, one)) for one in new]
            if taken_up:
                await asyncio.wait(taken_up)

    async def _journal_once(self, entries: Sequence[Entry]) -> list[Entry]:
        """Commit what is not in the journal yet; which that was. Its lines are at hand then."""
        if any(
            self._world.lines.get(one.line_id) is None for one in entries
        ):  # made on another server lately
            await self._world.lines.reload(await self._workspaces())
        new: list[Entry] = []
        for workspace_id in sorted({one.workspace_id for one in entries}):
            ours = [one for one in entries if one.workspace_id == workspace_id]
            new += await self._world.ground.db.run(inbox.write_journal_once, ours)
        return new


def _is_kept(writing: asyncio.Future[None]) -> bool:
    error = writing.exception()
    if error is None:
        return True
    if isinstance(error, Exception) and poison.is_away(error):
        return False
    raise error


def _packed(world: World, entry: Entry) -> LogEntry:
    return LogEntry(f"{entry.id:x}", msgspec.msgpack.encode(seal_callback(world, entry)))


def _unpacked(one: LogEntry) -> Entry | None:
    try:
        return msgspec.msgpack.decode(one.body, type=Entry)
    except msgspec.DecodeError:
        log.exception("something in the log is not ours", log=NAME, entry=one.id)
        return None
