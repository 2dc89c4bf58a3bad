"""Look for contacts as people do: by whatever is known of one, and narrowed down; a page at a time.

A word alone, a tag or a kind of address is looked for along indexes, the newest first; with a segment or the
value of a field it becomes rules, whose members come in the order in which they were created.
Some digits that are nobody's id or number are the end of one: somebody reads it out, or has it masked. All
contacts are looked through for it, so it is asked for by people alone, and not at each key they press.
"""

from __future__ import annotations

import msgspec

from angarium.contacts import audience, flows, store
from angarium.contacts.audience import CONTACTS_MAX, Asked, Audience, Settled
from angarium.contacts.named import from_home
from angarium.contacts.phones import ending
from angarium.contacts.rules import BadAddress, clean_address
from angarium.contacts.segments.rules import TEXT_MAX, Operator, Property, Rule
from angarium.contacts.store import Contact, listing
from angarium.contacts.store.listing import Wanted
from angarium.core import ids
from angarium.core.values import AddressKind
from angarium.storage.database import Transaction

NEWEST = (1 << 63) - 1


class Sought(msgspec.Struct, frozen=True):
    """What somebody looks for; empty means any."""

    text: str = ""
    tag: str = ""
    segment: str = ""
    kind: AddressKind | None = None
    field: str = ""
    value: str = ""

    @property
    def narrowed(self) -> bool:
        """Whether rules must be asked."""
        return bool(self.segment or self.field)


class Found(msgspec.Struct, frozen=True):
    """A page. `following`: the id behind which it goes on; 0 at the end."""

    contacts: list[Contact]
    following: int


async def find(tx: Transaction, workspace_id: int, sought: Sought, place: int, limit: int, now: int) -> Found:
    """Those who fit, from a place on; 0: the beginning. A Problem names what cannot be looked for."""
    if sought.narrowed:
        settled = await _settled(tx, workspace_id, sought, now)
        found = await audience.page(tx, workspace_id, settled, place, limit + 1)
    else:
        wanted = Wanted(tag=sought.tag, kind=sought.kind or "")
        found = await _newest(tx, workspace_id, wanted, sought.text, place or NEWEST, limit + 1)
    known = await store.by_ids(tx, workspace_id, found[:limit])
    following = found[limit - 1] if len(found) > limit else 0
    return Found([known[one] for one in found[:limit] if one in known], following)


async def _newest(
    tx: Transaction, workspace_id: int, wanted: Wanted, text: str, before: int, limit: int
) -> list[int]:
    found = await flows.newest(tx, workspace_id, before, limit, wanted, text)
    digits = ending(text)
    if found or not digits:
        return found
    return await listing.ending(tx, workspace_id, wanted, digits, before, limit)


async def _settled(tx: Transaction, workspace_id: int, sought: Sought, now: int) -> Settled:
    asked = Asked(sought.segment, sought.tag, sought.kind, sought.field, sought.value)
    settled = await audience.asked_for(tx, workspace_id, asked, now)
    at_home = tuple(sorted(await from_home(tx, workspace_id, sought.text)))
    rules = [one for one in (settled.rules, _of_text(sought.text, at_home)) if one is not None]
    return msgspec.structs.replace(settled, rules=Rule(all=tuple(rules))) if rules else settled


def _of_text(text: str, at_home: tuple[str, ...]) -> Rule | None:
    """What is in a name, or a whole external_id or address, as a rule; and the phones that are dialled so."""
    text = text.strip()[:TEXT_MAX]
    if not text:
        return None
    rules = [
        Rule(property=Property.NAME, is_=Operator.CONTAINS, value=text),
        Rule(property=Property.EXTERNAL_ID, is_=Operator.IS, value=text),
    ]
    for kind in AddressKind:
        try:
            rules.append(Rule(address=kind, starts_with=(clean_address(kind, text),)))
        except BadAddress:
            continue
    if at_home:
        rules.append(Rule(address=AddressKind.PHONE, starts_with=at_home))
    return Rule(any=tuple(rules))


async def audience_of(tx: Transaction, workspace_id: int, sought: Sought, now: int) -> Audience:
    """All who fit, as an audience, for whoever takes them out; a Problem names what cannot be.

    Those whom a word finds are named one by one, unless they are too many: rules cannot say how a phone ends,
    or how a name goes without its spaces.
    """
    if sought.text.strip() and not sought.narrowed:
        wanted = Wanted(tag=sought.tag, kind=sought.kind or "")
        found = await _newest(tx, workspace_id, wanted, sought.text, NEWEST, CONTACTS_MAX + 1)
        if 0 < len(found) <= CONTACTS_MAX:
            return Audience(contacts=tuple(ids.show("contact", one) for one in found))
    if sought == Sought():
        return Audience(everybody=True)
    if sought == Sought(segment=sought.segment):
        return Audience(segment=sought.segment)
    without = msgspec.structs.replace(sought, segment="")
    rules = (await _settled(tx, workspace_id, without, now)).rules
    of_segment = Rule(segment=sought.segment) if sought.segment else None
    return Audience(rules=Rule(all=tuple(one for one in (of_segment, rules) if one is not None)))


async def seek(tx: Transaction, workspace_id: int, text: str, few: int) -> list[Contact]:
    """The few that the command bar shows: by an id of ours too."""
    try:
        found = [ids.read("contact", text)]
    except ValueError:
        found = await flows.newest(tx, workspace_id, NEWEST, few, Wanted(), text)
    known = await store.by_ids(tx, workspace_id, found)
    return [known[one] for one in found if one in known]
