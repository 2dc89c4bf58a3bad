"""Ten thousand texts cut by us, by npm's sms-segments-calculator and, for graphemes, by ICU.

Ours must be what the standard asks: as many whole ICU clusters in each part as fit. Where the calculator
differs, the text is counted under the rule that explains it, and the rule itself is proved on that text.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest

from angarium.protocols import gsm

HERE = Path(__file__).parent
SEED = 20261123
TEXTS = 10_000
ROOM = {"gsm7": (160, 153), "ucs2": (70, 67)}
Seen = list[tuple[str, dict[str, Any]]]

SAME = "the same parts"
# The calculator splits graphemes by Unicode 10 (grapheme-splitter 1.0.4), and line ends on purpose.
OVERLONG = "a cluster longer than a part: it makes one part longer than 140 octets of it"
LINE_END = "CR LF: it may cut between them (UAX #29 GB3 does not)"
ZWJ_SEQUENCE = "ZWJ sequence that Unicode 10 did not have: it may cut it (GB11, since Unicode 11)"
SKIN_TONE = "skin tone after an emoji that Unicode 10 did not have: it may cut them (GB9, since Unicode 11)"
CONJUNCT = "Indic conjunct: it may cut it (GB9c, since Unicode 15.1)"
MOST = {OVERLONG: 250, LINE_END: 100, ZWJ_SEQUENCE: 150, SKIN_TONE: 100, CONJUNCT: 200}

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
ALPHABETS: dict[str, list[str]] = {
    "gsm": [*"abcdefghij KLMNOPQ 0123456789 .,:;!?()/@£$¥èéùìòÇØøÅåÆæßÉÄÖÑÜ§¿äöñüà", "\n"],
    "extension": [*"abcdef 0123456789^{}\\[~]|€€"],
    "line ends": ["a", "b", " ", "\r\n", "\r", "\n"],
    "greek": [*"ΔΦΓΛΩΠΨΣΘΞ ABE", *"αβγδε"],
    "greek capitals": [*"ΔΦΓΛΩΠΨΣΘΞ ABEZH"],
    "persian": [*"سلام سفارش شما با شماره ۱۲۳۴ ارسال شد پ چ ژ گ ،؟", "\u200c", "\u200c"],
    "arabic, vowelled": ["ب\u064e", "س\u0652", "م\u0650", "ا", "ل\u0651\u064e", " ", "ه"],
    "cyrillic": [*"Ваш заказ отправлен, ждите. Ґєії' ", "и\u0306", "е\u0308"],
    "chinese": [*"您的订单已发货请注意查收，谢谢。１２３"],
    "hangul": [*"안녕하세요 ", "\u1112\u1161\u11ab", "\u1100\u1173\u11af"],
    "thai": ["ก\u0e33", "น\u0e49", "ท\u0e35\u0e48", "ส", "ว\u0e31"],
    "emoji": ["\U0001f600", "\U0001f680", "\u2764\ufe0f", "\U0001f44d\U0001f3fd", "1\ufe0f\u20e3", "a", " "],
    "newer emoji": [
        "\U0001f970",
        "\U0001f9d1\U0001f3fe\u200d\U0001f9b0",
        "\U0001fae0",
        "\U0001f90c\U0001f3fb",
    ],
    "zwj": [
        FAMILY,
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f469\u200d\U0001f4bb",
        "\U0001f9d1\u200d\U0001f680",
    ],
    "flags": ["\U0001f1ee\U0001f1f7", "\U0001f1fa\U0001f1e6", "\U0001f1e8", "\U0001f1f3", " ", "x"],
    "piled marks": ["z" + "\u0351" * 20, *["o", " ", "n\u0303"] * 60, "a" + "\u0301" * 80],
    "indic": ["क\u094dष", "न\u093f", "स\u094dत\u0947", " ", "ह"],
}


def texts() -> list[str]:
    """From one seed: every alphabet, lengths around every boundary, and mixtures."""
    roll = random.Random(SEED)
    names = list(ALPHABETS)
    made = []
    for number in range(TEXTS):
        alphabet = ALPHABETS[names[number % len(names)]]
        if roll.random() < 0.25:
            alphabet = alphabet + ALPHABETS[roll.choice(names)]
        single, per_part = roll.choice(list(ROOM.values()))
        aim = roll.choice([roll.randint(0, 40), single, per_part * roll.randint(1, 4)]) + roll.randint(-3, 3)
        text = ""
        while len(text.encode("utf-16-be")) // 2 < aim:
            text += roll.choice(alphabet)
        made.append(text)
    return made


pytestmark = pytest.mark.xdist_group("peers/segments")  # what the calculator says is asked for once


@pytest.fixture(scope="module")
def seen() -> Seen:
    lines = "".join(json.dumps(text) + "\n" for text in texts())
    done = subprocess.run(
        ["node", "segments.js"],
        cwd=HERE,
        input=lines,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(text, json.loads(line)) for text, line in zip(texts(), done.stdout.splitlines(), strict=True)]


def units_of(text: str, encoding: str) -> int:
    """Septets or code units, counted the slow way."""
    if encoding == "gsm7":
        return sum(2 if character in "\f^{}\\[~]|€" else 1 for character in text)
    return sum(2 if character > "\uffff" else 1 for character in text)


def as_the_standard_asks(text: str, encoding: str, clusters: list[int]) -> list[str]:
    """Each part as many whole clusters as fit; a cluster longer than a part is cut between code points."""
    single, room = ROOM[encoding]
    if units_of(text, encoding) <= single:
        return [text]
    parts, left = [""], room
    for start, end in pairwise([0, *accumulate(clusters)]):
        whole = units_of(text[start:end], encoding)
        for place in range(start, end):
            units = units_of(text[place], encoding)
            if units > left or (place == start and parts[-1] and whole > left):
                parts.append("")
                left = room
            parts[-1] += text[place]
            left -= units
    return parts


def why_different(text: str, peer: dict[str, Any], ours: list[str]) -> str:
    """The rule behind the first part that differs, proved on this text."""
    encoding, theirs = peer["encoding"], peer["parts"]
    assert "".join(theirs) == text, "the calculator lost or moved characters"
    ends = [0, *accumulate(peer["clusters"])]
    room = ROOM[encoding][1]
    first = next(number for number, part in enumerate(theirs) if part != ours[number])
    if peer["units"][first] > room or theirs[first] == "":
        assert any(units_of(text[start:end], encoding) > room for start, end in pairwise(ends))
        return OVERLONG
    cut = sum(map(len, theirs[: first + 1]))
    assert cut not in ends, "both cut between clusters, and yet at different places"
    left, right = text[cut - 1], text[cut]
    if left + right == "\r\n":
        return LINE_END
    if left == "\u200d" and right > "\u20ff":
        return ZWJ_SEQUENCE
    if "\U0001f3fb" <= right <= "\U0001f3ff":
        return SKIN_TONE
    assert left in "\u094d\u200d", f"no rule explains a cut in {text[cut - 3 : cut + 3]!a}"
    return CONJUNCT


@pytest.mark.turns(4, 0)
def test_every_text_is_cut_as_the_standard_asks(seen: Seen) -> None:
    for text, peer in seen:
        cut = gsm.segment(text)
        assert cut.encoding == peer["encoding"], text
        assert [part.text for part in cut.parts] == as_the_standard_asks(text, cut.encoding, peer["clusters"])
        assert [part.units for part in cut.parts] == [units_of(part.text, cut.encoding) for part in cut.parts]


def test_where_the_calculator_differs_a_rule_says_why(seen: Seen) -> None:
    counted: Counter[str] = Counter()
    for text, peer in seen:
        ours = [part.text for part in gsm.segment(text).parts]
        counted[SAME if ours == peer["parts"] else why_different(text, peer, ours)] += 1
    for rule, count in counted.most_common():
        print(f"{count:6}  {rule}")  # noqa: T201 -- the table is for people: pytest -rP shows it
    assert counted.total() == TEXTS
    assert counted[SAME] >= 0.93 * TEXTS
    for rule, most in MOST.items():
        assert 0 < counted[rule] <= most, rule
