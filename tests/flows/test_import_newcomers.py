"""Newcomers of a file are written in a way of their own, and what then stands in the tables is the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Table, select

from angarium.contacts import store
from angarium.contacts.imports.store import import_contact
from angarium.contacts.store import Contact
from angarium.contacts.store.index import contact_index, contact_value
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
