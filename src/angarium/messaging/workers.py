"""What runs by itself: a sender for each line, a planner for each workspace, and what they share.

Nothing here decides anything. A loop waits for a wake-up (or, because one may be lost, for a short while)
and calls a flow. Outcomes and callbacks are gathered and written as they come, in batches.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from angarium.core.batches import Batcher
from angarium.core.clock import MICROS
from angarium.core.ports import Raw
from angarium.core.problems import Problem
from angarium.core.service import Supervisor
from angarium.lines.flows import TOPIC as LINES_TOPIC
from angarium.lines.store import Line
from angarium.messaging import plan, receive, reconcile, send
from angarium.messaging.case import wake
from angarium.messaging.condition import Condition
from angarium.messaging.reconcile import Tidied
from angarium.messaging.send import Ended
from angarium.messaging.sender import AGAIN_S, BATCH_MAX, POLL_S, Sender
from angarium.messaging.store import messages as message_store
from angarium.messaging.store import owners
from angarium.messaging.store.inbox import Entry
from angarium.messaging.world import PLANNER_TOPIC, World
from angarium.storage.database import WAITING_MAX, Trouble, unavailable

log = structlog.get_logger()

T = TypeVar("T")

LINES_POLL_S = 5.0  # the same for a change of a line or a workspace that was made by another process
TIDY_S = 60.0


class Engine:
    """Everything that runs by itself on one machine. A service: start and stop it."""

    def __init__(self, world: World, workspaces: Callable[[], Awaitable[list[int]]]) -> None:
        self._world = world
        self._workspaces = workspaces
        self._supervisor = Supervisor(world.ground.clock)
        self._senders: dict[int, Sender] = {}
        self._planned: set[int] = set()
        self.recorder: Batcher[Ended, None] = Batcher(self._record, BATCH_MAX)
        self.journal: Batcher[Entry, None] = Batcher(self._journal, BATCH_MAX)
        self.applier: Batcher[Entry, None] = Batcher(self._apply, BATCH_MAX)
        self.done: Counter[str] = Counter()
        self.tidied: dict[int, Tidied] = {}  # what each workspace had in doubt, a minute ago at most

    def backlogs(self) -> dict[str, int]:
        """What waits to be written."""
        return {"outcomes": len(self.recorder), "journal": len(self.journal), "callbacks": len(self.applier)}

    @property
    def failures(self) -> dict[str, int]:
        """How often each loop has died and was restarted."""
        return self._supervisor.failures

    def states(self) -> dict[int, str]:
        """How each line of this machine is connected."""
        return {line_id: sender.state() for line_id, sender in self._senders.items()}

    def conditions(self) -> dict[int, Condition]:
        """What is known of the provider of each line of this machine."""
        return {line_id: sender.condition for line_id, sender in self._senders.items()}

    async def start(self) -> None:
        """Begin to send, plan and receive; first what an earlier run left behind."""
        ground = self._world.ground
        ground.fabric.begin_after(await ground.db.read(owners.newest))
        await self._refresh()
        self._supervisor.run("lines", self._watch_lines)
        self._supervisor.run("tidy", self._tidy)

    async def stop(self) -> None:
        """Claim nothing more, hear out what is under way, write it down."""
        await asyncio.gather(*(sender.stop() for sender in self._senders.values()))
        self._senders.clear()
        await self.recorder.drained()
        await self.journal.drained()
        await self.applier.drained()
        await self._supervisor.stop()

    async def heard(self, line: Line, raw: Raw) -> None:
        """A callback: returns once it is journalled and its provider may be answered."""
        if len(self.journal) >= WAITING_MAX:
            raise unavailable(Trouble.CROWDED, f"{len(self.journal)} callbacks")
        entry = receive.entry(self._world, line, raw)
        await self.journal.put(entry)
        self.applier.put(entry)

    # ── lines and workspaces come and go ─────────────────────────────────────────────────────────────

    async def _watch_lines(self) -> None:
        waiter = self._world.ground.fabric.listen(LINES_TOPIC)
        while True:
            await waiter.wait(LINES_POLL_S)
            await self._refresh()

    async def _refresh(self) -> None:
        workspace_ids = await self._workspaces()
        await self._world.lines.reload(workspace_ids)
        for workspace_id in set(workspace_ids) - self._planned:
            await reconcile.work_through_journal(self._world, workspace_id)
            self._planned.add(workspace_id)
            self._supervisor.run(f"planner {workspace_id}", Planner(self._world, workspace_id).run)
        wanted = {line.id: line for line in self._world.lines.every() if line.enabled and line.approved}
        for line_id, sender in list(self._senders.items()):
            line = wanted.get(line_id)
            if line is None or line.version != sender.line.version:
                await self._senders.pop(line_id).stop()
        for line_id in wanted.keys() - self._senders.keys():
            sender = self._senders[line_id] = Sender(
                self._world, wanted[line_id], self.recorder.put, self.heard
            )
            self._supervisor.run(f"line {wanted[line_id].name}", sender.run)

    async def _tidy(self) -> None:
        while True:
            for workspace_id in await self._workspaces():
                tidied = await reconcile.tidy(self._world, workspace_id)
                self.tidied[workspace_id] = tidied
                self.done["receipts_forgotten"] += tidied.forgotten
            await self._world.ground.clock.sleep(TIDY_S)

    # ── batches ──────────────────────────────────────────────────────────────────────────────────────

    async def _record(self, ended: list[Ended]) -> Sequence[None]:
        await self._surely(ended, lambda some: send.record(self._world, some), "record")
        self.done["outcomes"] += len(ended)
        return [None] * len(ended)

    async def _journal(self, entries: list[Entry]) -> Sequence[None]:
        await receive.journal(self._world, entries)
        self.done["journal"] += len(entries)
        return [None] * len(entries)

    async def _apply(self, entries: list[Entry]) -> Sequence[None]:
        await self._surely(entries, lambda some: receive.work_through(self._world, some), "apply")
        self.done["callbacks"] += len(entries)
        return [None] * len(entries)

    async def _surely(self, items: list[T], work: Callable[[list[T]], Awaitable[None]], what: str) -> None:
        """Do it, however long the database cannot; an item that breaks the work fails alone."""
        while True:
            try:
                await work(items)
                return
            except Problem as problem:
                if problem.status != 503:
                    raise
                log.warning("the database cannot take it; trying again", what=what, items=len(items))
                await self._world.ground.clock.sleep(AGAIN_S)
            except Exception:
                log.exception("a batch broke; its items go one by one", what=what, items=len(items))
                if len(items) > 1:
                    for item in items:
                        await self._surely([item], work, what)
                return


class Planner:
    """Decides for the messages of one workspace whose time has come."""

    def __init__(self, world: World, workspace_id: int) -> None:
        self._world = world
        self._workspace_id = workspace_id

    async def run(self) -> None:
        """Until cancelled."""
        ground = self._world.ground
        waiter = ground.fabric.listen(PLANNER_TOPIC)
        try:
            while True:
                now = ground.clock.now()
                cases = await ground.db.run(plan.due, self._world, self._workspace_id, now, BATCH_MAX)
                wake(self._world, cases)
                if len(cases) < BATCH_MAX:
                    await waiter.wait(await self._until_next())
        finally:
            waiter.close()

    async def _until_next(self) -> float:
        ground = self._world.ground
        due_at = await ground.db.read(message_store.next_due, self._workspace_id)
        if due_at is None:
            return POLL_S
        return min(POLL_S, max(0.005, (due_at - ground.clock.now()) / MICROS))
