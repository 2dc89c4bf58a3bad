"""Asking providers what became of messages, where they do not tell by themselves.

Whoever owns the line asks, beside the sending and at a pace of its own: first soon, then ever more seldom,
until there is a verdict or the provider has forgotten. The turns stand in the database, so a server that
falls takes none with it; an answer that is lost is asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from angarium.core import ids
from angarium.core.clock import MICROS, micros
from angarium.core.ports import Accepted, Asks, Event, Inquiry, Outcome, Receipt, Unknown, Unreadable
from angarium.lines.store import Line
from angarium.messaging import poison, receive
from angarium.messaging.case import wake
from angarium.messaging.states import AttemptState
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import inquiries as store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.inquiries import Due
from angarium.messaging.world import World
from angarium.storage.database import Transaction

log = structlog.get_logger()

AFTER_S = (10.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0)  # between two questions; the last again and again
JITTER = 0.2  # share of a pause that is left to chance, so that a thousand do not come at once
SILENT_S = 60.0  # after a provider has not said anything
REQUESTS_AT_ONCE = 5
PACE_S = 1.0  # between two rounds of them
LOOK_S = 2.0  # how long a first turn can go unnoticed
OPEN = (AttemptState.ACCEPTED, AttemptState.UNKNOWN)  # there is no verdict yet


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────


def next_at(asked: int, now: int, roll: float) -> int:
    """When to ask again after so many questions."""
    pause_s = AFTER_S[min(asked, len(AFTER_S) - 1)]
    return now + micros(pause_s * (1 + JITTER * roll))


def wants(asks: Asks | None, outcome: Outcome) -> bool:
    """Whether the provider is to be asked about a submission that ended so."""
    if asks is None:
        return False
    match outcome:
        case Accepted(refs):
            return asks.taken and bool(refs or asks.unanswered)
        case Unknown():
            return asks.unanswered
        case _:
            return False


def is_over(one: Due, now: int) -> bool:
    """Whether nobody need ask any more: there is a verdict, or the provider knows nothing any more."""
    return one.state not in OPEN or one.until <= now


# ── beginning ────────────────────────────────────────────────────────────────────────────────────────


async def begin(
    tx: Transaction, world: World, workspace_id: int, ended: Sequence[tuple[Attempt, Outcome]], now: int
) -> None:
    """Ask about those of which the provider says nothing by itself; mostly there is none of them."""
    by_line: dict[int, list[tuple[int, int, int]]] = {}
    for attempt, outcome in ended:
        asks = world.channels[attempt.channel].asks
        told = asks is not None and asks.posts and bool(world.public_url) and isinstance(outcome, Accepted)
        if asks is not None and wants(asks, outcome) and not told:
            until = (attempt.submitted_at or now) + micros(asks.within_s)
            turn = (attempt.id, next_at(0, now, world.ground.chance.roll()), until)
            by_line.setdefault(attempt.line_id, []).append(turn)
    for line_id, turns in by_line.items():
        await store.begin(tx, workspace_id, line_id, turns)


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


class Inquirer:
    """Asks on one line, for as long as it is owned."""

    def __init__(self, world: World, line: Line, asks: Asks) -> None:
        self._world, self._line, self._asks = world, line, asks

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                pause_s = PACE_S if await self.work() else await self._until_next()
            except Exception as error:  # sending goes on, and so do we
                if poison.is_away(error):
                    log.warning("the database cannot tell about whom to ask", line=self._line.name)
                else:
                    log.exception("cannot ask what became of messages", line=self._line.name)
                pause_s = SILENT_S
            await self._world.ground.clock.sleep(pause_s)

    async def work(self) -> int:
        """Ask about those whose turn it is, a round of requests; how many there were."""
        total, most = 0, self._asks.most
        for workspace_id in self._world.lines.everybody(self._line.id):
            turns = await self._world.ground.db.run(self._claim, workspace_id, most * REQUESTS_AT_ONCE)
            lots = [turns[place : place + most] for place in range(0, len(turns), most)]
            await asyncio.gather(*[self._ask(workspace_id, lot) for lot in lots])
            total += len(turns)
        return total

    async def _claim(self, tx: Transaction, workspace_id: int, limit: int) -> list[tuple[Due, Inquiry]]:
        """Take the turns that are due and write down when the next ones are, before anything is asked."""
        now, roll = self._world.ground.clock.now(), self._world.ground.chance.roll
        due = await store.due(tx, workspace_id, self._line.id, now, limit)
        over = [one.attempt_id for one in due if is_over(one, now)]
        if over:
            await store.end(tx, workspace_id, over)
        turns = [one for one in due if not is_over(one, now)]
        if not turns:
            return []
        await store.put_off(
            tx,
            workspace_id,
            [(one.attempt_id, one.asked + 1, next_at(one.asked + 1, now, roll())) for one in turns],
        )
        parts = await attempt_store.parts_of(tx, workspace_id, [one.attempt_id for one in turns])
        return [
            (
                one,
                Inquiry(
                    client_ref=ids.show("attempt", one.attempt_id),
                    refs=tuple(part.ref for part in parts.get(one.attempt_id, ())),
                    address=one.address,
                    submitted_at=one.submitted_at,
                ),
            )
            for one in turns
        ]

    async def _ask(self, workspace_id: int, lot: Sequence[tuple[Due, Inquiry]]) -> None:
        world, line = self._world, self._line
        said = await self._asks.ask(
            world.tools_for(line), world.settings(line), [inquiry for _, inquiry in lot]
        )
        if isinstance(said, Unknown):
            log.warning("a provider did not say what became of messages", line=line.name, why=said.detail)
            at = world.ground.clock.now() + micros(SILENT_S)
            again = [(one.attempt_id, one.asked, at) for one, _ in lot]
            await world.ground.db.run(store.put_off, workspace_id, again)
            return
        await self._hear(said)

    async def _hear(self, said: Sequence[Event]) -> None:
        world, line = self._world, self._line
        for event in said:
            if isinstance(event, Unreadable):
                log.warning("a status is not understood", line=line.name, detail=event.detail)
        told = [event for event in said if isinstance(event, Receipt)]
        if told:
            now = world.ground.clock.now()
            cases = await world.ground.db.run(receive.answered, world, line, told, now)
            receive.hear(world, cases, now)
            wake(world, cases)

    async def _until_next(self) -> float:
        now, read = self._world.ground.clock.now(), self._world.ground.db.read
        found = [
            await read(store.next_due, workspace_id, self._line.id)
            for workspace_id in self._world.lines.everybody(self._line.id)
        ]
        first = min((at for at in found if at is not None), default=None)
        return LOOK_S if first is None else min(LOOK_S, max(0.01, (first - now) / MICROS))
