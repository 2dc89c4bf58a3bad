"""Which way the messages of a sender go: what an account of a door has in the place of a cascade. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from angarium.core.problems import FieldProblem, shown
from angarium.core.values import MessageClass
from angarium.protocols.smpp_fields import is_printable

ANY = "*"
ROUTES_MAX = 50
SOURCE_MAX, LABEL_MAX = 21, 64  # characters
WAYS = ("cascade", "channel", "line")


class Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What messages are, and which way they go: by one of a cascade, a channel and a line."""

    message_class: MessageClass = msgspec.field(name="class", default=MessageClass.SERVICE)
    cascade: str = ""
    channel: str = ""
    line: str = ""
    label: str = ""


class Route(Way, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The way of a sender's messages."""

    source: str = ANY  # as the client writes it; `Shop*` is whatever begins so

    def is_of(self, source: str) -> bool:
        """Whether it is for a sender."""
        if self.source.endswith(ANY):
            return source.startswith(self.source[: -len(ANY)])
        return source == self.source


def route_of(routes: Sequence[Route], source: str) -> Route | None:
    """The first that is for a sender; None when the account may not send from it."""
    return next((one for one in routes if one.is_of(source)), None)


def wrong_routes(routes: Sequence[Route], *, least: int = 1) -> Iterator[FieldProblem]:
    """What is wrong with the routes of an account by themselves."""
    if not least <= len(routes) <= ROUTES_MAX:
        yield FieldProblem("routes", "are none or too many", f"{least} to {ROUTES_MAX}", str(len(routes)))
    for place, one in enumerate(routes[:ROUTES_MAX]):
        at = f"routes[{place}]"
        yield from wrong_way(one, at)
        if not one.source or len(one.source) > SOURCE_MAX or not is_printable(one.source):
            remedy = "a name, a number, or * for any"
            yield FieldProblem(f"{at}.source", "is no sender", remedy, shown(one.source))


def wrong_way(one: Way, at: str) -> Iterator[FieldProblem]:
    """What is wrong with a way by itself; `at` is where it stands."""
    ways = [way for way in WAYS if getattr(one, way)]
    if len(ways) != 1:
        yield FieldProblem(at, "names not exactly one way", "one of " + ", ".join(WAYS), ", ".join(ways))
    if len(one.label) > LABEL_MAX:
        yield FieldProblem(f"{at}.label", "is too long", f"at most {LABEL_MAX} characters", shown(one.label))


def unknown_names(
    ways: Iterable[tuple[str, Way]],
    lines: Collection[str],
    channels: Collection[str],
    cascades: Collection[str],
) -> list[FieldProblem]:
    """The names in ways that nothing has; each way with the place where it stands."""
    found = []
    for at, one in ways:
        if one.line and one.line not in lines:
            found.append(no_line(f"{at}.line", one.line))
        if one.channel and one.channel not in channels:
            remedy = "one of " + ", ".join(channels)
            found.append(
                FieldProblem(f"{at}.channel", "there is no such channel", remedy, shown(one.channel))
            )
        if one.cascade and one.cascade not in cascades:
            problem, remedy = "no such cascade", "create it first"
            found.append(FieldProblem(f"{at}.cascade", problem, remedy, shown(one.cascade)))
    return found


def no_line(field: str, name: str) -> FieldProblem:
    """A line that is named and not there."""
    return FieldProblem(field, "no such line", "GET /v1/lines lists them", shown(name))
