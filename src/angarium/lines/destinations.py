"""Where a number is, by its first digits: countries as prefixes, prefixes as countries. Pure.

Rules:
- A destination is written as a prefix (`+98912`), as a country of ISO 3166 (`IR`) or by its name in a language of
  the product (`Iran`, `ایران`); an empty one is everywhere.
- The prefixes of a country are its calling code, or what the numbering plan gives it of a shared one: Kazakhstan is
  `+77`. A country whose numbers nothing tells from its neighbour's (Canada, from the United States) has to be named
  by its prefixes.
- Both come from the metadata of `phonenumbers`, which is imported when the first country is asked for.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib import import_module
from itertools import product
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
    region = text.upper() if text.upper() in _plan() else _names().get(text.casefold())
    if region is None:
        raise NoPlace("is no destination", "a prefix such as +98912, or a country such as IR or Iran")
    found = _plan()[region]
    if not found:
        raise NoPlace("shares its calling code, and nothing tells it apart", "name its prefixes instead")
    return found


def country(address: str) -> str:
    """The region of a number in E.164, such as `IR`; empty when it is no number or of no country."""
    return _country(address[: 4 + LEADING_MAX]) if address.startswith("+") else ""


@lru_cache(maxsize=BEGINNINGS_KEPT)
def _country(beginning: str) -> str:
    found = _regions()
    return next((found[beginning[:n]] for n in range(len(beginning), 1, -1) if beginning[:n] in found), "")


@cache
def _plan() -> dict[str, tuple[str, ...]]:
    """Region -> its prefixes; none when it cannot be told from another."""
    library: Any = import_module("phonenumbers")
    plan: dict[str, tuple[str, ...]] = {}
    for code, regions in library.COUNTRY_CODE_TO_REGION_CODE.items():
        for place, region in enumerate(regions):
            if region == "001":
                continue
            leading = library.PhoneMetadata.metadata_for_region(region).leading_digits
            if place == 0:
                plan[region] = (f"+{code}",)  # the main country; what is another's is longer, and so wins
            else:
                plan[region] = tuple(f"+{code}{digits}" for digits in _expanded(leading))
    return plan


def _expanded(pattern: str | None) -> list[str]:
    """The shortest digits that a pattern of leading digits stands for."""
    found: list[str] = []
    for length in range(1, LEADING_MAX + 1) if pattern else ():
        for digits in map("".join, product("0123456789", repeat=length)):
            if re.fullmatch(pattern or "", digits) and not any(digits.startswith(one) for one in found):
                found.append(digits)
    return found


@cache
def _regions() -> dict[str, str]:
    return {prefix: region for region, found in _plan().items() for prefix in found}


@cache
def _names() -> dict[str, str]:
    """Name of a country in any of the product's languages, folded -> its region."""
    locale: Any = import_module("babel").Locale
    return {
        str(name).casefold(): region
        for language in reversed(LANGUAGES)  # the first language has the last word
        for region, name in locale(language).territories.items()
        if region in _plan()
    }
