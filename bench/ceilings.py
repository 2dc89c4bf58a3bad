"""How fast the client and the operator can be by themselves: neither may be what is measured."""

from __future__ import annotations

import msgspec

from bench.client import Sent
from bench.flood import Flood
from bench.processes import worker
from bench.scenarios import Scenario
from bench.simulator import Operator
from bench.sink import Shape
from bench.traffic import Load


async def of_client(scenario: Scenario, messages: int, phones: int) -> float:
    """Messages a second, to a server that only says yes."""
    async with worker("sink", Shape(scenario.batch)) as sink:
        port = (await sink.hear())["port"]
        key = "ang_" + "k" * 60
        async with worker(
            "client", Load(port, key, messages, scenario.batch, scenario.connections, phones)
        ) as client:
            await client.hear()
            sent = msgspec.convert(await client.ask("go"), Sent)
    return messages / (sent.answered_at - sent.began_at)


async def of_operator(messages: int, window: int) -> float:
    """Messages a second, answered and reported, to a client that only counts."""
    async with worker("simulator", Operator(0, window)) as operator:
        port = (await operator.hear())["port"]
        async with worker("flood", Flood(port, messages, window)) as flood:
            await flood.hear()
            seconds: float = (await flood.ask("go"))["seconds"]
    return messages / seconds
