"""How far a right goes: for which classes, and on which lines. Pure.

A scope says what may be done; the reach of a key, or of a person's role, says with what. Where nothing is
narrowed it costs nothing to ask.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from angarium.core import ids
from angarium.core.problems import FieldProblem, Problem
from angarium.core.values import MessageClass

LINES_MAX = 1_000


class Reach(msgspec.Struct, frozen=True):
    """The classes and the lines; None stands for all of them, also those that are yet to come."""

    classes: frozenset[MessageClass] | None = None
    lines: frozenset[int] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is narrowed."""
        return self.classes is None and self.lines is None

    def has_class(self, message_class: MessageClass) -> bool:
        """Whether it goes as far as a class."""
        return self.classes is None or message_class in self.classes

    def has_line(self, line_id: int) -> bool:
        """Whether it goes as far as a line."""
        return self.lines is None or line_id in self.lines

    def holds(self, other: Reach) -> bool:
        """Whether the other goes nowhere that this one does not."""
        return _within(other.classes, self.classes) and _within(other.lines, self.lines)


WHOLE = Reach()


def _within(less: frozenset[object] | None, more: frozenset[object] | None) -> bool:
    return more is None or (less is not None and less <= more)


def require_class(reach: Reach, message_class: MessageClass) -> None:
    """A 403 Problem unless it goes as far as a class."""
    if not reach.has_class(message_class):
        raise out_of_reach(f"the class {message_class.value}")


def require_classes(reach: Reach, classes: Iterable[MessageClass]) -> None:
    """A 403 Problem unless it goes as far as each of these classes."""
    for message_class in classes:
        require_class(reach, message_class)


def require_line(reach: Reach, line_id: int) -> None:
    """A 403 Problem unless it goes as far as a line."""
    if not reach.has_line(line_id):
        raise out_of_reach("this line")


def require_every_line(reach: Reach, deed: str) -> None:
    """A 403 Problem when it is narrowed to some lines: what is done touches others."""
    if reach.lines is not None:
        raise out_of_reach(deed)


def out_of_reach(what: str) -> Problem:
    """The scope is there, but not for this."""
    return Problem(
        "out-of-reach",
        "This right does not go as far",
        status=403,
        detail=f"It is narrowed, and does not go as far as {what}. Whoever gives rights can widen it.",
    )


# ── as it is kept and shown ──────────────────────────────────────────────────────────────────────────


class ReachInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reach as it is sent: what is left out, or null, is not narrowed."""

    classes: tuple[MessageClass, ...] | None = None
    lines: tuple[str, ...] | None = None


def given(classes: Iterable[MessageClass] | None, lines: Iterable[str] | None) -> Reach:
    """A reach of what was sent; a Problem when it goes nowhere or names no line."""
    wrong = []
    kinds = None if classes is None else frozenset(classes)
    if kinds is not None and not kinds:
        wrong.append(FieldProblem("classes", "are none", "some, or null for all of them"))
    shown = None if lines is None else list(lines)
    line_ids: set[int] = set()
    for place, text in enumerate(shown or ()):
        try:
            line_ids.add(ids.read("line", text))
        except ValueError as error:
            wrong.append(FieldProblem(f"lines[{place}]", str(error), "the id of a line", text[:80]))
    if shown is not None and not 1 <= len(shown) <= LINES_MAX:
        wrong.append(FieldProblem("lines", "are none or too many", f"1 to {LINES_MAX}, or null for all"))
    if wrong:
        detail = "; ".join(f"{one.field}: {one.problem}" for one in wrong)
        raise Problem("invalid", "The reach is not valid", detail=detail, fields=tuple(wrong))
    return Reach(kinds, None if shown is None else frozenset(line_ids))


def shown_classes(reach: Reach) -> list[MessageClass] | None:
    """The classes for the outside."""
    return None if reach.classes is None else sorted(reach.classes)


def shown_lines(reach: Reach) -> list[str] | None:
    """The lines for the outside."""
    return None if reach.lines is None else [ids.show("line", one) for one in sorted(reach.lines)]


def written(reach: Reach) -> str:
    """A reach as it is kept: empty when nothing is narrowed."""
    return "" if reach.is_whole else msgspec.json.encode(reach, order="sorted").decode()


def read(text: str | None) -> Reach:
    """A reach as it was kept."""
    return msgspec.json.decode(text, type=Reach) if text else WHOLE
