"""What cascades saved: the first page and a campaign's report count by one logic, by what SMS lines cost."""

from __future__ import annotations

from datetime import UTC
from typing import Any, NamedTuple

import pytest

from angarium.core.values import Reason, ReceiptStatus, amount_text
from angarium.insight import home as figures
from angarium.insight import savings as home_savings
from angarium.insight.savings import Savings, count
from angarium.messaging import chronicle, savings
from angarium.messaging.savings import SMS
from support.relay import Relay, refused

E = 1_000_000
STEPS = [{"line": "viber", "wait_s": 60}, {"line": "sms"}]
DAY_S = 86_400


async def lines(relay: Relay, **sms: Any) -> None:
    """Viber for a cent, SMS for four."""
    await relay.line("viber", "viber_business", price="0.01")
    await relay.line("sms", "smpp", **{"price": "0.04", "price_per": "part", **sms})


async def reached(relay: Relay, *, on_viber: bool, **given: Any) -> None:
    """A message that Viber delivers, or SMS after it."""
    await relay.send(steps=STEPS, label="sale", **given)
    if on_viber:
        await relay.take("viber")
        await relay.receipt("viber", ReceiptStatus.DELIVERED)
    else:
        await relay.take("viber", refused(Reason.NOT_A_USER))
        await relay.take("sms")
        await relay.receipt("sms", ReceiptStatus.DELIVERED)
    relay.clock.advance(1)


class Page(NamedTuple):
    """What the first page tells: what was counted, and that beside what it says was spent."""

    told: home_savings.Told
    today: savings.Saved
    weeks: savings.Saved


async def told(relay: Relay) -> Page:
    """What the first page tells, of all that has happened."""
    await follow(relay)
    return await beside_spent(relay, await count(relay.world, relay.workspace_id, UTC))


async def follow(relay: Relay) -> None:
    """What has happened comes into the figures of the first page."""
    while (await relay.ground.db.run(chronicle.follow, relay.workspace_id, 1_000)).facts:
        pass


async def beside_spent(relay: Relay, found: home_savings.Told) -> Page:
    """A count, whenever it was made, as the page shows it now."""
    now = relay.clock.now()
    through = await relay.ground.db.read(figures.through, relay.workspace_id, now, UTC)
    today, weeks = (
        home_savings.beside(found, saved, spent)
        for saved, spent in ((found.today, through.today_cost), (found.weeks, through.whole_cost))
    )
    for each, spent in ((today, through.today_cost), (weeks, through.whole_cost)):
        for one in each.savings:
            assert amount_text(one.cost_micros) == spent.get(one.currency, "0")
            assert one.cost_micros + one.micros == one.instead_micros
    return Page(found, today, weeks)


def money(saved: savings.Saved) -> dict[str, tuple[int, int]]:
    """What was spent and what SMS had cost, by currency."""
    return {one.currency: (one.cost_micros, one.instead_micros) for one in saved.savings}


async def test_what_was_spent_stands_beside_what_sms_had_cost(relay: Relay) -> None:
    await lines(relay)
    await reached(relay, on_viber=True)
    await reached(relay, on_viber=False)
    await reached(relay, on_viber=True, text="ж" * 71)  # two parts by SMS
    await relay.send(steps=STEPS, label="sale", to={"phone": "+380501234568"})
    await relay.take("viber", refused(Reason.NOT_A_USER))
    await relay.take("sms", refused(Reason.BAD_ADDRESS))  # it has not gone out
    found = await told(relay)
    assert (found.told.messages, found.told.estimated, found.told.yard.priced) == (3, False, True)
    spent, otherwise = 60_000, 160_000
    assert money(found.today) == money(found.weeks) == {"EUR": (spent, otherwise)}
    by_label = await savings.instead(relay.world, relay.workspace_id, "sale", SMS)
    assert (by_label["messages"], by_label["cost"]) == (3, {"amount": "0.16", "currency": "EUR"})
    relay.clock.advance(DAY_S)
    await reached(relay, on_viber=True)
    later = await told(relay)
    assert money(later.today) == {"EUR": (10_000, 40_000)}
    assert money(later.weeks) == {"EUR": (spent + 10_000, otherwise + 40_000)}
    relay.clock.advance(28 * DAY_S)
    assert money((await told(relay)).weeks) == {}


async def test_of_very_many_some_are_priced_and_the_others_are_like_them(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lines(relay)
    for _ in range(8):
        await reached(relay, on_viber=True)
    monkeypatch.setattr(home_savings, "OF_TODAY", 4)
    found = await told(relay)
    assert (found.told.messages, found.told.estimated) == (8, True)
    assert money(found.today) == {"EUR": (8 * 10_000, 8 * 40_000)}


async def test_the_tariff_decides_where_there_is_one(relay: Relay) -> None:
    rows = [{"price": "900", "destination": "IR"}]
    await relay.tariff("mci", rows, currency="IRR")
    await lines(relay, price="0", tariff="mci", currency="IRR")
    await reached(relay, on_viber=True, to={"phone": "+989121234567"})
    await reached(relay, on_viber=True)  # of whose destination nothing is known: it is not counted as free
    found = await told(relay)
    assert (found.told.yard.tariffs, found.told.yard.currency, found.told.messages) == (["mci"], "IRR", 1)
    assert money(found.today) == {"IRR": (0, 900 * E)}
    assert dict(found.today.beside) == {"EUR": 20_000}


async def test_what_sms_could_not_have_brought_had_cost_what_it_cost(relay: Relay) -> None:
    await relay.tariff("mci", [{"price": "0.04", "destination": "IR"}], currency="EUR")
    await lines(relay, price="0", tariff="mci")
    await reached(relay, on_viber=True, to={"phone": "+989121234567"})
    await reached(relay, on_viber=True)  # to where the tariff knows no price
    found = await told(relay)
    assert (found.told.messages, money(found.today)) == (1, {"EUR": (20_000, 50_000)})


async def test_lines_of_another_currency_are_not_measured_against(relay: Relay) -> None:
    await lines(relay)
    await relay.line("rials", "smpp", price="0.000001", currency="IRR")
    await reached(relay, on_viber=True)
    found = await told(relay)
    assert [line.name for line in found.told.yard.lines] == ["sms"]
    assert money(found.today) == {"EUR": (10_000, 40_000)}


@pytest.mark.parametrize("sms", [True, False])
async def test_without_a_price_nothing_is_compared(relay: Relay, sms: bool) -> None:
    await relay.line("viber", "viber_business", price="0.01")
    if sms:
        await relay.line("sms", "smpp", price="0")
    await relay.send(line="viber")
    await relay.take("viber")
    await relay.receipt("viber", ReceiptStatus.DELIVERED)
    found = await told(relay)
    assert (found.told.yard.priced, len(found.told.yard.lines), money(found.weeks)) == (False, int(sms), {})
    by_label = await savings.instead(relay.world, relay.workspace_id, "sale", SMS)
    assert (by_label["price_known"], by_label["messages"]) == (False, 0)


async def test_a_count_is_shown_for_a_while(relay: Relay) -> None:
    await lines(relay)
    kept = Savings(relay.world)
    first = await kept.of(relay.workspace_id, UTC)
    await reached(relay, on_viber=True)
    await follow(relay)
    assert await kept.of(relay.workspace_id, UTC) is first
    assert kept.at_hand(relay.workspace_id, UTC) == (first, False)
    relay.clock.advance(home_savings.SHOWN_S)
    assert kept.at_hand(relay.workspace_id, UTC) == (first, True)  # shown until another is there
    second = await kept.of(relay.workspace_id, UTC)
    assert money((await beside_spent(relay, second)).today) == {"EUR": (10_000, 40_000)}
    await reached(relay, on_viber=True)
    await follow(relay)  # what was spent is told at once, and what was saved by it with the next count
    assert money((await beside_spent(relay, second)).today) == {"EUR": (20_000, 50_000)}
