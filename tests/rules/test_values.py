"""The words of the product, its instants and its problems: what they are written as, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.clock import SystemChance, SystemClock, from_datetime, is_zone, iso, micros, to_datetime
from angarium.core.problems import (
    VALUE_SHOWN_MAX,
    FieldProblem,
    Problem,
    all_invalid,
    invalid,
    not_found,
    shown,
)
from angarium.core.values import (
    PRIORITY,
    AddressKind,
    Button,
    Content,
    Hours,
    MessageClass,
    Reason,
    ReceiptStatus,
)

# ── words ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("words", [MessageClass, Reason, ReceiptStatus, AddressKind])
def test_a_word_is_written_as_it_is_called(words: type[StrEnum]) -> None:
    assert all(word.value == word.name.lower() for word in words)


def test_the_more_urgent_a_class_the_lower_its_priority() -> None:
    assert sorted(PRIORITY, key=PRIORITY.__getitem__) == ["otp", "transactional", "service", "promotional"]
    assert len(set(PRIORITY.values())) == len(MessageClass)


JSON = [  # a value, and its JSON: defaults are left out
    (Hours(), "{}"),
    (Hours("09:00", "21:00"), '{"from":"09:00","until":"21:00"}'),
    (Hours(days=(6, 7), zone="Asia/Tehran"), '{"days":[6,7],"zone":"Asia/Tehran"}'),
    (Content(), "{}"),
    (Content(text="سلام", params={"1": "a"}), '{"text":"سلام","params":{"1":"a"}}'),
    (
        Content(buttons=(Button("Pay", "https://pay.example/7"),)),
        '{"buttons":[{"label":"Pay","url":"https://pay.example/7"}]}',
    ),
]


@pytest.mark.parametrize(("value", "text"), JSON)
def test_json(value: Hours | Content, text: str) -> None:
    assert msgspec.json.encode(value).decode() == text
    assert msgspec.json.decode(text, type=type(value)) == value


NOT_JSON = [
    (Hours, '{"from_":"09:00"}', "unknown field"),
    (Hours, '{"classes":["urgent"]}', "Invalid enum value 'urgent'"),
    (Content, '{"text":"a","sound":"b"}', "unknown field `sound`"),
    (Content, '{"buttons":[{"url":"https://a.example"}]}', "missing required field `label`"),
    (Content, '{"text":null}', "Expected `str`"),
]


@pytest.mark.parametrize(("kind", "text", "problem"), NOT_JSON)
def test_what_is_not_understood_is_refused(kind: type[Hours | Content], text: str, problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.json.decode(text, type=kind)


# ── instants ─────────────────────────────────────────────────────────────────────────────────────────

INSTANTS = [
    (0, "1970-01-01T00:00:00.000Z"),
    (1, "1970-01-01T00:00:00.000Z"),
    (999_999, "1970-01-01T00:00:00.999Z"),
    (1_795_431_600_000_000, "2026-11-23T11:00:00.000Z"),
    (-1, "1969-12-31T23:59:59.999Z"),
    (253_402_300_799_999_999, "9999-12-31T23:59:59.999Z"),
]


@pytest.mark.parametrize(("at", "text"), INSTANTS)
def test_an_instant_as_text(at: int, text: str) -> None:
    assert iso(at) == text


@given(st.integers(0, 253_402_300_799_999_999))
def test_no_microsecond_is_lost(at: int) -> None:
    assert from_datetime(to_datetime(at)) == at


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1971, 1, 1, tzinfo=None)))  # noqa: DTZ001  a zone is added
def test_any_zone_is_the_same_instant(moment: datetime) -> None:
    assert to_datetime(from_datetime(moment)) == moment.astimezone(UTC)


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_comes_twice_is_two_instants(fold: int) -> None:
    moment = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"), fold=fold)
    assert iso(from_datetime(moment)) == f"2026-11-01T0{5 + fold}:30:00.000Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs its zone"):
        from_datetime(datetime(2026, 11, 23))  # noqa: DTZ001  the very thing that is refused


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0), (1, 10**6), (0.1, 10**5), (1e-6, 1), (4e-7, 0)])
def test_seconds_as_microseconds(seconds: float, expected: int) -> None:
    assert micros(seconds) == expected


def test_the_system_clock_tells_the_time() -> None:
    clock = SystemClock()
    assert abs(clock.now() - from_datetime(datetime.now(UTC))) < micros(5)
    assert clock.monotonic() <= clock.monotonic()


def test_the_system_chance_is_in_range_and_not_the_same() -> None:
    chance = SystemChance()
    assert all(0 <= chance.roll() < 1 for _ in range(1000))
    assert len({chance.secret(16) for _ in range(100)}) == 100


ZONES = [
    ("UTC", True),
    ("Asia/Tehran", True),
    ("Australia/Lord_Howe", True),
    ("America/Argentina/Buenos_Aires", True),
    ("Europe/Kyiv", True),
    ("", False),
    ("contact", False),
    ("Mars/Olympus", False),
    ("asia/tehran", False),
    ("Asia", False),
    ("../../etc/passwd", False),
    ("/etc/localtime", False),
    ("localtime", False),  # whatever the machine's own is
    ("right/Europe/Kyiv", False),  # counts leap seconds
    ("UTC\n", False),
    ("a" * 10_000, False),
    ("Asia/\x00", False),
    ("\ud800", False),
]


@pytest.mark.parametrize(("name", "known"), ZONES)
def test_zones(name: str, known: bool) -> None:
    assert is_zone(name) is known


# ── problems ─────────────────────────────────────────────────────────────────────────────────────────

DOCUMENTS = [  # RFC 9457, with what is empty left out
    (
        Problem("broken", "It is broken", status=500),
        {"type": "https://angarium.example/problems/broken", "title": "It is broken", "status": 500},
    ),
    (
        invalid("price", "is not a price", value="much", remedy="a number"),
        {
            "type": "https://angarium.example/problems/invalid",
            "title": "The request is not valid",
            "status": 422,
            "detail": "price: is not a price",
            "errors": [
                {"field": "price", "problem": "is not a price", "remedy": "a number", "value": "much"}
            ],
        },
    ),
    (
        all_invalid("Not valid", (FieldProblem("a", "is long"), FieldProblem("b", "is short", "longer"))),
        {
            "type": "https://angarium.example/problems/invalid",
            "title": "Not valid",
            "status": 422,
            "detail": "a: is long; b: is short",
            "errors": [
                {"field": "a", "problem": "is long"},
                {"field": "b", "problem": "is short", "remedy": "longer"},
            ],
        },
    ),
    (
        not_found("line", "lin_7"),
        {
            "type": "https://angarium.example/problems/not-found",
            "title": "There is no such line",
            "status": 404,
            "detail": "No line 'lin_7' in this workspace.",
            "errors": [{"field": "line", "problem": "not found", "value": "lin_7"}],
        },
    ),
]


@pytest.mark.parametrize(("problem", "document"), DOCUMENTS)
def test_a_problem_as_a_document(problem: Problem, document: dict[str, object]) -> None:
    assert problem.document() == document
    assert msgspec.json.decode(msgspec.json.encode(problem.document())) == document


def test_a_problem_says_what_it_is_in_a_log() -> None:
    assert str(invalid("price", "is not a price")) == (
        "invalid: The request is not valid price: is not a price"
    )
    assert str(Problem("broken", "It is broken")) == "broken: It is broken"


@given(st.text() | st.integers() | st.lists(st.integers()))
def test_a_value_is_quoted_briefly(value: object) -> None:
    quoted = shown(value)
    text = value if isinstance(value, str) else repr(value)
    assert len(quoted) <= VALUE_SHOWN_MAX
    assert quoted == text or (quoted.endswith("…") and text.startswith(quoted[:-1]))
