"""The contacts that a text names: by their own id, by an address, by a phone as it is dialled at home.

Rules:
- Who types 0912… means a number of a country that is not told. Each country has one number that is dialled
  so, or none: those are looked up as whole addresses, a few hundred keys of the primary key. No address is
  read for what stands at its end, of which there is no index.
- Where somebody types one number to send to, the country is that of the workspace's clocks. If it is no
  number there, it is that of the one contact here whose phone is dialled so.
- Whatever is meant exactly comes first; a number from home is looked for when nothing is called like that.
"""

from __future__ import annotations

from angarium.contacts import rules, store
from angarium.contacts.phones import BadPhone, dialled, normalise, region_of_zone
from angarium.contacts.rules import BadAddress
from angarium.contacts.store import merges
from angarium.core.values import AddressKind
from angarium.storage.database import Transaction


async def named(tx: Transaction, workspace_id: int, text: str) -> set[int]:
    """The contacts whose external_id or address this is, whatever its kind."""
    addresses = set()
    for kind, value in [
        *((kind, text.strip()) for kind in AddressKind),
        (AddressKind.PHONE, f"+{text.strip()}"),
    ]:
        try:  # as operators write phones, without a plus, too
            addresses.add((kind.value, rules.clean_address(kind, value)))
        except BadAddress:
            continue
    owners = await store.ids_by_addresses(tx, workspace_id, addresses)
    by_name = await store.ids_by_external_id(tx, workspace_id, {text})
    by_name |= await merges.old_names(tx, workspace_id, {text} - by_name.keys())
    found = {*owners.values(), *by_name.values()}
    return found or set((await from_home(tx, workspace_id, text)).values())


async def phone(tx: Transaction, workspace_id: int, text: str, time_zone: str) -> str:
    """A number as E.164, where it is clear which one is meant; else the text as it came, so that whoever
    takes numbers says what is wrong with it. `time_zone` is that of the workspace (IANA)."""
    try:
        return normalise(text, region_of_zone(time_zone))
    except BadPhone:
        found = list(await from_home(tx, workspace_id, text))
        return found[0] if len(found) == 1 else text


async def from_home(tx: Transaction, workspace_id: int, text: str) -> dict[str, int]:
    """The phones of this workspace that are dialled so in their own country, with their contacts."""
    try:
        numbers = dialled(text)
    except BadPhone:
        return {}
    phones = [(AddressKind.PHONE.value, number) for number in numbers]
    owners = await store.ids_by_addresses(tx, workspace_id, phones)
    return {value: contact_id for (_, value), contact_id in owners.items()}
