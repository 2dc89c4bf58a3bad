"""How somebody likes to see the console: language and theme, kept by their browser."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import msgspec

from angarium.accounts import session
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import form_of, redirect
from angarium.web.languages import ENGLISH, LANGUAGES, Language, chosen

LANGUAGE, THEME = "angarium_language", "angarium_theme"  # cookies
THEMES = ("auto", "light", "dark")
LASTS_S = 400 * 86_400  # the most that browsers keep (RFC 6265bis §5.5)


class Look(msgspec.Struct, frozen=True):
    """What pages are drawn in. A theme of "auto" is that of the machine."""

    language: Language = ENGLISH
    theme: str = "auto"


def look_of(scope: Mapping[str, Any]) -> Look:
    """What the browser remembers, else what it says it likes."""
    headers = dict(scope["headers"])
    cookies = _cookies(headers.get(b"cookie", b"").decode("latin-1"))
    accepted = headers.get(b"accept-language", b"").decode("latin-1")
    theme = cookies.get(THEME, "")
    return Look(chosen(cookies.get(LANGUAGE, ""), accepted), theme if theme in THEMES else THEMES[0])


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


@route("POST /look", Operation(summary="Language and theme", scope=None, page=True))
async def choose(request: Call) -> Sent:
    """Remember what was chosen, and go back."""
    form = form_of(request)
    given = []
    if form.get("language") in LANGUAGES:
        given.append(_cookie(request, LANGUAGE, form["language"]))
    if form.get("theme") in THEMES:
        given.append(_cookie(request, THEME, form["theme"]))
    return redirect(session.local_path(form.get("next") or _came_from(request)), *given)


def _came_from(request: Call) -> str:
    """The page on which it was chosen, by the referrer, which our pages send to one another in full."""
    headers = dict(request.scope["headers"])
    found = urlsplit(headers.get(b"referer", b"").decode("latin-1"))
    if found.netloc.encode("latin-1") != headers.get(b"host", b""):
        return "/"
    return found.path + (f"?{found.query}" if found.query else "")


def _cookie(request: Call, name: str, value: str) -> tuple[bytes, bytes]:
    secure = "; Secure" if request.scope["scheme"] == "https" else ""
    kept = f"{name}={value}; Path=/; Max-Age={LASTS_S}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", kept.encode("ascii")
