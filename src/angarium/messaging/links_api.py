"""The JSON edge of links that are counted: how those of a label were followed, and how all of a class."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import LIST_MAX, Call, JsonAnswer, Operation, Page, route
from angarium.core.clock import iso, micros
from angarium.core.decoding import Shape
from angarium.core.problems import invalid
from angarium.messaging.links import PIXEL
from angarium.messaging.robots import Visitor
from angarium.messaging.store import links as store
from angarium.messaging.store.links import FORGOTTEN, ClassTally, Tally

USUAL_S = 30 * 86_400.0  # looked back to by classes, when it is not said


class LinksQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose links to sum up."""

    label: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    cursor: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIST_MAX)] = 100


class ClassesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of what time to sum them up: when each was first followed."""

    created_from: datetime | None = None
    created_until: datetime | None = None


class LinkShown(msgspec.Struct, frozen=True, kw_only=True):
    """One address; empty for those that were sent to people who have been erased."""

    url: str
    people: int  # who followed it, each once
    clicks: int  # by people
    first_at: str | None  # the same
    last_at: str | None
    robots: dict[str, int]  # visits by kind


class OpensShown(msgspec.Struct, frozen=True, kw_only=True):
    """The mails that were opened: by people, and by programs that load the pictures of mails."""

    people: int
    opens: int
    first_at: str | None
    last_at: str | None
    machines: dict[str, int]


class LinksShown(Page[LinkShown], frozen=True, kw_only=True):
    """A piece of the list, and on the first the openings; null when none was counted."""

    opens: OpensShown | None = None


class ClassShown(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted of the messages of a class."""

    message_class: str = msgspec.field(name="class")
    clicked: int  # messages of which a person followed a link
    clicks: int
    robots: dict[str, int]
    opened: int
    opens: int
    machines: dict[str, int]


LINKS, CLASSES = Shape(LinksQuery), Shape(ClassesQuery)
EXAMPLE = LinkShown(
    url="https://shop.example/autumn",
    people=412,
    clicks=530,
    first_at="2026-11-23T08:43:10.118Z",
    last_at="2026-11-24T19:02:44.902Z",
    robots={"preview": 71, "scanner": 38},
)
EXAMPLE_OPENS = OpensShown(
    people=1_204,
    opens=1_911,
    first_at=EXAMPLE.first_at,
    last_at=EXAMPLE.last_at,
    machines={"apple_privacy": 830, "google_proxy": 655},
)

EXAMPLE_CLASS = ClassShown(
    message_class="promotional",
    clicked=412,
    clicks=530,
    robots=EXAMPLE.robots,
    opened=1_204,
    opens=1_911,
    machines=EXAMPLE_OPENS.machines,
)


@route(
    "GET /v1/links",
    Operation(
        summary="Sum up who followed the links of a label",
        detail="By address: people, clicks, and robots by kind. Links that nobody followed are not listed.",
        scope="messages:read",
        asks=LINKS,
        gives=LinksShown,
        answer_example=LinksShown(items=[EXAMPLE], opens=EXAMPLE_OPENS),
    ),
)
async def list_links(request: Call) -> JsonAnswer:
    """The addresses of a label, the most clicked first."""
    query = LINKS.read_query(request.scope["query_string"])
    passed, ask = edge.read_cursor(query.cursor), edge.ground_of(request).db.read
    found = await ask(store.by_label, request.auth.workspace_id, query.label, passed, query.limit + 1)
    by_url: dict[str, list[Tally]] = {}
    for one in found:
        by_url.setdefault(one.url, []).append(one)
    opens = by_url.pop(PIXEL, None)
    items = sorted(map(_link, by_url.values()), key=lambda one: (-one.clicks, one.url))[: query.limit]
    cursor = edge.cursor_after(passed + query.limit) if len(by_url) > query.limit else None
    return edge.answer(request, LinksShown(items=items, next=cursor, opens=_opens(opens) if opens else None))


@route(
    "GET /v1/links/classes",
    Operation(
        summary="Sum up who followed links, by class",
        detail="Of links and mails that were first followed or opened in a time; else in the last 30 days.",
        scope="messages:read",
        asks=CLASSES,
        gives=Page[ClassShown],
        answer_example=Page([EXAMPLE_CLASS]),
    ),
)
async def list_classes(request: Call) -> JsonAnswer:
    """The classes of which anything was counted."""
    query = CLASSES.read_query(request.scope["query_string"])
    ground = edge.ground_of(request)
    until = edge.instant("created_until", query.created_until)
    until = ground.clock.now() if until is None else until
    since = edge.instant("created_from", query.created_from)
    since = until - micros(USUAL_S) if since is None else since
    if since > until:
        told = query.created_from.isoformat() if query.created_from else ""
        raise invalid("created_from", "is after created_until", value=told, remedy="an earlier time")
    found = await ground.db.read(store.by_class, request.auth.workspace_id, since, until)
    by_class: dict[str, list[ClassTally]] = {}
    for one in found:
        by_class.setdefault(one.message_class, []).append(one)
    return edge.answer(request, Page([_class(name, tallies) for name, tallies in by_class.items()]))


def _link(tallies: Sequence[Tally]) -> LinkShown:
    person = next((one for one in tallies if one.by == Visitor.PERSON), None)
    return LinkShown(
        url="" if tallies[0].url == FORGOTTEN else tallies[0].url,
        people=person.people if person else 0,
        clicks=person.times if person else 0,
        first_at=iso(person.first_at) if person else None,
        last_at=iso(person.last_at) if person else None,
        robots=_others(tallies),
    )


def _opens(tallies: Sequence[Tally]) -> OpensShown:
    told = _link(tallies)
    return OpensShown(
        people=told.people,
        opens=told.clicks,
        first_at=told.first_at,
        last_at=told.last_at,
        machines=told.robots,
    )


def _class(name: str, tallies: Sequence[ClassTally]) -> ClassShown:
    links = [one for one in tallies if not one.picture]
    pictures = [one for one in tallies if one.picture]
    clicked = next((one for one in links if one.by == Visitor.PERSON), None)
    opened = next((one for one in pictures if one.by == Visitor.PERSON), None)
    return ClassShown(
        message_class=name,
        clicked=clicked.messages if clicked else 0,
        clicks=clicked.times if clicked else 0,
        robots=_others(links),
        opened=opened.messages if opened else 0,
        opens=opened.times if opened else 0,
        machines=_others(pictures),
    )


def _others(tallies: Sequence[Tally] | Sequence[ClassTally]) -> dict[str, int]:
    return {one.by: one.times for one in tallies if one.by != Visitor.PERSON}


HANDLERS = (list_links, list_classes)
