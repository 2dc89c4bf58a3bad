"""Addresses and times as SMPP writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from angarium.core.clock import from_datetime, micros, to_datetime
from angarium.protocols.smpp_numbers import (
    NPI_ISDN,
    NPI_UNKNOWN,
    TON_ABBREVIATED,
    TON_ALPHANUMERIC,
    TON_INTERNATIONAL,
    TON_UNKNOWN,
)

SENDER_NAME_MAX = 11  # letters and digits (3GPP TS 23.040 §9.1.2.5: 10 octets of septets)
NUMBER_MAX = 20  # digits of source_addr and destination_addr
SHORT_CODE_MAX = 8  # digits; fewer are a code of the operator's, not a subscriber
FULL_NUMBER_MIN = 10  # digits from which a number of unknown type is taken for an international one
DAY_S = 86_400
RELATIVE_MAX_S = 28 * DAY_S  # beyond it the relative form counts in months, which have no length
MONTH_DAYS, YEAR_DAYS = 30, 365  # what a relative time of somebody else's is taken to mean by them
QUARTER_S = 900  # in which the zone of an absolute time is counted
TIME = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9])([0-9]{2})([-+R])")


def is_number(text: str) -> bool:
    """Whether it is digits, perhaps with a + before them."""
    digits = text.removeprefix("+")
    return digits.isascii() and digits.isdigit() and len(digits) <= NUMBER_MAX


def is_printable(text: str) -> bool:
    """Whether a C-octet string of ours holds printable ASCII only."""
    return text.isascii() and text.isprintable()


def is_sender(text: str) -> bool:
    """Whether a message can come from it: a number, or a short name."""
    return is_number(text) or (len(text) <= SENDER_NAME_MAX and is_printable(text))


def sender_kind(source: str) -> tuple[int, int]:
    """Type of number and numbering plan of a sender, by what it looks like."""
    if not source:
        return TON_UNKNOWN, NPI_UNKNOWN  # the operator puts its own
    if not is_number(source):
        return TON_ALPHANUMERIC, NPI_UNKNOWN
    short = not source.startswith("+") and len(source) <= SHORT_CODE_MAX
    return (TON_ABBREVIATED, NPI_UNKNOWN) if short else (TON_INTERNATIONAL, NPI_ISDN)


def phone(address: str, ton: int) -> str:
    """An address as it came, with + where it is a whole number."""
    if not (address.isascii() and address.isdigit()):
        return address
    international = ton == TON_INTERNATIONAL or (ton == TON_UNKNOWN and len(address) >= FULL_NUMBER_MIN)
    return f"+{address}" if international else address


@lru_cache(maxsize=1_024)  # those of a batch have the same time left
def relative_time(seconds: int) -> str:
    """A time from now (SMPP 3.4 §7.1.1): 600 s is `000000001000000R`. 1 s to 28 days; beyond is cut off."""
    days, rest = divmod(min(max(seconds, 1), RELATIVE_MAX_S), DAY_S)
    return f"0000{days:02}{rest // 3600:02}{rest // 60 % 60:02}{rest % 60:02}000R"


def absolute_time(at: int) -> str:
    """An instant, in UTC (SMPP 3.4 §7.1.1): `261128134500000+`."""
    return f"{to_datetime(at):%y%m%d%H%M%S}000+"


def read_time(text: str, now: int) -> int | None:
    """The instant that a field of time names, absolute or from `now` on (SMPP 3.4 §7.1.1); None when it is
    empty. ValueError when it is no time."""
    if not text:
        return None
    found = TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:17]!r} is no YYMMDDhhmmsstnnp")
    year, month, day, hour, minute, second, tenth, quarters = (int(found[place]) for place in range(1, 9))
    if found[9] == "R":
        days = year * YEAR_DAYS + month * MONTH_DAYS + day
        return now + micros(((days * 24 + hour) * 60 + minute) * 60 + second)
    zone = timedelta(seconds=quarters * QUARTER_S) * (1 if found[9] == "+" else -1)
    at = datetime(2000 + year, month, day, hour, minute, second, tenth * 100_000, UTC)
    return from_datetime(at - zone)
