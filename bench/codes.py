"""Codes at fixed times, whatever becomes of those before (an open model): when meant, and when accepted."""

from __future__ import annotations

import asyncio
import time

import msgspec
import uvloop

from bench.http1 import ask
from bench.talk import questions, say, told
from bench.traffic import POOL_FIRST, phone

TEXT = "Your code is "


class Codes(msgspec.Struct, frozen=True):
    """A load of codes."""

    port: int
    key: str
    count: int
    per_s: float
    phones: int  # of contacts that are there, used in turn


class Asked(msgspec.Struct):
    """What became of one request; by the machine's wall clock, which the operator writes down, too."""

    number: int
    meant_at: float
    answered_at: float
    status: int


def code(load: Codes, number: int) -> bytes:
    """The body of a request."""
    to, text = phone(POOL_FIRST, number % load.phones), f"{TEXT}{number:06d}"
    return msgspec.json.encode({"to": {"phone": to}, "class": "otp", "text": text, "channel": "smpp"})


async def send(load: Codes) -> list[Asked]:
    """Send each at its time; returns with the last answer."""
    first_at = time.time() + 0.1
    tasks = []
    for number in range(load.count):
        meant_at = first_at + number / load.per_s
        await asyncio.sleep(max(0.0, meant_at - time.time()))
        tasks.append(asyncio.create_task(one(load, number, meant_at)))
    return [await task for task in tasks]


async def one(load: Codes, number: int, meant_at: float) -> Asked:
    """One request."""
    status, _ = await ask(load.port, "/v1/messages", load.key, code(load, number))
    return Asked(number, meant_at, time.time(), status)


async def main() -> None:
    """Wait for the word, send."""
    load = told(Codes)
    say({})
    async for _ in questions():
        say(await send(load))


if __name__ == "__main__":
    uvloop.run(main())
