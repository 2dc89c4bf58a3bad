"""Phrases of lists, and where they stand in a text.

A list is TOML: a table for each kind of phrases, with `words`, or with `strong`, `medium` and `weak` for
how loud they are. An entry is words in a row:

    word    that word              {n}      a number            ~      up to six words of any kind
    word*   words that begin so    {money}  an amount of money  {code} a code such as SALE20
    %  #  :  +  =  №               themselves

Chinese is compared sign by sign. The lists are in `wordlists/`, a file a language. Pure but for reading
them once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from importlib.resources import files
from typing import Any

import msgspec

from angarium.content.tokens import KNOWN_MAX, WORD_MAX, Token, form, tokenise

LANGUAGES = ("en", "fa", "ar", "uk", "ru", "zh")
GAP = 6  # words that `~` may stand for; signs of Chinese count as half a word
LISTS = files("angarium.content") / "wordlists"


@lru_cache(maxsize=8)
def table(name: str) -> dict[str, Any]:
    """One of the files of `wordlists/`, by its name without ending."""
    return tomllib.loads((LISTS / f"{name}.toml").read_text("utf-8"))


CURRENCIES = frozenset(table("money")["currencies"])
MULTIPLIERS = frozenset(table("money")["multipliers"])

Item = tuple[str, str]  # what stands at a place of an entry: its kind, its text
Found = tuple[int, int, "Entry"]  # characters `start` to `end` of a text, and the phrase that stands there


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A phrase of a list."""

    items: tuple[Item, ...]
    kind: str  # its table, and how loud it is: "offer.strong", "cut"
    text: str


Rest = tuple[Entry, Sequence[Item], str]  # an entry, what of it is not compared yet, a word that it needs


class Heads:
    """Entries that begin alike: those that end there, those known by their second word, and the others."""

    def __init__(self) -> None:
        self.alone: list[Entry] = []
        self.by_second: dict[str, list[Rest]] = {}
        self.before_number: list[Rest] = []
        self.others: list[Rest] = []
        self.goes_on = False  # whether any of them has more than one word

    @classmethod
    def together(cls, some: Sequence[Heads]) -> Heads:
        """What begins in one of several ways."""
        if len(some) == 1:
            return some[0]
        all_ = cls()
        for one in some:
            all_.alone += one.alone
            all_.before_number += one.before_number
            all_.others += one.others
            all_.goes_on = all_.goes_on or one.goes_on
            for second, rests in one.by_second.items():
                all_.by_second.setdefault(second, []).extend(rests)
        return all_

    def add(self, entry: Entry) -> None:
        """One more."""
        items = entry.items
        if len(items) == 1:
            self.alone.append(entry)
            return
        self.goes_on = True
        needs = next((text for kind, text in items[2:] if kind == "word"), "")
        kind, text = items[1]
        if kind == "word":
            self.by_second.setdefault(text, []).append((entry, items[2:], needs))
        elif kind == "n":
            self.before_number.append((entry, items[2:], needs))
        else:
            self.others.append((entry, items[1:], needs))


class Lists:
    """Entries by what they begin with."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        entries = tuple(entries)
        self.words = frozenset(text for one in entries for kind, text in one.items if kind == "word")
        self.stems = frozenset(text for one in entries for kind, text in one.items if kind == "stem")
        self.lengths = sorted({len(stem) for stem in self.stems})
        self.by_word: dict[str, Heads] = {}
        self.by_stem: dict[str, Heads] = {}
        self.by_kind: dict[str, Heads] = {}
        for entry in {(one.items, one.kind): one for one in entries}.values():
            kind, text = entry.items[0]
            index = {"word": self.by_word, "stem": self.by_stem}.get(kind, self.by_kind)
            index.setdefault(text or kind, Heads()).add(entry)
        self.stem_lengths = sorted({len(stem) for stem in self.by_stem})
        self.numbers = tuple(self.by_kind[kind] for kind in ("n", "money") if kind in self.by_kind)
        self.known: dict[str, tuple[Heads, ...]] = {}

    def beginning_with(self, token: Token) -> tuple[Heads, ...]:
        """The entries that may begin with a token."""
        heads = self.known.get(token.form)
        if heads is None:
            heads = self._look_up(token.form)
        if token.is_number:
            return heads + self.numbers
        if token.bare:
            bare = self.by_word.get(token.bare)
            return (*heads, bare) if bare is not None else heads
        if token.is_code and "code" in self.by_kind:
            return (*heads, self.by_kind["code"])
        return heads

    def names(self, form: str) -> bool:
        """Whether a word or number stands in any entry, at any place of it."""
        return form in self.words or not self.stems.isdisjoint([form[:length] for length in self.lengths])

    def _look_up(self, form: str) -> tuple[Heads, ...]:
        stems = [form[:length] for length in self.stem_lengths if length <= len(form)]
        found = [self.by_word.get(form), *(self.by_stem.get(stem) for stem in stems)]
        heads = [one for one in found if one is not None]
        known = (Heads.together(heads),) if heads else ()
        if form in CURRENCIES and "money" in self.by_kind:
            known = (*known, self.by_kind["money"])
        if len(self.known) < KNOWN_MAX and len(form) <= WORD_MAX:
            self.known[form] = known
        return known


def found(tokens: Sequence[Token], lists_: Lists) -> list[Found]:
    """The phrases that stand in a text, wherever they do; several may stand at one place."""
    forms = {token.form for token in tokens}
    forms.update([token.bare for token in tokens if token.bare])
    forms.add("")
    some: list[Found] = []
    money, last = lists_.by_kind.get("money"), len(tokens) - 1
    known = lists_.known
    for place, token in enumerate(tokens):
        heads = known.get(token.form)
        if heads is None or token.is_number or token.bare or token.is_code:
            heads = lists_.beginning_with(token)
        for head in heads:
            after = _after_money(tokens, place) if head is money else place + 1
            if after is None:
                continue
            if head.alone:
                end = tokens[after - 1].end
                some += [(token.start, end, entry) for entry in head.alone]
            if after <= last and head.goes_on:
                behind = tokens[after]
                if head.others or behind.is_number or behind.bare or behind.form in head.by_second:
                    _follow(some, tokens, token.start, after, head, forms)
    return some


def _follow(
    some: list[Found],
    tokens: Sequence[Token],
    start: int,
    after: int,
    head: Heads,
    forms: AbstractSet[str],
) -> None:
    """Note the entries that go on behind their head."""
    behind = tokens[after]
    rests = head.by_second.get(behind.form, ())
    if behind.bare:
        rests = (*rests, *head.by_second.get(behind.bare, ()))
    if behind.is_number and head.before_number:
        rests = (*rests, *head.before_number)
    for entry, items, needs in rests:
        if needs in forms:
            end = _match(tokens, after + 1, items) if items else after + 1
            if end is not None:
                some.append((start, tokens[end - 1].end, entry))
    for entry, items, needs in head.others:
        if needs in forms:
            end = _match(tokens, after, items)
            if end is not None:
                some.append((start, tokens[end - 1].end, entry))


def _match(tokens: Sequence[Token], place: int, items: Sequence[Item]) -> int | None:
    """The place after a phrase that begins at a place; None when it does not stand there."""
    for number, (kind, text) in enumerate(items):
        if kind == "gap":
            return _match_after_gap(tokens, place, items[number + 1 :])
        if place >= len(tokens):
            return None
        token = tokens[place]
        if kind == "money":
            after = _after_money(tokens, place)
            if after is None:
                return None
            place = after
            continue
        fits = (
            (kind == "word" and text in (token.form, token.bare))
            or (kind == "stem" and token.form.startswith(text))
            or (kind == "n" and token.is_number)
            or (kind == "code" and token.is_code)
        )
        if not fits:
            return None
        place += 1
    return place


def _match_after_gap(tokens: Sequence[Token], place: int, items: Sequence[Item]) -> int | None:
    width = 0.0
    while width <= GAP and place < len(tokens):
        end = _match(tokens, place, items)
        if end is not None:
            return end
        width += 0.5 if tokens[place].is_sign else 1.0
        place += 1
    return None


def _after_money(tokens: Sequence[Token], place: int) -> int | None:
    """The place after an amount: a number with a currency before it, or behind it."""
    before = tokens[place].form in CURRENCIES
    place += before
    if place >= len(tokens) or not tokens[place].is_number:
        return None
    place += 1
    if place < len(tokens) and tokens[place].form in MULTIPLIERS:
        place += 1
    if place < len(tokens) and tokens[place].form in CURRENCIES:
        return place + 1
    return place if before else None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=1)
def lists() -> Lists:
    """All languages' lists."""
    return Lists(shipped())


def own(also: Iterable[str], never: Iterable[str]) -> Lists:
    """A workspace's own entries, of the kinds `own` and `never`."""
    return Lists([_entry("own", text) for text in also] + [_entry("never", text) for text in never])


@lru_cache(maxsize=1)
def shipped() -> tuple[Entry, ...]:
    """The entries of all languages."""
    return tuple(entry for name in LANGUAGES for entry in _entries(table(name)))


def _entries(tables: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[Entry]:
    for kind, by_strength in tables.items():
        for strength, texts in by_strength.items():
            name = kind if strength == "words" else f"{kind}.{strength}"
            yield from (_entry(name, text) for text in texts)


def _entry(kind: str, text: str) -> Entry:
    items = tuple(item for part in text.split() for item in _items(part))
    if not items or items[0][0] == "gap" or items[-1][0] == "gap":
        raise ValueError(f"not an entry: {text!r}")
    return Entry(items, kind, text)


def _items(part: str) -> Iterator[Item]:
    """What one part of an entry stands for: a Chinese word is as many items as it has signs."""
    if part == "~":
        yield "gap", ""
    elif part in ("{n}", "{money}", "{code}"):
        yield part[1:-1], ""
    elif part.endswith("*"):
        yield "stem", form(part[:-1])
    else:
        yield from (("word", one.form) for one in tokenise(part))
