"""The JSON edge of the audit log: who did what, the newest first. Nobody can change it here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import LIST_MAX, Call, JsonAnswer, Operation, Page, route
from angarium.accounts.store import audit as store
from angarium.accounts.store.audit import Entry, Wanted
from angarium.core.clock import iso
from angarium.core.decoding import Shape

Word = Annotated[str, msgspec.Meta(max_length=100)]


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which rows; each word must be whole."""

    actor: Word = ""
    action: Word = ""
    subject: Word = ""
    created_from: datetime | None = None
    created_until: datetime | None = None
    cursor: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIST_MAX)] = 100


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to what. Details are null once the person they told of was erased."""

    number: int  # 1, 2, 3 … in each workspace
    at: str
    at_micros: int  # since 1970, as it is hashed
    actor: str  # key_…, per_…, cli, link, system
    action: str
    subject: str
    details: dict[str, Any] | None
    salt: str | None
    details_hash: str
    hash: str


QUERY = Shape(AuditQuery)
EXAMPLE = AuditRow(
    number=17,
    at="2026-11-23T08:30:00.000Z",
    at_micros=1_795_422_600_000_000,
    actor="key_05a58xarj0000",
    action="line.changed",
    subject="lin_05a58xarj0000",
    details={"speed_per_s": [50.0, 80.0]},
    salt="0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    details_hash="2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    hash="fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
)


@route(
    "GET /v1/audit",
    Operation(
        summary="List who did what",
        detail="The newest first. Each row's `hash` covers the row and the hash before it.",
        scope="audit:read",
        asks=QUERY,
        gives=Page[AuditRow],
        answer_example=Page([EXAMPLE]),
    ),
)
async def list_audit(request: Call) -> JsonAnswer:
    """Those that fit."""
    query = QUERY.read_query(request.scope["query_string"])
    wanted = Wanted(
        query.actor,
        query.action,
        query.subject,
        edge.instant("created_from", query.created_from) or 0,
        edge.instant("created_until", query.created_until) or 1 << 62,
    )
    before = edge.read_cursor(query.cursor) or 1 << 62
    ground, workspace_id = edge.ground_of(request), request.auth.workspace_id
    found = await ground.db.read(store.page, workspace_id, wanted, before, query.limit + 1)
    more = found[query.limit - 1].number if len(found) > query.limit else None
    cursor = None if more is None else edge.cursor_after(more)
    return edge.answer(request, Page([shown(one) for one in found[: query.limit]], cursor))


def shown(entry: Entry) -> AuditRow:
    """A row for the outside, with all that its hash can be computed of."""
    return AuditRow(
        number=entry.number,
        at=iso(entry.at),
        at_micros=entry.at,
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        details=None if entry.details is None else msgspec.json.decode(entry.details),
        salt=None if entry.salt is None else entry.salt.hex(),
        details_hash=entry.details_hash.hex(),
        hash=entry.hash.hex(),
    )


HANDLERS = (list_audit,)
