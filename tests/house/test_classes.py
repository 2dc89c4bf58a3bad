"""The classes of the pages: each is defined where it is used, used where it is defined, and one room's alone.

`frontend/src/console.css` has the pieces that all pages share; each other file is of one room. The first
class of a room's rule is that room's own: what it says of a piece of all pages, it says inside something of
its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from house.tree import PACKAGE, ROOT, none_of, short

SOURCES = ROOT / "frontend" / "src"
BUILT = PACKAGE / "web" / "static" / "build" / "app-style.css"  # with Tabler in it
SHARED = "console.css"
MARKUP = {"datagrid-item"}  # in Tabler's own, without a style
OTHERS = {"htmx-request", "sortable-ghost", "u-legend"}  # made by libraries: htmx, SortableJS, uPlot
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
RULE = re.compile(r"([^{}]*)([{}])")  # what stands before a brace, and which: each sign is looked at once
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
IN_BRACKETS = re.compile(r"\[[^]]*\]")
ATTRIBUTE = re.compile(r'\bclass="((?:[^"{]|\{\{.*?\}\}|\{%.*?%\})*)"', re.DOTALL)
JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
QUOTED = re.compile(r'"([^"]*)"|\'([^\']*)\'')
GAP = "\0"


def selectors(text: str) -> Iterator[str]:
    """Every selector of a style, without what stands in brackets."""
    for found in RULE.finditer(COMMENT.sub("", text)):
        said = found[1].rpartition(";")[2].strip()
        if found[2] == "{" and not said.startswith("@"):
            yield from (one.strip() for one in IN_BRACKETS.sub("", said).split(",") if one.strip())


def first_classes(selector: str) -> list[str]:
    """The classes of the first piece of a selector."""
    return CLASS.findall(re.split(r"[\s>+~]", selector.strip(), maxsplit=1)[0])


@cache
def styles() -> dict[str, list[str]]:
    """The selectors of each file of ours."""
    return {file.name: list(selectors(file.read_text("utf-8"))) for file in sorted(SOURCES.glob("*.css"))}


@cache
def defined() -> dict[str, set[str]]:
    """Our classes, each with the files that speak of it."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, there in styles().items():
        for selector in there:
            for one in CLASS.findall(selector):
                found[one].add(name)
    return found


@cache
def built() -> frozenset[str]:
    """Every class that pages load a style for, ours and Tabler's."""
    return frozenset(one for each in selectors(BUILT.read_text("utf-8")) for one in CLASS.findall(each))


@cache
def templates() -> tuple[tuple[Path, str], ...]:
    """Every template and what is in it."""
    return tuple((path, path.read_text("utf-8")) for path in sorted(PACKAGE.glob("*/templates/*.html")))


def words_of(attribute: str) -> list[str]:
    """The words of a class attribute; where something is filled in, a gap."""
    return JINJA.sub(GAP, attribute).split()


def quoted(text: str) -> Iterator[str]:
    """The words of every quoted text, such as what is handed to a macro."""
    for one, other in QUOTED.findall(text):
        yield from (one or other).split()


@cache
def used() -> tuple[frozenset[str], tuple[str, ...]]:
    """The words that pages and scripts can make classes of; and beginnings of those that are filled in."""
    whole: set[str] = set()
    begun: set[str] = set()
    for _, text in templates():
        for attribute in ATTRIBUTE.findall(text):
            for word in words_of(attribute):
                (begun if GAP in word else whole).add(word.partition(GAP)[0])
        for jinja in JINJA.findall(text):
            whole.update(quoted(jinja))
    for script in SOURCES.glob("*.js"):
        whole.update(quoted(script.read_text("utf-8")))
    for module in PACKAGE.glob("*/*.py"):  # tones and the like, which pages are handed
        whole.update(quoted(module.read_text("utf-8")))
    return frozenset(whole), tuple(sorted(begun - {""}))


def test_every_class_that_a_style_speaks_of_is_used() -> None:
    whole, begun = used()
    whole |= OTHERS
    dead = [one for one in defined() if one not in whole and not one.startswith(begun)]
    none_of(
        (f"{', '.join(sorted(defined()[one]))}: .{one}" for one in dead), "No page uses these; delete them:"
    )


def test_every_class_of_a_template_has_a_style() -> None:
    scripts = {word.lstrip(".") for file in SOURCES.glob("*.js") for word in quoted(file.read_text("utf-8"))}
    known = built() | defined().keys() | scripts | MARKUP
    none_of(
        {
            f"{short(path)}: {word}"
            for path, text in templates()
            for attribute in ATTRIBUTE.findall(text)
            for word in words_of(attribute)
            if GAP not in word and word not in known
        },
        "No style and no script knows these; leave them out, or give them one:",
    )


def test_a_class_is_one_rooms() -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for name, there in styles().items():
        for selector in there:
            first = first_classes(selector)
            if len(first) == 1:
                owners[first[0]].add(name)
    ours = {one for one, names in owners.items() if SHARED in names}
    none_of(
        {
            f".{one}: {', '.join(sorted(names))}"
            for one, names in owners.items()
            if len(names - {SHARED}) > 1 or (one in ours and len(names) > 1)
        },
        "Two rooms mean different things by one class; name it by its room, or move it to console.css:",
    )
