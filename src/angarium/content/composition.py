"""From what an author wrote to what is kept of it: parts put in, MJML as HTML, CSS inlined, a text made.

All of it is done once, when a version is written; a rendering then only fills in values. So a version says
for ever what it said when it was approved, whatever becomes of the parts that it was made of.

- `{% render "footer" %}` stands for a part, `{% render "pay", label: "Pay now", url: link %}` for one that is
  told names. A part may use parts, `DEPTH_MAX` deep.
- A layout is a part in which `{{ content }}` stands once, for what is laid out in it.
- MJML is compiled, and CSS inlined (mail programs drop style sheets): nothing is loaded from anywhere.
- Liquid passes through both untouched: it is put away first, tags as comments, which may stand anywhere in
  HTML, outputs and what is inside of HTML tags as words.
- Mail without a text gets one made of its HTML (RFC 2046 §5.1.4: the plainest alternative comes first).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser

import css_inline
import mrml
import msgspec

from angarium.content.origins import Origin, Part
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Content

DEPTH_MAX = 5  # parts in parts
COMPOSED_MAX = 100_000  # characters, as of any Liquid source
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
RENDER = re.compile(
    r"""\{%-?\s*render\s+(?P<quote>["'])(?P<name>[^"']{0,100})(?P=quote)(?P<told>[^%]{0,1000}?)-?%\}"""
)
TOLD = re.compile(
    r"""\s*,\s*(?P<name>[a-z_][a-z0-9_]{0,63})\s*:\s*(?P<value>"[^"]*"|'[^']*'|[\w.\-]+)""", re.IGNORECASE
)
PLACE = re.compile(r"\{\{-?\s*content\s*-?\}\}")


MJ_TAG = re.compile(r"<(mj[a-z-]*)")
# documentation.mjml.io, 4.15; without mj-include, which reads files.
MJML_TAGS = frozenset(
    {"mjml"}
    | {
        f"mj-{name}"
        for name in re.findall(
            r"\S+",
            "head attributes all class breakpoint font html-attributes selector html-attribute preview style "
            "title body accordion accordion-element accordion-text accordion-title button carousel "
            "carousel-image column divider group hero image navbar navbar-link raw section social "
            "social-element spacer table text wrapper",
        )
    }
)
# A parser of HTML puts the `tbody` that an author left out behind the loop that makes the rows.
BARE_ROWS = re.compile(r"(<table\b[^>]*>)(\s*(?:<!--liquid-\d+-[0-9a-f]{12}-->\s*)+)(?=<tr\b)", re.IGNORECASE)


class Composed(msgspec.Struct, frozen=True):
    """What is kept: Liquid without parts; and what was wrong."""

    content: Content
    origin: Origin
    problems: tuple[FieldProblem, ...] = ()


class _Unfit(Exception):
    """A source cannot be composed: its problem, and what to do."""

    def __init__(self, problem: str, remedy: str, value: str = "") -> None:
        super().__init__(problem)
        self.problem, self.remedy, self.value = problem, remedy, value

    def at(self, field: str) -> FieldProblem:
        return FieldProblem(field, self.problem, self.remedy, shown(self.value))


def compose(content: Content, written: Origin, parts: Mapping[str, Part]) -> Composed:
    """The content as it is kept. `written` has the sources; an empty one there means that of `content`."""
    used: dict[str, int] = {}
    problems: list[FieldProblem] = []

    def done(field: str, work: Callable[[], str]) -> str:
        try:
            return _bounded(work())
        except _Unfit as unfit:
            problems.append(unfit.at(field))
            return ""

    text = done("text", lambda: expand(written.text or content.text, parts, used))
    if written.mjml:
        html = done("mjml", lambda: from_mjml(_laid_out(written.mjml, written.layout, parts, used)))
    else:
        html = done("html", lambda: _html(written.html or content.html, written.layout, parts, used))
    if html and not text:
        text = done("text", lambda: text_of(html))
    kept = msgspec.structs.replace(content, text=text, html=html)
    changed = Origin(
        mjml=written.mjml,
        html=(written.html or content.html) if html and not written.mjml else "",
        text=written.text or content.text,
        layout=written.layout,
        parts=used,
    )
    return Composed(kept, changed, tuple(problems))


def names_in(*sources: str) -> frozenset[str]:
    """The parts that sources name."""
    return frozenset(match["name"] for source in sources for match in RENDER.finditer(source))


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────


def expand(source: str, parts: Mapping[str, Part], used: dict[str, int], depth: int = 0) -> str:
    """A source with its parts in their places; `used` learns which. Raises _Unfit."""

    def stand_in(match: re.Match[str]) -> str:
        part = _part(match["name"], parts, used)
        if depth >= DEPTH_MAX:
            raise _Unfit(f"has parts in parts more than {DEPTH_MAX} deep", "take one out", part.name)
        return _assigned(match["told"]) + expand(part.source, parts, used, depth + 1)

    return _bounded(RENDER.sub(stand_in, source))


def _part(name: str, parts: Mapping[str, Part], used: dict[str, int]) -> Part:
    part = parts.get(name)
    if part is None:
        known = ", ".join(sorted(parts)[:20]) or "none"
        raise _Unfit("names a part that is not there", f"create it first; there are: {known}", name)
    used[name] = part.version
    return part


def _assigned(told: str) -> str:
    """What a part is told, as assignments in front of it."""
    place, found = 0, []
    told = told.rstrip()
    while place < len(told):
        match = TOLD.match(told, place)
        if match is None:
            raise _Unfit("tells a part what is no name and value", 'as in: label: "Pay", url: link', told)
        found.append(f"{{% assign {match['name']} = {match['value']} %}}")
        place = match.end()
    return "".join(found)


def _laid_out(source: str, layout: str, parts: Mapping[str, Part], used: dict[str, int]) -> str:
    """A source inside of its layout."""
    inner = expand(source, parts, used)
    if not layout:
        return inner
    outer = expand(_part(layout, parts, used).source, parts, used)
    if len(PLACE.findall(outer)) != 1:
        raise _Unfit("has a layout without one place for it", "write {{ content }} in it, once", layout)
    return PLACE.sub(lambda _: inner, outer)


def _html(source: str, layout: str, parts: Mapping[str, Part], used: dict[str, int]) -> str:
    if not source:
        return ""
    whole = _laid_out(source, layout, parts, used)
    return from_mjml(whole) if whole.lstrip()[:5].lower() == "<mjml" else inlined(whole)


def _bounded(text: str) -> str:
    if len(text) > COMPOSED_MAX:
        raise _Unfit(f"comes to {len(text)} characters", f"at most {COMPOSED_MAX}")
    return text


# ── HTML ─────────────────────────────────────────────────────────────────────────────────────────────


def from_mjml(source: str) -> str:
    """MJML as HTML with its CSS inlined; Liquid as it was. Raises _Unfit."""
    hidden, liquid = _put_away(source)
    try:
        # No fonts of others, which would tell them who opens a mail; no includes, which would read files.
        options = mrml.RenderOptions(fonts={}, disable_comments=False)
        compiled = mrml.to_html(hidden, mrml.ParserOptions(include_loader=mrml.noop_loader()), options)
    except OSError as error:
        raise _Unfit(f"is not MJML: {error}", "see the documentation of MJML 4", source[:40]) from None
    unknown = next((tag for tag in MJ_TAG.findall(hidden) if tag.lower() not in MJML_TAGS), "")
    if unknown:  # it would be dropped without a word
        raise _Unfit("has what MJML does not know", "see the documentation of MJML 4", f"<{unknown}>")
    return _put_back(_inlined(compiled.content), liquid)


def inlined(source: str) -> str:
    """HTML with the rules of its style sheets at its elements; Liquid as it was. Raises _Unfit."""
    if "<style" not in source.lower():
        return source
    hidden, liquid = _put_away(source)
    return _put_back(_inlined(hidden), liquid)


def _inlined(html: str) -> str:
    # Media queries cannot be inlined, so the sheets stay; nothing is loaded from anywhere.
    inliner = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False, keep_at_rules=True)
    html = BARE_ROWS.sub(r"\1<tbody>\2", html)
    try:
        return inliner.inline(html) if "<html" in html.lower() else inliner.inline_fragment(html, "")
    except css_inline.InlineError as error:
        raise _Unfit(f"has CSS that cannot be inlined: {error}", "correct its style sheet") from None


def _put_away(source: str) -> tuple[str, list[str]]:
    """A source whose Liquid is away: tags as comments, outputs and what is in HTML tags as words."""
    liquid: list[str] = []
    pieces: list[str] = []
    mark = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:12]  # in no source by itself
    place, in_tag = 0, False
    for match in LIQUID.finditer(source):
        before = source[place : match.start()]
        in_tag = _ends_in_tag(before, in_tag)
        word = f"liquid-{len(liquid)}-{mark}"
        pieces += [before, f"<!--{word}-->" if match[0].startswith("{%") and not in_tag else word]
        liquid.append(match[0])
        place = match.end()
    return "".join([*pieces, source[place:]]), liquid


def _ends_in_tag(text: str, in_tag: bool) -> bool:
    opened, closed = text.rfind("<"), text.rfind(">")
    return in_tag if opened == closed == -1 else opened > closed


def _put_back(html: str, liquid: list[str]) -> str:
    def word(match: re.Match[str]) -> str:
        place = int(match[1])
        return liquid[place] if place < len(liquid) else match[0]

    return re.sub(r"(?:<!--|&lt;!--)?liquid-(\d+)-[0-9a-f]{12}(?:--&gt;|-->)?", word, html)


# ── the text of HTML ─────────────────────────────────────────────────────────────────────────────────

ALONE = re.compile(
    r"(^|\n+)((?:<!--liquid-\d+-[0-9a-f]{12}-->)+)\n+"
)  # tags on lines of their own: no line is left
UNSEEN = frozenset({"head", "style", "script", "title", "template"})
BREAKS = {
    "p": 2,
    "h1": 2,
    "h2": 2,
    "h3": 2,
    "ul": 2,
    "ol": 2,
    "table": 2,
    "br": 1,
    "div": 1,
    "tr": 1,
    "li": 1,
}
VOID = frozenset({"br", "hr", "img", "meta", "link", "input"})


def text_of(html: str) -> str:
    """What a person reads who is shown no HTML: links with addresses, lists with dashes; Liquid stays."""
    hidden, liquid = _put_away(html)
    reader = _Reader()
    reader.feed(hidden)
    reader.close()
    lines = [re.sub(r"[ \t\xa0]+", " ", line).strip() for line in "".join(reader.said).split("\n")]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return _put_back(ALONE.sub(r"\1\2", text), liquid)


class _Reader(HTMLParser):
    """Reads HTML aloud."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._unseen = 0
        self._hidden: list[str] = []  # open elements inside of one that is not displayed
        self._links: list[tuple[str, int]] = []  # address, where its words begin

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID and (self._hidden or _is_hidden(given)):
            self._hidden.append(tag)
        if tag in UNSEEN:
            self._unseen += 1
        if self._unseen or self._hidden:
            return
        self.said.append("\n" * BREAKS.get(tag, 0))
        if tag == "li":
            self.said.append("- ")
        if tag == "img" and given.get("alt"):
            self.said.append(f"[{given['alt']}]")
        if tag == "a":
            self._links.append((given.get("href", ""), len(self.said)))

    def handle_endtag(self, tag: str) -> None:
        if tag in UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        if self._hidden:
            if tag in self._hidden:
                while self._hidden.pop() != tag:
                    pass
            return
        if tag == "a" and self._links:
            address, begins = self._links.pop()
            words = "".join(self.said[begins:]).strip()
            if address and not address.startswith("#") and address != words:
                self.said.append(f" ({address})" if words else address)
        if tag in ("td", "th"):
            self.said.append(" ")
        if BREAKS.get(tag, 0) == 2:
            self.said.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen and not self._hidden:
            self.said.append(re.sub(r"\s+", " ", data))

    def handle_comment(self, data: str) -> None:
        if not self._unseen and not self._hidden and re.fullmatch(r"liquid-\d+-[0-9a-f]{12}", data):
            self.said.append(f"<!--{data}-->")


def _is_hidden(given: Mapping[str, str]) -> bool:
    return "display:none" in given.get("style", "").replace(" ", "").lower() or "hidden" in given
