"""Shapes: what is remembered of texts of one shape is what a text by itself looks like, mark by mark."""

from __future__ import annotations

import random
import re
import sys
import unicodedata

import pytest
from bench import wording
from hypothesis import given
from hypothesis import strategies as st

from angarium.content.phrases import shipped
from angarium.content.promotional import Known, detect, plainly
from angarium.content.shapes import ODD, Shape, parts
from angarium.content.tokens import FORMS, tokenise, unlinked

NAMES = ("Olena", "Тарас", "Zed", "Скидка", "Sale", "علی", "SAVE20", "ZX-81", "XY123456", "X1", "О'Нил")
DIGIT, NAME = re.compile(r"\d"), re.compile(r"\b[^\W\d_]{4,}\b")


def shape(text: str, also: tuple[str, ...] = ()) -> Shape:
    split = parts(unlinked(text))
    assert split is not None
    return Known(also, ()).shapes.of(split)


ALIKE = [  # of one shape
    ("Your order 60318 is on its way", "Your order 71299 is on its way"),
    ("Dear Olena, order 33 is paid", "Dear Jaina, order 27 is paid"),
    ("Уважаемая Олена, счёт 1 250.50 грн", "Уважаемая Ирина, счёт 9 876.54 грн"),
    ("Follow it: https://shop.example/t/1a", "Follow it: https://sale.example/b/99"),
    ("您的订单12345已发货", "您的订单98765已发货"),
    ("Parcel SF1234567890 is here", "Parcel ZX9876543219 is here"),
    ("سفارش ۱۲۳۴۵ ارسال شد", "سفارش ۹۸۷۶۵ ارسال شد"),
]
APART = [  # because they may say something else
    ("Your order 60318", "Your order 6031"),  # as long as they are
    ("0 % interest", "7 % interest"),
    ("618大促", "619大促"),
    ("Call 04412345", "Call 14412345"),  # a number to call
    ("until 12/05", "until 12/45"),  # no month
    ("until 31.05", "until 45.05"),
    ("Dear Olena", "Dear Saleh"),  # as a phrase begins
    ("Pay 1 500 by card", "Pay 1 50 by card"),
    ("it is SAVE20", "it is Save20"),  # a code
    ("12:30", "12.30"),
    ("X Y Z", "A Y Z"),  # letters that were set apart
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_values_are_left_out(one: str, other: str) -> None:
    assert shape(one) == shape(other)


@pytest.mark.parametrize(("one", "other"), APART)
def test_what_may_say_something_stays(one: str, other: str) -> None:
    assert shape(one) != shape(other)


def test_a_word_of_a_workspace_is_of_its_texts_only() -> None:
    assert shape("Dear Olena") == shape("Dear Jaina")
    assert shape("Dear Olena", ("olena",)) != shape("Dear Jaina", ("olena",))
    for _ in range(2):
        assert not detect("The Blue Hour begins, 618 seats.").is_likely
        assert detect("The Blue Hour begins, 618 seats.", also=("blue hour",)).is_likely
        assert not detect("The Old Tower begins, 618 seats.", also=("blue hour",)).is_likely
        assert detect("The Old Tower begins, 618 seats.", also=("{n} seats",)).is_likely
        assert detect("The Old Tower begins, 618 seats.", also=("618",)).is_likely
        assert not detect("The Old Tower begins, 619 seats.", also=("618",)).is_likely


@pytest.mark.parametrize("text", ["61\u200b8 off", "سایت5.0 off", "②0 off", "и\u0301 30", "x" * 1_501])
def test_a_text_of_odd_signs_or_a_long_one_has_no_shape(text: str) -> None:
    assert parts(text) is None
    assert detect(text) == plainly(text)


def test_every_plain_sign_is_read_as_one_of_its_kind() -> None:
    letter, inside = re.compile(r"[^\W\d_]"), re.compile(r"[.,٬٫\u00a0 ，．]")
    for code in range(sys.maxunicode + 1):
        sign = chr(code)
        if ODD.match(sign) or unicodedata.category(sign) == "Cn":
            continue
        form = FORMS[code]
        assert len(form) == 1, hex(code)
        for kind in (re.compile(r"\d"), letter, re.compile("[\u3400-\u9fff]"), inside):
            assert bool(kind.match(sign)) == bool(kind.match(form)), hex(code)


# ── remembered and plain ─────────────────────────────────────────────────────────────────────────────


def varied(text: str, chance: random.Random) -> str:
    """A text with other numbers and names."""
    text = DIGIT.sub(lambda match: str(chance.randrange(10)) if chance.random() < 0.7 else match[0], text)
    return NAME.sub(lambda match: chance.choice(NAMES) if chance.random() < 0.2 else match[0], text)


def test_what_is_remembered_of_the_labelled_texts_is_what_they_are() -> None:
    chance = random.Random(8)
    tuned_with = [one.text for one in wording.texts() if not one.held_back]
    some = [text for one in tuned_with for text in (one, varied(one, chance), varied(one, chance))]
    chance.shuffle(some)
    plain = [plainly(text) for text in some]
    for _ in range(2):  # what is met for the first time, and what is remembered
        wrong = [text for text, one in zip(some, plain, strict=True) if detect(text) != one]
        assert not wrong


PHRASES = [entry.text.replace("{n}", "20").replace("{code}", "SAVE20") for entry in shipped()]
PIECES = st.one_of(
    st.sampled_from(PHRASES),
    st.sampled_from(
        [
            *NAMES,
            ". ",
            "! ",
            "\n",
            ", ",
            "#",
            "№ ",
            "- ",
            "−",
            "%",
            "/",
            ":",
            "月",
            "，",
            "https://a.example/",
        ]
    ),
    st.from_regex(r"\A[0-9]{1,6}\Z"),
    st.from_regex(r"\A[0-9]{1,2}[./ ,:][0-9]{1,6}\Z"),
    st.sampled_from(list("abcXYZаб订双5۵ ")),
)


@given(st.lists(PIECES, max_size=12), st.sampled_from(["", " "]), st.randoms(use_true_random=False))
def test_what_is_remembered_is_what_a_text_is(pieces: list[str], blank: str, chance: random.Random) -> None:
    text = blank.join(pieces)
    for one in (text, varied(text, chance), varied(text, chance)):
        for also in ((), ("olena ~ {n}", "61*")):
            assert detect(one, also) == plainly(one, also)
        bare = unlinked(one)
        split = parts(bare)
        forms = [token.form for token in tokenise(bare)]
        assert split is None or [one.form for one in Known((), ()).shapes.tokens(split)] == forms
