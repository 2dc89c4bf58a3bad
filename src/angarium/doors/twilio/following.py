"""Reads what happened in the log of facts, and writes what clients are to be told by their callbacks.

Its cursor is moved in the transaction that writes: nothing is lost, and nothing is written twice. Told is how
a message stands now; where several things happened between two looks, the last of them is told.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from angarium.doors.twilio import showing, store
from angarium.doors.twilio.store import Account, Letter
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

READER = "twilio_door"
BATCH_MAX = 1_000  # facts in one transaction
RECEIVED = "received"
MESSAGE, REPLY = "message.", "inbound.received"


class Heard(msgspec.Struct, frozen=True):
    """What is read of the fact that a customer wrote."""

    line: str = ""


async def follow(tx: Transaction, world: World, workspace_id: int, accounts: Sequence[Account]) -> int:
    """Write what the next facts are to be told as; how many facts there were."""
    position = await facts.position_of(tx, workspace_id, READER)
    new, end = await facts.after(tx, workspace_id, position, BATCH_MAX)
    if not new:
        return 0
    letters = await _of_messages(tx, world, workspace_id, new, {one.id for one in accounts})
    letters += _of_customers(world, new, accounts)
    await store.add_letters(tx, workspace_id, letters)
    await facts.save_position(tx, workspace_id, READER, end)
    return len(new)


async def _of_messages(
    tx: Transaction, world: World, workspace_id: int, new: Sequence[Fact], known: set[int]
) -> list[Letter]:
    happened = {one.subject_id: one.at for one in new if one.kind.startswith(MESSAGE)}
    ours = await store.of_messages(tx, workspace_id, happened) if happened else []
    if not ours:
        return []
    found = await showing.standings(tx, workspace_id, [one.message_id for one in ours])
    changed, letters = [], []
    for one in ours:
        now = found[one.message_id]
        if now.status == one.told:
            continue
        changed.append(msgspec.structs.replace(one, told=now.status))
        if one.status_callback and one.account_id in known:
            at = happened[one.message_id]
            letters.append(_letter(world, one.account_id, one.message_id, now.status, now.code or 0, at))
    await store.tell(tx, workspace_id, changed)
    return letters


def _of_customers(world: World, new: Sequence[Fact], accounts: Sequence[Account]) -> list[Letter]:
    return [
        _letter(world, account.id, one.subject_id, RECEIVED, 0, one.at)
        for one in new
        if one.kind == REPLY
        for account in accounts
        if account.settings.inbound_url
        and msgspec.json.decode(one.body, type=Heard).line in account.settings.inbound_lines
    ]


def _letter(world: World, account_id: int, subject_id: int, status: str, code: int, at: int) -> Letter:
    return Letter(account_id, world.ground.ids.mint(), subject_id, status, code, at, at, 0)
