"""What the command bar finds among people: contacts by name, number, address or ID, and segments by name."""

from __future__ import annotations

from angarium.contacts import finding
from angarium.contacts.segments import store as segments
from angarium.core import ids
from angarium.storage.database import Transaction


async def contacts(tx: Transaction, workspace_id: int, text: str, few: int) -> list[tuple[str, str, str]]:
    """Address, title and detail of each."""
    found = await finding.seek(tx, workspace_id, text, few)
    return [
        (
            f"/contacts/{ids.show('contact', one.id)}",
            one.name or (one.addresses[0].value if one.addresses else ids.show("contact", one.id)),
            one.addresses[0].value if one.addresses else one.external_id or "",
        )
        for one in found
    ]


async def of_segments(tx: Transaction, workspace_id: int, text: str, few: int) -> list[tuple[str, str, str]]:
    """The same of segments."""
    near = text.casefold()
    there = await segments.all_of(tx, workspace_id)
    found = [one for one in there if near in one.name.casefold()]
    return [(f"/segments/{ids.show('segment', one.id)}", one.name, "") for one in found[:few]]
