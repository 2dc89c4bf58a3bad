"""The JSON edge of where templates and cascades are used: which messages wait with the words of a template,
which took them lately; which campaigns go by a cascade, and how much systems name it."""

from __future__ import annotations

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.content import lifecycle
from angarium.content.store import versions
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.problems import not_found
from angarium.messaging import cascade_uses, cascades
from angarium.messaging.store import uses
from angarium.storage.database import Transaction


class UseShown(msgspec.Struct, frozen=True, kw_only=True):
    """How much a version is used: by messages that are not finished, and by the newest 10,000."""

    version: int
    in_force: bool
    waiting: int
    recent: int
    last_at: str | None


EXAMPLE = UseShown(version=2, in_force=True, waiting=12, recent=841, last_at="2026-11-23T09:30:00.000Z")


@route(
    "GET /v1/templates/{template_id}/uses",
    Operation(
        summary="Show where a template is used",
        detail=f"By version: messages that are not finished, and how many of the newest {uses.NEWEST:,} took "
        "it. A version that nothing uses and that is not in force is left out. Cascades name no templates.",
        scope="setup:read",
        gives=Page[UseShown],
        problems=(404,),
        answer_example=Page([EXAMPLE]),
    ),
)
async def show_uses(request: Call) -> JsonAnswer:
    """The use of each version."""
    ground, template_id = edge.ground_of(request), edge.id_in_path(request, "template")
    now = ground.clock.now()

    async def look(tx: Transaction) -> list[UseShown]:
        workspace_id = request.auth.workspace_id
        if await versions.by_id(tx, workspace_id, template_id) is None:
            raise not_found("template", ids.show("template", template_id))
        found = await versions.versions(tx, workspace_id, template_id)
        used = await uses.of_versions(tx, workspace_id, [one.id for one in found])
        running = lifecycle.in_force([one.term for one in found], now)
        return [
            UseShown(
                version=one.number,
                in_force=one.term == running,
                waiting=use.waiting,
                recent=use.recent,
                last_at=None if use.last_at is None else iso(use.last_at),
            )
            for one in found
            if (use := used.get(one.id, uses.Use())).recent or use.waiting or one.term == running
        ]

    return edge.answer(request, Page(await ground.db.read(look)))


class UserShown(msgspec.Struct, frozen=True, kw_only=True):
    """Something that names a cascade. `holds`: it keeps the cascade from being deleted."""

    kind: str
    id: str
    name: str
    state: str
    holds: bool


class CallsShown(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the newest 10,000 messages took it within 30 days, campaigns' own not counted."""

    count: int
    last_at: str | None


class CascadeUses(msgspec.Struct, frozen=True, kw_only=True):
    """Where a cascade is used."""

    used_by: list[UserShown]
    called: CallsShown


CASCADE_EXAMPLE = CascadeUses(
    used_by=[
        UserShown(kind="campaign", id="cmp_05a58xarj0000", name="Winter sale", state="scheduled", holds=True)
    ],
    called=CallsShown(count=841, last_at="2026-11-23T09:30:00.000Z"),
)


@route(
    "GET /v1/cascades/{cascade_id}/uses",
    Operation(
        summary="Show where a cascade is used",
        detail="The newest campaigns that go by it, for whoever may see them, and how much messages of "
        "systems name it. No template and no policy names a cascade.",
        scope="setup:read",
        gives=CascadeUses,
        problems=(404,),
        answer_example=CASCADE_EXAMPLE,
    ),
)
async def show_cascade_uses(request: Call) -> JsonAnswer:
    """Campaigns and calls."""
    ground, cascade_id = edge.ground_of(request), edge.id_in_path(request, "cascade")
    asked = cascade_uses.asked_by(request) if cascade_uses.may_see(request) else ()
    now = ground.clock.now()

    async def look(tx: Transaction) -> cascade_uses.Used:
        workspace_id = request.auth.workspace_id
        found = await cascades.existing(tx, workspace_id, cascade_id)
        return await cascade_uses.of(tx, workspace_id, found, asked, now)

    used = await ground.db.read(look)
    last_at = used.lately.last_at
    shown = CascadeUses(
        used_by=[
            UserShown(kind=one.kind, id=one.id, name=one.name, state=one.state, holds=one.holds)
            for one in used.users
        ],
        called=CallsShown(count=used.lately.count, last_at=None if last_at is None else iso(last_at)),
    )
    return edge.answer(request, shown)


HANDLERS = (show_uses, show_cascade_uses)
