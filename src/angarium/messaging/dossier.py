"""Everything that is kept of one person, as JSON that is written as it is read: what a person may ask for.

What providers said raw is not in it: one callback speaks of many people. What it came to is, with each
message.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from angarium.contacts.api import shown
from angarium.core import ids
from angarium.core.clock import iso
from angarium.messaging import erasing, story
from angarium.messaging.erasing import Person
from angarium.messaging.store import traces
from angarium.messaging.store.traces import TRACES, Kept
from angarium.messaging.world import World
from angarium.storage.database import Transaction

TOLD = {"contact", "address", "message", "attempt", "part", "inbound"}  # in words of their own
NOUNS = {"contact_id": "contact", "survivor_id": "contact", "merged_id": "contact", "low_id": "contact"}


async def dossier(world: World, workspace_id: int, one: Person) -> AsyncIterator[str]:
    """The JSON of a person, piece by piece."""
    db = world.ground.db
    yield '{"exported_at":' + _text(iso(world.ground.clock.now()))
    yield ',"contact":' + _text(shown(one.contact))
    others = one.contact_ids - {one.contact.id}
    yield ',"was_also":' + _text(sorted(ids.show("contact", each) for each in others))
    yield ',"kept":' + _text(await db.read(_kept, workspace_id, one))
    yield ',"inbound":' + _text(await db.read(_inbound, workspace_id, one))
    yield ',"messages":['
    for place, message_id in enumerate(one.sent.messages):
        told = await db.read(story.tell, world, workspace_id, message_id)
        yield ("," if place else "") + _text(told)
    yield "]}"


async def _kept(tx: Transaction, workspace_id: int, one: Person) -> dict[str, list[dict[str, Any]]]:
    """The rows of every other table that is found by the contact, as they stand there."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, trace in TRACES.items():
        for rows in () if isinstance(trace, Kept) or name in TOLD else trace:
            if rows.of == "contacts":
                known = found.setdefault(name, [])
                more = await rows.kept(tx, workspace_id, sorted(one.contact_ids))
                known += [row for row in more if row not in known]
    return {name: [_readable(row) for row in rows] for name, rows in found.items() if rows}


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """A row with what is JSON in it read, times as people write them, and ids as they are shown."""
    return {name: _cell(name, value) for name, value in row.items() if not isinstance(value, bytes)}


def _cell(name: str, value: Any) -> Any:
    if name.endswith("_at") and isinstance(value, int):
        return iso(value) if value else None
    if name in NOUNS and isinstance(value, int):
        return ids.show(NOUNS[name], value)
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value


async def _inbound(tx: Transaction, workspace_id: int, one: Person) -> list[dict[str, Any]]:
    names = ("id", "line", "sender", "text", "media_url", "received_at")
    rows = await traces.heard_from(tx, workspace_id, one.contact_ids)
    told = [dict(zip(names, row, strict=True)) for row in rows]
    return [
        each
        | {
            "id": ids.show("inbound", each["id"]),
            "line": ids.show("line", each["line"]),
            "received_at": iso(each["received_at"]),
        }
        for each in told
    ]


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def of_contact(world: World, workspace_id: int, contact_id: int) -> Person:
    """The person whose dossier is asked for; a Problem when there is none."""
    return await world.ground.db.read(erasing.person, workspace_id, contact_id)
