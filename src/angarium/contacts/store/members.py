"""What is told of members of an audience: where they are, and the address of each kind that is used first.

Of a million contacts a campaign needs this and no more. The index of addresses by contact has kind and value
in it; what else is known of an address is asked only for contacts with several of a kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import bindparam, func, select

from angarium.contacts.choice import first_of
from angarium.contacts.places import known_zone
from angarium.contacts.store import addresses_of
from angarium.contacts.store.tables import address, contact
from angarium.core.values import AddressKind
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Transaction


class Member(msgspec.Struct, frozen=True, gc=False):
    """A contact of an audience. `addresses`: the one of each kind that is written to."""

    contact_id: int
    locale: str
    time_zone: str
    country: str  # ISO 3166; empty when there is none to tell
    addresses: dict[str, str]  # by the value of an AddressKind


_here = contact.c.workspace_id == bindparam("workspace_id")
_time_zones = Statement(
    select(contact.c.id, contact.c.time_zone, contact.c.time_zone_is_guess).where(
        _here, among(contact.c.id, "ids")
    )
)
_count_of = Statement(select(func.count()).where(_here, among(contact.c.id, "ids")))
_places = Statement(
    select(contact.c.id, contact.c.locale, contact.c.time_zone, contact.c.country)
    .where(contact.c.workspace_id == bindparam("workspace_id"), among(contact.c.id, "ids"))
    .order_by(contact.c.id)
)
_addresses = Statement(
    select(address.c.contact_id, address.c.kind, address.c.value).where(
        address.c.workspace_id == bindparam("workspace_id"), among(address.c.contact_id, "ids")
    )
)


async def count_of(tx: Transaction, workspace_id: int, ids: Sequence[int]) -> int:
    """How many of these contacts, each named once, there are."""
    row = await tx.row(_count_of, workspace_id=workspace_id, ids=list(ids))
    return row[0] if row else 0


async def members(tx: Transaction, workspace_id: int, ids: Sequence[int]) -> list[Member]:
    """Those of these contacts that are there, in the order of their ids."""
    if not ids:
        return []
    reached: dict[int, dict[str, str]] = {contact_id: {} for contact_id in ids}
    several: dict[int, set[str]] = {}
    for contact_id, kind, value in await tx.rows(_addresses, workspace_id=workspace_id, ids=ids):
        own = reached[contact_id]
        if kind in own:
            several.setdefault(contact_id, set()).add(kind)
        own[kind] = value
    if several:
        for contact_id, there in (await addresses_of(tx, workspace_id, list(several))).items():
            for kind in several[contact_id]:
                first = first_of(there, AddressKind(kind))
                assert first is not None
                reached[contact_id][kind] = first.value
    rows = await tx.rows(_places, workspace_id=workspace_id, ids=ids)
    return [Member(row[0], row[1], row[2], row[3], reached[row[0]]) for row in rows]


async def time_zones(tx: Transaction, workspace_id: int, ids: Iterable[int]) -> dict[int, str]:
    """Where the contacts of these ids are; an empty text where nothing tells."""
    rows = await tx.rows(_time_zones, workspace_id=workspace_id, ids=list(ids))
    return {row[0]: known_zone(row[1], bool(row[2])) for row in rows}
