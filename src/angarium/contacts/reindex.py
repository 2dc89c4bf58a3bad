"""Write the rows that segments look at for contacts that have none: after an upgrade, or when asked to.

How far it has come stands among the cursors of the log of facts; a workspace without one has nothing to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from angarium.accounts import audit
from angarium.contacts import store
from angarium.contacts.store import activity, index, merges
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import START, Position

READER = "contact index"
DONE = Position(0, (1 << 63) - 1)
BATCH = 1_000  # contacts in one transaction


async def begin(tx: Transaction, workspace_id: int, actor: str, now: int) -> None:
    """Have all that segments look at made anew: the rows of contacts, and what has happened to them."""
    await facts.save_position(tx, workspace_id, READER, Position(0, 0))
    await activity.forget_all(tx, workspace_id)
    await facts.save_position(tx, workspace_id, activity.READER, START)
    await audit.note(tx, workspace_id, actor, "segments.rebuilt", "", {}, now)


async def step(tx: Transaction, workspace_id: int) -> int:
    """Write the next rows; how many, 0 at the end. To be called while `is_due`."""
    position = await facts.position_of(tx, workspace_id, READER)
    after = max(0, position.seq)
    found = [one.id for one in await store.page(tx, workspace_id, after, BATCH)]
    await merges.hold(tx, workspace_id, found)  # who changes one of them waits, or is waited for
    some = list((await store.by_ids(tx, workspace_id, found)).values())
    await index.sweep(tx, workspace_id, after, found[-1] if found else DONE.seq)
    await index.remove(tx, workspace_id, found)
    await index.write(tx, workspace_id, some, new=False)
    await facts.save_position(tx, workspace_id, READER, Position(0, found[-1]) if found else DONE)
    return len(found)


async def is_due(tx: Transaction, workspace_id: int) -> bool:
    """Whether contacts may be without their rows."""
    return bool(await due_in(tx, [workspace_id]))


async def due_in(tx: Transaction, workspace_ids: Sequence[int]) -> list[int]:
    """Those of these workspaces in which contacts may be without their rows."""
    known = await facts.known_positions(tx, workspace_ids, READER)
    return [workspace_id for workspace_id, position in known.items() if position != DONE]
