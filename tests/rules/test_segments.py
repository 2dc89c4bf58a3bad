"""What rules may be, what is said of those that may not, and what becomes of them on their way to SQL."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.contacts.activity import (
    ANY_CLASS,
    LATEST,
    Tally,
    Topic,
    as_bytes,
    as_count,
    counted,
    place_of,
    unpacked,
)
from angarium.contacts.comparable import encoded, fold, sortable
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.segments.check import check
from angarium.contacts.segments.lower import Known, Term, anniversaries, lower, todays
from angarium.contacts.segments.rules import OPERATORS, Rule
from angarium.contacts.segments.store import sql
from angarium.core import ids
from angarium.core.values import MessageClass

DEFINED = {kind.value: FieldDefinition(kind.value, kind, choices=("a",)) for kind in FieldKind}
TEXT = {"field": "text", "is": "is", "value": "x"}
SEGMENT = ids.show("segment", 5)
NOW = 1_795_824_000_000_000  # 2026-11-28T00:00:00Z


def rule(described: Any) -> Rule:
    """A rule as the API reads it."""
    return msgspec.convert(described, Rule)


def deep(depth: int) -> dict[str, Any]:
    """A rule under so many branches."""
    return TEXT if depth == 0 else {"not": deep(depth - 1)}


WRONG: list[tuple[Any, str, str]] = [
    ({}, "rules", "asks nothing"),
    ({"tag": "a", "field": "b"}, "rules", "asks several things"),
    ({"all": [TEXT], "any": [TEXT]}, "rules", "asks several things"),
    ({"all": []}, "rules.all", "is empty"),
    ({"all": [TEXT, {"any": [{"not": {}}]}]}, "rules.all[1].any[0].not", "asks nothing"),
    ({"all": [TEXT, TEXT, {**TEXT, "value": 5}]}, "rules.all[2].value", "is not text"),
    ({**TEXT, "value": ""}, "rules.value", "is empty"),
    ({**TEXT, "value": " \x00"}, "rules.value", "is empty"),
    ({**TEXT, "value": "x" * 201}, "rules.value", "is too long"),
    ({"field": "text", "is": "is"}, "rules.value", "is missing"),
    ({"field": "text"}, "rules.is", "is missing"),
    ({"field": "", "is": "is_set"}, "rules.field", "is empty"),
    ({"field": "text", "is": "at_least", "value": "x"}, "rules.is", "does not go with text"),
    ({"field": "text", "is": "is_set", "value": "x"}, "rules.value", "is not wanted"),
    ({"field": "text", "is": "is_one_of", "value": "x"}, "rules.value", "is not a list"),
    ({"field": "text", "is": "is_one_of", "value": []}, "rules.value", "has 0 values"),
    ({"field": "text", "is": "is_one_of", "value": ["x"] * 201}, "rules.value", "has 201 values"),
    ({"field": "number", "is": "is", "value": True}, "rules.value", "is not a number"),
    ({"field": "number", "is": "is", "value": 1e300}, "rules.value", "is out of range"),
    ({"field": "number", "is": "contains", "value": "1"}, "rules.is", "does not go with number"),
    ({"field": "number", "is": "between", "value": [1]}, "rules.value", "is not two values"),
    ({"field": "money", "is": "at_least", "value": 5}, "rules.value", "has no currency"),
    (
        {"field": "money", "is": "between", "value": ["1 EUR", "2 USD"]},
        "rules.value",
        "is in two currencies",
    ),
    ({"field": "date", "is": "before", "value": "2026-02-30"}, "rules.value", "is no day of the calendar"),
    ({"field": "date", "is": "in_last_days", "value": -1}, "rules.value", "is not a number of days"),
    ({"field": "date", "is": "in_last_days", "value": 1e9}, "rules.value", "is not a number of days"),
    (
        {"field": "date", "is": "before", "value": "2026-01-01", "zone": "UTC"},
        "rules.zone",
        "does not go with",
    ),
    (
        {"field": "date", "is": "in_last_days", "value": 1, "zone": "../etc"},
        "rules.zone",
        "is not a time zone",
    ),
    ({"field": "date_time", "is": "after", "value": "2026-01-01T10:00:00"}, "rules.value", "with a zone"),
    ({"field": "yes_no", "is": "is", "value": "maybe"}, "rules.value", "is neither yes nor no"),
    ({"property": "created_at", "is": "contains", "value": "x"}, "rules.is", "does not go with date_time"),
    ({"tag": ""}, "rules.tag", "is empty"),
    ({"tag": "a", "value": 1}, "rules.value", "does not go with tag"),
    ({"not": TEXT, "zone": "UTC"}, "rules.zone", "does not go with not"),
    ({"address": "phone", "starts_with": ["+7", ""]}, "rules.starts_with[1]", "is empty"),
    ({"opted_out": "spam"}, "rules.opted_out", "is no class"),
    ({"history": "sent", "template": "tpl_x"}, "rules.template", "is not the id of a template"),
    ({"history": "sent", "days": 5_000}, "rules.days", "is out of range"),
    ({"history": "sent", "times": 0}, "rules.times", "is out of range"),
    ({"history": "sent", "times": 11, "days": 5}, "rules.times", "is out of range"),
    ({"history": "sent", "times": 2, "never": True}, "rules.times", "does not go with never"),
    ({"history": "sent", "is": "is"}, "rules.is", "does not go with history"),
    ({"segment": "seg_0000000000009"}, "rules.segment", "cannot be used here"),
    ({"all": [TEXT] * 50}, "rules", "are too many"),
    (deep(6), "rules" + ".not" * 6, "lies too deep"),
]


@pytest.mark.parametrize(("described", "field", "problem"), WRONG)
def test_what_is_wrong_is_told_with_its_place(described: Any, field: str, problem: str) -> None:
    found = check(rule(described), DEFINED, {SEGMENT})
    assert [one.field for one in found] == [field]
    assert problem in found[0].problem
    assert found[0].remedy


GOOD: list[Any] = [
    {"all": [TEXT] * 49},
    deep(5),
    {"segment": SEGMENT},
    {"field": "money", "is": "between", "value": ["1 EUR", {"amount": "2", "currency": "EUR"}]},
    {"history": "sent", "times": 11},
    {"history": "sent", "times": 10, "days": 5},
    {"field": "unknown", "is": "at_least", "value": 5},
    {"field": "unknown", "is": "anniversary_in_next_days", "value": 7},
    {"field": "unknown", "is": "between", "value": ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]},
]


@pytest.mark.parametrize("described", GOOD)
def test_what_is_right_is_not_spoken_of(described: Any) -> None:
    assert check(rule(described), DEFINED, {SEGMENT}) == ()


def test_no_more_problems_are_told_than_can_be_read() -> None:
    assert len(check(rule({"all": [{}] * 40}), DEFINED)) == 20


# ── on the way to SQL ────────────────────────────────────────────────────────────────────────────────

KNOWN = Known(NOW, {"text": 0, "date": 1, "far": 40}, DEFINED, {Topic(MessageClass.SERVICE, "a", 7): 3})


def one(described: Any) -> Term:
    """The test under a leaf."""
    (part,) = lower(rule(described), KNOWN).parts
    return part


@pytest.mark.parametrize(
    ("described", "test"),
    [
        (TEXT, Term("eq", "value_0", ("x",))),
        ({**TEXT, "value": "ΧΑΟΣ"}, Term("eq", "value_0", ("χαοσ",))),
        ({**TEXT, "is": "is_not"}, Term("not", parts=(Term("eq", "value_0", ("x",)),))),
        ({**TEXT, "field": "far"}, Term("beyond", "", (40,), (Term("eq", "value", ("x",)),))),
        ({**TEXT, "field": "unknown"}, Term("never")),
        ({"field": "unknown", "is": "is_empty"}, Term("not", parts=(Term("never"),))),
        ({"tag": "VIP"}, Term("contains", "tags", ("\x1fvip\x1f",))),
        (
            {"address": "email", "verified": True, "starts_with": ["a_%\\"]},
            Term("like", "addresses", ("%\n1_email:a\\_\\%\\\\%",)),
        ),
        ({"history": "sent"}, Term("happened", "sent", (b"\x8f\xfe",))),
        (
            {"history": "read", "class": "service", "days": 1, "times": 2},
            Term("happened", "read times2 since", (b"\x83\xfe", b"\0\0\2", as_bytes(NOW - 86_400_000_000))),
        ),
        (
            {"history": "read", "class": "service", "channel": "smpp", "times": 200},
            Term("happened_on", "read times", (b"\x83smpp\xfe", b"\0\1H")),
        ),
        ({"history": "sent", "label": "a"}, Term("mention", "", (1, [3]))),
        ({"history": "sent", "label": "b"}, Term("mention", "", (1, []))),
        ({"history": "sent", "template": ids.show("template", 7)}, Term("mention", "", (1, [3]))),
    ],
)
def test_a_leaf_becomes_a_test(described: Any, test: Term) -> None:
    assert one(described) == test


def test_another_value_is_the_same_statement() -> None:
    first, second = (lower(rule({**TEXT, "value": value}), KNOWN) for value in ("x", "y"))
    assert sql.counting(first.shape()) is sql.counting(second.shape())
    assert sql.values(first) != sql.values(second)
    other = lower(rule({**TEXT, "is": "contains"}), KNOWN)
    assert sql.counting(other.shape()) is not sql.counting(first.shape())


def test_nothing_that_was_given_stands_in_the_text() -> None:
    marker = "'; DROP TABLE contact; --"
    described = {
        "any": [
            {**TEXT, "value": marker},
            {**TEXT, "is": "is_one_of", "value": [marker]},
            {"tag": marker},
            {"address": "vk", "starts_with": [marker]},
            {"history": "sent", "channel": marker, "label": marker},
        ]
    }
    test = lower(rule(described), KNOWN)
    for statement in (sql.counting(test.shape()), sql.counting_each(test.shape()), sql.paging(test.shape())):
        for dialect in ("sqlite", "postgresql"):
            assert "DROP" not in statement.text(dialect).upper()


@pytest.mark.parametrize(
    ("today", "days", "found"),
    [
        ("2026-12-30", 3, ["12-30", "12-31", "01-01", "01-02"]),
        ("2027-02-27", 1, ["02-27", "02-28", "02-29"]),
        ("2027-02-28", 0, ["02-28", "02-29"]),
        ("2027-03-01", 0, ["03-01"]),
        ("2028-02-28", 0, ["02-28"]),
        ("2028-02-28", 1, ["02-28", "02-29"]),
    ],
)
def test_birthdays_come_every_year(today: str, days: int, found: list[str]) -> None:
    assert anniversaries(date.fromisoformat(today), days) == found


def test_it_is_two_days_at_once_on_earth() -> None:
    usual, others = todays(NOW)
    assert usual == date(2026, 11, 28)
    assert [day for day, _ in others] == [date(2026, 11, 27)]
    assert "america/new_york" in others[0][1]
    usual, others = todays(NOW + 10 * 3_600_000_000 + 1_800_000_000)
    assert [day for day, _ in others] == [date(2026, 11, 27), date(2026, 11, 29)]


def test_every_operator_can_be_used() -> None:
    assert all(meaning.kinds and meaning.says for meaning in OPERATORS.values())


# ── values ───────────────────────────────────────────────────────────────────────────────────────────


def test_numbers_sort_as_text() -> None:
    numbers = [float("-inf"), -1e300, -2.5, -1, -0.5, 0, 1e-300, 0.5, 1, 2, 10, 1e300, 10**400]
    told = [sortable(number) for number in numbers]
    assert told == sorted(told)
    assert sortable(-0.0) == sortable(0)
    assert sortable(1) == sortable(1.0)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        ("", None),
        (" \t", None),
        ([], None),
        ({}, None),
        ("Київ", "київ"),
        ("e\u0301", "é"),
        ("a\x00b\x1fc", "a b c"),
        ("x" * 300, "x" * 200),
        (True, "\x021"),
        (False, "\x020"),
        (1, "\x01bff0000000000000"),
        ({"micros": 1, "currency": "EUR"}, "\x03eurbff0000000000000"),
        ({"micros": "1", "currency": "EUR"}, '{"micros":"1","currency":"eur"}'),
        ([1, "A"], '[1,"a"]'),
    ],
)
def test_a_value_is_told_as_text_that_sorts(value: Any, told: str | None) -> None:
    assert encoded(value) == told


def test_what_is_folded_stays_as_it_is() -> None:
    for text in ("Straße", "İstanbul", "ΧΑΟΣ", "e\u0301" * 150, "ﬁ" * 200, "a" * 199 + " b", "ẖ" * 250):
        assert fold(fold(text)) == fold(text)
        assert len(fold(text)) <= 200


def test_a_tally_remembers_the_last_times() -> None:
    tally = Tally()
    tally.add([at * 1_000_000 for at in range(20)])
    tally.add([5_000_000])
    assert (tally.times, tally.last_at, len(tally.recent)) == (21, 19_000_000, 50)
    assert [tally.within(since * 1_000_000) for since in (0, 10, 15, 19, 20)] == [10, 10, 5, 1, 0]


@given(st.lists(st.integers(0, 1 << 33), min_size=2, max_size=2))
def test_what_is_later_is_less_in_bytes(seconds: list[int]) -> None:
    one, other = (min(at, LATEST) for at in seconds)
    in_bytes = [as_bytes(at * 1_000_000) for at in seconds]
    assert (in_bytes[0] < in_bytes[1], in_bytes[0] == in_bytes[1]) == (one > other, one == other)
    assert all(digit < 0x80 for digit in b"".join(in_bytes))


HAPPENED = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(("smpp", "viber_business")), st.integers(0, 4_000_000_000)),
    max_size=60,
)


@given(HAPPENED)
def test_what_is_kept_says_what_happened(happened: list[tuple[int, str, int]]) -> None:
    tallies: dict[tuple[int, str], Tally] = {}
    kept = b""
    for number, channel, seconds in happened:
        at = seconds * 1_000_000
        tallies.setdefault((number, channel), Tally()).add([at])
        for one in (number, ANY_CLASS):
            kept = counted(kept, place_of(one, channel), as_bytes(at))
    assert unpacked(kept) == tallies
    for channel in ("smpp", "viber_business"):
        of_channel = [seconds for _, own, seconds in happened if own == channel]
        entry = place_of(ANY_CLASS, channel) + as_count(len(of_channel))
        times = b"".join(as_bytes(at * 1_000_000) for at in sorted(of_channel, reverse=True)[:10])
        assert (entry + times in kept) is bool(of_channel)


def test_how_often_is_told_as_far_as_it_goes() -> None:
    assert [as_count(times) for times in (0, 127, 128, 1 << 30)] == [
        b"\0\0\0",
        b"\0\0\x7f",
        b"\0\1\0",
        b"\x7f" * 3,
    ]
