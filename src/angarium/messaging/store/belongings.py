"""The tables of every room whose rows go over when two contacts are merged, and back when that is undone."""

from __future__ import annotations

from angarium.contacts.store.belongings import Belonging
from angarium.contacts.store.consents import consent
from angarium.messaging.store.tables import attempt, inbound, message

BELONGINGS = {one.name: one for one in map(Belonging, (message, attempt, inbound, consent))}
