"""Write down what a contact said; a no stops what waits for it, in the same transaction."""

from __future__ import annotations

from angarium.accounts import audit
from angarium.contacts import consent_ledger
from angarium.contacts.consent import State
from angarium.contacts.consent_ledger import Said
from angarium.contacts.store.consents import Entry
from angarium.core import ids
from angarium.core.problems import not_found
from angarium.messaging import withdrawal
from angarium.messaging.case import Case
from angarium.messaging.world import World
from angarium.storage.database import Transaction


async def record(
    tx: Transaction, world: World, workspace_id: int, said: Said, actor: str
) -> tuple[Entry, list[Case]]:
    """The entry of the ledger, and the messages that it stopped: whoever calls it wakes their lines after the
    commit (`case.wake`). A Problem when there is no such contact."""
    ground, subject = world.ground, ids.show("contact", said.contact_id)
    now = ground.clock.now()
    entries = await consent_ledger.record(tx, ground, workspace_id, [said], actor)
    if not entries:
        raise not_found("contact", subject)
    stopped: list[Case] = []
    if said.state is State.WITHDRAWN:
        stopped = await withdrawal.stop(tx, world, workspace_id, [said.contact_id], now)
    told = {"scope": str(said.scope), "source": said.source}
    await audit.note(tx, workspace_id, actor, f"consent.{said.state.value}", subject, told, now)
    return entries[0], stopped
