"""What all pages share: the frame they are drawn in, the words they are made of, their errors.

A room brings its templates in `templates/` and its words beside them (`web/languages.py`); both are found by
the handlers that the application is given; templates are named after their room: `messaging/message.html`.
The words of all rooms are one catalogue in each language. In it `{name}` is a gap; what fills one is escaped,
and isolated (`<bdi>`), so that a Persian name does not turn an English sentence around.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any, cast
from urllib.parse import quote, urlsplit

import msgspec
from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar import Request
from litestar.handlers import HTTPRouteHandler
from markupsafe import Markup

from angarium.accounts import session
from angarium.accounts.edge import NAME_IN_PATH, JsonAnswer, Operation, Sent
from angarium.accounts.pages import HtmlAnswer, redirect
from angarium.accounts.rules import holds_key
from angarium.core import days
from angarium.core.clock import to_datetime
from angarium.core.problems import Problem
from angarium.web import figures, naming, navigation
from angarium.web.assets import asset_url
from angarium.web.languages import LANGUAGES, Language
from angarium.web.look import THEMES, Look, look_of
from angarium.web.session import TOKEN_HEADER
from angarium.web.voice import Said, Voice, exact, plain

OURS = "web"  # the folder of templates that belongs to no room
SHOWN = ("title", "detail", "problem", "remedy")  # of a problem and its errors
ONCE = re.compile(r"(?<=[?&])ticket=[^&]*&?")  # what is good for one entrance alone is not shown again
KEPT = {b"allow", b"connection", b"retry-after"}  # headers of a problem that its page has too

Answering = Callable[[Request[Any, Any, Any], Any], Sent]


class Shell:
    """Draws pages, in each language. `rooms` are the rooms that have some, `paths` where one sees them."""

    def __init__(self, rooms: Iterable[str] = (), paths: Iterable[str] = ()) -> None:
        self._rooms = sorted({OURS, *rooms})
        self._paths = {NAME_IN_PATH.sub(r"{\1}", path) for path in paths}
        self._places = navigation.among(self._paths)
        self._voices: dict[str, Voice] = {}
        self._pages: dict[str, Environment] = {}

    def voice(self, language: Language) -> Voice:
        """The words of all rooms in a language."""
        if language.code not in self._voices:
            self._voices[language.code] = Voice(self._rooms, language)
        return self._voices[language.code]

    def draw(self, template: str, facts: Mapping[str, Any], scope: Mapping[str, Any]) -> str:
        """A page as HTML for whoever asks; a fact that a template asks for and nobody gave is an error."""
        look, viewer = look_of(scope), scope.get("user")
        around = {
            "viewer": viewer,
            "look": look,
            "zone": viewer.zone if viewer else UTC,
            "now": to_datetime(scope["litestar_app"].state.ground.clock.now()),
            "rail": navigation.seen_by(self._places, viewer),
            "here": scope["path"],
            "answers_form": scope["method"] == "POST",  # what was typed stands on it already
            "in_part": b"hx-request" in dict(scope["headers"]),  # what is around a page is not wanted again
            "bell": scope.get("bell"),  # how many notices are unread; None: nobody is told here
            "back": self._back(scope),
        }
        pages = self._drawn_in(look.language)
        taken = facts.keys() & (around.keys() | pages.globals.keys())
        assert not taken, f"{template}: these are facts and functions of the frame: {taken}"
        return pages.get_template(template).render({**facts, **around})

    def draw_alone(self, template: str, facts: Mapping[str, Any], look: Look) -> str:
        """A page of a server that has nothing but its words."""
        around = {"look": look, "zone": UTC}
        return self._drawn_in(look.language).get_template(template).render({**facts, **around})

    def _back(self, scope: Mapping[str, Any]) -> str:
        """Where a page can be looked at again; the first page, if it answers a form and cannot.

        Nor is an address said again in which an API key stands.
        """
        if holds_key(asked(scope)):
            return "/"
        if scope["method"] == "GET" or scope.get("path_template", "") in self._paths:
            return session.local_path(ONCE.sub("", asked(scope)))
        return "/"

    def _drawn_in(self, language: Language) -> Environment:
        if language.code not in self._pages:
            self._pages[language.code] = self._environment(language)
        return self._pages[language.code]

    def _environment(self, language: Language) -> Environment:
        pages = Environment(
            loader=PrefixLoader({name: PackageLoader(f"angarium.{name}") for name in self._rooms}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        voice = self.voice(language)
        pages.globals |= {
            "has_words": voice.has,
            "asset": asset_url,
            "languages": LANGUAGES,
            "themes": THEMES,
            "week": language.week,
            "number": partial(figures.number, language),
            "as_typed": partial(figures.as_typed, language),
            "decimal_sign": figures.decimal_sign(language),
            "date_typed": partial(figures.date_typed, language),
            "is_date": days.is_date,
            "holidays_typed": partial(figures.holidays_typed, language),
            "own_digits": partial(figures.own_digits, language),
            "signed": partial(figures.signed, language),
            "dated": partial(figures.dated, language),
            "size": partial(figures.size, language),
            "compact": partial(figures.compact, language),
            "percent": partial(figures.percent, language),
            "money": partial(figures.money, language),
            "whole_sum": partial(figures.whole_sum, language),
            "lasting": partial(figures.lasting, language),
            "language_named": partial(naming.language_named, language),
            "country_named": partial(naming.country_named, language),
            "duration": partial(figures.duration, language),
            **_of_the_page(voice, language),
        }
        return pages


def _of_the_page(voice: Voice, language: Language) -> dict[str, Any]:
    """What depends on the page's zone and time; macros that use them are imported `with context`."""

    def zone(context: Context) -> tzinfo:
        return cast("tzinfo", context.resolve("zone"))

    @pass_context
    def say(context: Context, said: Said, since: datetime | None = None, **given: object) -> Markup:
        """A sentence."""
        return voice.say(said, since, zone(context), **given)

    @pass_context
    def heard(context: Context, text: str) -> str:
        """What was said in English below the console, as whoever looks would say it."""
        return voice.heard(text, zone(context)) if text else ""

    def channel_called(title: str) -> str:
        """What a channel is called, as whoever looks would say it; plain, for lists to choose from."""
        return plain(voice.heard(title))

    def channels_called(titles: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Kinds of channels, and what each is called."""
        return [(kind, channel_called(title)) for kind, title in titles]

    @pass_context
    def when(
        context: Context, at: datetime | int, *, since: datetime | None = None, seconds: bool = False
    ) -> Markup:
        """A date and a time of day; on the day of `since` the time of day alone."""
        return voice.time(_time(at), since, zone(context), seconds=seconds)

    @pass_context
    def day(context: Context, at: datetime | int) -> Markup:
        """A date."""
        return _element(_time(at), figures.day(language, _time(at), zone(context)))

    @pass_context
    def clock(context: Context, at: datetime | int) -> Markup:
        """A time of day."""
        return voice.time(_time(at), _time(at), zone(context))

    @pass_context
    def ago(context: Context, at: datetime | int) -> Markup:
        """How long since, or until."""
        now = cast("datetime", context.resolve("now"))
        return _element(_time(at), figures.ago(language, _time(at), now))

    return {
        "say": say,
        "heard": heard,
        "channel_called": channel_called,
        "channels_called": channels_called,
        "when": when,
        "day": day,
        "clock": clock,
        "ago": ago,
    }


def _time(at: datetime | int) -> datetime:
    return to_datetime(at) if isinstance(at, int) else at


def _element(at: datetime, shown: str) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(exact(at), shown)


def rooms_of(handlers: Iterable[HTTPRouteHandler]) -> set[str]:
    """The rooms whose pages are among these handlers."""
    shown = [handler for handler in handlers if handler.opt["operation"].page]
    return {handler.fn.__module__.split(".")[1] for handler in shown} - {OURS}


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────────


def for_people(answered: Answering) -> Answering:
    """The same answer to an error, but as a page where a person is looking."""

    def answer(request: Request[Any, Any, Any], error: Any) -> Sent:
        problem = answered(request, error)
        if not isinstance(problem, JsonAnswer):
            return problem
        if not is_for_people(request):
            return _reworded(request, problem) if _is_our_script(request) else problem
        if isinstance(error, Problem) and error.slug == "proof-wanted":
            return _asked_for_proof(request)
        in_place = b"hx-request" in dict(request.scope["headers"])
        if problem.status == 401:
            return _told_of_the_door(request, problem) if in_place else _shown_the_door(request)
        return _page_of(problem, in_place=in_place)

    return answer


def _is_our_script(request: Request[Any, Any, Any]) -> bool:
    """Whether a script of a page asks: it brings the token of the page and shows what it is told."""
    return TOKEN_HEADER in dict(request.scope["headers"])


def _reworded(request: Request[Any, Any, Any], problem: JsonAnswer) -> JsonAnswer:
    """The same problem in the language of who looks at the page."""
    voice = request.app.state.shell.voice(look_of(request.scope).language)
    document = msgspec.json.decode(problem.body)
    for told in (document, *document.get("errors", ())):
        told |= {name: plain(voice.heard(told[name])) for name in SHOWN if name in told}
    return JsonAnswer(problem.status, msgspec.json.encode(document), problem.headers)


def is_for_people(request: Request[Any, Any, Any]) -> bool:
    """Whether a person is looking: at one of our pages, or with a browser at an address that is none."""
    handler = request.scope.get("route_handler")
    operation: Operation | None = handler.opt.get("operation") if handler else None
    if operation is not None:
        return operation.page
    return b"text/html" in dict(request.scope["headers"]).get(b"accept", b"")


def _shown_the_door(request: Request[Any, Any, Any]) -> Sent:
    """Enter first, and then be led on, or back to where the form was; what it wanted to do is not done later,
    and that is said."""
    scope = request.scope
    if scope["path"] == session.EXIT:  # out they are
        return redirect(session.ENTRANCE)
    if scope["method"] != "GET":
        place = _page_before(request, "/")
        return redirect(_entrance_of(place))
    return redirect(f"{session.ENTRANCE}?next={quote(asked(scope), safe='')}")


def _told_of_the_door(request: Request[Any, Any, Any], problem: JsonAnswer) -> Sent:
    """The session of somebody who is at a page has ended: said once beside what they write, with the way to
    the entrance and back. What they write stays as it is."""
    answer = _page_of(problem, in_place=True)
    answer.facts = {**answer.facts, "door": _entrance_of(_page_before(request, "/"))}
    answer.headers = [one for one in answer.headers if one[0] != b"hx-reswap"] + [
        (b"hx-reswap", b"innerHTML")
    ]
    return answer


def _entrance_of(place: str) -> str:
    return f"{session.ENTRANCE}?next={quote(place, safe='')}&undone=1"


def asked(scope: Mapping[str, Any]) -> str:
    """The address that was asked for on this host, with its query."""
    query = scope["query_string"].decode("latin-1")
    return quote(scope["path"]) + (f"?{query}" if query else "")


def _asked_for_proof(request: Request[Any, Any, Any]) -> Sent:
    """Prove first that it is you, and then be led on, or back to where the form was."""
    scope = request.scope
    place = scope["path"] if scope["method"] == "GET" else _page_before(request)
    return redirect(f"/account/proof?next={quote(place, safe='')}")


def _page_before(request: Request[Any, Any, Any], otherwise: str = "/account") -> str:
    """The page on which a form was filled, as the browser says: pages send it (`Referrer-Policy`)."""
    came_from = urlsplit(dict(request.scope["headers"]).get(b"referer", b"").decode("latin-1"))
    return session.local_path(came_from.path) if came_from.path else otherwise


def _page_of(problem: JsonAnswer, *, in_place: bool) -> HtmlAnswer:
    """A page of its own; or where only a part of a page was asked for, a few words beside what is there."""
    document = msgspec.json.decode(problem.body)
    failure = document.get("instance", "").rpartition(":")[2]
    headers = [header for header in problem.headers if header[0] in KEPT]
    slug = document["type"].rpartition("/")[2]
    facts = {"problem": {"detail": "", "errors": [], "slug": slug, **document}, "failure": failure}
    if in_place:
        headers += [(b"hx-retarget", b"#toasts"), (b"hx-reswap", b"beforeend"), (b"hx-reselect", b".toast")]
        return HtmlAnswer("web/problem_toast.html", facts, status=problem.status, headers=headers)
    return HtmlAnswer("web/problem.html", facts, status=problem.status, headers=headers)
