"""Attempts of messages as the memory of cascades learns from them: those to addresses that are still the
contact's, since it has them."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import and_, bindparam, select

from angarium.contacts.reachability import SILENT_ENDS, Tried
from angarium.contacts.store import address, contact
from angarium.core.values import Reason
from angarium.messaging.cascade import succeeds
from angarium.messaging.states import AttemptState
from angarium.messaging.store import cascades
from angarium.messaging.store.tables import attempt, message
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Row, Transaction

_tried = Statement(
    select(
        attempt.c.contact_id,
        contact.c.time_zone,
        attempt.c.channel,
        attempt.c.address,
        message.c.cascade_version_id,
        attempt.c.step,
        attempt.c.state,
        message.c.finished_at,
        attempt.c.id,
        attempt.c.line_id,
        attempt.c.reason,
        attempt.c.ended_at,
        attempt.c.accepted_at,
        attempt.c.delivered_at,
        attempt.c.read_at,
    )
    .select_from(
        message.join(
            attempt,
            and_(attempt.c.workspace_id == message.c.workspace_id, attempt.c.message_id == message.c.id),
        )
        .join(
            address,
            and_(
                address.c.workspace_id == message.c.workspace_id,
                address.c.contact_id == attempt.c.contact_id,
                address.c.value == attempt.c.address,
                address.c.created_at <= attempt.c.planned_at,
            ),
        )
        .join(
            contact,
            and_(contact.c.workspace_id == message.c.workspace_id, contact.c.id == attempt.c.contact_id),
        )
    )
    .where(
        message.c.workspace_id == bindparam("workspace_id"),
        among(message.c.id, "message_ids"),
        attempt.c.submitted_at.is_not(None),
    )
)


class Place(msgspec.Struct, frozen=True):
    """Where attempts went: an address of a contact, on a channel; with the contact's time zone."""

    contact_id: int
    time_zone: str
    channel: str
    address: str


async def of_messages(
    tx: Transaction, workspace_id: int, message_ids: Collection[int]
) -> dict[Place, list[Tried]]:
    """The attempts of messages that have gone out, by where they went."""
    rows = await tx.rows(_tried, workspace_id=workspace_id, message_ids=sorted(message_ids))
    in_doubt = {row[4] for row in rows if row[6] == AttemptState.ACCEPTED}
    steps = await cascades.steps(tx, workspace_id, in_doubt)
    found: dict[Place, dict[int, Tried]] = {}
    for row in rows:
        success = steps[row[4]][row[5]].success if row[6] == AttemptState.ACCEPTED else ""
        one = _read(row, success)
        found.setdefault(Place(*row[:4]), {})[one.attempt_id] = one
    return {place: list(tried.values()) for place, tried in found.items()}


def _read(row: Row, success: str) -> Tried:
    state, reason = AttemptState(row[6]), Reason(row[10]) if row[10] else None
    left = state is AttemptState.ACCEPTED and row[7] is not None and not succeeds(state, success)
    given_up = state is AttemptState.FAILED and reason in SILENT_ENDS
    ended_at, accepted_at, delivered_at, read_at = (at or 0 for at in row[11:])
    silent = left or given_up
    return Tried(row[8], row[9], reason, ended_at, accepted_at, delivered_at, read_at, silent)
