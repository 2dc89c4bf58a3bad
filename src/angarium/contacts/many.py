"""What is done to contacts that somebody has ticked in a list: each transaction does all of them, or none."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from angarium.accounts import audit
from angarium.contacts import consent_ledger, rules, store
from angarium.contacts.rules import AddressInput, ContactInput
from angarium.contacts.store import Contact, merges
from angarium.core import ids
from angarium.core.problems import FieldProblem, all_invalid, invalid, shown
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

AT_ONCE_MAX = 200


async def tag(
    tx: Transaction, ground: Ground, workspace_id: int, contact_ids: Collection[int], word: str, actor: str
) -> int:
    """Give a tag to contacts; how many had it not."""
    _must_be_few(contact_ids)
    wrong = [
        one
        for one in rules.check(ContactInput(external_id="-", tags=(word.strip(),)))[1]
        if one.field == "tags"
    ]
    if wrong:
        raise all_invalid("The tag is not valid", (msgspec.structs.replace(wrong[0], field="tag"),))
    await merges.hold(tx, workspace_id, sorted(contact_ids))
    there = await store.by_ids(tx, workspace_id, contact_ids)
    now = ground.clock.now()
    changed = [_tagged(one, word.strip(), now) for one in there.values() if word.strip() not in one.tags]
    full = next((one for one in changed if len(one.tags) > rules.TAGS_MAX), None)
    if full is not None:
        raise invalid(
            "tag", "is one too many", value=full.name, remedy=f"at most {rules.TAGS_MAX} tags of a contact"
        )
    await store.replace(tx, workspace_id, changed)
    details = {"tag": word.strip(), "contacts": len(changed)}
    await audit.note(tx, workspace_id, actor, "contacts.tagged", "", details, now)
    return len(changed)


def _tagged(one: Contact, word: str, now: int) -> Contact:
    return msgspec.structs.replace(one, tags=(*one.tags, word), updated_at=now)


async def delete(
    tx: Transaction, ground: Ground, workspace_id: int, contact_ids: Collection[int], actor: str
) -> int:
    """Delete contacts; how many were there."""
    _must_be_few(contact_ids)
    there = await store.by_ids(tx, workspace_id, contact_ids)
    for one in there.values():
        await store.remove(tx, workspace_id, one.id)
        await consent_ledger.outlive(tx, ground, workspace_id, one)
    details = {"contacts": [ids.show("contact", one) for one in sorted(there)]}
    await audit.note(tx, workspace_id, actor, "contacts.deleted", "", details, ground.clock.now())
    return len(there)


def _must_be_few(contact_ids: Collection[int]) -> None:
    if len(contact_ids) > AT_ONCE_MAX:
        raise invalid(
            "contact", "are too many", value=len(contact_ids), remedy=f"at most {AT_ONCE_MAX} at once"
        )


async def owners(
    tx: Transaction, workspace_id: int, given: ContactInput, own_id: int = 0
) -> list[tuple[FieldProblem, Contact]]:
    """Who has the external_id or an address of a contact that is about to be written: each with the field."""
    addresses, wrong = rules.check(given)
    if wrong:
        return []  # told by whoever writes it
    known = await store.ids_by_addresses(tx, workspace_id, [(one.kind.value, one.value) for one in addresses])
    external = {given.external_id} if given.external_id else set()
    named = await store.ids_by_external_id(tx, workspace_id, external)
    there = await store.by_ids(tx, workspace_id, {*known.values(), *named.values()} - {own_id})
    found: list[tuple[FieldProblem, Contact]] = []
    for name, contact_id in named.items():
        if contact_id in there:
            found.append((_theirs("external_id", name, there[contact_id]), there[contact_id]))
    for index, one in enumerate(given.addresses):
        owner = there.get(known.get((one.kind.value, _kept(one)), 0))
        if owner is not None:
            found.append((_theirs(f"addresses[{index}].value", one.value, owner), owner))
    return found


def _kept(one: AddressInput) -> str:
    return rules.clean_address(one.kind, one.value)


def _theirs(field: str, value: str, owner: Contact) -> FieldProblem:
    named = owner.name or ids.show("contact", owner.id)
    return FieldProblem(field, f"belongs to {shown(named)}", "change that contact, or take it over", value)
