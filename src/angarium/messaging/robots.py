"""Who followed a link or loaded a picture: a person, or a program, and how that is known. Pure.

Most is known by the headers of the request. What a scanner hides that calls itself a browser is known by its
haste: it follows several links of a message at once, or one before anybody could have read it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files

import msgspec

from angarium.core.clock import MICROS

BURST_S = 2.0  # several links of one message within it are followed by no person
EARLY_S = 1.0  # the same of a link that is followed so soon after a provider took the message
AGENT_MAX = 500  # characters that are looked at
AGENTS_KEPT = 2_048
PURPOSES = ("purpose", "sec-purpose", "x-purpose", "x-moz")
BEFOREHAND = ("prefetch", "prerender", "preview")


class Visitor(StrEnum):
    """Whom a visit is counted for."""

    PERSON = "person"
    HEAD = "head"  # asked for the head alone
    PREFETCH = "prefetch"  # a browser that says that it only fetches beforehand
    PREVIEW = "preview"  # a messenger that shows where a link leads
    SCANNER = "scanner"  # looks for what is dangerous
    PROGRAM = "program"  # curl and the like, and whoever does not say what it is
    GOOGLE_PROXY = "google_proxy"  # loads the pictures of a mail for the person, or before
    YAHOO_PROXY = "yahoo_proxy"
    APPLE_PRIVACY = "apple_privacy"  # loads all pictures of all mails, whether they are opened or not
    BURST = "burst"  # followed several links of the message at once
    EARLY = "early"  # came before anybody could have read it


class Seen(msgspec.Struct, frozen=True):
    """A visit of a link: when, and whom its headers speak of."""

    link_id: int
    picture: bool  # by which an opening is known
    at: int  # microseconds
    by: Visitor


def by_headers(method: str, headers: Mapping[bytes, bytes], *, picture: bool) -> Visitor:
    """Whom the head of a request speaks of, for a link or a picture; names of headers in lower case."""
    if method == "HEAD":
        return Visitor.HEAD
    told = b" ".join(headers.get(name.encode(), b"") for name in PURPOSES).decode("latin-1").lower()
    if any(word in told for word in BEFOREHAND):
        return Visitor.PREFETCH
    agent = headers.get(b"user-agent", b"").decode("latin-1")[:AGENT_MAX].strip()
    return by_agent(agent, picture=picture)


@lru_cache(maxsize=AGENTS_KEPT)
def by_agent(agent: str, *, picture: bool) -> Visitor:
    """Whom a User-Agent speaks of."""
    if not agent:
        return Visitor.PROGRAM
    found = (by for by, pattern in _robots(picture=picture) if pattern.search(agent))
    return next(found, Visitor.PERSON)


def by_haste(visit: Seen, taken_at: int | None, *, in_burst: bool) -> Visitor:
    """Whom a visit is counted for, with all that is known of it; `taken_at` is when the first provider took
    the message."""
    if visit.by is not Visitor.PERSON:
        return visit.by
    if taken_at is not None and visit.at < taken_at + EARLY_S * MICROS:
        return Visitor.EARLY
    return Visitor.BURST if in_burst else Visitor.PERSON


def bursts(visits: Sequence[Seen]) -> set[int]:
    """The places of those visits of one message, in the order in which they came, that were not alone.

    Another of its links was followed with them. Pictures load by themselves, and programs that say what they
    are have been told already.
    """
    people = ((place, one) for place, one in enumerate(visits) if one.by is Visitor.PERSON)
    places = [place for place, one in people if not one.picture]
    return _after_another(visits, places) | _after_another(visits, places[::-1])


def _after_another(visits: Sequence[Seen], places: Sequence[int]) -> set[int]:
    """The places at which another link had been visited lately, in the order given."""
    found: set[int] = set()
    last: Seen | None = None
    other: Seen | None = None  # the last one of another link
    for place in places:
        one = visits[place]
        if last is not None and last.link_id != one.link_id:
            other = last
        if other is not None and abs(other.at - one.at) <= BURST_S * MICROS:
            found.add(place)
        last = one
    return found


@cache
def _robots(*, picture: bool) -> tuple[tuple[Visitor, re.Pattern[str]], ...]:
    """The table of known programs; those of one kind that follow one another as one pattern."""
    what = "pictures" if picture else "links"
    listed = tomllib.loads(files(__package__).joinpath("robots.toml").read_text(encoding="utf-8"))["robot"]
    found: list[tuple[Visitor, list[str]]] = []
    for one in listed:
        if one.get("only", what) != what:
            continue
        by = Visitor(one["by"])
        if not found or found[-1][0] is not by:
            found.append((by, []))
        found[-1][1].append(one["pattern"])
    return tuple((by, re.compile("|".join(patterns), re.IGNORECASE)) for by, patterns in found)
