"""What machines write stands in sentences from right to left as it was written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import angarium
from angarium.core.isolating import FILLED, FROM_THE_RIGHT, TO_THE_LEFT, isolated
from support.bidi import taken_apart

ROOT = Path(angarium.__file__).parent
SETTINGS = [
    *ROOT.glob("channels/words/*.toml"),
    ROOT / "lines" / "settings_words.toml",
]  # their braces are no gaps
SENTENCES = [*ROOT.glob("*/templates/words.*.toml"), *ROOT.glob("*/said.toml")]


@pytest.mark.parametrize(
    "text",
    [
        "شماره‌ای مانند +380501234567، یا نشانی ایمیل",
        "زمانی مانند 2026-11-23T08:30:00Z",
        "سجل 2026-11. من المصدر نفسه",
        "از @BotFather، مانند 110201543:AAHdq…",
        'شیئی مانند {"order": "4512"}',
        "یعنی هر کدام؛ Shop* یعنی هر چه چنین آغاز شود",
        "بازه (1..3) تنها در حلقه می‌آید",
    ],
)
def test_what_was_taken_apart_is_not(text: str) -> None:
    assert taken_apart(text)
    assert not taken_apart(isolated(text))


@pytest.mark.parametrize(
    "text",
    [
        "such as +380501234567",
        "سرور SMTP، مانند smtp.example.com.",
        "در 192.0.2.0/24 و 21:00",
        "۱٬۵۰۰٫۲۵",
        "",
    ],
)
def test_what_stands_well_stays_as_it_is(text: str) -> None:
    assert isolated(text) == text
    assert not taken_apart(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{count} پیام با {name} (UTC)", "{count} پیام با {name} (UTC)"),
        ("یکی از columns[{one}] را بردارید", "یکی از \u2066columns[{one}]\u2069 را بردارید"),
        ("سپس PUT /v1/templates/{id}/registrations", "سپس PUT /v1/templates/{id}/registrations"),
        ("{name} عددی کمتر از 10^18", "{name} عددی کمتر از \u206610^18\u2069"),
        ("از \u2066{a: 1}\u2069 را", "از \u2066{a: 1}\u2069 را"),
    ],
)
def test_gaps_stay_where_they_are(text: str, shown: str) -> None:
    assert isolated(text, filled=True) == shown


@pytest.mark.parametrize(
    "text", ["money ارز می‌خواهد", '{"to": 1} را', "\u200fVK چیزی نمی‌گوید", "\u200e1 = یک"]
)
def test_a_sentence_says_which_way_it_goes(text: str) -> None:
    told = isolated(text)
    assert told[0] in "\u200e\u200f"
    assert told.count(FROM_THE_RIGHT) == (told[0] == FROM_THE_RIGHT)


def _texts(tree: Any) -> Iterator[str]:
    match tree:
        case str():
            yield tree
        case list():
            for each in tree:
                yield from _texts(each)
        case dict():
            for each in tree.values():
                yield from _texts(each)


@pytest.mark.parametrize(
    ("files", "filled"), [(SETTINGS, False), (SENTENCES, True)], ids=["settings", "sentences"]
)
def test_nothing_that_the_console_says_is_taken_apart(files: list[Path], *, filled: bool) -> None:
    said = [text for file in files for text in _texts(tomllib.loads(file.read_text("utf-8")))]
    said = [text for text in said if TO_THE_LEFT.search(text)]
    assert len(said) > 700
    assert sum(bool(taken_apart(_without_gaps(text, filled=filled))) for text in said) > 20, (
        "the oracle sees them"
    )
    for text in said:
        told = _without_gaps(isolated(text, filled=filled), filled=filled)
        assert not taken_apart(told), (text, taken_apart(told))


def _without_gaps(text: str, *, filled: bool) -> str:
    """A gap is filled with what is isolated: a neutral letter (U+FFFC) stands for it."""
    return FILLED.sub("\ufffc", text) if filled else text
