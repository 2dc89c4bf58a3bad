"""What a cascade remembers of reaching people: learnt for a batch of messages at once.

Who tells what happened to messages for segments tells it here too (`chronicle.py`): it works behind those who
send, and rests while they are busy, so that remembering costs no message anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from angarium.contacts import store as contacts
from angarium.contacts.reachability import Known
from angarium.contacts.reachability import learn as learnt
from angarium.contacts.store import merges, reachability
from angarium.messaging.store import tried
from angarium.storage.database import Transaction


async def learn(
    tx: Transaction, workspace_id: int, message_ids: Collection[int], answers: Mapping[int, str]
) -> None:
    """Remember how the attempts of these messages ended, and who answered: what customers sent,
    by id, with the channels on which it came. What was learnt already is not written again."""
    if not message_ids and not answers:
        return
    found = await tried.found(tx, workspace_id, message_ids, answers)
    memories = await reachability.of_contacts(tx, workspace_id, {place.contact_id for place in found.tried})
    before = {tried.Place(one.contact_id, one.channel, one.address): one for one in memories}
    changed = []
    for place, attempts in found.tried.items():
        known = before.get(place) or Known(*place)
        new = learnt(known, attempts, found.zones[place.contact_id])
        if new is not known:
            changed.append(new)
    await reachability.save(tx, workspace_id, await _still_theirs(tx, workspace_id, changed))


async def _still_theirs(tx: Transaction, workspace_id: int, changed: Sequence[Known]) -> list[Known]:
    """What is at addresses that their contacts have, and keep until this is written: nothing is left behind
    of a person who is erased at this moment."""
    if not changed:
        return []
    ids = sorted({one.contact_id for one in changed})
    await merges.hold(tx, workspace_id, ids)
    owned = await contacts.addresses_of(tx, workspace_id, ids)
    return [one for one in changed if one.address in {each.value for each in owned[one.contact_id]}]
