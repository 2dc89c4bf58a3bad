"""Messages of which nobody knows whether they went out: list them with what is known, and let people decide.

What a person says counts as an answer that comes late: what follows is decided as if it had come from the
provider. To send again is the one thing that no evidence ever leads to for a class that is sent at most once;
only this does, and it is written into the timeline with who did it and why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from angarium.accounts.reach import WHOLE, Reach
from angarium.core import ids
from angarium.core.clock import MICROS, iso
from angarium.core.problems import Problem, not_found
from angarium.core.values import Reason
from angarium.messaging import evidence, plan, reconcile, story
from angarium.messaging.bounds import bounded
from angarium.messaging.cascade import Send, best_state
from angarium.messaging.case import Case, load, write
from angarium.messaging.states import OPEN_ATTEMPT, AttemptState, MessageState
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import inbox
from angarium.messaging.store import messages as message_store
from angarium.messaging.store import unknowns as store
from angarium.messaging.store.attempts import Attempt, Unanswered
from angarium.messaging.store.inbox import Parked
from angarium.messaging.store.messages import Message
from angarium.messaging.store.unknowns import Wanted
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction

Document = dict[str, Any]

EVIDENCE_MAX = 20  # receipts shown beside one message
RULED = "ruled"  # the event


class Ruling(StrEnum):
    """What a person says of a message."""

    SENT = "sent"  # it went out
    NOT_SENT = "not_sent"  # it did not
    RESEND = "resend"  # send it once more, whether it went out or not
    LEAVE = "leave"  # nobody can tell: leave it unknown


class Order(msgspec.Struct, frozen=True):
    """A ruling on one message. `attempt_id`: of this attempt, if it is still the last without an answer."""

    message_id: int
    ruling: Ruling
    reason: str
    by: str
    attempt_id: int = 0


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────


async def listing(
    tx: Transaction, world: World, workspace_id: int, wanted: Wanted, after: int, limit: int
) -> tuple[list[Document], int | None]:
    """Those that fit, oldest first, each with what is known; and where to go on, None at the end."""
    found = await store.page(tx, workspace_id, wanted, after, limit + 1)
    shown = found[:limit]
    documents = await told(tx, world, workspace_id, shown)
    return documents, shown[-1].id if len(found) > limit else None


async def tell(tx: Transaction, world: World, workspace_id: int, message_id: int) -> Document:
    """One of them; a Problem when there is none."""
    found = await message_store.by_ids(tx, workspace_id, [message_id])
    if not found or found[0].state is not MessageState.UNKNOWN:
        raise not_found("unknown message", ids.show("message", message_id))
    return (await told(tx, world, workspace_id, found))[0]


async def summary(tx: Transaction, world: World, workspace_id: int) -> Document:
    """How many there are, by line and class, and how many receipts fit nothing."""
    shares = await store.summary(tx, workspace_id)
    parked = await inbox.parked_so_far(tx, workspace_id)
    return {
        "messages": sum(share.messages for share in shares),
        "for_a_person": sum(share.for_a_person for share in shares),
        "shares": [
            {
                "line": _line_name(world, workspace_id, share.line_id),
                "class": share.message_class,
                "messages": share.messages,
                "for_a_person": share.for_a_person,
                "since": iso(share.since),
            }
            for share in shares
        ],
        "parked_receipts": {
            "count": parked.count,
            "since": None if parked.since is None else iso(parked.since),
            "kept_days": reconcile.PARKED_DAYS,
        },
    }


async def told(
    tx: Transaction, world: World, workspace_id: int, messages: Sequence[Message]
) -> list[Document]:
    """Messages with what is known of them."""
    now = world.ground.clock.now()
    cases = await story.cases_of(tx, world, workspace_id, messages)
    silent = {case.message.id: silent_of(case) for case in cases}
    receipts = await _receipts(tx, world, workspace_id, [one for some in silent.values() for one in some])
    lines = story.lines_now(world, workspace_id)
    documents = []
    for case in cases:
        own = silent[case.message.id]
        since = min((one.ended_at or one.planned_at for one in own), default=case.message.created_at)
        documents.append(
            {
                **story.outline(case.message),
                "waiting": story.waiting_of(case, lines, now),
                "since": iso(since),
                "age_s": (now - since) // MICROS,
                "attempts": [_attempt(world, one) for one in own],
                "evidence": [shown for one in own for shown in receipts.get(one.id, [])][:EVIDENCE_MAX],
                "rulings": [ruling.value for ruling in Ruling if _hindrance(case, ruling, now) is None],
            }
        )
    return documents


def silent_of(case: Case) -> list[Attempt]:
    """The attempts of a message that were never answered."""
    return [one for one in case.attempts if one.state is AttemptState.UNKNOWN]


def _attempt(world: World, one: Attempt) -> Document:
    return {
        "id": ids.show("attempt", one.id),
        "step": one.step + 1,
        "channel": one.channel,
        "line": _line_name(world, one.workspace_id, one.line_id),
        "session": one.epoch,
        "address": one.address,
        "submitted_at": iso(one.submitted_at or one.planned_at),
        "unknown_since": iso(one.ended_at or one.planned_at),
        "tries": one.tries,
        "detail": one.detail,
    }


def _line_name(world: World, workspace_id: int, line_id: int) -> str:
    line = world.lines.seen(workspace_id, line_id)
    return line.name if line else ids.show("line", line_id)


async def _receipts(
    tx: Transaction, world: World, workspace_id: int, silent: Sequence[Attempt]
) -> dict[int, list[Document]]:
    """Receipts to the addresses of these attempts that fitted nothing, by attempt, each with why.

    Those of a line that is lent are its owner's to see: they may be about what another workspace sent.
    """
    by_line: dict[int, list[Attempt]] = defaultdict(list)
    for one in silent:
        by_line[one.line_id].append(one)
    found: dict[int, list[Document]] = {}
    for line_id, own in by_line.items():
        addresses = sorted({one.address for one in own})
        parked: dict[str, list[Parked]] = defaultdict(list)
        for receipt in await inbox.parked_for(tx, workspace_id, line_id, addresses, 0):
            parked[receipt.receipt.address].append(receipt)
        unanswered: dict[str, list[Unanswered]] = defaultdict(list)
        everybody = world.lines.everybody(line_id)
        async with tx.across_workspaces():
            found_there = await attempt_store.unanswered_at(tx, everybody, line_id, addresses)
        for other in found_there:
            unanswered[other.address].append(other)
        for attempt in own:
            shown = [_receipt(p, attempt, unanswered[attempt.address]) for p in parked[attempt.address]]
            found[attempt.id] = shown
    return found


def _receipt(parked: Parked, silent: Attempt, unanswered: Sequence[Unanswered]) -> Document:
    return {
        "attempt": ids.show("attempt", silent.id),
        "status": parked.receipt.status.value,
        "ref": parked.receipt.ref,
        "code": parked.receipt.code,
        "received_at": iso(parked.received_at),
        "why_not": evidence.why_not(parked.received_at, silent, unanswered),
    }


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────────


class Ruled(msgspec.Struct, frozen=True):
    """What became of an order: the message as it is now, or the Problem. `again`: it had been done before."""

    message_id: int
    outline: Document | None = None
    problem: Problem | None = None
    again: bool = False


async def decide(
    tx: Transaction,
    world: World,
    workspace_id: int,
    orders: Sequence[Order],
    now: int,
    reach: Reach = WHOLE,
) -> tuple[list[Ruled], list[Case]]:
    """Carry out rulings; what became of each, in order, and the cases that were changed."""
    cases = await load(tx, world, workspace_id, {order.message_id for order in orders})
    resent = [cases[o.message_id] for o in orders if o.ruling is Ruling.RESEND and o.message_id in cases]
    await plan.furnish(tx, world, resent, now)
    await plan.open_purse(tx, world, resent, resent, now)
    ruled: list[Ruled] = []
    changed: dict[int, Case] = {}
    for order in orders:
        case = cases.get(order.message_id)
        if case is None or order.message_id in changed:
            ruled.append(_not_there(order) if case is None else _twice(order))
            continue
        problem = (
            bounded(reach, case.message.message_class)
            or _hindrance(case, order.ruling, now, order.attempt_id)
            or _rule(world, case, order, now)
        )
        if problem is None:
            changed[case.message.id] = case
            ruled.append(Ruled(case.message.id))
        else:
            again = await _was_done(tx, workspace_id, order)
            outline = story.outline(case.message) if again else None
            ruled.append(Ruled(order.message_id, outline, None if again else problem, again))
    await plan.advance(tx, world, list(changed.values()), now)
    await write(tx, world, list(changed.values()))
    return [_with_outline(one, changed) for one in ruled], list(changed.values())


def _with_outline(one: Ruled, changed: Mapping[int, Case]) -> Ruled:
    if one.problem is not None or one.outline is not None:
        return one
    return msgspec.structs.replace(one, outline=story.outline(changed[one.message_id].message))


def _not_there(order: Order) -> Ruled:
    return Ruled(order.message_id, problem=not_found("message", ids.show("message", order.message_id)))


def _twice(order: Order) -> Ruled:
    detail = "It stands twice in this request."
    problem = Problem("nothing-to-decide", "Nothing is to be decided", status=409, detail=detail)
    return Ruled(order.message_id, problem=problem)


async def _was_done(tx: Transaction, workspace_id: int, order: Order) -> bool:
    """Whether the last ruling on this message was the same."""
    timeline = await facts.of_subject(tx, workspace_id, order.message_id)
    rulings = [fact for fact in timeline if fact.kind == f"message.{RULED}"]
    if not rulings:
        return False
    body = msgspec.json.decode(rulings[-1].body)
    same_attempt = not order.attempt_id or body["attempt"] == ids.show("attempt", order.attempt_id)
    return bool(body["ruling"] == order.ruling and same_attempt)


def _hindrance(case: Case, ruling: Ruling, now: int, attempt_id: int = 0) -> Problem | None:
    """What is against a ruling on this message, with what is known now."""
    message, silent = case.message, silent_of(case)
    if message.state is not MessageState.UNKNOWN or not silent or message.reason == Reason.LEFT:
        state = "left unknown" if message.reason == Reason.LEFT else message.state.value
        return _nothing_to_decide(f"The message is {state}.")
    if attempt_id and attempt_id != silent[-1].id:
        last = ids.show("attempt", silent[-1].id)
        return _nothing_to_decide(f"The last attempt without an answer is {last}, not this one.")
    if ruling is Ruling.LEAVE and message.finished_at is None:
        return _nothing_to_decide("Something follows by itself still. It can be left once it has ended.")
    return _hindrance_to_resend(case, now) if ruling is Ruling.RESEND else None


def _nothing_to_decide(detail: str) -> Problem:
    return Problem("nothing-to-decide", "Nothing is to be decided", status=409, detail=detail)


def _hindrance_to_resend(case: Case, now: int) -> Problem | None:
    message = case.message
    if any(one.state in OPEN_ATTEMPT for one in case.attempts):
        return _not_again("It is being sent once more already.")
    if now >= message.expires_at:
        return _not_again(f"Its deadline was {iso(message.expires_at)}. Send a new message.")
    if not message.words:
        return _not_again("The text of a code is not kept once its message has ended. Send a new one.")
    return None


def _not_again(detail: str) -> Problem:
    return Problem("not-sent-again", "It cannot be sent again", status=409, detail=detail)


def _rule(world: World, case: Case, order: Order, now: int) -> Problem | None:
    """Carry out one ruling that nothing is against; a Problem when there is no way to send it again."""
    silent = silent_of(case)
    last = silent[-1]
    if order.ruling is Ruling.RESEND:
        problem = _send_again(world, case, last, now)
        if problem is not None:
            return problem
    line = world.lines.seen(last.workspace_id, last.line_id)
    case.record(
        RULED,
        now,
        ruling=order.ruling.value,
        attempt=ids.show("attempt", last.id),
        step=last.step + 1,
        channel=last.channel,
        line=line.name if line else "",
        by=order.by,
        detail=order.reason,
    )
    match order.ruling:
        case Ruling.SENT:
            _went_out(world, case, last, now)
        case Ruling.NOT_SENT:
            for one in silent if not order.attempt_id else [last]:
                _did_not_go_out(case, one, now)
        case Ruling.LEAVE:
            case.message.reason = Reason.LEFT.value
    return None


def _went_out(world: World, case: Case, last: Attempt, now: int) -> None:
    attempt = case.attempt(last.id)
    attempt.state, attempt.accepted_at = AttemptState.ACCEPTED, attempt.accepted_at or now
    attempt.reason = attempt.detail = ""
    case.bill(attempt, world.channels[attempt.channel].capabilities.billed_on, "accepted", now)


def _did_not_go_out(case: Case, silent: Attempt, now: int) -> None:
    attempt, message = case.attempt(silent.id), case.message
    attempt.state, attempt.reason, attempt.ended_at = AttemptState.REFUSED, Reason.NOT_SENT.value, now
    if message.finished_at is not None and best_state(case.run()) is MessageState.QUEUED:
        message.state, message.reason = MessageState.FAILED, Reason.NOT_SENT.value


def _send_again(world: World, case: Case, last: Attempt, now: int) -> Problem | None:
    """Plan one more attempt of the step, by another line if there is one; the message goes on."""
    skips = case.message.skips
    send = Send(last.step, "a person decided to send it again", avoid=frozenset({last.line_id}))
    plan.plan_step(world, case, send, now)
    if not case.created:
        case.message.skips = skips
        return _not_again(str(case.decisions[-1]["detail"]))
    case.message.finished_at, case.message.reason = None, ""
    return None
