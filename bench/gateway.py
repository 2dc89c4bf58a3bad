"""Whatever takes messages over HTTP and submits them over SMPP, as the bench sees it: ours, and others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.ears import Heard
from bench.processes import Worker, server
from bench.scenarios import (
    LOOK_CLOSELY_S,
    LOOK_EVERY_S,
    PATIENCE_S,
    Mismatch,
    counters,
    line_is_up,
    report_of,
    until_applied,
    until_ready,
)
from bench.simulator import Count
from bench.stage import Seed, set_up
from bench.traffic import To


@dataclass(frozen=True)
class Gateway:
    """One that runs, and is bound to the operator."""

    name: str
    to: To  # how it is spoken to
    port: int
    key: str
    pids: Mapping[str, int]  # of its processes
    settled: Callable[
        [int], Awaitable[dict[str, int]]
    ]  # wait until that many are in its book: what that says


@asynccontextmanager
async def ours(seed: Seed, folder: Path, name: str) -> AsyncIterator[Gateway]:
    """Angarium on a copy of a seed; the operator runs."""
    config = set_up(seed, folder)
    async with server(config, folder / "server.log") as product:
        await until_ready(seed.server_port)
        await line_is_up(seed.server_port)
        before = (await counters(seed.server_port)).get("done outcomes", 0.0)

        async def settled(messages: int) -> dict[str, int]:
            await until_applied(seed.server_port, before + messages)
            report = await report_of(seed)
            return {"in our report": report["total"]}

        yield Gateway(name, "angarium", seed.server_port, seed.key, {"angarium": product.pid}, settled)


async def keeps_no_book(_messages: int) -> dict[str, int]:
    """Of a gateway that has forgotten a message once it has called about it."""
    return {}


async def until_bound(operator: Worker) -> None:
    """Wait until somebody has bound."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await operator.ask("binds"):
                return
            await asyncio.sleep(LOOK_EVERY_S)


async def until_over(operator: Worker, ears: Worker | None, messages: int) -> dict[str, int]:
    """Wait until the operator has everything, and whoever is called about receipts was: their ledgers."""
    ledger, heard = Count(0), Heard()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while ledger.delivered < messages or (ears and heard.messages < messages):
                ledger = msgspec.convert(await operator.ask(str(messages)), Count)
                heard = msgspec.convert(await ears.ask("heard"), Heard) if ears else heard
                await asyncio.sleep(LOOK_EVERY_S if ledger.received < messages else LOOK_CLOSELY_S)
    except TimeoutError:
        raise Mismatch(f"of {messages} within {PATIENCE_S:g} s: {ledger}, {heard}") from None
    if ledger.received != messages or ledger.doubled or heard.doubled or heard.unclear:
        raise Mismatch(f"of {messages}: {ledger}, {heard}")
    found = {"received by the operator": ledger.received, "delivered by the operator": ledger.delivered}
    return found | ({"receipts called about": heard.messages} if ears else {})
