"""Filters that know the reader: money, numbers, days, times and plurals as they are written in a locale.

    {{ total | money }}        1 250,50 €    of a money field; of a number: {{ 12.5 | money: "UAH" }}
    {{ count | number: 0 }}    12 500        with so many decimals; without a word as many as there are
    {{ share | percent }}      12 %
    {{ due | day }}            8 листопада 2026 р.   short, medium, long, full
    {{ at | clock }}           18:05         in the reader's time zone, or: zone: "Asia/Tehran"
    {{ at | moment: "short" }} both
    {{ due | jalali }}         ۱۷ آبان ۱۴۰۵  or in a format: {{ due | jalali: "%Y/%m/%d" }}
    {{ n | plural: one: "товар", few: "товара", many: "товаров", other: "товара" }}
    {{ code | latin_digits }}  0912

The locale is that of the wording that was picked, the zone that of the contact; both come with the values.
The words of a locale are those of CLDR (by Babel), the Persian calendar is that of persiantools.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError, dates, numbers
from liquid import RenderContext
from liquid.exceptions import LiquidTypeError
from liquid.filter import with_context
from persiantools.jdatetime import JalaliDate

READER = " reader"  # the name under which a rendering finds who reads it: no template can write it
MICROS = 1_000_000
LENGTHS = ("short", "medium", "long", "full")
DECIMALS_MAX = 6
FORMAT_MAX = 40  # characters
TOMAN = {
    "en": "toman",
    "fa": "تومان",
    "ar": "تومان",
}  # IRT is no currency of ISO 4217, but prices are told in it


class Reader:
    """Who reads a rendering."""

    __slots__ = ("locale", "zone")

    def __init__(self, locale: str, zone: str = "UTC") -> None:
        self.locale = locale_of(locale)
        self.zone = zone


@lru_cache(maxsize=256)
def locale_of(tag: str) -> Locale:
    """The locale of a tag such as `zh-Hans-CN`; of one that is not known, what it is cut to; else English."""
    parts = tag.replace("_", "-").split("-")
    for count in range(len(parts), 0, -1):
        try:
            return Locale.parse("-".join(parts[:count]), sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse("en")


@with_context
def money(value: object, currency: object = "", *, context: RenderContext) -> str:
    """An amount with its currency: a money field, or a number and the code of a currency."""
    if isinstance(value, Mapping) and "micros" in value:
        amount, code = Decimal(int(value["micros"])) / MICROS, str(value.get("currency", ""))
    else:
        amount, code = _decimal(value, "money"), str(currency)
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise LiquidTypeError("money needs a currency, such as money: 'UAH'", token=None)
    locale = _reader(context).locale
    if code == "IRT":
        return f"{_number(amount, None, locale)} {TOMAN.get(locale.language, TOMAN['en'])}"
    whole = amount == amount.to_integral_value()
    pattern = locale.currency_formats["standard"].pattern
    text = numbers.format_currency(
        amount,
        code,
        locale=locale,
        format=pattern.replace(".00", "") if whole else None,
        currency_digits=not whole,
        numbering_system="default",
    )
    return _native(text, locale)


@with_context
def number(value: object, decimals: object = None, *, context: RenderContext) -> str:
    """A number with the locale's separators and digits; with so many decimals, else as many as it has."""
    return _number(_decimal(value, "number"), decimals, _reader(context).locale)


@with_context
def percent(value: object, decimals: object = 0, *, context: RenderContext) -> str:
    """A share as a percentage: 0.12 is 12 %."""
    places = _places(decimals)
    pattern = "#,##0" + ("." + "0" * places if places else "") + "%"
    found = _decimal(value, "percent")
    locale = _reader(context).locale
    form = pattern if places else None
    text = numbers.format_percent(found, format=form, locale=locale, numbering_system="default")
    return _native(text, locale)


@with_context
def day(value: object, length: object = "long", *, context: RenderContext, zone: object = "") -> str:
    """A day in words."""
    reader = _reader(context)
    found = dates.format_date(_day(value, zone or reader.zone), format=_length(length), locale=reader.locale)
    return _native(found, reader.locale)


@with_context
def clock(value: object, length: object = "short", *, context: RenderContext, zone: object = "") -> str:
    """A time of day, in the reader's zone."""
    reader = _reader(context)
    at = _instant(value, zone or reader.zone)
    return _native(dates.format_time(at, format=_length(length), locale=reader.locale), reader.locale)


@with_context
def moment(value: object, length: object = "medium", *, context: RenderContext, zone: object = "") -> str:
    """A day and its time, in the reader's zone."""
    reader = _reader(context)
    at = _instant(value, zone or reader.zone)
    return _native(dates.format_datetime(at, format=_length(length), locale=reader.locale), reader.locale)


@with_context
def jalali(value: object, form: object = "", *, context: RenderContext, zone: object = "") -> str:
    """A day of the Persian calendar: in words, or in a format such as `%Y/%m/%d`."""
    reader = _reader(context)
    persian = reader.locale.language == "fa"
    make: Callable[..., Any] = JalaliDate  # it has no types
    found = make(_day(value, zone or reader.zone), locale="fa" if persian else "en")
    pattern = str(form) if form else "%d %B %Y"
    if len(pattern) > FORMAT_MAX:
        raise LiquidTypeError("jalali needs a format such as '%Y/%m/%d'", token=None)
    text = str(found.strftime(pattern))
    return _native(text if form else text.lstrip("0"), reader.locale)


@with_context
def plural(value: object, *, context: RenderContext, **forms: object) -> str:
    """The form of a word that goes with a number: zero, one, two, few, many, other, as CLDR has them."""
    count = _decimal(value, "plural")
    if count == 0 and "zero" in forms:
        return str(forms["zero"])
    form = _reader(context).locale.plural_form(count)
    found = forms.get(form, forms.get("other", forms.get("many")))
    if found is None:
        raise LiquidTypeError(f"plural needs the form {form!r}, or 'other'", token=None)
    return str(found)


def latin_digits(value: object) -> str:
    """Digits as 0 to 9, whatever script they were typed in."""
    return "".join(str(int(sign)) if sign.isdecimal() else sign for sign in str(value))


FILTERS: dict[str, Any] = {
    "money": money,
    "number": number,
    "percent": percent,
    "day": day,
    "clock": clock,
    "moment": moment,
    "jalali": jalali,
    "plural": plural,
    "latin_digits": latin_digits,
}


def _reader(context: RenderContext) -> Reader:
    found = context.globals.get(READER)
    return found if isinstance(found, Reader) else Reader("en")


def _decimal(value: object, name: str) -> Decimal:
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        found = Decimal(latin_digits(value))
    except InvalidOperation:
        raise LiquidTypeError(f"{name} needs a number, not {str(value)[:40]!r}", token=None) from None
    if not found.is_finite() or abs(found) >= 10**18:
        raise LiquidTypeError(f"{name} needs a number below 10^18", token=None)
    return found


def _number(value: Decimal, decimals: object, locale: Locale) -> str:
    pattern = None
    if decimals is not None:
        places = _places(decimals)
        pattern = "#,##0" + ("." + "0" * places if places else "")
    text = numbers.format_decimal(value, format=pattern, locale=locale, numbering_system="default")
    return _native(text, locale)


def _places(decimals: object) -> int:
    if type(decimals) is not int or not 0 <= decimals <= DECIMALS_MAX:
        raise LiquidTypeError(f"decimals are 0 to {DECIMALS_MAX}", token=None)
    return decimals


def _length(length: object) -> Any:
    if str(length) not in LENGTHS:
        raise LiquidTypeError(f"a length is one of {', '.join(LENGTHS)}", token=None)
    return str(length)


def _instant(value: object, zone: object) -> datetime:
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        else:
            found = datetime.fromisoformat(str(value))
        place = ZoneInfo(str(zone))
    except (ValueError, OverflowError, OSError, KeyError):
        detail = f"an ISO 8601 time such as 2026-11-23T10:00:00Z is needed, not {str(value)[:40]!r} ({zone})"
        raise LiquidTypeError(detail, token=None) from None
    return found.astimezone(place) if found.tzinfo else found.replace(tzinfo=place)


def _day(value: object, zone: object) -> date:
    text = str(value)
    if len(text) == len("2026-11-23"):  # a day is the same in every zone
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    return _instant(value, zone).date()


def _native(text: str, locale: Locale) -> str:
    """Digits of the locale's own script, which Babel leaves Latin, and spaces that the GSM alphabet has.

    A no-break space would make every part of an SMS 70 characters long (3GPP TS 23.038 §6.2.1 has none).
    """
    plain = text.translate(SPACES)
    return plain.translate(DIGITS[locale.default_numbering_system])


def _digits(zero: str) -> dict[int, str]:
    return {ord("0") + value: chr(ord(zero) + value) for value in range(10)}


SPACES = {0xA0: " ", 0x202F: " "}
DIGITS: defaultdict[str, dict[int, str]] = defaultdict(dict, arabext=_digits("۰"), arab=_digits("٠"))
