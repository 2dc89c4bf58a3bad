"""Claim what may go at once in the transaction that writes it down.

Where the line of a new message is this server's, has room, and nothing waits on it, the message need not
stand in the queue for another transaction to take it out again. Its intent is written with it, and the same
is asked as of any claim (`claiming.claim`): who owns the line, what is halted, and the rules once more. Where
anything is otherwise it is queued, and its sender claims it.

A sender offers places of its line; they are kept for one transaction, which gives them back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from angarium.core.problems import Problem
from angarium.messaging import claiming, halts, poison
from angarium.messaging.case import Case, wake, wake_lines
from angarium.messaging.claiming import BY_URGENCY
from angarium.messaging.lanes import FIRST
from angarium.messaging.offers import Offer, Taker
from angarium.messaging.states import AttemptState
from angarium.messaging.store import owners, queue
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.world import World
from angarium.storage.database import Transaction

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

LINES_MAX = 20  # of a workspace with more lines none is asked: most would be asked in vain


class _Broke(Exception):
    """A claim broke, and took what was to be written with it."""


class Straight:
    """What goes at once of what one transaction writes."""

    def __init__(self, world: World, offers: Iterable[Offer] = ()) -> None:
        self._world = world
        self._offers = {offer.line.id: offer for offer in offers}
        self.claimed: dict[int, list[Attempt]] = {}  # by line
        self.queued: set[int] = set()  # lines whose senders have something to claim
        self.settled: list[Case] = []  # whom the rules stopped

    def may_take(self, line_ids: Iterable[int]) -> bool:
        """Whether anything on these lines may be claimed."""
        return not self._offers.keys().isdisjoint(line_ids)

    def leave(self, line_ids: Iterable[int]) -> None:
        """All that is written on these lines is queued."""
        self.queued.update(line_ids)

    @asynccontextmanager
    async def claiming(
        self, tx: Transaction, workspace_id: int, new: Sequence[Attempt], now: int
    ) -> AsyncIterator[None]:
        """Around the writing of new attempts: those that may go at once are written as claimed."""
        try:
            chosen = await self._choose(tx, workspace_id, new, now)
        except Exception as error:
            raise _broken(error) from error
        self.leave({attempt.line_id for attempt in new if attempt.state is AttemptState.QUEUED})
        yield
        try:
            for line_id, some in chosen.items():
                await self._judge(tx, workspace_id, line_id, some, now)
        except Exception as error:
            raise _broken(error) from error

    async def _choose(
        self, tx: Transaction, workspace_id: int, new: Sequence[Attempt], now: int
    ) -> dict[int, list[Attempt]]:
        by_line: dict[int, list[Attempt]] = {}
        for attempt in new:
            if attempt.line_id in self._offers and _is_due(attempt, now):
                by_line.setdefault(attempt.line_id, []).append(attempt)
        chosen: dict[int, list[Attempt]] = {}
        for line_id, due in by_line.items():
            offer = self._offers[line_id]
            if await self._is_free(tx, workspace_id, offer, now):
                chosen[line_id] = _fitting(offer, self.claimed.get(line_id, ()), due)
                for attempt in chosen[line_id]:
                    attempt.state, attempt.epoch = AttemptState.SUBMITTING, offer.epoch
                    attempt.submitted_at, attempt.tries = offer.at, attempt.tries + 1
        return chosen

    async def _is_free(self, tx: Transaction, workspace_id: int, offer: Offer, now: int) -> bool:
        """Whether the line is still ours, as it was read, and nothing stands in its queue."""
        line = offer.line
        try:
            newest = await owners.must_own(tx, line.workspace_id, line.id, offer.epoch)
        except owners.Fenced:
            return False
        known = self._world.lines.get(line.id)
        if known is None or newest is None or known.rules_version != newest.rules_version:
            return False
        if self._world.shares(line, newest.speed_per_s, newest.window) > 1:
            return False
        return not any((await queue.waiting(tx, [workspace_id], line.id, now, 1)).values())

    async def _judge(
        self, tx: Transaction, workspace_id: int, line_id: int, chosen: list[Attempt], now: int
    ) -> None:
        line = self._offers[line_id].line
        found = await halts.keep_back(tx, workspace_id, chosen)
        good, settled = await claiming.allowed(tx, self._world, line, workspace_id, found, now)
        self.claimed.setdefault(line_id, []).extend(good)
        self.settled += settled


def _is_due(attempt: Attempt, now: int) -> bool:
    return attempt.state is AttemptState.QUEUED and attempt.due_at <= now


def _fitting(offer: Offer, before: Sequence[Attempt], due: list[Attempt]) -> list[Attempt]:
    """Those for which there is a place, beside what was claimed before; the most urgent first."""
    places = offer.grant.number - len(before)
    others = offer.others - sum(one.message_class is not FIRST for one in before)
    fitting: list[Attempt] = []
    for attempt in sorted(due, key=BY_URGENCY):
        behind = attempt.message_class is not FIRST
        if len(fitting) < places and (others > 0 or not behind):
            fitting.append(attempt)
            others -= behind
    return fitting


def _broken(error: Exception) -> Exception:
    return error if poison.is_away(error) else _Broke()


async def run(
    world: World,
    workspace_id: int,
    most: int,
    work: Callable[Concatenate[Transaction, Straight, P], Awaitable[T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run a work that writes at most so many new messages of a workspace, hand over what goes at once, and
    wake the lines on which the rest is queued."""
    offered = _offered(world, workspace_id, most)
    if not offered:
        return await _written(world, offered, work, *args, **kwargs)
    writing = asyncio.create_task(_written(world, offered, work, *args, **kwargs))
    writing.add_done_callback(_seen)
    # Whoever waits may be cancelled, as when the server stops: what was claimed reaches its sender.
    return await asyncio.shield(writing)


def _seen(writing: asyncio.Task[T]) -> None:
    if not writing.cancelled():
        writing.exception()  # whoever waits is told of it; else nobody is there to be told


async def _written(
    world: World,
    offered: list[tuple[Taker, Offer]],
    work: Callable[Concatenate[Transaction, Straight, P], Awaitable[T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    try:
        result, straight = await _run(world, [offer for _, offer in offered], work, *args, **kwargs)
    except BaseException as error:
        for taker, offer in offered:
            taker.leave(offer, unsure=isinstance(error, Problem) or not isinstance(error, Exception))
        if not isinstance(error, _Broke):
            raise
        log.exception("a claim broke; what was to be written with it is queued")
        offered = []
        result, straight = await _run(world, [], work, *args, **kwargs)
    for taker, offer in offered:
        taker.take(offer, straight.claimed.get(offer.line.id, ()))
    wake_lines(world, straight.queued)
    wake(world, straight.settled)
    return result


async def _run(
    world: World,
    offers: Sequence[Offer],
    work: Callable[Concatenate[Transaction, Straight, P], Awaitable[T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> tuple[T, Straight]:
    @wraps(work)
    async def within(tx: Transaction) -> tuple[T, Straight]:
        straight = Straight(world, offers)  # a transaction that is begun anew claims anew
        return await work(tx, straight, *args, **kwargs), straight

    return await world.ground.db.run(within)


def _offered(world: World, workspace_id: int, most: int) -> list[tuple[Taker, Offer]]:
    """What the senders of its own lines offer, on which nobody else sends."""
    lines = world.lines.of(workspace_id)
    if len(lines) > LINES_MAX:
        return []
    asked = [(world.takers.get(line.id), world.lines.senders(line.id)) for line in lines]
    offers = [(taker, taker.offer(most)) for taker, senders in asked if taker and senders == [workspace_id]]
    return [(taker, offer) for taker, offer in offers if offer is not None]
