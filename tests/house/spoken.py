"""The sentences in the code: each text that reads like English, with marks for what is put into it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from angarium.web import sentences

MARK = "\x01"  # where a gap is
READS = re.compile(rf"[A-Za-z’']{{2,}}[,;:.]? [A-Za-z{MARK}]|[a-z]{{2,}} {MARK}|{MARK} [a-z]{{2,}}")
LITTLE = {
    *(
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "has",
        "in",
        "is",
        "it",
        "no",
        "not",
        "of",
    ),
    *("on", "or", "such", "than", "that", "the", "this", "to", "was", "with"),
}
LONG = 400  # characters: docs
SEAM, SEAMS_MAX = sentences.SEAM, 4

# What is called with words that nobody sees on a page: docs, logs, examples, names of tasks and of metrics.
UNSEEN = {
    *(
        "Channel",
        "Counter",
        "CounterMetricFamily",
        "Described",
        "GaugeMetricFamily",
        "Hint",
        "Histogram",
        "Kind",
    ),
    *("Markup", "Meaning", "Meta", "Operation", "Streamed", "apart", "cast", "debug", "encode", "error"),
    *("exception", "exchange", "info", "log", "route", "run", "text", "unreadable", "warning"),
}


class Sentence(NamedTuple):
    """A text of the code: where it stands, and what is always in it."""

    line: int
    text: str


def sentences_in(tree: ast.AST) -> Iterator[Sentence]:
    """Every sentence of a file, those inside another one's gaps too; docstrings are none."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call) and _name(node.func) in UNSEEN:
            continue
        if isinstance(node, ast.Assert):
            continue
        text = skeleton(node)
        if text is None:
            waiting += [child for child in ast.iter_child_nodes(node) if not _is_docstring(child)]
            continue
        if READS.search(text):
            yield Sentence(getattr(node, "lineno", 0), text)
        waiting += _inside(node)


def words_in(tree: ast.AST) -> Iterator[str]:
    """Every text of a file, whatever it is."""
    yield from (text for node in ast.walk(tree) if (text := skeleton(node)) and len(text) < LONG)


def skeleton(node: ast.AST) -> str | None:
    """A text with marks for its gaps; None when the node is no text."""
    match node:
        case ast.Constant(value=str(text)):
            return sentences.GAP.sub(MARK, text)
        case ast.JoinedStr(values=parts):
            return "".join(_part(part) for part in parts)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            texts = skeleton(left), skeleton(right)
            return None if texts == (None, None) else "".join(MARK if one is None else one for one in texts)
    return None


def _part(part: ast.AST) -> str:
    if isinstance(part, ast.FormattedValue):
        return f"'{MARK}'" if part.conversion == ord("r") else MARK
    return skeleton(part) or ""


def _inside(node: ast.AST) -> list[ast.AST]:
    """What fills the gaps of a text."""
    match node:
        case ast.JoinedStr(values=parts):
            return [part.value for part in parts if isinstance(part, ast.FormattedValue)]
        case ast.BinOp(left=left, right=right):
            return [one for side in (left, right) for one in (_inside(side) if skeleton(side) else [side])]
    return []


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@lru_cache(maxsize=100_000)
def heard(text: str, catalogue: sentences.Catalogue) -> frozenset[str]:
    """The sentences of the catalogue that a text of the code is made of; none when some of it is unknown."""
    bare = text.lstrip(f" ;,{MARK}").rstrip(" ;,")  # what it is added to is looked at by itself
    for some in dict.fromkeys((text, bare, bare.removesuffix("."))):
        found = frozenset[str]().union(*_ways(some, catalogue))
        if found:
            return found
    return frozenset()


def _ways(text: str, catalogue: sentences.Catalogue) -> Iterator[frozenset[str]]:
    if text in catalogue.said and MARK not in text:
        yield frozenset({text})
    for shape, fillings in catalogue.shapes(text):
        inside = [_filled(*one, catalogue) for one in zip(shape.gaps, fillings, strict=True)]
        if None not in inside:
            yield frozenset({shape.key}).union(*(one for one in inside if one))
    for seam in list(SEAM.finditer(text))[:SEAMS_MAX]:
        head, rest = text[: seam.start()], heard(text[seam.end() :], catalogue)
        first = (heard(head, catalogue) or heard(head[:-1], catalogue)) if rest else frozenset()
        if first or (rest and not head.strip(f"{MARK};:")):
            yield first | rest


def _filled(gap: sentences.Gap, filling: str, catalogue: sentences.Catalogue) -> frozenset[str] | None:
    """The sentences in what fills a gap; None when that cannot be."""
    if not filling.strip(MARK):
        return frozenset()
    if gap.kind in (*sentences.EXACTLY, "time"):
        return frozenset() if sentences.fits(gap.kind, filling.replace(MARK, "1")) else None
    if gap.kind == "said" or not LITTLE.isdisjoint(re.findall(r"[a-z]+", filling)):
        return heard(filling, catalogue) or None
    return frozenset()
