"""Who may call what: every route that is told of, without a key and without its scope."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from angarium.accounts import flows as accounts
from angarium.accounts.rules import IMPLIED, SCOPES
from angarium.assembly import House
from angarium.core.clock import micros
from support.server import Client, everything_in, furnish, key_for, member, operations, whole_house

PLACE = re.compile(r"\{(\w+)\}")
OPEN = {"/health/live", "/health/ready", "/health/receiving", "/metrics", "/openapi.json"}
# the token in the address is the secret
BY_TOKEN = {"/callbacks/{line}/{token}", "/u/{token}", "/l/{token}", "/o/{token}", "/m/{token}"}


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """The whole API, on a database of its own."""
    async with whole_house(database_url, tmp_path) as made:
        yield made


def scope_of(told: dict[str, Any]) -> str | None:
    """The scope that an operation wants."""
    return told["security"][0]["key"][0] if told["security"] else None


def bodies(told: dict[str, Any]) -> Iterator[Any]:
    """The example of a body, if the operation takes one."""
    if "requestBody" in told:
        yield told["requestBody"]["content"]["application/json"]["example"]


async def test_every_route_wants_a_key_with_its_scope(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    ids = await furnish(mine, made)
    keys = {}
    for scope in SCOPES:
        implying = {other for other, more in IMPLIED.items() if scope in more}
        others = SCOPES.keys() - {scope} - implying
        keys[scope] = await key_for(made.ground, mine.workspace_id, *others)
    before = await everything_in(made.ground.db)
    guarded = 0
    for method, path, told in await operations(nobody):
        scope = scope_of(told)
        if path in OPEN | BY_TOKEN:
            assert scope is None, path
            continue
        if scope == "self":  # of whoever calls; only people have something there
            assert (await nobody.ask(method, PLACE.sub("x", path))).status == 401, path
            continue
        assert scope in SCOPES, path
        where, body = PLACE.sub(lambda match: ids.get(match[1], "1"), path), next(bodies(told), None)
        answer = await nobody.ask(method, where, body)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="angarium"'), path
        answer = await nobody.with_key(keys[scope]).ask(method, where, body)
        assert answer.status == 403, (method, path, answer)
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert scope in answer.json["detail"]
        guarded += 1
    assert guarded > 30
    assert await everything_in(made.ground.db) == before


NO_KEYS = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer ang_",
    "Bearer ang_0000000000000_" + "0" * 64,
    "Bearer ang_zzzzzzzzzzzzz_" + "0" * 64,
    "Bearer ang_0000000000000_",
    "Basic {key}",
    "{key}",
    "Bearer x{key}",
    "Bearer {key}0",
    "Bearer {key},Bearer {key}",
    "Bearer \u00e9\u00fc",
]


async def test_what_is_no_key(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    for written in NO_KEYS:
        answer = await nobody.ask("GET", "/v1/lines", Authorization=written.replace("{key}", mine.key))
        assert (answer.status, answer.json["type"].rpartition("/")[2]) == (401, "key-not-good"), written
        assert mine.key not in answer.body.decode()


async def test_how_a_key_may_be_written(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    for authorization in (f"Bearer {mine.key}", f"bearer {mine.key}", f"BEARER  {mine.key} "):
        assert (await nobody.ask("GET", "/v1/lines", Authorization=authorization)).status == 200


async def test_an_expired_key_is_no_key(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    soon = made.ground.clock.now() + micros(0.1)
    key = await accounts.create_key(made.ground, mine.workspace_id, "short", frozenset(["setup:read"]), soon)
    await until_refused(nobody.with_key(key))


async def test_a_revoked_key_fails_within_a_second(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    new = await mine.ask("POST", "/v1/keys", {"name": "x", "scopes": ["setup:read"]})
    other = nobody.with_key(new.json["key"])
    assert (await other.ask("GET", "/v1/lines")).status == 200
    assert (await mine.ask("DELETE", f"/v1/keys/{new.json['id']}")).status == 204
    began = made.ground.clock.now()
    await until_refused(other)
    assert made.ground.clock.now() - began < micros(accounts.BELIEVED_S + 1.0)


async def until_refused(client: Client) -> None:
    """Ask until the key is no longer good."""
    for _ in range(100_000):
        if (await client.ask("GET", "/v1/lines")).status == 401:
            return
    raise AssertionError("the key is still good")


async def test_a_key_gives_no_scope_that_it_has_not(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    small = nobody.with_key(await key_for(made.ground, mine.workspace_id, "setup:write", "setup:read"))
    asked = {"name": "greedy", "scopes": ["setup:read", "messages:write"]}
    answer = await small.ask("POST", "/v1/keys", asked)
    assert (answer.status, answer.json["type"].rpartition("/")[2]) == (403, "scope-missing")
    assert "messages:write" in answer.json["detail"]
    assert (await small.ask("POST", "/v1/keys", asked | {"scopes": ["setup:read"]})).status == 201
