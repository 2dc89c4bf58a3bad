"""The routes of what nobody knows, over real HTTP: who may decide, once, and what a conflict says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from angarium.assembly import House
from angarium.core import ids
from angarium.core.ports import Accepted, Unknown
from angarium.messaging import claiming, reconcile, send
from angarium.messaging.send import Ended
from support.server import LINE, Client, key_for, member, whole_house

REASON = {"reason": "The operator's log has it.", "by": "Maryam"}


@dataclass
class Shop:
    """A workspace with one line, whose provider we play."""

    house: House
    client: Client
    line_id: int

    async def silent(self, count: int = 1) -> list[str]:
        """Messages that were handed over and not answered; their ids."""
        body = {"to": {"phone": "+380441234567"}, "class": "service", "text": "Hello", "line": "viber"}
        sent = await self.client.ask("POST", "/v1/messages/batch", {"messages": [body] * count})
        await self.end(Unknown("no answer within 30 s"))
        return [one["id"] for one in sent.json["results"]]

    async def end(self, *outcomes: Accepted | Unknown) -> None:
        """What is due is handed over and ends so."""
        world = self.house.world
        line = world.lines.get(self.line_id)
        assert line is not None
        claimed = (await claiming.claim(world, line, 1, 100)).attempts
        await send.record(world, [Ended(attempt, outcomes[0], 0.0) for attempt in claimed])


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


async def test_they_are_listed_page_by_page_oldest_first(shop: Shop) -> None:
    messages = await shop.silent(3)
    first = await shop.client.ask("GET", "/v1/unknowns?limit=2")
    assert [one["id"] for one in first.json["items"]] == messages[:2]
    rest = await shop.client.ask("GET", f"/v1/unknowns?limit=2&cursor={first.json['next']}")
    assert ([one["id"] for one in rest.json["items"]], rest.json["next"]) == (messages[2:], None)
    for query, count in (("line=viber", 3), ("line=other", 0), ("class=otp", 0), ("age_min_s=3600", 0)):
        assert len((await shop.client.ask("GET", f"/v1/unknowns?{query}")).json["items"]) == count, query
    summed = (await shop.client.ask("GET", "/v1/unknowns/summary")).json
    assert (summed["messages"], summed["shares"][0]["line"]) == (3, "viber")
    one = (await shop.client.ask("GET", f"/v1/unknowns/{messages[0]}")).json
    assert one["waiting"]["for"] == "evidence"
    assert one["rulings"] == ["sent", "not_sent", "resend"]


async def test_only_who_may_decide_decides(shop: Shop) -> None:
    (message,) = await shop.silent()
    body = {"decision": "sent", **REASON}
    for path in (f"/v1/unknowns/{message}/decide", "/v1/unknowns/decide"):
        many = body if message in path else {**body, "messages": [message]}
        key = await key_for(shop.house.ground, shop.client.workspace_id, "messages:read", "messages:write")
        refused = await shop.client.with_key(key).ask("POST", path, many)
        assert refused.status == 403
        assert "messages:decide" in refused.json["detail"]
    done = await shop.client.ask("POST", f"/v1/unknowns/{message}/decide", body)
    assert (done.status, done.json["state"], done.json["again"]) == (200, "sent", False)
    told = (await shop.client.ask("GET", f"/v1/messages/{message}")).json["timeline"][-1]
    assert (told["event"], told["by"], told["detail"]) == (
        "ruled",
        "Maryam (key test)",
        "The operator's log has it.",
    )


async def test_a_decision_with_a_key_is_made_once(shop: Shop) -> None:
    (message,) = await shop.silent()
    path, body = f"/v1/unknowns/{message}/decide", {"decision": "not_sent", **REASON}
    first = await shop.client.ask("POST", path, body, Idempotency_Key="k1")
    second = await shop.client.ask("POST", path, body, Idempotency_Key="k1")
    assert (first.status, second.status, first.body) == (200, 200, second.body)
    assert second.headers["idempotent-replayed"] == "true"
    third = await shop.client.ask("POST", path, body)
    assert (third.status, third.json["again"]) == (200, True)
    told = (await shop.client.ask("GET", f"/v1/messages/{message}")).json["timeline"]
    assert [one["event"] for one in told].count("ruled") == 1


async def test_a_conflict_says_what_is_known(shop: Shop) -> None:
    (message,) = await shop.silent()
    other = ids.show("attempt", 5)
    path = f"/v1/unknowns/{message}/decide"
    stale = await shop.client.ask("POST", path, {"decision": "sent", "attempt": other, **REASON})
    assert (stale.status, stale.json["type"].rpartition("/")[2]) == (409, "nothing-to-decide")
    await shop.client.ask("POST", path, {"decision": "sent", **REASON})
    late = await shop.client.ask("POST", path, {"decision": "resend", **REASON})
    assert (late.status, late.json["detail"]) == (409, "The message is sent.")
    assert (await shop.client.ask("GET", f"/v1/unknowns/{message}")).status == 404


async def test_many_at_once(shop: Shop) -> None:
    messages = await shop.silent(3)
    body = {"decision": "not_sent", "messages": [*messages, "msg_nonsense"], **REASON}
    done = (await shop.client.ask("POST", "/v1/unknowns/decide", body)).json
    assert (done["decided"], done["refused"]) == (3, 1)
    assert [one.get("state", one.get("problem", {}).get("status")) for one in done["results"]] == [
        "failed",
        "failed",
        "failed",
        404,
    ]
    assert (await shop.client.ask("GET", "/v1/unknowns")).json["items"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"decision": "maybe"}, "decision"),
        ({"reason": ""}, "reason"),
        ({"messages": []}, "messages"),
        ({"messages": ["m"] * 1001}, "messages"),
        ({"who": "me"}, "who"),
    ],
)
async def test_what_is_wrong_is_named(shop: Shop, change: dict[str, object], field: str) -> None:
    body = {"decision": "sent", "messages": ["msg_0000000000001"], **REASON, **change}
    answer = await shop.client.ask("POST", "/v1/unknowns/decide", body)
    assert answer.status == 422
    assert field in answer.fields
