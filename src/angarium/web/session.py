"""Who is looking, before any page is made: a session in a cookie; and whether a form may be believed.

A page whose operation has a scope is for people who have entered; others are shown the door. Whatever is sent
by a form is read and checked here, so that no page can forget to.
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import parse_qsl

from litestar import Request

from angarium.accounts import edge, flows, session, store
from angarium.accounts.edge import Operation, ground_of
from angarium.accounts.flows import Caller
from angarium.accounts.session import Viewer
from angarium.core.problems import Problem

FORM = b"application/x-www-form-urlencoded"
FORM_MAX_BYTES = 16_384
FIELDS_MAX = 50
READING = {"GET", "HEAD"}


async def admit(request: Request[Any, Any, Any], operation: Operation) -> None:
    """Leave the viewer and the form in the scope; a 401 or 403 Problem for who may not pass."""
    scope = cast("dict[str, Any]", request.scope)
    viewer = await viewer_of(request) if operation.scope is not None else None
    scope["user"] = viewer
    if scope["method"] not in READING:
        scope["form"] = await _form(request, viewer)
    if operation.scope is None:
        return
    if viewer is None:
        raise Problem("not-entered", "Nobody has entered here", status=401, detail="Enter first.")
    scope["auth"] = Caller(viewer.workspace_id, viewer.key_id, viewer.scopes, viewer.reach)
    flows.require(scope["auth"], operation.scope)


async def viewer_of(request: Request[Any, Any, Any]) -> Viewer | None:
    """Who has entered with this browser; None when nobody has, or the time is up."""
    ground = ground_of(request)
    text = request.cookies.get(session.cookie_name(request.scope["scheme"]), "")
    ticket = flows.read_ticket(ground, text) if text else None
    reach = None if ticket is None else await flows.reach_of(ground, ticket)
    if ticket is None or reach is None:
        return None
    for workspace in await ground.db.read(store.workspaces):
        if workspace.id == ticket.workspace_id:
            token = session.form_token(text)
            return Viewer(workspace.id, workspace.name, token, ticket.scopes, ticket.key_id, reach)
    return None


async def _form(request: Request[Any, Any, Any], viewer: Viewer | None) -> dict[str, str]:
    """The fields of a form that came from us; of somebody who has entered, with the token of the session."""
    headers = dict(request.scope["headers"])
    if not session.comes_from_us(headers):
        raise _not_ours("The browser says that another site sent it, or does not say who did.")
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != FORM:
        raise Problem("media-type-unsupported", "This kind of form is not understood", status=415)
    body = await edge.read_raw(request, FORM_MAX_BYTES)
    try:
        fields = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:  # not ASCII, or too many fields
        raise Problem("malformed", "The form cannot be read", status=400) from None
    if viewer is not None and not session.is_token(viewer, fields.get("token", "")):
        raise _not_ours("Its token is not the one of this session.")
    return fields


def _not_ours(detail: str) -> Problem:
    return Problem(
        "form-not-ours",
        "This form was not sent from here",
        status=403,
        detail=f"{detail} Go back, reload the page and try again.",
    )
