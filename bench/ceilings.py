"""How fast the client and the operators can be by themselves: none of them may be what is measured."""

from __future__ import annotations

import msgspec

from bench.client import Sent
from bench.flood import Flood, Flooded
from bench.processes import worker
from bench.simulator import Operator
from bench.sink import Shape
from bench.traffic import Load, To


async def of_client(batch: int, connections: int, messages: int, phones: int, to: To = "angarium") -> float:
    """Messages a second, to a server that only says yes."""
    async with worker("sink", Shape(batch, to)) as sink:
        port = (await sink.hear())["port"]
        key = "ang_" + "k" * 60
        async with worker("client", Load(port, key, messages, batch, connections, phones, to=to)) as client:
            await client.hear()
            sent = msgspec.convert(await client.ask("go"), Sent)
    return messages / (sent.answered_at - sent.began_at)


async def of_operator(messages: int, window: int) -> float:
    """Messages a second, answered and reported, to a client that only counts."""
    async with worker("simulator", Operator(0, window)) as operator:
        port = (await operator.hear())["port"]
        async with worker("flood", Flood(port, messages, window)) as flood:
            await flood.hear()
            seconds = msgspec.convert(await flood.ask("go"), Flooded).seconds
    return messages / seconds
