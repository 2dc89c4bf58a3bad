"""The shape of a text: as much of it as decides which of its words promote.

Messages are templates with values: the number of an order, a name, a link. A shape leaves out

- of a number its value, when no phrase names it, as "0 %" does, and it is no day of a calendar;
- of a word everything, when no phrase has it, nor a word that it begins with;
- of a link everything (`tokens.unlinked`);

but not how long they are, for of phrases that overlap the longest counts. So texts of one shape have the same
marks at the same places, and one of them has to be looked at:

    "Dear Olena, 0 % of invoice 60318"  ->  ("Dear", 5, ","), "0", " % of invoice ", 5

A text with signs that are read as others or as none (①, accents and signs of no width by themselves) has no
shape.
What is remembered of parts of texts is forgotten all at once when it is too much.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from angarium.content.phrases import CURRENCIES, MULTIPLIERS, Lists
from angarium.content.tokens import TOKEN, Token, digits, joined, plain, token_of

LENGTH_MAX = 1_500  # characters of a text that has a shape; what is longer is a mail, and seldom told twice
WORDS_TO_A_RUN = 4  # that are remembered
NOUGHTS = "0٠۰"  # with which numbers to call begin
LONG = 5  # digits of a number by which something is known: an order, an account

# Signs of which each is read as one, and as nothing else: no other letter, digit, or point inside a number.
PLAIN = (
    "\0-\x7f\u00a0\u00a3\u00a5\u00a7\u00a9\u00ab\u00ae\u00b0\u00bb\u00c0-\u012f"
    "\u0400-\u0482\u048a-\u04ff\u02bc"
    "\u060c\u061b\u061f\u0621-\u063a\u0640-\u0652\u0660-\u066c\u0670-\u0674\u0679-\u06d3\u06f0-\u06f9"
    "\u200c\u2010-\u2015\u2018-\u201f\u2022\u2026\u2030\u20a0-\u20a7\u20a9-\u20bf\u2116\u2212"
    "\u2600-\u2775\u2794-\u27bf\u3001\u3002\u3008-\u3011\u3400-\u9fff\ua66e\uff01-\uff5e\ufe0f\U0001f300-\U0001faff"
)
ODD = re.compile(f"[^{PLAIN}]|[\u0621-\u065f\u0670-\u06d3]\\d")  # also a number beside an Arabic letter
JOINERS = ".,٬٫\u00a0 ，．"  # one of which may stand between digits of a number
# What stands before it is looked at behind its first digit: the engine finds a digit quicker than a place.
NUMBER = re.compile(rf"(\d(?<![^\W_\u3400-\u9fff]\d)\d*(?:[{JOINERS}]?\d+)*)")
DIGITS = re.compile(r"\d+")
NAMED = CURRENCIES | MULTIPLIERS
AFTER_DIGITS = (":", "٫", ".", "/", "月")  # what may make a time or a day of the digits at the end of a word
TENS = {"0": -1, "1": -1, "2": -2, "3": -2}  # of a day or a month; others are of neither
NO_TENS = -3

T = TypeVar("T")
Part = str | int | tuple["Part", ...]
Shape = tuple[Part, ...]


class Word(msgspec.Struct, frozen=True, gc=False):
    """A word, sign or number as it is compared."""

    token: Token  # wherever it stands
    left: Part | None  # of it in a shape; None where it stays as it is
    ends_in_digit: bool


class Run(msgspec.Struct, frozen=True, gc=False):
    """What stands between two numbers of a text."""

    shape: Part
    at: int  # where it stood when it was seen first
    tokens: tuple[Token, ...]  # as they stood then


class Shapes:
    """The shapes of texts for some lists of phrases."""

    def __init__(self, compared: Sequence[Lists], kept: int) -> None:
        self._lists = compared
        self._kept = kept
        self._runs: dict[str, Run] = {}
        self._words: dict[str, Word] = {}

    def of(self, parts: Sequence[str]) -> Shape:
        """The shape of a text by its parts."""
        shape: list[Part] = []
        is_number, runs, at = True, self._runs, 0
        for part in parts:
            is_number = not is_number
            if is_number:
                shape.append(self._number(part))
            else:
                shape.append((runs.get(part) or self._run(part, at)).shape)
            at += len(part)
        return tuple(shape)

    def tokens(self, parts: Sequence[str]) -> list[Token]:
        """The tokens of a text by its parts. Where those stand that no phrase has is not told."""
        tokens: list[Token] = []
        at = 0
        for place, part in enumerate(parts):
            if place % 2:
                tokens.append(Token(digits(part), at, at + len(part), True))
            else:
                run = self._runs.get(part) or self._run(part, at)
                by = at - run.at
                tokens += (
                    [_moved(one, one.start + by, one.end + by) for one in run.tokens] if by else run.tokens
                )
            at += len(part)
        return joined(tokens)

    def _number(self, number: str) -> Part:
        """What counts of a number."""
        form = digits(number)
        for listed in self._lists:
            if listed.names(form):
                return number
        return _length(number) if number.isdecimal() else (DIGITS.sub(_group, number),)

    def _run(self, run: str, at: int) -> Run:
        """What stands between two numbers, from a place of a text on."""
        tokens: list[Token] = []
        shape: list[Part] = []
        done = 0
        for match in TOKEN.finditer(plain(run)):
            start, end = match.span()
            word = self._words.get(run[start:end]) or self._word(run, match)
            # A word that no phrase has is no end of one, unless as a code: nobody asks where it stands.
            stands = word.left is None or word.token.is_code
            tokens.append(_moved(word.token, start + at, end + at) if stands else word.token)
            if word.left is None or (word.ends_in_digit and run[end : end + 1] in AFTER_DIGITS):
                continue
            shape += (run[done:start], word.left)
            done = end
        whole = (*shape, run[done:]) if shape else run
        return _keep(self._runs, run, Run(whole, at, tuple(tokens)), self._kept)

    def _word(self, run: str, match: re.Match[str]) -> Word:
        word, token = run[match.start() : match.end()], token_of(match, run)
        found = Word(token, self._left_of(word, token), word[-1].isdecimal())
        return _keep(self._words, word, found, WORDS_TO_A_RUN * self._kept)

    def _left_of(self, word: str, token: Token) -> Part | None:
        """What counts of a word when no phrase has it; else None. Single letters may be set apart."""
        if token.is_number or token.form in NAMED or (len(token.form) < 2 and not token.is_sign):
            return None
        for listed in self._lists:
            if listed.names(token.form) or token.bare in listed.words:
                return None
        length = 0 if token.is_sign else -len(word) if token.is_code else len(word)
        long = () if word.isalpha() else _long_numbers(word)
        return (length, *long) if long else length


def _long_numbers(word: str) -> tuple[Part, ...]:
    """By which something may be known: where they are in a word, how long, whether they are to be called."""
    return tuple(
        (match.start(), len(match[0]), match[0][0] in NOUGHTS)
        for match in DIGITS.finditer(word)
        if len(match[0]) >= LONG
    )


def parts(text: str, was_ascii: bool = False) -> list[str] | None:
    """Of a text without links what is no number, and a number, in turn; None when it has no shape.
    `was_ascii`: before its links were taken out."""
    if len(text) > LENGTH_MAX or (not was_ascii and not text.isascii() and ODD.search(text)):
        return None
    return NUMBER.split(text)


def _keep(known: dict[str, T], text: str, found: T, most: int) -> T:
    if len(known) >= most:
        known.clear()
    known[text] = found
    return found


def _length(number: str) -> int:
    """What counts of a number without signs in it, beside its value."""
    length = len(number)
    if length == 2:
        return TENS.get(number[0], NO_TENS)
    return -length if length >= LONG and number[0] in NOUGHTS else length


def _group(match: re.Match[str]) -> str:
    """What counts of digits between two signs of a number, as digits."""
    number = match[0]
    if len(number) == 2:
        return f"{-TENS.get(number[0], NO_TENS)}9"
    return ("0" if len(number) >= LONG and number[0] in NOUGHTS else "9") * len(number)


def _moved(token: Token, start: int, end: int) -> Token:
    other: Token = token.__copy__()  # type: ignore[attr-defined]  # a method that the stubs forgot
    other.start, other.end = start, end
    return other
