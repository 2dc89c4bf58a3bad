"""Members of campaigns: one row each, written while a campaign is built."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import bindparam, func, select, update

from angarium.campaigns.states import MemberState
from angarium.campaigns.store.tables import campaign_member
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Transaction


class Member(msgspec.Struct, frozen=True, gc=False):
    """One member. `variables` is JSON, empty when it has none of its own."""

    contact_id: int
    state: str
    reason: str
    due_at: int
    variables: str = ""
    variant: int = 0
    message_id: int = 0
    detail: str = ""


class Change(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a member."""

    contact_id: int
    state: str
    reason: str = ""
    detail: str = ""
    message_id: int = 0


COLUMNS = Member.__struct_fields__

_here = (
    campaign_member.c.workspace_id == bindparam("workspace_id"),
    campaign_member.c.campaign_id == bindparam("campaign_id"),
)
_columns = [campaign_member.c[name] for name in COLUMNS]
_insert = BulkInsert(
    campaign_member,
    ("workspace_id", "campaign_id", *COLUMNS),
    conflict="nothing",
    returning=("contact_id",),
)
_change = BulkUpdate(
    campaign_member,
    match=("workspace_id", "campaign_id", "contact_id"),
    set=("state", "reason", "detail", "message_id"),
    where=campaign_member.c.state == "waiting",
)
_put_off = BulkUpdate(campaign_member, match=("workspace_id", "campaign_id", "contact_id"), set=("due_at",))
_due = Statement(
    select(*_columns)
    .where(*_here, campaign_member.c.state == "waiting", campaign_member.c.due_at <= bindparam("now"))
    .order_by(campaign_member.c.due_at, campaign_member.c.contact_id)
    .limit(bindparam("limit"))
)
_next_due = Statement(
    select(campaign_member.c.due_at)
    .where(*_here, campaign_member.c.state == "waiting")
    .order_by(campaign_member.c.due_at)
    .limit(1)
)
_waiting = Statement(
    select(campaign_member.c.contact_id)
    .where(*_here, campaign_member.c.state == "waiting")
    .order_by(campaign_member.c.due_at, campaign_member.c.contact_id)
    .limit(bindparam("limit"))
)
_leave_out = Statement(
    update(campaign_member)
    .where(*_here, among(campaign_member.c.contact_id, "contact_ids"), campaign_member.c.state == "waiting")
    .values(state=MemberState.LEFT_OUT.value, reason=bindparam("why"))
)
_page = Statement(
    select(*_columns)
    .where(*_here, campaign_member.c.contact_id > bindparam("after"))
    .order_by(campaign_member.c.contact_id)
    .limit(bindparam("limit"))
)
_told_among = Statement(
    select(func.count()).where(
        *_here, among(campaign_member.c.contact_id, "contact_ids"), campaign_member.c.message_id != 0
    )
)
_variables = Statement(
    select(campaign_member.c.contact_id, campaign_member.c.variables).where(
        *_here, among(campaign_member.c.contact_id, "contact_ids"), campaign_member.c.variables != ""
    )
)
_reasons = Statement(
    select(campaign_member.c.state, campaign_member.c.reason, func.count())
    .where(*_here)
    .group_by(campaign_member.c.state, campaign_member.c.reason)
)


async def insert(tx: Transaction, workspace_id: int, campaign_id: int, members: Sequence[Member]) -> int:
    """Write new members; one that is there already stays as it is. How many are new."""
    rows = [(workspace_id, campaign_id, *msgspec.structs.astuple(one)) for one in members]
    return len(await tx.insert(_insert, rows))


async def due(tx: Transaction, workspace_id: int, campaign_id: int, now: int, limit: int) -> list[Member]:
    """Members that may be told now, the longest due first. The campaign's row must be held."""
    asked = {"workspace_id": workspace_id, "campaign_id": campaign_id, "now": now, "limit": limit}
    return [Member(*row) for row in await tx.rows(_due, **asked)]


async def next_due(tx: Transaction, workspace_id: int, campaign_id: int) -> int | None:
    """When the next member may be told; None when nobody waits."""
    row = await tx.row(_next_due, workspace_id=workspace_id, campaign_id=campaign_id)
    return None if row is None else row[0]


async def change(tx: Transaction, workspace_id: int, campaign_id: int, changes: Sequence[Change]) -> int:
    """Write what became of members who wait; how many of them did."""
    rows = [
        (workspace_id, campaign_id, one.contact_id, one.state, one.reason, one.detail, one.message_id)
        for one in changes
    ]
    return await tx.update(_change, rows)


async def put_off(
    tx: Transaction, workspace_id: int, campaign_id: int, later: Sequence[tuple[int, int]]
) -> None:
    """Let members wait until another instant: contact and when."""
    await tx.update(_put_off, [(workspace_id, campaign_id, one, until) for one, until in later])


async def leave_out(tx: Transaction, workspace_id: int, campaign_id: int, reason: str, limit: int) -> int:
    """Leave out so many of those who wait; how many there were."""
    asked = {"workspace_id": workspace_id, "campaign_id": campaign_id}
    found = [row[0] for row in await tx.rows(_waiting, **asked, limit=limit)]
    if found:
        await tx.execute(_leave_out, **asked, contact_ids=found, why=reason)
    return len(found)


async def page(tx: Transaction, workspace_id: int, campaign_id: int, after: int, limit: int) -> list[Member]:
    """Members in the order of their contacts, above an id."""
    asked = {"workspace_id": workspace_id, "campaign_id": campaign_id, "after": after, "limit": limit}
    return [Member(*row) for row in await tx.rows(_page, **asked)]


async def told_among(tx: Transaction, workspace_id: int, campaign_id: int, contact_ids: Sequence[int]) -> int:
    """How many of these contacts are members who were told."""
    if not contact_ids:
        return 0
    asked = {"workspace_id": workspace_id, "campaign_id": campaign_id}
    row = await tx.row(_told_among, **asked, contact_ids=list(contact_ids))
    return row[0] if row else 0


async def variables(
    tx: Transaction, workspace_id: int, campaign_id: int, contact_ids: Sequence[int]
) -> dict[int, str]:
    """The variables of those of these members who have any of their own, as JSON."""
    if not contact_ids:
        return {}
    asked = {"workspace_id": workspace_id, "campaign_id": campaign_id}
    rows = await tx.rows(_variables, **asked, contact_ids=list(contact_ids))
    return {row[0]: row[1] for row in rows}


async def reasons(tx: Transaction, workspace_id: int, campaign_id: int) -> list[tuple[str, str, int]]:
    """How many members share a state and a reason."""
    rows = await tx.rows(_reasons, workspace_id=workspace_id, campaign_id=campaign_id)
    return [(row[0], row[1], row[2]) for row in rows]
