"""The languages of the console: which there are, which somebody reads, and the words of all rooms in each.

A room brings `templates/words.en.toml` and a file of the same names for each other language. A sentence is
text with gaps, `"{name} has left"`; or, where a number decides, a table of its plural categories in that
language (CLDR, "Language Plural Rules"): `{one = "{count} message", other = "{count} messages"}`, chosen by
what fills `count`. What a language lacks is said in English, and a test finds it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from babel import Locale

CATEGORIES = {"zero", "one", "two", "few", "many", "other"}
ACCEPTED_MAX = 20  # languages of a browser that are looked at

Sentence = str | dict[str, str]  # as it is, or by plural category


class Language(msgspec.Struct, frozen=True):
    """A language of the console. `right_to_left` turns the pages around. The `country` that CLDR takes for it
    says with which day a week begins; English is read everywhere, and its week begins as that of ISO 8601."""

    code: str
    name: str  # in itself
    right_to_left: bool = False
    country: str = ""

    @property
    def direction(self) -> str:
        """As HTML calls it."""
        return "rtl" if self.right_to_left else "ltr"

    @property
    def locale(self) -> Locale:
        """What numbers, dates and plurals are like."""
        return _locale(self.code)

    @property
    def week(self) -> tuple[int, ...]:
        """The days in the order in which a week is drawn; Monday is 1."""
        first = _locale(f"{self.code}_{self.country}").first_week_day if self.country else 0
        return tuple((first + after) % 7 + 1 for after in range(7))


@cache
def _locale(code: str) -> Locale:
    return Locale.parse(code)


ENGLISH = Language("en", "English")
LANGUAGES = {
    one.code: one
    for one in (
        ENGLISH,
        Language("fa", "فارسی", right_to_left=True, country="IR"),
        Language("ar", "العربية", right_to_left=True, country="EG"),
        Language("uk", "Українська", country="UA"),
        Language("ru", "Русский", country="RU"),
        Language("zh", "中文", country="CN"),
    )
}


def chosen(wanted: str, accepted: str) -> Language:
    """The language somebody asked for; else the first of the browser's (RFC 9110 §12.5.4) that we have."""
    if wanted in LANGUAGES:
        return LANGUAGES[wanted]
    for code in _by_weight(accepted):
        if code in LANGUAGES:
            return LANGUAGES[code]
    return ENGLISH


def _by_weight(accepted: str) -> list[str]:
    """`fa-IR,fa;q=0.9,en;q=0.1` -> fa, fa, en; what has no sense or no weight is left out."""
    found: list[tuple[float, str]] = []
    for part in accepted.split(",")[:ACCEPTED_MAX]:
        tag, _, weight = part.partition(";")
        try:
            heavy = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if heavy > 0:
            found.append((heavy, tag.strip().partition("-")[0].lower()))
    return [code for _, code in sorted(found, key=lambda one: -one[0])]


def catalogue(rooms: Iterable[str], language: Language) -> dict[str, Sentence]:
    """The words of these rooms by their names; ValueError when two rooms say different things by one name."""
    words: dict[str, Sentence] = {}
    for room in rooms:
        for name, sentence in words_of(room, language.code).items():
            if name in words:
                raise ValueError(f"{room}: the words {name} are another room's already")
            words[name] = sentence
    return words


def words_of(room: str, code: str) -> dict[str, Sentence]:
    """The words of one room in one language; none when the room has no such file."""
    file = files(f"angarium.{room}").joinpath("templates", f"words.{code}.toml")
    return dict(_flat(tomllib.loads(file.read_text(encoding="utf-8")))) if file.is_file() else {}


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Sentence]]:
    for name, value in table.items():
        if not isinstance(value, dict) or ("other" in value and value.keys() <= CATEGORIES):
            yield prefix + name, value
        else:
            yield from _flat(value, f"{prefix}{name}.")
