"""A timer is never early, fires once, and within five seconds of a recovery, whatever is killed.

Servers that work together recover from a kill when the leases of who was killed have run out.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec
import pytest

from support.process import Shop
from support.together import SILENT_S

WITHIN_S = 5.0 + SILENT_S
SILENT = "+989120000006"  # taken by the operator, and never heard of again


@pytest.fixture(autouse=True)
async def both_run(shop: Shop) -> None:
    await shop.start_operator()
    await shop.start()


def came_at(shop: Shop, text: str) -> list[float]:
    """When the operator took this text, in seconds since 1970."""
    return [entry["at"] for entry in shop.ledger() if entry["text"] == text]


def hour(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


@pytest.mark.turns(2, 0)
async def test_a_time_that_passed_while_the_server_was_dead(shop: Shop) -> None:
    at = time.time() + 1.5
    await shop.send(text="later", send_at=hour(at))
    await shop.kill()
    await shop.until(lambda: time.time() > at + 0.5)
    await shop.start()
    recovered = time.time()
    await shop.drained(lambda one: one["finished"])
    [came] = came_at(shop, "later")
    assert came < recovered + WITHIN_S


@pytest.mark.turns(2, 1)
async def test_a_time_that_is_still_to_come_when_the_server_returns(shop: Shop) -> None:
    ahead_s, at = 2.0, 0.0
    while at < time.time():  # until it returns in time, however slow the machine is
        ahead_s, at = 2 * ahead_s, time.time() + 2 * ahead_s
        await shop.send(text=f"in {ahead_s} s", send_at=hour(at))
        await shop.kill()
        await shop.start()
    await shop.drained(lambda one: one["finished"])
    [came] = came_at(shop, f"in {ahead_s} s")
    assert at <= came < at + WITHIN_S


@pytest.mark.turns(2, 0)
async def test_a_fallback_that_became_due_while_the_server_was_dead(shop: Shop) -> None:
    steps = [{"channel": "smpp", "wait_s": 2.0}, {"line": "sms", "success": "accepted"}]
    ordered = time.time()
    heard = await shop.send(text="fallback", to={"phone": SILENT}, steps=steps, channel="")
    await shop.drained(lambda one: one["state"] == "sent")
    await shop.kill()
    await shop.until(lambda: time.time() > ordered + 3.5)
    await shop.start()
    recovered = time.time()
    await shop.drained(lambda one: one["finished"])
    first, second = came_at(shop, "fallback")
    assert second - first >= 2.0
    assert second < recovered + WITHIN_S
    assert (await shop.message(msgspec.json.decode(heard.body)["id"]))["state"] == "sent"
