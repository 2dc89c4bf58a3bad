"""Count who follows links: gathered in memory, written a little later, many at once.

Whoever follows a link is led on at once; the visit is written when so much time has passed that a burst can
be told from a person. A visit that was answered and not yet written is lost when the process is killed: a
count is not worth that people wait for a disk. When it is asked to stop, all are written.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from angarium.core.clock import micros
from angarium.messaging import poison
from angarium.messaging.links import PIXEL
from angarium.messaging.robots import BURST_S, Seen, Visitor, bursts, by_haste
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import links as store
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.links import Link
from angarium.messaging.store.links import Visits as Counted
from angarium.messaging.store.messages import NOBODY_ID, Message
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

log = structlog.get_logger()

WAITING_MAX = 50_000  # visits; those above it are led on and not counted
BATCH_MAX = 500  # visits in one transaction
EVERY_S = 1.0
HELD = micros(BURST_S)  # before a visit is judged


class Visit(msgspec.Struct, frozen=True):
    """Somebody or something followed a link of a message."""

    link: Link
    seen: Seen


class Visits:
    """The visits that are not written yet, of one process, which alone sees a burst of them."""

    def __init__(self, world: World, done: Counter[str]) -> None:
        self._world = world
        self._done = done  # what has been written, by kind
        self._waiting: list[Visit] = []
        self._lately: list[Visit] = []  # written, and near enough to be of one burst with what waits
        self._some_wait = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self.lost = 0  # not counted, for too many waited

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, link: Link, by: Visitor) -> None:
        """Count a visit, a little later."""
        if len(self._waiting) >= WAITING_MAX:
            self.lost += 1
            return
        seen = Seen(link.id, link.url == PIXEL, self._world.ground.clock.now(), by)
        self._waiting.append(Visit(link, seen))
        self._some_wait.set()

    async def run(self) -> None:
        """Until cancelled."""
        clock, lost = self._world.ground.clock, 0
        while True:
            await self._some_wait.wait()
            await clock.sleep(EVERY_S)
            await self.write(clock.now() - HELD)
            if not self._waiting:
                self._some_wait.clear()
            if self.lost != lost:
                log.warning("visits of links were not counted", visits=self.lost - lost, waiting=WAITING_MAX)
                lost = self.lost

    async def write(self, until: int | None = None) -> None:
        """Write what came up to an instant; everything, when it is None."""
        async with self._one_at_a_time:
            due = [one for one in self._waiting if until is None or one.seen.at <= until]
            if not due:
                return
            in_bursts = _in_bursts([*self._lately, *self._waiting])
            self._waiting = self._waiting[len(due) :]
            self._lately = [one for one in [*self._lately, *due] if one.seen.at >= due[-1].seen.at - HELD]
            for workspace_id in sorted({one.link.workspace_id for one in due}):
                ours = [one for one in due if one.link.workspace_id == workspace_id]
                for start in range(0, len(ours), BATCH_MAX):
                    await self._write(workspace_id, ours[start : start + BATCH_MAX], in_bursts)

    async def _write(self, workspace_id: int, visits: Sequence[Visit], in_bursts: set[int]) -> None:
        world = self._world

        async def work(some: Sequence[Visit]) -> None:
            await world.ground.db.run(_count, world, workspace_id, some, in_bursts)

        await poison.apart(world.ground.clock, visits, work, _give_up, "count visits")
        self._done["visits"] += len(visits)


async def _give_up(visit: Visit, why: str) -> None:
    log.error("a visit of a link was not counted", message=visit.link.message_id, why=why)


def _in_bursts(visits: Iterable[Visit]) -> set[int]:
    """The visits, by `id`, that were not alone."""
    by_message: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for one in visits:
        by_message[one.link.workspace_id, one.link.message_id].append(one)
    return {id(some[place]) for some in by_message.values() for place in bursts([one.seen for one in some])}


async def _count(
    tx: Transaction, world: World, workspace_id: int, visits: Sequence[Visit], in_bursts: set[int]
) -> None:
    """Write visits; the first of a person to each link is a fact. Of whoever was erased nothing is kept."""
    message_ids = sorted({one.link.message_id for one in visits})
    found = await message_store.by_ids(tx, workspace_id, message_ids)
    messages = {one.id: one for one in found if one.contact_id != NOBODY_ID}
    tried: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in await attempt_store.of_messages(tx, workspace_id, message_ids):
        tried[attempt.message_id].append(attempt)
    judged = [
        (one, by_haste(one.seen, _taken_at(tried[one.link.message_id]), in_burst=id(one) in in_bursts))
        for one in visits
        if one.link.message_id in messages
    ]
    first = await store.count(tx, _summed(judged, messages))
    told: dict[int, Fact] = {}
    for visit, by in judged:
        if by is Visitor.PERSON and (visit.link.id, by.value) in first and visit.link.id not in told:
            told[visit.link.id] = _fact(world, visit, tried[visit.link.message_id])
    await facts.append(tx, list(told.values()))


def _taken_at(tried: Sequence[Attempt]) -> int | None:
    """When the first provider took a message."""
    taken = [attempt.accepted_at for attempt in tried if attempt.accepted_at is not None]
    return min(taken, default=None)


def _summed(judged: Sequence[tuple[Visit, Visitor]], messages: Mapping[int, Message]) -> list[Counted]:
    """Visits of one kind of one link as one row."""
    found: dict[tuple[Link, str], list[int]] = defaultdict(list)
    for visit, by in judged:
        found[visit.link, by.value].append(visit.seen.at)
    counted = []
    for (link, visitor), instants in found.items():
        of = messages[link.message_id]
        times = (len(instants), min(instants), max(instants))
        counted.append(Counted(link, visitor, of.message_class.value, of.label, *times))
    return counted


def _fact(world: World, visit: Visit, tried: Sequence[Attempt]) -> Fact:
    """What the timeline says. A link is the same on every channel: it is told of the last that took it."""
    body: dict[str, Any] = {}
    taken = [one for one in tried if one.accepted_at is not None and one.accepted_at <= visit.seen.at]
    if taken:
        best = max(taken, key=lambda one: (one.accepted_at or 0, one.id))
        line = world.lines.seen(best.workspace_id, best.line_id)
        body = {"step": best.step + 1, "channel": best.channel, "line": line.name if line else ""}
    link, at = visit.link, visit.seen.at
    kind = "message.opened" if visit.seen.picture else "message.clicked"
    body |= {} if visit.seen.picture else {"url": link.url}
    return Fact(link.workspace_id, kind, link.message_id, at, msgspec.json.encode(body))
