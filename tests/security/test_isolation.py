"""Whatever belongs to another workspace is not there: not found, not counted, not changed, not hinted at.

Two workspaces: ours asks, theirs has one of everything. Every route that the server tells of, and every page,
is asked for their things and for things that nobody has; the two answers must be the same but for the name
that was asked for. A route with a place or a question that is not known here fails, with what to add.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest

from angarium.accounts import edge, flows
from angarium.accounts.edge import Operation
from angarium.assembly import HANDLERS, House
from angarium.core import ids
from angarium.core.ports import Accepted, Unknown
from angarium.messaging import reconcile, send
from angarium.messaging.send import Ended
from angarium.storage.schema import metadata
from angarium.web.app import operations_of
from support.server import (
    CASCADE,
    CONTACT,
    LINE,
    MESSAGE,
    TEMPLATE,
    Client,
    Heard,
    everything_in,
    furnish,
    member,
    operations,
)

PLACE = re.compile(r"\{(\w+)(?::str)?\}")
REF = "ref-of-theirs"
THEIRS = {
    "phone": "+380441234567",
    "email": "theirs@shop.example",
    "external_id": "c-1",
    "label": "label-of-theirs",
    "reference": "reference-of-theirs",
    "line": LINE["name"],
    "template": TEMPLATE["name"],
    "cascade": CASCADE["name"],
    "ref": REF,
    "version": "1",
    "sample": "sample-of-theirs",
}
NOBODYS = {
    "phone": "+380447654321",
    "email": "nobody@shop.example",
    "external_id": "c-9",
    "label": "label-of-nobody",
    "reference": "reference-of-nobody",
    "line": "nobody-line",
    "template": "nobody-template",
    "cascade": "nobody-cascade",
    "ref": "ref-of-nobody",
    "version": "1",
    "sample": "sample-of-nobody",
}
FILTERS = {
    "search",
    "tag",
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
    "file_name",
    "country",
    "purpose",
    "channel",
    "reason",
    "source",
    "mode",
}  # asked for, and no name of a thing
BY_TOKEN = {"/callbacks/{line}/{token}"}  # whoever knows the token is the provider; see the test of callbacks


@dataclass
class Neighbours:
    """Ours, and what theirs has, by its name in an address, a query or a body; and the same of nobody."""

    house: House
    ours: Client
    theirs: Client
    has: dict[str, str]
    nobody_has: dict[str, str]

    async def their_rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of theirs."""
        rows = await everything_in(self.house.ground.db)
        columns = {name: list(metadata.tables[name].columns.keys()) for name in rows}
        place = {
            name: names.index("workspace_id") for name, names in columns.items() if "workspace_id" in names
        }
        mine = self.theirs.workspace_id
        return {name: [row for row in rows[name] if row[at] == mine] for name, at in place.items()}

    def same(self, for_theirs: Heard, for_nobodys: Heard, asked: str) -> None:
        """Two answers tell the same, but for the name that was asked for."""
        told = [
            unnamed(heard.body.decode(), has)
            for heard, has in ((for_theirs, self.has), (for_nobodys, self.nobody_has))
        ]
        assert (for_theirs.status, told[0]) == (for_nobodys.status, told[1]), asked


def unnamed(text: str, has: dict[str, str]) -> str:
    """A text without the names of things, also as they stand in an address."""
    for name, value in has.items():
        written = {re.escape(value), re.escape(quote(value)), re.escape(escape(value))}
        text = re.sub(rf"(?<!\w)({'|'.join(written)})(?!\w)", f"<{name}>", text)
    return text


@pytest.fixture
async def neighbours(house: tuple[House, Client]) -> Neighbours:
    """Theirs has one of everything: sent, unanswered, waiting; ours has nothing but its key."""
    made, nobody = house
    ours, theirs = await member(nobody, made.ground, "ours"), await member(nobody, made.ground, "theirs")
    has = await furnish(theirs, made)
    for label in (THEIRS["label"], ""):
        body = MESSAGE | {"label": label, "reference": THEIRS["reference"], "to": {"phone": THEIRS["phone"]}}
        assert (await theirs.ask("POST", "/v1/messages", body)).status == 202
    person = CONTACT | {"addresses": [*CONTACT["addresses"], {"kind": "email", "value": THEIRS["email"]}]}
    assert (await theirs.ask("PUT", f"/v1/contacts/{has['contact_id']}", person)).status == 200
    await submit(made, theirs, has)
    mint = made.ground.ids.mint
    nobody_has = {name: ids.show(name.removesuffix("_id"), mint()) for name in has} | NOBODYS
    (line,) = made.world.lines.of(theirs.workspace_id)
    has |= THEIRS | {"token_in_path": line.callback_token}
    nobody_has["token_in_path"] = "0" * len(line.callback_token)
    for one, line_id in ((has, line.id), (nobody_has, mint())):
        one |= {"line_in_path": f"{line_id:x}", "contact": one["contact_id"], "segment": one["segment_id"]}
        one["cursor"] = edge.cursor_after(line_id - 1)
        one |= {"actor": one["api_key_id"], "subject": one["template_id"]}
    return Neighbours(made, ours, theirs, has, nobody_has)


async def submit(house: House, theirs: Client, has: dict[str, str]) -> None:
    """One of their messages is taken by its provider under `REF`, one is never answered, one is under way."""
    (line,) = house.world.lines.of(theirs.workspace_id)
    await reconcile.take_over(house.world, line, 1)
    taken, unanswered, under_way = await send.claim(house.world, line, 1, 10)
    has["attempt_id"] = ids.show("attempt", under_way.id)
    ended = [Ended(taken, Accepted((REF,)), 0.0), Ended(unanswered, Unknown("no answer"), 0.0)]
    await send.record(house.world, ended)


def filled(path: str, has: dict[str, str]) -> str:
    """An address with ids in its places; a place that nobody has heard of fails."""
    places = {"line": "line_in_path", "token": "token_in_path", "name": "name_in_path"}

    def fill(match: re.Match[str]) -> str:
        name = places.get(match[1], match[1])
        assert name in has, (
            f"{path}: what stands at {{{match[1]}}}? Make one in support/server.py: MADE_BY_POST"
        )
        return has[name]

    return PLACE.sub(fill, path)


def questions(path: str, names: list[str], has: dict[str, str]) -> Iterator[str]:
    """Queries of a route: each name that may be asked for, alone. A report also wants a channel."""
    for name in names:
        if name in FILTERS:
            continue
        known = name in has or name == "channel"
        assert known, f"{path}?{name}=: whose name is that? Add theirs and nobody's to THEIRS and NOBODYS"
        if name != "channel":
            yield urlencode({name: has[name]} | ({"channel": LINE["channel"]} if "channel" in names else {}))


# ── the API ──────────────────────────────────────────────────────────────────────────────────────────


async def test_every_route_with_an_id_of_theirs(neighbours: Neighbours) -> None:
    before, tried = await neighbours.their_rows(), set()
    everything = await everything_in(neighbours.house.ground.db)
    for method, path, told in await operations(neighbours.ours):
        if not PLACE.search(path) or path in BY_TOKEN:
            continue
        body = example(told)
        asked = [
            await neighbours.ours.ask(method, filled(path, has), body, Idempotency_Key=f"{method}-{number}")
            for number, has in enumerate((neighbours.has, neighbours.nobody_has))
        ]
        neighbours.same(*asked, f"{method} {path}")
        assert asked[0].status == 404, (method, path, asked[0])
        tried |= set(PLACE.findall(path))
    assert tried >= {"line_id", "template_id", "cascade_id", "contact_id", "api_key_id", "message_id"}
    assert await neighbours.their_rows() == before
    assert await everything_in(neighbours.house.ground.db) == everything


def example(told: dict[str, Any]) -> Any:
    """The example of a body, if the operation takes one."""
    return told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")


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
    """Somebody who has entered our workspace with a browser."""
    ticket = flows.ticket(neighbours.house.ground, neighbours.ours.workspace_id)
    client = neighbours.ours.with_key("")
    client.usual = {"Cookie": f"angarium_session={ticket}", "Accept": "text/html", "Sec-Fetch-Site": "none"}
    return client


def pages() -> list[tuple[str, Operation]]:
    """Every page that is looked at, and what may be asked there."""
    told = operations_of(HANDLERS)
    return [(path, one) for method, path, one in told if one.page and method == "GET" and one.scope]


async def test_every_page_with_an_id_of_theirs(neighbours: Neighbours, looking: Client) -> None:
    tried = 0
    for path, _ in pages():
        if PLACE.search(path):
            asked = [
                await looking.ask("GET", filled(path, h)) for h in (neighbours.has, neighbours.nobody_has)
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
            neighbours.same(*answers, f"{path}?{theirs}")
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
