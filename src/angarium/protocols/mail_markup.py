"""The words of a mail that was written as HTML, as lines of text. Pure, and once through: each character is
looked at once, because a stranger has written it (html.parser takes time by the square of hostile markup).

What is quoted is marked as programs of mail mark it in plain text, so that whoever reads the lines can tell
whose words they are. HTML has no sign for it that all share:
- `<blockquote>`: Gmail, Apple Mail, Thunderbird, Yandex, Mail.ru. One without a border is how the first two
  write an indented paragraph, which is the writer's own;
- before it, the sentence that says who wrote when: `gmail_attr`, `moz-cite-prefix` (Thunderbird);
- Outlook draws a border over the head of the mail, or names that head `divRplyFwdMsg` (Outlook on the web);
  Yahoo has a `yahoo_quoted`. All that follows is the mail that is answered.
"""

from __future__ import annotations

import re
from html import unescape

TAG = re.compile("/?[A-Za-z][A-Za-z0-9]*")
TAG_MAX = 2_000  # characters of a tag in which marks are looked for
HIDDEN = {"head", "script", "style", "template", "title"}
BREAKS = {"blockquote", "br", "div", "h1", "h2", "h3", "h4", "hr", "li", "ol", "p", "table", "tr", "ul"}
INDENTED = re.compile(r"border:\s{0,3}(none|0)", re.IGNORECASE)
INTRODUCES = re.compile(r"\b(gmail_attr|moz-cite-prefix)\b")
ANSWERS = re.compile(
    r"border:\s{0,3}none;\s{0,3}border-top:\s{0,3}solid|\bid=[\"']?(x_)?divRplyFwdMsg\b|\byahoo_quoted\b",
    re.IGNORECASE,
)
RULE = "_" * 32  # as Outlook writes it in plain text


class Quoting:
    """Whether the words at a place of some markup are quoted: what has been opened before them."""

    def __init__(self) -> None:
        self.opened: list[bool] = []  # each blockquote that stands open, and whether it quotes
        self.quoting = 0  # so many of them do
        self.introduced = False

    @property
    def here(self) -> bool:
        """Whether they are."""
        return self.introduced or self.quoting > 0

    def meet(self, name: str, tag: str) -> str:
        """A tag that begins a line; what to write for it."""
        ended = "\n" if name == "/blockquote" and self.here else ""
        if name == "blockquote":
            self.opened.append(not INDENTED.search(tag[:TAG_MAX]))
            self.quoting += self.opened[-1]
        elif name == "/blockquote" and self.opened:
            self.quoting -= self.opened.pop()
        elif name == "div" and not self.here and ANSWERS.search(tag[:TAG_MAX]):
            return f"\n{RULE}\n"
        elif name in ("div", "/div"):
            self.introduced = name == "div" and INTRODUCES.search(tag[:TAG_MAX]) is not None
        return f"{ended}\n> " if self.here else f"{ended}\n"


def words_of(markup: str) -> str:
    """The words between the tags; a block begins a new line, and a line that is quoted begins with `>`."""
    pieces, hidden, comment = [], "", False
    quoting = Quoting()
    for chunk in ("-->" + markup).split("<"):
        comment = (comment or chunk.startswith("!--")) and "-->" not in chunk
        tag, _, words = chunk.rpartition("-->") if "-->" in chunk else chunk.partition(">")
        found = TAG.match(tag)
        name = found.group().lower() if found else ""
        hidden = _hidden_by(name, hidden)
        if name.removeprefix("/") in BREAKS:
            pieces.append(quoting.meet(name, tag))
        if not hidden and not comment:
            pieces.append(" ".join(words.split("\n")))
    try:
        text = unescape("".join(pieces))
    except ValueError:  # a character number of thousands of digits
        text = "".join(pieces)
    return _tidied(text)


def _hidden_by(name: str, hidden: str) -> str:
    """The tag whose words nobody sees, after another tag; empty when they are seen."""
    if name == f"/{hidden}" or (name, hidden) == ("body", "head"):  # </head> may be left out
        return ""
    return (hidden or name) if name in HIDDEN else hidden


def _tidied(text: str) -> str:
    """One space between words, and no more than one empty line between lines, quoted or not."""
    lines: list[str] = []
    for line in text.split("\n"):
        told = " ".join(line.split())
        if told in ("", ">") and lines and (lines[-1] in ("", ">")):
            lines[-1] = min(told, lines[-1])  # an empty one ends what is quoted
        else:
            lines.append(told)
    return "\n".join(lines)
