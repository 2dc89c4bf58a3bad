"""How all servers are doing, as the API and the command tell it."""

from __future__ import annotations

import msgspec

from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.fabric import Backlog
from angarium.servers.rules import LineKnown, Owned, Server, Trouble, Turn, Whole, troubles


class ServerShown(msgspec.Struct, frozen=True):
    """One run of a server. `there`: whether it runs, as far as can be told. `revision`: the newest state of
    the database that its version knows. `number`: the one in the ids that it mints."""

    name: str
    number: int
    roles: tuple[str, ...]
    version: str
    revision: str
    started_at: str
    seen_at: str
    stopped_at: str | None
    there: bool
    lines: int
    waits: dict[str, int]


class LaneShown(msgspec.Struct, frozen=True):
    """What is due on a line in one class: how many, counted so far, and for how long the oldest is."""

    due: int
    oldest_s: float


class LineOwned(msgspec.Struct, frozen=True):
    """A line, and the server that owns it. `good_for_s`: for how long that is sure; null: while it runs."""

    id: str
    name: str
    wanted: bool
    owner: str | None
    epoch: int | None
    good_for_s: float | None
    up: bool | None
    state: str
    queue: dict[str, LaneShown]


class TurnShown(msgspec.Struct, frozen=True):
    """What one server does at a time, and which. `being_taken`: nobody yet, for servers have just come or
    gone."""

    name: str
    owner: str | None
    good_for_s: float | None
    being_taken: bool = False


class FollowerShown(msgspec.Struct, frozen=True):
    """Who reads on in the log of facts, and how far behind it is."""

    name: str
    behind_s: float


class ClusterShown(msgspec.Struct, frozen=True):
    """All servers of a database, and what they do. `revision`: of the database; `least_revision`: what a
    version must know to run on it; `waits`: what waits to be written; `log`: what waits for the
    database in the log of the servers, null where they have none."""

    at: str
    fabric: str
    revision: str
    least_revision: str
    servers: tuple[ServerShown, ...]
    lines: tuple[LineOwned, ...]
    turns: tuple[TurnShown, ...]
    followers: tuple[FollowerShown, ...]
    waits: dict[str, int]
    troubles: tuple[Trouble, ...]
    log: Backlog | None


def shown(whole: Whole) -> ClusterShown:
    """All of it."""
    return ClusterShown(
        iso(whole.now),
        whole.fabric,
        whole.schema,
        whole.least,
        tuple([_server(one, whole.now) for one in whole.servers]),
        tuple([_line(one) for one in whole.lines]),
        tuple([_turn(one) for one in whole.turns]),
        tuple([FollowerShown(one.name, round(one.behind_s, 1)) for one in whole.followers]),
        whole.waits,
        tuple(troubles(whole)),
        whole.log,
    )


def lines_of(one: Server, now: int) -> int:
    """How many lines a server has."""
    return sum(held.key.startswith("line/") for held in one.said.holds) if one.is_there(now) else 0


def _server(one: Server, now: int) -> ServerShown:
    stopped = None if one.stopped_at is None else iso(one.stopped_at)
    known = (one.name, one.node, one.roles, one.version, one.revision, iso(one.started_at), iso(one.seen_at))
    return ServerShown(*known, stopped, one.is_there(now), lines_of(one, now), one.said.waits)


def _line(line: LineKnown) -> LineOwned:
    said = line.said
    return LineOwned(
        ids.show("line", line.id),
        line.name,
        line.wanted,
        name_of(line.owner),
        line.owner.epoch if line.owner else None,
        _good(line.owner),
        said.up if said else None,
        (said.why or said.state) if said else "",
        {name: LaneShown(lane.due, round(lane.oldest_s, 1)) for name, lane in line.lanes.items()},
    )


def _turn(one: Turn) -> TurnShown:
    return TurnShown(one.name, name_of(one.owner), _good(one.owner), one.being_taken)


def name_of(owner: Owned | None) -> str | None:
    """What people know an owner by."""
    return owner.server.name if owner else None


def _good(owner: Owned | None) -> float | None:
    return round(owner.for_s, 1) if owner and owner.for_s is not None else None
