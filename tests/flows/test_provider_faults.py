"""A provider fails, and comes back: over real sockets, and the verdict is the provider's ledger."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from angarium.messaging.breaker import IN_A_ROW
from angarium.protocols.smpp_numbers import Status
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage
from angarium.simulators.viber import API_KEY, ViberFace
from angarium.storage.database import Database
from support.running import Running, a_smsc, running, until


class Troubled(Smsc):
    """A message centre that answers every submission with an error of its own while it is `broken`."""

    broken: int = Status.ROK
    tried = 0

    def _refusal(self, *facts: Any) -> int:
        self.tried += 1
        return self.broken or super()._refusal(*facts)


def copies(smsc: Smsc) -> Counter[str]:
    """How often each text was taken."""
    return Counter(entry.text for entry in smsc.ledger.entries)


def submissions(smsc: Smsc) -> int:
    """All that reached it, taken or not."""
    return len(smsc.ledger.entries) + sum(smsc.ledger.refused.values())


# ── it asks to slow down ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the pace is kept in memory
async def test_a_message_centre_that_asks_to_slow_down_gets_what_it_takes(database: Database) -> None:
    async with a_smsc(Smsc(Stage()), throttle_per_s=100) as smsc, running(database) as shop:
        await shop.sms_line(smsc, speed_per_s=400, window=50)
        await shop.engine.start()
        messages = await shop.batch(600)
        await until(lambda: "the provider asks to slow down" in shop.line_state("sms"))
        await until(lambda: len(smsc.ledger.entries) == len(messages))
        assert set(copies(smsc).values()) == {1}
        assert submissions(smsc) <= 1.1 * len(messages)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_http_provider_that_asks_to_slow_down_gets_what_it_takes(database: Database) -> None:
    stage = Stage(Script(faults={"viber": Faults(throttle_per_s=40)}))
    viber = ViberFace(stage)
    await viber.start()
    try:
        async with running(database) as shop:
            settings = {"base_url": f"{viber.url()}/v1/api", "api_key": API_KEY, "sender": "Shop"}
            await shop.line("viber", "viber_business", ("service",), settings=settings, window=50)
            await shop.engine.start()
            messages = await shop.batch(300, channel="viber_business")
            await until(lambda: len(viber.ledger.entries) == len(messages))
            assert viber.ledger.totals().doubled == 0
            refused = sum(viber.ledger.refused.values())
            assert refused <= 0.2 * len(messages) + 50  # a window of them was under way when it said so first
    finally:
        await viber.stop()


# ── it is out of order ───────────────────────────────────────────────────────────────────────────────

SPEED = 10.0  # our time against the operator's
PER_S = 20  # the line's


async def in_trouble(shop: Running, smsc: Troubled, messages: int) -> None:
    """A backlog before a centre that is out of order."""
    smsc.broken = Status.RSYSERR
    await shop.sms_line(smsc, speed_per_s=PER_S, window=10)
    await shop.engine.start()
    await shop.batch(messages)
    await until(lambda: "resting until" in shop.line_state("sms"))


async def test_an_outage_costs_a_few_submissions_and_ends_in_a_ramp(database: Database) -> None:
    async with a_smsc(Troubled(Stage())) as smsc, running(database, SPEED) as shop:
        await in_trouble(shop, smsc, 300)
        await shop.after(60)
        assert smsc.tried <= IN_A_ROW + shop.lines["sms"].window_max + 8
        assert "an error inside the message centre" in shop.line_state("sms")
        assert await shop.report() == {"queued": 300}
        smsc.broken = Status.ROK
        await until(lambda: len(smsc.ledger.entries) == 300)
        assert smsc.tried <= 1.1 * 300
        assert set(copies(smsc).values()) == {1}
        taken = [entry.at * SPEED for entry in smsc.ledger.entries]
        in_s = Counter(int(at - taken[2]) for at in taken)  # from the last trial on
        assert max(in_s.values()) <= 1.5 * PER_S  # the burst of a tenth of a second comes on top
        assert in_s[0] + in_s[1] <= 0.3 * 2 * PER_S
        assert sum(in_s[second] for second in range(5)) <= sum(in_s[second] for second in range(5, 10))


async def test_one_that_half_works_is_asked_one_at_a_time_and_has_one_state(database: Database) -> None:
    """Every second submission fails: it rests, ever longer, and is not called well in between."""

    class Half(Troubled):
        def _refusal(self, *facts: Any) -> int:
            self.broken = Status.RSYSERR if self.tried % 2 else Status.ROK
            return super()._refusal(*facts)

    async with a_smsc(Half(Stage())) as smsc, running(database, 20.0) as shop:
        await shop.sms_line(smsc, speed_per_s=50, window=10)
        await shop.engine.start()
        await shop.batch(400)
        await until(lambda: "resting until" in shop.line_state("sms"))
        seen = Counter[str]()
        for _ in range(200):
            await asyncio.sleep(0.02)
            seen[shop.line_state("sms").split()[0]] += 1
        assert set(seen) <= {"resting", "trying"}
        assert not shop.world.connected[shop.lines["sms"].id]


async def test_what_is_not_answered_while_a_line_closes_is_written_down(database: Database) -> None:
    """So many at once that the line would rest, if it were not closing."""
    messages = 2 * IN_A_ROW
    silent = a_smsc(Smsc(Stage()), silent_share=1, receipt_delay_s=600)
    async with silent as smsc, running(database, 10.0) as shop:
        await shop.sms_line(smsc, window=20)
        await shop.engine.start()
        await shop.batch(messages)
        await until(lambda: submissions(smsc) == messages)
        assert await shop.report() == {"queued": messages}
        await shop.engine.stop()
        assert await shop.report() == {"unknown": messages}


async def test_while_a_line_rests_the_other_is_taken(database: Database) -> None:
    async with (
        a_smsc(Troubled(Stage())) as broken,
        a_smsc(Smsc(Stage())) as healthy,
        running(database) as shop,
    ):
        await shop.sms_line(healthy, "dear", price="0.09")
        await in_trouble(shop, broken, 20)
        [message] = await shop.batch(1, text="elsewhere")
        await until(lambda: len(healthy.ledger.entries) == 1)
        [(line, _)] = await shop.attempts(message)
        assert line == "dear"


async def test_a_password_that_is_wrong_fails_no_message_and_says_so(database: Database) -> None:
    """HTTP has no bind to be refused: the refusals of submissions are all there is."""
    viber = ViberFace(Stage(), api_key="another")
    await viber.start()
    try:
        async with running(database, SPEED) as shop:
            settings = {"base_url": f"{viber.url()}/v1/api", "api_key": API_KEY, "sender": "Shop"}
            await shop.line("viber", "viber_business", ("service",), settings=settings, window=5)
            await shop.engine.start()
            await shop.batch(200, channel="viber_business")
            await until(lambda: "resting until" in shop.line_state("viber"))
            await shop.after(30)
            report = await shop.report()
            assert report["failed"] <= IN_A_ROW + 5 + 3
            assert report["queued"] == 200 - report["failed"]
            assert "credentials" in shop.line_state("viber")
    finally:
        await viber.stop()
