"""A server that was stopped and goes on sends nothing on a line that another has taken over meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from angarium.fabric.local import LocalFabric
from angarium.messaging.store import owners
from angarium.messaging.store.owners import Fenced
from support.relay import SENDS, Relay
from support.still import StillClock


async def an_order(relay: Relay) -> None:
    await relay.line("sms", "smpp", SENDS)
    await relay.contact()
    await relay.order({"to": {"phone": "+380501234567"}, "class": "service", "text": "hi", "channel": "smpp"})


async def test_the_older_server_claims_nothing(relay: Relay) -> None:
    await an_order(relay)
    await relay.restart("sms", epoch=2)
    with pytest.raises(Fenced, match="the number of this server is 1"):
        await relay.claim("sms", epoch=1)
    assert len(await relay.claim("sms", epoch=2)) == 1


async def test_the_older_server_does_not_take_it_back(relay: Relay) -> None:
    await an_order(relay)
    await relay.restart("sms", epoch=2)
    await relay.claim("sms", epoch=2)
    with pytest.raises(Fenced, match="started later"):
        await relay.restart("sms", epoch=1)
    assert await relay.restart("sms", epoch=2) == 0  # what the newer one has under way is left to it


async def test_a_claim_and_a_take_over_at_once_leave_nobody_behind(relay: Relay) -> None:
    """Whoever comes first: an intent of the older server is found by the newer one."""
    await an_order(relay)
    claimed, found = await asyncio.gather(
        relay.claim("sms", epoch=1), relay.restart("sms", epoch=2), return_exceptions=True
    )
    if isinstance(claimed, Fenced):
        assert (found, len(await relay.claim("sms", epoch=2))) == (0, 1)
    else:
        assert not isinstance(claimed, BaseException)
        assert (len(claimed), found) == (1, 1)


async def test_a_start_is_newer_than_every_earlier_one(relay: Relay) -> None:
    """Also where the clock was set back in between."""
    await an_order(relay)
    await relay.restart("sms", epoch=10**17)
    fabric = LocalFabric(StillClock(), relay.ground.db)
    fabric.begin_after(await relay.ground.db.read(owners.newest))
    lease = await fabric.lease("line/1")
    assert lease is not None
    assert lease.epoch == 10**17 + 1
    assert fabric.held(lease)
