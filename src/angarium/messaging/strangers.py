"""Customers who write before anybody knows them: their words are shown, and theirs once a contact has the
address that they wrote from.

A contact may get an address in many ways, an import of a million among them, and none of these should look
for letters first. So a tidying gives them to whose they are, and until it comes they are found by address.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from angarium.contacts import store as contacts
from angarium.core.values import Address, AddressKind
from angarium.messaging.store import inbox, strangers
from angarium.messaging.store.strangers import Unclaimed
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

LOOKED_AT = 1_000  # of the newest, in one look
LOOKS_MAX = 2  # in one tidying, which is done in every workspace
NEWEST = (1 << 63) - 1


class Unknown(msgspec.Struct, frozen=True):
    """Words of a person who is no contact: the kind of their address, and what they sent."""

    kind: AddressKind
    said: Unclaimed


def kind_of(world: World, one: Unclaimed) -> AddressKind | None:
    """The kind of address that somebody wrote from; None when the line is not there any more."""
    line = world.lines.get(one.line_id)
    return world.channels[line.channel].kind_at(one.sender) if line else None


async def of_contact(
    tx: Transaction, world: World, workspace_id: int, addresses: Collection[Address], before: int, limit: int
) -> list[inbox.Said]:
    """What came from a contact's addresses when they were not yet known to be theirs, the newest first."""
    own = {(one.kind, one.value) for one in addresses}
    found = await strangers.from_senders(tx, workspace_id, {value for _, value in own}, before, LOOKED_AT)
    theirs = [one for one in found if (kind_of(world, one), one.sender) in own]
    return [
        inbox.Said(one.id, one.line_id, one.sender, one.text, one.media_url, one.received_at)
        for one in theirs[:limit]
    ]


async def listing(
    tx: Transaction, world: World, workspace_id: int, before: int, limit: int
) -> tuple[list[Unknown], int]:
    """What came from people who are still no contacts, the newest first below an id, and the id where it goes
    on; 0 at the end. Of many that are somebody's by now there may be fewer than were asked for."""
    found = await strangers.newest(tx, workspace_id, before or NEWEST, limit + 1)
    owners = await _owners(tx, world, workspace_id, found)
    shown = [
        Unknown(kind, one)
        for one in found[:limit]
        if (kind := kind_of(world, one)) is not None and one.id not in owners
    ]
    return shown, found[limit - 1].id if len(found) > limit else 0


async def recognise(tx: Transaction, world: World, workspace_id: int) -> int:
    """Give what came from nobody known to those who have its address by now; how many there were."""
    place, count = NEWEST, 0
    for _ in range(LOOKS_MAX):
        found = await strangers.newest(tx, workspace_id, place, LOOKED_AT)
        owners = await _owners(tx, world, workspace_id, found)
        await strangers.recognise(tx, workspace_id, sorted(owners.items()))
        await facts.append(
            tx, [_fact(world, workspace_id, one, owners[one.id]) for one in found if one.id in owners]
        )
        count += len(owners)
        if len(found) < LOOKED_AT:
            break
        place = found[-1].id
    return count


def _fact(world: World, workspace_id: int, one: Unclaimed, contact_id: int) -> Fact:
    """That it is known whose it is: those who count for segments have passed by what it was when it came."""
    line = world.lines.get(one.line_id)
    channel = line.channel if line else ""
    body = {"channel": channel, "contact": contact_id, "at": one.received_at}
    return Fact(
        workspace_id, "inbound.recognised", one.id, world.ground.clock.now(), msgspec.json.encode(body)
    )


async def _owners(
    tx: Transaction, world: World, workspace_id: int, found: Sequence[Unclaimed]
) -> dict[int, int]:
    """The contact of each that is somebody's by now."""
    places = {one.id: (kind.value, one.sender) for one in found if (kind := kind_of(world, one))}
    known = await contacts.ids_by_addresses(tx, workspace_id, places.values())
    return {one: known[place] for one, place in places.items() if place in known}
