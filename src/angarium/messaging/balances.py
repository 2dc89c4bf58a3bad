"""What is left on the account of a line, where its provider tells: asked in turns, told once when low.

A balance is low from when it falls below what the line's owner named, until it is not any more: one fact
when it begins (`line.balance_low`), one when it ends (`line.balance_enough`), however often it is asked.
"""

from __future__ import annotations

import asyncio

import msgspec

from angarium.accounts import audit
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.ports import Unknown
from angarium.core.values import Price
from angarium.lines.store import Line
from angarium.messaging.store import balances as store
from angarium.messaging.store.balances import Balance
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

EVERY_S = 900  # where nobody has said otherwise
FRESH_S = 60.0  # whoever looks at the health of a line sees no older answer, unless the provider is silent
PATIENCE_S = 5.0
LOOK_S = 30.0  # how often the watch looks whose turn it is
TROUBLE_MAX = 200  # characters

UNASKED = Balance(every_s=EVERY_S)


class Watched(msgspec.Struct, frozen=True):
    """How the balance of a line is to be watched."""

    every_s: int = EVERY_S
    low_below_micros: int | None = None


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────


def heard(before: Balance, said: Price | Unknown, now: int) -> Balance:
    """What is known after an answer; what was told before stands beside the trouble of being told nothing."""
    if isinstance(said, Unknown):
        return msgspec.structs.replace(before, asked_at=now, trouble=said.detail[:TROUBLE_MAX])
    told = msgspec.structs.replace(
        before, micros=said.micros, currency=said.currency, told_at=now, asked_at=now, trouble=""
    )
    return judged(told)


def judged(one: Balance) -> Balance:
    """The same, low or not."""
    known = one.micros is not None and one.low_below_micros is not None
    low = known and one.micros < one.low_below_micros  # type: ignore[operator]  # neither is None, see above
    return msgspec.structs.replace(one, low=low)


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


def tells(world: World, line: Line) -> bool:
    """Whether the provider of a line has an interface for its balance."""
    channel = world.channels.get(line.channel)
    return channel is not None and channel.balance is not None


async def known(world: World, line: Line, fresh_s: float) -> Balance | None:
    """What is left on the account of a line, asked anew if that is older; None where no provider tells."""
    if not tells(world, line):
        return None
    ground, now = world.ground, world.ground.clock.now()
    found = await ground.db.read(store.of, line.workspace_id, line.id)
    if found is not None and found.asked_at > now - micros(fresh_s):
        return found
    if not await _our_turn(world, line, now - micros(fresh_s), now):
        return await ground.db.read(store.of, line.workspace_id, line.id)
    return await ask(world, line)


async def ask(world: World, line: Line) -> Balance:
    """Ask the provider, and write down what it says."""
    said = await _asked(world, line)
    return await world.ground.db.run(_write, world, line, said, world.ground.clock.now())


async def _our_turn(world: World, line: Line, before: int, now: int) -> bool:
    async def work(tx: Transaction) -> bool:
        await store.begin(tx, line.workspace_id, line.id, UNASKED)
        return await store.claim(tx, line.workspace_id, line.id, before, now)

    return await world.ground.db.run(work)


async def _asked(world: World, line: Line) -> Price | Unknown:
    balance = world.channels[line.channel].balance
    assert balance is not None, f"{line.channel} tells no balance"
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await balance(world.tools, world.settings(line))
    except TimeoutError:
        return Unknown(f"no answer within {PATIENCE_S:g} seconds")


async def _write(tx: Transaction, world: World, line: Line, said: Price | Unknown, now: int) -> Balance:
    before = await store.held(tx, line.workspace_id, line.id)
    after = heard(before, said, now)
    await store.save(tx, line.workspace_id, line.id, after)
    await _tell(tx, line, before, after, now)
    return after


async def _tell(tx: Transaction, line: Line, before: Balance, after: Balance, now: int) -> None:
    if before.low == after.low:
        return
    kind = "line.balance_low" if after.low else "line.balance_enough"
    body = {
        "line": line.name,
        "micros": after.micros,
        "currency": after.currency,
        "low_below_micros": after.low_below_micros,
    }
    await facts.append(tx, [Fact(line.workspace_id, kind, line.id, now, msgspec.json.encode(body))])


async def watch(tx: Transaction, line: Line, wanted: Watched, actor: str, now: int) -> Balance:
    """Say how a balance is to be watched, and see whether it is low by that."""
    await store.begin(tx, line.workspace_id, line.id, UNASKED)
    before = await store.held(tx, line.workspace_id, line.id)
    after = judged(
        msgspec.structs.replace(before, every_s=wanted.every_s, low_below_micros=wanted.low_below_micros)
    )
    await store.save(tx, line.workspace_id, line.id, after)
    await _tell(tx, line, before, after, now)
    details = msgspec.structs.asdict(wanted)
    subject = ids.show("line", line.id)
    await audit.note(tx, line.workspace_id, actor, "line.balance_watched", subject, details, now)
    return after


class Watch:
    """Asks for the balance of each line when it is its turn. A loop of the engine."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.work()
            await self._world.ground.clock.sleep(LOOK_S)

    async def work(self) -> int:
        """Ask where it is time; how many were asked."""
        asked = 0
        for line in self._world.lines.every():
            if line.enabled and line.known and tells(self._world, line):
                asked += await self._turn(line)
        return asked

    async def _turn(self, line: Line) -> bool:
        ground, now = self._world.ground, self._world.ground.clock.now()
        found = await ground.db.read(store.of, line.workspace_id, line.id) or UNASKED
        if found.asked_at > now - micros(found.every_s):
            return False
        if not await _our_turn(self._world, line, now - micros(found.every_s), now):
            return False
        await ask(self._world, line)
        return True
