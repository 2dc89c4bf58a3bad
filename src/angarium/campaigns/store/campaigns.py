"""Campaigns: written by people as drafts, moved on by whoever holds their row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, func, literal_column, select

from angarium.campaigns.states import OVER, UNDER_WAY, CampaignState
from angarium.campaigns.store.tables import campaign
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Row, Transaction


class Campaign(msgspec.Struct, kw_only=True):
    """A campaign as it stands."""

    workspace_id: int
    id: int
    name: str
    state: CampaignState
    reason: str = ""
    wanted: str  # JSON
    version: int = 1
    frozen: str = ""  # JSON, once it is started
    forecast: str = ""  # JSON
    begins_at: int = 0
    after_id: int = 0
    built_at: int | None = None
    paced_at: int = 0
    members: int = 0
    told: int = 0
    left_out: int = 0
    written_by: str = ""  # actors, with blanks between
    created_by: str
    created_at: int
    updated_at: int
    started_by: str = ""
    started_at: int | None = None
    ended_at: int | None = None
    resumed_at: int = 0
    cleared: bool = False  # nothing is left to do behind it, since it was stopped

    @property
    def waiting(self) -> int:
        """Members that have been neither told nor left out."""
        return self.members - self.told - self.left_out

    def nobody_waits(self) -> None:
        """No row of one who waits is left: who was counted among them has been erased since, with the row."""
        self.members -= self.waiting

    @property
    def under_way(self) -> bool:
        """Whether something is to be done for it by itself."""
        return self.state in UNDER_WAY or (self.state is CampaignState.STOPPED and not self.cleared)


class Named(msgspec.Struct, frozen=True, gc=False):
    """As much of a campaign as decides whether it is meant."""

    id: int
    name: str
    state: str


COLUMNS = (*(name for name in Campaign.__struct_fields__ if name != "cleared"), "under_way")
CHANGING = tuple(name for name in COLUMNS if name not in {"workspace_id", "id", "created_by", "created_at"})
STATES = {state.value: state for state in CampaignState}

_columns = [campaign.c[name] for name in COLUMNS]
_here = campaign.c.workspace_id == bindparam("workspace_id")
_this = (_here, campaign.c.id == bindparam("id"))
_insert = BulkInsert(campaign, COLUMNS)
_save = BulkUpdate(campaign, match=("workspace_id", "id"), set=CHANGING)
_by_id = Statement(select(*_columns).where(*_this))
_held = Statement(select(*_columns).where(*_this).with_for_update())
_page = Statement(
    select(*_columns)
    .where(_here, campaign.c.id < bindparam("before"))
    .order_by(campaign.c.id.desc())
    .limit(bindparam("limit"))
)
_named = Statement(
    select(campaign.c.id, campaign.c.name, campaign.c.state)
    .where(_here, campaign.c.id < bindparam("before"))
    .order_by(campaign.c.id.desc())
    .limit(bindparam("limit"))
)
_these = Statement(select(*_columns).where(_here, among(campaign.c.id, "ids")).order_by(campaign.c.id.desc()))
_under_way = Statement(
    select(campaign.c.id).where(_here, campaign.c.under_way == literal_column("1")).order_by(campaign.c.id)
)
_with_some_under_way = Statement(
    select(campaign.c.workspace_id)
    .where(among(campaign.c.workspace_id, "workspace_ids"), campaign.c.under_way == literal_column("1"))
    .distinct()
    .order_by(campaign.c.workspace_id)
)
_unbuilt = Statement(
    select(*_columns)
    .where(
        _here,
        campaign.c.built_at.is_(None),
        campaign.c.state != "stopped",
        campaign.c.wanted.like(bindparam("like")),
    )
    .order_by(campaign.c.id)
)
_who_say = (
    select(*_columns)
    .where(_here, campaign.c.wanted.like(bindparam("like")))
    .order_by(campaign.c.id.desc())
    .limit(bindparam("limit"))
)
_saying = Statement(_who_say)
_open_saying = Statement(_who_say.where(campaign.c.state.not_in([state.value for state in OVER])))
_in_state = Statement(select(func.count()).where(_here, campaign.c.state == bindparam("state")))
_remove = Statement(delete(campaign).where(*_this, campaign.c.state == "draft"))


async def insert(tx: Transaction, one: Campaign) -> None:
    """Write a new campaign."""
    await tx.insert(_insert, [_row(one, COLUMNS)])


async def save(tx: Transaction, one: Campaign) -> None:
    """Write what has changed of a campaign whose row this transaction holds."""
    await tx.update(_save, [(one.workspace_id, one.id, *_row(one, CHANGING))])


async def by_id(tx: Transaction, workspace_id: int, campaign_id: int) -> Campaign | None:
    """One campaign, only to be looked at."""
    row = await tx.row(_by_id, workspace_id=workspace_id, id=campaign_id)
    return None if row is None else _read(row)


async def hold(tx: Transaction, workspace_id: int, campaign_id: int) -> Campaign | None:
    """One campaign, its row held until the end of the transaction: of two who move it on, one comes first."""
    row = await tx.row(_held, workspace_id=workspace_id, id=campaign_id)
    return None if row is None else _read(row)


async def page(tx: Transaction, workspace_id: int, before: int, limit: int) -> list[Campaign]:
    """The newest campaigns below an id."""
    return [_read(row) for row in await tx.rows(_page, workspace_id=workspace_id, before=before, limit=limit)]


async def count_in(tx: Transaction, workspace_id: int, state: CampaignState) -> int:
    """How many campaigns are in a state."""
    row = await tx.row(_in_state, workspace_id=workspace_id, state=state.value)
    return int(row[0]) if row else 0


async def named(tx: Transaction, workspace_id: int, before: int, limit: int) -> list[Named]:
    """The names of the newest campaigns below an id."""
    rows = await tx.rows(_named, workspace_id=workspace_id, before=before, limit=limit)
    return [Named(*row) for row in rows]


async def these(tx: Transaction, workspace_id: int, ids: Sequence[int]) -> list[Campaign]:
    """Campaigns by their ids, newest first."""
    if not ids:
        return []
    return [_read(row) for row in await tx.rows(_these, workspace_id=workspace_id, ids=list(ids))]


async def under_way(tx: Transaction, workspace_id: int) -> list[int]:
    """Ids of the campaigns for which something is to be done, oldest first."""
    return [row[0] for row in await tx.rows(_under_way, workspace_id=workspace_id)]


async def with_some_under_way(tx: Transaction, workspace_ids: Sequence[int]) -> list[int]:
    """Those of these workspaces that have such campaigns."""
    return [row[0] for row in await tx.rows(_with_some_under_way, workspace_ids=list(workspace_ids))]


async def unbuilt(tx: Transaction, workspace_id: int, saying: str) -> list[Campaign]:
    """Campaigns whose members have not been written down, and who say a word anywhere in what is wanted."""
    return [_read(row) for row in await tx.rows(_unbuilt, workspace_id=workspace_id, like=f"%{saying}%")]


async def saying(
    tx: Transaction, workspace_id: int, word: str, limit: int, *, is_open: bool = False
) -> list[Campaign]:
    """The newest campaigns that say a word anywhere in what is wanted; or of those that are not over."""
    asked = {"workspace_id": workspace_id, "like": f"%{word}%", "limit": limit}
    return [_read(row) for row in await tx.rows(_open_saying if is_open else _saying, **asked)]


async def remove(tx: Transaction, workspace_id: int, campaign_id: int) -> bool:
    """Delete a draft; whether there was one."""
    return bool(await tx.execute(_remove, workspace_id=workspace_id, id=campaign_id))


def _row(one: Campaign, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(int(one.under_way) if name == "under_way" else getattr(one, name) for name in names)


def _read(row: Row) -> Campaign:
    *kept, under_way = row
    found = Campaign(**dict(zip(COLUMNS[:-1], kept, strict=True)), cleared=not under_way)
    found.state = STATES[found.state]
    return found
