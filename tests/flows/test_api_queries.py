"""What stands in an address: a name that nobody asks for, a cursor of another list, an id of nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from angarium.accounts.edge import Operation
from angarium.assembly import HANDLERS
from angarium.core import ids
from angarium.web.app import operations_of
from support.server import LINE, Client, member, whole_house

PLACE = re.compile(r"\{(\w+):\w+\}")
OURS: list[tuple[str, str, Operation]] = [
    one
    for one in operations_of(HANDLERS)
    if one[1].startswith("/v1/") and one[2].scope is not None and not (one[2].page or one[2].shape_of)
]
OTHERWISE = {"key_id": "api_key", "account_id": "smpp_account", "number": ""}


@pytest.fixture
async def mine(database_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    """Somebody with every right."""
    async with whole_house(database_url, tmp_path) as (house, client):
        yield await member(client, house.ground, "mine")


async def test_a_name_that_nobody_asks_for_is_refused_on_every_route(mine: Client) -> None:
    """Whoever narrows a list by a name that is passed over takes all of it for less."""
    wrong = []
    for method, path, operation in OURS:
        if operation.asks is not None and (PLACE.search(path) or method != "GET"):
            continue  # the handler itself reads it, when it has found what the address means
        where = PLACE.sub("x", path)
        answer = await mine.ask(method, f"{where}?nobody_asks=1")
        if answer.status != 422 or answer.fields.keys() != {"nobody_asks"}:
            wrong.append((method, path, answer.status))
    assert wrong == []
    assert len(OURS) > 200


async def test_the_file_of_costs_takes_no_sums(mine: Client) -> None:
    assert (await mine.ask("GET", "/v1/costs?by=month")).status == 200
    assert list((await mine.ask("GET", "/v1/costs/export?by=month")).fields) == ["by"]


async def test_a_cursor_of_another_list_is_refused(mine: Client) -> None:
    for number in range(3):
        assert (await mine.ask("POST", "/v1/lines", LINE | {"name": f"line-{number}"})).status == 201
        body = {"name": f"key {number}", "scopes": ["messages:read"]}
        assert (await mine.ask("POST", "/v1/keys", body)).status == 201
    cursors = {}
    for path in ("/v1/lines", "/v1/keys"):
        page = (await mine.ask("GET", f"{path}?limit=1")).json
        cursors[path] = page["next"]
        rest = (await mine.ask("GET", f"{path}?cursor={page['next']}")).json
        assert page["items"][0] not in rest["items"]
        assert len(rest["items"]) >= 2
        before = page["next"].partition("=")[0]  # as the version before this one gave it
        assert (await mine.ask("GET", f"{path}?cursor={before}")).json == rest
    for path, cursor in zip(cursors, reversed(cursors.values()), strict=True):
        answer = await mine.ask("GET", f"{path}?cursor={cursor}")
        assert (answer.status, answer.fields["cursor"]["problem"]) == (422, "is of another list")


async def test_where_to_look_for_what_is_not_there_is_told(mine: Client) -> None:
    """Of everything that has a list at the address above its own."""
    lists = {path for method, path, _ in OURS if method == "GET"}
    untold, told = [], 0
    for method, path, operation in OURS:
        names = PLACE.findall(path)
        above = path[: path.index("/{")] if names else ""
        noun = OTHERWISE.get(names[0], names[0].removesuffix("_id")) if names else ""
        if method == "GET" and len(names) == 1 and above in lists and noun in ids.PREFIXES:
            nobody = ids.show(noun, 1)
            answer = await mine.ask(method, PLACE.sub(nobody, path))
            if answer.status == 404 and operation.scope:
                (field,) = answer.json["errors"]
                told += 1
                if not field.get("remedy"):
                    untold.append((path, field))
    assert untold == []
    assert told > 25
    answer = await mine.ask("GET", "/v1/lines/lin_05b92b8kt0800")
    assert answer.fields["line"]["remedy"] == "GET /v1/lines lists what there is"
