"""What a person wrote in an answered mail: above the mail that it answers, and above the signature. Pure.

Programs of mail quote in three ways, and none of them says so by a standard:
- each line begins with `>`, and one sentence before it says who wrote when. Gmail breaks that sentence over
  two lines or three, as long as the sender's name and address are;
- a line of dashes or underscores, with or without words ("-----Original Message-----"), then the whole mail
  as it was: Outlook, and the programs of phones;
- only the fields of the mail's head, in the language of whoever answers ("From: …", "Sent: …", "To: …"):
  Outlook, whose line above them is drawn and not written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

SIGNATURE = re.compile(r"--\s?")
RULE = re.compile(r"\s*(_{10,}|-{5,}|-{3,}[^-].{0,60}[^-]-{3,})\s*")
# A field of a head, with the stars that an Outlook for phones puts around its name.
HEAD = re.compile(r"\s*\*?[^\s:：>*][^:：>*]{0,24}[:：]\*?\s*\S")
HEAD_LINES = 3  # so many fields, one below the other, are a head; less may be a person's own words
FILES = re.compile(r"\[attachments?: .*\]")  # what a channel says of files beside the words (`mail_kit.py`)
INTRODUCED = re.compile(r".*[:：]\W{0,3}")  # "On Monday, the shop wrote:", with marks of direction behind it
INTRODUCTION_MAX = 3  # lines


def above(text: str, sent_from: Collection[str] = ()) -> tuple[str, bool]:
    """A person's own words, and whether something was quoted or signed below them. `sent_from`: how a
    phone's program begins the line that it puts below a mail."""
    lines = text.splitlines()
    kept: list[str] = []
    for at, line in enumerate(lines):
        if FILES.fullmatch(line):
            continue
        if line.lstrip().startswith(">"):
            return _joined(_without_introduction(kept), sent_from), True
        if SIGNATURE.fullmatch(line) or RULE.fullmatch(line) or _is_head(lines, at):
            return _joined(kept, sent_from), True
        kept.append(line)
    return _joined(kept, sent_from), False


def _is_head(lines: Sequence[str], at: int) -> bool:
    """Whether the head of a mail begins here: some fields, and an address in one of them."""
    fields = lines[at : at + HEAD_LINES]
    named = len(fields) == HEAD_LINES and all(HEAD.match(one) for one in fields)
    return named and any("@" in one for one in fields)


def _without_introduction(kept: list[str]) -> list[str]:
    """Without the sentence that says who wrote when: the last lines up to an empty one, but never all."""
    end = len(kept)
    while end and not kept[end - 1].strip():
        end -= 1
    if not end or not INTRODUCED.fullmatch(kept[end - 1]):
        return kept
    begin = end - 1
    while begin > 1 and end - begin < INTRODUCTION_MAX and kept[begin - 1].strip():
        begin -= 1
    return kept[:begin]


def _joined(kept: Sequence[str], sent_from: Collection[str]) -> str:
    """The lines that say something, without the last one if a program wrote it."""
    said = [line for line in kept if line.strip()]
    begins = tuple(sent_from)
    if len(said) > 1 and begins and said[-1].strip().casefold().startswith(begins):
        said.pop()
    return "\n".join(said)
