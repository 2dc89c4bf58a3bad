"""HTML of mails: closed as it was opened, without what programs take out; pictures that say something."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

from angarium.content.lint.findings import Finding
from angarium.content.lint.subject import TAG, Wording

# HTML Living Standard, §13.1.2: elements without an end, and those whose end may be left out.
VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
MAY_STAY_OPEN = frozenset(
    [
        "li",
        "p",
        "td",
        "th",
        "tr",
        "tbody",
        "thead",
        "tfoot",
        "option",
        "dt",
        "dd",
        "html",
        "head",
        "body",
        "colgroup",
    ]
)
TAKEN_OUT = frozenset(
    ["script", "iframe", "object", "embed", "form", "input", "select", "textarea", "video", "audio"]
)
SHOWN_MAX = 10


class _Reader(HTMLParser):
    """Reads a source and keeps what is wrong: kind, problem, remedy, place."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str, str, int]] = []
        self._opened: list[tuple[str, int]] = []
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self.feed(source)
        self.close()
        for name, place in self._opened:
            if name not in MAY_STAY_OPEN:
                self._tell("html-unbalanced", f"<{name}> is never closed", f"add </{name}>", place)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        place = self._place()
        if tag in TAKEN_OUT:
            self._tell("html-not-mail", f"<{tag}> is taken out by mail programs", "link to a page", place)
        if tag == "img" and not any(name == "alt" for name, _ in attrs):
            remedy = 'add alt="…", or alt="" to a picture that only decorates'
            self._tell("image-without-alt", "a picture has no alt", remedy, place)
        for name, _ in attrs:
            if name.startswith("on"):
                self._tell("html-not-mail", f"{name} is taken out by mail programs", "leave it out", place)
        if tag not in VOID:
            self._opened.append((tag, place))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._opened.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        depth = next((d for d, (name, _) in enumerate(reversed(self._opened), 1) if name == tag), 0)
        if not depth:
            self._tell("html-unbalanced", f"</{tag}> closes nothing", "take it out", self._place())
            return
        inside = self._opened[-depth + 1 :] if depth > 1 else []
        for name, place in inside:
            if name not in MAY_STAY_OPEN:
                self._tell("html-unbalanced", f"<{name}> is closed after </{tag}>", f"add </{name}>", place)
        del self._opened[-depth:]

    def _place(self) -> int:
        line, column = self.getpos()
        return self._lines[min(line - 1, len(self._lines) - 1)] + column

    def _tell(self, kind: str, problem: str, remedy: str, place: int) -> None:
        self.found.append((kind, problem, remedy, place))


def look(wording: Wording) -> Iterator[Finding]:
    """Everything about the HTML of one wording."""
    content = wording.variant.content
    if not content.html:
        return
    # Tags of Liquid may hold what HTML would read: quotes, angles. They stand for text of their length.
    source = TAG.sub(lambda found: "·" * len(found[0]), content.html)
    for kind, problem, remedy, place in _Reader(source).found[:SHOWN_MAX]:
        yield wording.finding(kind, problem, remedy, field="html", position=place + 1)
    if not content.text:
        yield wording.finding(
            "html-without-text", "there is no text beside the HTML", "write one", field="text"
        )
