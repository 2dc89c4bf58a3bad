"""How all servers and their lines are doing, looked up in the ledger: the same for the page, the API and the
command. Nothing here needs a server that runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from angarium.contacts.store import activity
from angarium.core.clock import MICROS
from angarium.lines.at_hand import Lines
from angarium.lines.store import Line
from angarium.messaging.store import queue
from angarium.servers import rules, store
from angarium.servers.rules import Follower, Lane, LineKnown, LineSaid, Server, Whole
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import START
from angarium.storage.migrate import Standing, standing

COUNTED_MAX = 10_000  # of what is due on a line in each class
# Who reads on in the log of facts, as people call it, and which facts it reads.
FOLLOWERS = (("activity", activity.READER, facts.after), ("notices", "notices", facts.seldom_after))


async def look(tx: Transaction, lines: Lines, workspace_ids: Collection[int], fabric: str, now: int) -> Whole:
    """All of it, of the lines of these workspaces; `lines` are those in force, read lately. `now`: where the
    database has no clock."""
    servers, at = await store.every(tx, now)
    said = rules.lines_said(servers, at)
    own = [line for line in lines.every() if line.workspace_id in workspace_ids]
    known = [
        await _line(tx, lines, line, servers, said.get(line.id), at)
        for line in sorted(own, key=lambda one: one.name)
    ]
    turns = [rules.turn_of(name, servers, at) for name in rules.turns_wanted(servers, at)]
    waits: Counter[str] = Counter()
    for one in servers:
        if one.is_there(at):
            waits.update(one.said.waits)
    schema: Standing = await standing(tx)
    return Whole(
        at,
        fabric,
        rules.known_lately(servers, at),
        tuple(known),
        tuple(turns),
        tuple([await _follower(tx, *one, workspace_ids, at) for one in FOLLOWERS]),
        schema.revision,
        schema.least,
        dict(waits),
        rules.log_of(servers, at),
    )


async def _line(
    tx: Transaction, lines: Lines, line: Line, servers: Sequence[Server], said: LineSaid | None, now: int
) -> LineKnown:
    key = f"line/{line.id}"
    owner = rules.owner_of(key, servers, now)
    return LineKnown(
        line.id,
        line.name,
        line.enabled and line.known and line.approved,
        owner,
        said if owner else None,
        None if owner else rules.without_since_s(key, servers, now),
        await _lanes(tx, lines.senders(line.id), line.id, now),
    )


async def _lanes(tx: Transaction, senders: Sequence[int], line_id: int, now: int) -> dict[str, Lane]:
    """What is due, by class; counted only where something is."""
    async with tx.across_workspaces():  # a line that is lent has the messages of others
        oldest = await queue.oldest_due(tx, senders, line_id)
        late = {lane: due_at for lane, due_at in oldest.items() if due_at <= now}
        if not late:
            return {}
        counts = await queue.waiting(tx, senders, line_id, now, COUNTED_MAX)
    return {
        lane.value: Lane(sum(counts.get(lane, {}).values()), (now - due_at) / MICROS)
        for lane, due_at in late.items()
    }


async def _follower(
    tx: Transaction, name: str, reader: str, read: facts.Reading, workspace_ids: Collection[int], now: int
) -> Follower:
    behind_s = 0.0
    for workspace_id in workspace_ids:
        position = await facts.known_position(tx, workspace_id, reader)
        unread, _ = await read(tx, workspace_id, position or START, 1)
        if unread:
            behind_s = max(behind_s, (now - unread[0].at) / MICROS)
    return Follower(name, behind_s)
