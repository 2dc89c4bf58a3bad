"""The JSON edge of policies: list those in force, look at one and its past, put a new one in force."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.accounts.policies_store import Policy
from angarium.core.clock import iso
from angarium.core.values import Json
from angarium.messaging import policies
from angarium.messaging.policies import KINDS
from angarium.messaging.world import World


class PolicyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A policy; version 0: nothing has been written, and its document is what goes without saying."""

    kind: str
    version: int
    document: Json
    changed_by: str = ""
    changed_at: str | None = None


EXAMPLE = PolicyShown(
    kind="content-control",
    version=2,
    document={"certain": "block", "likely": "hold", "also": [], "never": []},
    changed_by="key_05a58xarj0000",
    changed_at="2026-11-23T08:30:00.000Z",
)


@route(
    "GET /v1/policies",
    Operation(
        summary="List the policies",
        detail="Every kind, as it is in force.",
        scope="policies:read",
        gives=Page[PolicyShown],
        answer_example=Page([EXAMPLE]),
    ),
)
async def list_policies(request: Call) -> JsonAnswer:
    """Every kind."""
    written = await policies.current(edge.ground_of(request), request.auth.workspace_id)
    return edge.answer(request, Page([_shown(kind, written.get(kind)) for kind in KINDS]))


def _routes(kind: str) -> list[Any]:
    """The routes of one kind; each has its own, because each takes and gives another document."""

    @route(
        f"GET /v1/policies/{kind}",
        Operation(
            summary=f"Get the policy {kind}",
            scope="policies:read",
            gives=PolicyShown,
            answer_example=EXAMPLE,
        ),
    )
    async def get_policy(request: Call) -> JsonAnswer:
        written = await policies.current(edge.ground_of(request), request.auth.workspace_id)
        return edge.answer(request, _shown(kind, written.get(kind)))

    @route(
        f"GET /v1/policies/{kind}/versions",
        Operation(
            summary=f"List the versions of the policy {kind}",
            detail="Oldest first.",
            scope="policies:read",
            gives=Page[PolicyShown],
            answer_example=Page([EXAMPLE]),
        ),
    )
    async def list_versions(request: Call) -> JsonAnswer:
        found = await policies.history(edge.ground_of(request), request.auth.workspace_id, kind)
        return edge.answer(request, Page([_shown(kind, one) for one in found]))

    @route(
        f"PUT /v1/policies/{kind}",
        Operation(
            summary=f"Change the policy {kind}",
            detail="The whole document; what is left out is as if it had never been said.",
            scope="policies:write",
            takes=KINDS[kind],
            gives=PolicyShown,
            example=policies.default(kind),
            answer_example=EXAMPLE,
            problems=(409,),
        ),
    )
    async def put_policy(request: Call) -> JsonAnswer:
        document = KINDS[kind].read(await edge.read_body(request))
        caller, world = request.auth, _world(request)
        new = await policies.change(
            world.ground, world.policies, caller.workspace_id, kind, document, caller.actor
        )
        return edge.answer(request, _shown(kind, new))

    return [get_policy, list_versions, put_policy]


def _world(request: Call) -> World:
    return cast("World", request.scope["litestar_app"].state.messages.world)


def _shown(kind: str, one: Policy | None) -> PolicyShown:
    document = policies.read(one) if one else policies.default(kind)
    return PolicyShown(
        kind=kind,
        version=one.version if one else 0,
        document=msgspec.to_builtins(document),
        changed_by=one.changed_by if one else "",
        changed_at=iso(one.changed_at) if one else None,
    )


HANDLERS = [list_policies, *(handler for kind in KINDS for handler in _routes(kind))]
