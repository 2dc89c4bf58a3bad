"""The JSON edge of the workspace itself: what it is called, and by which clocks it lives."""

from __future__ import annotations

import msgspec

from angarium.accounts import edge, flows
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.accounts.store import Workspace
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape


class WorkspaceInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of it; what is left out stays."""

    time_zone: str | None = None  # IANA, such as Asia/Tehran


class WorkspaceShown(msgspec.Struct, frozen=True, kw_only=True):
    """The workspace of whoever asks."""

    id: str
    name: str
    currency: str
    time_zone: str
    created_at: str


WORKSPACE = Shape(WorkspaceInput)
EXAMPLE = WorkspaceShown(
    id="ws_05a58xarj0001",
    name="shop",
    currency="EUR",
    time_zone="Asia/Tehran",
    created_at="2026-11-23T08:30:00.000Z",
)


@route(
    "GET /v1/workspace",
    Operation(
        summary="Look at the workspace",
        scope="setup:read",
        gives=WorkspaceShown,
        answer_example=EXAMPLE,
    ),
)
async def get_workspace(request: Call) -> JsonAnswer:
    """That of the key."""
    found = await edge.ground_of(request).db.read(flows.workspace, request.auth.workspace_id)
    return edge.answer(request, _shown(found))


@route(
    "PATCH /v1/workspace",
    Operation(
        summary="Change the workspace",
        detail="`time_zone` is where its days begin: those of budgets that name no zone, of reports, and of "
        "people of whom nobody knows where they are. It holds for what is decided from then on.",
        scope="setup:write",
        takes=WORKSPACE,
        gives=WorkspaceShown,
        example=WorkspaceInput("Asia/Tehran"),
        answer_example=EXAMPLE,
    ),
)
async def change_workspace(request: Call) -> JsonAnswer:
    """Its zone."""
    given, ground, caller = (
        WORKSPACE.read(await edge.read_body(request)),
        edge.ground_of(request),
        request.auth,
    )
    changed = await flows.change_workspace(ground, caller.workspace_id, given.time_zone, caller.actor)
    return edge.answer(request, _shown(changed))


def _shown(one: Workspace) -> WorkspaceShown:
    return WorkspaceShown(
        id=ids.show("workspace", one.id),
        name=one.name,
        currency=one.currency,
        time_zone=one.time_zone,
        created_at=iso(one.created_at),
    )


HANDLERS = (get_workspace, change_workspace)
