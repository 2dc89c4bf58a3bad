"""A batch of rows into the database, in one transaction with how far the import has come.

`decide` is pure: from what is there it makes what is to be written, and what becomes of each row. A dry
run ends there. Who is meant is decided as `contacts/flows.py: put` does it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, repeat
from typing import NamedTuple

import msgspec

from angarium.contacts import consent_ledger, suppression_list
from angarium.contacts import store as contact_store
from angarium.contacts.choice import carried
from angarium.contacts.flows import with_addresses
from angarium.contacts.imports import store
from angarium.contacts.imports.agreeing import agree
from angarium.contacts.imports.blocks import Reserved
from angarium.contacts.imports.mapping import Mapping as FileMapping
from angarium.contacts.imports.mapping import keeps_list, known_by
from angarium.contacts.imports.rows import CellProblem, Draft, Failed
from angarium.contacts.imports.store import Error, Import, Step, blocks, lists
from angarium.contacts.imports.worker import Batch
from angarium.contacts.newcomers import EXTERNAL_ID, Newcomers
from angarium.contacts.rules import ADDRESSES_MAX, TAGS_MAX
from angarium.contacts.store import Contact, external_ids, newcomers, suppressions
from angarium.contacts.store.newcomers import Range
from angarium.core import ids
from angarium.core.ids import IdMint
from angarium.core.values import Address, AddressKind
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

Key = tuple[str, str]  # "external_id" or a kind of address, and the value
KINDS = {kind.value: kind for kind in AddressKind}

CHECKING, RUNNING = "checking", "running"


class Overtaken(Exception):
    """The import is not where this batch begins: it was paused, or somebody else goes on with it."""


class Decided(msgspec.Struct):
    """What is to become of a batch."""

    new: dict[int, Contact]
    changed: dict[int, Contact]
    listed: dict[int, str]  # whom rows that are taken meant, and the variables of the last of these
    created_rows: int = 0
    changed_rows: int = 0
    skipped_rows: int = 0
    failed: list[Error] = []


async def reserve_some(
    tx: Transaction,
    workspace_id: int,
    one: Import,
    row: int,
    pieces: Sequence[Reserved],
    those: Sequence[int],
    now: int,
) -> int:
    """Reserve what newcomers of the block after a row will have, at least a piece, until somebody waits; how
    many pieces. `those` are the ids of all of them. Overtaken when the import is elsewhere."""
    for done, piece in enumerate(pieces, start=1):
        if piece.begins:
            await _begin(tx, workspace_id, one, row, Range(those[0], those[-1]))
        owners = [those[owner] for owner in piece.owners]
        if piece.kind == EXTERNAL_ID:
            await external_ids.reserve(tx, workspace_id, piece.values, owners)
        else:
            await newcomers.reserve(tx, workspace_id, piece.kind, piece.values, owners, piece.places, now)
        if tx.awaited:
            return done
    return len(pieces)


async def _begin(tx: Transaction, workspace_id: int, one: Import, row: int, those: Range) -> None:
    if not await blocks.begin(tx, workspace_id, one.id, one.state, row, those):
        raise Overtaken


async def write_some(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    one: Import,
    from_row: int,
    batches: Sequence[Batch],
    those: Sequence[int],
    errors_left: int,
    now: int,
) -> list[Step]:
    """Write batches of a block, at least one, until somebody waits or no errors are left; what became of
    each. `those` are the ids of its newcomers."""
    steps: list[Step] = []
    for batch in batches:
        step = await write(tx, ground, workspace_id, one, from_row, batch, those, now)
        steps.append(step)
        from_row, errors_left = step.until_row, errors_left - step.failed
        if tx.awaited or errors_left <= 0:
            break
    return steps


async def write(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    one: Import,
    from_row: int,
    batch: Batch,
    those: Sequence[int],
    now: int,
) -> Step:
    """Write a batch that begins after `from_row`; Overtaken when the import is elsewhere."""
    come = await _newcomers(tx, ground, workspace_id, one, batch, those)
    if come.new is not None:
        await newcomers.welcome(tx, workspace_id, come.ids, come.new, now)
        await store.add_contacts(tx, workspace_id, one.id, come.ids, now)
    listed = dict(zip(come.ids, come.variables or repeat(""), strict=False))
    drafts = come.others
    known, contacts = await _there(tx, workspace_id, drafts)
    done = decide(ground.ids, one.mapping, drafts, known, contacts, now)
    failed = sorted([*done.failed, *map(_error, batch.failed)], key=lambda error: error.row)
    step = Step(
        from_row,
        batch.until_row,
        batch.done_bytes,
        batch.rows_known,
        done.created_rows + len(come.ids),
        done.changed_rows,
        done.skipped_rows + batch.skipped,
        len(failed),
    )
    if not await store.step(tx, workspace_id, one.id, one.state, step, now):
        raise Overtaken
    await store.add_errors(tx, workspace_id, one.id, failed)
    if one.state == RUNNING:
        await _write(tx, ground, workspace_id, one, done, now)
        if one.mapping.agreed is not None:
            everybody = [*listed, *done.listed]  # and not who has lost an address to them
            await agree(tx, ground, workspace_id, one, one.mapping.agreed, everybody, now)
        if keeps_list(one.mapping):
            await lists.keep(tx, workspace_id, one.id, listed | done.listed)
    return step


async def _write(
    tx: Transaction, ground: Ground, workspace_id: int, one: Import, done: Decided, now: int
) -> None:
    new = [
        msgspec.structs.replace(contact, opted_out=frozenset()) if contact.opted_out else contact
        for contact in done.new.values()
    ]
    new = await suppression_list.flagged(tx, ground, workspace_id, new, one.actor)
    await contact_store.insert(tx, workspace_id, new)
    await store.add_contacts(tx, workspace_id, one.id, list(done.new), now)
    if done.changed:
        changed = list(done.changed.values())
        changed = await suppression_list.flagged(tx, ground, workspace_id, changed, one.actor)
        await contact_store.replace(tx, workspace_id, changed)
        await store.touch_contacts(tx, workspace_id, one.id, list(done.changed), now)
    both = (*done.new.values(), *done.changed.values())
    refused = {contact.id: contact.opted_out for contact in both if contact.opted_out}
    if refused:
        await consent_ledger.refuse(tx, ground, workspace_id, refused, one.actor, now, "import")


class Come(NamedTuple):
    """Those of a batch who are new and need no look, and its other rows."""

    new: Newcomers | None
    ids: Sequence[int]
    variables: Sequence[str]  # of their rows; empty: none has any
    others: Sequence[Draft]  # in the order of the file


async def _newcomers(
    tx: Transaction, ground: Ground, workspace_id: int, one: Import, batch: Batch, those: Sequence[int]
) -> Come:
    """No row names anything of a newcomer but rows after it: newcomers may be written before all others."""
    new = batch.newcomers
    if new is None:
        return Come(None, (), (), batch.drafts)
    if one.state != RUNNING:
        return Come(None, (), (), _in_order(batch.drafts_of_newcomers(), batch.drafts))
    own = those[batch.newcomers_from : batch.newcomers_from + len(new)]
    known = await _known(tx, ground, workspace_id, new, own)
    if not known:
        return Come(new, own, batch.newcomer_variables, batch.drafts)
    await newcomers.let_go(tx, workspace_id, [own[at] for at in known])
    names = [name for at in known if (name := new.contacts[0][at])]
    await external_ids.let_go(tx, workspace_id, own[0], own[-1], names)
    found = [draft for at, draft in enumerate(batch.drafts_of_newcomers()) if at in known]
    stay = [at not in known for at in range(len(own))]
    return Come(
        new.without(known) if len(known) < len(new) else None,
        list(compress(own, stay)),
        list(compress(batch.newcomer_variables, stay)),
        _in_order(found, batch.drafts),
    )


def _in_order(some: Iterable[Draft], others: Iterable[Draft]) -> list[Draft]:
    return sorted((*some, *others), key=lambda draft: draft.row)


async def _known(
    tx: Transaction, ground: Ground, workspace_id: int, new: Newcomers, own: Sequence[int]
) -> set[int]:
    """Those, by their places, of whom anything is there: as a contact, or on the suppression list. What
    could not be reserved for them, or is not any more, is somebody's."""
    external = {name: at for at, name in enumerate(new.contacts[0]) if name}
    owners = await external_ids.owners(tx, workspace_id, external)
    found = {at for name, at in external.items() if owners.get(name) != own[at]}
    kept = await newcomers.reserved(tx, workspace_id, Range(own[0], own[-1]))
    if len(kept) < sum(new.addressed):
        counts = Counter(kept)
        found |= {at for at, one in enumerate(own) if counts[one] < new.addressed[at]}
    if await suppressions.are_there_any(tx, workspace_id):
        theirs = await contact_store.addresses_of(tx, workspace_id, own)
        whose = {(a.kind, a.value): at for at, one in enumerate(own) for a in theirs[one]}
        listed = await suppression_list.look_up(tx, ground.vault, workspace_id, whose)
        found |= {whose[address] for address in listed}
    return found


async def _there(
    tx: Transaction, workspace_id: int, drafts: Sequence[Draft]
) -> tuple[dict[Key, int], dict[int, Contact]]:
    """Who is known by what the rows name."""
    external = {draft.external_id for draft in drafts if draft.external_id}
    found = await contact_store.ids_by_external_id(tx, workspace_id, external)
    known: dict[Key, int] = {("external_id", name): contact_id for name, contact_id in found.items()}
    by_kind: dict[str, set[str]] = {}
    for draft in drafts:
        for kind, value, _ in draft.addresses:
            by_kind.setdefault(kind, set()).add(value)
    for kind, values in by_kind.items():
        owners = await contact_store.ids_by_address(tx, workspace_id, AddressKind(kind), values)
        known.update({(kind, value): contact_id for value, contact_id in owners.items()})
    return known, await contact_store.by_ids(tx, workspace_id, set(known.values()))


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────────


def decide(
    mint: IdMint,
    mapping: FileMapping,
    drafts: Iterable[Draft],
    known: dict[Key, int],
    contacts: dict[int, Contact],
    now: int,
) -> Decided:
    """What becomes of rows. `known` and `contacts`, who is there, are carried on from row to row."""
    done = Decided({}, {}, {})
    done.failed = []
    names = known_by(mapping)
    for draft in drafts:
        nobody = known.keys().isdisjoint(_keys(draft))
        if draft.again and mapping.duplicates == "skip":  # it comes for the list alone
            before = None if nobody else _meant(draft, names, known, contacts)
            _skip(done, draft, before)
            continue
        if nobody:  # somebody new, as most rows of a first file
            _keep(done, draft, None, _new(mint.mint(), draft, now), known, contacts)
            continue
        before = _meant(draft, names, known, contacts)
        if before is not None and mapping.duplicates != "update" and before.id not in done.new:
            if mapping.duplicates == "skip":
                _skip(done, draft, before)
            else:
                done.failed.append(_there_already(draft, before))
            continue
        given, strangers = _addresses(draft, before, mapping, known)
        wrong = _refused(draft, before, mapping, known, strangers)
        if wrong:
            done.failed.append(Error(draft.row, tuple(wrong), draft.raw))
            continue
        after = (
            _new(mint.mint(), draft, now, given)
            if before is None
            else _merged(before, draft, given, mapping, now)
        )
        if isinstance(after, CellProblem):
            done.failed.append(Error(draft.row, (after,), draft.raw))
            continue
        for address in strangers:
            _give_up(done, contacts, known[address], address, now)
        _keep(done, draft, before, after, known, contacts)
    return done


def _skip(done: Decided, draft: Draft, before: Contact | None) -> None:
    """Leave somebody as they are. None: whom the row repeats was not taken either."""
    done.skipped_rows += 1
    if before is not None:
        done.listed[before.id] = draft.variables


def _keys(draft: Draft) -> list[Key]:
    """All that a row names."""
    keys = [(kind, value) for kind, value, _ in draft.addresses]
    if draft.external_id:
        keys.append(("external_id", draft.external_id))
    return keys


def _meant(
    draft: Draft, names: Sequence[str], known: Mapping[Key, int], contacts: Mapping[int, Contact]
) -> Contact | None:
    """The contact that a row means, if it is there."""
    by_id = "external_id" in names
    for name in names:
        if name == "external_id":
            keys = [(name, draft.external_id)] if draft.external_id else []
        else:
            keys = [(kind, value) for kind, value, _ in draft.addresses if kind == name]
        for key in keys:
            if key in known:
                other = contacts[known[key]]
                if not by_id or None in (draft.external_id, other.external_id) or _same(draft, other):
                    return other
    return None


def _same(draft: Draft, other: Contact) -> bool:
    return draft.external_id == other.external_id


def _addresses(
    draft: Draft, before: Contact | None, mapping: FileMapping, known: Mapping[Key, int]
) -> tuple[list[Address], list[Key]]:
    """The addresses that a row gives, and those of them that are somebody else's now."""
    own = before.id if before else 0
    strangers = [(kind, value) for kind, value, _ in draft.addresses if known.get((kind, value), own) != own]
    left_out = set(strangers) if mapping.taken == "leave" else set()
    given = [
        Address(KINDS[kind], value, listed)
        for kind, value, listed in draft.addresses
        if (kind, value) not in left_out
    ]
    return given, [] if mapping.taken == "leave" else strangers


def _refused(
    draft: Draft,
    before: Contact | None,
    mapping: FileMapping,
    known: Mapping[Key, int],
    strangers: Sequence[Key],
) -> list[CellProblem]:
    wrong = []
    if mapping.taken == "fail":
        for kind, value in strangers:
            owner = ids.show("contact", known[kind, value])
            remedy = "take it out, or let addresses move or be left out"
            wrong.append(CellProblem("", value, f"is an address of {owner}", remedy))
    if draft.external_id:
        owner_id = known.get(("external_id", draft.external_id))
        if owner_id is not None and (before is None or before.id != owner_id):
            owner = ids.show("contact", owner_id)
            wrong.append(
                CellProblem("", draft.external_id, f"is the external id of {owner}", "match by external_id")
            )
    return wrong


def _there_already(draft: Draft, before: Contact) -> Error:
    who = ids.show("contact", before.id)
    problem = CellProblem(
        "", draft.external_id or "", f"is there already: {who}", "let duplicates update, or take it out"
    )
    return Error(draft.row, (problem,), draft.raw)


def _new(contact_id: int, draft: Draft, now: int, given: Sequence[Address] | None = None) -> Contact:
    """Somebody new, with the addresses of the row, or those of them that are `given`."""
    country, locale, time_zone, locale_is_guess, time_zone_is_guess = draft.place
    if given is None:
        given = [Address(KINDS[kind], value, listed) for kind, value, listed in draft.addresses]
    return Contact(
        contact_id,
        draft.external_id,
        draft.name or "",
        locale,
        time_zone,
        {name: value for name, value in draft.fields.items() if value is not None},
        draft.tags or (),
        frozenset(draft.opted_out),
        now,
        now,
        carried((), given, now),
        locale_is_guess,
        time_zone_is_guess,
        country,
    )


def _merged(
    before: Contact, draft: Draft, given: Sequence[Address], mapping: FileMapping, now: int
) -> Contact | CellProblem:
    """A contact that is there with what a row says of it."""
    fields = {name: value for name, value in {**before.fields, **draft.fields}.items() if value is not None}
    tags = before.tags
    if draft.tags is not None:
        tags = draft.tags if mapping.tags == "replace" else tuple(dict.fromkeys((*before.tags, *draft.tags)))
    if len(tags) > TAGS_MAX:
        return CellProblem(
            "", "", f"has more than {TAGS_MAX} tags, with those that are there", "let tags replace"
        )
    after = msgspec.structs.replace(
        before,
        external_id=draft.external_id or before.external_id,
        name=before.name if draft.name is None else draft.name,
        fields=fields,
        tags=tags,
        opted_out=before.opted_out | frozenset(draft.opted_out),
    )
    if draft.locale is not None:
        after = msgspec.structs.replace(after, locale=draft.locale, locale_is_guess=not draft.locale)
    if draft.time_zone is not None:
        after = msgspec.structs.replace(
            after, time_zone=draft.time_zone, time_zone_is_guess=not draft.time_zone
        )
    addresses = _joined(before, draft, given, now)
    if len(addresses) > ADDRESSES_MAX:
        return CellProblem(
            "", "", f"has more than {ADDRESSES_MAX} addresses, with those that are there", "clear some"
        )
    if addresses == before.addresses and after == before:
        return before
    return with_addresses(after, addresses, now)


def _joined(before: Contact, draft: Draft, given: Sequence[Address], now: int) -> tuple[Address, ...]:
    """The addresses that are there with those of a row; what is known of one that is there stays."""
    had = {(one.kind, one.value): one for one in before.addresses}
    shields = {(one.kind, one.value) for one in given if one.operator_blacklist}
    kept = [
        one
        for key, one in had.items()
        if one.kind.value not in draft.cleared or any(key == (other.kind, other.value) for other in given)
    ]
    kept = [
        msgspec.structs.replace(one, operator_blacklist=True)
        if (one.kind, one.value) in shields and not one.operator_blacklist
        else one
        for one in kept
    ]
    new = [one for one in given if (one.kind, one.value) not in had]
    return (*kept, *carried((), new, now))


def _give_up(done: Decided, contacts: dict[int, Contact], owner_id: int, address: Key, now: int) -> None:
    """Take an address from its owner: one batch may not write it twice."""
    owner = contacts[owner_id]
    rest = tuple(one for one in owner.addresses if (one.kind.value, one.value) != address)
    contacts[owner_id] = with_addresses(owner, rest, now)
    (done.new if owner_id in done.new else done.changed)[owner_id] = contacts[owner_id]


def _keep(
    done: Decided,
    draft: Draft,
    before: Contact | None,
    after: Contact,
    known: dict[Key, int],
    contacts: dict[int, Contact],
) -> None:
    done.listed[after.id] = draft.variables
    if before is None and not draft.again:
        done.created_rows += 1
    elif after is before:
        done.skipped_rows += 1
        return
    else:
        done.changed_rows += 1
    if before is None or before.id in done.new:
        done.new[after.id] = after
    else:
        done.changed[after.id] = after
    contacts[after.id] = after
    if draft.external_id:
        known["external_id", draft.external_id] = after.id
    for one in after.addresses:
        known[str(one.kind), one.value] = after.id


def _error(failed: Failed) -> Error:
    return Error(failed.row, failed.problems, failed.raw)
