"""Create, change, import and delete contacts; find or make the recipients of messages."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from angarium.accounts import audit
from angarium.contacts import rules, store
from angarium.contacts.rules import BadAddress, ContactInput
from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.ids import IdMint
from angarium.core.problems import FieldProblem, Problem, all_invalid, not_found
from angarium.core.values import Address, AddressKind
from angarium.storage.database import Conflict, Transaction
from angarium.storage.ground import Ground

Key = tuple[str, str]  # what a contact is known by: kind, value


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is meant: exactly one of a contact's id, the caller's own id of it, or an address."""

    contact: str = ""
    external_id: str = ""
    phone: str = ""
    email: str = ""


async def get(ground: Ground, workspace_id: int, contact_id: int) -> Contact:
    """One contact; a Problem when there is none."""
    found = await ground.db.read(store.by_ids, workspace_id, [contact_id])
    if contact_id not in found:
        raise not_found("contact", ids.show("contact", contact_id))
    return found[contact_id]


async def page(ground: Ground, workspace_id: int, after: int, limit: int) -> list[Contact]:
    """Contacts in the order of their ids."""
    return await ground.db.read(store.page, workspace_id, after, limit)


async def delete(ground: Ground, workspace_id: int, contact_id: int, actor: str = audit.CLI) -> None:
    """Delete a contact and its addresses."""
    await ground.db.run(_delete, workspace_id, contact_id, actor, ground.clock.now())


async def _delete(tx: Transaction, workspace_id: int, contact_id: int, actor: str, now: int) -> None:
    subject = ids.show("contact", contact_id)
    if not await store.remove(tx, workspace_id, contact_id):
        raise not_found("contact", subject)
    await audit.note(tx, workspace_id, actor, "contact.deleted", subject, {}, now)


async def change(ground: Ground, workspace_id: int, contact_id: int, given: ContactInput) -> Contact:
    """A contact as it is described now."""
    addresses, wrong = rules.check(given)
    if wrong:
        raise all_invalid("The contact is not valid", wrong)
    now = ground.clock.now()
    try:
        return await ground.db.run(_changed, workspace_id, contact_id, given, addresses, now)
    except Conflict:
        raise _taken(given.external_id) from None


async def _changed(
    tx: Transaction,
    workspace_id: int,
    contact_id: int,
    given: ContactInput,
    addresses: tuple[Address, ...],
    now: int,
) -> Contact:
    before = (await store.by_ids(tx, workspace_id, [contact_id])).get(contact_id)
    if before is None:
        raise not_found("contact", ids.show("contact", contact_id))
    changed = _made(contact_id, given, addresses, before.created_at, now)
    await store.replace(tx, workspace_id, [changed])
    return changed


async def find(
    ground: Ground, workspace_id: int, *, external_id: str = "", phone: str = "", email: str = ""
) -> list[Contact]:
    """The contact with exactly these, as far as they are given; one or none."""
    return await ground.db.read(_find, workspace_id, external_id, phone, email)


async def _find(
    tx: Transaction, workspace_id: int, external_id: str, phone: str, email: str
) -> list[Contact]:
    found: list[set[int]] = []
    if external_id:
        found.append(set((await store.ids_by_external_id(tx, workspace_id, {external_id})).values()))
    for kind, text in ((AddressKind.PHONE, phone), (AddressKind.EMAIL, email)):
        if text:
            value = _clean(kind, text)
            found.append(set((await store.ids_by_address(tx, workspace_id, kind, {value})).values()))
    return list((await store.by_ids(tx, workspace_id, set.intersection(*found))).values())


def _clean(kind: AddressKind, text: str) -> str:
    try:
        return rules.clean_address(kind, text)
    except BadAddress as bad:
        raise all_invalid("The query is not valid", (bad.at(kind.value),)) from None


# ── create or change ─────────────────────────────────────────────────────────────────────────────────


async def upsert(ground: Ground, workspace_id: int, given: Sequence[ContactInput]) -> list[Contact | Problem]:
    """Create contacts, or change those that are there: see `put`."""
    return await ground.db.run(put, ground, workspace_id, given)


async def put(
    tx: Transaction, ground: Ground, workspace_id: int, given: Sequence[ContactInput]
) -> list[Contact | Problem]:
    """Create contacts, or change those that are there, within a transaction; a Problem for one that is wrong.

    A contact is known by its external_id, else by an address whose owner has no other external_id. An address
    of somebody else moves to whoever claims it last. A Conflict says that one of them was written just now:
    it is found when this is done again.
    """
    checked = [rules.check(one) for one in given]
    good = [(one, addresses) for one, (addresses, wrong) in zip(given, checked, strict=True) if not wrong]
    written = iter(await _put(tx, ground.ids, workspace_id, good, ground.clock.now()))
    return [
        all_invalid("The contact is not valid", wrong) if wrong else next(written) for _, wrong in checked
    ]


async def _put(
    tx: Transaction,
    mint: IdMint,
    workspace_id: int,
    given: list[tuple[ContactInput, tuple[Address, ...]]],
    now: int,
) -> list[Contact]:
    known = await _known(tx, workspace_id, given)
    contacts = await store.by_ids(tx, workspace_id, set(known.values()))
    order: list[int] = []
    for one, addresses in given:
        before = _known_as(one, addresses, known, contacts)
        contact_id = before.id if before else mint.mint()
        for address in addresses:
            _give_up(contacts, known.get((address.kind.value, address.value), 0), address)
        known.update(dict.fromkeys(_names(one, addresses), contact_id))
        made = _made(contact_id, one, addresses, before.created_at if before else now, now)
        if before and one.external_id is None:
            made = msgspec.structs.replace(made, external_id=before.external_id)
        contacts[contact_id] = made
        order.append(contact_id)
    await store.replace(tx, workspace_id, [contacts[contact_id] for contact_id in dict.fromkeys(order)])
    return [contacts[contact_id] for contact_id in order]


def _names(one: ContactInput, addresses: tuple[Address, ...]) -> list[Key]:
    """What a contact can be known by, surest first."""
    by_address = [(a.kind.value, a.value) for a in addresses]
    return [("external_id", one.external_id), *by_address] if one.external_id else by_address


def _known_as(
    one: ContactInput,
    addresses: tuple[Address, ...],
    known: dict[Key, int],
    contacts: dict[int, Contact],
) -> Contact | None:
    """The contact that is meant, if it is there: two external_ids are two people, also with one phone."""
    found = [contacts[known[name]] for name in _names(one, addresses) if name in known]
    return next(
        (other for other in found if None in (one.external_id, other.external_id) or _same(one, other)), None
    )


def _same(one: ContactInput, other: Contact) -> bool:
    return one.external_id == other.external_id


def _give_up(contacts: dict[int, Contact], owner_id: int, address: Address) -> None:
    """Take an address from its owner: one batch may not write it twice."""
    if owner_id in contacts:
        owner = contacts[owner_id]
        rest = tuple(a for a in owner.addresses if (a.kind, a.value) != (address.kind, address.value))
        contacts[owner_id] = msgspec.structs.replace(owner, addresses=rest)


async def _known(
    tx: Transaction, workspace_id: int, given: list[tuple[ContactInput, tuple[Address, ...]]]
) -> dict[tuple[str, str], int]:
    external = {one.external_id for one, _ in given if one.external_id}
    known = {
        ("external_id", name): contact_id
        for name, contact_id in (await store.ids_by_external_id(tx, workspace_id, external)).items()
    }
    for kind in AddressKind:
        values = {a.value for _, addresses in given for a in addresses if a.kind is kind}
        for value, contact_id in (await store.ids_by_address(tx, workspace_id, kind, values)).items():
            known[kind.value, value] = contact_id
    return known


async def resolve(
    tx: Transaction, mint: IdMint, workspace_id: int, recipients: Sequence[Recipient], now: int
) -> list[Contact | FieldProblem]:
    """The contact behind each recipient. An address that nobody owns yet makes a new contact, which is not
    written: `created_at == updated_at == now` and the caller inserts it if it is used."""
    keys = [_key(recipient) for recipient in recipients]
    by_id = {int(key[1]) for key in keys if not isinstance(key, FieldProblem) and key[0] == "contact"}
    found = {("contact", str(contact_id)): contact_id for contact_id in by_id}
    names = {key[1] for key in keys if not isinstance(key, FieldProblem) and key[0] == "external_id"}
    for name, contact_id in (await store.ids_by_external_id(tx, workspace_id, names)).items():
        found["external_id", name] = contact_id
    for kind in (AddressKind.PHONE, AddressKind.EMAIL):
        values = {key[1] for key in keys if not isinstance(key, FieldProblem) and key[0] == kind.value}
        for value, contact_id in (await store.ids_by_address(tx, workspace_id, kind, values)).items():
            found[kind.value, value] = contact_id
    contacts = await store.by_ids(tx, workspace_id, set(found.values()))
    _make_missing(mint, keys, found, contacts, now)
    return [key if isinstance(key, FieldProblem) else _resolved(key, found, contacts) for key in keys]


def _key(recipient: Recipient) -> Key | FieldProblem:
    """What a recipient is to be found by, cleaned."""
    given = [(name, value) for name, value in msgspec.structs.asdict(recipient).items() if value]
    if len(given) != 1:
        return FieldProblem(
            field="to",
            problem="names nobody" if not given else "names more than one thing",
            remedy="exactly one of contact, external_id, phone, email",
            value=", ".join(name for name, _ in given),
        )
    name, value = given[0]
    if name == "contact":
        try:
            return name, str(ids.read("contact", value))
        except ValueError as error:
            return FieldProblem(field="to.contact", problem=str(error), value=value)
    if name == "external_id":
        return name, value
    try:
        return name, rules.clean_address(AddressKind(name), value)
    except BadAddress as bad:
        return bad.at(f"to.{name}")


def _make_missing(
    mint: IdMint,
    keys: Sequence[Key | FieldProblem],
    found: dict[Key, int],
    contacts: dict[int, Contact],
    now: int,
) -> None:
    for key in keys:
        if isinstance(key, FieldProblem) or key in found or key[0] not in ("phone", "email"):
            continue
        address = Address(AddressKind(key[0]), key[1])
        new = _made(mint.mint(), ContactInput(), (address,), now, now)
        found[key], contacts[new.id] = new.id, new


def _resolved(key: Key, found: dict[Key, int], contacts: dict[int, Contact]) -> Contact | FieldProblem:
    contact = contacts.get(found.get(key, 0))
    if contact is not None:
        return contact
    shown = ids.show("contact", int(key[1])) if key[0] == "contact" else key[1]
    return FieldProblem(
        field=f"to.{key[0]}", problem="no such contact", remedy="create the contact first", value=shown
    )


def _made(
    contact_id: int, given: ContactInput, addresses: tuple[Address, ...], created_at: int, now: int
) -> Contact:
    return Contact(
        id=contact_id,
        external_id=given.external_id,
        name=given.name,
        locale=given.locale or rules.DEFAULT_LOCALE,
        time_zone=rules.zone_for(given.time_zone, addresses),
        fields=given.fields,
        tags=given.tags,
        opted_out=frozenset(given.opted_out),
        created_at=created_at,
        updated_at=now,
        addresses=addresses,
    )


def _taken(external_id: str | None) -> Problem:
    wrong = FieldProblem(
        field="external_id",
        problem="belongs to another contact",
        remedy="use another one",
        value=external_id or "",
    )
    return all_invalid("The contact is not valid", (wrong,))
