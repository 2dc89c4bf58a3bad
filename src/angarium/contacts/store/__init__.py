"""Tables of contacts and their addresses, one function per query.

The opt-out classes stand on the contact, the operator's blacklist flag on the phone number: what the hot path
asks for each recipient is answered by two queries for a thousand of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, column, delete, exists, literal_column, select, table

from angarium.contacts.choice import first_of
from angarium.contacts.likeness import BEGINS
from angarium.contacts.newcomers import contact_cells
from angarium.contacts.places import known_zone
from angarium.contacts.store import activity, index, reachability
from angarium.contacts.store import external_ids as whose
from angarium.contacts.store.tables import LISTED, address, contact
from angarium.core.values import Address, AddressKind, Json, Standing
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Row, Transaction


class Contact(msgspec.Struct, frozen=True, gc=False):  # what it holds is JSON: no cycle
    """A customer with all addresses."""

    id: int
    external_id: str | None
    name: str
    locale: str
    time_zone: str
    fields: Json
    tags: tuple[str, ...]
    opted_out: frozenset[str]
    created_at: int
    updated_at: int
    addresses: tuple[Address, ...] = ()
    locale_is_guess: bool = False
    time_zone_is_guess: bool = False
    country: str = ""
    opted_in: frozenset[str] = frozenset()

    def address(self, kind: AddressKind, named: str = "") -> Address | None:
        """The address of a kind to write to: the one that was named ("kind:value"), if one of this kind was
        and it is still here; else the one that is used first."""
        named_kind, _, value = named.partition(":")
        if named_kind != kind:
            return first_of(self.addresses, kind)
        for one in self.addresses:
            if one.kind is kind and one.value == value:
                return one
        return None

    @property
    def known_zone(self) -> str:
        """Its time zone; empty where nothing tells it."""
        return known_zone(self.time_zone, self.time_zone_is_guess)

    def standing(self) -> Standing:
        """What is known against telling this contact something."""
        listed = any(a.operator_blacklist for a in self.addresses)
        return Standing(self.opted_out, listed, self.known_zone, self.country, self.opted_in)


CONTACT_COLUMNS = (
    "workspace_id",
    "id",
    "external_id",
    "name",
    "sought",
    "begins",
    "middle_begins",
    "last_begins",
    "locale",
    "time_zone",
    "locale_is_guess",
    "time_zone_is_guess",
    "country",
    "fields",
    "tags",
    "opted_out",
    "opted_in",
    "created_at",
    "updated_at",
)
ADDRESS_COLUMNS = (
    "workspace_id",
    "kind",
    "value",
    "contact_id",
    "operator_blacklist",
    "preferred",
    "verified_at",
    "verified_how",
    "place",
    "created_at",
)
NOTHING: frozenset[str] = frozenset()
KINDS = {one.value: one for one in AddressKind}  # quicker than to call it
SOUGHT = ("sought", "begins", "middle_begins", "last_begins")  # what is made of the name
_shown = [contact.c[name] for name in CONTACT_COLUMNS[1:] if name not in SOUGHT]
_here = contact.c.workspace_id == bindparam("workspace_id")

insert_contacts = BulkInsert(contact, CONTACT_COLUMNS)
replace_contacts = BulkInsert(
    contact,
    CONTACT_COLUMNS,
    conflict=("workspace_id", "id"),
    # not what the person agreed to and refused: whoever read it before a STOP came would write over it
    update=(*CONTACT_COLUMNS[2:-4], "updated_at"),
)
insert_addresses = BulkInsert(
    address,
    ADDRESS_COLUMNS,
    conflict=("workspace_id", "kind", "value"),
    update=ADDRESS_COLUMNS[3:],
)
_by_ids = Statement(select(*_shown).where(_here, among(contact.c.id, "ids")))
_by_names = Statement(
    select(contact.c.sought, contact.c.id)
    .where(_here, among(contact.c.begins, "begins"), among(contact.c.sought, "names"), contact.c.sought != "")
    .order_by(contact.c.sought, contact.c.id)
    .limit(bindparam("limit"))
)
# An address may be reserved for somebody who is to come (store/newcomers.py): it is nobody's yet.
_is_somebodys = exists().where(_here, contact.c.id == address.c.contact_id)
_by_addresses = Statement(
    select(address.c.value, address.c.contact_id).where(
        address.c.workspace_id == bindparam("workspace_id"),
        address.c.kind == bindparam("kind"),
        among(address.c.value, "values"),
        _is_somebodys,
    )
)
_addresses_of = Statement(
    select(
        address.c.contact_id,
        address.c.kind,
        address.c.value,
        address.c.operator_blacklist,
        address.c.preferred,
        address.c.verified_at,
        address.c.verified_how,
        address.c.created_at,
    )
    .where(address.c.workspace_id == bindparam("workspace_id"), among(address.c.contact_id, "contact_ids"))
    .order_by(address.c.place, address.c.created_at, address.c.value)
)
_by_any_address = Statement(
    select(address.c.kind, address.c.value, address.c.contact_id).where(
        address.c.workspace_id == bindparam("workspace_id"),
        among(address.c.kind, "kinds"),
        among(address.c.value, "values"),
        _is_somebodys,
    )
)
_page = Statement(
    select(*_shown)
    .where(_here, contact.c.id > bindparam("after"))
    .order_by(contact.c.id)
    .limit(bindparam("limit"))
)
_one_of = Statement(
    select(address.c.kind)
    .where(address.c.workspace_id == bindparam("workspace_id"), address.c.kind == bindparam("kind"))
    .limit(1)
)
_ids_after = Statement(
    select(contact.c.id)
    .where(_here, contact.c.id > bindparam("after"))
    .order_by(contact.c.id)
    .limit(bindparam("limit"))
)
# Whether the workspace has a suppression list: asked with what is asked anyway, once a batch.
_list = table("suppression", column("workspace_id"))
_has_list = (
    select(literal_column("1"))
    .select_from(_list)
    .where(_list.c.workspace_id == bindparam("workspace_id"))
    .limit(1)
    .scalar_subquery()
)
_standings = Statement(
    select(
        contact.c.id,
        contact.c.opted_out,
        contact.c.time_zone,
        contact.c.country,
        contact.c.opted_in,
        _has_list,
        contact.c.time_zone_is_guess,
    ).where(_here, among(contact.c.id, "ids"))
)
_of_these = (
    address.c.workspace_id == bindparam("workspace_id"),
    among(address.c.contact_id, "contact_ids"),
)
_blacklisted = Statement(select(address.c.contact_id).where(*_of_these, LISTED))
_drop_addresses = Statement(delete(address).where(*_of_these))
_drop_contacts = Statement(delete(contact).where(_here, among(contact.c.id, "ids")))


async def by_ids(tx: Transaction, workspace_id: int, ids: Iterable[int]) -> dict[int, Contact]:
    """The contacts of these ids that exist, with their addresses."""
    wanted = list(ids)
    if not wanted:
        return {}
    rows = await tx.rows(_by_ids, workspace_id=workspace_id, ids=wanted)
    return {found.id: found for found in await _with_addresses(tx, workspace_id, rows)}


async def ids_after(tx: Transaction, workspace_id: int, after: int, limit: int) -> list[int]:
    """The ids of the next contacts, in their order."""
    rows = await tx.rows(_ids_after, workspace_id=workspace_id, after=after, limit=limit)
    return [row[0] for row in rows]


async def kinds(tx: Transaction, workspace_id: int) -> set[str]:
    """The kinds of address that anybody has: one is looked for of each kind, and no more."""
    found = [await tx.row(_one_of, workspace_id=workspace_id, kind=kind.value) for kind in AddressKind]
    return {row[0] for row in found if row is not None}


async def ids_by_external_id(
    tx: Transaction, workspace_id: int, external_ids: Iterable[str]
) -> dict[str, int]:
    """Contact ids by the caller's own ids."""
    wanted = list(external_ids)
    return await whose.somebodys(tx, workspace_id, wanted) if wanted else {}


async def ids_by_address(
    tx: Transaction, workspace_id: int, kind: AddressKind, values: Iterable[str]
) -> dict[str, int]:
    """Contact ids by an address of one kind."""
    wanted = list(values)
    if not wanted:
        return {}
    rows = await tx.rows(_by_addresses, workspace_id=workspace_id, kind=kind.value, values=wanted)
    return {row[0]: row[1] for row in rows}


async def ids_by_addresses(
    tx: Transaction, workspace_id: int, addresses: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """Contact ids by addresses of any kinds, each as kind and value; one query."""
    wanted = set(addresses)
    if not wanted:
        return {}
    kinds, values = {kind for kind, _ in wanted}, {value for _, value in wanted}
    rows = await tx.rows(_by_any_address, workspace_id=workspace_id, kinds=kinds, values=values)
    return {(row[0], row[1]): row[2] for row in rows if (row[0], row[1]) in wanted}


async def ids_by_name(
    tx: Transaction, workspace_id: int, names: Iterable[str], limit: int = 10_000
) -> list[tuple[str, int]]:
    """Names as they are looked for, each with the id of a contact of that name."""
    wanted = list(names)
    begins = {name[:BEGINS] for name in wanted}
    rows = await tx.rows(_by_names, workspace_id=workspace_id, begins=begins, names=wanted, limit=limit)
    return [(row[0], row[1]) for row in rows]


async def standings(tx: Transaction, workspace_id: int, ids: Iterable[int]) -> dict[int, Standing]:
    """What is known against telling these contacts something; asked at the last moment before sending."""
    wanted = list(set(ids))
    rows = await tx.rows(_standings, workspace_id=workspace_id, ids=wanted)
    named = await tx.rows(_blacklisted, workspace_id=workspace_id, contact_ids=wanted)
    blacklisted = {row[0] for row in named}
    return {
        row[0]: Standing(
            _scopes(row[1]),
            row[0] in blacklisted,
            known_zone(row[2], bool(row[6])),
            row[3],
            _scopes(row[4]),
            row[5] is not None,
        )
        for row in rows
    }


async def page(tx: Transaction, workspace_id: int, after: int, limit: int) -> list[Contact]:
    """Contacts in the order of their ids, after one of them."""
    rows = await tx.rows(_page, workspace_id=workspace_id, after=after, limit=limit)
    return await _with_addresses(tx, workspace_id, rows)


async def insert(tx: Transaction, workspace_id: int, contacts: Sequence[Contact]) -> None:
    """Write new contacts and their addresses; Conflict when one of their external ids is somebody's."""
    named = [(one.external_id, one.id) for one in contacts if one.external_id]
    await whose.give(tx, workspace_id, named)
    await tx.insert(insert_contacts, [_contact_row(workspace_id, one) for one in contacts])
    await tx.insert(insert_addresses, _address_rows(workspace_id, contacts))
    await index.write(tx, workspace_id, contacts, new=True)


async def replace(tx: Transaction, workspace_id: int, contacts: Sequence[Contact]) -> None:
    """Write contacts as they are now, addresses and all; an address moves to the contact that claims it.

    What a contact agreed to and refused changes by `contacts/consent_ledger.py` alone.
    """
    await whose.change(tx, workspace_id, {one.id: one.external_id for one in contacts})
    losers = await _losers(tx, workspace_id, contacts)
    await tx.insert(replace_contacts, [_contact_row(workspace_id, one) for one in contacts])
    await tx.execute(_drop_addresses, workspace_id=workspace_id, contact_ids=[one.id for one in contacts])
    await tx.insert(insert_addresses, _address_rows(workspace_id, contacts))
    await index.write(tx, workspace_id, contacts, new=False)
    await look_again(tx, workspace_id, losers)
    await reachability.forget_strangers(tx, workspace_id, {one.id for one in contacts} | losers)


async def look_again(tx: Transaction, workspace_id: int, ids: Iterable[int]) -> None:
    """Write anew what segments look at of contacts whose addresses were written by other means."""
    known = await by_ids(tx, workspace_id, ids)
    await index.write(tx, workspace_id, list(known.values()), new=False)


async def _losers(tx: Transaction, workspace_id: int, contacts: Sequence[Contact]) -> set[int]:
    """Those who are not written, and have an address that one of these contacts claims."""
    claimed = [(a.kind.value, a.value) for one in contacts for a in one.addresses]
    owners = await ids_by_addresses(tx, workspace_id, claimed)
    return set(owners.values()) - {one.id for one in contacts}


async def remove(tx: Transaction, workspace_id: int, contact_id: int) -> bool:
    """Delete a contact and all that is kept for it; False when there was none."""
    return await remove_all(tx, workspace_id, [contact_id]) > 0


async def remove_all(tx: Transaction, workspace_id: int, contact_ids: Sequence[int]) -> int:
    """Delete contacts and all that is kept for them; how many there were."""
    gone = list(contact_ids)
    await whose.change(tx, workspace_id, dict.fromkeys(gone))
    await tx.execute(_drop_addresses, workspace_id=workspace_id, contact_ids=gone)
    await index.remove(tx, workspace_id, gone)
    await activity.forget(tx, workspace_id, gone)
    await reachability.forget(tx, workspace_id, gone)
    return await tx.execute(_drop_contacts, workspace_id=workspace_id, ids=gone)


async def _with_addresses(tx: Transaction, workspace_id: int, rows: Sequence[Row]) -> list[Contact]:
    if not rows:
        return []
    found = await addresses_of(tx, workspace_id, [row[0] for row in rows])
    return [_read(row, found[row[0]]) for row in rows]


async def addresses_of(
    tx: Transaction, workspace_id: int, contact_ids: Sequence[int]
) -> dict[int, list[Address]]:
    """The addresses of each of these contacts, in the order in which they were given."""
    found: dict[int, list[Address]] = {contact_id: [] for contact_id in contact_ids}
    for row in await tx.rows(_addresses_of, workspace_id=workspace_id, contact_ids=contact_ids):
        found[row[0]].append(Address(KINDS[row[1]], row[2], bool(row[3]), bool(row[4]), *row[5:]))
    return found


def _read(row: Row, addresses: list[Address]) -> Contact:
    return Contact(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        msgspec.json.decode(row[8]),
        () if row[9] == "[]" else tuple(msgspec.json.decode(row[9])),
        _scopes(row[10]),
        row[12],
        row[13],
        tuple(addresses),
        bool(row[5]),
        bool(row[6]),
        row[7],
        _scopes(row[11]),
    )


def _scopes(text: str) -> frozenset[str]:
    return NOTHING if text == "[]" else frozenset(msgspec.json.decode(text))


_encode = msgspec.json.Encoder().encode


def _text(value: Any) -> str:
    return _encode(value).decode()


def _contact_row(workspace_id: int, one: Contact) -> tuple[Any, ...]:
    return (
        workspace_id,
        one.id,
        *contact_cells(
            one.external_id,
            one.name,
            one.locale,
            one.time_zone,
            int(one.locale_is_guess),
            int(one.time_zone_is_guess),
            one.country,
            one.fields,
            one.tags,
        ),
        _text(sorted(one.opted_out)) if one.opted_out else "[]",
        _text(sorted(one.opted_in)) if one.opted_in else "[]",
        one.created_at,
        one.updated_at,
    )


def _address_rows(workspace_id: int, contacts: Sequence[Contact]) -> list[tuple[Any, ...]]:
    return [
        (
            workspace_id,
            str(a.kind),
            a.value,
            one.id,
            int(a.operator_blacklist),
            int(a.preferred),
            a.verified_at,
            a.verified_how,
            place,
            a.added_at or one.updated_at,
        )
        for one in contacts
        for place, a in enumerate(one.addresses)
    ]
