"""Members with what became of their messages, a window of them at a time.

Whatever is looked for, a statement looks at no more rows than a window has.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, case, func, select

from angarium.campaigns.store.tables import campaign_member
from angarium.messaging.robots import Visitor
from angarium.messaging.store.links import link_visit
from angarium.messaging.store.tables import message
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Transaction


class Recipient(msgspec.Struct, frozen=True):
    """A member and its message, if it has one; `state` is that of the message then."""

    contact_id: int
    state: str
    reason: str
    detail: str
    message_id: int
    variant: int
    due_at: int
    cost_micros: int | None
    currency: str | None
    created_at: int | None
    variables: str  # of its own, JSON; empty: none


class Glance(msgspec.Struct, frozen=True, gc=False):
    """As much of a member as decides whether it is shown."""

    contact_id: int
    state: str
    reason: str


_member = campaign_member
_of_campaign = (
    _member.c.workspace_id == bindparam("workspace_id"),
    _member.c.campaign_id == bindparam("campaign_id"),
)
_with_message = _member.outerjoin(
    message,
    (message.c.workspace_id == _member.c.workspace_id) & (message.c.id == _member.c.message_id),
)
_state = case((_member.c.message_id != 0, message.c.state), else_=_member.c.state)
_reason = case((_member.c.message_id != 0, message.c.reason), else_=_member.c.reason)
_glances = Statement(
    select(_member.c.contact_id, _state, _reason)
    .select_from(_with_message)
    .where(*_of_campaign, _member.c.contact_id > bindparam("after"))
    .order_by(_member.c.contact_id)
    .limit(bindparam("limit"))
)
_by_arm = Statement(
    select(_member.c.variant, message.c.state, func.count())
    .select_from(
        _member.join(
            message,
            (message.c.workspace_id == _member.c.workspace_id) & (message.c.id == _member.c.message_id),
        )
    )
    .where(*_of_campaign, _member.c.message_id != 0)
    .group_by(_member.c.variant, message.c.state)
)
_clicked_by_arm = Statement(
    select(_member.c.variant, func.count(link_visit.c.message_id.distinct()))
    .select_from(
        _member.join(
            link_visit,
            (link_visit.c.workspace_id == _member.c.workspace_id)
            & (link_visit.c.message_id == _member.c.message_id),
        )
    )
    .where(
        *_of_campaign,
        _member.c.message_id != 0,
        link_visit.c.label == bindparam("label"),
        link_visit.c.label != "",
        link_visit.c.by == Visitor.PERSON.value,
        link_visit.c.picture == 0,
    )
    .group_by(_member.c.variant)
)
_these = Statement(
    select(
        _member.c.contact_id,
        _state,
        _reason,
        _member.c.detail,
        _member.c.message_id,
        _member.c.variant,
        _member.c.due_at,
        message.c.cost_micros,
        message.c.currency,
        message.c.created_at,
        _member.c.variables,
    )
    .select_from(_with_message)
    .where(*_of_campaign, among(_member.c.contact_id, "contact_ids"))
    .order_by(_member.c.contact_id)
)


async def by_arm(tx: Transaction, workspace_id: int, campaign_id: int) -> list[tuple[int, str, int]]:
    """How many messages of each arm are in each state."""
    rows = await tx.rows(_by_arm, workspace_id=workspace_id, campaign_id=campaign_id)
    return [(row[0], row[1], row[2]) for row in rows]


async def clicked_by_arm(tx: Transaction, workspace_id: int, campaign_id: int, label: str) -> dict[int, int]:
    """Of how many messages of each arm a person followed a link."""
    asked = {"workspace_id": workspace_id, "campaign_id": campaign_id, "label": label}
    return {row[0]: row[1] for row in await tx.rows(_clicked_by_arm, **asked)}


async def glances(
    tx: Transaction, workspace_id: int, campaign_id: int, after: int, limit: int
) -> list[Glance]:
    """So many members above an id."""
    asked: dict[str, Any] = {"workspace_id": workspace_id, "campaign_id": campaign_id}
    return [Glance(*row) for row in await tx.rows(_glances, **asked, after=after, limit=limit)]


async def these(
    tx: Transaction, workspace_id: int, campaign_id: int, contact_ids: list[int]
) -> list[Recipient]:
    """Members by their contacts, in that order."""
    if not contact_ids:
        return []
    asked: dict[str, Any] = {"workspace_id": workspace_id, "campaign_id": campaign_id}
    return [Recipient(*row) for row in await tx.rows(_these, **asked, contact_ids=contact_ids)]
