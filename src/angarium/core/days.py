"""Dates and times as people write them in a field, by the calendar of Iran or ours, and as kept. Pure.

The year tells the calendar: 1405 is a year of the Iranian one (persiantools), 2026 one of ours. A day of
every year is kept as 03-21 by ours, and as jalali-01-01 by that of Iran.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from persiantools.jdatetime import JalaliDate

from angarium.core.numerals import western

JALALI_YEARS = range(1200, 1600)  # 1821 to 2220 of ours
FIRST_YEAR = 1822  # of ours, the first that is whole in these
WRITTEN = re.compile(
    r"(\d{4})[/.\-](\d{1,2})[/.\-](\d{1,2})(?:(?:\s*[T،,]\s*|\s+)([01]?\d|2[0-3]):([0-5]\d)(:[0-5]\d)?)?",
    re.ASCII,
)
DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)  # 28.11.2026
TIME = re.compile(r"(\d{1,2})[:.](\d{2})", re.ASCII)
YEARLY = re.compile(r"(\d{1,2})[/.\-](\d{1,2})", re.ASCII)
JALALI_YEARLY = re.compile(r"jalali-([0-9]{2})-([0-9]{2})")
LEAP = 1403  # a year of the calendar of Iran that has all its days


def from_jalali(year: int, month: int, day: int) -> date:
    """A day of the calendar of Iran; ValueError when there is none."""
    found = JalaliDate(year, month, day)  # type: ignore[no-untyped-call]  # untyped library
    return date.fromordinal(found.to_gregorian().toordinal())


def day_of(text: str) -> str:
    """۱۴۰۵/۰۹/۰۷ or 2026/11/28 -> 2026-11-28; what is no day of either calendar stays as it was written."""
    found = _read(text)
    return text if found is None or found[1] else found[0].isoformat()


def begins(text: str, zone: tzinfo) -> datetime | None:
    """When a day begins that somebody has written, by the clocks of a zone; None when it is none, or not yet
    of the year 1 in UTC."""
    try:
        return datetime.combine(date.fromisoformat(day_of(text.strip())), time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def ends(text: str, zone: tzinfo) -> datetime | None:
    """When it is over: the next begins. None when it is no day, or none comes after it."""
    try:
        day = date.fromisoformat(day_of(text.strip())) + timedelta(days=1)
    except (ValueError, OverflowError):
        return None
    return begins(day.isoformat(), zone)


def moment_of(text: str) -> str:
    """۱۴۰۵/۰۹/۰۷ ۱۴:۳۰ -> 2026-11-28T14:30, at midnight without a time; what is none stays."""
    found = _read(text)
    return text if found is None else f"{found[0].isoformat()}T{found[1] or '00:00'}"


def is_date(text: str) -> bool:
    """Whether a text is a day, or a moment, of either calendar."""
    return _read(text) is not None


def _read(text: str) -> tuple[date, str] | None:
    """The day, and the time of day if there is one."""
    match = WRITTEN.fullmatch(DAY_FIRST.sub(r"\3-\2-\1", western(text).strip()))
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


def as_ours(text: str, *, day_first: bool) -> str:
    """2026-11-28T14:30 -> 2026-11-28 14:30, or 28.11.2026 14:30; what is no date stays."""
    found = _read(text)
    if found is None:
        return text
    written = f"{found[0]:%d.%m}.{found[0].year:04}" if day_first else found[0].isoformat()
    return f"{written} {found[1]}".rstrip()


def time_of(text: str) -> str:
    """۹:۰۵ or 9.05 -> 09:05; what is no time stays as it was written."""
    match = TIME.fullmatch(western(text).strip())
    return text if match is None else f"{match[1]:0>2}:{match[2]}"


def holidays_of(text: str) -> str:
    """Days by lines, of one year or of every year: ۰۱/۰۱ -> jalali-01-01; 03-21 and what is no day stay."""
    return "\n".join(map(_holiday_of, text.splitlines()))


def _holiday_of(line: str) -> str:
    match = YEARLY.fullmatch(western(line).strip())
    if match is None:
        return day_of(line)
    as_kept = line.isascii() and "-" in line
    return line if as_kept else f"jalali-{match[1]:0>2}-{match[2]:0>2}"


def holidays_as_jalali(text: str) -> str:
    """The same the other way: jalali-01-01 -> 01/01, 2026-11-28 -> 1405/09/07."""
    return "\n".join(JALALI_YEARLY.sub(r"\1/\2", as_jalali(line)) for line in text.splitlines())


def is_yearly_in_iran(text: str) -> bool:
    """Whether it is a day of every year, or every leap year, in the calendar of Iran."""
    match = JALALI_YEARLY.fullmatch(text)
    if match is None:
        return False
    try:
        from_jalali(LEAP, int(match[1]), int(match[2]))
    except ValueError:
        return False
    return True


def yearly_in_iran(day: date) -> str:
    """2027-03-21 -> jalali-01-01."""
    there = JalaliDate(day)  # type: ignore[no-untyped-call]  # untyped library
    return f"jalali-{there.month:02}-{there.day:02}"
