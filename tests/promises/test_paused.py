"""SIGSTOP with a full window, SIGCONT: the server goes on where it was, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter

import pytest

from angarium.simulators.behaviour import Faults, Script
from support.process import Shop

ORDERS = 60
PAUSE_S = 3.0


@pytest.mark.turns(2, 1)
async def test_a_paused_server_doubles_nothing(shop: Shop) -> None:
    await shop.start_operator(Script(faults={"*": Faults(answer_delay_s=0.2)}))
    server = await shop.start()
    taken = await asyncio.gather(*(shop.send(**{"class": "promotional"}) for _ in range(ORDERS)))
    assert {heard.status for heard in taken} == {202}
    await shop.until(shop.taken)
    server.send_signal(signal.SIGSTOP)
    stopped = time.time()
    await shop.until(lambda: time.time() > stopped + PAUSE_S)
    assert len(shop.taken()) < ORDERS, "it was not paused while it sent"
    server.send_signal(signal.SIGCONT)
    ended = await shop.drained(lambda one: one["finished"])
    assert [one["state"] for one in ended] == ["delivered"] * ORDERS
    assert sorted(Counter(shop.taken()).values()) == [1] * ORDERS
