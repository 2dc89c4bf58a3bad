"""What the gate looks at beyond the message, the contact and the line, looked up for a whole batch at once.

Nothing is asked of which the workspace has nothing: no cap, no query; no suppression list, none either.
Whether there is a list is remembered by this process, and asked at the last moment with what is asked then
anyway: so the first entry of a list holds at once, whichever machine wrote it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from angarium.contacts import suppression_list
from angarium.contacts.reachability import Known
from angarium.contacts.store import Contact, reachability, suppressions
from angarium.contacts.suppression import Suppressed
from angarium.contacts.suppression_list import Place
from angarium.core.values import AddressKind, MessageClass, Standing
from angarium.messaging.gate.caps import looks_back_to
from angarium.messaging.gate.documents import NONE, Caps, PeoplePolicies
from angarium.messaging.gate.facts import Touch
from angarium.messaging.store import touches
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.world import World
from angarium.storage.database import Transaction


class Permissions(msgspec.Struct, frozen=True):
    """What is known for one batch; `touches` grows while it goes."""

    policies: PeoplePolicies = NONE
    suppressed: Mapping[Place, tuple[Suppressed, ...]] = {}
    touches: dict[int, tuple[Touch, ...]] = {}  # by contact
    remembered: Mapping[int, tuple[Known, ...]] = {}  # by contact: what speaks against a channel

    def against(self, kind: AddressKind, value: str) -> tuple[Suppressed, ...]:
        """What is known against writing to an address."""
        return self.suppressed.get((kind, value), ())

    def had(self, contact_id: int) -> tuple[Touch, ...]:
        """What a contact has had lately."""
        return self.touches.get(contact_id, ())

    def recall(self, contact_id: int, channel: str, address: str) -> Known | None:
        """What is remembered against writing to an address on a channel."""
        found = self.remembered.get(contact_id, ())
        return next((one for one in found if one.channel == channel and one.address == address), None)

    def is_about(self, contact_id: int, kind: AddressKind, value: str) -> bool:
        """Whether anything at all is known of a contact or of its address."""
        found = (kind, value) in self.suppressed or contact_id in self.touches
        return found or contact_id in self.remembered

    def count(self, attempt: Attempt, now: int) -> None:
        """It goes: those after it in the batch see it."""
        if self.policies.caps.rules:
            touch = Touch(now, attempt.message_class, attempt.channel, attempt.message_id)
            self.touches[attempt.contact_id] = (*self.had(attempt.contact_id), touch)


NOTHING = Permissions()


async def of_contacts(
    tx: Transaction,
    world: World,
    workspace_id: int,
    people: Iterable[Contact | object],
    now: int,
    relayed: Collection[int] = (),
) -> Permissions:
    """What is known of the recipients of messages that are planned, of those who are contacts; `of_attempts`
    has the last word. `relayed`: the contacts to whom a message has several ways."""
    policies = world.policies.of(workspace_id).people
    contacts = [one for one in people if isinstance(one, Contact)]
    places = {(a.kind, a.value) for contact in contacts for a in contact.addresses}
    suppressed: Mapping[Place, tuple[Suppressed, ...]] = {}
    if world.suppressing.get(workspace_id, True):
        suppressed = await _listed(tx, world, workspace_id, places)
    capped = {contact.id for contact in contacts} if policies.caps.rules else set()
    had = await _had(tx, workspace_id, policies.caps, capped, now) if capped else {}
    recalled: Mapping[int, tuple[Known, ...]] = {}
    if relayed and policies.reachability.enabled:
        recalled = await reachability.against(tx, workspace_id, relayed)
    return Permissions(policies, suppressed, had, recalled)


async def of_attempts(
    tx: Transaction,
    world: World,
    workspace_id: int,
    found: Collection[Attempt],
    standings: Mapping[int, Standing],
    now: int,
) -> Permissions:
    """What is known of the recipients of attempts that are about to leave on one line."""
    policies = world.policies.of(workspace_id).people
    gone = {one.contact_id for one in found} - standings.keys()  # nobody has told whether there is a list
    listed = bool(gone) or any(one.listed for one in standings.values())
    world.suppressing[workspace_id] = listed
    suppressed: Mapping[Place, tuple[Suppressed, ...]] = {}
    if listed:
        places = {(world.channels[one.channel].kind_at(one.address), one.address) for one in found}
        suppressed = await _listed(tx, world, workspace_id, places)
    capped = _capped(policies.caps, ((one.contact_id, one.message_class) for one in found))
    had: dict[int, tuple[Touch, ...]] = {}
    if capped:
        await touches.hold(tx, workspace_id, capped)
        had = await _had(tx, workspace_id, policies.caps, capped, now, [one.id for one in found])
    return Permissions(policies, suppressed, had)


async def _listed(
    tx: Transaction, world: World, workspace_id: int, places: Collection[Place]
) -> Mapping[Place, tuple[Suppressed, ...]]:
    found = await suppression_list.look_up(tx, world.ground.vault, workspace_id, places)
    if not found and world.suppressing.get(workspace_id) is None:
        world.suppressing[workspace_id] = await suppressions.are_there_any(tx, workspace_id)
    return found


def _capped(caps: Caps, asked: Iterable[tuple[int, MessageClass]]) -> set[int]:
    """Contacts whose messages some cap counts."""
    if not caps.rules:
        return set()
    classes = {one for cap in caps.rules for one in cap.classes}
    return {contact_id for contact_id, message_class in asked if message_class in classes}


async def _had(
    tx: Transaction,
    workspace_id: int,
    caps: Caps,
    contact_ids: Collection[int],
    now: int,
    without: Collection[int] = (),
) -> dict[int, tuple[Touch, ...]]:
    classes = {one.value for cap in caps.rules for one in cap.classes}
    since = looks_back_to(caps, now)
    return await touches.lately(tx, workspace_id, contact_ids, classes, since, without)
