"""Which attempts a watermark speaks of: Messenger tells of all until a time, and names none."""

from __future__ import annotations

from angarium.contacts import store as contacts
from angarium.core import ids
from angarium.core.ports import Receipt, Watermark
from angarium.lines.store import Line
from angarium.messaging import receipts
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.world import World
from angarium.storage.database import Transaction


async def receipts_below(tx: Transaction, world: World, line: Line, mark: Watermark) -> list[Receipt]:
    """A receipt for each attempt that a watermark speaks of: what went to the person until then."""
    kind = world.channels[line.channel].kind_at(mark.address)
    found: list[int] = []
    for workspace_id in world.lines.everybody(line.id) or [line.workspace_id]:
        people = await contacts.ids_by_address(tx, workspace_id, kind, [mark.address])
        if people:
            asked = (line.id, people[mark.address], mark.until, receipts.BELOW[mark.status])
            found += await attempt_store.sent_until(tx, workspace_id, *asked)
    return [Receipt(mark.status, client_ref=ids.show("attempt", one), at=mark.until) for one in found]
