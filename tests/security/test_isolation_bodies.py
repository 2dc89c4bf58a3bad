"""Ids of theirs inside the bodies of requests, wherever one could name a thing; a leak would be found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from angarium import assembly
from angarium.accounts import edge
from angarium.accounts import store as accounts
from angarium.accounts.edge import Call, JsonAnswer, Operation
from angarium.assembly import HANDLERS, House
from angarium.contacts import store as contacts
from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import not_found
from angarium.storage.database import Transaction
from support.neighbours import (
    BY_TOKEN,
    PLACE,
    Neighbours,
    check_paths,
    filled,
    make_neighbours,
)
from support.server import (
    Client,
    furnish,
    operations,
    whole_house,
)


@pytest.fixture
async def neighbours(house: tuple[House, Client]) -> Neighbours:
    """Theirs has one of everything; ours has nothing but its key."""
    return await make_neighbours(house)


ALSO = {  # a field of a body that is not called what stands in it
    "survivor": "contact",
    "merged": "contact",
    "send_over": "line",
    "letters_line": "line",
    "from_line": "line",
}


OWN = {"external"}  # what a caller calls its own


DEPTH_MAX = 4


SHOWN_ID = re.compile(r"\b[a-z]{2,3}_[0-9a-z]{13}\b")


def leaves(schema: Any, parts: dict[str, Any], depth: int = 0) -> Iterator[tuple[str | int, ...]]:
    """The places of a body in which a text can stand, by its schema."""
    if "$ref" in schema:
        schema = parts[schema["$ref"].rpartition("/")[2]]
    if depth > DEPTH_MAX:
        return
    for one in schema.get("anyOf", ()):
        yield from leaves(one, parts, depth)
    if schema.get("type") == "string":
        yield ()
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        yield from ((0, *rest) for rest in leaves(schema["items"], parts, depth + 1))
    for name, one in schema.get("properties", {}).items():
        yield from ((name, *rest) for rest in leaves(one, parts, depth + 1))


def noun_at(place: tuple[str | int, ...], has: dict[str, str]) -> list[str]:
    """The ids in `has` by which a thing could be named there; names are those of ours too."""
    word = next((step for step in reversed(place) if isinstance(step, str)), "")
    word = ALSO.get(word, word.removesuffix("_id").removesuffix("_ids"))
    return [f"{one}_id" for one in {word, word.removesuffix("s")} - OWN if f"{one}_id" in has]


def put(body: Any, place: tuple[str | int, ...], value: str) -> Any:
    """The same body with something else at a place, which is made if it is not there."""
    if not place:
        return value
    step, rest = place[0], place[1:]
    if isinstance(step, int):
        inside = body[0] if isinstance(body, list) and body else None
        return [put(inside, rest, value)]
    return {**(body if isinstance(body, dict) else {}), step: put((body or {}).get(step), rest, value)}


async def check_bodies(neighbours: Neighbours) -> int:
    """Every text in every body, as far as it is called after a thing: theirs names as little as nobody's."""
    document = (await neighbours.ours.ask("GET", "/openapi.json")).json
    mine = await furnish(neighbours.ours, neighbours.house)
    own = neighbours.has | mine
    before, tried = await neighbours.their_rows(), 0
    for method, path, told in await operations(neighbours.ours):
        content = told.get("requestBody", {}).get("content", {}).get("application/json", {})
        if "schema" not in content or path in BY_TOKEN or "workspace_id" in PLACE.findall(path):
            continue
        places = {
            (place, name)
            for place in leaves(content["schema"], document["components"]["schemas"])
            for name in noun_at(place, neighbours.has)
        }
        for place, name in sorted(places, key=repr):
            answers = []
            for has in (neighbours.nobody_has, neighbours.has):
                body = put(content.get("example"), place, has[name])
                if isinstance(body, dict) and isinstance(body.get("name"), str) and place != ("name",):
                    body["name"] = f"n-{tried}-{len(answers)}"  # a name can be taken once
                answers.append(await neighbours.ours.ask(method, filled(path, own), body))
            nobodys, theirs = answers
            asked = f"{method} {path} {place} {name}"
            assert theirs.status == nobodys.status, (asked, theirs, nobodys)
            foreign = set(SHOWN_ID.findall(theirs.body.decode())) & set(neighbours.has.values())
            assert foreign <= {neighbours.has[name]}, (asked, theirs)
            if theirs.status >= 400:
                words = [
                    heard.body.decode().replace(has[name], "<it>")
                    for heard, has in ((theirs, neighbours.has), (nobodys, neighbours.nobody_has))
                ]
                assert words[0] == words[1], asked
            tried += 1
    assert await neighbours.their_rows() == before
    return tried


async def test_ids_of_theirs_inside_bodies(neighbours: Neighbours) -> None:
    assert await check_bodies(neighbours) > 20


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body that names a contact."""

    contact: str


NAMED_BODY = Shape(Named)


async def wherever(tx: Transaction, contact_id: int) -> Contact | None:
    """A contact of whatever workspace, past what PostgreSQL itself would keep apart."""
    async with tx.across_workspaces():
        for workspace in await accounts.workspaces(tx):
            found = await contacts.by_ids(tx, workspace.id, [contact_id])
            if contact_id in found:
                return found[contact_id]
    return None


async def anybodys(request: Call, contact_id: int) -> JsonAnswer:
    """A contact of whatever workspace: what must not be."""
    found = await edge.ground_of(request).db.read(wherever, contact_id)
    if found is None:
        raise not_found("contact", ids.show("contact", contact_id))
    return edge.answer(request, {"name": found.external_id})


@edge.route(
    "GET /v1/planted/{contact_id}", Operation(summary="Leaks", scope="contacts:read", gives=dict[str, Any])
)
async def leaky_path(request: Call) -> JsonAnswer:
    """By its address."""
    return await anybodys(request, edge.id_in_path(request, "contact"))


@edge.route(
    "POST /v1/planted",
    Operation(
        summary="Leaks",
        scope="contacts:read",
        takes=NAMED_BODY,
        gives=dict[str, Any],
        example=Named("con_0000000000001"),
    ),
)
async def leaky_body(request: Call) -> JsonAnswer:
    """By its body."""
    given = NAMED_BODY.read(await edge.read_body(request))
    return await anybodys(request, ids.read("contact", given.contact))


@pytest.mark.parametrize(("leak", "check"), [(leaky_path, "paths"), (leaky_body, "bodies")])
async def test_a_route_that_leaks_is_found(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leak: Any, check: str
) -> None:
    monkeypatch.setattr(assembly, "HANDLERS", [*HANDLERS, leak])
    async with whole_house(database_url, tmp_path) as made:
        found = await make_neighbours(made)
        with pytest.raises(AssertionError, match="planted"):
            await (check_paths(found) if check == "paths" else check_bodies(found))
