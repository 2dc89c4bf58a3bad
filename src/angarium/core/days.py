"""Dates as people write them in a field, in the calendar of Iran or in ours, and as they are kept. Pure.

The year tells the calendar: 1405 is a year of the Iranian one (persiantools), 2026 one of ours.
"""

from __future__ import annotations

import re
from datetime import date

from persiantools.jdatetime import JalaliDate

from angarium.core.numerals import western

JALALI_YEARS = range(1200, 1600)  # 1821 to 2220 of ours
FIRST_YEAR = 1822  # of ours, the first that is whole in these
WRITTEN = re.compile(
    r"(\d{4})[/.\-](\d{1,2})[/.\-](\d{1,2})(?:(?:\s*[T،,]\s*|\s+)([01]?\d|2[0-3]):([0-5]\d)(:[0-5]\d)?)?",
    re.ASCII,
)


def from_jalali(year: int, month: int, day: int) -> date:
    """A day of the calendar of Iran; ValueError when there is none."""
    found = JalaliDate(year, month, day)  # type: ignore[no-untyped-call]  # untyped library
    return date.fromordinal(found.to_gregorian().toordinal())


def day_of(text: str) -> str:
    """۱۴۰۵/۰۹/۰۷ or 2026/11/28 -> 2026-11-28; what is no day of either calendar stays as it was written."""
    found = _read(text)
    return text if found is None or found[1] else found[0].isoformat()


def moment_of(text: str) -> str:
    """۱۴۰۵/۰۹/۰۷ ۱۴:۳۰ -> 2026-11-28T14:30, at midnight without a time; what is none stays."""
    found = _read(text)
    return text if found is None else f"{found[0].isoformat()}T{found[1] or '00:00'}"


def _read(text: str) -> tuple[date, str] | None:
    """The day, and the time of day if there is one."""
    match = WRITTEN.fullmatch(western(text).strip())
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    try:
        found = from_jalali(year, month, day) if year in JALALI_YEARS else date(year, month, day)
    except ValueError:
        return None
    return found, "" if match[4] is None else f"{match[4]:0>2}:{match[5]}{match[6] or ''}"


def as_jalali(text: str) -> str:
    """2026-11-28 or 2026-11-28T14:30 -> 1405/09/07, 1405/09/07 14:30; what is neither, or too old, stays."""
    found = _read(text)
    if found is None:
        return text
    if found[0].year < FIRST_YEAR:
        return text
    there = JalaliDate(found[0])  # type: ignore[no-untyped-call]  # untyped library
    return f"{there.year:04}/{there.month:02}/{there.day:02} {found[1]}".rstrip()
