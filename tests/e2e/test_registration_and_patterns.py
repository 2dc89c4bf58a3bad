"""What may not leave does not: the verdict is what the operator took, by its own ledger.

A line with a window of one and a slow operator keeps a queue while something is decided about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from angarium.simulators.behaviour import Faults, Script
from support.process import ACCOUNT, PHONE, Shop
from support.registering import asked, in_review

SLOW = Script(faults={"smpp": Faults(answer_delay_s=0.1)})
MANY = 60
GOOD = "Dear Olena, your order {} is on its way."
PROMO = "Dear Olena, everything is at half price today. Buy now!"


@asynccontextmanager
async def shop_with_a_line(folder: Path, script: Script, **line: Any) -> AsyncIterator[tuple[Shop, str]]:
    """A shop and the id of a line of its own beside the usual one, which is switched off."""
    async with Shop(folder, enabled=False) as shop:
        await shop.start_operator(script)
        await shop.start()
        system_id, password = ACCOUNT
        place = {"host": "127.0.0.1", "port": shop.smpp_port, "reconnect_s": 0.1}
        described = {
            "name": "own",
            "channel": "smpp",
            "settings": {**place, "system_id": system_id, "password": password, "source": "30007"},
            "classes": ["service", "otp"],
            "window": 1,
        }
        made = await asked(shop.client, "POST", "/v1/lines", described | line, status=201)
        yield shop, made["id"]


async def another_person(shop: Shop) -> Any:
    """A client with another key."""
    body = {"name": "reviewer", "scopes": ["lines:decide", "setup:read", "setup:write"]}
    made = await asked(shop.client, "POST", "/v1/keys", body, status=201)
    return shop.client.with_key(made["key"], shop.client.workspace_id)


def message(text: str, number: int = 0, **given: Any) -> dict[str, Any]:
    """A service message on the line."""
    return {"to": {"phone": PHONE.format(number)}, "class": "service", "line": "own", "text": text, **given}


async def offer(shop: Shop) -> None:
    """A queue of messages."""
    batch = [message(GOOD.format(number), number) for number in range(MANY)]
    await asked(shop.client, "POST", "/v1/messages/batch", {"messages": batch}, status=202)


def final(one: dict[str, Any]) -> bool:
    return bool(one["finished_at"])


async def test_nothing_leaves_on_a_line_that_is_not_approved_or_is_suspended(tmp_path: Path) -> None:
    async with shop_with_a_line(tmp_path, SLOW, requirement="ir-service-line") as (shop, line):
        await shop.until(lambda: refused(shop, "has no registration for service messages"))
        reviewer = await another_person(shop)
        path = await in_review(shop.client, reviewer, line)
        await shop.until(lambda: refused(shop, "is in review"))
        await asked(reviewer, "POST", f"{path}/approve", {})
        await shop.until(lambda: accepted(shop, "hello"))
        await offer(shop)
        await shop.until(lambda: len(shop.taken()) > 3)
        await asked(reviewer, "POST", f"{path}/suspend", {"reason": "Complaints at the operator."})
        left = len(shop.taken())
        found = await shop.drained(final)
        taken = shop.taken()
        assert len(taken) <= left + 1  # one was under way
        assert "too early" not in taken
        states = Counter((one["state"], one["reason"]) for one in found)
        assert states["failed", "no_line"] == MANY + 1 - len(taken)
        assert "is suspended: Complaints at the operator." in await why(shop, found)
        await asked(reviewer, "POST", f"{path}/reinstate", {})
        await shop.until(lambda: accepted(shop, "back again"))
        await shop.until(lambda: "back again" in shop.taken())


async def refused(shop: Shop, why_not: str) -> bool:
    """Whether a message is refused for this reason; a line is read again a moment after it was changed."""
    heard = await shop.client.ask("POST", "/v1/messages", message("too early"))
    assert heard.status == 422, heard
    return why_not in heard.body.decode()


async def accepted(shop: Shop, text: str) -> bool:
    """Whether a message is accepted now; a line is read again a moment after it was decided about."""
    return (await shop.client.ask("POST", "/v1/messages", message(text))).status == 202


async def why(shop: Shop, found: list[dict[str, Any]]) -> str:
    """The story of one message that failed."""
    failed = next(one for one in found if one["state"] == "failed")
    return (await shop.client.ask("GET", f"/v1/messages/{failed['id']}")).body.decode()


@pytest.mark.turns(2, 1)
async def test_nothing_leaves_after_an_approval_has_run_out(tmp_path: Path) -> None:
    async with shop_with_a_line(tmp_path, SLOW, requirement="ir-service-line") as (shop, line):
        reviewer = await another_person(shop)
        path = await in_review(shop.client, reviewer, line)
        ends = datetime.now(UTC) + timedelta(seconds=4)
        await asked(reviewer, "POST", f"{path}/approve", {"valid_until": ends.isoformat()})
        await shop.until(lambda: accepted(shop, "hello"))
        await offer(shop)
        found = await shop.drained(final)
        entries = shop.ledger()
        assert 1 < len(entries) < MANY
        # a claim is committed before it is handed over, and one is under way at the most
        late = [entry for entry in entries if entry["at"] > ends.timestamp()]
        assert len(late) <= 1
        states = Counter(one["state"] for one in found)
        assert states["failed"] == MANY + 1 - len(entries)
        assert "expired on" in await why(shop, found)
        assert (await asked(shop.client, "GET", path))["state"] == "expired"


async def test_promotional_text_on_a_service_line_with_patterns_reaches_nobody(tmp_path: Path) -> None:
    line_given: dict[str, Any] = {"registration": "approved", "patterned": ["service", "otp"]}
    async with shop_with_a_line(tmp_path, Script(), **line_given) as (shop, line):
        pattern = {
            "name": "shipped",
            "class": "service",
            "syntax": "braces",
            "text": GOOD.format("{1}").replace("Olena", "{0}"),
            "external_id": "48151",
            "state": "approved",
        }
        await asked(shop.client, "POST", f"/v1/lines/{line}/patterns", pattern, status=201)
        # patterns alone: the detector of promotional wording is out of the way
        policy = {"certain": "allow", "likely": "allow"}
        await asked(shop.client, "PUT", "/v1/policies/content-control", policy)
        await shop.until(lambda: accepted(shop, GOOD.format(1)))
        await shop.until(lambda: GOOD.format(1) in shop.taken())
        for number, text in enumerate((PROMO, GOOD.format(2) + " " + PROMO, PROMO + " " + GOOD.format(2))):
            for message_class in ("service", "otp"):
                body = message(text, number, **{"class": message_class})
                await asked(shop.client, "POST", "/v1/messages", body, status=202)
        told = await asked(shop.client, "POST", "/v1/messages/preview", message(PROMO))
        (step,) = told["steps"]
        assert (step["goes"], step["rule"]) == (False, "pattern")
        assert "The nearest is shipped" in step["detail"]
        assert step["set_at"] == f"/v1/lines/{line}/patterns"
        await asked(shop.client, "POST", "/v1/messages", message(GOOD.format(3)), status=202)
        found = await shop.drained(final)
        assert Counter(one["reason"] for one in found)["template_invalid"] == 6
        assert not [text for text in shop.taken() if "half price" in text]
        assert GOOD.format(3) in shop.taken()
