"""Changes of which many come to the same: one statement for those, on both databases; the rest is told."""

from __future__ import annotations

from typing import NamedTuple

from angarium.storage.database import Database, Transaction
from angarium.storage.together import TOGETHER_MIN, Together
from support.sample import INSERT, put, sample, states

MANY = range(1, TOGETHER_MIN + 1)


class Row(NamedTuple):
    """A row of the sample, as it is to be."""

    workspace_id: int
    id: int
    state: str


async def test_what_many_come_to_is_written_and_the_rest_is_told(database: Database) -> None:
    changes = Together(sample, ("state", "number"))
    shut = [Row(1, number, "shut") for number in MANY]
    others = [Row(1, 100, "ajar"), Row(1, 101, "ajar"), Row(2, 1, "shut")]

    async def work(tx: Transaction) -> list[Row]:
        await put(tx, *MANY, 100, 101, state="closed")
        await tx.insert(INSERT, [(2, number, "closed") for number in MANY])
        return await changes.write(tx, [others[0], *shut, *others[1:]], lambda one: (one.state, None))

    assert await database.run(work) == others
    assert await database.read(states) == dict.fromkeys(MANY, "shut") | {100: "closed", 101: "closed"}
