"""How Unicode's algorithm orders a sentence from right to left (UAX #9; embeddings and brackets left out).

An oracle for `core/isolating.py` that shares nothing with it: it goes by the classes of the letters.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby, pairwise

ISOLATE, CLOSE = "\u2066", "\u2069"
LEFT, RIGHT = "L", "R"
NEUTRAL = {"ES", "ET", "CS", "WS", "B", "S", "BN", "LRI", "RLI", "FSI", "PDI"}
# A word of a machine: between spaces, letters of the right, and the quotes and commas of a sentence.
WORD = re.compile(
    r"[^\s()\u0600-\u0605\u060b-\u065f\u066e-\u06ef\u06fa-\u08ff\u200c\u200d\u00ab\u00bb\ufffc]+"
)
ENDS = ".,;:!?\u2013\u2014\u00b7\u2026\"'[]\u200e\u200f\u2066\u2069"
SAYS = re.compile(r"[A-Za-z0-9\u0660-\u0669\u06f0-\u06f9]")


def taken_apart(text: str) -> list[str]:
    """The words of machines in a sentence that would not be shown as they were written."""
    goes_left = _goes_left(text)
    found = []
    for word in WORD.finditer(text):
        begin, end = word.span()
        while begin < end and text[begin] in ENDS:
            begin += 1
        while end > begin and text[end - 1] in ENDS:
            end -= 1
        if SAYS.search(text[begin:end]) and any(goes_left[begin:end]):
            found.append(text[begin:end])
    return found


def _goes_left(text: str) -> list[bool]:
    """Of each letter, whether it goes from right to left; what is isolated goes from left to right."""
    outside, depth = [], 0
    for place, letter in enumerate(text):
        depth -= letter == CLOSE
        if not depth:
            outside.append(place)
        depth += letter == ISOLATE
    found = [False] * len(text)
    for place, kind in zip(outside, _resolved("".join(text[place] for place in outside)), strict=True):
        found[place] = kind == RIGHT
    return found


def _resolved(text: str) -> list[str]:
    return _neutral(_weak([unicodedata.bidirectional(letter) for letter in text]))


def _weak(kinds: list[str]) -> list[str]:
    """W1 to W7."""
    strong = RIGHT
    for place, kind in enumerate(kinds):
        strong = kind if kind in (LEFT, RIGHT, "AL") else strong
        if kind == "NSM":
            kinds[place] = kinds[place - 1] if place else RIGHT
        elif kind == "EN" and strong == "AL":
            kinds[place] = "AN"
    kinds = [RIGHT if kind == "AL" else kind for kind in kinds]
    for place in range(1, len(kinds) - 1):
        before, kind, after = kinds[place - 1 : place + 2]
        if before == after and (kind, before) in {("ES", "EN"), ("CS", "EN"), ("CS", "AN")}:
            kinds[place] = before
    for order in (list(pairwise(range(len(kinds)))), list(pairwise(reversed(range(len(kinds)))))):
        for beside, place in order:
            if kinds[place] == "ET" and kinds[beside] == "EN":
                kinds[place] = "EN"
    strong = RIGHT
    for place, kind in enumerate(kinds):
        strong = kind if kind in (LEFT, RIGHT) else strong
        if kind == "EN" and strong == LEFT:
            kinds[place] = LEFT
    return ["ON" if kind in NEUTRAL else kind for kind in kinds]


def _neutral(kinds: list[str]) -> list[str]:
    """N1 and N2: what is neutral goes as both of its neighbours do, else as the sentence."""
    found: list[str] = []
    for neutral, run in groupby(kinds, lambda kind: kind == "ON"):
        length = list(run)
        if not neutral:
            found += length
            continue
        after = kinds[len(found) + len(length)] if len(found) + len(length) < len(kinds) else RIGHT
        before = found[-1] if found else RIGHT
        found += [LEFT if before == after == LEFT else RIGHT] * len(length)
    return found
