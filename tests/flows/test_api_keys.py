"""API keys over the API: made, listed, revoked; what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from angarium.accounts import rules
from angarium.accounts.api import HANDLERS
from angarium.storage.database import Database
from angarium.storage.ground import Ground
from support.server import Client, everything_in, ground_on, member, serving

KEY: dict[str, Any] = {"name": "shop", "scopes": ["setup:write", "messages:read"]}


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[tuple[Ground, Client]]:
    """The routes of keys; a client with every right."""
    ground = ground_on(database)
    async with serving(ground, HANDLERS) as nobody:
        yield ground, await member(nobody, ground, "shop")


async def test_there_and_gone(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    made = await mine.ask("POST", "/v1/keys", KEY | {"expires_at": "2999-12-31T23:59:59+03:30"})
    assert made.status == 201
    key = made.json["key"]
    assert rules.workspace_of(key) == mine.workspace_id
    shown = {name: value for name, value in made.json.items() if name != "key"}
    assert shown | {"id": "", "created_at": ""} == {
        "id": "",
        "name": "shop",
        "scopes": ["messages:read", "setup:write"],
        "classes": None,
        "lines": None,
        "created_at": "",
        "created_by": shown["created_by"],
        "expires_at": "2999-12-31T20:29:59.000Z",
        "revoked_at": None,
        "last_used_at": None,
    }
    listed = (await mine.ask("GET", "/v1/keys")).json["items"]
    assert shown in listed
    assert all("key" not in one for one in listed)
    assert (await mine.with_key(key).ask("GET", "/v1/keys")).status == 200

    assert (await mine.ask("DELETE", f"/v1/keys/{shown['id']}")).status == 204
    (revoked,) = [one for one in (await mine.ask("GET", "/v1/keys")).json["items"] if one["revoked_at"]]
    assert revoked["id"] == shown["id"]
    assert (await mine.ask("DELETE", f"/v1/keys/{shown['id']}")).status == 404
    secret = key.rpartition("_")[2]
    assert secret not in repr(await everything_in(ground.db))


async def test_a_secret_is_shown_once(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    key = (await mine.ask("POST", "/v1/keys", KEY)).json["key"]
    other = (await mine.ask("POST", "/v1/keys", KEY)).json["key"]
    assert key != other
    await mine.ask("GET", "/v1/keys")
    assert sum(key in heard.body.decode() for heard in mine.heard) == 1


async def test_the_keys_page_by_page(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    for number in range(4):
        await mine.ask("POST", "/v1/keys", KEY | {"name": f"key {number}"})
    first = (await mine.ask("GET", "/v1/keys?limit=3")).json
    rest = (await mine.ask("GET", f"/v1/keys?limit=3&cursor={first['next']}")).json
    names = [key["name"] for key in first["items"] + rest["items"]]
    assert names == ["test", "key 0", "key 1", "key 2", "key 3"]
    assert rest["next"] is None


WRONG: list[tuple[dict[str, Any], str, str]] = [
    # what is different, field, value
    ({"name": ""}, "name", ""),
    ({"name": "  "}, "name", "  "),
    ({"name": "x" * 101}, "name", "x" * 79 + "…"),
    ({"scopes": []}, "scopes", ""),
    ({"scopes": ["setup:write", "everything"]}, "scopes", "everything"),
    ({"scopes": "setup:write"}, "scopes", "setup:write"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "2020-01-01T00:00:00.000Z"),
    ({"expires_at": "2999-01-01T00:00:00"}, "expires_at", "2999-01-01T00:00:00"),
    ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at", "0001-01-01T00:00:00+14:00"),
    ({"expires_at": "tomorrow"}, "expires_at", "tomorrow"),
    ({"workspace": "other"}, "workspace", ""),
]


async def test_what_is_wrong_is_named(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    before = await everything_in(ground.db)
    for different, field, value in WRONG:
        answer = await mine.ask("POST", "/v1/keys", KEY | different)
        assert (answer.status, list(answer.fields)) == (422, [field]), (different, answer)
        assert answer.fields[field].get("value", "") == value, different
    assert await everything_in(ground.db) == before
