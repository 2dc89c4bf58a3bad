"""A person turns a line off and on again by a switch of the channel: what is stopped, and what is lifted."""

from __future__ import annotations

from typing import Any

from angarium.contacts.store import consents, suppressions
from angarium.contacts.store.consents import Filter
from support.relay import Relay

BOTH = ("promotional", "service", "otp")
PROMO: dict[str, Any] = {"class": "promotional"}


async def ledger(relay: Relay) -> list[tuple[str, str, str]]:
    """Scope, state and source of every entry, the oldest first."""
    found = await relay.ground.db.read(consents.page, relay.workspace_id, Filter(), 0, 100)
    return sorted((str(one.scope), one.state.value, one.source) for one in found)


async def listed(relay: Relay) -> list[tuple[str, str]]:
    """Address and source of every suppressed address."""
    found = await relay.ground.db.read(suppressions.page, relay.workspace_id, suppressions.Filter(), 0, 100)
    return [(one.value, one.source) for one in found]


async def test_a_line_that_is_forbidden_sends_nothing_but_codes(relay: Relay) -> None:
    await relay.line("viber", "viber_business", classes=BOTH)
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact()
    waiting = [await relay.send(line="viber", **PROMO), await relay.send(line="viber")]
    elsewhere = await relay.send(line="sms")
    await relay.switch("viber", allowed=False)
    assert [await relay.state(one) for one in waiting] == [("refused", "no_consent", True)] * 2
    assert (await relay.state(elsewhere))[0] == "queued"
    assert await ledger(relay) == [("all@viber_business", "withdrawn", "channel_switch")]
    later = await relay.send(line="viber")
    assert await relay.state(later) == ("refused", "no_consent", True)
    code = await relay.send(line="viber", **{"class": "otp"})
    assert (await relay.state(code))[0] == "queued"


async def test_advertising_alone_may_be_turned_off(relay: Relay) -> None:
    await relay.line("viber", "viber_business", classes=BOTH)
    await relay.contact()
    await relay.switch("viber", allowed=False, promotional_only=True)
    assert (await relay.state(await relay.send(line="viber", **PROMO)))[0] == "refused"
    assert (await relay.state(await relay.send(line="viber")))[0] == "queued"


async def test_the_switch_takes_back_what_the_switch_said_and_nothing_else(relay: Relay) -> None:
    await relay.line("viber", "viber_business", classes=BOTH)
    await relay.contact()
    await relay.switch("viber", allowed=False)
    await relay.switch("viber", allowed=False)  # said again
    await relay.switch("viber", allowed=True)
    await relay.switch("viber", allowed=True)
    assert await ledger(relay) == [
        ("all@viber_business", "lifted", "channel_switch"),
        ("all@viber_business", "withdrawn", "channel_switch"),
    ]
    assert (await relay.state(await relay.send(line="viber", **PROMO)))[0] == "queued"
    await relay.hear("viber", "STOP")
    await relay.switch("viber", allowed=True)
    assert (await relay.state(await relay.send(line="viber", **PROMO)))[0] == "refused"


async def test_of_a_stranger_the_address_is_kept(relay: Relay) -> None:
    await relay.line("viber", "viber_business", classes=BOTH)
    await relay.switch("viber", allowed=False)
    assert await listed(relay) == [("+380501234567", "channel_switch")]
    assert (await relay.state(await relay.send(line="viber", **PROMO)))[0] == "refused"
    await relay.switch("viber", allowed=True)
    assert await listed(relay) == []
