"""The HTML edge that all rooms share, and its door: enter with a ticket or an API key, and leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, cast

import msgspec

from angarium.accounts import flows, session
from angarium.accounts.edge import Call, JsonAnswer, Operation, Sent, ground_of, route
from angarium.accounts.flows import Gate, Ticket
from angarium.accounts.limits import Limits
from angarium.accounts.passkeys import site_of
from angarium.accounts.store import people, providers, sessions
from angarium.core import ids
from angarium.core.clock import MICROS
from angarium.core.decoding import Shape
from angarium.core.problems import Problem

KEY_CHARACTERS_MAX = 500
# What a page may load is ours, but for the pictures in Tabler's style, which are `data:`; nothing is inline.
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    b"connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# Of the headers that every answer has (`web/frame.py`) a page has two of its own: what it may load, and a
# referrer within these pages. Under `no-referrer` a browser would send its forms with `Origin: null`
# (Fetch, "append a request Origin header").
HEADERS = (
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"same-origin"),
    (b"content-type", b"text/html; charset=utf-8"),
)


class EnterQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ticket, and where to go on; whether a form was sent that could not be heard."""

    ticket: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    next: Annotated[str, msgspec.Meta(max_length=2_000)] = "/"
    undone: Annotated[str, msgspec.Meta(max_length=10)] = ""


class Hit(msgspec.Struct, frozen=True):
    """Something found by the command bar: where it is, what it is called, what tells it from its likes."""

    path: str
    title: str
    detail: str = ""


class HtmlAnswer:
    """A page by the name of its template, and the facts on it; the shell draws it when it is sent."""

    __slots__ = ("facts", "headers", "status", "template")

    def __init__(
        self,
        template: str,
        facts: Mapping[str, Any],
        *,
        status: int = 200,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self.template = template
        self.facts = facts
        self.status = status
        self.headers = headers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Draw it and send it."""
        shell = scope["litestar_app"].state.shell
        body = shell.draw(self.template, self.facts, scope).encode()
        headers = [*HEADERS, *self.headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def to_asgi_response(self, **_asked: object) -> HtmlAnswer:
        """What Litestar asks of the answer to an exception."""
        return self


def redirect(path: str, *headers: tuple[bytes, bytes]) -> JsonAnswer:
    """Go on to a path of this host, with a GET (RFC 9110 §15.4.4)."""
    kind = (b"content-type", b"text/plain")
    return JsonAnswer(303, b"", (kind, (b"location", path.encode("ascii")), *headers))


def limits_of(request: Call) -> Limits:
    """How often somebody may try."""
    return cast("Limits", request.scope["litestar_app"].state.limits)


def form_of(request: Call) -> dict[str, str]:
    """The fields of a form; its origin and its token have been checked (`web/session.py`)."""
    return cast("dict[str, dict[str, str]]", request.scope)["form"]


def fields_of(request: Call, name: str) -> list[str]:
    """All that a form says under one name, in order: the boxes that are ticked, the rows of a list."""
    fields = cast("dict[str, list[tuple[str, str]]]", request.scope)["fields"]
    return [value for field, value in fields if field == name]


def problem_told(problem: Problem | None) -> dict[str, Any] | None:
    """A Problem as the macro `problem_of` shows it above a form."""
    if problem is None:
        return None
    detail = "" if problem.fields else problem.detail
    return {"slug": problem.slug, "title": problem.title, "detail": detail, "errors": problem.fields}


def wrong_of(problem: Problem | None) -> dict[str, str]:
    """What is wrong with each field of a form, with its remedy."""
    found: dict[str, str] = {}
    for one in problem.fields if problem is not None else ():
        found.setdefault(one.field, f"{one.problem}: {one.remedy}" if one.remedy else one.problem)
    return found


def in_place(request: Call) -> bool:
    """Whether a script asks for a part of a page, to put it where it was (htmx, "Request headers")."""
    return b"hx-request" in dict(request.scope["headers"])


# ── the door ─────────────────────────────────────────────────────────────────────────────────────────

ENTER = Shape(EnterQuery, secret=("ticket",))


@route("GET /", Operation(summary="The front page", scope=None, page=True))
async def front(request: Call) -> Sent:
    """What people look at first; of a server that nobody has set up, the set-up."""
    has_entered = session.cookie_name(request.scope["scheme"]) in request.cookies
    if not has_entered and not await ground_of(request).db.read(people.has_anybody):
        return redirect("/setup")
    return redirect("/home")


@route("GET /enter", Operation(summary="Enter", scope=None, asks=ENTER, page=True))
async def enter(request: Call) -> Sent:
    """The form; or with a good ticket, in and on."""
    query = ENTER.read_query(request.scope["query_string"])
    if not query.ticket:
        return await door(request, query.next, undone=bool(query.undone))
    ticket = flows.read_ticket(ground_of(request), query.ticket)
    if ticket is None:
        return await door(request, query.next, "enter.ticket_not_good")
    return _entered(request, ticket, query.next)


@route("POST /enter", Operation(summary="Enter with an API key", scope=None, page=True))
async def enter_with_key(request: Call) -> Sent:
    """In, if the key is good and may read messages."""
    ground, form = ground_of(request), form_of(request)
    where = form.get("next", "/")
    key = form.get("key", "").strip()
    if not key or len(key) > KEY_CHARACTERS_MAX:
        return await door(request, where, "enter.key_missing")
    try:
        caller = await limits_of(request).caller(Gate(ground), key, request.scope)
    except Problem as problem:
        if problem.status != HTTPStatus.UNAUTHORIZED:
            raise
        return await door(request, where, "enter.key_not_good")
    if session.LOOKING - caller.scopes:
        return await door(request, where, "enter.key_too_narrow")
    issued = flows.issue(ground, caller.workspace_id, caller.scopes, caller.key_id)
    return _entered(request, issued, where)


@route("POST /leave", Operation(summary="Leave", scope=flows.SELF, page=True))
async def leave(request: Call) -> Sent:
    """Out: the session ends, and the browser forgets it."""
    caller = request.auth
    if caller.session_id:
        await ground_of(request).db.run(sessions.drop, caller.person_id, caller.session_id)
    return redirect(session.ENTRANCE, session.cookie(request.scope["scheme"], "", 0))


async def door(
    request: Call, where: str, wrong: str = "", email: str = "", *, undone: bool = False
) -> HtmlAnswer:
    """The door: the ways in, and what was wrong with the last try."""
    state = request.scope["litestar_app"].state
    facts = {
        "next": session.local_path(where),
        "wrong": wrong,
        "email": email,
        "undone": undone,
        "providers": [
            {"name": name, "path": f"/sign-in/with/{provider_path(ws, one)}"}
            for ws, one, name in await ground_of(request).db.read(providers.at_the_door)
        ],
        "passkeys": site_of(state.get("public_url", "")) is not None,
    }
    return HtmlAnswer("accounts/enter.html", facts, status=403 if wrong else 200)


def provider_path(workspace_id: int, provider_id: int) -> str:
    """A provider as it stands in addresses."""
    return f"{ids.show('workspace', workspace_id)}/{ids.show('identity_provider', provider_id)}"


def _entered(request: Call, ticket: Ticket, where: str) -> JsonAnswer:
    """The session's ticket is sealed anew: the text of a link has been seen by whoever handed the link on."""
    ground = ground_of(request)
    left_s = (ticket.until - ground.clock.now()) // MICROS
    given = session.cookie(request.scope["scheme"], flows.seal_ticket(ground, ticket), left_s)
    return redirect(session.local_path(where), given)


HANDLERS = (front, enter, enter_with_key, leave)
