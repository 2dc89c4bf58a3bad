"""What customers send: put longer texts together, find out who it is, write it down once."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from angarium.contacts import store as contacts
from angarium.core.clock import micros
from angarium.core.ports import Inbound
from angarium.lines.store import Line
from angarium.messaging import bounces, optout
from angarium.messaging.case import Case
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import inbox
from angarium.messaging.store.inbox import Heard, Text
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

# How long the parts of one text are waited for; then it is shown with its gaps.
PARTS_WAIT_S = 600.0
GAP = "[…]"


async def hear(tx: Transaction, world: World, line: Line, event: Inbound, now: int) -> list[Case]:
    """Take in one message from a customer, or one part of a longer one; the messages that it stopped, if it
    asked for that, and those that answer it."""
    if event.part_total <= 1:
        return await _write(tx, world, line, event, 0, now)
    await inbox.insert_inbound_part(tx, line.workspace_id, line.id, event, now)
    text = Text(line.id, event.sender, event.recipient, event.part_ref, event.part_total)
    if len(await inbox.parts_of_text(tx, line.workspace_id, text)) == event.part_total:
        return await _put_together(tx, world, line, text, now)
    return []


async def give_up_waiting(tx: Transaction, world: World, workspace_id: int, now: int) -> int:
    """Take in texts whose missing parts did not come in time; how many there were."""
    stale = await inbox.stale_texts(tx, workspace_id, now - micros(PARTS_WAIT_S))
    for text in stale:
        line = world.lines.get(text.line_id)
        if line is None:
            await inbox.drop_parts(tx, workspace_id, text)
        else:
            await _put_together(tx, world, line, text, now)
    return len(stale)


async def _put_together(tx: Transaction, world: World, line: Line, text: Text, now: int) -> list[Case]:
    parts = await inbox.parts_of_text(tx, line.workspace_id, text)
    there = {number: words for number, _, words, _ in parts}
    whole = "".join(there.get(number, GAP) for number in range(1, text.total + 1))
    event = Inbound(ref=parts[0][1], sender=text.sender, recipient=text.recipient, text=whole)
    cases = await _write(tx, world, line, event, text.total - len(there), now)
    await inbox.drop_parts(tx, line.workspace_id, text)
    return cases


async def _write(
    tx: Transaction, world: World, line: Line, event: Inbound, missing: int, now: int
) -> list[Case]:
    everybody = world.lines.everybody(line.id) or [line.workspace_id]
    kind = world.channels[line.channel].kind_at(event.sender)
    people = {
        workspace_id: (await contacts.ids_by_address(tx, workspace_id, kind, [event.sender])).get(
            event.sender
        )
        for workspace_id in everybody
    }
    workspace_id = line.workspace_id
    if len(everybody) > 1:
        if await inbox.is_known(tx, everybody, line.id, event.ref):
            return []
        workspace_id = await _meant(tx, line, event, people)
    heard = Heard(world.ground.ids.mint(), line.id, event, people[workspace_id], missing, now)
    if not await inbox.insert_inbound(tx, workspace_id, [heard]):
        return []
    await bounces.proven(tx, world, workspace_id, (kind, event.sender), line.id)
    seen = world.lines.seen(workspace_id, line.id) or line
    body = {"line": seen.name, "channel": line.channel, "contact": heard.contact_id, "parts_missing": missing}
    fact = Fact(workspace_id, "inbound.received", heard.id, now, msgspec.json.encode(body))
    await facts.append(tx, [fact])
    return await optout.heed(tx, world, workspace_id, line, heard, now)


async def _meant(tx: Transaction, line: Line, event: Inbound, people: Mapping[int, int | None]) -> int:
    """Of the workspaces that send on a line, the one that a customer answers.

    That whose message the channel names, else the last that wrote to this customer on this line, else the
    line's owner.
    """
    if event.context_ref:
        known = await attempt_store.by_refs(tx, list(people), line.id, [event.context_ref])
        if event.context_ref in known:
            return known[event.context_ref][2]
    last = [
        (await attempt_store.last_to(tx, workspace_id, line.id, contact_id), workspace_id)
        for workspace_id, contact_id in people.items()
        if contact_id
    ]
    newest, workspace_id = max(last, default=(0, line.workspace_id))
    return workspace_id if newest else line.workspace_id
