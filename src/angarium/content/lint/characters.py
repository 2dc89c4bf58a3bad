"""Characters: what makes an SMS of 160 one of 70, what looks like something else, what nobody sees."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from angarium.content.lint import lookalikes
from angarium.content.lint.findings import Finding
from angarium.content.lint.subject import HIDDEN, Rendered, Wording, masked, measured
from angarium.content.surroundings import Carrier
from angarium.core.values import Content
from angarium.protocols import gsm

SURPRISE_MAX = 0.2  # more of a text in another alphabet than this share is no surprise
SHOWN_MAX = 10  # findings of one kind in one field
WORD = re.compile(r"[^\W\d_]+")
# What nobody sees. Zero-width joiners are spelling in Persian and in emoji, and stay.
INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff\u180e\u2061-\u2064]|[\u202a-\u202e\u2066-\u2069]")
BLANKS = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
IDEOGRAPH = re.compile("[\u3040-\u9fff]")  # beside which the wide blank is at home


def look(wording: Wording) -> Iterator[Finding]:
    """Everything about the characters of one wording."""
    for name, source in wording.fields():
        yield from _mixed(wording, name, source)
        yield from _invisible(wording, name, source)
    if wording.by_parts and wording.variant.content.text:
        yield from _surprises(wording)
        yield from _counts_twice(wording)


# ── the alphabet of SMS ──────────────────────────────────────────────────────────────────────────────


def _surprises(wording: Wording) -> Iterator[Finding]:
    source = masked(wording.variant.content.text)
    foreign = _foreign(source)
    written = [place for place in foreign if source[place] != HIDDEN]
    if written and _is_surprise(source, len(written)) and not _made_plain(wording, source):
        before, after = _saved(wording)
        for place in written[:SHOWN_MAX]:
            yield wording.finding(
                "alphabet-surprise",
                f"{named(source[place])} is not in the GSM alphabet{_cost(before, after)}",
                _instead(source[place]),
                field="text",
                position=place + 1,
                value=source[place],
            )
    elif not written:
        yield from _brought(wording)


def _foreign(text: str) -> list[int]:
    return [found.start() for found in gsm.NOT_GSM7.finditer(text)]


def _is_surprise(text: str, foreign: int) -> bool:
    letters = sum(1 for letter in text if not letter.isspace() and letter != HIDDEN)
    return foreign <= max(letters * SURPRISE_MAX, 1)


def _made_plain(wording: Wording, text: str) -> bool:
    """Whether every line that may carry it makes such signs plain by itself."""
    bare = text.replace(HIDDEN, "x")
    contents = [Content(text=bare)]
    return bool(_by_parts(wording)) and all(
        measured(carrier, content).encoding != "ucs2"
        for carrier in _by_parts(wording)
        for content in contents
    )


def _by_parts(wording: Wording) -> list[Carrier]:
    return [one for one in wording.carriers if one.channel.capabilities.priced_by == "part"]


def _saved(wording: Wording) -> tuple[int, int]:
    """Parts of the longest text as it is, and as it would be in the GSM alphabet."""
    texts = [one.content.text for one in wording.rendered if one.content is not None]
    longest = max(texts or [masked(wording.variant.content.text)], key=len)
    return _parts(longest), _parts(plain(longest))


def _parts(text: str) -> int:
    try:
        return len(gsm.segment(text).parts)
    except gsm.TooLong:
        return gsm.PARTS_MAX


def plain(text: str) -> str:
    """A text in the GSM alphabet: with plain signs where there are, else with a sign in each one's place."""
    bare = unicodedata.normalize("NFC", text).translate(gsm.PLAIN)
    return gsm.NOT_GSM7.sub("x", bare)


def _cost(before: int, after: int) -> str:
    if before == after:
        return f"; it leaves 70 characters for a part, and costs nothing yet: {_count(before)} either way"
    return f": with it {_count(before)}, without such signs {_count(after)}"


def _count(parts: int) -> str:
    return f"{parts} parts" if parts > 1 else f"{parts} part"


def _instead(character: str) -> str:
    instead = unicodedata.normalize("NFC", character).translate(gsm.PLAIN)
    if instead == character:
        bare = unicodedata.normalize("NFKD", character)[:1]
        if bare != character and gsm.NOT_GSM7.search(bare) is None:
            return f"write {bare!r} instead, or leave it out"
        return "leave it out, or write it in words"
    return f"write {instead!r} instead" if instead else "take it out: nobody sees it"


def _brought(wording: Wording) -> Iterator[Finding]:
    """The values of a sample that do it."""
    for one in wording.rendered:
        text = one.content.text if one.content else ""
        places = _foreign(text)
        if places and _is_surprise(text, len(places)) and not _made_plain(wording, text):
            yield _from_value(wording, one, text[places[0]], _parts(text), _parts(plain(text)))
            return


def _from_value(wording: Wording, one: Rendered, character: str, before: int, after: int) -> Finding:
    return wording.finding(
        "alphabet-surprise-in-value",
        f"a value of the sample {one.sample.name} brings {named(character)}{_cost(before, after)}",
        "write such names in the GSM alphabet where they come from, or reckon with the price",
        field="text",
        value=character,
    )


def _counts_twice(wording: Wording) -> Iterator[Finding]:
    source = masked(wording.variant.content.text)
    if any(place for place in _foreign(source) if source[place] != HIDDEN):
        return
    found = list(gsm.EXTENDED.finditer(source))
    if found:
        signs = " ".join(sorted({one[0] for one in found}))
        yield wording.finding(
            "character-counts-twice",
            f"{signs} take two places each, {len(found)} in all",
            "write it in another way if the text is just too long for a part",
            field="text",
            position=found[0].start() + 1,
            value=signs,
        )


# ── what is not what it looks like ───────────────────────────────────────────────────────────────────


def _mixed(wording: Wording, name: str, source: str) -> Iterator[Finding]:
    shown = 0
    for found in WORD.finditer(source):
        places = lookalikes.strangers(found[0])
        if places and shown < SHOWN_MAX:
            shown += 1
            odd = ", ".join(
                f"{named(found[0][place])} at {found.start() + place + 1}" for place in places[:3]
            )
            yield wording.finding(
                "letters-mixed",
                f"the word {found[0]} has letters of two alphabets: {odd}",
                "type the word anew on one keyboard layout",
                field=name,
                position=found.start() + places[0] + 1,
                value=found[0],
            )


def _invisible(wording: Wording, name: str, source: str) -> Iterator[Finding]:
    places = [found.start() for found in INVISIBLE.finditer(source)]
    places += [
        f.start() for f in BLANKS.finditer(source) if not (f[0] == "\u3000" and IDEOGRAPH.search(source))
    ]
    for place in sorted(places)[:SHOWN_MAX]:
        is_blank, shown = BLANKS.match(source[place]) is not None, named(source[place])
        yield wording.finding(
            "character-invisible",
            f"{shown} looks like a blank" if is_blank else f"{shown} cannot be seen",
            "write a plain blank" if is_blank else "take it out",
            field=name,
            position=place + 1,
            value=f"U+{ord(source[place]):04X}",
        )


def named(character: str) -> str:
    """A character as people know it: itself where it can be seen, and its name in Unicode."""
    name = unicodedata.name(character, f"U+{ord(character):04X}").lower()
    seen = character.isprintable() and not unicodedata.combining(character) and not character.isspace()
    return f"{character} ({name})" if seen else f"the {name}"
