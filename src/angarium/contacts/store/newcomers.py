"""Newcomers into the tables: rows that were made elsewhere, with ids and the time put to them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from angarium.contacts.newcomers import NONE, Newcomers
from angarium.contacts.store import ADDRESS_COLUMNS, address, index, insert_contacts
from angarium.storage.bulk import BulkInsert
from angarium.storage.database import Transaction

# Nobody has their addresses: somebody who got one at this moment is a Conflict, and the batch is tried again.
_insert_addresses = BulkInsert(address, ADDRESS_COLUMNS)


async def welcome(
    tx: Transaction, workspace_id: int, contact_ids: Sequence[int], new: Newcomers, now: int
) -> None:
    """Write newcomers under these ids; Conflict when one of them is there after all."""
    here, when, zero, none = repeat(workspace_id), repeat(now), repeat(0), repeat(NONE)
    contacts = zip(here, contact_ids, *new.contacts, none, none, when, when, strict=False)
    await tx.insert(insert_contacts, list(contacts))
    kinds, values, owners, places = new.addresses
    whose = [contact_ids[owner] for owner in owners]
    unverified = (zero, repeat(""))
    addresses = zip(here, kinds, values, whose, zero, zero, *unverified, places, when, strict=False)
    await tx.insert(_insert_addresses, list(addresses))
    await index.welcome(tx, workspace_id, contact_ids, new, now)
