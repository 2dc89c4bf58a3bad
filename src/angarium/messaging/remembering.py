"""What a cascade remembers of reaching people: learnt for a batch of messages at once.

Who tells what happened to messages for segments tells it here too (`chronicle.py`): it works behind those who
send, and rests while they are busy, so that remembering costs no message anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from angarium.contacts import store as contacts
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
    people = {place.contact_id for place in found.tried}
    new = _learnt(found, await reachability.of_contacts(tx, workspace_id, people))
    if new:
        await _write(tx, workspace_id, found, sorted({one.contact_id for one in new}))


def _learnt(found: Found, memories: Iterable[Known]) -> list[Known]:
    """What is new to these memories."""
    before = {Place(one.contact_id, one.channel, one.address): one for one in memories}
    known = [(before.get(place) or Known(*place), place, attempts) for place, attempts in found.tried.items()]
    after = [(one, learnt(one, attempts, found.zones[place.contact_id])) for one, place, attempts in known]
    return [new for one, new in after if new is not one]


async def _write(tx: Transaction, workspace_id: int, found: Found, people: Sequence[int]) -> None:
    """Looked at once more while nobody changes these contacts: nothing is written of an address or a person
    that has gone, nor over what somebody had forgotten meanwhile."""
    await merges.hold(tx, workspace_id, people)
    owned = await contacts.addresses_of(tx, workspace_id, people)
    theirs = {(contact_id, one.value) for contact_id, several in owned.items() for one in several}
    new = _learnt(found, await reachability.of_contacts(tx, workspace_id, people))
    kept = [one for one in new if (one.contact_id, one.address) in theirs]
    await reachability.save(tx, workspace_id, kept)
