"""What is left on the account of a line: asked of a simulated provider, shown, and told when it is low."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from angarium.assembly import House
from angarium.core import ids
from angarium.core.ports import Unknown
from angarium.core.values import Price
from angarium.messaging import balances
from angarium.messaging.balances import Watch, heard
from angarium.messaging.store.balances import Balance
from angarium.simulators.stage import Stage
from angarium.simulators.vk import API_KEY, VkFace
from angarium.storage import facts
from support.server import LINE, Client, member, whole_house

# ── rules ────────────────────────────────────────────────────────────────────────────────────────────

RUB = [Price(amount * 1_000_000, "RUB") for amount in (200, 99, 100, -5)]
SILENT = Unknown("no answer")
ANSWERS: list[tuple[str, int | None, list[Price | Unknown], list[bool]]] = [
    (
        "it falls and recovers",
        100,
        [RUB[0], RUB[1], RUB[1], RUB[0], RUB[1]],
        [False, True, True, False, True],
    ),
    ("at the very amount it is enough", 100, [RUB[2]], [False]),
    ("what is owed is low", 0, [RUB[3]], [True]),
    ("nobody has said what is low", None, [RUB[3]], [False]),
    ("silence changes nothing", 100, [RUB[1], SILENT, RUB[0], SILENT], [True, True, False, False]),
]


@pytest.mark.parametrize(("_what", "below", "said", "low"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_when_a_balance_is_low(
    _what: str, below: int | None, said: list[Price | Unknown], low: list[bool]
) -> None:
    one = Balance(every_s=900, low_below_micros=None if below is None else below * 1_000_000)
    found = []
    for at, answer in enumerate(said, 1):
        one = heard(one, answer, at)
        found.append(one.low)
        assert one.asked_at == at
        assert bool(one.trouble) == isinstance(answer, Unknown)
    assert found == low


# ── a line to a provider that tells ──────────────────────────────────────────────────────────────────


@dataclass
class Shop:
    """A shop with a line to a provider that tells its balance, and one to another that does not."""

    house: House
    mine: Client
    face: VkFace
    vk: str
    viber: str

    async def balance(self) -> dict[str, Any]:
        """As the health of the line shows it."""
        return dict((await self.mine.ask("GET", f"/v1/lines/{self.vk}/health")).json["balance"])

    async def asked(self) -> int:
        """How many lines the watch asks, when their time has come."""
        line_id = ids.read("line", self.vk)
        found = await self.house.ground.db.read(balances.store.of, self.mine.workspace_id, line_id)
        if found is not None:
            old = msgspec.structs.replace(found, asked_at=0)
            await self.house.ground.db.run(balances.store.save, self.mine.workspace_id, line_id, old)
        return await Watch(self.house.world).work()

    async def told(self) -> list[str]:
        """The facts of the line that speak of its balance."""
        found = await self.house.ground.db.read(
            facts.of_subject, self.mine.workspace_id, ids.read("line", self.vk), 50
        )
        return [one.kind for one in found if "balance" in one.kind]


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """Both lines, and the provider that tells."""
    face = VkFace(Stage())
    await face.start()
    try:
        async with whole_house(database_url, tmp_path, allow_private=("127.0.0.0/8",)) as (house, nobody):
            mine = await member(nobody, house.ground, "shop")
            settings = {"api_key": API_KEY, "service": "shop", "base_url": face.url()}
            vk = {**LINE, "name": "vk", "channel": "vk_notify", "settings": settings}
            made = [await mine.ask("POST", "/v1/lines", line) for line in (vk, LINE)]
            assert {one.status for one in made} == {201}, made
            await house.world.lines.reload([mine.workspace_id])
            yield Shop(house, mine, face, *(one.json["id"] for one in made))
    finally:
        await face.stop()


async def test_the_health_of_a_line_shows_what_its_provider_says_is_left(shop: Shop) -> None:
    shop.face.balance = 812.5
    first = await shop.balance()
    assert (first["amount"], first["currency"], first["trouble"], first["low"]) == ("812.5", "RUB", "", False)
    shop.face.balance = -3.25
    assert await shop.balance() == first, "asked a moment ago"
    assert await shop.asked() == 1
    assert (await shop.balance())["amount"] == "-3.25"
    assert await Watch(shop.house.world).work() == 0, "its time has not come"
    other = (await shop.mine.ask("GET", f"/v1/lines/{shop.viber}/health")).json
    assert other["balance"] is None


async def test_what_a_provider_does_not_say_stands_beside_what_it_said(shop: Shop) -> None:
    shop.face.balance = 812.5
    before = await shop.balance()
    await shop.face.stop()
    assert await shop.asked() == 1
    after = await shop.balance()
    assert (after["amount"], after["at"]) == (before["amount"], before["at"])
    assert after["trouble"]


async def test_a_low_balance_is_told_once_until_it_recovers(shop: Shop) -> None:
    path = f"/v1/lines/{shop.vk}/balance"
    shop.face.balance = 150.0
    await shop.balance()
    watched = await shop.mine.ask("PUT", path, {"low_below": "100", "every_s": 60})
    assert (watched.status, watched.json["low"], watched.json["low_below"]) == (200, False, "100")
    for amount in (99.99, 50.0, 100.0, 10.0):
        shop.face.balance = amount
        assert await shop.asked() == 1
    assert await shop.told() == ["line.balance_low", "line.balance_enough", "line.balance_low"]
    raised = await shop.mine.ask("PUT", path, {"low_below": "5"})
    assert (raised.json["low"], raised.json["every_s"]) == (False, 900)
    assert (await shop.told())[-1] == "line.balance_enough"
    log = (await shop.mine.ask("GET", "/v1/audit?action=line.balance_watched")).json["items"]
    assert len(log) == 2


async def test_servers_that_look_at_once_ask_once(shop: Shop) -> None:
    shop.face.balance = 1.0
    await shop.balance()
    line_id = ids.read("line", shop.vk)
    found = await shop.house.ground.db.read(balances.store.of, shop.mine.workspace_id, line_id)
    assert found is not None
    old = msgspec.structs.replace(found, asked_at=0)
    await shop.house.ground.db.run(balances.store.save, shop.mine.workspace_id, line_id, old)
    before = shop.face.balance_asked
    asked = await asyncio.gather(*(Watch(shop.house.world).work() for _ in range(4)))
    assert (sum(asked), shop.face.balance_asked - before) == (1, 1)


async def test_what_cannot_be_watched_is_refused_with_its_reason(shop: Shop) -> None:
    no_interface = await shop.mine.ask("PUT", f"/v1/lines/{shop.viber}/balance", {"low_below": "1"})
    assert (no_interface.status, list(no_interface.fields)) == (422, ["line_id"])
    for body, field in (
        ({"low_below": "much"}, "low_below"),
        ({"low_below": "-1"}, "low_below"),
        ({"every_s": 1}, "every_s"),
    ):
        wrong = await shop.mine.ask("PUT", f"/v1/lines/{shop.vk}/balance", body)
        assert (wrong.status, list(wrong.fields)) == (422, [field]), body
