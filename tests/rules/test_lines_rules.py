"""What a line must be: each field at its bounds, prices to the micro-unit, hours."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.ports import Capabilities, Channel
from angarium.core.values import AddressKind, Hours, Measure, MessageClass, amount_text
from angarium.lines.rules import (
    DECLARED,
    SPEED_MAX_PER_S,
    WINDOW_MAX,
    LineInput,
    check,
    price_micros,
)

OTP, _, SERVICE, PROMOTIONAL = MessageClass


class NoSettings(msgspec.Struct):
    """A channel that needs none."""


async def _never(*_: object) -> None:
    raise AssertionError("rules send nothing")


PIGEON = Channel(
    kind="pigeon",
    title="Pigeon post",
    address_kind=AddressKind.PHONE,
    settings=NoSettings,
    capabilities=Capabilities(receipts=frozenset(), classes=frozenset({SERVICE, PROMOTIONAL})),
    parse=lambda _settings, _raw: [],
    measure=lambda _settings, _content: Measure(1, 0, "", 0),
    send=_never,  # type: ignore[arg-type]  it is never called
)
GOOD = LineInput(name="shop", channel="pigeon", classes=(SERVICE,), registration="approved")


def wrong(**changes: object) -> list[str]:
    """The fields that are wrong after a change to a good line; each says how to mend it."""
    found = check(msgspec.structs.replace(GOOD, **changes), PIGEON)
    assert all(one.problem and one.remedy for one in found)
    return [one.field for one in found]


def test_a_good_line() -> None:
    assert wrong() == []


GOOD_NAMES = ["a", "7", "shop-1", "shop.main_2", "a" * 64]
BAD_NAMES = ["", "Shop", "a" * 65, "-a", ".a", "a b", "магазин", "a\n"]
BAD_PRICES = ["", "-1", "1,5", ".5", "1.", "1.0000001", "1e3", "٥", "9" * 10, "1\n"]

FIELDS = [  # a field, values that may be, values that may not
    ("name", GOOD_NAMES, BAD_NAMES),
    ("classes", [(SERVICE,), (SERVICE, PROMOTIONAL)], [(), (OTP,), (SERVICE, OTP)]),
    ("registration", ["", *DECLARED, "in_review", "expired"], ["Approved", "perhaps"]),
    ("speed_per_s", [0, 0.01, SPEED_MAX_PER_S], [-0.1, SPEED_MAX_PER_S + 1, math.nan, math.inf]),
    ("window", [1, WINDOW_MAX], [0, -1, WINDOW_MAX + 1]),
    ("price_per", ["part", "message"], ["", "segment"]),
    ("price", ["0", "0.0385", "1", "999999999.999999"], BAD_PRICES),
    ("currency", ["EUR", "IRR"], ["", "eur", "EURO", "€", "EUR\n"]),
]


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, good, _ in FIELDS for value in good])
def test_what_a_field_may_be(field: str, value: object) -> None:
    assert wrong(**{field: value}) == []


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, _, bad in FIELDS for value in bad])
def test_what_a_field_may_not_be(field: str, value: object) -> None:
    assert wrong(**{field: value}) == [field]


def test_everything_wrong_is_told_at_once() -> None:
    fields = [field for field, _, _ in FIELDS if field != "classes"]  # only an approved line needs one
    changes = {field: bad[0] for field, _, bad in FIELDS}
    assert wrong(**changes, hours=Hours(days=())) == [*fields, "hours.days"]


def test_a_draft_may_be_without_a_class() -> None:
    assert wrong(registration="draft", classes=()) == []


def test_a_long_value_is_not_quoted_whole() -> None:
    (found,) = check(msgspec.structs.replace(GOOD, name="X" * 100_000), PIGEON)
    assert len(found.value) < 100


# ── hours ────────────────────────────────────────────────────────────────────────────────────────────

HOURS = [  # hours, the fields that are wrong
    (Hours(), []),
    (Hours("00:00", "24:00"), []),
    (Hours("23:59", "00:00"), []),
    (Hours("22:00", "06:00", (7,), "Asia/Tehran"), []),
    (Hours("24:00", "06:00"), ["hours.from"]),
    (Hours("9:00", "21:00"), ["hours.from"]),
    (Hours("09:00", "21:60"), ["hours.until"]),
    (Hours("09:00", "24:01"), ["hours.until"]),
    (Hours("09:00", "25:00"), ["hours.until"]),
    (Hours("09:00\n", "0۹:00"), ["hours.from", "hours.until"]),
    (Hours(days=()), ["hours.days"]),
    (Hours(days=(0,)), ["hours.days"]),
    (Hours(days=(1, 8)), ["hours.days"]),
    (Hours(days=(1,) * 8), ["hours.days"]),
    (Hours(zone=""), ["hours.zone"]),
    (Hours(zone="Tehran"), ["hours.zone"]),
    (Hours(zone="../UTC"), ["hours.zone"]),
]


@pytest.mark.parametrize(("hours", "fields"), HOURS)
def test_hours(hours: Hours, fields: list[str]) -> None:
    assert wrong(hours=hours) == fields


# ── prices ───────────────────────────────────────────────────────────────────────────────────────────

PRICES = [
    ("0", 0),
    ("1", 1_000_000),
    ("0.000001", 1),
    ("0.0385", 38_500),
    ("12.5", 12_500_000),
    ("007", 7_000_000),
]


@pytest.mark.parametrize(("text", "micros"), PRICES)
def test_a_price_in_micro_units(text: str, micros: int) -> None:
    assert price_micros(text) == micros


@given(st.integers(0, 999_999_999_999_999))
def test_no_micro_unit_is_lost(micros: int) -> None:
    text = amount_text(micros)
    assert price_micros(text) == micros
    assert not text.endswith(".")
    assert "." not in text or not text.endswith("0")


@given(st.text(max_size=20))
def test_any_text_is_a_price_or_none(text: str) -> None:
    micros = price_micros(text)
    assert micros is None or micros >= 0


def test_amounts_as_people_write_them() -> None:
    shown = {0: "0", 1: "0.000001", 12_500_000: "12.5", -1_500_000: "-1.5", -1: "-0.000001", 3_000_000: "3"}
    assert {micros: amount_text(micros) for micros in shown} == shown
