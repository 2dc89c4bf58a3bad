"""What wording stands in, as the rooms of lines and contacts know it: handed to the room of content."""

from __future__ import annotations

from functools import partial

from angarium.contacts import fields, finding
from angarium.contacts import store as contacts
from angarium.contacts.rules import BadAddress, clean_address
from angarium.contacts.store import locales
from angarium.content import promotional
from angarium.content.surroundings import Carrier, Mark, Person, Surroundings
from angarium.core import ids
from angarium.core.values import AddressKind, MessageClass, Price
from angarium.lines.store import Line
from angarium.messaging import unsubscribe
from angarium.messaging.policies import TOPIC, ContentControl
from angarium.messaging.pricing import quote
from angarium.messaging.way import contact_values
from angarium.messaging.world import World
from angarium.storage.database import Transaction


class Outlook:
    """A look over everything that this process has at hand."""

    def __init__(self, world: World) -> None:
        self._world = world

    def carriers(self, workspace_id: int) -> tuple[Carrier, ...]:
        """The lines of a workspace; one that is not approved carries no class."""
        world = self._world
        return tuple(
            Carrier(
                line=line.name,
                channel=world.channels[line.channel],
                settings=world.settings(line),
                classes=line.classes if line.approved and line.enabled else frozenset(),
                price=partial(self._price, line),
            )
            for line in world.lines.of(workspace_id)
        )

    def unsubscribe_url(self) -> str:
        """An address as long as a message's own, which opens nothing."""
        public = self._world.public_url
        return f"{public}{unsubscribe.PATH}/{'x' * unsubscribe.TOKEN_LENGTH}" if public else ""

    def public_url(self) -> str:
        """As it is set."""
        return self._world.public_url

    async def around(self, tx: Transaction, workspace_id: int) -> Surroundings:
        """The lines, what the newest contacts read, and the fields that contacts have by definition."""
        defined = await fields.definitions(tx, workspace_id)
        read, sample = await locales.newest(tx, workspace_id)
        return Surroundings(
            self._world.channels,
            self.carriers(workspace_id),
            tuple(read),
            sample,
            frozenset(defined) if defined else None,
            unsubscribe_url=self.unsubscribe_url(),
            public_url=self._world.public_url,
            promotional=partial(_promotes, self._world.policies.of(workspace_id).content_control),
        )

    async def contact(self, tx: Transaction, workspace_id: int, contact_id: int) -> Person | None:
        """A contact with the first address of each kind."""
        found = (await contacts.by_ids(tx, workspace_id, {contact_id})).get(contact_id)
        if found is None:
            return None
        addresses = {one.kind: one.value for one in reversed(found.addresses)}
        return Person(contact_values(found), found.locale, addresses)

    async def sought(self, tx: Transaction, workspace_id: int, text: str) -> int | None:
        """By an id, an address or a name."""
        return await meant(tx, workspace_id, text)

    def _price(self, line: Line, message_class: MessageClass, address: str, parts: int) -> Price:
        now = self._world.ground.clock.now()
        found = quote(self._world, line, message_class, address, parts, now)
        return Price(found.micros, found.currency)

    async def recalled(self, workspace_id: int) -> None:
        """Know at once what was taken back, and tell the others."""
        await self._world.policies.reload([workspace_id])
        self._world.ground.fabric.wake(TOPIC)


async def sought(tx: Transaction, workspace_id: int, text: str) -> int | None:
    """The contact somebody means by an id, an address of any kind, or their own id of it; None: nobody."""
    if text.startswith(f"{ids.PREFIXES['contact']}_"):
        try:
            return ids.read("contact", text)
        except ValueError:
            pass
    without_plus = (AddressKind.PHONE, f"+{text}")
    for kind, written in (*((kind, text) for kind in AddressKind), without_plus):
        try:
            address = clean_address(kind, written)
        except BadAddress:
            continue
        found = await contacts.ids_by_address(tx, workspace_id, kind, [address])
        if found:
            return found[address]
    return (await contacts.ids_by_external_id(tx, workspace_id, [text])).get(text)


async def meant(tx: Transaction, workspace_id: int, text: str) -> int | None:
    """The same, or else the newest of those who are called so."""
    found = await sought(tx, workspace_id, text)
    return found or next((one.id for one in await finding.seek(tx, workspace_id, text, 1)), None)


def _promotes(policy: ContentControl, text: str, _locale: str) -> list[Mark]:
    """The words for which a text is taken to promote; none when it is not."""
    found = promotional.detect(text, policy.also, policy.never)
    if not found.is_likely:
        return []
    return [Mark(one.start, text[one.start : one.end], one.said) for one in found.speaking()]
