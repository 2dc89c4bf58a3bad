"""The last requests of a workspace are those of every server."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from angarium.accounts.lately import Answering, Asked, everywhere
from angarium.core.ids import IdMint
from support.relay import Relay


def asked(at: int, path: str) -> Asked:
    """A request that went well."""
    return Asked(at=at, method="GET", path=path, status=200, took_s=0.01, actor="key_1", problem="")


async def test_who_looks_is_told_what_was_asked_of_others(relay: Relay) -> None:
    """Two servers that hear one another, and one that does not answer."""
    here, there = relay.ground, replace(relay.ground, ids=IdMint(relay.clock, 5))
    one, other = Answering(here), Answering(there)
    await one.start()
    await other.start()
    await asyncio.sleep(0)
    one.lately.note(relay.workspace_id, asked(1, "/v1/lines"))
    other.lately.note(relay.workspace_id, asked(2, "/v1/messages"))
    other.lately.note(relay.workspace_id + 1, asked(3, "/v1/nobody's"))
    found = await everywhere(here, one.lately, relay.workspace_id, others=1)
    assert [request.path for request in found] == ["/v1/messages", "/v1/lines"]
    assert [one.path for one in await everywhere(here, one.lately, relay.workspace_id, others=0)] == [
        "/v1/lines"
    ]
    await other.stop()
    alone = await everywhere(here, one.lately, relay.workspace_id, others=1)
    assert [request.path for request in alone] == ["/v1/lines"]
    await one.stop()
