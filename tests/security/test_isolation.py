"""Whatever belongs to another workspace is not there: not found, not counted, not changed, not hinted at.

Two workspaces: ours asks, theirs has one of everything. Every route that the server tells of, and every page,
is asked for their things and for things that nobody has; the two answers must be the same but for the name
that was asked for. A route with a place or a question that is not known here fails, with what to add.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from angarium.accounts.edge import Operation
from angarium.accounts.roles import Role
from angarium.assembly import HANDLERS, House
from angarium.web.app import operations_of
from support.neighbours import (
    PLACE,
    REF,
    Neighbours,
    check_paths,
    filled,
    make_neighbours,
)
from support.people import joined, surfer_of
from support.server import (
    CASCADE,
    LINE,
    MESSAGE,
    Client,
    furnish,
    operations,
)

FILTERS = {
    "search",
    "tag",
    "field",
    "value",
    "kind",
    "limit",
    "text",
    "phrase",
    "locale",
    "state",
    "class",
    "waiting",
    "age",
    "age_min_s",
    "created_from",
    "month_from",
    "month_until",
    "by",
    "created_until",
    "action",
    "next",
    "token",
    "file_name",
    "country",
    "purpose",
    "channel",
    "reason",
    "source",
    "mode",
    "counted",
    "as",
    "number",
    "parts",
    "volume",
    "address",
    "before",
    "only",
    "since",
    "until",
    "done",
    "q",
    "count",
    "version",
    "from",
    "to",
    "wording",
    "name",
}  # asked for, and no name of a thing


WORDS = {"channel", "group", "kind"}  # in an address: words of ours, which name nothing of anybody
IDS = {
    "segment": "segment_id",
    "with": "contact_id",
    "back": "contact_id",
}  # names under which an id is asked for


@pytest.fixture
async def neighbours(house: tuple[House, Client]) -> Neighbours:
    """Theirs has one of everything: sent, unanswered, waiting; ours has nothing but its key."""
    return await make_neighbours(house)


def questions(path: str, names: list[str], has: dict[str, str]) -> Iterator[str]:
    """Queries of a route: each name that may be asked for, alone. A report also wants a channel."""
    for name in names:
        if name in FILTERS:
            continue
        value = has.get(name) or has.get(IDS.get(name, ""))
        known = value or name == "channel"
        assert known, f"{path}?{name}=: whose name is that? Add theirs and nobody's to THEIRS and NOBODYS"
        if name != "channel":
            beside = {"channel": LINE["channel"]} if "channel" in names else {}
            if name == "cursor" and "label" in names:
                beside |= {"label": has["label"]}
            yield urlencode({name: value} | beside)


# ── the API ──────────────────────────────────────────────────────────────────────────────────────────


async def test_every_route_with_an_id_of_theirs(neighbours: Neighbours) -> None:
    tried = await check_paths(neighbours)
    assert tried >= {"line_id", "template_id", "cascade_id", "contact_id", "api_key_id", "message_id"}


async def test_every_question_about_theirs(neighbours: Neighbours) -> None:
    before, asked = await neighbours.their_rows(), 0
    for method, path, told in await operations(neighbours.ours):
        names = [one["name"] for one in told["parameters"] if one["in"] == "query"]
        if PLACE.search(path):
            continue
        pairs = zip(
            questions(path, names, neighbours.has), questions(path, names, neighbours.nobody_has), strict=True
        )
        for theirs, nobodys in pairs:
            answers = [await neighbours.ours.ask(method, f"{path}?{query}") for query in (theirs, nobodys)]
            neighbours.same(*answers, f"{method} {path}?{theirs}")
            assert answers[0].status in (200, 404), (path, theirs, answers[0])
            asked += 1
    assert asked > 10
    assert await neighbours.their_rows() == before


async def test_every_list_is_of_ones_own(neighbours: Neighbours) -> None:
    listed = 0
    for method, path, told in await operations(neighbours.ours):
        if method != "GET" or PLACE.search(path) or not told["security"]:
            continue
        answer = await neighbours.ours.ask("GET", path)
        required = [one["name"] for one in told["parameters"] if one.get("required")]
        assert answer.status == (422 if required else 200), (path, answer)
        text = answer.body.decode()
        known_to_all = {
            "line",
            "template",
            "cascade",
            "version",
        }  # common words: a channel's help may have them
        told_of = [
            name for name, value in neighbours.has.items() if name not in known_to_all and value in text
        ]
        assert told_of == [], (path, told_of)
        listed += 1
    assert listed >= 8


NAMED: list[tuple[str, str, Any]] = [
    # method, path, a body with the name of something at {…}
    ("POST", "/v1/messages", MESSAGE | {"to": {"contact": "{contact}"}}),
    (
        "POST",
        "/v1/messages",
        MESSAGE | {"to": {"external_id": "{external_id}"}, "line": "{line}", "channel": ""},
    ),
    ("POST", "/v1/messages", MESSAGE | {"line": "{line}", "channel": ""}),
    ("POST", "/v1/messages", MESSAGE | {"template": "{template}", "text": ""}),
    ("POST", "/v1/messages", MESSAGE | {"cascade": "{cascade}", "channel": ""}),
    ("POST", "/v1/messages", MESSAGE | {"steps": [{"line": "{line}"}], "channel": ""}),
    ("POST", "/v1/messages/preview", MESSAGE | {"to": {"contact": "{contact}"}}),
    ("POST", "/v1/messages/preview", MESSAGE | {"template": "{template}", "text": ""}),
    ("POST", "/v1/messages/batch", {"messages": [MESSAGE | {"cascade": "{cascade}", "channel": ""}]}),
    ("POST", "/v1/cascades", {"name": "x", "steps": [{"line": "{line}"}]}),
]


async def test_their_names_in_a_body_name_nothing(neighbours: Neighbours) -> None:
    before = await neighbours.their_rows()
    for method, path, body in NAMED:
        text = msgspec.json.encode(body).decode()
        bodies = [
            re.sub(r"\{(\w+)\}", lambda match, has=has: has[match[1]], text).encode()
            for has in (neighbours.has, neighbours.nobody_has)
        ]
        answers = [await neighbours.ours.ask(method, path, data=one) for one in bodies]
        neighbours.same(*answers, f"{method} {path} {body}")
        assert answers[0].status == 422, (path, body, answers[0])
    assert await neighbours.their_rows() == before


async def test_what_both_call_the_same_stays_apart(neighbours: Neighbours) -> None:
    """Names and idempotency keys are those of a workspace: neither refused nor answered for theirs."""
    key = {"Idempotency_Key": "one-key"}
    theirs = await neighbours.theirs.ask("POST", "/v1/cascades", CASCADE | {"name": "twice"}, **key)
    before = await neighbours.their_rows()
    ours = await neighbours.ours.ask("POST", "/v1/cascades", CASCADE | {"name": "twice"}, **key)
    assert (theirs.status, ours.status) == (201, 201)
    assert ours.json["id"] != theirs.json["id"]
    assert "idempotent-replayed" not in ours.headers
    furnished = await furnish(neighbours.ours, neighbours.house)
    assert not set(furnished.values()) & set(neighbours.has.values())
    assert await neighbours.their_rows() == before


async def test_a_callback_is_heard_on_the_line_of_its_token(neighbours: Neighbours) -> None:
    await furnish(neighbours.ours, neighbours.house)
    (line,) = neighbours.house.world.lines.of(neighbours.ours.workspace_id)
    before = await neighbours.their_rows()
    for method in ("POST", "GET"):
        answers = [
            await neighbours.ours.ask(method, f"/callbacks/{has['line_in_path']}/{line.callback_token}", {})
            for has in (neighbours.has, neighbours.nobody_has)
        ]
        neighbours.same(*answers, method)
        assert answers[0].status == 404
    assert await neighbours.their_rows() == before


# ── the pages ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def looking(neighbours: Neighbours) -> AsyncIterator[Client]:
    """The owner of our workspace, with a browser."""
    client = neighbours.ours.with_key("")
    owner = surfer_of(client)
    await joined(neighbours.house, owner, neighbours.ours.workspace_id, "owner@ours.example", Role.OWNER)
    cookies = "; ".join(f"{name}={value}" for name, value in owner.cookies.items())
    client.usual = {"Cookie": cookies, "Accept": "text/html", "Sec-Fetch-Site": "none"}
    return client


def pages() -> list[tuple[str, Operation]]:
    """Every page that is looked at, and what may be asked there."""
    told = operations_of(HANDLERS)
    return [(path, one) for method, path, one in told if one.page and method == "GET" and one.scope]


async def test_every_page_with_an_id_of_theirs(neighbours: Neighbours, looking: Client) -> None:
    tried = 0
    for path, operation in pages():
        if set(PLACE.findall(path)) - WORDS:
            fields = msgspec.structs.fields(operation.asks.type) if operation.asks else ()
            beside = urlencode({field.encode_name: "1" for field in fields if field.required})
            asked = [
                await looking.ask("GET", f"{filled(path, has)}?{beside}")
                for has in (neighbours.has, neighbours.nobody_has)
            ]
            neighbours.same(*asked, path)
            assert asked[0].status == 404, path
            tried += 1
    assert tried


async def test_every_question_a_page_answers(neighbours: Neighbours, looking: Client) -> None:
    asked = 0
    for path, operation in pages():
        fields = msgspec.structs.fields(operation.asks.type) if operation.asks else ()
        names = [field.encode_name for field in fields]
        pairs = zip(
            questions(path, names, neighbours.has), questions(path, names, neighbours.nobody_has), strict=True
        )
        for theirs, nobodys in pairs:
            answers = [await looking.ask("GET", f"{path}?{query}") for query in (theirs, nobodys)]
            neighbours.same_page(*answers, f"{path}?{theirs}")
            asked += 1
    assert asked >= 3
    assert REF not in (await looking.ask("GET", "/messages")).body.decode()


async def test_people_are_not_found_across(neighbours: Neighbours, looking: Client) -> None:
    for name in ("phone", "external_id", "contact"):
        answers = [
            await looking.ask("GET", "/messages?" + urlencode({"contact": has[name]}))
            for has in (neighbours.has, neighbours.nobody_has)
        ]
        neighbours.same(*answers, name)
        assert "No message fits" in answers[0].body.decode()
