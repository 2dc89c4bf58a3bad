"""What runs by itself: a sender for each line, a planner for each workspace, and what they share.

Nothing here decides anything. A loop waits for a wake-up (or, because one may be lost, for a short while)
and calls a flow. Outcomes and callbacks are gathered and written as they come, in batches.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import structlog

from angarium.core.batches import Batcher
from angarium.core.clock import micros
from angarium.core.ports import Raw
from angarium.core.problems import Problem
from angarium.core.service import Supervisor
from angarium.core.turns import alone
from angarium.lines import registration_flows
from angarium.lines.flows import TOPIC as LINES_TOPIC
from angarium.lines.store import Line
from angarium.messaging import health, poison, receive, reconcile, send
from angarium.messaging.balances import Watch
from angarium.messaging.chronicle import Chronicler
from angarium.messaging.condition import Condition
from angarium.messaging.incoming import Incoming
from angarium.messaging.outages import Heard, Outages
from angarium.messaging.planner import Lookout, Planner
from angarium.messaging.reconcile import Tidied
from angarium.messaging.send import Ended
from angarium.messaging.sender import BATCH_MAX, Sender
from angarium.messaging.shares import Share
from angarium.messaging.store import health as health_store
from angarium.messaging.store import owners
from angarium.messaging.store.inbox import Entry
from angarium.messaging.visits import Visits
from angarium.messaging.world import World
from angarium.storage.database import WAITING_MAX, Trouble, unavailable

log = structlog.get_logger()

T = TypeVar("T")

LINES_POLL_S = 5.0  # the same for a change of a line or a workspace that was made by another process
TIDY_S = 60.0
GONE_S = 5.0  # between two looks at what servers that are gone have left behind,
MISSED_S = 120.0  # for so long after one was seen no more
HEALTH_S = 30.0  # how old what is known of other servers may be
ALARM_S = 900.0  # how long the death of a loop is told of


class Engine:
    """Everything that runs by itself on one machine. A service: start and stop it."""

    def __init__(
        self, world: World, workspaces: Callable[[], Awaitable[list[int]]], *, works: bool = True
    ) -> None:
        self._world = world
        self._workspaces = workspaces
        self._works = works  # else it only knows the lines, and takes what is brought here
        self._supervisor = Supervisor(world.ground.clock)
        self._senders: dict[int, Sender] = {}
        self._further: dict[int, list[Sender]] = {}  # of a line that is shared out, but the first
        self._leaving: set[Sender] = set()  # those that are dismissed, until they have ended
        self._ends = False  # nobody is employed any more
        self._planners: dict[int, Planner] = {}
        self.recorder: Batcher[Ended, None] = Batcher(self._record, BATCH_MAX)
        self.journal: Batcher[Entry, bool] = Batcher(self._journal, BATCH_MAX)
        self.applier: Batcher[Entry, None] = Batcher(self._apply, BATCH_MAX)
        self.done: Counter[str] = Counter()
        self.incoming = Incoming(world, workspaces, self.applier.put, self.done)
        self.visits = Visits(world, self.done)
        self._nodes: frozenset[int] = frozenset()  # of the servers that are there; none while nobody says
        self._missed_until = 0.0  # by the monotonic clock
        self._run_id = world.ground.ids.mint()  # of this run of the server
        self._outages = Outages(world)
        self._health_at = 0  # when to look next at how lines are doing
        self.chronicler = Chronicler(world.ground, workspaces, lambda: self.done["outcomes"])
        self.tidied: dict[int, Tidied] = {}  # what each workspace had in doubt, a minute ago at most

    def backlogs(self) -> dict[str, int]:
        """What waits to be written."""
        return {
            "outcomes": len(self.recorder),
            "journal": len(self.journal),
            "callbacks": len(self.applier),
            "visits": len(self.visits),
        }

    @property
    def failures(self) -> dict[str, int]:
        """How often each loop has died and was restarted."""
        return self._supervisor.failures

    def died_within(self, seconds: float) -> list[str]:
        """The loops that have died lately, by name."""
        return self._supervisor.died_within(seconds)

    def know_servers(self, nodes: frozenset[int]) -> None:
        """By their numbers, which servers are there."""
        if self._nodes - nodes:
            self._miss_somebody()
        self._nodes = nodes

    def _miss_somebody(self) -> None:
        self._missed_until = self._world.ground.clock.monotonic() + MISSED_S

    def owned(self) -> dict[int, Sender]:
        """The senders of the lines that are this machine's now."""
        return {line_id: one for line_id, one in self._senders.items() if one.works() is not None}

    def states(self) -> dict[int, str]:
        """How each line of this machine is connected, and the share of the last hour that was taken."""
        taken = self._world.taken
        return {
            line_id: f"{sender.state()}; {taken[line_id] / 10:g} % of the last hour taken"
            if line_id in taken
            else sender.state()
            for line_id, sender in self._senders.items()
        }

    def conditions(self) -> dict[int, Condition]:
        """What is known of the provider of each line of this machine."""
        return {line_id: sender.condition for line_id, sender in self._senders.items()}

    async def warnings(self) -> str:
        """What somebody should look at, though the server does its work: "" when nothing."""
        found = []
        dead = len(self._supervisor.died_within(ALARM_S))
        if dead:
            found.append(f"{dead} loops died and were started again; the log has why")
        away = sum(not self._world.is_up(line_id) for line_id in self._senders)
        if away:
            found.append(f"{away} of {len(self._senders)} lines are not connected, or rest")
        return "; ".join(found)

    async def start(self) -> None:
        """Begin to send, plan and receive; first what an earlier run left behind."""
        ground = self._world.ground
        self._ends = False
        ground.fabric.begin_after(await ground.db.read(owners.newest))
        await self._refresh()
        self._supervisor.run("lines", self._watch_lines)
        self._supervisor.run("visits", self.visits.run)
        if ground.fabric.outlives_ledger:
            self._supervisor.run("ledger", self.incoming.watch)
            self._supervisor.run("log", self.incoming.measure)
        if not self._works:
            return
        self._supervisor.run("tidy", partial(alone, ground.fabric, ground.clock, "turn/tidy", self._tidy))
        self._supervisor.run(
            "chronicle", partial(alone, ground.fabric, ground.clock, "turn/chronicle", self.chronicler.run)
        )
        if ground.fabric.outlives_ledger:
            drain = partial(alone, ground.fabric, ground.clock, "turn/incoming", self.incoming.drain)
            self._supervisor.run("incoming", drain)
        self._supervisor.run("balances", Watch(self._world).run)
        self._supervisor.run("lookout", Lookout(self._world, self._planners).run)

    async def stop(self) -> None:
        """Claim nothing more, hear out what is under way, write it down."""
        self._ends = True
        await asyncio.gather(*(self._dismiss(line_id) for line_id in list(self._senders)))
        await asyncio.gather(*(one.stop() for one in self._leaving))  # whose line was changed just now
        await self.recorder.drained()
        await self.journal.drained()
        await self.incoming.stop()
        await self.applier.drained()
        await self.visits.write()
        await self._write_health()
        await self._supervisor.stop()

    async def heard(self, line: Line, raw: Raw) -> None:
        """A callback: returns once it is durable, and its provider may be answered."""
        if len(self.journal) >= WAITING_MAX:
            raise unavailable(Trouble.CROWDED, f"{len(self.journal)} callbacks")
        entry = receive.entry(self._world, line, raw)
        if await self.journal.put(entry):
            self.applier.leave(entry)

    # ── lines and workspaces come and go ─────────────────────────────────────────────────────────────

    async def _watch_lines(self) -> None:
        waiter = self._world.ground.fabric.listen(LINES_TOPIC)
        while True:
            await waiter.wait(LINES_POLL_S)
            await self._refresh()
            await self._write_health()
            await self._outages.look(
                {line_id: Heard(one.works(), one.trouble()) for line_id, one in self._senders.items()}
            )

    async def _refresh(self) -> None:
        workspace_ids = await self._workspaces()
        await self._world.lines.reload(workspace_ids)
        await self._world.policies.reload(workspace_ids)
        self._world.ask_for_lists_anew()
        if self._works and not self._ends:
            await self._employ(workspace_ids)

    async def _employ(self, workspace_ids: list[int]) -> None:
        """A planner for each workspace, and a sender for each line that is in force."""
        for workspace_id in set(workspace_ids) - self._planners.keys():
            await reconcile.work_through_journal(self._world, workspace_id)
            planner = self._planners[workspace_id] = Planner(self._world, workspace_id)
            self._supervisor.run(f"planner {workspace_id}", planner.run)
        wanted = {line.id: line for line in self._world.lines.every() if line.enabled and line.known}
        for line_id, sender in list(self._senders.items()):
            line = wanted.get(line_id)
            if line is None or line.version != sender.line.version:
                await self._dismiss(line_id)
        if self._ends:
            return
        for line_id in wanted.keys() - self._senders.keys():
            line = wanted[line_id]
            shares = self._world.shares(line, line.speed_per_s, line.window_max)
            senders = [self._sender(line, Share(number, shares)) for number in range(shares)]
            self._senders[line_id], *self._further[line_id] = senders

    def _sender(self, line: Line, share: Share) -> Sender:
        record, recorded = self.recorder.leave, self.recorder.caught_up
        sender = Sender(self._world, line, record, recorded, self.heard, share)
        self._supervisor.run(f"line {share.called(line.name)}", sender.run)
        return sender

    async def _dismiss(self, line_id: int) -> None:
        first = self._senders.pop(line_id, None)
        if first is None:
            return  # it is on its way out
        senders = {first, *self._further.pop(line_id, [])}
        self._leaving |= senders
        await asyncio.gather(*(one.stop() for one in senders))
        self._leaving -= senders

    async def _write_health(self) -> None:
        """Write how lines are doing, and look now and then at what others have written."""
        world, now = self._world, self._world.ground.clock.now()
        heard = world.ear.take(now)
        try:
            if heard:
                await world.ground.db.run(health_store.save, self._run_id, heard)
            if now >= self._health_at:
                self._health_at = now + micros(HEALTH_S)
                await self._read_health(now)
        except Problem:  # the database is away; what was heard is kept
            world.ear.put_back(heard)

    async def _read_health(self, now: int) -> None:
        by_owner: dict[int, list[int]] = {}
        for line in self._world.lines.every():
            by_owner.setdefault(line.workspace_id, []).append(line.id)
        taken: dict[int, int] = {}
        for workspace_id, line_ids in by_owner.items():
            taken |= await self._world.ground.db.read(health.taken, workspace_id, line_ids, now)
        self._world.taken = taken

    async def _tidy(self) -> None:
        self._miss_somebody()  # whose turn it was before
        while True:
            for workspace_id in await self._workspaces():
                await self._mature(workspace_id)
                await reconcile.rescue(self._world, workspace_id, self._senders.keys())
                tidied = await reconcile.tidy(self._world, workspace_id)
                self.tidied[workspace_id] = tidied
                now = self._world.ground.clock.now()
                await self._world.ground.db.run(health.forget, workspace_id, now)
                self.done["receipts_forgotten"] += tidied.forgotten
            await self._take_up(TIDY_S)

    async def _take_up(self, seconds: float) -> None:
        """Take up what servers that are gone have left in the journal, for so long; meanwhile the database is
        told of what has grown."""
        clock = self._world.ground.clock
        until = clock.monotonic() + seconds
        while clock.monotonic() < until:
            if self._nodes and clock.monotonic() < self._missed_until:
                for workspace_id in await self._workspaces():
                    await reconcile.take_up_from_the_gone(self._world, workspace_id, self._nodes)
            with suppress(Problem):  # whoever needs the database says that it is away
                await self._world.ground.db.tell_planner()
            await clock.sleep(GONE_S)

    async def _mature(self, workspace_id: int) -> None:
        """Write down which registrations the clock has ended, or is about to."""
        ground = self._world.ground
        if await ground.db.run(registration_flows.mature, workspace_id, ground.clock.now()):
            ground.fabric.wake(LINES_TOPIC)

    # ── batches ──────────────────────────────────────────────────────────────────────────────────────

    async def _record(self, ended: list[Ended]) -> Sequence[None]:
        await poison.apart(
            self._world.ground.clock,
            ended,
            lambda some: send.record(self._world, some),
            lambda one, why: send.set_aside(self._world, one, why),
            "record",
        )
        self.done["outcomes"] += len(ended)
        return [None] * len(ended)

    async def _journal(self, entries: list[Entry]) -> Sequence[bool]:
        kept = await self.incoming.keep(entries)
        self.done["journal"] += len(entries)
        return [kept] * len(entries)

    async def _apply(self, entries: list[Entry]) -> Sequence[None]:
        """Work callbacks through, after what was heard before them is recorded: a receipt that finds its
        reference is not parked and taken out again, which costs more than all else that is done with it."""
        await self.recorder.caught_up()
        await poison.apart(
            self._world.ground.clock,
            entries,
            lambda some: receive.work_through(self._world, some),
            lambda one, why: receive.give_up(self._world, one, why),
            "apply",
        )
        self.done["callbacks"] += len(entries)
        return [None] * len(entries)
