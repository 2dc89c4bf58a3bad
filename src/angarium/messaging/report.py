"""Sum up the messages of a label: where they stand, what each line did, who got what."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from angarium.contacts import store as contacts
from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.values import amount_text
from angarium.messaging.states import ATTEMPT_SUCCESS
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import links as link_store
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.attempts import Attempt, StepTotals
from angarium.messaging.store.messages import Filter, Message
from angarium.messaging.world import World
from angarium.storage.database import Transaction

Document = dict[str, Any]

PAGE = 500
NEWEST = (1 << 63) - 1
EXPORTED = (
    "message",
    "class",
    "label",
    "contact",
    "external_id",
    "name",
    "state",
    "reason",
    "channel",
    "line",
    "address",
    "parts",
    "tried",
    "accepted_at",
    "delivered_at",
    "read_at",
    "opened_at",
    "clicked_at",
    "cost",
    "currency",
)


async def report(tx: Transaction, world: World, workspace_id: int, label: str) -> Document:
    """Where the messages of a label stand, and what each line did for them."""
    course = await attempt_store.course(tx, workspace_id, label)
    return await summed(tx, world, workspace_id, label, course.steps)


async def summed(
    tx: Transaction, world: World, workspace_id: int, label: str, steps: Sequence[StepTotals]
) -> Document:
    """The same, where it is known what was done for them."""
    shares = await message_store.summary(tx, workspace_id, label)
    by_state: dict[str, int] = {}
    reasons: dict[str, dict[str, int]] = {}
    for share in shares:
        by_state[share.state] = by_state.get(share.state, 0) + share.total
        if share.reason:
            of_state = reasons.setdefault(share.state, {})
            of_state[share.reason] = of_state.get(share.reason, 0) + share.total
    costs: dict[str, int] = {}
    for share in shares:
        if share.cost_micros:
            costs[share.currency] = costs.get(share.currency, 0) + share.cost_micros
    visited = await link_store.visited(tx, workspace_id, label)
    return {
        "label": label,
        "total": sum(share.total for share in shares),
        "finished": sum(share.finished for share in shares),
        "by_state": by_state,
        "reasons": reasons,
        "opened": visited.opened,  # by people, where it is counted
        "clicked": visited.clicked,
        "cost": _amounts(costs),
        "lines": [totals_shown(world, workspace_id, totals) for totals in by_line(steps)],
        "spared": await _spared(tx, world, workspace_id, label, sum(share.remembered for share in shares)),
    }


def _amounts(costs: Mapping[str, int]) -> list[Document]:
    return [{"amount": amount_text(micros), "currency": currency} for currency, micros in costs.items()]


async def _spared(tx: Transaction, world: World, workspace_id: int, label: str, messages: int) -> Document:
    """What was spared by skipping steps that were known to be in vain, at the most: had each of them been
    taken, it would have cost its price and been waited for to the end."""
    found = await message_store.skips_remembered(tx, workspace_id, label) if messages else []
    await world.versions.load(tx, workspace_id, {version_id for version_id, _, _ in found}, set())
    reasons: dict[str, int] = {}
    costs: dict[str, int] = {}
    wait_s = 0.0
    for version_id, skip, times in found:
        step = world.versions.steps[version_id][skip.step]
        wait_s += times * (step.wait_s if step.success != "accepted" else 0.0)
        reasons[skip.reason.value] = reasons.get(skip.reason.value, 0) + times
        if skip.spared_micros:
            costs[skip.currency] = costs.get(skip.currency, 0) + times * skip.spared_micros
    return {
        "steps": sum(reasons.values()),
        "reasons": reasons,
        "wait_s_at_most": wait_s,
        "cost_at_most": _amounts(costs),
    }


def by_line(steps: Iterable[StepTotals]) -> list[StepTotals]:
    """The same for each line alone, whatever the step."""
    found: dict[tuple[str, int], StepTotals] = {}
    for one in steps:
        place = (one.channel, one.line_id)
        found[place] = found[place].with_(one) if place in found else one
    return [found[place] for place in sorted(found)]


def totals_shown(world: World, workspace_id: int, totals: StepTotals) -> Document:
    """What a line did, as it is told."""
    line = world.lines.seen(workspace_id, totals.line_id)
    document: Document = msgspec.to_builtins(totals)
    document["line"] = line.name if line else ids.show("line", totals.line_id)
    document["cost"] = {
        "amount": amount_text(document.pop("cost_micros")),
        "currency": line.currency if line else "",
    }
    del document["line_id"], document["step"]
    return document


# ── who got what ─────────────────────────────────────────────────────────────────────────────────────


async def export(world: World, workspace_id: int, label: str) -> AsyncIterator[str]:
    """A CSV with a row for each message of a label, newest first, a page at a time."""
    yield csv_text([EXPORTED])
    before: int | None = NEWEST
    while before is not None:
        rows, before = await world.ground.db.read(_export_page, world, workspace_id, label, before)
        yield csv_text(rows)


async def _export_page(
    tx: Transaction, world: World, workspace_id: int, label: str, before: int
) -> tuple[list[tuple[object, ...]], int | None]:
    found = await message_store.page(tx, workspace_id, Filter(label=label), before, PAGE)
    if not found:
        return [], None
    tried: dict[int, list[Attempt]] = {message.id: [] for message in found}
    for attempt in await attempt_store.of_messages(tx, workspace_id, list(tried)):
        tried[attempt.message_id].append(attempt)
    people = await contacts.by_ids(tx, workspace_id, {message.contact_id for message in found})
    seen = await link_store.first_by_people(tx, workspace_id, list(tried))
    rows = [_row(world, one, tried[one.id], people.get(one.contact_id), seen.get(one.id)) for one in found]
    return rows, found[-1].id if len(found) == PAGE else None


def best_of(submitted: Iterable[Attempt]) -> Attempt | None:
    """The attempt that stands for a message: the one that reached the person, else the last one."""
    return max(submitted, key=lambda a: (ATTEMPT_SUCCESS.get(a.state, 0), a.id), default=None)


def _row(
    world: World,
    message: Message,
    tried: list[Attempt],
    person: Contact | None,
    seen: link_store.FirstVisits | None,
) -> tuple[object, ...]:
    submitted = [attempt for attempt in tried if attempt.submitted_at is not None]
    best = best_of(submitted)
    line = world.lines.seen(message.workspace_id, best.line_id) if best else None
    return (
        ids.show("message", message.id),
        message.message_class.value,
        message.label,
        ids.show("contact", message.contact_id),
        cell((person and person.external_id) or ""),
        cell(person.name if person else ""),
        message.state.value,
        message.reason,
        best.channel if best else "",
        line.name if line else "",
        cell(best.address if best else ""),
        best.parts if best else "",
        len(submitted),
        time_text(best.accepted_at if best else None),
        time_text(best.delivered_at if best else None),
        time_text(best.read_at if best else None),
        time_text(seen.opened_at if seen else None),
        time_text(seen.clicked_at if seen else None),
        amount_text(message.cost_micros),
        message.currency,
    )


def cell(text: str) -> str:
    """Text that a spreadsheet does not take for a formula (OWASP, CSV injection); phones keep their plus."""
    if text[:1] in ("=", "-", "@", "\t", "\r") or (text[:1] == "+" and not text[1:].isdigit()):
        return "'" + text
    return text


def time_text(at: int | None) -> str:
    """An instant in a cell; empty for none."""
    return "" if at is None else iso(at)


def csv_text(rows: list[tuple[object, ...]]) -> str:
    """Rows as CSV."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)  # RFC 4180: CRLF
    return buffer.getvalue()
