"""The suppression list as people keep it: put addresses on it, take them off, import a list of many.

Whatever is put on the list stops what waits for the address in the same transaction. A list of a million is
taken in pieces as it arrives, each committed by itself; done again it changes nothing. A list that takes the
place of an older one removes what it does not name only once all of it is there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from angarium.accounts import audit
from angarium.contacts import suppression_list
from angarium.contacts.store import suppressions as store
from angarium.contacts.store.suppressions import Entry
from angarium.contacts.suppression import Why
from angarium.contacts.suppression_list import New, Wrong
from angarium.core import ids
from angarium.core.problems import not_found
from angarium.core.values import AddressKind
from angarium.messaging import withdrawal
from angarium.messaging.case import Case, wake
from angarium.messaging.world import World
from angarium.storage.database import Transaction

AT_ONCE = 2_000  # addresses in one transaction
WRONG_TOLD = 100  # lines that are told of


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A list that is imported: what it is of, and whether it takes the place of one of the same source."""

    why: Why
    kind: AddressKind
    source: str
    line_id: int = 0
    replace: bool = False


class Imported(msgspec.Struct, kw_only=True):
    """What became of an import."""

    taken: int = 0
    removed: int = 0
    refused: int = 0
    wrong: list[Wrong] = []


async def put(
    tx: Transaction, world: World, workspace_id: int, new: New, actor: str, now: int
) -> tuple[Entry, list[Case]]:
    """Put one address on the list; the entry, and the messages that this stopped."""
    world.suppressing[workspace_id] = True
    owners = await suppression_list.add(tx, world.ground, workspace_id, [new], actor)
    stopped = await withdrawal.stop(tx, world, workspace_id, owners, now)
    hashed = suppression_list.address_hash(world.ground.vault, workspace_id, (new.kind, new.value))
    written = await store.entries_of(tx, workspace_id, [hashed])
    (entry,) = [one for one in written if (one.why, one.line_id) == (new.why, new.line_id)]
    told = {"reason": new.why.value, "source": new.source}
    await audit.note(tx, workspace_id, actor, "suppression.added", _subject(entry), told, now)
    return entry, stopped


async def existing(tx: Transaction, workspace_id: int, entry_id: int) -> Entry:
    """One entry; a Problem when there is none."""
    entry = await store.by_id(tx, workspace_id, entry_id)
    if entry is None:
        raise not_found("suppression", ids.show("suppression", entry_id))
    return entry


async def remove(
    tx: Transaction, world: World, workspace_id: int, entry_id: int, actor: str, because: str
) -> None:
    """Take one entry off the list, and keep why; a Problem when there is none, or it is to be said why."""
    entry, now = await existing(tx, workspace_id, entry_id), world.ground.clock.now()
    suppression_list.check_because(entry.why, because)
    await suppression_list.remove(tx, world.ground, workspace_id, [entry])
    await suppression_list.tell_owners(tx, workspace_id, entry, because, actor, now)
    told = {"reason": entry.why.value, "source": entry.source, "because": because}
    await audit.note(tx, workspace_id, actor, "suppression.removed", _subject(entry), told, now)


def _subject(entry: Entry) -> str:
    return ids.show("suppression", entry.id)


async def take_in(
    world: World,
    workspace_id: int,
    listing: Listing,
    lines: AsyncIterator[list[tuple[int, str]]],
    actor: str,
) -> Imported:
    """Import a list, given in pieces of numbered lines."""
    db, batch, done = world.ground.db, world.ground.ids.mint(), Imported()
    async for piece in lines:
        values, wrong = suppression_list.read_lines(piece, listing.kind)
        done.refused += len(wrong)
        done.wrong += wrong[: WRONG_TOLD - len(done.wrong)]
        for start in range(0, len(values), AT_ONCE):
            some = values[start : start + AT_ONCE]
            wake(world, await db.run(_piece, world, workspace_id, listing, some, actor, batch))
            done.taken += len(some)
    if listing.replace and done.taken:
        while count := await db.run(_left_behind, world, workspace_id, listing, batch):
            done.removed += count
    await db.run(_note, world, workspace_id, listing, done, actor)
    return done


async def _piece(
    tx: Transaction,
    world: World,
    workspace_id: int,
    listing: Listing,
    values: Sequence[str],
    actor: str,
    batch: int,
) -> list[Case]:
    world.suppressing[workspace_id] = True
    new = [
        New(kind=listing.kind, value=value, why=listing.why, source=listing.source, line_id=listing.line_id)
        for value in values
    ]
    owners = await suppression_list.add(tx, world.ground, workspace_id, new, actor, batch)
    return await withdrawal.stop(tx, world, workspace_id, owners, world.ground.clock.now())


async def _left_behind(tx: Transaction, world: World, workspace_id: int, listing: Listing, batch: int) -> int:
    found = await store.left_behind(
        tx, workspace_id, listing.why, listing.line_id, listing.source, batch, AT_ONCE
    )
    await suppression_list.drop(tx, workspace_id, found)
    return len(found)


async def _note(
    tx: Transaction, world: World, workspace_id: int, listing: Listing, done: Imported, actor: str
) -> None:
    told = {
        "reason": listing.why.value,
        "taken": done.taken,
        "removed": done.removed,
        "refused": done.refused,
    }
    now = world.ground.clock.now()
    await audit.note(tx, workspace_id, actor, "suppressions.imported", listing.source, told, now)
