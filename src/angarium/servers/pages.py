"""The HTML edge: the servers of a database, and who owns which line."""

from __future__ import annotations

from typing import cast

import msgspec

from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer
from angarium.core import ids
from angarium.servers.api import whole_of
from angarium.servers.presence import Presence
from angarium.servers.rules import LineKnown, Server, Whole, troubles
from angarium.servers.shown import lines_of, name_of


class Row(msgspec.Struct, frozen=True):
    """A server as the page shows it; `here`: the one that answers."""

    server: Server
    there: bool
    lines: int
    here: bool
    unseen_s: float


class LineRow(msgspec.Struct, frozen=True):
    """A line as the page shows it; what is due on it is of all classes."""

    line: LineKnown
    id: str
    owner: str
    due: int
    oldest_s: float


@route("GET /settings/servers", Operation(summary="Servers", scope="servers:read", page=True))
async def show_servers(request: Call) -> Sent:
    """The servers, their lines and turns, and what is wrong. Who stopped in order is not missed."""
    whole = await whole_of(request)
    mine = cast("Presence", request.scope["litestar_app"].state.presence).id
    facts = {
        "whole": whole,
        "alone": sum(one.is_there(whole.now) for one in whole.servers) <= 1,
        "troubles": troubles(whole),
        "rows": [_row(one, whole, mine) for one in whole.servers if one.stopped_at is None],
        "lines": [_line(one) for one in whole.lines],
        "turns": [(one.name, name_of(one.owner) or "", one.being_taken) for one in whole.turns],
        "followers": whole.followers,
    }
    return HtmlAnswer("servers/servers.html", facts)


def _row(one: Server, whole: Whole, mine: int) -> Row:
    there = one.is_there(whole.now)
    return Row(one, there, lines_of(one, whole.now), one.id == mine, one.unseen_s(whole.now))


def _line(line: LineKnown) -> LineRow:
    lanes = line.lanes.values()
    oldest_s = max((lane.oldest_s for lane in lanes), default=0.0)
    due = sum(lane.due for lane in lanes)
    return LineRow(line, ids.show("line", line.id), name_of(line.owner) or "", due, oldest_s)


HANDLERS = (show_servers,)
