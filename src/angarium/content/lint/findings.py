"""The kinds of finding: how grave each is, and why it matters. docs/reference/lint.md is printed from here.

An error keeps a version from being submitted for review; a warning is for the eye of author and reviewer; a
note is a figure or a hint.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec


class Level(StrEnum):
    """How grave a finding is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Kind(NamedTuple):
    """One thing that can be found: its level and what it means for those who get the message."""

    level: Level
    meaning: str


E, W, N = Level.ERROR, Level.WARNING, Level.NOTE

KINDS: dict[str, Kind] = {
    "variable-without-sample": Kind(
        E, "No sample has a value for a variable, so nobody has seen the text that people would get."
    ),
    "variable-unknown": Kind(W, "A field of the contact that the workspace does not define."),
    "variable-only-here": Kind(W, "A variable that the other wordings of the template do not use."),
    "sample-unused": Kind(N, "A sample has a value that no wording uses: perhaps a name is misspelt."),
    "sample-does-not-render": Kind(E, "With this sample there is no text: a message would be refused."),
    "sample-empties-variant": Kind(E, "With this sample nothing is left of the text but blanks."),
    "variant-empty": Kind(E, "The wording says nothing."),
    "locale-missing": Kind(W, "Contacts read a language that this channel has no wording in."),
    "locale-unserved": Kind(E, "Contacts would get nothing: no wording fits, and there is no fall-back."),
    "fallback-missing": Kind(W, "A channel has no wording for a locale that nobody thought of."),
    "alphabet-surprise": Kind(
        W, "A few characters outside the GSM alphabet leave 70 characters for each part instead of 160."
    ),
    "alphabet-surprise-in-value": Kind(W, "The same, brought by the value of a variable in a sample."),
    "character-counts-twice": Kind(N, "A character that takes two places of an SMS."),
    "letters-mixed": Kind(
        W, "A word of letters that look alike and are of two alphabets: it cannot be found, nor read aloud."
    ),
    "character-invisible": Kind(W, "A character that nobody sees: it costs, and breaks searches and links."),
    "parts": Kind(N, "How many parts and what price the samples come to on a line."),
    "parts-many": Kind(W, "The longest sample takes many parts of an SMS."),
    "channel-limit": Kind(E, "The channel cannot carry it: a message would take its next step, or fail."),
    "class-not-carried": Kind(W, "The channel carries no messages of this class: the wording is never used."),
    "line-missing": Kind(N, "The workspace has no line that could carry it."),
    "promotional-wording": Kind(W, "Words that promote something in a message that must not."),
    "link-unknown-host": Kind(W, "A link to a host that is not on the workspace's list."),
    "link-shortener": Kind(W, "A link by a public shortener: operators block them, and nobody sees the end."),
    "link-not-https": Kind(W, "A link that others can read and change on its way."),
    "link-lookalike": Kind(E, "A host that looks like another: what fraud looks like."),
    "link-by-number": Kind(W, "A link to the number of a host."),
    "link-host-varies": Kind(N, "The host of a link is a variable, and was not seen in any sample."),
    "unsubscribe-missing": Kind(E, "A promotional text that does not say how to be rid of the next."),
    "html-unbalanced": Kind(E, "HTML that is not closed as it was opened: mail programs guess differently."),
    "html-not-mail": Kind(E, "HTML that mail programs take out: scripts, frames, forms."),
    "html-without-text": Kind(N, "A mail without a text of its own: one is made for programs that want it."),
    "image-without-alt": Kind(W, "A picture that says nothing to who does not see it."),
    "media-as-link": Kind(N, "A file that a channel cannot show: people get its address instead."),
    "amount-without-currency": Kind(N, "An amount of which nobody knows in what."),
    "registration-missing": Kind(W, "A wording that its provider has not approved: it cannot be published."),
    "viber-placeholders": Kind(W, "Viber registers no such wording: five variables, text at both ends."),
}


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing an author should know. `variant` counts from 0; `position` counts characters from 1."""

    kind: str
    level: Level
    problem: str
    remedy: str = ""
    variant: int | None = None
    channel: str = ""
    locale: str = ""
    field: str = ""
    position: int = 0
    value: str = ""


def reference() -> str:
    """The table of docs/reference/lint.md."""
    lines = ["| finding | level | what it means |", "|---|---|---|"]
    lines += [f"| `{name}` | {kind.level.value} | {kind.meaning} |" for name, kind in KINDS.items()]
    return "\n".join(lines)
