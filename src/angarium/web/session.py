"""Who is looking, before any page is made: a session in a cookie; and whether a form may be believed.

A page whose operation has a scope is for people who have entered; others are shown the door. Whatever is sent
by a form is read and checked here, so that no page can forget to. The console's own scripts call the JSON API
with the same cookie: what they send is believed when it comes from our pages and brings the form's token in a
header.
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import parse_qsl

from litestar import Request

from angarium.accounts import edge, flows, roles, session, sessions, store
from angarium.accounts.edge import Operation, ground_of
from angarium.accounts.flows import Caller
from angarium.accounts.limits import address_of
from angarium.accounts.reach import WHOLE
from angarium.accounts.session import Stage, Viewer
from angarium.accounts.sessions import Signed
from angarium.core import days, numerals
from angarium.core.problems import Problem

FORM = b"application/x-www-form-urlencoded"
FORM_MAX_BYTES = 1_000_000  # a template in all its languages
FIELDS_MAX = 5_000  # the form of a file with as many columns as it may have
TYPED = {  # what names the fields that hold a date, a time or a number as people write it
    "typed_day": days.day_of,
    "typed_moment": days.moment_of,
    "typed_time": days.time_of,
    "typed_holidays": days.holidays_of,
    "typed_number": numerals.number_of,
}
READING = {"GET", "HEAD"}
TOKEN_HEADER = b"x-angarium-token"
# A page asks by itself, and nobody has pressed or typed anything lately (`frontend/src/live.js`): a session
# that nobody uses is to end (OWASP ASVS 5.0, 7.3.1), however long its pages follow what happens.
UNASKED = b"x-angarium-unasked"
FOLLOWS = "/live"  # the stream that pages listen to, which a browser opens anew by itself


async def admit(request: Request[Any, Any, Any], operation: Operation) -> None:
    """Leave the viewer and the form in the scope; a 401 or 403 Problem for who may not pass."""
    scope = cast("dict[str, Any]", request.scope)
    viewer = await viewer_of(request)
    scope["user"] = viewer if operation.scope is not None else None
    if scope["method"] not in READING:
        scope["fields"] = typed_kept(await _form(request, scope["user"]))
        scope["form"] = dict(scope["fields"])
    if operation.scope is None:
        return
    if viewer is None:
        raise Problem("not-entered", "Nobody has entered here", status=401, detail="Enter first.")
    scope["auth"] = caller_of(viewer)
    flows.require(scope["auth"], operation.scope)
    await _ring(scope)


async def _ring(scope: dict[str, Any]) -> None:
    """How many notices whoever looks has not read, for the bell of a whole page."""
    unread, headers = scope["litestar_app"].state.get("unread"), dict(scope["headers"])
    if unread is not None and b"hx-request" not in headers and b"text/html" in headers.get(b"accept", b""):
        scope["bell"] = await unread(scope["auth"])


async def calling(request: Request[Any, Any, Any]) -> Caller | None:
    """Who calls the API with a session, from one of our pages; None when nobody does."""
    scope = cast("dict[str, Any]", request.scope)
    headers = dict(scope["headers"])
    viewer = await viewer_of(request)
    if viewer is None or not viewer.person_id:
        return None
    if not session.comes_from_us(headers):
        raise _not_ours("The browser says that another site sent it, or does not say who did.")
    token = headers.get(TOKEN_HEADER, b"").decode("latin-1")
    if scope["method"] not in READING and not session.is_token(viewer, token):
        raise _not_ours("Its X-Angarium-Token is not the one of this session.")
    return caller_of(viewer)


def caller_of(viewer: Viewer) -> Caller:
    """Somebody who has entered, as whoever calls."""
    return Caller(
        viewer.workspace_id,
        viewer.key_id,
        viewer.scopes,
        viewer.reach,
        viewer.person_id,
        viewer.session_id,
        viewer.fresh_at,
    )


async def viewer_of(request: Request[Any, Any, Any]) -> Viewer | None:
    """Who has entered with this browser; None when nobody has, or the time is up."""
    ground = ground_of(request)
    scope = cast("dict[str, Any]", request.scope)
    text = request.cookies.get(session.cookie_name(scope["scheme"]), "")
    if text.startswith(sessions.PREFIX):
        signed = await sessions.find(ground, text, address_of(scope), somebody=_somebody_asks(scope))
        scope["signed"] = signed
        return None if signed is None else _signed_in(signed, text)
    ticket = flows.read_ticket(ground, text) if text else None
    reach = None if ticket is None else await flows.reach_of(ground, ticket)
    if ticket is None or reach is None:
        return None
    for workspace in await ground.db.read(store.workspaces):
        if workspace.id == ticket.workspace_id:
            token = session.form_token(text)
            return Viewer(
                workspace.id,
                workspace.name,
                token,
                ticket.scopes,
                ticket.key_id,
                reach,
                time_zone=workspace.time_zone,
            )
    return None


def _somebody_asks(scope: dict[str, Any]) -> bool:
    return scope["path"] != FOLLOWS and UNASKED not in dict(scope["headers"])


def _signed_in(signed: Signed, text: str) -> Viewer | None:
    """Somebody who has come all the way in; what they may do is what they are now in this workspace."""
    member, person = signed.member, signed.person
    if signed.session.stage != Stage.IN:
        return None
    return Viewer(
        workspace_id=member.workspace_id if member else 0,
        workspace=signed.workspace.name if signed.workspace else "",
        time_zone=signed.workspace.time_zone if signed.workspace else "UTC",
        form_token=session.form_token(text),
        scopes=roles.scopes_of(member.role) if member else frozenset(),
        reach=member.reach if member else WHOLE,
        person_id=person.id,
        person=person.name or person.email,
        language=person.language,
        session_id=signed.session.id,
        fresh_at=signed.session.fresh_at,
    )


async def _form(request: Request[Any, Any, Any], viewer: Viewer | None) -> list[tuple[str, str]]:
    """The fields of a form that came from us, in order; of who has entered, with the token of the session."""
    headers = dict(request.scope["headers"])
    if not session.comes_from_us(headers):
        raise _not_ours("The browser says that another site sent it, or does not say who did.")
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != FORM:
        raise Problem("media-type-unsupported", "This kind of form is not understood", status=415)
    body = await edge.read_raw(request, FORM_MAX_BYTES)
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:  # not ASCII, or too many fields
        raise Problem("malformed", "The form cannot be read", status=400) from None
    if any("\0" in name or "\0" in text for name, text in fields):  # PostgreSQL keeps none (its manual, §8.3)
        raise Problem("malformed", "The form cannot be read", status=400, detail="It holds U+0000.")
    if viewer is not None and not session.is_token(viewer, dict(fields).get("token", "")):
        raise _not_ours("Its token is not the one of this session.")
    return fields


def typed_kept(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields, with those that a form calls dates or numbers as these are kept; what is none stays."""
    typed = {text: TYPED[name] for name, text in fields if name in TYPED}
    return [
        (name, typed[name](text) if name in typed else text) for name, text in fields if name not in TYPED
    ]


def _not_ours(detail: str) -> Problem:
    return Problem(
        "form-not-ours",
        "This form was not sent from here",
        status=403,
        detail=f"{detail} Go back, reload the page and try again.",
    )
