"""What a person wrote in an answered mail: above the mail that it answers, below it or between its lines, and
above the signature. Pure.

Programs of mail quote in four ways, and none of them says so by a standard:
- each line begins with `>`, and one sentence before it says who wrote when. Gmail breaks that sentence over
  two lines or three, as long as the sender's name and address are;
- a line of dashes or underscores, with or without words ("-----Original Message-----"), then the whole mail
  as it was: Outlook, and the programs of phones;
- only the fields of the mail's head, in the language of whoever answers ("From: …", "Sent: …", "To: …"):
  Outlook, whose line above them is drawn and not written;
- only the sentence that says who wrote when, and the mail below it without any `>`: Yahoo.
Of the last three nothing says where the answered mail ends, so that nothing below them counts: a STOP there
may be the last word of the mail that is answered, which says how to be left alone. Below lines with `>`
people do write, and what they write there is as much their own as what stands above.
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
WHEN = re.compile(r"@|\d{4}|\d:\d\d")  # who, by their address, or when: a year, or a time of day
SENDER = re.compile(r"<[^\s<>@]+@[^\s<>@]+>")  # as programs write it, and hardly anybody by hand
TORN_FROM = (
    60  # characters of a line; RFC 3676 §4.2 asks for lines of 78 at most, and programs break at 72 to 80
)


def own_words(text: str, sent_from: Collection[str] = ()) -> tuple[str, bool]:
    """A person's own words, and whether something was quoted or signed beside them. `sent_from`: how a
    phone's program begins the line that it puts below a mail."""
    parts: list[list[str]] = [[]]  # what stands above what is quoted, between it, and below
    lines = text.splitlines()
    before = ""  # the line before, if it is quoted
    quoted = False
    for at, line in enumerate(lines):
        if SIGNATURE.fullmatch(line) or RULE.fullmatch(line) or _is_head(lines, at):
            return _joined(parts, sent_from), True
        if _is_introduction(lines, at):
            parts[-1] = _without_introduction([*parts[-1], line], wholly=False)
            return _joined(parts, sent_from), True
        if line.lstrip().startswith(">"):
            before, quoted = line, True
            if parts[-1]:
                parts.append([])
        elif not FILES.fullmatch(line) and not _is_torn(before, line):
            before = ""
            parts[-1].append(line)
    return _joined(parts, sent_from), quoted


def _is_torn(before: str, line: str) -> bool:
    """Whether a line is the end of the quoted one before it, which was too long for some program on the way:
    those are words of whoever is answered, and have lost their `>`."""
    return len(before) > TORN_FROM and bool(line.strip())


def _is_head(lines: Sequence[str], at: int) -> bool:
    """Whether the head of a mail begins here: some fields, and an address in one of them."""
    fields = lines[at : at + HEAD_LINES]
    named = len(fields) == HEAD_LINES and all(HEAD.match(one) for one in fields)
    return named and any("@" in one for one in fields)


def _is_introduction(lines: Sequence[str], at: int) -> bool:
    """Whether a sentence ends here that says who wrote when, and what they wrote follows without a `>`."""
    if not INTRODUCED.fullmatch(lines[at]):
        return False
    sentence = lines[max(0, at + 1 - INTRODUCTION_MAX) : at + 1]
    below = next((lines[place] for place in range(at + 1, len(lines)) if lines[place].strip()), "")
    if any(line.lstrip().startswith(">") for line in (*sentence, below)):
        return False
    sender = SENDER.search(" ".join(sentence))
    return sender is not None and bool(WHEN.search(" ".join(sentence).replace(sender[0], "")))


def _without_introduction(kept: list[str], *, wholly: bool) -> list[str]:
    """Without the sentence that says who wrote when: the last lines up to an empty one. All of them only if
    `wholly` (something is written below), and they name an address or a time: they may be a question."""
    end = len(kept)
    while end and not kept[end - 1].strip():
        end -= 1
    if not end or not INTRODUCED.fullmatch(kept[end - 1]):
        return kept
    begin = end - 1
    while begin > 0 and end - begin < INTRODUCTION_MAX and kept[begin - 1].strip():
        begin -= 1
    if begin == 0 and not (wholly and WHEN.search(" ".join(kept[:end]))):
        begin = 1
    return kept[:begin]


def _joined(parts: Sequence[list[str]], sent_from: Collection[str]) -> str:
    """The lines that say something, without those that a program wrote at the end of a part."""
    said = [_said(part) for part in parts]
    if len(parts) > 1:
        said[0] = _said(_without_introduction(parts[0], wholly=any(said[1:])))
    begins = tuple(sent_from)
    for part in said:
        is_all = sum(map(len, said)) == 1
        if part and begins and not is_all and part[-1].strip().casefold().startswith(begins):
            part.pop()
    return "\n".join(line for part in said for line in part)


def _said(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip()]
