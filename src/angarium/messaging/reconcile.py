"""After a crash: intents without an outcome become unknown, and evidence is looked for; and housekeeping."""

from __future__ import annotations

import msgspec
import structlog

from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.ports import Unknown
from angarium.lines.store import Line
from angarium.messaging import inbound, plan, receive, send
from angarium.messaging.case import Case, load, open_callback, wake, write
from angarium.messaging.states import AttemptState
from angarium.messaging.store import inbox, owners, queue, unknowns
from angarium.messaging.world import World
from angarium.storage import idempotency
from angarium.storage.database import Transaction

log = structlog.get_logger()

ORPHANS_MAX = 500  # intents taken over in one transaction
PARKED_DAYS = 7  # Meta repeats callbacks for so long; an SMSC three days
JOURNAL_DAYS = 7  # raw callbacks that were understood; the others stay until somebody has looked at them
LEFT_BEHIND_S = 60.0  # a callback that is not worked through by then was journalled by a server that is gone
IDEMPOTENCY_HOURS = 48
ANY_ID = (1 << 63) - 1
PURGE_MAX = 1_000
SILENT_MAX = 500  # unanswered attempts that parked receipts are held against in one transaction
DAY_S = 86_400.0
STOPPED = "The server stopped between handing it over and hearing the answer."


async def take_over(world: World, line: Line, epoch: int) -> int:
    """Own a line, and settle the intents that an earlier owner left behind: each may have gone out.

    How many there were; Fenced when a server that started later owns the line.
    """
    await world.ground.db.run(owners.take, line.workspace_id, line.id, epoch)
    total = 0
    for workspace_id in world.lines.everybody(line.id):
        while True:
            now = world.ground.clock.now()
            cases = await world.ground.db.run(_take_over, world, line, workspace_id, epoch, now)
            if not cases:
                break
            wake(world, cases)
            total += len(cases)
    return total


async def _take_over(
    tx: Transaction, world: World, line: Line, workspace_id: int, epoch: int, now: int
) -> list[Case]:
    await owners.must_own(tx, line.workspace_id, line.id, epoch)
    await receive.hold_lines(tx, {line.id})
    orphans = await queue.orphans(tx, workspace_id, line.id, epoch, ORPHANS_MAX)
    cases = await load(tx, world, workspace_id, {message_id for _, message_id in orphans})
    left = []
    for attempt_id, message_id in orphans:
        case = cases[message_id]
        attempt = case.attempt(attempt_id)
        if attempt.state is AttemptState.SUBMITTING:
            send.settle(world, case, attempt, Unknown(STOPPED), 0.0, now)
            left.append(attempt)
    words = await receive.evidence_words(tx, world, workspace_id, left, now)
    await receive.tell(tx, world, workspace_id, cases, words, now)
    await plan.advance(tx, world, list(cases.values()), now)
    await write(tx, world, list(cases.values()))
    return list(cases.values())


async def work_through_journal(
    world: World, workspace_id: int, before_id: int = ANY_ID, limit: int = 200
) -> int:
    """Callbacks that were journalled before a crash and not worked through. How many there were."""
    total = 0
    while True:
        entries = await world.ground.db.read(inbox.new_journal, workspace_id, before_id, limit)
        if not entries:
            return total
        await receive.work_through(world, [open_callback(world, entry) for entry in entries])
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
    forgotten = await inbox.forget_parked(tx, workspace_id, now - micros(PARKED_DAYS * DAY_S))
    await inbox.forget_journal(tx, workspace_id, ids.earliest(now - micros(JOURNAL_DAYS * DAY_S)), PURGE_MAX)
    await idempotency.purge(tx, workspace_id, now - micros(IDEMPOTENCY_HOURS * 3600.0), PURGE_MAX)
    shares = await unknowns.summary(tx, workspace_id)
    return Tidied(tuple(shares), await inbox.parked_count(tx, workspace_id), forgotten)
