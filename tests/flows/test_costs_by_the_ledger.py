"""What was billed is what the operators' own ledgers come to by the price list, reckoned here apart."""

from __future__ import annotations

from collections import Counter
from random import Random

from angarium.core import ids
from angarium.messaging import costs
from angarium.messaging.budgets import standings
from angarium.messaging.store.costs import Wanted
from angarium.simulators.ledger import Entry
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage
from angarium.storage.database import Database
from support.running import Running, a_smsc, running, until

MESSAGES = 120
PREFIXES = ("+38050", "+38067", "+98912", "+7916")
TEXTS = ("Hello", "Привіт " * 15, "ж" * 200, "A" * 170)  # 1, 2, 3 and 2 parts
PRICES = {"": 50_000, "+380": 30_000, "+38067": 20_000, "+98": 70_000}  # micro-units a part
TIER, CHEAP = 90, {"": 40_000, "+380": 25_000, "+38067": 15_000, "+98": 60_000}


def rows() -> list[dict[str, object]]:
    """The price list, by the part, in two tiers."""
    return [
        {"destination": prefix, "price": f"{micros / 1_000_000:.6f}", "volume_from": volume}
        for volume, prices in ((0, PRICES), (TIER, CHEAP))
        for prefix, micros in prices.items()
    ]


def price(entry: Entry, units_before: int) -> int:
    """What the operator asks for one entry of its ledger: the longest prefix, the tier, the parts."""
    prices = PRICES if units_before < TIER else CHEAP
    phone = "+" + entry.recipient.lstrip("+")
    longest = max((prefix for prefix in prices if phone.startswith(prefix)), key=len)
    return prices[longest] * entry.parts


async def test_costs_are_the_sum_of_the_ledger_by_the_price_list(database: Database) -> None:
    chance = Random(12)
    async with a_smsc(Smsc(Stage())) as smsc, running(database, speed=5.0) as shop:
        await shop.tariff("gms", rows())
        await shop.sms_line(smsc, tariff="gms", window=1)  # one after the other: the order of the ledger
        await shop.policy("budgets", budgets=[{"name": "all", "amount": "1000", "currency": "EUR"}])
        described = [
            {
                "to": {"phone": f"{chance.choice(PREFIXES)}{number:03}55{chance.randrange(50, 99)}"},
                "class": "service",
                "text": chance.choice(TEXTS),
                "channel": "smpp",
            }
            for number in range(100, 100 + MESSAGES)
        ]
        answer = await shop.order(*described, batch=True)
        assert answer["rejected"] == 0, answer
        await shop.engine.start()
        message_ids = [ids.read("message", one["id"]) for one in answer["results"]]
        await until(lambda: _billed(shop, MESSAGES))
        entries = smsc.ledger.entries
        assert len(entries) == MESSAGES
        expected, units = 0, 0
        by_destination: Counter[str] = Counter()
        for entry in entries:
            asked = price(entry, units)
            units += entry.parts
            expected += asked
            by_destination["+" + entry.recipient.lstrip("+")[:2]] += asked
        found = await shop.ground.db.read(
            costs.costs, shop.world, shop.workspace_id, Wanted(), ("destination",)
        )
        [total] = found.totals
        assert total.parts == units == sum(one.parts for one in entries) > TIER
        assert round(float(total.cost) * 1_000_000) == expected
        own = Counter[str]()
        for one in found.items:
            own["+79" if one.destination == "RU" else one.destination[:3]] += round(
                float(one.cost) * 1_000_000
            )
        assert own == by_destination
        told = [await shop.told(message_id) for message_id in message_ids]
        assert round(sum(float(one["cost"]["amount"]) for one in told) * 1_000_000) == expected
        [budget] = await shop.ground.db.read(standings, shop.world, shop.workspace_id, shop.clock.now())
        assert (budget.counter.reserved, budget.counter.spent) == (0, expected)


async def _billed(shop: Running, number: int) -> bool:
    found = await shop.ground.db.read(costs.costs, shop.world, shop.workspace_id, Wanted(), ())
    return sum(one.messages for one in found.totals) == number
