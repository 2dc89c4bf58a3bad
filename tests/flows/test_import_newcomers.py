"""Newcomers of a file are written in a way of their own, and what then stands in the tables is the same."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Table, select

from angarium.contacts import store
from angarium.contacts.imports import store as imports
from angarium.contacts.imports import worker
from angarium.contacts.imports.mapping import reading
from angarium.contacts.imports.store import Step, import_contact
from angarium.contacts.imports.worker import Batch, Job
from angarium.contacts.imports.writing import write_some
from angarium.contacts.store import Contact
from angarium.contacts.store.index import contact_index, contact_value
from angarium.core import ids
from angarium.storage.bulk import Statement
from angarium.storage.database import Row, Transaction
from support.file_desk import Desk, counted
from support.server import member, whole_house

MORE = tuple(f"more {n}" for n in range(33))
COLUMNS = (
    "id",
    "name",
    "phone",
    "email",
    "points",
    "born",
    "no ads",
    "tags",
    *(f"more {n}" for n in range(33)),
)
WRITTEN = (store.contact, store.address, contact_index, contact_value)


def row(*cells: str) -> str:
    """A line of the file, its last cells empty."""
    return ",".join([*cells, *[""] * (len(COLUMNS) - len(cells))])


PEOPLE = (
    row("C1", "Олена  ШЕВЧЕНКО", "+380501234567", "Olena@Example.com", "007", "2001-02-03", "", "vip;Gold"),
    row("", "Straße Ａ", "", "a@example.com"),
    row("C3", "", "+98 912 123 4567", "", "-3"),
    row("c4", "Anna", "+4915112345678", "", "1e3", "", "", "", *(f"value {n}" for n in range(33))),
)


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """The whole house; nothing runs by itself."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        yield Desk(house, await member(nobody, house.ground, "shop"))


def table(*rows: str) -> bytes:
    """A file of these rows."""
    return "\n".join([",".join(COLUMNS), *rows]).encode()


async def cells(tx: Transaction, of: Table) -> list[Row]:
    """All that stands in a table."""
    return sorted(map(tuple, await tx.rows(Statement(select(of)))), key=repr)


async def everybody(tx: Transaction) -> tuple[int, list[Contact]]:
    """The workspace of those who came by files, and they."""
    found = await tx.rows(Statement(select(import_contact.c.workspace_id, import_contact.c.contact_id)))
    (workspace_id,) = {one[0] for one in found}
    return workspace_id, list((await store.by_ids(tx, workspace_id, [one[1] for one in found])).values())


async def test_newcomers_are_written_as_everybody_is(desk: Desk) -> None:
    assert counted(await desk.do(await desk.send(table(*PEOPLE)), "start")) == (4, 0, 0, 0)

    async def written_again(tx: Transaction) -> tuple[list[list[Row]], list[list[Row]]]:
        before = [await cells(tx, one) for one in WRITTEN]
        workspace_id, there = await everybody(tx)
        await store.replace(tx, workspace_id, there)
        return before, [await cells(tx, one) for one in WRITTEN]

    before, after = await desk.house.ground.db.run(written_again)
    assert [len(rows) for rows in before[:3]] == [4, 5, 4]
    assert before[3], "more fields than there are columns"
    assert before == after


async def test_newcomers_among_those_who_are_there(desk: Desk) -> None:
    await desk.do(await desk.send(table(PEOPLE[0], PEOPLE[2])), "start")
    listed = {"kind": "phone", "value": "+4915112345678", "reason": "operator_blacklist", "source": "list"}
    assert (await desk.mine.ask("POST", "/v1/suppressions", listed)).status in (200, 201)
    again = row("C9", "Nina", "", "n@example.com"), row("C9", "", "", "", "5")
    refuses = row("C8", "Omid", "", "o@example.com", "", "", "yes")
    one = await desk.send(table(*PEOPLE, *again, refuses))
    assert counted(await desk.do(one, "check")) == (4, 1, 2, 0)
    assert counted(await desk.do(one, "start")) == (4, 1, 2, 0)
    there = await desk.contacts()
    assert there["c4"]["addresses"][0]["operator_blacklist"]
    assert not there["C1"]["addresses"][0]["operator_blacklist"]
    assert (there["C9"]["name"], there["C9"]["fields"]) == ("Nina", {"points": "5"})
    assert there["C8"]["opted_out"] == ["promotional"]
    assert len(await desk.house.ground.db.read(cells, import_contact)) == 6


async def test_several_batches_are_one_transaction_until_somebody_waits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite, where others wait; on PostgreSQL they are written at once."""
    ground, workspace_id = desk.house.ground, desk.mine.workspace_id
    one = await desk.send(table(*PEOPLE))
    assert (await desk.mine.ask("POST", f"/v1/imports/{one['id']}/start")).status == 202
    found = await ground.db.read(imports.get, workspace_id, ids.read("import", one["id"]))
    assert found is not None
    monkeypatch.setattr(worker, "BATCH_ROWS", 1)
    path = str(desk.house.imports.shelf.path(found.id))
    job = Job(path=path, mapping=found.mapping, heads=found.seen.look.heads)
    frames = worker.batches(job, reading(found.seen.look, found.mapping))
    batches = [frame for frame in frames if isinstance(frame, Batch)]
    queued = threading.Event()

    given = (ground, workspace_id, found)
    steps = await ground.db.run(write_some, *given, 0, batches[:2], 9, 1)
    assert [step.until_row for step in steps] == [2, 3]

    async def while_others_come(tx: Transaction) -> list[Step]:
        if tx.dialect == "sqlite":
            assert queued.wait(60)
        return await write_some(tx, *given, 3, batches[2:], 9, 2)

    writing = asyncio.ensure_future(ground.db.run(while_others_come))
    other = asyncio.ensure_future(ground.db.run(cells, import_contact))
    await asyncio.wait([other], timeout=0)  # a turn of the loop: it is queued
    queued.set()
    assert [step.until_row for step in await writing] == ([4] if ground.db.dialect == "sqlite" else [4, 5, 5])
    await other
