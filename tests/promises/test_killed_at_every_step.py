"""kill -9 at the first, third, fifth … system call of a kind after an order arrives, until one run lives.

On the next day it is the second, fourth, sixth …; with `-m long` every one.

Orders are repeated with their key until they are answered, as any client does. The verdict is the operator's
ledger. fdatasync: before a commit is durable, which is PostgreSQL's own doing where it is the database.
write: after it, before an answer or a submission leaves.

On PostgreSQL a server writes to the database and to those that it works with as well, and goes on with that
while it waits. There it is killed at ever later calls, and has its line before orders arrive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import aiohttp
import pytest

from promises.conftest import PRICE
from support.process import Shop
from support.strace import Strace
from support.together import SILENT_S
from support.turns import TODAY

COPIES_MAX = {"otp": 2, "promotional": 1}  # an otp is sent once more when in doubt
PHONE = "+380501234577"
RUNS_MAX = 60  # as far as they are waited for
FURTHER = 4 / 3  # where not every call is looked at: how much later the next one is
Ordered = dict[str, str]  # message id -> its text, which is its key too


@pytest.mark.peers("strace")
@pytest.mark.timeout(240 + RUNS_MAX * SILENT_S)
@pytest.mark.parametrize("call", [pytest.param("fdatasync", marks=pytest.mark.sqlite), "write"])
@pytest.mark.parametrize(("first", "step"), [(1 + TODAY % 2, 2), pytest.param(1, 1, marks=pytest.mark.long)])
async def test_nothing_is_lost_and_nothing_doubled(shop: Shop, call: str, first: int, step: int) -> None:
    await shop.start_operator()
    ordered: Ordered = {}
    for nth in calls(first, step):
        if await one_run(shop, call, nth, ordered):
            break
    assert nth > 3, "nothing was ever killed"
    ended = await shop.drained(
        lambda one: one["finished"] or (one["class"], one["state"]) == ("promotional", "unknown")
    )
    check([await shop.message(one["id"]) for one in ended], Counter(shop.taken()), ordered)


def calls(first: int, step: int) -> Iterator[int]:
    """At which call a server is killed, run by run."""
    if not SILENT_S:
        yield from count(first, step)
    nth = 1
    while True:
        yield nth
        nth = max(nth + 1, round(nth * FURTHER))


async def one_run(shop: Shop, call: str, nth: int, ordered: Ordered) -> bool:
    """One server, killed at the nth call that its orders make it do; whether it lived to see them end."""
    server = await shop.start()
    if SILENT_S:
        await shop.until(lambda: shop.came_and_went()[-1:] == ["bound"])
    texts = [f"{message_class}-{nth}" for message_class in COPIES_MAX]
    async with Strace(server.pid, call, f"signal=SIGKILL:when={nth}"):
        heard = {text: await order(shop, text) for text in texts}
        lived = await is_idle(shop)
    if not lived:
        await shop.ends()
        await shop.start()
    for text in texts:
        taken = await order(shop, text)
        assert taken, shop.said()
        assert heard[text] in ("", taken), "the same key, and another message"
        ordered[taken] = text
    if not lived:
        await shop.kill()
    return lived


async def order(shop: Shop, text: str) -> str:
    """The id of the message that this text was ordered as; empty when the server did not live to tell."""
    try:
        heard = await shop.send(text, text=text, to={"phone": PHONE}, **{"class": text.partition("-")[0]})
    except aiohttp.ClientError:
        return ""
    assert heard.status == 202, heard
    return str(heard.json["id"])


async def is_idle(shop: Shop) -> bool:
    """Wait until every message rests or the server is dead; whether it lives."""
    try:
        await shop.drained(lambda one: one["finished"] or one["state"] == "unknown")
    except aiohttp.ClientError:
        return False
    return True


def check(messages: list[dict[str, Any]], copies: Counter[str], ordered: Ordered) -> None:
    """Each order is one message in one state, and reached its phone as often as its class allows."""
    assert {one["id"] for one in messages} == set(ordered)
    assert len(set(ordered.values())) == len(ordered)
    assert set(copies) <= set(ordered.values()), "unexpected"
    for one in messages:
        check_cost(one)
        text, copies_max = ordered[one["id"]], COPIES_MAX[one["class"]]
        assert copies[text] <= copies_max, text
        if one["state"] == "delivered":
            assert copies[text] >= 1, text
        else:  # killed each time it was on its way, as often as its class lets it go
            assert one["state"] == "unknown", one
            assert [attempt["reason"] for attempt in one["attempts"]] == ["no_answer"] * copies_max, one


def check_cost(message: dict[str, Any]) -> None:
    """What was taken is paid for, once; the message costs what its attempts cost."""
    costs = [Decimal(attempt["cost"]["amount"]) for attempt in message["attempts"]]
    taken = [attempt["state"] != "unknown" for attempt in message["attempts"]]
    assert costs == [Decimal(PRICE) if was_taken else 0 for was_taken in taken], message
    assert Decimal(message["cost"]["amount"]) == sum(costs), message
