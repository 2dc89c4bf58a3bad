"""What segments look at: one narrow row for each contact, written wherever a contact is written.

To count a segment is to read these rows once, in the order of their ids: a rule more costs a comparison more,
and no rule needs an index of its own, so that writing a contact stays cheap. Rules of the file:

1. A field has a place, given out when it is first seen. The first PLACES of a workspace are columns of the
   row; what comes after them is in `contact_value`, a row each.
2. What stands in a column is what is compared: `contacts/comparable.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import repeat
from typing import Any

from sqlalchemy import (
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    bindparam,
    column,
    delete,
    exists,
    literal_column,
    select,
    table,
)

from angarium.contacts.activity import EVENTS
from angarium.contacts.comparable import PLACES, Indexed, address_told, compared, encoded, listed
from angarium.contacts.consent import Choices
from angarium.contacts.newcomers import Newcomers
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Blob, Count, Id, Instant, Words, metadata

PLACES_MAX = 1_000  # fields of a workspace that can be asked for at all

contact_index = Table(
    "contact_index",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("external_id", Words),
    Column("name", Words),
    Column("locale", Words),
    Column("time_zone", Words, nullable=False),
    Column("country", Words),
    Column("tags", Words, nullable=False),
    Column("opted_out", Words, nullable=False),
    Column("opted_in", Words, nullable=False),
    Column("addresses", Words, nullable=False),
    *(Column(f"value_{place}", Words) for place in range(PLACES)),
    *(Column(event.value, Blob) for event in EVENTS),  # by class; written in store/activity.py
    PrimaryKeyConstraint("workspace_id", "contact_id"),
    sqlite_with_rowid=False,
)

contact_place = Table(
    "contact_place",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("place", Count, nullable=False),
    PrimaryKeyConstraint("workspace_id", "name"),
    Index("contact_place_number", "workspace_id", "place", unique=True),
    sqlite_with_rowid=False,
)

contact_value = Table(
    "contact_value",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("place", Count, nullable=False),
    Column("value", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "contact_id", "place"),
    sqlite_with_rowid=False,
)


KEY = ("workspace_id", "contact_id")
FIXED = (
    *KEY,
    *("created_at", "updated_at", "external_id", "name", "locale", "time_zone", "country"),
    *("tags", "opted_out", "opted_in", "addresses"),
)
CHOSEN = ("opted_out", "opted_in")  # written once, and from then on by `choose`: a STOP may come in between
WIDTHS = (0, 4, 8, 16, PLACES)  # of places written at once: a workspace with few fields pays for few

_place_here = contact_place.c.workspace_id == bindparam("workspace_id")
_places = Statement(select(contact_place.c.name, contact_place.c.place).where(_place_here))
_give = BulkInsert(contact_place, ("workspace_id", "name", "place"))
_insert_values = BulkInsert(contact_value, ("workspace_id", "contact_id", "place", "value"))
_drop_values = Statement(
    delete(contact_value).where(
        contact_value.c.workspace_id == bindparam("workspace_id"), among(contact_value.c.contact_id, "ids")
    )
)
# Of the room's own store, which reads this module.
_contact = table("contact", column("workspace_id", Id), column("id", Id))
_gone = Statement(
    select(contact_index.c.contact_id).where(
        contact_index.c.workspace_id == bindparam("workspace_id"),
        contact_index.c.contact_id > bindparam("after"),
        contact_index.c.contact_id <= bindparam("until"),
        ~exists(
            select(literal_column("1")).where(
                _contact.c.workspace_id == bindparam("workspace_id"),
                _contact.c.id == contact_index.c.contact_id,
            )
        ),
    )
)
_drop = Statement(
    delete(contact_index).where(
        contact_index.c.workspace_id == bindparam("workspace_id"), among(contact_index.c.contact_id, "ids")
    )
)


_choose = BulkUpdate(contact_index, match=KEY, set=CHOSEN)
_existing = Statement(
    select(contact_index.c.contact_id).where(
        contact_index.c.workspace_id == bindparam("workspace_id"), among(contact_index.c.contact_id, "ids")
    )
)


@cache
def _writer(width: int, *, new: bool = False) -> BulkInsert:
    columns = (*FIXED, *(f"value_{place}" for place in range(width)))
    if new:
        return BulkInsert(contact_index, columns)
    changed = tuple(name for name in columns[2:] if name not in CHOSEN)
    return BulkInsert(contact_index, columns, conflict=KEY, update=changed)


async def write(tx: Transaction, workspace_id: int, contacts: Sequence[Indexed], *, new: bool) -> None:
    """Write what is looked at of these contacts, as they are now; each of them comes once.

    `new`: none of them has a row yet.
    """
    if not contacts:
        return
    names = {name for one in contacts for name in one.fields}
    known = await _places_for(tx, workspace_id, names) if names or not new else {}
    width = _width(known)
    await tx.insert(_writer(width), [_row(workspace_id, one, known, width) for one in contacts])
    if len(known) > PLACES:
        await tx.execute(_drop_values, workspace_id=workspace_id, ids=[one.id for one in contacts])
        await tx.insert(_insert_values, list(_further(workspace_id, contacts, known)))


async def welcome(
    tx: Transaction, workspace_id: int, contact_ids: Sequence[int], new: Newcomers, now: int
) -> None:
    """Write what is looked at of newcomers, to whom these ids were given."""
    known = await _places_for(tx, workspace_id, new.values.keys()) if new.values else {}
    width = _width(known)
    values: list[Iterable[str | None]] = [repeat(None)] * width
    for name, cells in new.values.items():
        if (place := known.get(name, PLACES_MAX)) < width:
            values[place] = cells
    here, when, nothing = repeat(workspace_id), repeat(now), repeat("")
    columns = (here, contact_ids, when, when, *new.compared, nothing, nothing, new.told, *values)
    await tx.insert(_writer(width, new=True), list(zip(*columns, strict=False)))
    further = [
        (workspace_id, contact_id, place, cell)
        for name, cells in new.values.items()
        if PLACES <= (place := known.get(name, PLACES_MAX)) < PLACES_MAX
        for contact_id, cell in zip(contact_ids, cells, strict=True)
        if cell is not None
    ]
    await tx.insert(_insert_values, further)


async def choose(tx: Transaction, workspace_id: int, chosen: Mapping[int, Choices]) -> None:
    """Write what contacts have refused and agreed to."""
    rows = [
        (workspace_id, contact_id, listed(one.withdrawn), listed(one.granted))
        for contact_id, one in sorted(chosen.items())
    ]
    await tx.update(_choose, rows)


async def remove(tx: Transaction, workspace_id: int, contact_ids: Sequence[int]) -> None:
    """Forget contacts."""
    await tx.execute(_drop, workspace_id=workspace_id, ids=contact_ids)
    await tx.execute(_drop_values, workspace_id=workspace_id, ids=contact_ids)


async def sweep(tx: Transaction, workspace_id: int, after: int, until: int) -> None:
    """Forget those between two ids of whom there is no contact any more."""
    asked = {"workspace_id": workspace_id, "after": after, "until": until}
    gone = [row[0] for row in await tx.rows(_gone, **asked)]
    if gone:
        await remove(tx, workspace_id, gone)


async def existing(tx: Transaction, workspace_id: int, contact_ids: Collection[int]) -> set[int]:
    """Those of these contacts that are there."""
    rows = await tx.rows(_existing, workspace_id=workspace_id, ids=sorted(contact_ids))
    return {row[0] for row in rows}


async def places(tx: Transaction, workspace_id: int) -> dict[str, int]:
    """The place of each field that any contact of a workspace has had."""
    return {row[0]: row[1] for row in await tx.rows(_places, workspace_id=workspace_id)}


async def _places_for(tx: Transaction, workspace_id: int, names: Collection[str]) -> dict[str, int]:
    """The places of a workspace, with one for each of these names as far as there is room."""
    known = await places(tx, workspace_id)
    if known.keys() >= set(names) or len(known) >= PLACES_MAX:
        return known
    await tx.hold(workspace_id)  # two that meet the same new field give it one place
    known = await places(tx, workspace_id)
    missing = sorted(set(names) - known.keys())[: PLACES_MAX - len(known)]
    given = {name: place for place, name in enumerate(missing, start=len(known))}
    await tx.insert(_give, [(workspace_id, name, place) for name, place in given.items()])
    return known | given


def _width(known: Mapping[str, int]) -> int:
    return next(width for width in WIDTHS if width >= min(len(known), PLACES))


def _row(workspace_id: int, one: Indexed, known: Mapping[str, int], width: int) -> tuple[Any, ...]:
    values: list[str | None] = [None] * width
    for name, value in one.fields.items():
        place = known.get(name, PLACES_MAX)
        if place < width:
            values[place] = encoded(value)
    return (
        workspace_id,
        one.id,
        one.created_at,
        one.updated_at,
        *compared(one.external_id, one.name, one.locale, one.time_zone, one.country, one.tags),
        listed(one.opted_out),
        listed(one.opted_in),
        "".join([address_told(address) for address in one.addresses]),
        *values,
    )


def _further(
    workspace_id: int, contacts: Sequence[Indexed], known: Mapping[str, int]
) -> Iterator[tuple[int, int, int, str]]:
    """Rows for what stands in fields beyond the columns."""
    for one in contacts:
        for name, value in one.fields.items():
            place = known.get(name, PLACES_MAX)
            text = encoded(value) if PLACES <= place < PLACES_MAX else None
            if text is not None:
                yield workspace_id, one.id, place, text
