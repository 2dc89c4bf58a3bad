"""What all pages share: the frame they are drawn in, the words they are made of, their style, their errors.

A room brings its templates in `templates/` and its words in `templates/words.en.toml`; both are found by the
handlers that the application is given, and templates are named after their room: `messaging/message.html`.
The words of all rooms are one catalogue, so that another language is one more file a room. In it `{name}` is
a gap; what fills one is escaped, and isolated (`<bdi>`), so that a Persian name does not turn an English
sentence around.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import msgspec
from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined
from litestar import Request
from litestar.handlers import HTTPRouteHandler
from markupsafe import Markup, escape

from angarium.accounts import session
from angarium.accounts.edge import Call, JsonAnswer, Operation, Sent, route, text_in_path
from angarium.accounts.pages import HtmlAnswer, redirect
from angarium.accounts.session import Viewer
from angarium.core.problems import Problem, not_found

OURS = "web"  # the folder of templates that belongs to no room
WORDS = "words.en.toml"
GAP = re.compile(r"\{(\w+)\}")
MEDIA_TYPES = {
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}
CACHED = b"public, max-age=31536000, immutable"  # its address changes with its content

KEPT = {b"allow", b"connection", b"retry-after"}  # headers of a problem that its page has too

Answering = Callable[[Request[Any, Any, Any], Any], Sent]
Said = str | tuple[str, Mapping[str, object]]  # a sentence: its name, or that and what fills its gaps


class Shell:
    """Draws pages. `rooms` are the names of the rooms that have some."""

    def __init__(self, rooms: Iterable[str]) -> None:
        named = sorted({OURS, *rooms})
        self.words = _catalogue(named)
        self._pages = Environment(
            loader=PrefixLoader({name: PackageLoader(f"angarium.{name}") for name in named}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._pages.globals |= {"say": self.say, "asset": asset_url, "moment": moment}

    def draw(self, template: str, facts: Mapping[str, Any], viewer: Viewer | None) -> str:
        """A page as HTML; a fact that a template asks for and nobody gave is an error."""
        return self._pages.get_template(template).render({**facts, "viewer": viewer})

    def say(self, said: Said, /, since: datetime | None = None, **given: object) -> Markup:
        """A sentence of the catalogue, its gaps filled: with text, with other sentences, or with times, which
        tell their date when it is not that of `since`."""
        name, values = (said, given) if isinstance(said, str) else said

        def fill(gap: re.Match[str]) -> str:
            return self._shown(values[gap[1]], since)

        return Markup(GAP.sub(fill, str(escape(self.words[name]))))  # noqa: S704  escaped, and so is each filling

    def _shown(self, value: object, since: datetime | None) -> str:
        match value:
            case tuple():
                return self.say(value, since)
            case datetime():
                return moment(value, since)
            case _:
                return Markup("<bdi>{}</bdi>").format(value)


def rooms_of(handlers: Iterable[HTTPRouteHandler]) -> set[str]:
    """The rooms whose pages are among these handlers."""
    shown = [handler for handler in handlers if handler.opt["operation"].page]
    return {handler.fn.__module__.split(".")[1] for handler in shown} - {OURS}


def _catalogue(rooms: Iterable[str]) -> dict[str, str]:
    """The words of all rooms by their names; ValueError when two rooms say different things by one name."""
    words: dict[str, str] = {}
    for room in rooms:
        text = files(f"angarium.{room}").joinpath("templates", WORDS).read_text(encoding="utf-8")
        for name, sentence in _flat(tomllib.loads(text)):
            if name in words:
                raise ValueError(f"{room}: the words {name} are another room's already")
            words[name] = sentence
    return words


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def moment(at: datetime, since: datetime | None = None, *, whole: bool = False) -> Markup:
    """A time in UTC: whole, or to the second, and without its date when that is the date of `since`."""
    at = at.astimezone(UTC)
    exact = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    same_day = since is not None and at.date() == since.astimezone(UTC).date()
    shown = exact.replace("T", " ") if whole else at.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S")
    return Markup('<time dir="ltr" datetime="{0}" title="{0}">{1}</time>').format(exact, shown)


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────────


def for_people(answered: Answering) -> Answering:
    """The same answer to an error, but as a page where a person is looking."""

    def answer(request: Request[Any, Any, Any], error: Any) -> Sent:
        problem = answered(request, error)
        if not isinstance(problem, JsonAnswer) or not is_for_people(request):
            return problem
        if isinstance(error, Problem) and error.slug == "proof-wanted":
            return _asked_for_proof(request)
        return _shown_the_door(request) if problem.status == 401 else _page_of(problem)

    return answer


def is_for_people(request: Request[Any, Any, Any]) -> bool:
    """Whether a person is looking: at one of our pages, or with a browser at an address that is none."""
    handler = request.scope.get("route_handler")
    operation: Operation | None = handler.opt.get("operation") if handler else None
    if operation is not None:
        return operation.page
    return b"text/html" in dict(request.scope["headers"]).get(b"accept", b"")


def _shown_the_door(request: Request[Any, Any, Any]) -> Sent:
    """Enter first, and then be led on; what a form wanted to do is not done later."""
    scope = request.scope
    if scope["method"] != "GET":
        return redirect(session.ENTRANCE)
    query = scope["query_string"].decode("latin-1")
    asked = quote(scope["path"]) + (f"?{query}" if query else "")
    return redirect(f"{session.ENTRANCE}?next={quote(asked, safe='')}")


def _asked_for_proof(request: Request[Any, Any, Any]) -> Sent:
    """Prove first that it is you, and then be led on, or back to where the form was."""
    scope = request.scope
    asked = scope["path"] if scope["method"] == "GET" else "/account"
    return redirect(f"/account/proof?next={quote(asked, safe='')}")


def _page_of(problem: JsonAnswer) -> Sent:
    document = msgspec.json.decode(problem.body)
    number = document.get("instance", "").rpartition(":")[2]
    headers = tuple(header for header in problem.headers if header[0] in KEPT)
    facts = {"problem": {"detail": "", "errors": [], **document}, "number": number}
    return HtmlAnswer("web/problem.html", facts, status=problem.status, headers=headers)


# ── style ────────────────────────────────────────────────────────────────────────────────────────────


class Asset:
    """A file of the style, at hand; an ASGI application."""

    def __init__(self, name: str, body: bytes) -> None:
        self.tag = hashlib.sha256(body).hexdigest()[:16]
        self._body = body
        self._headers = [
            (b"content-type", MEDIA_TYPES[name.rpartition(".")[2]]),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", CACHED),
        ]

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


ASSETS = {
    file.name: Asset(file.name, file.read_bytes())
    for file in files(__package__).joinpath("static").iterdir()
    if file.name.rpartition(".")[2] in MEDIA_TYPES
}


def asset_url(name: str) -> str:
    """The address of a file of the style, as it is now."""
    return f"/static/{name}?v={ASSETS[name].tag}"


@route("GET /static/{name}", Operation(summary="Style", scope=None, page=True))
async def style(request: Call) -> Sent:
    """One file of the style."""
    name = text_in_path(request, "name")
    if name not in ASSETS:
        raise not_found("file", name)
    return ASSETS[name]
