"""Numbers, money and times as the readers of a language write them.

Persian has its own digits and the Jalali calendar; all by the Unicode CLDR (Babel), but for the calendar
(persiantools). What people copy into machines (phones, ids, codes) never comes here.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from babel.dates import format_date, format_timedelta
from babel.numbers import (
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
    get_decimal_symbol,
)
from babel.units import format_unit
from persiantools.jdatetime import JalaliDate

from angarium.core import days
from angarium.web.languages import Language

OWN = "default"  # the numbering system of the locale: how it groups, and its point
PLAIN = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
FINE = 4  # further digits after the point, of a price that needs them
MINUTE_S = 60
UNITS = ((86_400, "day"), (3_600, "hour"), (MINUTE_S, "minute"), (1, "second"))
SIZES = ((1 << 30, "gigabyte"), (1 << 20, "megabyte"), (1 << 10, "kilobyte"), (1, "byte"))
JALALI = {"fa"}
DAY_FIRST = {"uk", "ru"}  # who write 28.11.2026 also in a form
KEPT = 2_048  # what was written a moment ago is written again: prices, counts, the days of a list
LEFT = "\u200e"  # LRM: goes on from the left
SIGNS = ("+", "-", "\u2212")
PERSIAN_PERCENT = "٪"  # Babel writes the sign of its pattern
PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def own_digits(language: Language, text: str) -> str:
    """The digits of the language in place of ours; Arabic is content with ours, as CLDR has it."""
    return text.translate(PERSIAN_DIGITS) if language.code in JALALI else text


def signed(language: Language, shown: str) -> str:
    """What may begin with the sign of a number: it stays to the left of it."""
    return f"{LEFT}{shown}" if language.right_to_left and shown.startswith(SIGNS) else shown


@lru_cache(maxsize=KEPT, typed=True)
def number(language: Language, value: float | Decimal, digits: int | None = None) -> str:
    """1234.5 -> 1,234.5; with `digits` after the point, or as many as it has."""
    pattern = None if digits is None else "#,##0" + ("." + "0" * digits if digits else "")
    shown = format_decimal(value, pattern, locale=language.locale, numbering_system=OWN)
    return signed(language, own_digits(language, shown))


def as_typed(language: Language, text: str) -> str:
    """A plain decimal number as readers of the language write it in a form: 1500.25 -> ۱٬۵۰۰٫۲۵, with all its
    digits; what is none stays as it was typed."""
    if PLAIN.fullmatch(text) is None:
        return text
    return number(language, Decimal(text), len(text.partition(".")[2]))


def date_typed(language: Language, text: str) -> str:
    """A date as readers of the language write it in a form: 2026-11-28 -> ۱۴۰۵/۰۹/۰۷, or 28.11.2026."""
    if language.code in JALALI:
        return own_digits(language, days.as_jalali(text))
    return days.as_ours(text, day_first=language.code in DAY_FIRST)


def holidays_typed(language: Language, text: str) -> str:
    """Days by lines, as readers of the language write them; of every year by our calendar as they are."""
    if language.code not in JALALI:
        return text
    return "\n".join(
        line if days.YEARLY.fullmatch(line) else own_digits(language, days.holidays_as_jalali(line))
        for line in text.splitlines()
    )


def decimal_sign(language: Language) -> str:
    """What those who write the language on a keyboard put before a fraction: a comma or a dot."""
    return "," if get_decimal_symbol(language.locale) == "," else "."


def compact(language: Language, value: int) -> str:
    """1234567 -> 1.2M."""
    shown = format_compact_decimal(value, locale=language.locale, fraction_digits=1, numbering_system=OWN)
    return own_digits(language, shown)


def percent(language: Language, share: float, digits: int = 1) -> str:
    """0.123 -> 12.3%, with at most so many digits after the point."""
    pattern = "#,##0" + ("." + "#" * digits if digits else "") + "%"
    shown = format_percent(share, pattern, locale=language.locale, numbering_system=OWN)
    return own_digits(language, shown.replace("%", PERSIAN_PERCENT) if language.code in JALALI else shown)


@lru_cache(maxsize=KEPT, typed=True)
def money(language: Language, amount: str | Decimal, currency: str) -> str:
    """An amount of a currency; of small prices enough digits to tell them apart: €0.0450."""
    value = Decimal(amount)
    small = value != round(value, 2)
    locale = language.locale
    pattern = locale.currency_formats["standard"].pattern.replace("0.00", "0.00" + "#" * FINE)
    shown = (
        format_currency(value, currency, pattern, locale=locale, currency_digits=False, numbering_system=OWN)
        if small
        else format_currency(value, currency, locale=locale, numbering_system=OWN)
    )
    return own_digits(language, shown)


def whole_sum(language: Language, amount: str | Decimal, currency: str) -> str:
    """What many came to: of a whole unit and more without the fractions of a cent that prices have."""
    value = Decimal(amount)
    return money(language, value if abs(value) < 1 else round(value, 2), currency)


def day(language: Language, at: datetime, zone: tzinfo = UTC) -> str:
    """A date with its year."""
    return _date(language, at.astimezone(zone).date())


@lru_cache(maxsize=KEPT)
def _date(language: Language, on: date) -> str:
    if language.code in JALALI:
        there = JalaliDate(on, locale="fa")  # type: ignore[no-untyped-call]  # it has no types
        return own_digits(language, f"{there.day} {there.strftime('%B')} {there.year}")
    return format_date(on, "medium", locale=language.locale)


def dated(language: Language, text: str) -> str:
    """A date that is kept as text, with its year: 2026-11-28 -> Nov 28, 2026; what is none stays."""
    try:
        return _date(language, date.fromisoformat(text))
    except ValueError:
        return text


def size(language: Language, octets: int) -> str:
    """How much a file has: 1536 -> 1.5 kB, 1073741824 -> 1 GB; its short names are Latin in Persian."""
    whole, unit = next((one for one in SIZES if octets >= one[0]), SIZES[-1])
    length: Literal["short", "long"] = "long" if language.code in JALALI else "short"
    return _counted(language, octets / whole, f"digital-{unit}", length)


def moment(language: Language, at: datetime, zone: tzinfo = UTC, *, seconds: bool = False) -> str:
    """A date and a time of day; to the second where it counts."""
    time_of_day = clock_time(language, at, zone)
    comma = "،" if language.right_to_left else ","
    return f"{day(language, at, zone)}{comma} {time_of_day if seconds else time_of_day[:5]}"


def clock_time(language: Language, at: datetime, zone: tzinfo = UTC) -> str:
    """A time of day, to the second, by twenty-four hours."""
    return own_digits(language, at.astimezone(zone).strftime("%H:%M:%S"))


def ago(language: Language, at: datetime, now: datetime) -> str:
    """3 minutes ago; in 2 hours."""
    return own_digits(language, format_timedelta(at - now, add_direction=True, locale=language.locale))


def duration(language: Language, length: timedelta) -> str:
    """A length of time to two units: 0.4 sec, 2 min 5 sec, 3 hr 12 min, 2 days 4 hr."""
    whole, tenths = round(length.total_seconds()), round(length.total_seconds(), 1)
    if tenths < MINUTE_S:
        return _counted(language, tenths, "duration-second")
    at = next(place for place, (least, _) in enumerate(UNITS) if whole >= least)
    unit_size, unit = UNITS[at]
    first = _counted(language, whole // unit_size, f"duration-{unit}")
    part_size, part = UNITS[at + 1]
    rest = whole % unit_size // part_size
    return f"{first} {_counted(language, rest, f'duration-{part}')}" if rest else first


def _counted(language: Language, count: float, unit: str, length: Literal["short", "long"] = "short") -> str:
    shown = format_unit(count, unit, length, "#,##0.#", locale=language.locale, numbering_system=OWN)
    return own_digits(language, shown)


def lasting(language: Language, seconds: float) -> str:
    """A length of time in its largest unit."""
    return own_digits(language, format_timedelta(timedelta(seconds=seconds), locale=language.locale))
