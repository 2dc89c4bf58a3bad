"""Two people with two keys and a real operator: what was approved is what arrives, and nothing else."""

from __future__ import annotations

from pathlib import Path

from support.process import Shop
from support.server import Client

APPROVED = "Order 4512 is on its way. Thank you!"
WORDS = "Order {{ order }} is on its way. Thank you!"


async def somebody(shop: Shop, *scopes: str) -> Client:
    """A client with a key of its own."""
    made = await shop.client.ask("POST", "/v1/keys", {"name": "somebody", "scopes": list(scopes)})
    assert made.status == 201, made
    return shop.client.with_key(made.json["key"])


async def test_approved_words_arrive_and_no_others(tmp_path: Path) -> None:
    async with Shop(tmp_path) as shop:
        await shop.start_operator()
        await shop.start()
        author = await somebody(shop, "setup:read", "templates:write", "messages:write", "templates:decide")
        reviewer = await somebody(shop, "setup:read", "templates:decide")
        policy = {"rules": [{"approvals": 1}]}
        assert (await shop.client.ask("PUT", "/v1/policies/approvals", policy)).status == 200

        body = {"name": "shipped", "class": "service", "variants": [{"content": {"text": WORDS}}]}
        made = (await author.ask("POST", "/v1/templates", body)).json
        path = f"/v1/templates/{made['id']}"
        assert made["state"] == "draft"
        sample = {"values": {"order": "1"}}
        assert (await author.ask("PUT", f"{path}/samples/usual", sample)).status == 200
        assert (await author.ask("POST", f"{path}/submit", {})).json["state"] == "in_review"
        assert (await author.ask("POST", f"{path}/approve", {})).status == 403  # its author, with the scope
        assert (await reviewer.ask("PUT", path, body)).status == 403  # a reviewer writes nothing
        approved = await reviewer.ask("POST", f"{path}/approve", {"hash": made["hash"]})
        assert approved.json["state"] == "approved"

        other = body | {"variants": [{"content": {"text": "Order {{ order }}: 50% off today"}}]}
        edited = (await author.ask("PUT", path, other)).json
        assert (edited["version"], edited["state"], edited["in_force"]) == (2, "draft", None)
        assert (await author.ask("POST", f"{path}/publish", {"version": 2})).status == 409
        published = await author.ask("POST", f"{path}/publish", {"version": 1})
        assert published.json["in_force"] == 1

        sent = await shop.send(text="", template="shipped", variables={"order": "4512"})
        own = await shop.send(text="Order 4512 was shipped, in words that nobody has read")
        assert (own.status, own.json["reason"]) == (202, "not_approved")
        await shop.until(lambda: shop.taken() != [])
        done = await shop.drained(lambda one: one["finished"])
        assert shop.taken() == [APPROVED]
        states = {one["id"]: one["state"] for one in done}
        assert states[sent.json["id"]] == "delivered"
        assert states[own.json["id"]] in ("refused", "failed")
        version = (await reviewer.ask("GET", f"{path}/versions/1")).json
        assert version["hash"] == made["hash"]
        assert version["variants"][0]["content"]["text"] == WORDS
        assert await shop.stop() == 0
