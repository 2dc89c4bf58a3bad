"""What many facts say in the same words, kept once for all of them.

A batch of a hundred messages is accepted by the same decisions, sent in the same way and delivered by the
same answer; what is one message's own is a contact or a reference. Kept with each fact those words were half
of a database (`docs/decisions/0049-what-many-say-is-kept-once.md`).

How many facts hold to a row stands in it. It goes with the last of them, in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from sqlalchemy import Column, Table, bindparam, delete, select, update

from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Count, Id, Serial, Words, metadata

NOTHING = 0  # the number of no row: of a fact that says everything by itself
HOLDERS_MIN = 3  # with fewer a row more is no gain

fact_common = Table(
    "fact_common",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("workspace_id", Id, nullable=False),
    Column("body", Words, nullable=False),
    Column("holders", Count, nullable=False),
)

Said = tuple[int, str | bytes]  # in a workspace, as JSON

_here = fact_common.c.workspace_id == bindparam("workspace_id")
_of_ids = Statement(select(fact_common.c.id, fact_common.c.body).where(_here, among(fact_common.c.id, "ids")))
_insert = BulkInsert(
    fact_common, ("workspace_id", "body", "holders"), returning=("id", "workspace_id", "body")
)
_let_go = Statement(
    update(fact_common)
    .where(_here, among(fact_common.c.id, "ids"))
    .values(holders=fact_common.c.holders - bindparam("by"))
)
_drop_unheld = Statement(
    delete(fact_common).where(_here, among(fact_common.c.id, "ids"), fact_common.c.holders <= 0)
)


async def keep(tx: Transaction, said: Iterable[Said]) -> dict[Said, int]:
    """Write down what at least `HOLDERS_MIN` facts of a workspace say alike; the number of each."""
    counted = Counter(said)
    texts = {one: (one[0], text_of(one[1])) for one in counted}
    holders: Counter[tuple[int, str]] = Counter()
    for one, count in counted.items():
        holders[texts[one]] += count
    rows = [(*text, count) for text, count in holders.items() if count >= HOLDERS_MIN]
    numbers = {(row[1], row[2]): row[0] for row in await tx.insert(_insert, rows)} if rows else {}
    return {one: numbers[text] for one, text in texts.items() if text in numbers}


async def of_ids(tx: Transaction, workspace_id: int, ids: Collection[int]) -> dict[int, str]:
    """What is said under these numbers; NOTHING is nothing. One that is gone has no facts any more either."""
    wanted = sorted({*ids} - {NOTHING})
    rows = await tx.rows(_of_ids, workspace_id=workspace_id, ids=wanted) if wanted else []
    return {NOTHING: "", **{row[0]: row[1] for row in rows}}


async def let_go(tx: Transaction, workspace_id: int, ids: Iterable[int]) -> None:
    """Facts that held to these are gone, or say everything by themselves now: a number for each of them."""
    left = Counter(ids)
    del left[NOTHING]
    for by in sorted(set(left.values())):
        some = sorted(one for one, count in left.items() if count == by)
        await tx.execute(_let_go, workspace_id=workspace_id, ids=some, by=by)
    if left:
        await tx.execute(_drop_unheld, workspace_id=workspace_id, ids=sorted(left))


def joined(own: str, common: str) -> str:
    """One JSON object of two that have no name in common."""
    if not common:
        return own
    return common if own == "{}" else f"{own[:-1]},{common[1:]}"


def text_of(body: str | bytes) -> str:
    """JSON as a column has it."""
    return body if isinstance(body, str) else body.decode()
