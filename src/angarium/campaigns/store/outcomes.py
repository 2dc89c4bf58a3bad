"""What campaigns had come to whose members and messages were let go of; one function per query."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, bindparam, delete, or_, select, update

from angarium.campaigns.states import OVER
from angarium.campaigns.store.tables import campaign, campaign_member, campaign_outcome
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction

_here = campaign_outcome.c.workspace_id == bindparam("workspace_id")
_this = (_here, campaign_outcome.c.campaign_id == bindparam("campaign_id"))
_reports = Statement(
    select(campaign_outcome.c.campaign_id, campaign_outcome.c.report).where(
        _here, among(campaign_outcome.c.campaign_id, "campaign_ids")
    )
)
_due = Statement(
    select(campaign.c.id, campaign_outcome.c.campaign_id)
    .outerjoin(
        campaign_outcome,
        and_(
            campaign_outcome.c.workspace_id == campaign.c.workspace_id,
            campaign_outcome.c.campaign_id == campaign.c.id,
        ),
    )
    .where(
        campaign.c.workspace_id == bindparam("workspace_id"),
        campaign.c.state.in_([state.value for state in OVER]),
        campaign.c.under_way == 0,
        campaign.c.ended_at < bindparam("before"),
        or_(campaign_outcome.c.cleared.is_(None), campaign_outcome.c.cleared == 0),
    )
    .order_by(campaign.c.id)
    .limit(1)
)
_keep = BulkInsert(campaign_outcome, tuple(campaign_outcome.columns.keys()), conflict="nothing")
_clear = Statement(update(campaign_outcome).where(*_this).values(cleared=1))
_some_members = (
    select(campaign_member.c.contact_id)
    .where(
        campaign_member.c.workspace_id == bindparam("workspace_id"),
        campaign_member.c.campaign_id == bindparam("campaign_id"),
    )
    .limit(bindparam("limit"))
    .cte("some")
)
_drop_members = Statement(
    delete(campaign_member).where(
        campaign_member.c.workspace_id == bindparam("workspace_id"),
        campaign_member.c.campaign_id == bindparam("campaign_id"),
        campaign_member.c.contact_id.in_(select(_some_members.c.contact_id)),
    )
)


async def reports(tx: Transaction, workspace_id: int, campaign_ids: Sequence[int]) -> dict[int, str]:
    """The last reports, as JSON, of those of these campaigns that were let go of."""
    rows = await tx.rows(_reports, workspace_id=workspace_id, campaign_ids=list(campaign_ids))
    return {row[0]: row[1] for row in rows}


async def due(tx: Transaction, workspace_id: int, before: int) -> tuple[int, bool] | None:
    """A campaign that was over before an instant and of which something is left to go, and whether its report
    is kept; None when there is none."""
    row = await tx.row(_due, workspace_id=workspace_id, before=before)
    return None if row is None else (row[0], row[1] is not None)


async def keep(tx: Transaction, workspace_id: int, campaign_id: int, report: str, now: int) -> None:
    """Keep the report of a campaign; the first one is the last."""
    await tx.insert(_keep, [(workspace_id, campaign_id, report, now, 0)])


async def drop_members(tx: Transaction, workspace_id: int, campaign_id: int, limit: int) -> int:
    """Let go of so many of its members; how many there were."""
    return await tx.execute(_drop_members, workspace_id=workspace_id, campaign_id=campaign_id, limit=limit)


async def clear(tx: Transaction, workspace_id: int, campaign_id: int) -> None:
    """Nothing of it is left to go."""
    await tx.execute(_clear, workspace_id=workspace_id, campaign_id=campaign_id)
