"""Merge two contacts, undo it, and find contacts that may be one person.

A merge is one transaction: what the merged contact had goes over to the one that stays, its row is gone, and
the journal keeps both as they were with the ids of all rows that were moved. Its old id and its old
external_id lead to the one that stays, for as long as the merge stands.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from angarium.accounts import audit
from angarium.contacts import consent_ledger, merging, store
from angarium.contacts.consent import Choices
from angarium.contacts.likeness import (
    SURE_ENOUGH,
    Likeness,
    Traits,
    as_sought,
    dates_of_birth,
    likeness,
    near,
)
from angarium.contacts.store import Contact, merges, reachability
from angarium.contacts.store.belongings import Belonging
from angarium.contacts.store.merges import Merge, Whole
from angarium.core import ids
from angarium.core.problems import FieldProblem, Problem, all_invalid, not_found
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground

PAIRS_MAX = 400  # of suggestions on a page


class Undone(msgspec.Struct, frozen=True):
    """What an undone merge left: both contacts, and addresses that somebody else has now."""

    merge: Merge
    parted: merging.Parted


async def merge(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    survivor_id: int,
    merged_id: int,
    belongings: Sequence[Belonging],
    actor: str,
    why: str,
) -> tuple[Merge, Contact]:
    """Make one contact of two; the second one's id leads to the first from now on."""
    await merges.hold(tx, workspace_id, [survivor_id, merged_id])
    survivor, other = await _both(tx, workspace_id, survivor_id, merged_id)
    now = ground.clock.now()
    made = merging.joined(survivor, other, now)
    await reachability.hand_over(tx, workspace_id, other.id, survivor.id, other.addresses)
    await store.remove(tx, workspace_id, other.id)
    await store.replace(tx, workspace_id, [made])
    await consent_ledger.settle(tx, ground, workspace_id, _choices(made), actor, now, "merge")
    old_name = other.external_id or ""
    done = Merge(
        id=ground.ids.mint(),
        survivor_id=survivor.id,
        merged_id=other.id,
        old_external_id="" if made.external_id == old_name else old_name,
        before=Whole(survivor, other, made),
        moved=await _move(tx, workspace_id, belongings, other.id, survivor.id),
        why=why,
        merged_at=now,
        merged_by=actor,
    )
    await merges.insert(tx, workspace_id, done)
    await _tell(tx, workspace_id, "contact.merged", done, now)
    await _note(tx, workspace_id, "contact.merged", done, actor, now)
    return done, made


def _choices(contact: Contact) -> dict[int, Choices]:
    """What counts of what a contact said, as the ledger takes it."""
    return {contact.id: Choices(contact.opted_out, contact.opted_in)}


async def _both(
    tx: Transaction, workspace_id: int, survivor_id: int, merged_id: int
) -> tuple[Contact, Contact]:
    there = await merges.found(tx, workspace_id, {survivor_id, merged_id})
    for field, one in (("survivor", survivor_id), ("merged", merged_id)):
        if one not in there:
            shown = ids.show("contact", one)
            raise all_invalid(
                "The merge is not valid",
                (FieldProblem(field, "no such contact", "the id of a contact", shown),),
            )
    if there[survivor_id].id == there[merged_id].id:
        shown = ids.show("contact", there[survivor_id].id)
        raise Problem("contact-merged", "They are one contact", status=409, detail=f"Both are {shown}.")
    return there[survivor_id], there[merged_id]


async def _move(
    tx: Transaction, workspace_id: int, belongings: Sequence[Belonging], from_id: int, to_id: int
) -> dict[str, list[int]]:
    """Give what belongs to one contact to another; the ids of the rows, by table."""
    moved = {}
    for one in belongings:
        rows = await one.of_contact(tx, workspace_id, from_id)
        if rows:
            await one.give(tx, workspace_id, rows, to_id)
            moved[one.name] = rows
    return moved


async def undo(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    merge_id: int,
    belongings: Mapping[str, Belonging],
    actor: str,
) -> Undone:
    """Make two contacts of one again, as they were before; see `merging` for what was changed since."""
    done = await found(tx, workspace_id, merge_id)
    await merges.hold(tx, workspace_id, [done.survivor_id])
    now = ground.clock.now()
    current = (await store.by_ids(tx, workspace_id, [done.survivor_id])).get(done.survivor_id)
    if current is None:
        raise await _why_not(tx, workspace_id, done)
    if not await merges.undo(tx, workspace_id, merge_id, now, actor):
        raise Problem("merge-undone", "The merge has been undone", status=409)
    keys = [(one.kind.value, one.value) for one in done.before.merged.addresses]
    owners = await store.ids_by_addresses(tx, workspace_id, keys)
    elsewhere = {
        (one.kind, one.value)
        for one in done.before.merged.addresses
        if owners.get((one.kind.value, one.value), current.id) != current.id
    }
    whole = done.before
    apart = merging.parted(whole.survivor, whole.merged, whole.made, current, elsewhere, now)
    merged = apart.merged
    await reachability.hand_over(tx, workspace_id, done.survivor_id, merged.id, merged.addresses)
    await store.replace(tx, workspace_id, [apart.survivor])  # first: it may give an external_id back
    await store.replace(tx, workspace_id, [apart.merged])
    await consent_ledger.settle(
        tx, ground, workspace_id, _choices(apart.survivor), actor, now, "merge undone"
    )
    for name, rows in done.moved.items():
        if name in belongings:
            await belongings[name].give(tx, workspace_id, rows, done.merged_id, only_of=done.survivor_id)
    await _tell(tx, workspace_id, "contact.unmerged", done, now)
    await _note(tx, workspace_id, "contact.unmerged", done, actor, now)
    undone = msgspec.structs.replace(done, undone_at=now, undone_by=actor)
    return Undone(undone, apart)


async def found(tx: Transaction, workspace_id: int, merge_id: int) -> Merge:
    """One merge; a Problem when there is none."""
    done = await merges.get(tx, workspace_id, merge_id)
    if done is None:
        raise not_found("merge", ids.show("merge", merge_id))
    return done


async def _why_not(tx: Transaction, workspace_id: int, done: Merge) -> Problem:
    """Why a merge cannot be undone whose contact is not there."""
    over = await merges.merged_over(tx, workspace_id, done.survivor_id)
    survivor = ids.show("contact", done.survivor_id)
    detail = (
        f"{survivor} was merged into another one since: undo {ids.show('merge', over)} first."
        if over
        else f"{survivor} has been deleted."
    )
    return Problem("merge-not-last", "The merge cannot be undone now", status=409, detail=detail)


async def _tell(tx: Transaction, workspace_id: int, kind: str, done: Merge, now: int) -> None:
    body = {"merge": done.id, "survivor": done.survivor_id, "merged": done.merged_id}
    await facts.append(tx, [Fact(workspace_id, kind, done.survivor_id, now, msgspec.json.encode(body))])


async def _note(tx: Transaction, workspace_id: int, action: str, done: Merge, actor: str, now: int) -> None:
    """Ids and numbers alone: who they are the journal of merges tells, for as long as it may."""
    details = {
        "merge": ids.show("merge", done.id),
        "merged": ids.show("contact", done.merged_id),
        "moved": {name: len(rows) for name, rows in done.moved.items()},
    }
    subject = ids.show("contact", done.survivor_id)
    await audit.note(tx, workspace_id, actor, action, subject, details, now)


# ── suggestions ──────────────────────────────────────────────────────────────────────────────────────


class Suggestion(msgspec.Struct, frozen=True):
    """Two contacts that may be one person."""

    one: Contact
    other: Contact
    likeness: Likeness


async def suggestions(
    tx: Transaction, workspace_id: int, after: int, limit: int
) -> tuple[list[Suggestion], int]:
    """Of the next `limit` contacts, the pairs with a later one that are likely enough, likeliest first; and
    the id of the last that was looked at, 0 at the end. Pairs that are two people are left out, and beyond
    `PAIRS_MAX` those that the least suggests: where numbers lie close together, each is like a hundred."""
    looked_at = await store.page(tx, workspace_id, after, limit)
    if not looked_at:
        return [], 0
    pairs = await _pairs(tx, workspace_id, looked_at)
    apart = await merges.apart(tx, workspace_id, {low for low, _ in pairs})
    people = {one.id: one for one in looked_at}
    people |= await store.by_ids(tx, workspace_id, {high for _, high in pairs} - people.keys())
    found = [
        Suggestion(people[low], people[high], likeness(traits(people[low]), traits(people[high])))
        for low, high in sorted(pairs - apart)
    ]
    likely = [one for one in found if one.likeness.score >= SURE_ENOUGH]
    last = looked_at[-1].id if len(looked_at) == limit else 0
    return sorted(likely, key=lambda one: -one.likeness.score), last


async def doubles_of(tx: Transaction, workspace_id: int, one: Contact) -> list[Suggestion]:
    """Those who may be the same person as this contact, likeliest first; who is somebody else is left out."""
    alike = await _alike(tx, workspace_id, [one])
    others = {contact_id for _, contact_id in alike} - {one.id}
    apart = await merges.apart(tx, workspace_id, {one.id, *others})
    others -= {high if low == one.id else low for low, high in apart if one.id in (low, high)}
    there = await store.by_ids(tx, workspace_id, others)
    found = [
        Suggestion(one, other, likeness(traits(one), traits(other)))
        for other in sorted(there.values(), key=lambda each: each.id)
    ]
    likely = [each for each in found if each.likeness.score >= SURE_ENOUGH]
    return sorted(likely, key=lambda each: -each.likeness.score)


async def _pairs(tx: Transaction, workspace_id: int, looked_at: Sequence[Contact]) -> set[tuple[int, int]]:
    """Each of these with the later contacts that something suggests; those that the most suggests."""
    alike = await _alike(tx, workspace_id, looked_at)
    later = sorted(((low, high) for low, high in alike if low < high), key=lambda pair: (-alike[pair], pair))
    return set(later[:PAIRS_MAX])


async def _alike(
    tx: Transaction, workspace_id: int, looked_at: Sequence[Contact]
) -> Counter[tuple[int, int]]:
    """Each of these with the contacts that something suggests, and how much does, found by indexes alone."""
    by_name: dict[str, list[int]] = defaultdict(list)
    by_address: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in looked_at:
        if one.name:
            by_name[as_sought(one.name)].append(one.id)
        for address in one.addresses:
            for value in near(address):
                by_address[address.kind.value, value].append(one.id)
    pairs: Counter[tuple[int, int]] = Counter()
    for name, contact_id in await store.ids_by_name(tx, workspace_id, by_name):
        pairs.update((one_id, contact_id) for one_id in by_name[name])
    for key, contact_id in (await store.ids_by_addresses(tx, workspace_id, by_address)).items():
        pairs.update((one_id, contact_id) for one_id in by_address[key])
    return pairs


def traits(one: Contact) -> Traits:
    """What is looked at of a contact."""
    return Traits(one.name, one.external_id or "", one.addresses, dates_of_birth(one.fields))


async def say_apart(
    tx: Transaction, ground: Ground, workspace_id: int, one_id: int, other_id: int, actor: str
) -> None:
    """Note that two contacts are two people: they are suggested no more."""
    there = await store.by_ids(tx, workspace_id, {one_id, other_id})
    for one in (one_id, other_id):
        if one not in there:
            raise not_found("contact", ids.show("contact", one))
    await merges.say_apart(tx, workspace_id, one_id, other_id, ground.clock.now(), actor)
