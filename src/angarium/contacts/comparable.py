"""Values of contacts as segments compare them: text that sorts as the values do. Pure.

1. Numbers are the hexadecimal digits of their bits, dates and times stand as they are written. What kind a
   value is can be told from its first character, so no definition is needed to write it.
2. Text is kept as it is compared: small letters, composed, without control characters, VALUE_MAX characters.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from struct import Struct
from typing import Protocol
from unicodedata import normalize

import msgspec

from angarium.core.values import Address, Json

PLACES = 32  # fields of a workspace that are columns of the row
VALUE_MAX = 200  # characters of a text that are looked at
USUAL_MAX = 40  # characters of a value that others may have too
NUMBER, TRUTH, MONEY = "\x01", "\x02", "\x03"  # how such values begin; text never does
APART = "\x1f"  # between tags, and before the first and after the last
ADDRESS = "\n"  # before each address
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class Indexed(Protocol):
    """A contact, as far as it is looked at."""

    @property
    def id(self) -> int: ...
    @property
    def external_id(self) -> str | None: ...
    @property
    def name(self) -> str: ...
    @property
    def locale(self) -> str: ...
    @property
    def time_zone(self) -> str: ...
    @property
    def country(self) -> str: ...
    @property
    def fields(self) -> Json: ...
    @property
    def tags(self) -> tuple[str, ...]: ...
    @property
    def opted_out(self) -> frozenset[str]: ...
    @property
    def opted_in(self) -> frozenset[str]: ...
    @property
    def created_at(self) -> int: ...
    @property
    def updated_at(self) -> int: ...
    @property
    def addresses(self) -> tuple[Address, ...]: ...


def encoded(value: object) -> str | None:
    """A value of a field as text that sorts as the value does; None for one that is empty."""
    if isinstance(value, str):
        return (usual_value(value) if len(value) <= USUAL_MAX else fold(value)) or None
    if isinstance(value, bool):
        return TRUTH + ("1" if value else "0")
    if isinstance(value, int | float):
        return NUMBER + sortable(value)
    if (
        isinstance(value, dict)
        and value.keys() == {"micros", "currency"}
        and isinstance(value["micros"], int)
    ):
        return MONEY + fold(str(value["currency"])) + sortable(value["micros"])
    return fold(msgspec.json.encode(value).decode()) if value else None


def fold(text: str) -> str:
    """Text as it is compared: case and composition do not matter, nor what stands behind VALUE_MAX."""
    if text.isascii() and text.isprintable():
        return text[:VALUE_MAX].strip().lower()
    return CONTROL.sub(" ", normalize("NFC", text[: 2 * VALUE_MAX].casefold()))[:VALUE_MAX].strip()


def fold_each(texts: Sequence[str]) -> list[str]:
    """`fold` of each text; most are folded as one, where no letter changes beside a line feed."""
    whole = "\n".join(texts)
    folded = whole.lower() if whole.isascii() else normalize("NFC", whole.casefold())
    found = list(map(str.strip, folded.split("\n")))
    short = max(map(len, texts), default=0) <= VALUE_MAX and max(map(len, found)) <= VALUE_MAX
    if short and len(found) == len(texts) and not CONTROL.search(whole.replace("\n", "")):
        return found
    return list(map(fold, texts))


usual = lru_cache(10_000)(fold)  # for what many contacts have: a tag, a locale, a time zone
usual_value = lru_cache(10_000)(fold)  # of fields, apart from those: many are each of one contact alone


def sortable(number: float) -> str:
    """Sixteen digits that sort as the number does; what is too large for a double is the largest one."""
    try:
        (bits,) = _BITS.unpack(_DOUBLE.pack(number + 0.0))  # makes one zero of the two
    except OverflowError:
        (bits,) = _BITS.unpack(_DOUBLE.pack(float("inf") if number > 0 else float("-inf")))
    return f"{bits ^ (_ALL if bits >> 63 else _SIGN):016x}"


_DOUBLE, _BITS = Struct(">d"), Struct(">Q")
_ALL, _SIGN = (1 << 64) - 1, 1 << 63


def listed(words: Collection[str]) -> str:
    """Words that can be looked for one by one: each stands between two separators."""
    return f"{APART}{APART.join(map(usual, sorted(words)))}{APART}" if words else ""


def compared(
    external_id: str | None,
    name: str,
    locale: str,
    time_zone: str,
    country: str,
    tags: Collection[str],
) -> tuple[str | None, ...]:
    """What is looked at of a contact itself, in the order of its columns."""
    return (
        external_id and fold(external_id),
        fold(name) or None,
        usual(locale) or None,
        usual(time_zone),
        usual(country) or None,
        listed(tags),
    )


def address_told(address: Address) -> str:
    """An address with what is known of it."""
    return address_cell(
        address.kind,
        address.value,
        verified=address.verified_at > 0,
        shielded=address.operator_blacklist,
    )


def address_cell(kind: str, value: str, *, verified: bool = False, shielded: bool = False) -> str:
    """An address with what is known of it in front: verified, on the operator's blacklist."""
    return f"{ADDRESS}{int(verified)}{int(shielded)}{kind}:{fold(value)}"
