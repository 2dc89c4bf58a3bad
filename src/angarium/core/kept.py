"""What is kept as JSON in the database is read again, also when a newer version has written it.

What callers send is held to its fields, so that a mistake is told. The same structs are kept; and while a
version and the next one run side by side, the older one meets fields that it does not know. It passes them
over, but for those below a name of `NARROWING`: what these say narrows down to whom or when something goes,
and with less of it more would go.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`(?: - at `\$(?P<path>[^`]*)`)?")
STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
NARROWING = {"window", "hours", "rules", "audience"}
MOST = 100  # fields that are passed over in one document


def read(text: str | bytes, kind: type[T]) -> T:
    """A document as its struct; what is not known of it is passed over. msgspec.ValidationError otherwise."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        return _with_less(msgspec.json.decode(text), kind, error)


def _with_less(document: Any, kind: type[T], error: msgspec.ValidationError) -> T:
    for _ in range(MOST):
        _pass_over(document, error)
        try:
            return msgspec.convert(document, kind)
        except msgspec.ValidationError as another:
            error = another
    raise error


def _pass_over(document: Any, error: msgspec.ValidationError) -> None:
    """Take the field out that an error names; raise the error when it is about something else."""
    unknown = UNKNOWN.fullmatch(str(error))
    if unknown is None:
        raise error
    holder, path = document, unknown["path"] or ""
    for name, place in STEP.findall(path):
        if name in NARROWING:
            raise error
        try:
            holder = holder[int(place)] if place else holder[name]
        except (LookupError, TypeError):
            raise error from None
    if not isinstance(holder, dict) or unknown["name"] not in holder:
        raise error
    del holder[unknown["name"]]
