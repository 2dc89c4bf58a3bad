"""What the command bar finds among people: contacts by name, number, address or ID, and segments by name."""

from __future__ import annotations

from angarium.accounts.pages import Hit
from angarium.contacts import finding
from angarium.contacts.phones import ending
from angarium.contacts.segments import store as segments
from angarium.core import ids
from angarium.storage.database import Transaction


async def seek_contacts(tx: Transaction, workspace_id: int, text: str, few: int) -> list[Hit]:
    """The contacts that fit, the newest first; or the one of an ID. What may be the end of a number leads to
    the list, which looks for those: here it would be looked for at each key."""
    hits = []
    for one in await finding.seek(tx, workspace_id, text, few):
        shown, first = ids.show("contact", one.id), one.addresses[0].value if one.addresses else ""
        hits.append(Hit(f"/contacts/{shown}", one.name or first or shown, first or one.external_id or ""))
    digits = "" if hits else ending(text)
    return [Hit(f"/contacts?q={digits}", f"…{digits}")] if digits else hits


async def seek_segments(tx: Transaction, workspace_id: int, text: str, few: int) -> list[Hit]:
    """The segments in whose names it stands."""
    near = text.casefold()
    there = await segments.all_of(tx, workspace_id)
    found = [one for one in there if near in one.name.casefold()]
    return [Hit(f"/segments/{ids.show('segment', one.id)}", one.name) for one in found[:few]]
