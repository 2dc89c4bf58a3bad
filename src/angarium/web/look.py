"""How somebody likes to see the console: language and theme, kept by their browser.

The language that somebody has chosen while signed in is kept with their account as well, and is that of every
browser in which they sign in; a theme belongs to a screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

import msgspec

from angarium.accounts import session
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import form_of, redirect
from angarium.accounts.store import people
from angarium.web.languages import ENGLISH, LANGUAGES, Language, chosen
from angarium.web.session import viewer_of

LANGUAGE, THEME = "angarium_language", "angarium_theme"  # cookies
THEMES = ("auto", "light", "dark")
LASTS_S = 400 * 86_400  # the most that browsers keep (RFC 6265bis §5.5)


class Look(msgspec.Struct, frozen=True):
    """What pages are drawn in. A theme of "auto" is that of the machine."""

    language: Language = ENGLISH
    theme: str = "auto"


def look_of(scope: Mapping[str, Any]) -> Look:
    """What whoever has signed in chose, else what the browser remembers, else what it says it likes."""
    headers = dict(scope["headers"])
    cookies = _cookies(headers.get(b"cookie", b"").decode("latin-1"))
    accepted = headers.get(b"accept-language", b"").decode("latin-1")
    theme = cookies.get(THEME, "")
    viewer = scope.get("user")
    own = viewer.language if viewer is not None else ""
    return Look(chosen(own or cookies.get(LANGUAGE, ""), accepted), theme if theme in THEMES else THEMES[0])


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


@route("POST /look", Operation(summary="Language and theme", scope=None, page=True))
async def choose(request: Call) -> Sent:
    """Remember what was chosen, and go back to the page on which it was, which the form names."""
    form = form_of(request)
    given = []
    if form.get("language") in LANGUAGES:
        given.append(_cookie(request, LANGUAGE, form["language"]))
        await _keep(request, form["language"])
    if form.get("theme") in THEMES:
        given.append(_cookie(request, THEME, form["theme"]))
    return redirect(session.local_path(form.get("next", "")), *given)


async def _keep(request: Call, language: str) -> None:
    """With the account of whoever has signed in; a key and a link have none."""
    viewer = await viewer_of(request)
    if viewer is not None and viewer.person_id:
        await ground_of(request).db.run(people.speaks, viewer.person_id, language)


def _cookie(request: Call, name: str, value: str) -> tuple[bytes, bytes]:
    secure = "; Secure" if request.scope["scheme"] == "https" else ""
    kept = f"{name}={value}; Path=/; Max-Age={LASTS_S}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", kept.encode("ascii")
