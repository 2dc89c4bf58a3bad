"""Where words stand: which live messages contain this disclaimer. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from angarium.content import rules
from angarium.content.store.versions import Version

FOUND_MAX = 500
AROUND = 40  # characters shown at each side
BLANKS = re.compile(r"\s+")


class Found(msgspec.Struct, frozen=True):
    """A phrase in a field of a variant."""

    version: int
    channel: str
    locale: str
    field: str
    position: int  # in characters, from 1
    excerpt: str


def pattern(phrase: str) -> re.Pattern[str]:
    """A phrase as it is looked for: capitals or not, and any blanks for a blank."""
    words = [re.escape(word) for word in BLANKS.split(phrase.strip())]
    return re.compile(r"\s+".join(words), re.IGNORECASE)


def search(wanted: re.Pattern[str], found: Sequence[Version]) -> Iterator[Found]:
    """Every place of a phrase in some versions."""
    for version in found:
        for variant in version.variants:
            for name, source, _ in rules.fields(variant.content):
                for match in wanted.finditer(source):
                    begin, end = max(match.start() - AROUND, 0), match.end() + AROUND
                    yield Found(
                        version.number,
                        variant.channel,
                        variant.locale,
                        name,
                        match.start() + 1,
                        source[begin:end],
                    )
