"""Tell what became of a message: its attempts, and the timeline that says why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.problems import not_found
from angarium.core.values import MessageClass, amount_text
from angarium.lines.store import Line
from angarium.messaging.case import CODE_MASK, Case, open_content
from angarium.messaging.links import PIXEL
from angarium.messaging.robots import Visitor
from angarium.messaging.states import AttemptState
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import links as link_store
from angarium.messaging.store import messages as message_store
from angarium.messaging.store import waiting as waiting_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.messages import Filter, Message
from angarium.messaging.waiting import For, LineNow, Sentence, Wait, document, sentence, waiting
from angarium.messaging.words import plain
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

Document = dict[str, Any]


class Story(msgspec.Struct, frozen=True):
    """One message whole, and what it waits for as a sentence; None when it is final."""

    told: Document
    wait: Sentence | None


async def tell(tx: Transaction, world: World, workspace_id: int, message_id: int) -> Document:
    """One message whole, as the API tells it; a Problem when there is none."""
    return (await whole(tx, world, workspace_id, message_id)).told


async def whole(tx: Transaction, world: World, workspace_id: int, message_id: int) -> Story:
    """One message, for its page; a Problem when there is none."""
    found = await message_store.by_ids(tx, workspace_id, [message_id])
    if not found:
        raise not_found("message", ids.show("message", message_id))
    message = found[0]
    await world.versions.load(tx, workspace_id, {message.cascade_version_id}, set())
    tried = await attempt_store.of_messages(tx, workspace_id, [message_id])
    timeline = await facts.of_subject(tx, workspace_id, message_id)
    case = Case(message, tried, world.versions.steps[message.cascade_version_id])
    sent = (await link_store.of_messages(tx, workspace_id, [message_id])).get(message_id, {})
    followed = await link_store.of_message(tx, workspace_id, message_id)
    wait = await _waiting(tx, world, case)
    told = {
        **outline(message),
        "waiting": _told(case, wait),
        "steps": msgspec.to_builtins(world.versions.steps[message.cascade_version_id]),
        "attempts": [_attempt(world, attempt) for attempt in tried],
        "links": links_of(sent, followed),
        "timeline": [_event(fact) for fact in timeline],
    }
    return Story(told, None if wait is None else sentence(wait, case.steps))


def links_of(sent: Iterable[str], followed: Sequence[link_store.Told]) -> list[Document]:
    """The links of a message that are counted, with who followed each, and the picture of its opening."""
    by_url: dict[tuple[str, bool], list[link_store.Told]] = {(url, url == PIXEL): [] for url in sent}
    for one in followed:
        by_url.setdefault((one.url, bool(one.picture)), []).append(one)
    return [_link(url, picture, visits) for (url, picture), visits in sorted(by_url.items())]


def _link(url: str, picture: bool, visits: Sequence[link_store.Told]) -> Document:
    person = next((one for one in visits if one.by == Visitor.PERSON), None)
    return {
        "kind": "open" if picture else "click",
        "url": "" if picture or url == link_store.FORGOTTEN else url,
        "times": person.times if person else 0,
        "first_at": _maybe(person.first_at if person else None),
        "last_at": _maybe(person.last_at if person else None),
        "robots": {one.by: one.times for one in visits if one.by != Visitor.PERSON},
    }


class Listed(msgspec.Struct, frozen=True):
    """A piece of the list: messages, their attempts, and where it goes on; None at the end. Where few fit, a
    piece may hold fewer than were asked for, or none, and go on."""

    messages: list[Document]
    attempts: list[list[Attempt]]
    following: int | None


async def listing(
    tx: Transaction,
    world: World,
    workspace_id: int,
    wanted: Filter,
    before: int,
    limit: int,
    what: For | None = None,
) -> Listed:
    """The newest messages that fit, and that wait for `what` if it is said."""
    now, down_to = world.ground.clock.now(), 0
    lines = lines_now(world, workspace_id)
    if what is None:
        down_to = await message_store.farthest(tx, workspace_id, wanted, before)
        found = await message_store.page(tx, workspace_id, wanted, before, limit + 1, down_to)
    else:
        on = [id_ for id_, line in lines.items() if (line.waits_for() is what) is not (what is For.SWITCH)]
        found = await waiting_store.page(tx, workspace_id, wanted, what.value, on, now, before, limit + 1)
    shown = found[:limit]
    cases = await cases_of(tx, world, workspace_id, shown)
    return Listed(
        [{**outline(case.message), "waiting": waiting_of(case, lines, now)} for case in cases],
        [case.attempts for case in cases],
        shown[-1].id if len(found) > limit else down_to or None,
    )


async def cases_of(
    tx: Transaction, world: World, workspace_id: int, messages: Sequence[Message]
) -> list[Case]:
    """Messages with their attempts and steps, only to be looked at."""
    await world.versions.load(tx, workspace_id, {one.cascade_version_id for one in messages}, set())
    cases = {one.id: Case(one, [], world.versions.steps[one.cascade_version_id]) for one in messages}
    for attempt in await attempt_store.of_messages(tx, workspace_id, list(cases)):
        cases[attempt.message_id].attempts.append(attempt)
    return list(cases.values())


def waiting_of(case: Case, lines: Mapping[int, LineNow], now: int) -> Document | None:
    """What a message waits for, as lists show it; None when it is final."""
    return _told(case, waiting(case, lines, now))


def lines_now(world: World, workspace_id: int) -> dict[int, LineNow]:
    """The lines of a workspace as they are now, as far as this machine knows."""
    return {line.id: _line_now(world, line) for line in world.lines.of(workspace_id)}


def _line_now(world: World, line: Line) -> LineNow:
    held = world.why_waiting(line.id)
    if held is not None and held.retries_only:
        held = None  # what is asked for the first time goes; a retry says itself that it was put off
    return LineNow(
        line.name,
        line.enabled and line.approved,
        world.is_up(line.id) is not False,
        line.speed_per_s,
        world.channels[line.channel].answers_within_s(world.settings(line)),
        held.why if held else "",
        held.until if held else None,
    )


async def _waiting(tx: Transaction, world: World, case: Case) -> Wait | None:
    """What one message waits for; how many are before it is counted."""
    now = world.ground.clock.now()
    wait = waiting(case, lines_now(world, case.message.workspace_id), now)
    if wait is not None and wait.what is For.TURN:
        queued = next(attempt for attempt in case.attempts if attempt.state is AttemptState.QUEUED)
        wait = msgspec.structs.replace(wait, ahead=await waiting_store.ahead(tx, queued, now))
    return wait


def _told(case: Case, wait: Wait | None) -> Document | None:
    if wait is None:
        return None
    return {**document(wait, case.steps), "says": plain(sentence(wait, case.steps))}


def outline(message: Message) -> Document:
    """A message as lists show it."""
    return {
        "id": ids.show("message", message.id),
        "class": message.message_class.value,
        "state": message.state.value,
        "reason": message.reason,
        "finished": message.finished_at is not None,
        "contact": ids.show("contact", message.contact_id),
        "label": message.label,
        "reference": message.reference,
        "locale": message.locale,
        "cost": {"amount": amount_text(message.cost_micros), "currency": message.currency},
        "created_at": iso(message.created_at),
        "expires_at": iso(message.expires_at),
        "finished_at": _maybe(message.finished_at),
        "waits_until": _maybe(message.decide_at),
    }


def _attempt(world: World, attempt: Attempt) -> Document:
    line = world.lines.seen(attempt.workspace_id, attempt.line_id)
    return {
        "id": ids.show("attempt", attempt.id),
        "step": attempt.step + 1,
        "number": attempt.number,
        "channel": attempt.channel,
        "line": line.name if line else ids.show("line", attempt.line_id),
        "address": attempt.address,
        "state": attempt.state.value,
        "reason": attempt.reason,
        "code": attempt.code,
        "detail": attempt.detail,
        "late": bool(attempt.late),
        "tries": attempt.tries,
        "parts": attempt.parts,
        "content": _content(world, attempt),
        "cost": {"amount": amount_text(attempt.cost_micros), "currency": attempt.currency},
        "planned_at": iso(attempt.planned_at),
        "submitted_at": _maybe(attempt.submitted_at),
        "accepted_at": _maybe(attempt.accepted_at),
        "delivered_at": _maybe(attempt.delivered_at),
        "read_at": _maybe(attempt.read_at),
        "ended_at": _maybe(attempt.ended_at),
    }


def _content(world: World, attempt: Attempt) -> Document:
    """The words as the phone shows them; those of a code are never shown."""
    if attempt.message_class is MessageClass.OTP:
        return {"text": CODE_MASK}
    document: Document = msgspec.to_builtins(open_content(world, attempt))
    return document


def _event(fact: Fact) -> Document:
    body: Document = msgspec.json.decode(fact.body)
    return {"at": iso(fact.at), "event": fact.kind.removeprefix("message."), **body}


def _maybe(at: int | None) -> str | None:
    return None if at is None else iso(at)


def timeline_sentences(document: Document) -> Sequence[str]:
    """The timeline of a told message as sentences, one per event and one per decision."""
    sentences = []
    for event in document["timeline"]:
        where = f" on {event['line']}" if event.get("line") else ""
        reason = f": {event['reason']}" if event.get("reason") else ""
        ruling = f" {event['ruling']} by {event['by']}: {event['detail']}" if "ruling" in event else ""
        sentences.append(f"{event['at']}  {event['event']}{where}{reason}{ruling}")
        sentences += [f"{'':26}{_decision(decision)}" for decision in event.get("decisions", ())]
    return sentences


def _decision(decision: Document) -> str:
    match decision["do"]:
        case "send":
            held = f", held until {decision['due']}" if "due" in decision else ""
            return f"→ step {decision['step']} by {decision['line']} ({decision['why']}){held}"
        case "skip":
            return f"→ step {decision['step']} passed over: {decision['reason']}. {decision['detail']}"
        case "hold":
            return f"→ step {decision['step']} waits for a person: {decision['detail']}"
        case "take_back":
            return f"→ step {decision['step']} on {decision['line']} is taken back: {decision['why']}"
        case "wait":
            return f"→ wait until {decision['until']}: {decision['why']}"
        case _:
            reason = f" ({decision['reason']})" if decision["reason"] else ""
            return f"→ ends as {decision['state']}{reason}: {decision['why']}"
