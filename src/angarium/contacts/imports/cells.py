"""What stands in a cell, as the value it means. Pure; the text is what people and spreadsheets write.

Traps that are known here: digits of Persian and Arabic; a number that Excel shows as 9.89E+11; a number
whose leading zero or plus is lost; dates with the day first, or of the Persian calendar; 1.234,50 and
1,234.50; yes and no in six languages.
"""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from importlib import resources
from typing import Any, Literal

from angarium.core.clock import from_datetime, iso
from angarium.core.days import from_jalali
from angarium.core.numerals import western

Order = Literal["ymd", "dmy", "mdy"]
Calendar = Literal["gregorian", "jalali"]
Decimals = Literal[".", ","]

INTEGER_EXACT_MAX = 10**15  # above it a number of a spreadsheet has lost digits (IEEE 754: 15 are kept)
NUMBER_MAX = 40  # characters
LOCALES_KEPT = 10_000  # and names of languages

GROUPED = {
    ".": re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[, '\u00a0\u2009\u202f]\d{3})+)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?"),
    ",": re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[. '\u00a0\u2009\u202f]\d{3})+)(?:,\d+)?(?:[eE][+-]?\d{1,3})?"),
}
DATE = re.compile(r"(\d{1,4})\s*([./\-年])\s*(\d{1,2})\s*[./\-月]\s*(\d{1,4})日?")
CLOCK = re.compile(r"(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?)?\s*(Z|[+-]\d{2}:?\d{2})?")
MONEY = re.compile(r"([^\d\s.,+\-'()]{0,5})\s*([+-]?[\d.,' \u00a0\u2009\u202f]*\d)\s*([^\d\s.,+\-'()]{0,5})")

WORDS = tomllib.loads(resources.files(__package__).joinpath("words.toml").read_text("utf-8"))
YES, NO = (frozenset(WORDS["answers"][answer].split()) for answer in ("yes", "no"))
LANGUAGES = frozenset(WORDS["languages"])
LANGUAGE_OF = {word: code for code, words in WORDS["languages"].items() for word in words.split()}


class BadCell(ValueError):
    """A text that is not what its column should hold."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def text_of(value: Any) -> str:
    """A value of a spreadsheet as the text that a person would have typed."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < INTEGER_EXACT_MAX else repr(value)
    if isinstance(value, datetime):
        midnight = not (value.hour or value.minute or value.second or value.microsecond)
        return value.date().isoformat() if midnight else value.isoformat(sep=" ", timespec="seconds")
    return "" if value is None else str(value)


def yes_no(text: str) -> bool:
    """Yes or no, in six languages; BadCell for anything else."""
    word = western(text).strip().casefold()
    if word in YES:
        return True
    if word in NO:
        return False
    raise BadCell("is neither yes nor no", "yes or no, 1 or 0, true or false")


def number(text: str, decimals: Decimals = ".") -> int | float:
    """A number as people group it; `decimals` is the sign before its fraction."""
    value = exact(text, decimals)
    return int(value) if value == value.to_integral_value() else float(value)


def exact(text: str, decimals: Decimals = ".") -> Decimal:
    """The same to its last digit, with the zeros at its end."""
    bare = western(text).strip()
    if len(bare) > NUMBER_MAX or GROUPED[decimals].fullmatch(bare) is None:
        raise BadCell("is not a number", f"digits, with {decimals!r} before the fraction")
    try:
        value = _decimal(bare, decimals)
    except InvalidOperation:
        raise BadCell("is not a number", "digits") from None
    if abs(value) >= INTEGER_EXACT_MAX * 1000:
        raise BadCell("is too large", "at most 18 digits")
    return value


def _decimal(bare: str, decimals: Decimals) -> Decimal:
    grouping = "," if decimals == "." else "."
    plain = re.sub(r"[ '\u00a0\u2009\u202f]", "", bare).replace(grouping, "")
    return Decimal(plain.replace(",", "."))


def money(text: str, currency: str, decimals: Decimals = ".") -> dict[str, Any]:
    """An amount in micro-units with its currency, which may stand beside it."""
    match = MONEY.fullmatch(western(text).strip())
    if match is None:
        raise BadCell(
            "is not an amount of money", f"such as 12{decimals}50 or 12{decimals}50 {currency or 'EUR'}"
        )
    named = (match[1] or match[3]).upper()
    if len(named) == 3 and named.isascii() and named.isalpha():
        currency = currency or named
        if named != currency:
            raise BadCell(f"is not in {currency}", f"an amount in {currency}")
    amount = Decimal(str(number(match[2], decimals))) * 1_000_000
    return {"micros": int(amount), "currency": currency}


def day(text: str, order: Order = "ymd", calendar: Calendar = "gregorian") -> str:
    """A date as `YYYY-MM-DD`. A year of four digits shows the order; else `order` says it."""
    bare = western(text).strip()
    match = DATE.match(bare)
    if match is None or CLOCK.fullmatch(bare, match.end()) is None:
        raise BadCell("is not a date", "such as 2026-11-28")
    return _date(match, order, calendar).isoformat()


def moment(text: str, order: Order = "ymd", calendar: Calendar = "gregorian") -> str:
    """A date with a time as RFC 3339 in UTC; a time without a zone is taken for UTC."""
    bare = western(text).strip()
    match = DATE.match(bare)
    clock = CLOCK.fullmatch(bare, match.end()) if match is not None else None
    if match is None or clock is None:
        raise BadCell("is not a time", "such as 2026-11-28T08:30:00Z")
    hour, minute, second = (int(part or 0) for part in clock.group(1, 2, 3))
    zone = (clock[4] or "Z").replace("Z", "+00:00")
    try:
        at = _date(match, order, calendar)
        parsed = datetime.strptime(zone, "%z")
        value = datetime(at.year, at.month, at.day, hour, minute, second, tzinfo=parsed.tzinfo)
        return iso(from_datetime(value.astimezone(UTC)))
    except (ValueError, OverflowError):
        raise BadCell("is not a time", "such as 2026-11-28T08:30:00Z") from None


def _date(match: re.Match[str], order: Order, calendar: Calendar) -> date:
    first, second, last = match[1], match[3], match[4]
    if len(first) > 2:
        year, month, number_ = int(first), int(second), int(last)
    elif order == "ymd" and len(last) <= 2:
        year, month, number_ = _century(int(first), calendar), int(second), int(last)
    else:
        year = int(last) if len(last) > 2 else _century(int(last), calendar)
        month, number_ = (int(first), int(second)) if order == "mdy" else (int(second), int(first))
    try:
        if calendar == "jalali":
            return from_jalali(year, month, number_)
        return date(year, month, number_)
    except ValueError:
        raise BadCell(
            "is not a day of any calendar", "check the day and the month, or name their order"
        ) from None


def _century(year: int, calendar: Calendar) -> int:
    """A year of two digits, as spreadsheets read it (30 to 99 are of the last century)."""
    if calendar == "jalali":
        return 1400 + year if year < 30 else 1300 + year
    return 2000 + year if year < 30 else 1900 + year


@lru_cache(LOCALES_KEPT)
def locale(text: str) -> str:
    """A locale from its code, its code as programs write it, or the name of its language."""
    bare = text.strip().replace("_", "-").partition(".")[0]
    language, _, rest = bare.partition("-")
    known = LANGUAGE_OF.get(language.casefold(), language.lower())
    return f"{known}-{rest}" if rest else known
