"""Tell what became of a message: its attempts, and the timeline that says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.problems import not_found
from angarium.core.values import MessageClass
from angarium.lines.rules import price_text
from angarium.messaging.case import open_content
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.messages import Filter, Message
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

Document = dict[str, Any]

CODE_MASK = "••••••"  # what is shown instead of the text of a code


async def tell(tx: Transaction, world: World, workspace_id: int, message_id: int) -> Document:
    """One message whole; a Problem when there is none."""
    found = await message_store.by_ids(tx, workspace_id, [message_id])
    if not found:
        raise not_found("message", ids.show("message", message_id))
    message = found[0]
    await world.versions.load(tx, workspace_id, {message.cascade_version_id}, set())
    tried = await attempt_store.of_messages(tx, workspace_id, [message_id])
    timeline = await facts.of_subject(tx, workspace_id, message_id)
    return {
        **outline(message),
        "steps": msgspec.to_builtins(world.versions.steps[message.cascade_version_id]),
        "attempts": [_attempt(world, attempt) for attempt in tried],
        "timeline": [_event(fact) for fact in timeline],
    }


async def listing(
    tx: Transaction, workspace_id: int, wanted: Filter, before: int, limit: int
) -> tuple[list[Document], int | None]:
    """The newest messages that fit, and where to go on; None at the end."""
    found = await message_store.page(tx, workspace_id, wanted, before, limit + 1)
    following = found[limit - 1].id if len(found) > limit else None
    return [outline(message) for message in found[:limit]], following


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
        "cost": {"amount": price_text(message.cost_micros), "currency": message.currency},
        "created_at": iso(message.created_at),
        "expires_at": iso(message.expires_at),
        "finished_at": _maybe(message.finished_at),
        "waits_until": _maybe(message.decide_at),
    }


def _attempt(world: World, attempt: Attempt) -> Document:
    line = world.lines.get(attempt.line_id)
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
        "cost": {"amount": price_text(attempt.cost_micros), "currency": attempt.currency},
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
        sentences.append(f"{event['at']}  {event['event']}{where}{reason}")
        sentences += [f"{'':26}{_decision(decision)}" for decision in event.get("decisions", ())]
    return sentences


def _decision(decision: Document) -> str:
    match decision["do"]:
        case "send":
            held = f", held until {decision['due']}" if "due" in decision else ""
            return f"→ step {decision['step']} by {decision['line']} ({decision['why']}){held}"
        case "skip":
            return f"→ step {decision['step']} passed over: {decision['reason']}. {decision['detail']}"
        case "take_back":
            return f"→ step {decision['step']} on {decision['line']} is taken back: {decision['why']}"
        case "wait":
            return f"→ wait until {decision['until']}: {decision['why']}"
        case _:
            reason = f" ({decision['reason']})" if decision["reason"] else ""
            return f"→ ends as {decision['state']}{reason}: {decision['why']}"
