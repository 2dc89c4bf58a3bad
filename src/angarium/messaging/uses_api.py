"""The JSON edge of where templates are used: which messages wait with their words, which took them lately."""

from __future__ import annotations

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.content import lifecycle
from angarium.content.store import versions
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.problems import not_found
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


HANDLERS = (show_uses,)
