"""Customers who write before they are contacts: their words wait, and are theirs once they are."""

from __future__ import annotations

from angarium.contacts.store import Contact
from angarium.messaging import reconcile, strangers
from angarium.messaging.history import history
from angarium.messaging.pages import names_in
from support.relay import Relay

PHONE, OTHER = "+380501234567", "+380507654321"


async def said_by(relay: Relay, contact: Contact) -> list[str]:
    """What stands in a contact's history, the newest first."""
    names = names_in(relay.world, relay.workspace_id)
    asked = (relay.world, names, relay.workspace_id, contact, 0, 30)
    passed, _ = await relay.ground.db.read(history, *asked)
    return [one.words for one in passed]


async def unknown(relay: Relay) -> list[tuple[str, str, str]]:
    """Kind, address and words of whom nobody knows."""
    found, _ = await relay.ground.db.read(strangers.listing, relay.world, relay.workspace_id, 0, 10)
    return [(one.kind.value, one.said.sender, one.said.text) for one in found]


async def test_what_came_from_nobody_known_is_shown_and_theirs_once_they_are_a_contact(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.hear("sms", "What do you sell?")
    await relay.hear("sms", "And when?", OTHER)
    assert await unknown(relay) == [("phone", OTHER, "And when?"), ("phone", PHONE, "What do you sell?")]
    anna = await relay.contact(external_id="a")
    await relay.hear("sms", "Hello?")
    assert await said_by(relay, anna) == ["Hello?", "What do you sell?"]
    assert await unknown(relay) == [("phone", OTHER, "And when?")]
    await reconcile.tidy(relay.world, relay.workspace_id)
    assert await said_by(relay, anna) == ["Hello?", "What do you sell?"]
    assert await unknown(relay) == [("phone", OTHER, "And when?")]
    moved = await relay.contact(external_id="a", addresses=[{"kind": "phone", "value": OTHER}])
    assert moved.id == anna.id
    assert await said_by(relay, moved) == ["Hello?", "And when?", "What do you sell?"]


async def test_an_address_of_another_kind_is_another_person(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.hear("sms", "What do you sell?")
    viber = await relay.contact(external_id="v", addresses=[{"kind": "viber", "value": PHONE}])
    assert await said_by(relay, viber) == []
    await reconcile.tidy(relay.world, relay.workspace_id)
    assert await said_by(relay, viber) == []
    assert await unknown(relay) == [("phone", PHONE, "What do you sell?")]
