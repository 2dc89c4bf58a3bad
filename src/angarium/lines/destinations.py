"""Where a number is, by its first digits: countries as prefixes, prefixes as countries. Pure.

Rules:
- A destination is written as a prefix (`+98912`), as a country of ISO 3166 (`IR`) or by its name in a
  language of the product (`Iran`, `ایران`); an empty one is everywhere.
- The prefixes of a country are its calling code, or what the numbering plan gives it of a shared one:
  Kazakhstan is `+77`. A country whose numbers nothing tells from its neighbour's (Canada, from the United
  States) has to be named by its prefixes.
- Both come from the metadata of `phonenumbers`, which is imported when the first country is asked for.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")  # ITU-T E.164 §6: at most 15 digits
LANGUAGES = ("en", "fa", "ar", "uk", "ru", "zh")
LEADING_MAX = 5  # digits after the calling code that tell a country from another
WRITTEN_MAX = 64  # characters of a destination
BEGINNINGS_KEPT = 4_096


class NoPlace(ValueError):
    """A text that names no destination; `problem` and `remedy` are phrases a person can act on."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem = problem
        self.remedy = remedy


def prefixes(destination: str) -> tuple[str, ...]:
    """The beginnings of the numbers of a destination; `("",)` for everywhere. Raises NoPlace."""
    text = destination.strip()
    if text in ("", "*"):
        return ("",)
    if len(text) > WRITTEN_MAX:
        raise NoPlace("is too long", "a prefix such as +98912, or a country")
    if PREFIX.fullmatch(text):
        return (text,)
    region = text.upper() if text.upper() in _codes() else _names().get(text.casefold())
    if region is None:
        raise NoPlace("is no destination", "a prefix such as +98912, or a country such as IR or Iran")
    code = _codes()[region]
    found = tuple(prefix for prefix, owner in _regions(code).items() if owner == region)
    if not found:
        raise NoPlace("shares its calling code, and nothing tells it apart", "name its prefixes instead")
    return found


def country(address: str) -> str:
    """The region of a number in E.164, such as `IR`; empty when it is no number or of no country."""
    return _country(address[: 4 + LEADING_MAX]) if address.startswith("+") else ""


@lru_cache(maxsize=BEGINNINGS_KEPT)
def _country(beginning: str) -> str:
    known = _library().COUNTRY_CODE_TO_REGION_CODE
    code = next((int(beginning[1:end]) for end in (2, 3, 4) if int(beginning[1:end] or 0) in known), 0)
    found = _regions(code) if code else {}
    return next((found[beginning[:n]] for n in range(len(beginning), 1, -1) if beginning[:n] in found), "")


@cache
def _library() -> Any:
    return import_module("phonenumbers")


@cache
def _codes() -> dict[str, int]:
    """Region -> its calling code."""
    known = _library().COUNTRY_CODE_TO_REGION_CODE
    return {region: code for code, regions in known.items() for region in regions if region != "001"}


@cache
def _regions(code: int) -> dict[str, str]:
    """Prefix -> region, of one calling code. All of it is the main country's but for what is another's."""
    library = _library()
    main, *others = library.COUNTRY_CODE_TO_REGION_CODE[code]
    found = {} if main == "001" else {f"+{code}": main}
    for region in others:
        leading = library.PhoneMetadata.metadata_for_region(region).leading_digits
        found |= {f"+{code}{digits}": region for digits in _expanded(leading)}
    return found


def _expanded(pattern: str | None) -> list[str]:
    """The digits that a pattern of leading digits stands for: alternatives, groups and classes of digits."""
    return _alternatives(pattern, 0)[0] if pattern else []


def _alternatives(pattern: str, at: int) -> tuple[list[str], int]:
    """What the alternatives from a place on stand for, and the place behind their end."""
    found: list[str] = []
    ends = [""]
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            found, ends, at = found + ends, [""], at + 1
            continue
        if pattern.startswith("(?:", at):
            choice, at = _alternatives(pattern, at + 3)
        elif pattern[at] == "[":
            close = pattern.index("]", at)
            choice, at = _digits(pattern[at + 1 : close]), close
        else:
            choice = [pattern[at]]
        ends, at = [end + one for end in ends for one in choice], at + 1
    return found + ends, at


def _digits(written: str) -> list[str]:
    """The digits of a class such as `02-68`."""
    return [d for d in "0123456789" if re.fullmatch(f"[{written}]", d)]


@cache
def _names() -> dict[str, str]:
    """Name of a country in any of the product's languages, folded -> its region."""
    locale: Any = import_module("babel").Locale
    return {
        str(name).casefold(): region
        for language in reversed(LANGUAGES)  # the first language has the last word
        for region, name in locale(language).territories.items()
        if region in _codes()
    }
