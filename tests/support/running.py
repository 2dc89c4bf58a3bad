"""A shop whose engine runs, with its real loops, over real sockets to simulated operators.

Time may run faster for it than for the operators: then what takes minutes is over in seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from sqlalchemy import bindparam, func, select
from structlog.testing import capture_logs

from angarium.accounts import store as accounts
from angarium.channels import kit
from angarium.core import ids
from angarium.core.clock import SystemClock
from angarium.core.ports import Tools
from angarium.messaging.accept import MessageInput
from angarium.messaging.sender import Sender
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.messages import Message
from angarium.messaging.store.tables import journal, message
from angarium.messaging.workers import Engine
from angarium.protocols.http import Http
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.smsc import Smsc
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction
from support.relay import SETTINGS, Relay

PATIENCE_S = 40.0

S = TypeVar("S", bound=Smsc)


_by_state = Statement(
    select(message.c.state, func.count())
    .where(message.c.workspace_id == bindparam("workspace_id"))
    .group_by(message.c.state)
)


_failed = Statement(
    select(journal.c.id, journal.c.error).where(
        journal.c.workspace_id == bindparam("workspace_id"), journal.c.state == "failed"
    )
)


class QuickClock(SystemClock):
    """The machine's time, from now on `speed` times as fast."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._began, self._wall = time.monotonic(), time.time_ns() // 1_000

    def now(self) -> int:
        return self._wall + int(self.monotonic() * 1_000_000)

    def monotonic(self) -> float:
        return (time.monotonic() - self._began) * self._speed

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / self._speed)


class Running(Relay):
    """A relay that runs by itself."""

    def __init__(self, database: Database, speed: float = 1.0) -> None:
        super().__init__(database, clock=QuickClock(speed))
        self.http = Http(("127.0.0.0/8",))
        self.world.tools = Tools(self.clock, self.ground.chance, self.http)
        self.world.connect = kit.connect
        self.logs: Sequence[MutableMapping[str, Any]] = ()
        self.engine = Engine(self.world, self._workspaces)

    async def _workspaces(self) -> list[int]:
        return [workspace.id for workspace in await self.ground.db.read(accounts.workspaces)]

    async def sms_line(self, smsc: Smsc, name: str = "sms", **given: Any) -> None:
        """A line to a simulated message centre."""
        port = int(smsc.url().rpartition(":")[2])
        account = {"port": port, "system_id": "angarium", "password": "secret", "reconnect_s": 1}
        settings = {**SETTINGS["smpp"], **account, **given.pop("settings", {})}
        await self.line(name, "smpp", ("otp", "service", "promotional"), settings=settings, **given)

    async def after(self, seconds: float) -> None:
        """Return when the shop's clock is so much later."""
        later = self.clock.monotonic() + seconds
        await until(lambda: self.clock.monotonic() >= later)

    def sender(self, line: str) -> Sender:
        """What sends on a line."""
        return self.engine._senders[self.lines[line].id]

    def line_state(self, line: str) -> str:
        """The line in one sentence."""
        return self.engine.states().get(self.lines[line].id, "")

    async def batch(self, count: int, **given: Any) -> list[int]:
        """Offer so many messages, to as many people; their ids."""
        described = [
            {
                "to": {"phone": phone(number)},
                "class": "service",
                "text": f"No {number}",
                "channel": "smpp",
                **given,
            }
            for number in range(count)
        ]
        answer = await self.order(*described, batch=True)
        return [ids.read("message", one["id"]) for one in answer["results"]]

    def asked(self, text: str) -> MessageInput:
        """A message as a system asks for it."""
        described = {"to": {"phone": phone(0)}, "class": "service", "text": text, "channel": "smpp"}
        return msgspec.convert(described, MessageInput)

    async def message(self, message_id: int) -> Message:
        """A message as it is kept."""
        [found] = await self.ground.db.read(message_store.by_ids, self.workspace_id, [message_id])
        return found

    async def is_in(self, message_id: int, state: str) -> bool:
        """Whether a message has come to a state."""
        return (await self.message(message_id)).state.value == state

    async def unread(self) -> list[tuple[int, str]]:
        """Callbacks that could not be worked through: (id, why)."""
        return await self.ground.db.read(_unread, self.workspace_id)

    async def report(self) -> dict[str, int]:
        """How many messages are in each state."""
        return await self.ground.db.read(_states, self.workspace_id)


async def _unread(tx: Transaction, workspace_id: int) -> list[tuple[int, str]]:
    return [(row[0], row[1]) for row in await tx.rows(_failed, workspace_id=workspace_id)]


async def _states(tx: Transaction, workspace_id: int) -> dict[str, int]:
    return {row[0]: row[1] for row in await tx.rows(_by_state, workspace_id=workspace_id)}


def phone(number: int) -> str:
    """Of a person to whom nothing special happens at the simulated operators."""
    return f"+38050{number // 50:05}{50 + number % 50}"


async def until(seen: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    """Look again until it is so; TimeoutError when it does not come."""
    async with asyncio.timeout(patience_s):
        while True:
            found = seen()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.04)


@asynccontextmanager
async def running(database: Database, speed: float = 1.0) -> AsyncIterator[Running]:
    """A shop that is open; begin its engine when its lines are there."""
    with capture_logs() as logs:  # to print a stack with all its values takes seconds
        shop = Running(database, speed)
        shop.logs = logs
        await shop.http.start()
        await shop.open()
        try:
            yield shop
        finally:
            await shop.engine.stop()
            await shop.http.stop()


@asynccontextmanager
async def a_smsc(smsc: S, **faults: Any) -> AsyncIterator[S]:
    """A message centre that misbehaves so; `misbehave` changes it."""
    misbehave(smsc, **faults)
    await smsc.start()
    try:
        yield smsc
    finally:
        await smsc.stop()


def misbehave(smsc: Smsc, **faults: Any) -> None:
    """From now on."""
    smsc._stage.script = Script(faults={"smpp": Faults(**{"receipt_delay_s": 0.01, **faults})})
