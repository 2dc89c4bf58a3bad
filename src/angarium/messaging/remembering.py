"""What a cascade remembers of reaching people: learnt for a batch of messages at once.

Who tells what happened to messages for segments tells it here too (`chronicle.py`): it works behind those who
send, and rests while they are busy, so that remembering costs no message anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from angarium.contacts.reachability import Known
from angarium.contacts.reachability import learn as learnt
from angarium.contacts.store import merges, reachability
from angarium.messaging.store import tried
from angarium.messaging.store.tried import Found, Place
from angarium.storage.database import Transaction


async def learn(
    tx: Transaction, workspace_id: int, message_ids: Collection[int], answers: Mapping[int, str]
) -> None:
    """Remember how the attempts of these messages ended, and who answered: what customers sent,
    by id, with the channels on which it came. What was learnt already is not written again."""
    if not message_ids and not answers:
        return
    found = await tried.found(tx, workspace_id, message_ids, answers)
    before = _by_place(
        await reachability.of_contacts(tx, workspace_id, {place.contact_id for place in found.tried})
    )
    new = _learnt(found, before, found.tried)
    if new and not tx.exclusive:
        new = await _still_so(tx, workspace_id, found, before, new)
    await reachability.save(tx, workspace_id, list(new.values()))


def _by_place(memories: Iterable[Known]) -> dict[Place, Known]:
    return {Place(one.contact_id, one.channel, one.address): one for one in memories}


def _learnt(found: Found, before: Mapping[Place, Known], places: Iterable[Place]) -> dict[Place, Known]:
    """What is known of those of these places of which something new is."""
    known = [(place, before.get(place) or Known(*place)) for place in places]
    after = [(place, one, learnt(one, found.tried[place], found.zones[place[0]])) for place, one in known]
    return {place: new for place, one, new in after if new is not one}


async def _still_so(
    tx: Transaction, workspace_id: int, found: Found, before: Mapping[Place, Known], new: dict[Place, Known]
) -> dict[Place, Known]:
    """Looked at once more while nobody changes these contacts: nothing is written of an address or a person
    that has gone, nor over what somebody had forgotten meanwhile."""
    people = sorted({place.contact_id for place in new})
    await merges.hold(tx, workspace_id, people)
    theirs = await tried.owned_since(tx, workspace_id, people)
    now = _by_place(await reachability.of_contacts(tx, workspace_id, people))
    if any(now.get(place) != before.get(place) for place in new):
        new = _learnt(found, now, new)
    return {place: one for place, one in new.items() if (place.contact_id, place.address) in theirs}
