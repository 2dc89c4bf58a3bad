"""Create, change, import and delete contacts; find or make the recipients of messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from angarium.accounts import audit
from angarium.contacts import consent_ledger, fields, rules, store, suppression_list
from angarium.contacts.choice import carried
from angarium.contacts.fields import FieldDefinition
from angarium.contacts.likeness import as_sought
from angarium.contacts.named import named
from angarium.contacts.places import place
from angarium.contacts.rules import BadAddress, ContactInput
from angarium.contacts.store import Contact, listing, merges
from angarium.contacts.store.listing import Wanted
from angarium.core import ids
from angarium.core.ids import IdMint
from angarium.core.problems import FieldProblem, Problem, all_invalid, not_found
from angarium.core.values import Address, AddressKind
from angarium.storage.database import Conflict, Transaction
from angarium.storage.ground import Ground

Key = tuple[str, str]  # what a contact is known by: one of NAMES, or a kind of address; and the value
NAMES = ("contact", "external_id")
ANY = Wanted()


class AddressGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An address of any kind."""

    kind: AddressKind
    value: str


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is meant: exactly one of a contact's id, the caller's own id of it, or an address."""

    contact: str = ""
    external_id: str = ""
    phone: str = ""
    email: str = ""
    address: AddressGiven | None = None


async def get(ground: Ground, workspace_id: int, contact_id: int) -> Contact:
    """One contact; the one that stayed, when it was merged. A Problem when there is none."""
    found = await ground.db.read(merges.found, workspace_id, [contact_id])
    if contact_id not in found:
        raise not_found("contact", ids.show("contact", contact_id))
    return found[contact_id]


async def page(
    ground: Ground, workspace_id: int, after: int, limit: int, wanted: Wanted = ANY, search: str = ""
) -> list[Contact]:
    """Contacts that fit, in the order of their ids; `search` is how a name, or one of its last two words,
    begins, or a whole external_id or address; a phone also as it is dialled at home."""
    return await ground.db.read(_page, workspace_id, after, limit, wanted, search)


async def _page(
    tx: Transaction, workspace_id: int, after: int, limit: int, wanted: Wanted, search: str
) -> list[Contact]:
    if search:
        exactly = await named(tx, workspace_id, search)
        if exactly:
            found = await store.by_ids(tx, workspace_id, exactly)
            return [found[one] for one in sorted(found) if one > after]
        wanted = msgspec.structs.replace(wanted, name=as_sought(search))
    if wanted == ANY:
        return [] if search else await store.page(tx, workspace_id, after, limit)
    ids_ = await listing.ids(tx, workspace_id, wanted, after, limit)
    there = await store.by_ids(tx, workspace_id, ids_)
    return [there[one] for one in ids_]


async def newest(
    tx: Transaction, workspace_id: int, before: int, limit: int, wanted: Wanted, search: str = ""
) -> list[int]:
    """The ids of contacts that fit, the newest first, below one of them; `search` as for `page`."""
    if search:
        exactly = await named(tx, workspace_id, search)
        if exactly:
            return sorted((one for one in exactly if one < before), reverse=True)
        wanted = msgspec.structs.replace(wanted, name=as_sought(search))
        if not wanted.name:
            return []
    return await listing.ids(tx, workspace_id, wanted, before, limit, newest=True)


async def delete(ground: Ground, workspace_id: int, contact_id: int, actor: str = audit.CLI) -> None:
    """Delete a contact and its addresses."""
    await ground.db.run(_delete, ground, workspace_id, contact_id, actor)


async def _delete(tx: Transaction, ground: Ground, workspace_id: int, contact_id: int, actor: str) -> None:
    subject, now = ids.show("contact", contact_id), ground.clock.now()
    found = (await store.by_ids(tx, workspace_id, [contact_id])).get(contact_id)
    if found is None or not await store.remove(tx, workspace_id, contact_id):
        raise await _gone(tx, workspace_id, contact_id)
    await consent_ledger.outlive(tx, ground, workspace_id, found)
    await audit.note(tx, workspace_id, actor, "contact.deleted", subject, {}, now)


async def change(
    ground: Ground, workspace_id: int, contact_id: int, given: ContactInput, actor: str = audit.CLI
) -> Contact:
    """A contact as it is described now."""
    try:
        return await ground.db.run(_changed, ground, workspace_id, contact_id, given, actor)
    except Conflict:
        raise _taken(given.external_id) from None


async def _changed(
    tx: Transaction, ground: Ground, workspace_id: int, contact_id: int, given: ContactInput, actor: str
) -> Contact:
    now = ground.clock.now()
    one, addresses, wrong = _checked(given, await fields.definitions(tx, workspace_id))
    if wrong:
        raise all_invalid("The contact is not valid", wrong)
    known = await store.ids_by_addresses(tx, workspace_id, [(a.kind.value, a.value) for a in addresses])
    contacts = await store.by_ids(tx, workspace_id, {contact_id, *known.values()})
    before = contacts.get(contact_id)
    if before is None:
        raise await _gone(tx, workspace_id, contact_id)
    losers = _give_up(contacts, known, addresses, contact_id, now)
    changed = _made(contact_id, one, addresses, before, now)
    (changed,) = await suppression_list.flagged(tx, ground, workspace_id, [changed], actor)
    await store.replace(tx, workspace_id, [changed, *(contacts[loser] for loser in losers)])
    (changed,) = await _refused(tx, ground, workspace_id, [(one, changed)], actor, now)
    return changed


async def _gone(tx: Transaction, workspace_id: int, contact_id: int) -> Problem:
    """Why a contact cannot be written: it is not there, or has become part of another one."""
    over = await merges.survivors(tx, workspace_id, [contact_id])
    shown = ids.show("contact", contact_id)
    if contact_id not in over:
        return not_found("contact", shown)
    detail = (
        f"{shown} is part of {ids.show('contact', over[contact_id])} now: change that one, or undo the merge."
    )
    return Problem("contact-merged", "The contact was merged into another one", status=409, detail=detail)


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
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    given: Sequence[ContactInput],
    actor: str = audit.CLI,
) -> list[Contact | Problem]:
    """Create contacts, or change those that are there, within a transaction; a Problem for one that is wrong.

    A contact is known by its external_id, else by an address whose owner has no other external_id. An address
    of somebody else moves to whoever claims it last. A Conflict says that one of them was written just now:
    it is found when this is done again.
    """
    defined = await fields.definitions(tx, workspace_id)
    checked = [_checked(one, defined) for one in given]
    good = [(one, addresses) for one, addresses, wrong in checked if not wrong]
    written = iter(await _put(tx, ground, workspace_id, good, actor))
    return [
        all_invalid("The contact is not valid", wrong) if wrong else next(written) for *_, wrong in checked
    ]


def _checked(
    given: ContactInput, defined: Mapping[str, FieldDefinition]
) -> tuple[ContactInput, tuple[Address, ...], tuple[FieldProblem, ...]]:
    """A description with its addresses and fields in the form in which they are kept; and what is wrong."""
    addresses, wrong = rules.check(given)
    kept, misfits = fields.clean_all(defined, given.fields)
    one = given if kept is given.fields else msgspec.structs.replace(given, fields=kept)
    return one, addresses, (*wrong, *misfits)


async def _put(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    given: list[tuple[ContactInput, tuple[Address, ...]]],
    actor: str,
) -> list[Contact]:
    now = ground.clock.now()
    known = await _known(tx, workspace_id, given)
    contacts = await store.by_ids(tx, workspace_id, set(known.values()))
    order: list[int] = []
    losers: set[int] = set()
    for described, its_addresses in given:
        one, addresses = _under_old_name(described, its_addresses, known, contacts)
        before = _known_as(one, addresses, known, contacts)
        contact_id = before.id if before else ground.ids.mint()
        losers |= _give_up(contacts, known, addresses, contact_id, now)
        known.update(dict.fromkeys(_names(one, addresses), contact_id))
        made = _made(contact_id, one, addresses, before, now)
        if before and one.external_id is None:
            made = msgspec.structs.replace(made, external_id=before.external_id)
        contacts[contact_id] = made
        order.append(contact_id)
    written = [contacts[contact_id] for contact_id in dict.fromkeys([*order, *sorted(losers)])]
    written = await suppression_list.flagged(tx, ground, workspace_id, written, actor)
    await store.replace(tx, workspace_id, written)
    contacts |= {contact.id: contact for contact in written}
    said = [(one, contacts[contact_id]) for (one, _), contact_id in zip(given, order, strict=True)]
    return await _refused(tx, ground, workspace_id, said, actor, now)


async def _refused(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    said: Sequence[tuple[ContactInput, Contact]],
    actor: str,
    now: int,
) -> list[Contact]:
    """Write down what contacts refuse now, of those of whom it was said; all of them as they are then."""
    wanted = {contact.id: one.opted_out for one, contact in said if one.opted_out is not None}
    chosen = await consent_ledger.replace(tx, ground, workspace_id, wanted, actor, now) if wanted else {}
    return [
        msgspec.structs.replace(
            contact, opted_out=chosen[contact.id].withdrawn, opted_in=chosen[contact.id].granted
        )
        if contact.id in chosen
        else contact
        for _, contact in said
    ]


def _names(one: ContactInput, addresses: tuple[Address, ...]) -> list[Key]:
    """What a contact can be known by, surest first."""
    by_address = [(a.kind.value, a.value) for a in addresses]
    return [("external_id", one.external_id), *by_address] if one.external_id else by_address


def _under_old_name(
    one: ContactInput,
    addresses: tuple[Address, ...],
    known: dict[Key, int],
    contacts: Mapping[int, Contact],
) -> tuple[ContactInput, tuple[Address, ...]]:
    """What is sent under the external_id of a contact that was merged is added to the one that stayed: its
    sender does not know of the rest."""
    owner = contacts.get(known.get(("external_id", one.external_id or ""), 0))
    if owner is None or owner.external_id == one.external_id:
        return one, addresses
    keys = {(a.kind, a.value) for a in addresses}
    rest = [a for a in owner.addresses if (a.kind, a.value) not in keys]
    onto = msgspec.structs.replace(
        one,
        external_id=owner.external_id or one.external_id,
        name=one.name or owner.name,
        locale=one.locale or ("" if owner.locale_is_guess else owner.locale),
        time_zone=one.time_zone or ("" if owner.time_zone_is_guess else owner.time_zone),
        fields={**owner.fields, **one.fields},
        tags=tuple(dict.fromkeys((*owner.tags, *one.tags))),
        opted_out=None if one.opted_out is None else tuple(sorted(owner.opted_out | set(one.opted_out))),
    )
    known["external_id", onto.external_id or ""] = owner.id
    return onto, (*rest, *addresses)


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


def _give_up(
    contacts: dict[int, Contact],
    known: Mapping[Key, int],
    addresses: tuple[Address, ...],
    taker_id: int,
    now: int,
) -> set[int]:
    """Take addresses from their owners, as one batch may not write them twice; who they were."""
    taken: dict[int, set[Key]] = defaultdict(set)
    for address in addresses:
        key = (address.kind.value, address.value)
        owner_id = known.get(key, taker_id)
        if owner_id != taker_id and owner_id in contacts:
            taken[owner_id].add(key)
    losers = set()
    for owner_id, keys in taken.items():
        owner = contacts[owner_id]
        rest = tuple([a for a in owner.addresses if (a.kind.value, a.value) not in keys])
        if len(rest) < len(owner.addresses):
            contacts[owner_id] = with_addresses(owner, rest, now)
            losers.add(owner_id)
    return losers


async def _known(
    tx: Transaction, workspace_id: int, given: list[tuple[ContactInput, tuple[Address, ...]]]
) -> dict[tuple[str, str], int]:
    external = {one.external_id for one, _ in given if one.external_id}
    known = await _by_external_ids(tx, workspace_id, external)
    named = {(a.kind.value, a.value) for _, addresses in given for a in addresses}
    return known | await store.ids_by_addresses(tx, workspace_id, named)


async def _by_external_ids(tx: Transaction, workspace_id: int, names: set[str]) -> dict[Key, int]:
    """Contact ids by the caller's own ids, also by those of contacts that were merged."""
    there = await store.ids_by_external_id(tx, workspace_id, names)
    there |= await merges.old_names(tx, workspace_id, names - there.keys())
    return {("external_id", name): contact_id for name, contact_id in there.items()}


async def resolve(
    tx: Transaction, mint: IdMint, workspace_id: int, recipients: Sequence[Recipient], now: int
) -> list[tuple[Contact | FieldProblem, str]]:
    """The contact behind each recipient, and the address that named it, as "kind:value". An address that
    nobody owns yet makes a new contact, which is not written: `created_at == updated_at == now`, and whoever
    uses it inserts it."""
    keys = [_key(recipient) for recipient in recipients]
    by_id = {int(key[1]) for key in keys if not isinstance(key, FieldProblem) and key[0] == "contact"}
    found = {("contact", str(contact_id)): contact_id for contact_id in by_id}
    names = {key[1] for key in keys if not isinstance(key, FieldProblem) and key[0] == "external_id"}
    found |= await _by_external_ids(tx, workspace_id, names)
    addresses = {key for key in keys if not isinstance(key, FieldProblem) and key[0] not in NAMES}
    found |= await store.ids_by_addresses(tx, workspace_id, addresses)
    contacts = await merges.found(tx, workspace_id, set(found.values()))
    _make_missing(mint, keys, found, contacts, now)
    return [
        (key, "")
        if isinstance(key, FieldProblem)
        else (_resolved(key, found, contacts), "" if key[0] in NAMES else ":".join(key))
        for key in keys
    ]


def _key(recipient: Recipient) -> Key | FieldProblem:
    """What a recipient is to be found by, cleaned."""
    given = [(name, value) for name in Recipient.__struct_fields__ if (value := getattr(recipient, name))]
    if len(given) != 1:
        return FieldProblem(
            field="to",
            problem="names nobody" if not given else "names more than one thing",
            remedy="exactly one of contact, external_id, phone, email, address",
            value=", ".join(name for name, _ in given),
        )
    name, value = given[0]
    if isinstance(value, AddressGiven):
        try:
            return value.kind.value, rules.clean_address(value.kind, value.value)
        except BadAddress as bad:
            return bad.at("to.address.value")
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
        if isinstance(key, FieldProblem) or key in found or key[0] in NAMES:
            continue
        address = Address(AddressKind(key[0]), key[1])
        new = _made(mint.mint(), ContactInput(), (address,), None, now)
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
    contact_id: int, given: ContactInput, addresses: tuple[Address, ...], before: Contact | None, now: int
) -> Contact:
    addresses = carried(before.addresses if before else (), addresses, now)
    where = place(given.locale, given.time_zone, addresses)
    return Contact(
        id=contact_id,
        external_id=given.external_id,
        name=given.name,
        locale=where.locale,
        time_zone=where.time_zone,
        fields=given.fields,
        tags=given.tags,
        opted_out=before.opted_out if before else frozenset(),
        opted_in=before.opted_in if before else frozenset(),
        created_at=before.created_at if before else now,
        updated_at=now,
        addresses=addresses,
        locale_is_guess=where.locale_is_guess,
        time_zone_is_guess=where.time_zone_is_guess,
        country=where.country,
    )


def with_addresses(contact: Contact, addresses: tuple[Address, ...], now: int) -> Contact:
    """A contact with other addresses: what was guessed from them is guessed anew, what was said stays."""
    said_locale = "" if contact.locale_is_guess else contact.locale
    said_zone = "" if contact.time_zone_is_guess else contact.time_zone
    where = place(said_locale, said_zone, addresses)
    return msgspec.structs.replace(
        contact,
        addresses=addresses,
        updated_at=now,
        locale=where.locale,
        time_zone=where.time_zone,
        country=where.country,
    )


def _taken(external_id: str | None) -> Problem:
    wrong = FieldProblem(
        field="external_id",
        problem="belongs to another contact",
        remedy="use another one",
        value=external_id or "",
    )
    return all_invalid("The contact is not valid", (wrong,))
