"""Newcomers of a file are written in a way of their own, and what then stands in the tables is the same."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Table, select

from angarium.contacts import store
from angarium.contacts.imports import store as imports
from angarium.contacts.imports import worker
from angarium.contacts.imports.blocks import LENGTH_BYTES, Reserved
from angarium.contacts.imports.mapping import reading
from angarium.contacts.imports.store import Step, blocks, import_contact
from angarium.contacts.imports.worker import Batch, Job
from angarium.contacts.imports.writing import reserve_some, write_some
from angarium.contacts.store import Contact, tables
from angarium.contacts.store.external_ids import external_id
from angarium.contacts.store.index import contact_index, contact_value
from angarium.core import ids
from angarium.storage.bulk import Statement
from angarium.storage.database import Conflict, Row, Transaction
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
WRITTEN = (tables.contact, tables.address, contact_index, contact_value, external_id)


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


@dataclass
class Begun:
    """An import that was started, and what its worker finds: as far as it goes, it goes by hand."""

    desk: Desk
    one: imports.Import
    pieces: list[Reserved]
    batches: list[Batch]
    those: list[int]

    async def reserve(self) -> None:
        """Write the addresses and external ids of newcomers."""
        given = self.desk.mine.workspace_id, self.one, 0, self.pieces, self.those, 1
        assert await self.desk.house.ground.db.run(reserve_some, *given) == len(self.pieces)

    async def write(self) -> None:
        """Write the rows."""
        ground = self.desk.house.ground
        given = (ground, self.desk.mine.workspace_id, self.one, 0, self.batches, self.those, 9)
        await ground.db.run(write_some, *given, ground.clock.now())


async def begun(desk: Desk, *rows: str) -> Begun:
    """Send a file of newcomers, and start to import it."""
    sent = await desk.send(table(*rows))
    assert (await desk.mine.ask("POST", f"/v1/imports/{sent['id']}/start")).status == 202
    import_id = ids.read("import", sent["id"])
    one = await desk.house.ground.db.read(imports.jobs.get, desk.mine.workspace_id, import_id)
    assert one is not None
    how, heads = reading(one.seen.look, one.mapping), one.seen.look.heads
    path = str(desk.house.imports.shelf.path(one.id))
    job = Job(path=path, mapping=one.mapping, reading=how, heads=heads, reserve=True)
    sink = io.BytesIO()
    worker.main(io.BytesIO(msgspec.json.encode(job) + b"\n"), sink)
    sink.seek(0)
    found: list[Reserved | Batch] = []
    while head := sink.read(LENGTH_BYTES):
        frame = msgspec.msgpack.decode(sink.read(int.from_bytes(head, "big")), type=worker.Frame)
        found += [frame] if isinstance(frame, Reserved | Batch) else []
    pieces = [frame for frame in found if isinstance(frame, Reserved)]
    batches = [frame for frame in found if isinstance(frame, Batch)]
    return Begun(desk, one, pieces, batches, desk.house.ground.ids.mint_many(pieces[0].begins))


async def nobodys(tx: Transaction) -> int:
    """How many addresses and external ids there are whose contact is not there."""
    there = {one[1] for one in await cells(tx, tables.contact)}
    owners = [one[3] for one in await cells(tx, tables.address)]
    owners += [one[2] for one in await cells(tx, external_id)]
    return sum(owner not in there for owner in owners)


async def test_an_address_is_nobodys_until_its_contact_is_there(desk: Desk) -> None:
    """Somebody else is given it meanwhile, and the row is then about them."""
    importing = await begun(desk, *PEOPLE)
    await importing.reserve()
    assert await desk.house.ground.db.read(nobodys) == 5 + 3
    asked = [("phone", "+380501234567"), ("email", "a@example.com")]
    found = store.ids_by_addresses, desk.mine.workspace_id, asked
    assert await desk.house.ground.db.read(*found) == {}
    assert (await desk.mine.ask("GET", "/v1/contacts")).json["items"] == []
    own = {"addresses": [{"kind": "email", "value": "a@example.com"}], "fields": {"was": "here"}}
    made = await desk.mine.ask("POST", "/v1/contacts", own)
    assert made.status == 200, made.body
    await importing.write()
    assert counted(await desk.look({"id": ids.show("import", importing.one.id)})) == (3, 1, 0, 0)
    there = (await desk.mine.ask("GET", f"/v1/contacts/{made.json['id']}")).json
    assert (there["name"], there["fields"]["was"]) == ("Straße Ａ", "here")
    (again,) = (await desk.house.ground.db.read(*found)).keys() - {asked[0]}
    assert again == asked[1]
    assert await desk.house.ground.db.read(nobodys) == 0


async def test_an_external_id_is_nobodys_until_its_contact_is_there(desk: Desk) -> None:
    importing = await begun(desk, *PEOPLE)
    await importing.reserve()
    assert (await desk.mine.ask("GET", "/v1/contacts?external_id=C1")).json["items"] == []
    made = await desk.mine.ask("POST", "/v1/contacts", {"external_id": "C1", "fields": {"was": "here"}})
    assert made.status == 200, made.body
    await importing.write()
    assert counted(await desk.look({"id": ids.show("import", importing.one.id)})) == (3, 1, 0, 0)
    there = await desk.contacts()
    assert there["C1"]["id"] == made.json["id"]
    assert (there["C1"]["name"], there["C1"]["fields"]["was"]) == ("Олена  ШЕВЧЕНКО", "here")
    assert there["C1"]["addresses"][0]["value"] == "+380501234567"
    assert await desk.house.ground.db.read(nobodys) == 0


async def test_an_external_id_is_one_contacts(desk: Desk) -> None:
    """Whoever has not seen that it was given away is refused; it is free again when its contact goes."""
    db, workspace_id = desk.house.ground.db, desk.mine.workspace_id
    await desk.do(await desk.send(table(*PEOPLE)), "start")
    (owner,) = [one for one in (await db.read(everybody))[1] if one.external_id == "C1"]
    another = msgspec.structs.replace(owner, id=owner.id + 1_000_000, addresses=())
    with pytest.raises(Conflict):
        await db.run(store.insert, workspace_id, [another])
    renamed = msgspec.structs.replace(owner, external_id="C7")
    await db.run(store.replace, workspace_id, [renamed])
    await db.run(store.insert, workspace_id, [another])
    with pytest.raises(Conflict):
        await db.run(store.replace, workspace_id, [owner])
    await db.run(store.remove, workspace_id, another.id)
    await db.run(store.replace, workspace_id, [owner])
    assert await db.read(store.ids_by_external_id, workspace_id, ["C1", "C7"]) == {"C1": owner.id}
    assert await db.read(nobodys) == 0


async def test_a_number_that_is_suppressed_before_its_contact_is_there(desk: Desk) -> None:
    importing = await begun(desk, *PEOPLE)
    await importing.reserve()
    listed = {"kind": "phone", "value": "+4915112345678", "reason": "operator_blacklist", "source": "list"}
    assert (await desk.mine.ask("POST", "/v1/suppressions", listed)).status in (200, 201)
    await importing.write()
    assert (await desk.contacts())["c4"]["addresses"][0]["operator_blacklist"]
    assert await desk.house.ground.db.read(nobodys) == 0


@pytest.mark.parametrize("verb", ["", "pause", "cancel"])
async def test_what_was_reserved_is_given_back(desk: Desk, verb: str) -> None:
    """The server was killed in between; then somebody stopped the import, or it goes on."""
    importing = await begun(desk, *PEOPLE)
    await importing.reserve()
    one = {"id": ids.show("import", importing.one.id)}
    if verb:
        assert (await desk.mine.ask("POST", f"/v1/imports/{one['id']}/{verb}")).status == 200
        await desk.house.importer._tidy()
        assert await desk.house.ground.db.read(cells, tables.address) == []
        assert await desk.house.ground.db.read(cells, external_id) == []
    else:
        await desk.house.importer.work()
        assert counted(await desk.look(one)) == (4, 0, 0, 0)
        assert [len(await desk.house.ground.db.read(cells, of)) for of in WRITTEN[:2]] == [4, 5]
    assert await desk.house.ground.db.read(nobodys) == 0
    assert await desk.house.ground.db.read(blocks.left, desk.mine.workspace_id) == []


async def test_several_batches_are_one_transaction_until_somebody_waits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite, where others wait; on PostgreSQL they are written at once."""
    ground, workspace_id = desk.house.ground, desk.mine.workspace_id
    one = await desk.send(table(*PEOPLE))
    assert (await desk.mine.ask("POST", f"/v1/imports/{one['id']}/start")).status == 202
    found = await ground.db.read(imports.jobs.get, workspace_id, ids.read("import", one["id"]))
    assert found is not None
    monkeypatch.setattr(worker, "BATCH_ROWS", 1)
    path = str(desk.house.imports.shelf.path(found.id))
    job = Job(path=path, mapping=found.mapping, heads=found.seen.look.heads)
    frames = worker.batches(job, reading(found.seen.look, found.mapping))
    batches = [frame for frame in frames if isinstance(frame, Batch)]
    queued = threading.Event()
    those = ground.ids.mint_many(len(PEOPLE))

    given = (ground, workspace_id, found)
    steps = await ground.db.run(write_some, *given, 0, batches[:2], those, 9, 1)
    assert [step.until_row for step in steps] == [2, 3]

    async def while_others_come(tx: Transaction) -> list[Step]:
        if tx.dialect == "sqlite":
            assert queued.wait(60)
        return await write_some(tx, *given, 3, batches[2:], those, 9, 2)

    writing = asyncio.ensure_future(ground.db.run(while_others_come))
    other = asyncio.ensure_future(ground.db.run(cells, import_contact))
    await asyncio.wait([other], timeout=0)  # a turn of the loop: it is queued
    queued.set()
    assert [step.until_row for step in await writing] == ([4] if ground.db.dialect == "sqlite" else [4, 5, 5])
    await other
