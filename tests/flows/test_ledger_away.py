"""PostgreSQL is away and the servers' log is not: what providers send is answered, and applied later.

The log of these tests lies in a database of its own, and so outlives the ledger; with NATS the same runs as
processes (`e2e/test_ledger_away.py`). The verdict is the operator's: what it had to say again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import bindparam, func, select

from angarium.core.clock import Clock
from angarium.core.fabric import Entry as LogEntry
from angarium.core.fabric import Log, log_full
from angarium.core.ports import Raw
from angarium.core.problems import Problem
from angarium.fabric.ears import Ears
from angarium.fabric.kept_log import KeptLog
from angarium.fabric.local import LocalFabric
from angarium.messaging import incoming
from angarium.messaging.store.tables import inbound, journal
from angarium.messaging.workers import Engine
from angarium.simulators.smsc import Smsc
from angarium.simulators.smsc_bind import Knobs
from angarium.simulators.stage import Stage
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction, open_database
from support.cutter import Cutter
from support.databases import PostgresServer, create_schema
from support.running import Running, a_smsc, running, until

COUNT = {
    table.name: Statement(select(func.count()).where(table.c.workspace_id == bindparam("workspace_id")))
    for table in (journal, inbound)
}


class Apart(LocalFabric):
    """Of one process; its log is in another database than the ledger."""

    outlives_ledger = True

    def __init__(self, clock: Clock, database: Database, beside: Database) -> None:
        super().__init__(clock, database)
        self._beside = beside
        self.forgetful = self.full = False
        self.given_back = 0

    def log(self, name: str) -> Log:
        return Forgetful(self, self._beside, self._clock, self._ears, name)


class Forgetful(KeptLog):
    """A log that once does not hear that something is done."""

    def __init__(self, fabric: Apart, database: Database, clock: Clock, ears: Ears, name: str) -> None:
        super().__init__(database, clock, ears, name)
        self._fabric = fabric

    async def append(self, entries: Sequence[LogEntry]) -> None:
        if self._fabric.full:
            raise log_full("There is no room.")
        await super().append(entries)

    async def done(self) -> None:
        if self._fabric.forgetful:
            self._fabric.forgetful = False
            return
        await super().done()

    async def give_back(self) -> None:
        self._fabric.given_back += bool(self._given_out)
        await super().give_back()


class Shop:
    """A shop whose ledger can be taken away, and its operator."""

    def __init__(self, running: Running, smsc: Smsc, cutter: Cutter, beside: Database) -> None:
        self.running, self.smsc, self.cutter, self.beside = running, smsc, cutter, beside
        self.fabric = running.ground.fabric
        self.done = running.engine.done

    async def lose_ledger(self) -> None:
        """PostgreSQL is gone, and the server has noticed."""
        await self.cutter.go_away()

    async def says(self, text: str) -> None:
        """Somebody writes to the line; until the operator was answered."""
        await self.smsc.send_inbound("+380501234567", "Shop", text)

    def operator_has_said_all(self) -> bool:
        """Whether it has told what became of each message, and was answered."""
        bind = self.smsc.binds[0]
        told = all(entry.seen() for entry in self.smsc.ledger.entries)
        return told and not self.smsc.mailbox("angarium") and bind.unheard == 0

    async def all_are(self, state: str) -> bool:
        """Whether every message has come to a state."""
        return set(await self.running.report()) == {state}

    async def is_heard(self, number: int) -> bool:
        """Whether so many messages of people are there, each once."""
        return await self.count("inbound") == number

    async def is_drained(self) -> bool:
        """Whether nothing is left in the log."""
        return not await self.fabric.log(incoming.NAME).read(1, 0)

    async def count(self, table: str) -> int:
        """How many rows there are."""
        return await self.running.ground.db.read(_count, table, self.running.workspace_id)


async def _count(tx: Transaction, table: str, workspace_id: int) -> int:
    row = await tx.row(COUNT[table], workspace_id=workspace_id)
    assert row is not None
    return int(row[0])


@asynccontextmanager
async def a_shop(url: str, folder: Path) -> AsyncIterator[Shop]:
    cutter, beside = Cutter(url), open_database(f"sqlite:///{folder}/log.db")
    await cutter.listen()
    await beside.start()
    await create_schema(beside)
    database = open_database(cutter.spoken_url)
    await database.start()
    async with a_smsc(Smsc(Stage()), receipt_delay_s=3.0) as smsc, running(database) as made:
        object.__setattr__(made.ground, "fabric", Apart(made.clock, database, beside))
        made.engine = Engine(made.world, made._workspaces)
        await made.sms_line(smsc)
        await made.engine.start()
        await until(lambda: "bound" in made.line_state("sms"))
        yield Shop(made, smsc, cutter, beside)
        await cutter.listen()
    await database.stop()
    await beside.stop()
    await cutter.go_away()


@pytest.fixture
async def shop(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    monkeypatch.setattr(incoming, "LEDGER_S", 0.5)
    async with postgres_server.lent() as url, a_shop(url, tmp_path) as made:
        yield made


async def test_what_the_operator_says_meanwhile_is_taken_and_applied_after(shop: Shop) -> None:
    messages = await shop.running.batch(10)
    await until(lambda: len(shop.smsc.ledger.entries) == len(messages))
    await shop.lose_ledger()
    await until(shop.operator_has_said_all)
    await shop.says("where is my order?")
    assert shop.done["logged"] > 1
    await until(lambda: shop.fabric.given_back > 0)  # whoever has the turn next is handed it at once
    assert shop.smsc.mailbox("angarium").repeated == 0
    await shop.cutter.listen()
    await until(lambda: shop.all_are("delivered"))
    await until(lambda: shop.is_heard(1))
    assert shop.done["drained"] == shop.done["logged"]
    assert not shop.running.engine.incoming.away
    await shop.says("thank you")
    await until(lambda: shop.is_heard(2))
    assert shop.done["drained"] == shop.done["logged"]  # it came directly


async def test_what_may_have_been_kept_lies_in_the_log_as_well_and_is_heard_once(shop: Shop) -> None:
    shop.cutter.goes_away = True
    shop.cutter.cut(b"INSERT INTO journal", "after")
    await shop.says("is it kept?")
    assert shop.done["logged"] == 1
    await shop.cutter.listen()
    await until(shop.is_drained)
    await until(lambda: shop.is_heard(1))
    assert await shop.count("journal") == 1


async def test_what_is_handed_out_twice_is_heard_once(shop: Shop) -> None:
    await shop.lose_ledger()
    await shop.says("once")
    shop.fabric.forgetful = True
    await shop.cutter.listen()
    await until(shop.is_drained)
    await until(lambda: shop.is_heard(1))
    assert (await shop.count("journal"), shop.done["drained"]) == (1, 1)


async def test_what_finds_the_log_full_is_answered_so_and_said_again(shop: Shop) -> None:
    shop.smsc.knobs = Knobs(redeliver_s=0.05)
    await shop.lose_ledger()
    shop.fabric.full = True
    saying = asyncio.create_task(shop.says("is there room?"))
    await until(lambda: shop.smsc.mailbox("angarium").repeated)
    assert "no room" in await shop.running.engine.incoming.trouble(_well)
    shop.fabric.full = False
    await saying
    await shop.cutter.listen()
    await until(lambda: shop.is_heard(1))


async def test_what_neither_takes_is_said_again(shop: Shop) -> None:
    await shop.lose_ledger()
    await shop.beside.stop()
    line = shop.running.lines["sms"]
    with pytest.raises(Problem) as caught:
        await shop.running.engine.heard(line, Raw(b"nobody keeps it"))
    assert caught.value.status == 503
    assert await shop.running.engine.incoming.trouble(_well) != ""
    await shop.beside.start()
    await shop.running.engine.heard(line, Raw(b"now it is kept"))
    assert await shop.running.engine.incoming.trouble(_well) == ""


async def _well() -> str:
    return ""
