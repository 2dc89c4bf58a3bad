"""Requests described by templates, answers read by paths: how a person maps one API to another. Pure.

A placeholder is `{name}`. `{name:number}` as a whole JSON string becomes a number. `{name?}` leaves the
member, the parameter or the header out where the value is empty. Other braces are just braces.

A JSON template is read as JSON first and filled afterwards, so that no value can break out of its string; in
an address a value is percent-encoded whole (RFC 3986 §2.1), in a form as forms are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

PLACEHOLDER = re.compile(r"\{([a-z][A-Za-z0-9_.-]{0,80})(:number)?(\?)?\}")
PATH_OF_URL = re.compile(r"(?:[^?{]|\{[^}]*\})*")  # what stands before its query
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?")
DEPTH_MAX = 20

Values = Mapping[str, str]


class Misshapen(ValueError):
    """A template, a table or a path that cannot be one; says what is wrong with it."""


# ── templates ────────────────────────────────────────────────────────────────────────────────────────


def names_in(*templates: str) -> set[str]:
    """The names of all placeholders."""
    return {one[1] for template in templates for one in PLACEHOLDER.finditer(template)}


def filled(template: str, values: Values) -> str | None:
    """A text with its values; None when it is to be left out."""
    if any(one[3] and not values.get(one[1]) for one in PLACEHOLDER.finditer(template)):
        return None
    return PLACEHOLDER.sub(lambda one: values.get(one[1], ""), template)


def filled_url(template: str, values: Values) -> str:
    """The path and the query of an address, each value percent-encoded."""
    encoded = {name: quote(value, safe="", errors="replace") for name, value in values.items()}
    path = PATH_OF_URL.match(template)
    assert path is not None, "it may match nothing"
    parts = [filled(part, encoded) for part in template[path.end() + 1 :].split("&")]
    query = "&".join(part for part in parts if part)
    return (filled(path[0], encoded) or "") + (f"?{query}" if query else "")


def json_template(text: str) -> Any:
    """A template of a JSON object or array; Misshapen when it is none."""
    try:
        document = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise Misshapen(f"is not JSON: {error}") from None
    if not isinstance(document, dict | list):
        raise Misshapen("is neither an object nor a list")
    if _depth(document) > DEPTH_MAX:
        raise Misshapen(f"is deeper than {DEPTH_MAX} levels")
    return document


def _depth(document: Any) -> int:
    inside = (
        document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    )
    return 1 + max((_depth(one) for one in inside), default=0)


LEFT_OUT = object()


def filled_json(document: Any, values: Values) -> Any:
    """A template that was read, with its values; LEFT_OUT for a text that is to be left out."""
    if isinstance(document, dict):
        members = ((name, filled_json(inner, values)) for name, inner in document.items())
        return {name: inner for name, inner in members if inner is not LEFT_OUT}
    if isinstance(document, list):
        return [inner for one in document if (inner := filled_json(one, values)) is not LEFT_OUT]
    if not isinstance(document, str):
        return document
    whole = PLACEHOLDER.fullmatch(document)
    text = filled(document, values)
    if text is None:
        return LEFT_OUT
    return _number(text) if whole is not None and whole[2] else text


def _number(text: str) -> Any:
    """A number as JSON has it; nothing for an empty value, the text itself for what is none."""
    if not text:
        return None
    fits = NUMBER.fullmatch(text)
    return text if fits is None else float(text) if fits[2] else int(text)


# ── lines and tables ─────────────────────────────────────────────────────────────────────────────────


def lines_of(text: str, sign: str) -> Iterator[tuple[str, str]]:
    """Lines such as `name: value`; Misshapen names one that is none. Empty ones and `# …` say nothing."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, found, value = line.partition(sign)
        if not found or not name.strip():
            raise Misshapen(f"line {number} has no {sign!r} with a name before it")
        yield name.strip(), value.strip()


def numbers_of(text: str) -> list[tuple[int, int]]:
    """Statuses of HTTP and ranges of them, `200-202, 204`; Misshapen otherwise."""
    found = []
    for part in text.split(","):
        fits = re.fullmatch(r"\s*([0-9]{3})(?:\s*-\s*([0-9]{3}))?\s*", part)
        if fits is None:
            raise Misshapen(f"{part.strip()[:20]!r} is neither a status nor a range of them")
        found.append((int(fits[1]), int(fits[2] or fits[1])))
    return found


# ── paths ────────────────────────────────────────────────────────────────────────────────────────────


def at(document: Any, path: str) -> Any:
    """What stands at `data.messages[0].id` in a document; None when nothing does."""
    if not path:
        return None
    for name in re.sub(r"\[(\d{1,6})\]", r".\1", path).split("."):
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isascii() and name.isdigit() and len(name) < 7:
            document = document[int(name)] if int(name) < len(document) else None
        else:
            return None
    return document


def word_at(document: Any, path: str) -> str:
    """The text, number or truth at a path as a word: `true`, `17`; "" when there is none."""
    found = at(document, path)
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found) if isinstance(found, str | int | float) else ""
