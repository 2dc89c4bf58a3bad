"""A campaign to everybody at a shop whose server is a process, and its verdict from the operator's ledger."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import aiohttp

from support.process import PHONE, Shop


async def written(shop: Shop, members: int) -> str:
    """The address of a campaign to everybody, which is not started yet."""
    heard = await shop.client.ask(
        "POST",
        "/v1/templates",
        {
            "name": "offer",
            "class": "promotional",
            "variants": [{"content": {"text": "{{ contact.external_id }}: half price"}}],
            "publish": True,
        },
    )
    assert heard.status == 201, heard
    for first in range(0, members, 1_000):
        people = [
            {"external_id": f"c{n}", "addresses": [{"kind": "phone", "value": PHONE.format(n)}]}
            for n in range(first, min(first + 1_000, members))
        ]
        heard = await shop.client.ask("POST", "/v1/contacts/batch", {"contacts": people})
        assert heard.json["accepted"] == len(people), heard
    given = {"name": "Sale", "audience": {"everybody": True}, "template": "offer", "line": "sms"}
    heard = await shop.client.ask("POST", "/v1/campaigns", given)
    assert heard.status == 201, heard
    return f"/v1/campaigns/{heard.json['id']}"


async def asked(shop: Shop, path: str) -> None:
    """Ask until the server, which has just come, has taken it."""
    heard = await shop.client.ask("POST", path)
    assert heard.status == 200, heard


async def over(shop: Shop, campaign: str, *rests: str) -> bool:
    """Whether everybody was told, and nothing is awaited of anybody; states in `rests` are an end as well."""
    with contextlib.suppress(aiohttp.ClientError):
        report = (await shop.client.ask("GET", f"{campaign}/report")).json
        waiting = report["by_state"].keys() - {"delivered", "unknown", *rests}
        return report["state"] == "done" and not waiting
    return False


async def judged(shop: Shop, campaign: str, members: int) -> None:
    """The operator's ledger beside the table of recipients."""
    states = await told_once(shop, campaign, members)
    in_doubt = Counter(states.values())["unknown"]
    found = (await shop.client.ask("GET", f"{campaign}/report")).json
    assert found["by_state"] == {"delivered": members - in_doubt} | (
        {"unknown": in_doubt} if in_doubt else {}
    )


async def told_once(shop: Shop, campaign: str, members: int) -> dict[str, str]:
    """See that the operator has each once, or that it is unknown; the states of all, by their phones."""
    copies = Counter(entry["recipient"].lstrip("+") for entry in shop.ledger())
    assert max(copies.values()) == 1, copies.most_common(3)
    states: dict[str, str] = {}
    cursor: str | None = ""
    while cursor is not None:
        page: dict[str, Any] = (
            await shop.client.ask("GET", f"{campaign}/recipients?limit=1000&cursor={cursor}")
        ).json
        states |= {one["address"].lstrip("+"): one["state"] for one in page["items"]}
        cursor = page["next"]
    assert len(states) == members
    assert {phone for phone, state in states.items() if state == "delivered"} <= copies.keys()
    missing = states.keys() - copies.keys()
    assert {states[phone] for phone in missing} <= {"unknown"}
    assert Counter(states.values())["unknown"] >= len(missing)
    return states
