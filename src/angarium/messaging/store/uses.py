"""Which messages use which versions of a template, and of a cascade."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import bindparam, func, select

from angarium.messaging.store.tables import message
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Transaction

NEWEST = (
    10_000  # messages that are looked at: there is no index by template, which every message would pay for
)

CAMPAIGNS = "cmp_"  # how labels begin that are campaigns' own

_here = message.c.workspace_id == bindparam("workspace_id")
_waiting = Statement(
    select(message.c.template_version_id, func.count())
    .where(_here, message.c.decide_at.is_not(None), among(message.c.template_version_id, "version_ids"))
    .group_by(message.c.template_version_id)
)
_newest = (
    select(message.c.template_version_id, message.c.created_at)
    .where(_here)
    .order_by(message.c.id.desc())
    .limit(NEWEST)
    .subquery()
)
_recent = Statement(
    select(_newest.c.template_version_id, func.count(), func.max(_newest.c.created_at))
    .where(among(_newest.c.template_version_id, "version_ids"))
    .group_by(_newest.c.template_version_id)
)


_called = (
    select(
        message.c.cascade_version_id.label("version_id"),
        message.c.created_at.label("created_at"),
        message.c.label.label("label"),
    )
    .where(_here)
    .order_by(message.c.id.desc())
    .limit(NEWEST)
    .subquery()
)
_recent_calls = Statement(
    select(func.count(), func.max(_called.c.created_at)).where(
        among(_called.c.version_id, "version_ids"),
        _called.c.created_at >= bindparam("since"),
        _called.c.label.not_like(f"{CAMPAIGNS}%"),
    )
)


class Calls(msgspec.Struct, frozen=True):
    """How many messages of systems took something, and when the newest of them was accepted."""

    count: int = 0
    last_at: int | None = None


class Use(msgspec.Struct):
    """How much a version is used."""

    waiting: int = 0  # messages that are not finished
    recent: int = 0  # of the newest ones
    last_at: int | None = None  # when the newest of these was accepted


async def of_versions(tx: Transaction, workspace_id: int, version_ids: Sequence[int]) -> dict[int, Use]:
    """The use of versions, by their ids; those that nothing uses are not there."""
    if not version_ids:
        return {}
    found: dict[int, Use] = {}
    asked = {"workspace_id": workspace_id, "version_ids": list(version_ids)}
    for version_id, count in await tx.rows(_waiting, **asked):
        found.setdefault(version_id, Use()).waiting = count
    for version_id, count, last_at in await tx.rows(_recent, **asked):
        use = found.setdefault(version_id, Use())
        use.recent, use.last_at = count, last_at
    return found


async def of_cascade(tx: Transaction, workspace_id: int, version_ids: Sequence[int], since: int) -> Calls:
    """How many of the newest messages, since an instant, took these versions of a cascade; campaigns' own are
    not counted."""
    if not version_ids:
        return Calls()
    asked = {"workspace_id": workspace_id, "version_ids": list(version_ids), "since": since}
    row = await tx.row(_recent_calls, **asked)
    assert row is not None
    return Calls(row[0], row[1])
