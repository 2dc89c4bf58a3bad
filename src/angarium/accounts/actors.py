"""Whoever did something, as people know them: the name of a person or of a key instead of its id."""

from __future__ import annotations

from angarium.accounts import store as accounts
from angarium.accounts.store import people as people_store
from angarium.core import ids
from angarium.storage.database import Transaction


async def names(tx: Transaction, workspace_id: int) -> dict[str, str]:
    """What the people and keys of a workspace are called, by `per_…` and `key_…`."""
    people = await people_store.people_of(tx, workspace_id)
    keys = await accounts.keys(tx, workspace_id)
    return {ids.show("person", one.id): one.name or one.email for one in people} | {
        ids.show("api_key", one.id): one.name for one in keys
    }
