"""What machines write, in sentences that go from right to left. Pure.

In such a sentence Unicode's algorithm (UAX #9) leaves a run alone that begins and ends with Latin letters,
and a number. What begins or ends otherwise it takes apart: "+98912" is shown as "98912+", "2026-11" as
"11-2026", and the braces around a document trade places. Such a run is isolated, and shown as it was written.
"""

from __future__ import annotations

import re
from functools import lru_cache

BEGIN, END = "\u2066", "\u2069"  # LRI, PDI
FROM_THE_RIGHT = "\u200f"  # RLM: which way the sentence goes, where a Latin word comes first
TO_THE_LEFT = re.compile(
    r"[\u0590-\u05ff\u0620-\u064a\u0671-\u06d3]"
)  # letters of Hebrew, Arabic and Persian
STRONG = re.compile(r"[^\W\d_]|[\u200e\u200f]")  # what says which way it goes: a letter, or a mark
DIGITS = "0-9\u0660-\u0669\u06f0-\u06f9"
APART = (
    "\u0590-\u08ff\ufb50-\ufefc\u200b-\u200f\u2066-\u2069\u00ab\u00bb()"  # what no run of a machine has in it
)
RUN = re.compile(rf"\u2066[^\u2069]*\u2069|(?:(?!\. )[^{APART}]|[{DIGITS}])+")
GOOD = re.compile(rf"[A-Za-z](?:.*[A-Za-z0-9])?|[{DIGITS}]+(?:[.,:/\u066b\u066c][{DIGITS}]+)*", re.DOTALL)
SAYS = re.compile(rf"[A-Za-z{DIGITS}]")
OF_THE_SENTENCE = " \n.,;:!?\u2013\u2014\u00b7"
PAIRS = {"[": "]", "{": "}"}
QUOTES = "\"'`"
KEPT = 8_192  # sentences: what the pages say in one of these languages, and more
GAP = re.compile(r"(?<![/\[=@+{])\{\w+\}(?![/\[\]=@}])")  # one beside such a sign is a part of the run
FILLED = re.compile(r"\{\w+\}")


@lru_cache(maxsize=KEPT)
def isolated(text: str, *, filled: bool = False) -> str:
    """A sentence with its runs isolated that would be taken apart; one from left to right stays as it is.
    Of a sentence to be `filled`, what stands in braces is a gap, and what fills it is isolated already."""
    if not TO_THE_LEFT.search(text):
        return text
    known = FILLED.sub("", text) if filled else text
    found, at = [], 0
    for gap in GAP.finditer(text) if filled else ():
        found += [RUN.sub(_run_to_fill, text[at : gap.start()]), gap[0]]
        at = gap.end()
    whole = "".join([*found, RUN.sub(_run_to_fill if filled else _run, text[at:])])
    return FROM_THE_RIGHT + whole if _misleads(known) else whole


def _misleads(text: str) -> bool:
    """Whether a browser that goes by the first letter (dir="auto") would take it for one of ours."""
    first = STRONG.search(text)
    return first is not None and first[0].isalpha() and not TO_THE_LEFT.match(first[0])


def _run_to_fill(found: re.Match[str]) -> str:
    return found[0] if not SAYS.search(FILLED.sub("", found[0])) else _run(found)


def _run(found: re.Match[str]) -> str:
    run = found[0]
    begin, end = _within(run)
    inner = run[begin:end]
    if inner.startswith(BEGIN) or not SAYS.search(inner) or GOOD.fullmatch(inner):
        return run
    return f"{run[:begin]}{BEGIN}{inner}{END}{run[end:]}"


def _within(run: str) -> tuple[int, int]:
    """Where what a machine wrote begins and ends: without the signs of the sentence around it."""
    begin, end = 0, len(run)
    while begin < end:
        inner = run[begin:end]
        if inner[0] in OF_THE_SENTENCE or _opens_only(inner):
            begin += 1
        elif inner[-1] in OF_THE_SENTENCE or _closes_only(inner):
            end -= 1
        else:
            break
    return begin, end


def _opens_only(text: str) -> bool:
    """Whether it begins with a bracket or a quote whose other half is not in it."""
    first = text[0]
    return (first in PAIRS and PAIRS[first] not in text) or (first in QUOTES and text.count(first) % 2 == 1)


def _closes_only(text: str) -> bool:
    last = text[-1]
    opening = next((one for one, other in PAIRS.items() if other == last), "")
    return (bool(opening) and opening not in text) or (last in QUOTES and text.count(last) % 2 == 1)
