"""The JSON edge of who is calling, and of the roles there are."""

from __future__ import annotations

import msgspec

from angarium.accounts import edge, reach, roles
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.accounts.flows import SELF
from angarium.accounts.roles import Role
from angarium.core import ids
from angarium.core.values import MessageClass


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, and what they may do."""

    actor: str
    workspace: str
    scopes: list[str]
    classes: list[MessageClass] | None
    lines: list[str] | None


class RoleShown(msgspec.Struct, frozen=True):
    """A role, and what comes with it."""

    role: Role
    who: str
    scopes: list[str]


ROLE_EXAMPLE = RoleShown(Role.READ_ONLY, "Looks", ["contacts:read", "messages:read"])
ME_EXAMPLE = Me(
    actor="key_05a58xarj0000",
    workspace="ws_05a58xarj0001",
    scopes=["messages:read", "messages:write"],
    classes=None,
    lines=None,
)


@route(
    "GET /v1/me",
    Operation(summary="Say who is calling", scope=SELF, gives=Me, answer_example=ME_EXAMPLE),
)
async def who_calls(request: Call) -> JsonAnswer:
    """A key, or somebody who has signed in."""
    caller = request.auth
    told = Me(
        actor=caller.actor,
        workspace=ids.show("workspace", caller.workspace_id),
        scopes=sorted(caller.scopes),
        classes=reach.shown_classes(caller.reach),
        lines=reach.shown_lines(caller.reach),
    )
    return edge.answer(request, told)


@route(
    "GET /v1/roles",
    Operation(
        summary="List the roles", scope=SELF, gives=Page[RoleShown], answer_example=Page([ROLE_EXAMPLE])
    ),
)
async def list_roles(request: Call) -> JsonAnswer:
    """The table."""
    shown = [RoleShown(role, one.who, sorted(one.scopes)) for role, one in roles.ROLES.items()]
    return edge.answer(request, Page(shown))


HANDLERS = (who_calls, list_roles)
