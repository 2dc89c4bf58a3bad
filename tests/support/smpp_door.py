"""A shop with a simulated operator and the SMPP door before it, in this process; and accounts for clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from argon2 import PasswordHasher

from angarium.accounts.passwords import Passwords
from angarium.doors.smpp import flows
from angarium.doors.smpp.door import ACCOUNTS_TOPIC, Listening, SmppDoor
from angarium.doors.smpp.rules import SmppAccountInput
from angarium.doors.smpp.store import Account
from angarium.simulators.behaviour import Script
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage
from angarium.storage.database import Database
from support.running import Running, a_smsc, running, until

PASSWORD = "s3cretly"
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
ROUTES = [{"source": "*", "class": "service", "channel": "smpp"}]


class Doorway:
    """The shop, its operator, and the door."""

    def __init__(self, shop: Running, smsc: Smsc, listening: Listening | None = None) -> None:
        self.shop = shop
        self.smsc = smsc
        self._listening = listening or Listening(failed_per_min=0)
        self.door = SmppDoor(shop.world, shop._workspaces, self._listening)

    @property
    def port(self) -> int:
        """Where clients come."""
        return self.door.port

    async def account(self, system_id: str = "client", **given: Any) -> Account:
        """An account, known to the door."""
        described = {
            "name": system_id,
            "system_id": system_id,
            "password": PASSWORD,
            "routes": ROUTES,
            **given,
        }
        asked = msgspec.convert(described, SmppAccountInput)
        world, workspace_id = self.shop.world, self.shop.workspace_id
        prepared = await flows.prepare(world, QUICK, workspace_id, asked, new=True)
        made = await world.ground.db.run(flows.create, world.ground, workspace_id, prepared, "key_test")
        await self.door.reload()
        return made

    async def change(self, account: Account, **given: Any) -> Account:
        """The account as it is described now."""
        described = {"name": account.name, "routes": ROUTES, **given}
        asked = msgspec.convert(described, SmppAccountInput)
        world, workspace_id = self.shop.world, self.shop.workspace_id
        prepared = await flows.prepare(world, QUICK, workspace_id, asked, new=False)
        changed = await world.ground.db.run(
            flows.change, world.ground, workspace_id, account.id, prepared, "key_test"
        )
        world.ground.fabric.wake(ACCOUNTS_TOPIC)
        return changed

    async def again(self) -> None:
        """The door is closed and another one opened, as after a restart."""
        await self.door.stop()
        self.door = SmppDoor(self.shop.world, self.shop._workspaces, self._listening)
        await self.door.start()

    def texts(self) -> list[str]:
        """What the operator took, by its ledger."""
        return [entry.text for entry in self.smsc.ledger.entries]

    async def taken(self, count: int) -> list[str]:
        """Wait until the operator has taken so many."""
        await until(lambda: len(self.smsc.ledger.entries) >= count)
        return self.texts()


@asynccontextmanager
async def doorway(
    database: Database, listening: Listening | None = None, **line: Any
) -> AsyncIterator[Doorway]:
    """Everything runs; there is no account yet."""
    async with running(database) as shop, a_smsc(Smsc(Stage(Script()))) as smsc:
        await shop.sms_line(smsc, window=100, **line)
        await shop.engine.start()
        place = Doorway(shop, smsc, listening)
        await place.door.start()
        try:
            yield place
        finally:
            await place.door.stop()
