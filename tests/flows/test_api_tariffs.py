"""Tariffs over the API: drafts and what they change, in force at an instant, what is wrong with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from angarium.assembly import House
from angarium.lines import tariffs_csv
from support.relay import SETTINGS
from support.server import Client, member, whole_house

TARIFF = {"name": "gms", "currency": "EUR", "zone": "Europe/Kyiv", "counts": "line"}
CSV = "destination;class;volume_from;price\nUA;;0;0,03\nUA;;100;0,02\nUA;otp;0;0,05\n;;0;0,09\n"
LINE: dict[str, Any] = {
    "name": "sms",
    "channel": "smpp",
    "settings": SETTINGS["smpp"],
    "classes": ["service"],
    "registration": "approved",
    "tariff": "gms",
}


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """A whole server without its loops, and a client with every right."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        yield house, await member(nobody, house.ground, "shop")


async def made(client: Client, **given: Any) -> str:
    """The path of a new tariff."""
    answer = await client.ask("POST", "/v1/tariffs", {**TARIFF, **given})
    assert answer.status == 201, answer.body
    return f"/v1/tariffs/{answer.json['id']}"


async def drafted(client: Client, path: str, **given: Any) -> str:
    """The path of a new draft of a tariff."""
    answer = await client.ask("POST", f"{path}/price-lists", given or {"csv": CSV})
    assert answer.status == 201, answer.body
    return f"{path}/price-lists/{answer.json['id']}"


async def test_from_a_file_to_a_price(shop: tuple[House, Client]) -> None:
    house, client = shop
    path = await made(client)
    one = await drafted(client, path)
    looked = (await client.ask("GET", one)).json
    assert (looked["added"], looked["removed"], looked["changed"]) == (4, 0, 0)
    assert (looked["state"], looked["valid_from"]) == ("draft", None)
    assert (await client.ask("POST", "/v1/lines", LINE)).status == 201
    message = {"to": {"phone": "+380501234567"}, "class": "service", "text": "Hello", "channel": "smpp"}

    async def price() -> dict[str, str]:
        await house.world.lines.reload([client.workspace_id])
        answer = await client.ask("POST", "/v1/messages/preview", message)
        found: dict[str, str] = answer.json["steps"][0]["price"]
        return found

    assert (await price())["by"] == "the line's own price"
    done = await client.ask("PUT", f"{one}/in-force")
    assert (done.status, done.json["state"]) == (200, "in_force")
    assert (await client.ask("PUT", f"{one}/in-force")).json == done.json
    assert await price() == {"amount": "0.03", "currency": "EUR", "by": "UA 0.03 a part"}

    download = await client.ask("GET", f"{one}/csv")
    assert tariffs_csv.read(download.body.decode()) == tariffs_csv.read(CSV)
    second = await drafted(client, path, csv=CSV.replace("0,03", "0,04").replace(";;0;0,09\n", ""))
    looked = (await client.ask("GET", second)).json
    assert (looked["added"], looked["removed"], looked["changed"]) == (0, 1, 1)
    changed = [one for one in looked["changes"] if one["before"] and one["after"]]
    assert [(one["before"]["price"], one["after"]["price"]) for one in changed] == [("0.03", "0.04")]


async def test_a_list_that_has_not_begun_can_be_withdrawn(shop: tuple[House, Client]) -> None:
    _, client = shop
    path = await made(client)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    one = await drafted(client, path, csv=CSV, valid_from=tomorrow)
    assert (await client.ask("PUT", f"{one}/in-force")).status == 200
    assert (await client.ask("DELETE", one)).status == 204
    assert (await client.ask("GET", one)).json["state"] == "withdrawn"
    assert (await client.ask("PUT", f"{one}/in-force")).json["type"].endswith("not-a-draft")
    now = await drafted(client, path)
    assert (await client.ask("PUT", f"{now}/in-force")).status == 200
    refused = await client.ask("DELETE", now)
    assert (refused.status, refused.json["title"]) == (409, "The price list has begun")
    draft = await drafted(client, path)
    assert (await client.ask("DELETE", draft)).status == 204
    assert (await client.ask("GET", draft)).status == 404
    listed = (await client.ask("GET", f"{path}/price-lists")).json["items"]
    assert [one["state"] for one in listed] == ["withdrawn", "in_force"]


async def test_a_line_names_a_tariff_that_is_there_and_in_its_currency(shop: tuple[House, Client]) -> None:
    _, client = shop
    unknown = await client.ask("POST", "/v1/lines", LINE)
    assert (unknown.status, set(unknown.fields)) == (422, {"tariff"})
    path = await made(client)
    other = await client.ask("POST", "/v1/lines", LINE | {"currency": "UAH"})
    assert (other.status, set(other.fields)) == (422, {"currency"})
    assert (await client.ask("POST", "/v1/lines", LINE)).status == 201
    used = await client.ask("DELETE", path)
    assert (used.status, used.json["type"].rpartition("/")[2]) == (409, "in-use")
    assert "sms" in used.json["detail"]
    assert (await client.ask("PUT", path, TARIFF | {"name": "gms-2"})).status == 200
    [line] = (await client.ask("GET", "/v1/lines")).json["items"]
    assert (line["tariff"], line["version"]) == ("gms-2", 1)
    assert (await client.ask("PUT", f"/v1/lines/{line['id']}", LINE | {"tariff": ""})).status == 200
    assert (await client.ask("DELETE", path)).status == 204
    assert (await client.ask("GET", path)).status == 404


BAD_TARIFFS = [
    ({"name": "G M S"}, "name"),
    ({"currency": "euro"}, "currency"),
    ({"zone": "Mars"}, "zone"),
    ({"counts": "stars"}, "counts"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("given", "field"), BAD_TARIFFS)
async def test_what_is_wrong_with_a_tariff(
    shop: tuple[House, Client], given: dict[str, Any], field: str
) -> None:
    _, client = shop
    answer = await client.ask("POST", "/v1/tariffs", TARIFF | given)
    assert (answer.status, set(answer.fields)) == (422, {field})


BAD_LISTS: list[tuple[dict[str, Any], str]] = [
    ({}, "rows"),
    ({"rows": [{"price": "1"}], "csv": "price\n1\n"}, "rows"),
    ({"rows": [{"price": "1"}, {"price": "cheap", "destination": "UA"}]}, "rows[1].price"),
    ({"rows": [{"destination": "UA"}]}, "rows[0].price"),
    ({"csv": "destination,price\nUA,1\nAtlantis,2\n"}, "line 3: destination"),
    ({"csv": CSV, "valid_from": "soon"}, "valid_from"),
    ({"csv": CSV, "valid_from": "2020-01-01T00:00"}, "valid_from"),
    ({"csv": CSV, "valid_until": "2020-01-01T00:00"}, "valid_until"),
]


@pytest.mark.parametrize(("given", "field"), BAD_LISTS)
async def test_what_is_wrong_with_a_price_list(
    shop: tuple[House, Client], given: dict[str, Any], field: str
) -> None:
    _, client = shop
    path = await made(client)
    answer = await client.ask("POST", f"{path}/price-lists", given)
    assert answer.status == 422, answer.body
    assert field in answer.fields, answer.json
    if "2020" in str(given):
        (wrong,) = answer.json["errors"]
        assert wrong["problem"] == "has passed"
        assert wrong["remedy"].startswith("later than ")
    assert (await client.ask("GET", f"{path}/price-lists")).json["items"] == []


async def test_a_tariff_is_changed_in_nothing_that_was_counted_by(shop: tuple[House, Client]) -> None:
    _, client = shop
    path = await made(client)
    await made(client, name="other")
    for given in ({"currency": "UAH"}, {"zone": "UTC"}, {"counts": "tariff"}, {"name": "other"}):
        answer = await client.ask("PUT", path, TARIFF | given)
        assert (answer.status, set(answer.fields)) == (422, set(given))


async def test_the_costs_of_a_workspace_with_nothing_are_empty(shop: tuple[House, Client]) -> None:
    _, client = shop
    assert (await client.ask("GET", "/v1/costs")).json == {"items": [], "totals": []}
    export = await client.ask("GET", "/v1/costs/export")
    assert export.body.decode().split() == [
        "month,line,channel,class,destination,messages,parts,cost,currency"
    ]
    for query in ("by=colour", "month_from=2026", "colour=red"):
        answer = await client.ask("GET", f"/v1/costs?{query}")
        assert (answer.status, set(answer.fields)) == (422, {query.partition("=")[0]})
