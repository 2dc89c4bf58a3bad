"""The routes of what was said to providers: who may see it, and what they are shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from angarium.assembly import House
from angarium.core.ports import Exchange, Outcome, Said, Unknown
from angarium.core.values import Reason
from angarium.messaging import claiming, reconcile, send
from angarium.messaging.masking import MASK
from angarium.messaging.send import Ended
from support.relay import refused
from support.server import LINE, Client, key_for, member, whole_house

KEY = LINE["settings"]["api_key"]  # type: ignore[index]


class Tape:
    """A request that had the line's key in it, and an answer that repeats it."""

    def exchanges(self) -> list[Exchange]:
        asked = Said("POST https://x.example", (("Authorization", f"Basic {KEY}"),), body=b'{"text":"hello"}')
        return [Exchange("http", asked, Said("HTTP 403", (), body=f"no {KEY}".encode()), 1.0, 1.25)]


@dataclass
class Shop:
    """A workspace with one line, whose provider we play."""

    house: House
    client: Client
    line_id: int

    async def end(self, outcome: Outcome, **given: str) -> str:
        """A message that ends so; its id."""
        body = {
            "to": {"phone": "+380441234567"},
            "class": "service",
            "text": "hello",
            "line": "viber",
            **given,
        }
        sent = await self.client.ask("POST", "/v1/messages", body)
        world = self.house.world
        line = world.lines.get(self.line_id)
        assert line is not None
        claimed = (await claiming.claim(world, line, 1, 100)).attempts
        await send.record(world, [Ended(attempt, outcome, 0.0, Tape()) for attempt in claimed])
        return str(sent.json["id"])


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """A house with one workspace and one approved line."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        client = await member(nobody, house.ground, "shop")
        made = await client.ask("POST", "/v1/lines", LINE)
        assert made.status == 201, made.body
        await house.world.lines.reload([client.workspace_id])
        line = next(iter(house.world.lines.of(client.workspace_id)))
        await reconcile.take_over(house.world, line, 1)
        yield Shop(house, client, line.id)


async def test_what_was_said_is_told_to_those_who_may_see_messages_and_lines(shop: Shop) -> None:
    message = await shop.end(refused(Reason.AUTH))
    path = f"/v1/messages/{message}/exchanges"
    found = await shop.client.ask("GET", path)
    assert found.status == 200, found.body
    (one,) = found.json["items"]
    assert (one["kind"], one["protocol"], one["took_ms"]) == ("exchange", "http", 250.0)
    assert one["asked"]["fields"] == [["Authorization", f"Basic {MASK}"]]
    assert (one["answered"]["head"], one["answered"]["body"]) == ("HTTP 403", f"no {MASK}")
    assert KEY.encode() not in found.body
    for scopes, status in (
        (("messages:read", "setup:read"), 200),
        (("messages:read",), 403),
        (("setup:read",), 403),
    ):
        key = await key_for(shop.house.ground, shop.client.workspace_id, *scopes)
        assert (await shop.client.with_key(key).ask("GET", path)).status == status, scopes
    other = await member(shop.client, shop.house.ground, "other")
    assert (await other.ask("GET", path)).status == 404
    assert (await shop.client.ask("GET", "/v1/messages/msg_0000000000001/exchanges")).status == 404


async def test_recording_is_switched_on_for_an_hour_or_a_day(shop: Shop) -> None:
    (line,) = (await shop.client.ask("GET", "/v1/lines")).json["items"]
    path = f"/v1/lines/{line['id']}"
    assert line["recorded_until"] is None
    for body in ({"hours": 2}, {"hours": "1"}, {}, {"hours": 0}):
        assert (await shop.client.ask("PUT", f"{path}/recording", body)).status == 422, body
    reader = shop.client.with_key(await key_for(shop.house.ground, shop.client.workspace_id, "setup:read"))
    assert (await reader.ask("PUT", f"{path}/recording", {"hours": 1})).status == 403
    other = await member(shop.client, shop.house.ground, "other")
    assert (await other.ask("PUT", f"{path}/recording", {"hours": 1})).status == 404
    begun = await shop.client.ask("PUT", f"{path}/recording", {"hours": 24})
    assert begun.status == 200, begun.body
    shown = (await shop.client.ask("GET", path)).json
    assert shown["recorded_until"] == begun.json["recorded_until"] > shown["created_at"]
    assert shown["version"] == line["version"]
    message = await shop.end(Unknown("no answer"))
    assert len((await shop.client.ask("GET", f"/v1/messages/{message}/exchanges")).json["items"]) == 1
    assert (await shop.client.ask("DELETE", f"{path}/recording")).status == 204
    assert (await shop.client.ask("GET", path)).json["recorded_until"] is None
