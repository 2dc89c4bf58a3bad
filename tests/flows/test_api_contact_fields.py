"""Fields of contacts over the API: defined, looked at, changed, deleted; and held against what is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from angarium.contacts import api, fields_api, fields_flows
from angarium.storage.database import Database
from angarium.storage.ground import Ground
from support.server import Client, everything_in, ground_on, member, serving

BONUS = {"name": "bonus", "kind": "money", "label": "Бонуси", "currency": "UAH"}
LEVEL = {"name": "level", "kind": "choice", "choices": ["gold", "silver"]}
BORN = {"name": "born", "kind": "date"}


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[tuple[Ground, Client]]:
    """The routes of contacts and their fields; a client with every right."""
    ground = ground_on(database)
    async with serving(ground, (*api.HANDLERS, *fields_api.HANDLERS)) as nobody:
        yield ground, await member(nobody, ground, "shop")


async def define(mine: Client, *definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """Define fields; what was answered."""
    answers = [await mine.ask("POST", "/v1/contact-fields", one) for one in definitions]
    assert [one.status for one in answers] == [201] * len(definitions), answers
    return [one.json for one in answers]


async def test_there_and_back(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    assert (await mine.ask("GET", "/v1/contact-fields")).json == {"items": [], "next": None}
    bonus, level, born = await define(mine, BONUS, LEVEL, BORN)
    assert {name: bonus[name] for name in BONUS} == BONUS
    assert bonus["choices"] == []
    page = (await mine.ask("GET", "/v1/contact-fields?limit=2")).json
    assert page["items"] == [bonus, level]
    rest = (await mine.ask("GET", f"/v1/contact-fields?cursor={page['next']}")).json
    assert rest == {"items": [born], "next": None}

    path = f"/v1/contact-fields/{level['id']}"
    assert (await mine.ask("GET", path)).json == level
    changed = (await mine.ask("PUT", path, LEVEL | {"choices": ["gold", "bronze"], "label": "Рівень"})).json
    assert changed["choices"] == ["gold", "bronze"]
    assert changed["label"] == "Рівень"
    assert (await mine.ask("GET", path)).json == changed
    assert (await mine.ask("DELETE", path)).status == 204
    for method, body in (("GET", None), ("DELETE", None), ("PUT", LEVEL)):
        assert (await mine.ask(method, path, body)).status == 404, method


async def test_what_is_wrong_with_a_definition_is_named(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    (bonus,) = await define(mine, BONUS)
    before = await everything_in(ground.db)
    for different, field in (
        ({}, "name"),
        ({"name": "2x"}, "name"),
        ({"name": "b", "kind": "colour"}, "kind"),
        ({"name": "b", "currency": "hryvnia"}, "currency"),
        ({"name": "b", "choices": ["x"]}, "choices"),
        ({"name": "b", "unit": "x"}, "unit"),
    ):
        answer = await mine.ask("POST", "/v1/contact-fields", BONUS | different)
        assert (answer.status, list(answer.fields)) == (422, [field]), (different, answer)
        assert answer.fields[field]["remedy"]
    for different, field in (({"name": "b"}, "name"), ({"kind": "text", "currency": ""}, "kind")):
        answer = await mine.ask("PUT", f"/v1/contact-fields/{bonus['id']}", BONUS | different)
        assert (answer.status, list(answer.fields)) == (422, [field]), (different, answer)
    assert await everything_in(ground.db) == before


async def test_a_workspace_defines_so_many(
    shop: tuple[Ground, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mine = shop
    monkeypatch.setattr(fields_flows, "DEFINITIONS_MAX", 2)
    await define(mine, BONUS, LEVEL)
    answer = await mine.ask("POST", "/v1/contact-fields", BORN)
    assert (answer.status, answer.json["detail"]) == (422, "A workspace defines at most 2 fields.")


async def test_contacts_are_held_against_the_definitions(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    _, defined, _ = await define(mine, BONUS, LEVEL, BORN)
    given = {"bonus": "12.50", "level": "gold", "born": None, "city": ["as", "it comes"]}
    made = (await mine.ask("POST", "/v1/contacts", {"external_id": "a", "fields": given})).json
    kept = {
        "bonus": {"micros": 12_500_000, "currency": "UAH"},
        "level": "gold",
        "city": ["as", "it comes"],
    }
    assert made["fields"] == kept
    path = f"/v1/contacts/{made['id']}"
    before = await everything_in(ground.db)
    for method, where in (("POST", "/v1/contacts"), ("PUT", path)):
        bad = {"external_id": "a", "fields": {"bonus": "a lot", "level": "gold", "born": "2026-02-30"}}
        answer = await mine.ask(method, where, bad)
        assert (answer.status, sorted(answer.fields)) == (422, ["fields.bonus", "fields.born"]), answer
        assert answer.fields["fields.bonus"]["value"] == "a lot"
        assert answer.fields["fields.born"]["remedy"] == "such as 2026-11-23"
    assert await everything_in(ground.db) == before

    batch = [
        {"external_id": "b", "fields": {"level": "tin"}},
        {"external_id": "c", "fields": {"level": "gold"}},
    ]
    answer = await mine.ask("POST", "/v1/contacts/batch", {"contacts": batch})
    assert (answer.json["accepted"], answer.json["rejected"]) == (1, 1)
    assert answer.json["results"][0]["problem"]["errors"][0]["field"] == "contacts[0].fields.level"

    await mine.ask("PUT", f"/v1/contact-fields/{defined['id']}", LEVEL | {"choices": ["silver"]})
    assert (await mine.ask("GET", path)).json["fields"] == kept  # what is there stays until it is written
    assert (await mine.ask("PUT", path, {"external_id": "a", "fields": kept})).status == 422
    await mine.ask("DELETE", f"/v1/contact-fields/{defined['id']}")
    assert (await mine.ask("PUT", path, {"external_id": "a", "fields": kept})).json["fields"] == kept


async def test_definitions_are_of_a_workspace(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    other = await member(mine, ground, "other")
    (born,) = await define(mine, BORN)
    await define(other, BORN | {"kind": "text"})
    path = f"/v1/contact-fields/{born['id']}"
    assert (await other.ask("GET", path)).status == 404
    assert (await other.ask("DELETE", path)).status == 404
    assert (await other.ask("PUT", path, BORN)).status == 404
    theirs = await other.ask("POST", "/v1/contacts", {"external_id": "a", "fields": {"born": "long ago"}})
    assert theirs.json["fields"] == {"born": "long ago"}
    assert (await mine.ask("GET", path)).json == born
