"""Find campaigns by their names and states, newest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from angarium.accounts.pages import Hit
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store.campaigns import Campaign, Named
from angarium.core import ids
from angarium.storage.database import Transaction

WINDOW = 1_000  # names that are looked at in one statement
NEWEST = (1 << 63) - 1


class Sought(msgspec.Struct, frozen=True):
    """Which ones: with a text in their name, or the id itself; in one of some states. Empty is any."""

    text: str = ""
    states: tuple[str, ...] = ()

    def fits(self, one: Named) -> bool:
        """Whether a campaign is meant."""
        if self.states and one.state not in self.states:
            return False
        text = self.text.strip().casefold()
        return not text or text in one.name.casefold() or text == ids.show("campaign", one.id)


async def find(
    tx: Transaction, workspace_id: int, sought: Sought, before: int, limit: int
) -> tuple[list[Campaign], int | None]:
    """The next ones, and below which id others follow; None when no more do."""
    found: list[int] = []
    done = False
    while len(found) <= limit and not done:
        window = await store.named(tx, workspace_id, before, WINDOW)
        found += [one.id for one in window if sought.fits(one)]
        done = len(window) < WINDOW
        before = window[-1].id if window else before
    chosen = found[:limit]
    following = chosen[-1] if len(found) > limit else None
    return await store.these(tx, workspace_id, chosen), following


async def called(tx: Transaction, workspace_id: int, shown: Collection[str]) -> dict[str, str]:
    """The names of campaigns by their ids as they are shown; of other texts, and of what is gone, none."""
    found = await store.these(tx, workspace_id, [*filter(None, map(_id, shown))])
    return {ids.show("campaign", one.id): one.name for one in found}


def _id(shown: str) -> int | None:
    try:
        return ids.read("campaign", shown)
    except ValueError:
        return None


async def seek(tx: Transaction, workspace_id: int, text: str, few: int) -> Sequence[Hit]:
    """A few campaigns, for the command bar."""
    found, _ = await find(tx, workspace_id, Sought(text), NEWEST, few)
    shown = [(ids.show("campaign", one.id), one.name) for one in found]
    return [Hit(f"/campaigns/{id_}", name, id_) for id_, name in shown]
