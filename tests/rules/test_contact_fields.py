"""Fields that a workspace defines: each kind takes what people and systems write, and keeps one form."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.contacts.fields import (
    CHOICE_MAX,
    CHOICES_MAX,
    EXACT_MAX,
    LABEL_MAX,
    TAKEN,
    TEXT_MAX,
    FieldDefinition,
    FieldKind,
    check,
    clean,
    clean_all,
)
from angarium.core.problems import FieldProblem

TEXT = FieldDefinition("t", FieldKind.TEXT)
NUMBER = FieldDefinition("n", FieldKind.NUMBER)
DATE = FieldDefinition("d", FieldKind.DATE)
TIME = FieldDefinition("dt", FieldKind.DATE_TIME)
MONEY = FieldDefinition("m", FieldKind.MONEY)
EURO = FieldDefinition("e", FieldKind.MONEY, currency="EUR")
CHOICE = FieldDefinition("c", FieldKind.CHOICE, choices=("gold", "срібло"))
YES_NO = FieldDefinition("y", FieldKind.YES_NO)
EVERY = [TEXT, NUMBER, DATE, TIME, MONEY, EURO, CHOICE, YES_NO]


def euros(micros: int, currency: str = "EUR") -> dict[str, Any]:
    """Money as it is kept."""
    return {"micros": micros, "currency": currency}


GOOD: list[tuple[FieldDefinition, object, object]] = [  # as it was written, as it is kept
    (TEXT, "Київ", "Київ"),
    (TEXT, "", ""),
    (TEXT, " two\nlines\t", " two\nlines\t"),
    (TEXT, "x" * TEXT_MAX, "x" * TEXT_MAX),
    (NUMBER, 12, 12),
    (NUMBER, 12.5, 12.5),
    (NUMBER, 12.0, 12),
    (NUMBER, " 12.50 ", 12.5),
    (NUMBER, "-0007", -7),
    (NUMBER, "۱۲٫۵".replace("٫", "."), 12.5),
    (NUMBER, EXACT_MAX, EXACT_MAX),
    (NUMBER, -EXACT_MAX, -EXACT_MAX),
    (DATE, "2026-11-23", "2026-11-23"),
    (DATE, " 2028-02-29 ", "2028-02-29"),
    (DATE, "۲۰۲۶-۱۱-۲۳", "2026-11-23"),
    (TIME, "2026-11-23T08:30:00Z", "2026-11-23T08:30:00.000Z"),
    (TIME, "2026-11-23T12:00:00+03:30", "2026-11-23T08:30:00.000Z"),
    (TIME, "2026-11-23 08:30:00.1239Z", "2026-11-23T08:30:00.123Z"),
    (EURO, 12, euros(12_000_000)),
    (EURO, "12.50", euros(12_500_000)),
    (EURO, "12.5 EUR", euros(12_500_000)),
    (EURO, "12.5eur", euros(12_500_000)),
    (EURO, {"amount": "0.000001"}, euros(1)),
    (EURO, {"micros": -5, "currency": "EUR"}, euros(-5)),
    (MONEY, {"amount": 7, "currency": "IRR"}, euros(7_000_000, "IRR")),
    (MONEY, "7 UAH", euros(7_000_000, "UAH")),
    (CHOICE, "gold", "gold"),
    (CHOICE, " срібло ", "срібло"),
    (YES_NO, True, True),
    (YES_NO, False, False),
    (YES_NO, "Yes", True),
    (YES_NO, " no", False),
    (YES_NO, "1", True),
    *[(one, None, None) for one in EVERY],
    *[(one, " ", None) for one in EVERY if one is not TEXT],
]


@pytest.mark.parametrize(("definition", "value", "kept"), GOOD)
def test_what_may_stand_there(definition: FieldDefinition, value: object, kept: object) -> None:
    found = clean(definition, value)
    assert found == kept
    assert type(found) is type(kept)
    assert clean(definition, found) == kept  # what is kept may be sent back


BAD: list[tuple[FieldDefinition, object]] = [
    *[(TEXT, value) for value in (12, True, [], {}, "x" * (TEXT_MAX + 1), "a\x00", "a\x1b")],
    *[(NUMBER, value) for value in ("twelve", "1,5", "1e5", "0x1", True, [], {}, "--1", ".5", "5.")],
    *[(NUMBER, value) for value in (EXACT_MAX + 1, -(10**400), 1e300, float("inf"), float("nan"), "9" * 20)],
    *[(DATE, value) for value in ("23.11.2026", "2026-2-3", "2026-02-30", 20261123, "2026-11-23T00:00:00Z")],
    *[
        (TIME, value)
        for value in ("2026-11-23T08:30:00", "2026-11-23", "now", 0, "0001-01-01T00:00:00+14:00")
    ],
    *[(MONEY, value) for value in (12, "12", "12 EURO", {"amount": "12"}, {"amount": "12", "currency": "€"})],
    *[
        (EURO, value)
        for value in (
            "12 USD",
            {"micros": 1, "amount": 1},
            {},
            {"micros": 1.5},
            "0.0000001",
            {"micros": True},
        )
    ],
    *[(EURO, value) for value in ({"amount": "1", "vat": 1}, "99999999999999", [], True)],
    *[(EURO, value) for value in ({"amount": {"a": 1}}, {"amount": 1, "currency": 5}, "twelve")],
    *[(CHOICE, value) for value in ("bronze", "GOLD", 1, ["gold"])],
    *[(YES_NO, value) for value in ("maybe", 1, 0, [], "yesno")],
]


@pytest.mark.parametrize(("definition", "value"), BAD)
def test_what_may_not_stand_there(definition: FieldDefinition, value: object) -> None:
    found = clean(definition, value)
    assert isinstance(found, FieldProblem), found
    assert found.field == f"fields.{definition.name}"
    assert found.problem
    assert found.remedy
    assert len(found.value) <= 80


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(EVERY), JSON)
def test_anything_is_kept_in_a_form_that_stays_or_is_a_problem(
    definition: FieldDefinition, value: object
) -> None:
    found = clean(definition, value)
    if isinstance(found, FieldProblem):
        return
    there_and_back = msgspec.json.decode(msgspec.json.encode(found))
    assert clean(definition, there_and_back) == found


def test_all_fields_of_a_contact() -> None:
    given_fields = {
        "n": "12",
        "d": "soon",
        "y": "perhaps",
        "c": None,
        "colour": {"any": [1, None]},
        "x": None,
    }
    kept, wrong = clean_all({one.name: one for one in EVERY}, given_fields)
    assert kept == {"n": 12, "colour": {"any": [1, None]}, "x": None}
    assert [one.field for one in wrong] == ["fields.d", "fields.y"]
    assert clean_all({}, given_fields) == (given_fields, ())


# ── definitions ──────────────────────────────────────────────────────────────────────────────────────

GOOD_DEFINITION = FieldDefinition("bonus_2", FieldKind.TEXT, "Бонуси")
CHOICES = {"kind": FieldKind.CHOICE}
FLAWS: list[tuple[dict[str, object], list[str]]] = [
    ({}, []),
    ({"name": "_x"}, []),
    ({"kind": FieldKind.MONEY, "currency": "UAH"}, []),
    ({"kind": FieldKind.MONEY}, []),
    (CHOICES | {"choices": tuple(str(i) for i in range(CHOICES_MAX))}, []),
    *[({"name": name}, ["name"]) for name in ("", "2x", "a b", "a.b", "місто", "x" * 65, *sorted(TAKEN))],
    ({"label": "x" * (LABEL_MAX + 1)}, ["label"]),
    ({"label": "a\x00"}, ["label"]),
    ({"choices": ("a",)}, ["choices"]),
    (CHOICES, ["choices"]),
    (CHOICES | {"choices": ("a", "a")}, ["choices"]),
    (CHOICES | {"choices": ("a", " b")}, ["choices"]),
    (CHOICES | {"choices": ("a", "x" * (CHOICE_MAX + 1))}, ["choices"]),
    (CHOICES | {"choices": tuple(str(i) for i in range(CHOICES_MAX + 1))}, ["choices"]),
    ({"currency": "EUR"}, ["currency"]),
    ({"kind": FieldKind.MONEY, "currency": "eur"}, ["currency"]),
]


@pytest.mark.parametrize(("changes", "fields"), FLAWS)
def test_what_a_definition_may_be(changes: dict[str, Any], fields: list[str]) -> None:
    found = check(msgspec.structs.replace(GOOD_DEFINITION, **changes))
    assert [one.field for one in found] == fields
    assert all(one.problem and one.remedy and len(one.value) <= 80 for one in found)
