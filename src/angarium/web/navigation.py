"""Where pages are: the places of the side bar, in the order and under the names of the product's nouns."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import msgspec

from angarium.accounts.session import Viewer


class Place(msgspec.Struct, frozen=True):
    """An entry of the side bar. Its words are `nav.<name>`; whoever lacks the scope does not see it."""

    name: str
    path: str
    icon: str
    scope: str
    key: str = ""  # "g" and then this letter goes there
    group: str = "work"  # the bar has a line between groups
    new: str = ""  # the address that makes a new one of it, for the command bar


PLACES = (
    Place("home", "/home", "home", "messages:read", "h"),
    Place("messages", "/messages", "send", "messages:read", "m"),
    Place("unknowns", "/unknowns", "help", "messages:read", "u"),
    Place("contacts", "/contacts", "users", "contacts:read", "c", "people", "/contacts/new"),
    Place("segments", "/segments", "users-group", "contacts:read", "s", "people", "/segments/new"),
    Place("imports", "/imports", "file-import", "contacts:write", "i", "people", "/imports/new"),
    Place("campaigns", "/campaigns", "speakerphone", "messages:read", "p", "content", "/campaigns/new"),
    Place("templates", "/templates", "template", "setup:read", "t", "content", "/templates/new"),
    Place("cascades", "/cascades", "route", "setup:read", "r", "content", "/cascades/new"),
    Place("lines", "/lines", "plug-connected", "setup:read", "l", "set_up", "/lines/new"),
    Place("settings", "/settings", "settings", "setup:read", "e", "set_up"),
    Place("developers", "/developers", "api", "setup:read", "d", "set_up"),
    Place("phones", "/phones", "device-mobile-message", "messages:read", "o", "set_up"),
)


def among(paths: AbstractSet[str]) -> tuple[Place, ...]:
    """The places that there are in an application with these addresses."""
    return tuple(place for place in PLACES if place.path in paths)


def seen_by(places: Sequence[Place], viewer: Viewer | None) -> list[Place]:
    """Those that somebody may go to."""
    return [] if viewer is None else [place for place in places if place.scope in viewer.scopes]
