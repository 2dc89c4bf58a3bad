"""Attempts of messages, and what customers sent, as the memory of cascades learns from them: of addresses
that are still the contact's, since it has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import bindparam, select

from angarium.contacts.reachability import SILENT_ENDS, Tried
from angarium.contacts.store.tables import address, contact
from angarium.core.values import Reason
from angarium.messaging.cascade import Step, succeeds
from angarium.messaging.states import AttemptState
from angarium.messaging.store import cascades
from angarium.messaging.store.tables import attempt, inbound, message
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Row, Transaction

_tried = Statement(
    select(
        attempt.c.contact_id,
        attempt.c.channel,
        attempt.c.address,
        attempt.c.planned_at,
        attempt.c.message_id,
        attempt.c.step,
        attempt.c.state,
        attempt.c.id,
        attempt.c.line_id,
        attempt.c.reason,
        attempt.c.ended_at,
        attempt.c.accepted_at,
        attempt.c.delivered_at,
        attempt.c.read_at,
    ).where(
        attempt.c.workspace_id == bindparam("workspace_id"),
        among(attempt.c.message_id, "message_ids"),
        attempt.c.submitted_at.is_not(None),
    )
)
_ended = Statement(
    select(message.c.id, message.c.cascade_version_id).where(
        message.c.workspace_id == bindparam("workspace_id"),
        among(message.c.id, "message_ids"),
        message.c.finished_at.is_not(None),
    )
)
_answered = Statement(
    select(
        inbound.c.contact_id,
        inbound.c.sender,
        inbound.c.received_at,
        inbound.c.id,
        inbound.c.line_id,
    ).where(
        inbound.c.workspace_id == bindparam("workspace_id"),
        among(inbound.c.id, "inbound_ids"),
        inbound.c.contact_id.is_not(None),
    )
)
_zones = Statement(
    select(contact.c.id, contact.c.time_zone).where(
        contact.c.workspace_id == bindparam("workspace_id"), among(contact.c.id, "contact_ids")
    )
)
_owned = Statement(
    select(address.c.contact_id, address.c.value, address.c.created_at).where(
        address.c.workspace_id == bindparam("workspace_id"), among(address.c.contact_id, "contact_ids")
    )
)


class Place(NamedTuple):
    """Where attempts went: an address of a contact, on a channel."""

    contact_id: int
    channel: str
    address: str


Seen = tuple[Place, int, Tried]  # where, when it was begun, and how it stands


class Found(msgspec.Struct, frozen=True):
    """Attempts by where they went, and the time zones of the contacts."""

    tried: dict[Place, list[Tried]]
    zones: dict[int, str]


async def found(
    tx: Transaction, workspace_id: int, message_ids: Collection[int], answers: Mapping[int, str]
) -> Found:
    """The attempts of messages that have gone out, and what customers sent (by id, with the channel on which
    it came), by where that was."""
    seen = await _of_messages(tx, workspace_id, message_ids) if message_ids else []
    seen += await _of_answers(tx, workspace_id, answers) if answers else []
    people = sorted({place.contact_id for place, _, _ in seen})
    zones = {row[0]: row[1] for row in await tx.rows(_zones, workspace_id=workspace_id, contact_ids=people)}
    since = await owned_since(tx, workspace_id, list(zones))
    tried: dict[Place, list[Tried]] = {}
    for place, at, one in seen:
        theirs_since = since.get((place.contact_id, place.address))
        if theirs_since is not None and theirs_since <= at:
            tried.setdefault(place, []).append(one)
    return Found(tried, zones)


async def owned_since(
    tx: Transaction, workspace_id: int, contact_ids: Sequence[int]
) -> dict[tuple[int, str], int]:
    """The addresses of contacts, and since when each is theirs."""
    rows = await tx.rows(_owned, workspace_id=workspace_id, contact_ids=contact_ids)
    return {(row[0], row[1]): row[2] for row in rows}


async def _of_messages(tx: Transaction, workspace_id: int, message_ids: Collection[int]) -> list[Seen]:
    rows = await tx.rows(_tried, workspace_id=workspace_id, message_ids=sorted(message_ids))
    wanted = await _wanted(tx, workspace_id, {row[4] for row in rows if row[6] == AttemptState.ACCEPTED})
    return [
        (Place(*row[:3]), row[3], _read(row, steps[row[5]].success if (steps := wanted.get(row[4])) else ""))
        for row in rows
    ]


async def _of_answers(tx: Transaction, workspace_id: int, answers: Mapping[int, str]) -> list[Seen]:
    """Whoever writes to us has what we send there, and reads it."""
    rows = await tx.rows(_answered, workspace_id=workspace_id, inbound_ids=sorted(answers))
    return [
        (
            Place(contact_id, answers[inbound_id], sender),
            at,
            Tried(inbound_id, line_id, accepted_at=at, delivered_at=at, read_at=at),
        )
        for contact_id, sender, at, inbound_id, line_id in rows
    ]


async def _wanted(tx: Transaction, workspace_id: int, in_doubt: set[int]) -> dict[int, tuple[Step, ...]]:
    """The steps of those of these messages that have ended."""
    if not in_doubt:
        return {}
    asked = {"workspace_id": workspace_id, "message_ids": sorted(in_doubt)}
    ended = {row[0]: row[1] for row in await tx.rows(_ended, **asked)}
    steps = await cascades.steps(tx, workspace_id, set(ended.values()))
    return {message_id: steps[version_id] for message_id, version_id in ended.items()}


def _read(row: Row, success: str) -> Tried:
    """`success`: what the step wanted of an attempt that was taken, if its message has ended."""
    state, reason = row[6], Reason(row[9]) if row[9] else None
    left = bool(success) and state == AttemptState.ACCEPTED and not succeeds(AttemptState.ACCEPTED, success)
    given_up = state == AttemptState.FAILED and reason in SILENT_ENDS
    ended_at, accepted_at, delivered_at, read_at = (at or 0 for at in row[10:])
    return Tried(
        row[7], row[8], reason, ended_at, accepted_at, delivered_at, read_at, silent=left or given_up
    )
