"""What has changed between two wordings: per variant and field, word by word. Pure.

Large fields are compared by lines, and what is larger still is told as replaced: the comparison takes
quadratic time at worst.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import msgspec

from angarium.content.rules import Variant
from angarium.core.values import Content

TOKENS_MAX = 3_000  # of both sides together; more are compared by lines, and so many lines not at all
# A word with its marks, one ideograph or kana, blanks, or one sign.
WORD = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]|[^\W\u2e80-\u9fff\uf900-\ufaff]+|\s+|[^\w\s]", re.UNICODE)
LINE = re.compile(r"[^\n]*\n|[^\n]+")

SAME, ADDED, REMOVED = "same", "added", "removed"


class Piece(msgspec.Struct, frozen=True):
    """A run of text: "same", "added" or "removed"."""

    change: str
    text: str


class FieldChange(msgspec.Struct, frozen=True):
    """What has changed in one field."""

    field: str
    pieces: list[Piece]


class VariantChange(msgspec.Struct, frozen=True):
    """What has become of one variant: "added", "removed" or "changed"."""

    channel: str
    locale: str
    change: str
    fields: list[FieldChange]


def difference(before: Sequence[Variant], after: Sequence[Variant]) -> list[VariantChange]:
    """Every variant that is not the same on both sides: those of the later side in order, then what went."""
    earlier = {(one.channel, one.locale): one for one in before}
    later = {(one.channel, one.locale): one for one in after}
    found = []
    for key, variant in (later | earlier).items():
        old, new = earlier.get(key), later.get(key)
        fields = list(_fields(old.content if old else Content(), new.content if new else Content()))
        change = ADDED if old is None else REMOVED if new is None else "changed"
        if fields or change != "changed":
            found.append(VariantChange(variant.channel, variant.locale, change, fields))
    return found


def _fields(before: Content, after: Content) -> Iterator[FieldChange]:
    earlier, later = _flat(before), _flat(after)
    for field in later | earlier:
        old, new = earlier.get(field, ""), later.get(field, "")
        if old != new:
            yield FieldChange(field, pieces(old, new))


def _flat(content: Content) -> dict[str, str]:
    """Every filled field by the name that errors give it."""
    found = {
        name: getattr(content, name)
        for name in ("text", "subject", "html", "image_url", "template", "template_language")
        if getattr(content, name)
    }
    if content.media is not None:
        found["media"] = f"{content.media.name} ({content.media.id})"
    for place, button in enumerate(content.buttons):
        for name, value in msgspec.to_builtins(button).items():
            if value:
                found[f"buttons[{place}].{name}"] = str(value)
    return found | {f"params.{name}": value for name, value in content.params.items()}


def pieces(before: str, after: str) -> list[Piece]:
    """Two texts as one, in runs that stayed, came and went."""
    for unit in (WORD, LINE):
        old, new = unit.findall(before), unit.findall(after)
        if len(old) + len(new) <= TOKENS_MAX:
            return list(_joined(_compared(old, new)))
    return [Piece(change, text) for change, text in ((REMOVED, before), (ADDED, after)) if text]


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[Piece]:
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            yield Piece(SAME, "".join(old[a:b]))
            continue
        if b > a:
            yield Piece(REMOVED, "".join(old[a:b]))
        if d > c:
            yield Piece(ADDED, "".join(new[c:d]))


def _joined(found: Iterator[Piece]) -> Iterator[Piece]:
    """A blank between two changed words belongs to them: people read runs, not letters."""
    waiting: dict[str, str] = {}
    for piece in found:
        if piece.change != SAME:
            waiting[piece.change] = waiting.get(piece.change, "") + piece.text
        elif waiting and not piece.text.strip() and len(waiting) == 2:
            waiting = {change: text + piece.text for change, text in waiting.items()}
        else:
            yield from _given(waiting)
            waiting = {}
            yield piece
    yield from _given(waiting)


def _given(waiting: dict[str, str]) -> Iterator[Piece]:
    removed, added = waiting.get(REMOVED, ""), waiting.get(ADDED, "")
    if removed and added:
        shared = _common_end(removed, added)
        if shared:
            yield Piece(REMOVED, removed[:-shared])
            yield Piece(ADDED, added[:-shared])
            yield Piece(SAME, added[-shared:])
            return
    yield from (Piece(change, text) for change, text in ((REMOVED, removed), (ADDED, added)) if text)


def _common_end(removed: str, added: str) -> int:
    """How many blanks both end with, when something is left before them."""
    ends = len(removed) - len(removed.rstrip()), len(added) - len(added.rstrip())
    most = min(ends)
    same = next((n for n in range(most, 0, -1) if removed[-n:] == added[-n:]), 0)
    return same if same < min(len(removed), len(added)) else 0
