"""After a crash: intents without an outcome become unknown, and evidence is looked for; and housekeeping."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

import msgspec
import structlog

from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.ports import Unknown
from angarium.core.values import Reason
from angarium.lines.store import Line
from angarium.messaging import forgetting, inbound, inquiries, plan, poison, receive, send, strangers
from angarium.messaging.case import Case, load, open_callback, wake, write
from angarium.messaging.shares import WHOLE, Share
from angarium.messaging.states import AttemptState
from angarium.messaging.store import inbox, leftovers, owners, unknowns
from angarium.messaging.store.inbox import Entry
from angarium.messaging.store.leftovers import Left
from angarium.messaging.world import World
from angarium.storage.database import Transaction

log = structlog.get_logger()

ORPHANS_MAX = 500  # intents taken over in one transaction
PARKED_DAYS = 7  # Meta repeats callbacks for so long; an SMSC three days
GONE_BEHIND_S = (
    5.0  # the same of a server that is not there any more: it may have been seen a moment too late
)
LEFT_BEHIND_S = 60.0  # a callback that is not worked through by then was journalled by a server that is gone
GONE_BEHIND_S = 5.0  # the same where that server is known to be gone: it may only have come a moment ago
# The same of a line that is being taken over. A server that was killed has heard nothing for longer: its
# lease was renewed every 3 s, and lasted 15. One that gave the line up may still be at it.
LINE_LEFT_BEHIND_S = 10.0
NOW = 0
SILENT_MAX = 500  # unanswered attempts that parked receipts are held against in one transaction
DAY_S = 86_400.0
FORGOTTEN_S = 900.0  # longer than any line waits for an answer
STOPPED = "The server stopped between handing it over and hearing the answer."

Orphan = tuple[int, int]  # an attempt and its message


async def take_over(world: World, line: Line, epoch: int, share: Share = WHOLE) -> int:
    """Own a line, or a share of it, and settle the intents that an earlier owner left behind: each may have
    gone out. First comes what was journalled and not worked through: it is evidence that no provider repeats.

    How many there were; Fenced when a server that started later owns it.
    """
    own, number = (line.workspace_id, line.id), share.number
    await world.ground.db.run(owners.take, *own, epoch, number, None if number else share.of)
    before_id = ids.earliest(world.ground.clock.now() - micros(LINE_LEFT_BEHIND_S))
    await work_through_journal(world, line.workspace_id, before_id, line_id=line.id)
    lot = [
        Left(line.workspace_id, workspace_id, line.id, epoch, older_than=epoch, share=number)
        for workspace_id in world.lines.everybody(line.id)
    ]
    return sum([await _settle_all(world, left) for left in lot])


async def rescue(world: World, workspace_id: int, sending: Collection[int]) -> int:
    """Settle what was left behind on lines that nobody sends on: switched off, deleted, or never started.

    `sending`: the lines that have a sender here. Theirs is their own business, but for what is so old that
    nobody can be waiting for an answer any more. How many there were.
    """
    total, before = 0, world.ground.clock.now() - micros(FORGOTTEN_S)
    for line_id in await world.ground.db.read(leftovers.lines, workspace_id):
        lease = await world.ground.fabric.lease(f"line/{line_id}")
        if lease is None:  # another machine sends on it
            continue
        line = world.lines.get(line_id)
        owner_id = line.workspace_id if line else workspace_id
        epoch = 0 if line_id in sending else lease.epoch
        left = Left(owner_id, workspace_id, line_id, lease.epoch, older_than=epoch, before=before)
        try:
            if line_id not in sending:
                await world.ground.db.run(owners.take, owner_id, line_id, lease.epoch)
            total += await _settle_all(world, left)
        except owners.Fenced:  # a newer server has it, or our own sender has not begun yet
            continue
        finally:
            if line_id not in sending:
                await world.ground.fabric.release(lease)
    return total


async def _settle_all(world: World, left: Left) -> int:
    clock, run, read = world.ground.clock, world.ground.db.run, world.ground.db.read
    total, after_id = 0, 0

    async def settle(orphans: Sequence[Orphan]) -> None:
        wake(world, await run(_settle, world, left, orphans, clock.now()))

    async def lost(orphan: Orphan, why: str) -> None:
        reason, detail = Reason.NO_ANSWER.value, f"{STOPPED} And {why}."
        await run(leftovers.forget, left.workspace_id, orphan[0], reason, detail, clock.now())

    while True:
        orphans = await read(leftovers.orphans, left, after_id, ORPHANS_MAX)
        if not orphans:
            return total
        await poison.apart(clock, orphans, settle, lost, "take over")
        total, after_id = total + len(orphans), orphans[-1][0]


async def _settle(
    tx: Transaction, world: World, left: Left, orphans: Sequence[Orphan], now: int
) -> list[Case]:
    await owners.must_own(tx, left.owner_id, left.line_id, left.epoch, left.share)
    await receive.hold_lines(tx, {left.line_id})
    workspace_id = left.workspace_id
    cases = await load(tx, world, workspace_id, {message_id for _, message_id in orphans})
    unanswered = []
    for attempt_id, message_id in orphans:
        case = cases[message_id]
        attempt = case.attempt(attempt_id)
        if attempt.state is AttemptState.SUBMITTING:
            send.settle(world, case, attempt, Unknown(STOPPED), 0.0, now)
            unanswered.append(attempt)
    await inquiries.begin(tx, world, workspace_id, [(one, Unknown(STOPPED)) for one in unanswered], now)
    words = await receive.evidence_words(tx, world, workspace_id, unanswered, now)
    await receive.tell(tx, world, workspace_id, cases, words, now)
    await plan.advance(tx, world, list(cases.values()), now)
    await write(tx, world, list(cases.values()))
    return list(cases.values())


async def work_through_journal(
    world: World, workspace_id: int, before_id: int = NOW, limit: int = 200, line_id: int = inbox.ANY_LINE
) -> int:
    """Callbacks that were journalled before a crash and not worked through. How many there were.

    `NOW`: those that are there now. Other servers journal on meanwhile, and of that there is no end.
    """
    if before_id == NOW:
        before_id = await world.ground.db.read(leftovers.newest_callback, workspace_id) + 1
    read = partial(world.ground.db.read, inbox.new_journal, workspace_id, before_id, limit, line_id)
    return await _work_all_through(world, read)


async def take_up_from_the_gone(
    world: World, workspace_id: int, nodes: Collection[int], limit: int = 200
) -> int:
    """Work through what was journalled by servers that are gone: others than `nodes`. How many there were. A
    provider that was answered does not say it again, and steps wait for what it said."""
    before_id = ids.earliest(world.ground.clock.now() - micros(GONE_BEHIND_S))
    asked = (workspace_id, nodes, before_id, limit)
    return await _work_all_through(world, partial(world.ground.db.read, leftovers.left_by_others, *asked))


async def _work_all_through(world: World, read: Callable[[], Awaitable[list[Entry]]]) -> int:
    total = 0
    while True:
        entries = await read()
        if not entries:
            return total
        await poison.apart(
            world.ground.clock,
            entries,
            lambda some: receive.work_through(world, [open_callback(world, one) for one in some]),
            lambda one, why: receive.give_up(world, one, why),
            "apply",
        )
        total += len(entries)


class Tidied(msgspec.Struct, frozen=True):
    """What one workspace has in doubt after a tidying, and how many receipts it let go of."""

    unknown: tuple[unknowns.Share, ...] = ()
    parked: int = 0
    forgotten: int = 0


async def tidy(world: World, workspace_id: int) -> Tidied:
    """Take up callbacks that were left behind, match receipts that fit one attempt by now, and let go of what
    has had its time."""
    now = world.ground.clock.now()
    await work_through_journal(world, workspace_id, ids.earliest(now - micros(LEFT_BEHIND_S)))
    wake(world, await world.ground.db.run(_match_parked, world, workspace_id, now))
    tidied = await world.ground.db.run(_tidy, world, workspace_id, now)
    await forgetting.let_go(world, workspace_id)
    if tidied.forgotten:
        log.warning(
            "receipts that fitted nothing were let go of", receipts=tidied.forgotten, days=PARKED_DAYS
        )
    return tidied


async def _match_parked(tx: Transaction, world: World, workspace_id: int, now: int) -> list[Case]:
    """Receipts of which more than one attempt could be meant when they came, and now one alone."""
    since = now - micros(receive.EVIDENCE_S)
    silent = await unknowns.silent_since(tx, workspace_id, since, SILENT_MAX)
    message_ids: set[int] = set()
    for line_id in {one.line_id for one in silent}:
        own = [one for one in silent if one.line_id == line_id]
        spoken_of = await receive.parked_addresses(tx, world, workspace_id, line_id, [o.address for o in own])
        message_ids |= {one.message_id for one in own if one.address in spoken_of}
    if not message_ids:
        return []
    cases = await load(tx, world, workspace_id, message_ids)
    attempts = [attempt for case in cases.values() for attempt in case.attempts]
    words = await receive.evidence_words(tx, world, workspace_id, attempts, now)
    told = {word.message_id: cases[word.message_id] for word in words}
    await receive.tell(tx, world, workspace_id, told, words, now)
    await plan.advance(tx, world, list(told.values()), now)
    await write(tx, world, list(told.values()))
    return list(told.values())


async def _tidy(tx: Transaction, world: World, workspace_id: int, now: int) -> Tidied:
    await inbound.give_up_waiting(tx, world, workspace_id, now)
    await strangers.recognise(tx, world, workspace_id)
    forgotten = await inbox.forget_parked(tx, workspace_id, now - micros(PARKED_DAYS * DAY_S))
    shares = await unknowns.summary(tx, workspace_id)
    return Tidied(tuple(shares), await inbox.parked_count(tx, workspace_id), forgotten)
