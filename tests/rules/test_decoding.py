"""What a body must be, and how it is told what it is not: field, value, remedy; and never a secret."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from angarium.core.decoding import Items, Shape
from angarium.core.problems import Problem


class Kind(StrEnum):
    OTP = "otp"
    SERVICE = "service"


class To(msgspec.Struct, forbid_unknown_fields=True):
    phone: str = ""


class Message(msgspec.Struct, forbid_unknown_fields=True):
    to: To
    kind: Kind = msgspec.field(name="class")
    count: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    ratio: float = 0.0
    loud: bool = False
    name: Annotated[str, msgspec.Meta(pattern="^[a-z]*$", max_length=5)] = ""
    unit: Literal["part", "message"] = "part"
    tags: tuple[str, ...] = ()
    notes: dict[str, str] = {}
    free: dict[str, Any] = {}
    maybe: int | None = None
    at: datetime | None = None
    secret: dict[str, str] = {}


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    messages: list[Message]


WHOLE = Shape(Whole, secret=("messages.secret",))
FIELDS = [field.encode_name for field in msgspec.structs.fields(Message)]
GOOD = '"to":{"phone":"1"},"class":"otp"'


def refused(body: bytes) -> Problem:
    """What is said of a body that is not good."""
    with pytest.raises(Problem) as caught:
        WHOLE.read(body)
    return caught.value


def test_a_good_body_is_a_struct() -> None:
    body = f'{{"messages":[{{{GOOD},"notes":{{"a":"\\\\u0000"}},"free":{{"a":[1.5,null]}}}}]}}'.encode()
    (message,) = WHOLE.read(body).messages
    assert (message.kind, message.notes, message.free) == (Kind.OTP, {"a": "\\u0000"}, {"a": [1.5, None]})


@pytest.mark.parametrize(
    ("written", "field", "problem", "value", "remedy"),
    [
        ('{"to":{"phone":1},"class":"otp"}', "to.phone", "is a whole number", "1", "text"),
        ('{"to":null,"class":"otp"}', "to", "is null", "null", "an object with the fields phone"),
        (
            '{"to":{"phone":"1"},"class":"spam"}',
            "class",
            "is not one of the allowed values",
            "spam",
            "one of otp, service",
        ),
        ('{"to":{"phone":"1"},"class":5}', "class", "is a whole number", "5", "one of otp, service"),
        ('{"to":{"phone":"1"}}', "class", "is missing", "", "one of otp, service"),
        ('{"to":{"phone":"1","fax":"2"},"class":"otp"}', "to.fax", "is not a field", "", "the fields phone"),
        (
            f'{{{GOOD},"count":11}}',
            "count",
            "is out of range",
            "11",
            "a whole number (at least 1, at most 10)",
        ),
        (f'{{{GOOD},"count":1.5}}', "count", "is a number", "1.5", "a whole number (at least 1, at most 10)"),
        (f'{{{GOOD},"count":"1"}}', "count", "is text", "1", "a whole number (at least 1, at most 10)"),
        (f'{{{GOOD},"ratio":"x"}}', "ratio", "is text", "x", "a number"),
        (f'{{{GOOD},"ratio":1e999}}', "ratio", "number out of range", "", "a number"),
        (f'{{{GOOD},"loud":"yes"}}', "loud", "is text", "yes", "true or false"),
        (
            f'{{{GOOD},"name":"AB"}}',
            "name",
            "does not fit the pattern",
            "AB",
            "text (length at most 5) like ^[a-z]*$",
        ),
        (
            f'{{{GOOD},"name":"abcdef"}}',
            "name",
            "has the wrong length",
            "abcdef",
            "text (length at most 5) like ^[a-z]*$",
        ),
        (
            f'{{{GOOD},"unit":"page"}}',
            "unit",
            "is not one of the allowed values",
            "page",
            "one of message, part",
        ),
        (f'{{{GOOD},"tags":["a",1]}}', "tags[1]", "is a whole number", "1", "text"),
        (f'{{{GOOD},"tags":{{}}}}', "tags", "is an object", "{}", "a list of: text"),
        (f'{{{GOOD},"notes":{{"a":1}}}}', "notes[*]", "is a whole number", "", "text"),
        (f'{{{GOOD},"notes":[]}}', "notes", "is a list", "[]", "an object"),
        (f'{{{GOOD},"maybe":"1"}}', "maybe", "is text", "1", "a whole number, or null"),
        (f'{{{GOOD},"maybe":""}}', "maybe", "is empty", "", "a whole number, or null"),
        (
            f'{{{GOOD},"at":"soon"}}',
            "at",
            "is not a time",
            "soon",
            "a time such as 2026-11-23T08:30:00Z, or null",
        ),
        (
            f'{{{GOOD},"name":"{"x" * 200}"}}',
            "name",
            "has the wrong length",
            "x" * 79 + "…",
            "text (length at most 5) like ^[a-z]*$",
        ),
        (f'{{{GOOD},"secret":"hunter2"}}', "secret", "is text", "", "an object"),
        (f'{{{GOOD},"secret":{{"a":1234}}}}', "secret[*]", "is a whole number", "", "text"),
        ('"hunter2"', "", "is text", "hunter2", "an object with the fields to, class"),
    ],
)
def test_a_wrong_field_is_named(written: str, field: str, problem: str, value: str, remedy: str) -> None:
    found = refused(f'{{"messages":[{{{GOOD}}},{written}]}}'.encode())
    assert (found.slug, found.status) == ("invalid", 422)
    (wrong,) = found.fields
    place = f"messages[1].{field}".removesuffix(".")
    assert (wrong.field, wrong.problem, wrong.value) == (place, problem, value)
    assert wrong.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "It is empty. Send a JSON document."),
        (b" \n ", "It is empty. Send a JSON document."),
        (b"{", "It ends before the document does."),
        (b'{"messages":[', "It ends before the document does."),
        (b"{} x", "Line 1, column 5: trailing characters."),
        (b'{\n  "messages": [,]\n}', "Line 2, column 16: invalid character."),
        ('{"messages":["п", x]}'.encode(), "Line 1, column 19: invalid character."),
        (b"\xef\xbb\xbf{}", "Line 1, column 1: invalid character."),
        (b'{"messages":NaN}', "Line 1, column 13: invalid character."),
        (b'{"messages":"\xff"}', "It is not UTF-8: byte 13 cannot be read as a character."),
        (b"\xff\xfe{\x00}\x00", "It is not UTF-8: byte 0 cannot be read as a character."),
        (
            b'{"messages":["\\ud800 and more"]}',
            "Line 1, column 21: unexpected end of escaped utf-16 surrogate pair.",
        ),
        (b'{"messages":' + b"[" * 100_000, "It is nested too deeply."),
        (b'{"a":' * 100_000, "It is nested too deeply."),
        (b'{"wrong": 1, "messages": x}', "Line 1, column 26: invalid character."),
    ],
)
def test_what_is_no_json_says_where(body: bytes, detail: str) -> None:
    found = refused(body)
    assert (found.slug, found.status, found.detail) == ("malformed", 400, detail)


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ('"tags":["a","b\\u0000"]', "tags[1]"),
        ('"notes":{"a":"\\\\\\u0000"}', "notes.a"),
        ('"notes":{"a\\u0000":"b"}', "notes"),
        ('"free":{"a":[0,{"b":"\\u0000"}]}', "free.a[1].b"),
    ],
)
def test_no_text_holds_what_no_database_keeps(written: str, field: str) -> None:
    shape = Shape(Message)
    with pytest.raises(Problem) as caught:
        shape.read(f"{{{GOOD},{written}}}".encode())
    (wrong,) = caught.value.fields
    assert (wrong.field, wrong.problem) == (field, "holds the character U+0000")


ANYTHING = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.sampled_from(FIELDS) | some.text(), inner),
)


@given(ANYTHING)
@pytest.mark.turns(2, 0)
def test_any_json_is_a_struct_or_a_problem_with_its_field(document: Any) -> None:
    problem = problem_of(msgspec.json.encode({"messages": [document]}))
    assert problem is None or [wrong.field[:11] for wrong in problem.fields] == ["messages[0]"]


@given(some.binary(), some.integers(0, 80))
@example("é".encode(), 68)  # behind the end: it stops being JSON in the middle of a character
def test_any_bytes_are_a_struct_or_a_problem(noise: bytes, place: int) -> None:
    good = f'{{"messages":[{{{GOOD},"notes":{{"a":"é"}}}}]}}'.encode()
    for body in (noise, good[:place] + noise + good[place:], good[:place]):
        problem = problem_of(body)
        assert problem is None or problem.detail


def problem_of(body: bytes) -> Problem | None:
    """What is said of a body, if anything."""
    try:
        WHOLE.read(body)
    except Problem as problem:
        return problem
    return None


# ── queries ──────────────────────────────────────────────────────────────────────────────────────────


class Query(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=9)] = 5
    loud: bool = False
    name: str = ""


QUERY = Shape(Query)


@pytest.mark.parametrize(
    ("query", "read"),
    [
        (b"", Query()),
        (b"limit=3&loud=true", Query(3, True)),
        (b"name=%D0%BF+%2B7", Query(name="п +7")),
        (b"name=", Query()),
    ],
)
def test_a_query_is_read(query: bytes, read: Query) -> None:
    assert QUERY.read_query(query) == read


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        (b"limit=0", "limit", "0"),
        (b"limit=many", "limit", "many"),
        (b"lim=1", "lim", ""),
        (b"name=%00", "name", ""),
        (b"&".join(b"a=1" for _ in range(60)), "query", ""),
    ],
)
def test_a_wrong_query_is_named(query: bytes, field: str, value: str) -> None:
    with pytest.raises(Problem) as caught:
        QUERY.read_query(query)
    (wrong,) = caught.value.fields
    assert (wrong.field, wrong.value) == (field, value)


# ── batches ──────────────────────────────────────────────────────────────────────────────────────────

ITEMS = Items("messages", Shape(Message), 2)


def test_one_wrong_item_spoils_no_other() -> None:
    good, bad = ITEMS.read(f'{{"messages":[{{{GOOD}}},{{{GOOD},"count":0}}]}}'.encode())
    assert isinstance(good, Message)
    assert isinstance(bad, Problem)
    assert [(wrong.field, wrong.value) for wrong in bad.fields] == [("messages[1].count", "0")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"messages":[]}', "messages"),
        (f'{{"messages":[{{{GOOD}}},{{{GOOD}}},{{{GOOD}}}]}}', "messages"),
        ('{"messages":{}}', "messages"),
        ("{}", "messages"),
        (f'{{"messages":[{{{GOOD}}}],"more":1}}', "more"),
    ],
)
def test_a_batch_that_is_none(body: str, field: str) -> None:
    with pytest.raises(Problem) as caught:
        ITEMS.read(body.encode())
    (wrong,) = caught.value.fields
    assert (wrong.field, wrong.value) == (field, "")
