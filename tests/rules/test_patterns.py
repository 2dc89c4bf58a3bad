"""Patterns as tables and as properties: what fits, what is nearest, and that no text takes long."""

from __future__ import annotations

import string
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from angarium.lines.patterns_flows import syntaxes
from angarium.lines.patterns_index import Index
from angarium.lines.patterns_near import nearest, worded
from angarium.lines.patterns_rules import (
    LIMIT_MAX,
    PLACES_MAX,
    TEXT_MAX,
    Kind,
    Limit,
    Measured,
    NoPattern,
    Pattern,
    fits,
    made,
    normal,
    values,
)

# ── normal form ──────────────────────────────────────────────────────────────────────────────────────

SAME = [  # texts that are compared as one
    ("a  b\t\nc", "a b c"),
    ("\u00a0a\u2009b ", "a b"),
    ("كيف", "کیف"),
    ("علي", "علی"),
    ("می‌شود", "میشود"),
    ("کـــد", "کد"),
    ("كُتِب", "کتب"),
    ("٤۵६４", "4564"),
    ("ﻛﺘﺎﺏ", "کتاب"),
    ("\u202babc\u202c", "abc"),
    ("e\u0301", "é"),
    ("ABC", "ABC"),
    ("№5…", "№5…"),
]


@pytest.mark.parametrize(("text", "plain"), SAME)
def test_what_is_compared_as_one(text: str, plain: str) -> None:
    assert normal(text) == normal(plain) == plain


@given(some.text(max_size=200))
def test_the_normal_form_is_one(text: str) -> None:
    once = normal(text)
    assert normal(once) == once
    assert once == once.strip()
    assert "  " not in once


# ── what fits ────────────────────────────────────────────────────────────────────────────────────────


def pattern(syntax: str, text: str, number: int = 0, **limits: Limit) -> Pattern:
    return made(syntaxes()[syntax], text, limits, number, f"p{number}", f"x{number}")


FITS: list[tuple[str, str, list[str], list[str]]] = [  # syntax, pattern, texts that fit, texts that do not
    (
        "braces",
        "Dear {0}, your order {1} is on its way.",
        [
            "Dear Olena, your order 42 is on its way.",
            "Dear  Olena Kovalenko,\nyour order 42 is on its way.",
            "Dear a, b, your order 4, 2 is on its way.",
        ],
        [
            "Dear , your order 42 is on its way.",
            "Dear Olena, your order is on its way.",
            "dear Olena, your order 42 is on its way.",
            "Dear Olena, your order 42 is on its way. Buy more!",
            "Hi! Dear Olena, your order 42 is on its way.",
            "Dear " + "x" * 41 + ", your order 42 is on its way.",
            "Dear Olena, all is at half price. Dear Olena, your order 42 is on its way.",
        ],
    ),
    (
        "percent",
        "کد ورود شما: %token%",
        ["کد ورود شما: 12345", "كد ورود شما: ۱۲۳۴۵", "کد  ورود شما:  ۱۲"],
        ["کد ورود شما: 12 34", "کد شما: 12345", "کد ورود شما:"],
    ),
    (
        "percent",
        "سلام %token20 عزیز، سفارش %token ارسال شد",
        ["سلام علی رضا محمدی عزیز، سفارش 7 ارسال شد"],
        [
            "سلام a b c d e f g h i j عزیز، سفارش 7 ارسال شد",
            "سلام علی عزیز، سفارش 7 8 ارسال شد",
        ],
    ),
    ("hash", "Code: #code#", ["Code: 1", "Code: " + "7" * 25], ["Code: " + "7" * 26, "Code:", "Code:1"]),
    (
        "russian",
        "Заказ %d{1,6} готов, %w{1,3}",
        ["Заказ 123456 готов, ждём вас скоро", "Заказ 1 готов, да"],
        ["Заказ 1234567 готов, да", "Заказ 12a готов, да", "Заказ 1 готов, a b c d"],
    ),
    ("russian", "Код %d+ для %w", ["Код 123 для входа"], ["Код 1 2 для входа", "Код 1 для входа сюда"]),
    ("russian", "Ваш %w{2,3}!", ["Ваш a b!", "Ваш a b c!"], ["Ваш a!", "Ваш a b c d!"]),
    (
        "dlt",
        "{#numeric#} is your OTP for {#var#}. -SHOP",
        ["482911 is your OTP for sign in. -SHOP"],
        ["48-29 is your OTP for x. -SHOP", "4 is your OTP for " + "x" * 31 + ". -SHOP"],
    ),
    (
        "dlt",
        "Track: {#var#}{#var#} -SHOP",
        ["Track: " + "x" * 60 + " -SHOP", "Track: ab -SHOP"],
        ["Track: " + "x" * 61 + " -SHOP", "Track: a -SHOP"],
    ),
    ("dlt", "See {#url#} now", ["See https://a.example/x now"], ["See two words now"]),
    ("dlt", "Id {#alphanumeric#} ok", ["Id AB 12 ok"], ["Id AB-12 ok"]),
    ("braces", "We are closed today.", ["We are closed today."], ["We are closed today", "We are closed."]),
    ("braces", "{0} and {1}", ["a and b", "a and b and c"], ["and b", "a and", "a or b"]),
    ("braces", "a{0}b{1}c", ["a1b2c", "aXbYbZc"], ["abc", "a1b2", "a1c"]),
]
CASES = [
    (syntax, text, tried, good)
    for syntax, text, fitting, others in FITS
    for good, group in ((True, fitting), (False, others))
    for tried in group
]


@pytest.mark.parametrize(("syntax", "text", "tried", "good"), CASES)
def test_what_fits(syntax: str, text: str, tried: str, good: bool) -> None:
    one = pattern(syntax, text, 7)
    assert fits(one, Measured(normal(tried))) == good
    assert (Index([one]).match(tried) is one) == good


NONE = [  # syntax, text, limits, the beginning of why
    ("braces", "{0}", {}, "has no word of its own"),
    ("russian", "%w{1,100}!", {}, "has no word of its own"),
    ("braces", "", {}, "has no word of its own"),
    ("russian", "Код %w{3,2}", {}, "says '%w{3,2}'"),
    ("russian", "Код %w{0,2}", {}, "says '%w{0,2}'"),
    ("braces", "x" * (TEXT_MAX + 1), {}, "is longer than"),
    ("braces", "a{0} " * (PLACES_MAX + 1), {}, "has more than"),
    ("braces", "a {0}", {"1": Limit()}, "has no place '1'"),
    ("braces", "a {0}", {"0": Limit(chars=0)}, "limits '0'"),
    ("braces", "a {0}", {"0": Limit(words=3, words_least=4)}, "limits '0'"),
    ("braces", "a {0}", {"0": Limit(chars=10**9)}, "limits '0'"),
]


@pytest.mark.parametrize(("syntax", "text", "limits", "why"), NONE)
def test_what_is_no_pattern(syntax: str, text: str, limits: dict[str, Limit], why: str) -> None:
    with pytest.raises(NoPattern) as caught:
        made(syntaxes()[syntax], text, limits)
    assert str(caught.value).startswith(why)


# ── properties ───────────────────────────────────────────────────────────────────────────────────────

OWN = some.text(string.ascii_lowercase, min_size=1, max_size=6)  # the words of patterns
VALUE = some.lists(some.text("0123456789ж", min_size=1, max_size=5), min_size=1, max_size=4).map(" ".join)


@some.composite
def filled(draw: some.DrawFn) -> tuple[Pattern, list[str | None], list[str]]:
    """A pattern, its words (None: a place), and what stands in its places."""
    words = draw(some.lists(some.one_of(OWN, some.none()), min_size=1, max_size=12))
    words.insert(draw(some.integers(0, len(words))), draw(OWN))
    values = [draw(VALUE) for word in words if word is None]
    numbers = iter(range(100))
    text = " ".join(f"{{{next(numbers)}}}" if word is None else word for word in words)
    return pattern("braces", text), words, values


def said(words: Sequence[str | None], values: Sequence[str]) -> str:
    """The text of a pattern's words, its places filled."""
    left = iter(values)
    return " ".join(next(left) if word is None else word for word in words)


@given(filled())
def test_a_text_made_from_a_pattern_fits_it(one: tuple[Pattern, list[str | None], list[str]]) -> None:
    made_of, words, values = one
    assert fits(made_of, Measured(normal(said(words, values))))
    near = nearest([worded(made_of)], said(words, values))
    assert near is not None
    assert near.edits == 0


@given(filled(), some.data())
def test_an_edit_outside_the_places_never_fits(
    one: tuple[Pattern, list[str | None], list[str]], data: some.DataObject
) -> None:
    """One word of the pattern is exchanged for one that is in no pattern and no value, or taken out."""
    made_of, words, values = one
    at = data.draw(some.sampled_from([n for n, word in enumerate(words) if word is not None]))
    instead: list[str | None] = data.draw(some.sampled_from([["Щ"], []]))
    changed = [*words[:at], *instead, *words[at + 1 :]]
    assert not fits(made_of, Measured(normal(said(changed, values))))
    assert Index([made_of]).match(said(changed, values)) is None


@given(some.lists(filled(), min_size=1, max_size=12), some.lists(OWN, min_size=1, max_size=12))
def test_the_nearest_is_the_one_with_the_least_edits(
    ones: list[tuple[Pattern, list[str | None], list[str]]], words: list[str]
) -> None:
    """For its own words, held against measuring every pattern alone."""
    ready = [worded(one) for one, _, _ in ones]
    text = " ".join(words)
    alone = []
    for number, one in enumerate(ready):
        near = nearest([one], text)
        assert near is not None
        alone.append((near.edits / one.weight, near.edits, number))
    near = nearest(ready, text)
    assert near is not None
    _, edits, number = min(alone)
    assert (near.pattern, near.edits) == (ready[number].pattern, edits)


@given(filled(), some.lists(OWN, max_size=12))
def test_the_pieces_are_the_text_and_the_edits(
    one: tuple[Pattern, list[str | None], list[str]], words: list[str]
) -> None:
    text = " ".join(words)
    near = nearest([worded(one[0])], text)
    assert near is not None
    assert " ".join(piece.text for piece in near.pieces if piece.text) == normal(text)
    edits = 0
    for piece in near.pieces:
        if piece.what in ("missing", "changed"):
            edits += len(piece.pattern.split())
        elif piece.what == "extra":
            edits += len(piece.text.split())
    assert edits == near.edits or not text


def test_a_nearest_pattern_and_the_difference() -> None:
    index = Index(
        [
            pattern("braces", "Dear {0}, your order {1} is on its way.", 1),
            pattern("braces", "Code: {0}", 2),
            pattern("braces", "{0} is your code", 3),
        ]
    )
    near = index.nearest("Dear Olena, your parcel 42 is on its way. Buy now!")
    assert near is not None
    assert (near.pattern.name, near.edits) == ("p1", 3)
    assert near.told() == "“parcel” stands where “order” is registered; “Buy now!” is too much"
    masked = index.nearest("Your code is 471100")
    assert masked is not None
    assert "471100" not in masked.told("••")
    assert Index([]).nearest("x") is None


# ── many, and hostile ones ───────────────────────────────────────────────────────────────────────────


def test_each_of_a_thousand_is_found() -> None:
    words = ("order", "paid", "sent", "ready", "call", "visit", "bill", "code", "bank", "shop")
    some_ = [
        pattern("braces", f"Dear client {words[n % 10]} {{0}} {words[n // 10 % 10]} {{1}}, no {n}", n)
        for n in range(1_000)
    ]
    index = Index(some_)
    for one in some_:
        found = index.match(one.text.replace("{0}", "Ali Reza").replace("{1}", "12345"))
        assert found is one
    assert index.match("Dear client order Ali paid 1, no 1000") is None


class Counted(Measured):
    """A text that counts how often it is measured: what a match costs."""

    asked = 0

    def words(self, begin: int, end: int) -> int:
        self.asked += 1
        return super().words(begin, end)


WIDE = Limit(chars=LIMIT_MAX, words=LIMIT_MAX)
HOSTILE = [
    "{0} ".join(["a"] * 30) + "{0} b",
    "a {0} a {0} a {0} a {0} a {0} z",
    "{0} ab {0} ab {0} ab",
    "{0}a{0}a{0}a{0}a{0}a{0}a{0}a{0}b",
]


@pytest.mark.parametrize("text", ["a " * 999 + "c", "ab " * 660, "a" * TEXT_MAX, "ab " * 300 + "b"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_work_grows_with_places_and_length_and_not_with_their_combinations(hostile: str, text: str) -> None:
    """A matcher that goes back over its choices would try more of them here than there are atoms."""
    one, measured = pattern("braces", hostile, **{"0": WIDE}), Counted(normal(text))
    fits(one, measured)
    log_of_length = 12
    assert measured.asked <= len(one.places) * len(measured.text) * log_of_length


def test_kinds_are_those_of_the_data() -> None:
    limits = [limit for one in syntaxes().values() for limit in (one.limit, *one.named.values())]
    assert {limit.kind for limit in limits} == set(Kind)
    assert all(one.source and one.as_of for one in syntaxes().values())


@pytest.mark.parametrize(
    ("syntax", "text", "said", "expected"),
    [
        ("percent", "کد %token% است", "کد ۱۲۳۴ است", {"token": "1234"}),
        (
            "braces",
            "{0}, your order {1} is on its way",
            "Dear Olena, your order 42 is on its way",
            {"0": "Dear Olena", "1": "42"},
        ),
        ("braces", "{1} and {0}", "a b and c and d", {"1": "a b and c", "0": "d"}),
        ("percent", "Code %token, again %token", "Code 1, again 1", {"token": "1"}),
        ("percent", "Code %token, again %token", "Code 1, again 2", {}),
        ("percent", "Bye", "Bye", {}),
    ],
)
def test_what_stands_in_the_places(syntax: str, text: str, said: str, expected: dict[str, str]) -> None:
    pattern = made(syntaxes()[syntax], text, {})
    assert fits(pattern, Measured(normal(said)))
    found = values(pattern, said)
    assert found == expected
    if found:
        filled = [
            each
            for place, literal in zip(pattern.places, pattern.literals[1:], strict=True)
            for each in (found[place.name], literal)
        ]
        assert "".join([pattern.literals[0], *filled]) == normal(said)
