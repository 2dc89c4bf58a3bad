"""Two workspaces: ours asks, theirs has one of everything; and what nobody has. For tests of isolation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from angarium.accounts import edge
from angarium.assembly import House
from angarium.core import ids
from angarium.core.ports import Accepted, Unknown
from angarium.messaging import claiming, reconcile, send
from angarium.messaging.send import Ended
from angarium.storage.schema import metadata
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


MAKES = {("PUT", "/v1/parts/{part}")}  # what is not there by this name is made, of one's own


REF = "ref-of-theirs"


THEIRS = {
    "phone": "+380441234567",
    "email": "theirs@shop.example",
    "external_id": "c-1",
    "label": "label-of-theirs",
    "reference": "reference-of-theirs",
    "part": "part-of-theirs",
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
    "part": "part-of-nobody",
    "line": "nobody-line",
    "template": "nobody-template",
    "cascade": "nobody-cascade",
    "ref": "ref-of-nobody",
    "version": "1",
    "sample": "sample-of-nobody",
}


# Whoever knows the token is the provider, or has the message; see the tests of callbacks and of media.
BY_TOKEN = {"/callbacks/{line}/{token}", "/m/{token}"}


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
            unnamed(unnamed(heard.body.decode(), self.has), self.nobody_has)  # some are words of pages
            for heard in (for_theirs, for_nobodys)
        ]
        assert (for_theirs.status, told[0]) == (for_nobodys.status, told[1]), f"{asked}: {told}"

    def same_page(self, for_theirs: Heard, for_nobodys: Heard, asked: str) -> None:
        """The same of pages, on which words of ours may be spelt as a name of theirs."""
        told = [
            unnamed(unnamed(heard.body.decode(), self.has), self.nobody_has)
            for heard in (for_theirs, for_nobodys)
        ]
        assert for_theirs.status == for_nobodys.status, asked
        assert told[0] == told[1], asked


def unnamed(text: str, has: dict[str, str]) -> str:
    """A text without the names of things, also as they stand in an address."""
    for name, value in has.items():
        written = {one for one in (value, quote(value), escape(value)) if one in text}
        if written:
            text = re.sub(rf"(?<!\w)({'|'.join(map(re.escape, written))})(?!\w)", f"<{name}>", text)
    return text


async def make_neighbours(house: tuple[House, Client]) -> Neighbours:
    """The same."""
    made, nobody = house
    ours, theirs = await member(nobody, made.ground, "ours"), await member(nobody, made.ground, "theirs")
    has = await furnish(theirs, made)
    for label in (THEIRS["label"], ""):
        body = MESSAGE | {"label": label, "reference": THEIRS["reference"], "to": {"phone": THEIRS["phone"]}}
        assert (await theirs.ask("POST", "/v1/messages", body)).status == 202
    person = CONTACT | {"addresses": [*CONTACT["addresses"], {"kind": "email", "value": THEIRS["email"]}]}
    assert (await theirs.ask("PUT", f"/v1/contacts/{has['contact_id']}", person)).status == 200
    assert (await theirs.ask("PUT", f"/v1/parts/{THEIRS['part']}", {"source": "x"})).status == 200
    await submit(made, theirs, has)
    mint = made.ground.ids.mint
    nobody_has = {name: ids.show(name.removesuffix("_id"), mint()) for name in has} | NOBODYS
    (line,) = made.world.lines.of(theirs.workspace_id)
    has |= THEIRS | {"token_in_path": line.callback_token}
    nobody_has["token_in_path"] = "0" * len(line.callback_token)
    for one, line_id in ((has, line.id), (nobody_has, mint())):
        one |= {"line_in_path": f"{line_id:x}", "contact": one["contact_id"], "segment": one["segment_id"]}
        one["cursor"] = edge.cursor_after(line_id - 1)
        one |= {"actor": one["api_key_id"], "subject": one["template_id"], "with": one["contact_id"]}
        one |= {"message": one["message_id"], "test": one["message_id"]}
    return Neighbours(made, ours, theirs, has, nobody_has)


async def submit(house: House, theirs: Client, has: dict[str, str]) -> None:
    """One of their messages is taken by its provider under `REF`, one is never answered, one is under way."""
    (line,) = house.world.lines.of(theirs.workspace_id)
    await reconcile.take_over(house.world, line, 1)
    taken, unanswered, under_way = (await claiming.claim(house.world, line, 1, 10)).attempts
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


async def check_paths(neighbours: Neighbours) -> set[str]:
    """Every route with a place, asked for theirs: not found, and nothing at all is changed."""
    before, tried = await neighbours.their_rows(), set()
    everything = await everything_in(neighbours.house.ground.db)
    for method, path, told in await operations(neighbours.ours):
        if not PLACE.search(path) or path in BY_TOKEN or (method, path) in MAKES:
            continue
        body = example(told)
        asked = [
            await neighbours.ours.ask(method, filled(path, has), body, Idempotency_Key=f"{method}-{number}")
            for number, has in enumerate((neighbours.has, neighbours.nobody_has))
        ]
        neighbours.same(*asked, f"{method} {path}")
        assert asked[0].status == 404, (method, path, asked[0])
        tried |= set(PLACE.findall(path))
    assert await neighbours.their_rows() == before
    assert await everything_in(neighbours.house.ground.db) == everything
    return tried


def example(told: dict[str, Any]) -> Any:
    """The example of a body, if the operation takes one."""
    return told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
