"""What a message costs: price lists, checked and compiled, and `price(book, sold)`. Pure.

Rules:
- A price list is rows. A row names a destination, a class, a unit and from which unit of the month on it
  holds.
- Of the rows that fit, those of the longest prefix count; among them those of the message's class before
  those of any class; among them the tier that the month has come to, counted before this message.
- By the part: price × parts. By the message: the price. By the session: the price for the first message of
  a session of N hours with an address, nothing for the others within it.
- A message costs at least `minimum`, and its cost is rounded up to a multiple of `step`.
- What no row names costs what the line itself says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from angarium.core.clock import MICROS, from_datetime, to_datetime
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import MessageClass
from angarium.lines import destinations
from angarium.lines.destinations import NoPlace
from angarium.lines.rules import price_micros

ROWS_MAX = 20_000
SESSION_H_MAX = 24 * 31
VOLUME_MAX = 10**12
QUARTER = 15 * 60 * MICROS  # of an hour: zones are off UTC by so many of them, so each month begins with one
Unit = Literal["part", "message", "session"]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One price, as it is written."""

    price: str
    destination: str = ""  # a prefix or a country; empty: everywhere
    message_class: MessageClass | None = msgspec.field(name="class", default=None)  # None: any
    unit: Unit = "part"
    session_h: int = 24
    volume_from: int = 0  # units of the month before it
    minimum: str = "0"
    step: str = "0"

    @property
    def words(self) -> str:
        """The row in few words: where, which class, from where on."""
        said = [self.destination or "everywhere", self.message_class.value if self.message_class else ""]
        said += [f"from {self.volume_from}" if self.volume_from else "", f"{self.price} a {self.unit}"]
        return " ".join(word for word in said if word)


class Tier(msgspec.Struct, frozen=True):
    """A row in micro-units."""

    row: Row
    micros: int
    minimum: int
    step: int


class Sold(msgspec.Struct, frozen=True):
    """What is to be priced. `volume`: units of the month before it; `in_session`: one is open already."""

    message_class: MessageClass
    address: str
    parts: int
    volume: int = 0
    in_session: bool = False


class Price(msgspec.Struct, frozen=True):
    """What it costs, in micro-units; how many units it counts; the row that decided."""

    micros: int
    units: int
    row: Row


Tiers = tuple[Tier, ...]  # the highest first


class Book(msgspec.Struct, frozen=True):
    """A price list, compiled: the lengths of its prefixes, the longest first, each with its rows by class."""

    levels: tuple[tuple[int, dict[str, dict[str, Tiers]]], ...]
    tiered: bool  # the month's volume matters
    sessions: bool  # open sessions matter

    def tiers(self, message_class: MessageClass, address: str) -> Tiers:
        """The rows that decide about a message, the highest tier first; none when no row names it."""
        for length, level in self.levels:
            found = level.get(address[:length])
            if found is not None:
                of_class = found.get(message_class) or found.get("")
                if of_class:
                    return of_class
        return ()


def price(book: Book, sold: Sold) -> Price | None:
    """What a message costs; None when no row names it."""
    tiers = book.tiers(sold.message_class, sold.address)
    if not tiers:
        return None
    tier = tiers[-1]
    for higher in tiers:
        if higher.row.volume_from <= sold.volume:
            tier = higher
            break
    unit = tier.row.unit
    if unit == "session" and sold.in_session:
        return Price(0, 0, tier.row)
    units = sold.parts if unit == "part" else 1
    micros = max(tier.micros * units, tier.minimum)
    if tier.step:
        micros = -(-micros // tier.step) * tier.step
    return Price(micros, units, tier.row)


def compile_rows(rows: Sequence[Row]) -> Book:
    """Rows without flaws, ready to be asked."""
    flat: dict[str, dict[str, list[Tier]]] = {}
    for row in rows:
        tier = Tier(row, _micros(row.price), _micros(row.minimum), _micros(row.step))
        for prefix in destinations.prefixes(row.destination):
            flat.setdefault(prefix, {}).setdefault(row.message_class or "", []).append(tier)
    by_length: dict[int, dict[str, dict[str, Tiers]]] = {}
    for prefix, classes in flat.items():
        by_length.setdefault(len(prefix), {})[prefix] = {
            name: tuple(sorted(tiers, key=lambda tier: -tier.row.volume_from))
            for name, tiers in classes.items()
        }
    return Book(
        tuple(sorted(by_length.items(), reverse=True)),
        any(row.volume_from for row in rows),
        any(row.unit == "session" for row in rows),
    )


def _micros(text: str) -> int:
    found = price_micros(text)
    assert found is not None, text  # it was checked
    return found


# ── what is wrong with a list ────────────────────────────────────────────────────────────────────────


def check(rows: Sequence[Row]) -> Iterator[tuple[int, FieldProblem]]:
    """What is wrong with rows: (place of the row, problem), the remedy with each."""
    if not 1 <= len(rows) <= ROWS_MAX:
        yield 0, FieldProblem("rows", "are too few or too many", f"1 to {ROWS_MAX}", str(len(rows)))
        return
    seen: dict[tuple[str, str, int], int] = {}
    groups: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        yield from ((place, flaw) for flaw in _flaws(row))
        try:
            found = destinations.prefixes(row.destination)
        except NoPlace as error:
            yield (
                place,
                FieldProblem("destination", error.problem, error.remedy, shown(row.destination)),
            )
            continue
        for prefix in found:
            key = (prefix, row.message_class or "")
            groups.setdefault(key, []).append(place)
            first = seen.setdefault((*key, row.volume_from), place)
            if first != place:
                told = f"says what row {first + 1} says of {prefix or 'everywhere'}"
                yield place, FieldProblem("destination", told, "leave one of them out", row.destination)
    for places in groups.values():
        yield from _flaws_of_tiers(rows, places)


def _flaws(row: Row) -> Iterator[FieldProblem]:
    for name in ("price", "minimum", "step"):
        if price_micros(getattr(row, name)) is None:
            remedy = "a decimal number such as 0.0385, at most six decimals"
            yield FieldProblem(name, "is not a price", remedy, shown(getattr(row, name)))
    if not 1 <= row.session_h <= SESSION_H_MAX:
        yield FieldProblem("session_h", "is out of range", f"1 to {SESSION_H_MAX} hours", str(row.session_h))
    if not 0 <= row.volume_from <= VOLUME_MAX:
        yield FieldProblem("volume_from", "is out of range", f"0 to {VOLUME_MAX}", str(row.volume_from))


def _flaws_of_tiers(rows: Sequence[Row], places: Sequence[int]) -> Iterator[tuple[int, FieldProblem]]:
    """Tiers are of one unit, and the lowest begins with the first message."""
    lowest = min(places, key=lambda place: rows[place].volume_from)
    if rows[lowest].volume_from > 0:
        remedy = "add a row for the same destination and class with volume_from 0"
        yield (
            lowest,
            FieldProblem("volume_from", "has no price below it", remedy, str(rows[lowest].volume_from)),
        )
    for place in places:
        if rows[place].unit != rows[lowest].unit:
            remedy = f"{rows[lowest].unit}, as in row {lowest + 1}: tiers of one destination have one unit"
            yield place, FieldProblem("unit", "is another one", remedy, rows[place].unit)


# ── two lists ────────────────────────────────────────────────────────────────────────────────────────


class Changed(msgspec.Struct, frozen=True):
    """A price that is another one in the new list; None: it is not in that list."""

    before: Row | None
    after: Row | None


def difference(before: Sequence[Row], after: Sequence[Row]) -> list[Changed]:
    """What a new list changes, by destination, class and tier; what stays is left out."""

    def keyed(rows: Sequence[Row]) -> dict[tuple[str, str, int], Row]:
        return {(row.destination, row.message_class or "", row.volume_from): row for row in rows}

    old, new = keyed(before), keyed(after)
    return [
        Changed(old.get(key), new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────


def month_of(at: int, zone: str) -> str:
    """The calendar month of an instant, `2026-11`, where the operator counts it."""
    return _month(at // QUARTER, zone)


@lru_cache(maxsize=1_024)
def _month(quarter: int, zone: str) -> str:
    return f"{to_datetime(quarter * QUARTER).astimezone(ZoneInfo(zone)):%Y-%m}"


def instant(text: str, zone: str) -> int:
    """A time as it is written, with an offset or as the zone's clocks show it; ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone)))
