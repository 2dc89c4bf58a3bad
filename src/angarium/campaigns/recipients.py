"""Who got what in a campaign, as a list to page through and as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import msgspec

from angarium.campaigns.store import recipients as store
from angarium.campaigns.store.recipients import Glance, Recipient
from angarium.contacts import store as contacts
from angarium.contacts.exports.table import Cell
from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.values import amount_text
from angarium.messaging.report import best_of, cell, csv_text, time_text
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import links as link_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.links import FirstVisits
from angarium.messaging.world import World
from angarium.storage.database import Transaction

SOURCE = "recipients"  # what files of them are asked for by
WINDOW = 5_000  # members that are glanced at in one statement
GLANCES_MAX = 50_000  # and for one page
PAGE = 500  # rows of a file that are read at once


class Wanted(msgspec.Struct, frozen=True):
    """Which of them: those in a state, for a reason; empty is any."""

    state: str = ""
    reason: str = ""

    def fits(self, one: Glance) -> bool:
        """Whether a member is meant."""
        return self.state in ("", one.state) and self.reason in ("", one.reason)


class About(msgspec.Struct, frozen=True):
    """Which recipients go into a file."""

    campaign_id: int
    wanted: Wanted = Wanted()


class RecipientShown(msgspec.Struct, frozen=True, kw_only=True):
    """One member: where it stands, and how its message went: over which line, when, at what cost."""

    contact: str
    external_id: str
    name: str
    state: str
    reason: str
    detail: str
    message: str
    variant: int
    channel: str
    line: str
    address: str
    parts: int
    tried: int
    accepted_at: str
    delivered_at: str
    read_at: str
    opened_at: str  # by a person, where it is counted
    clicked_at: str
    cost: str
    currency: str


class Piece(msgspec.Struct, frozen=True):
    """A page of them; `after` None: there are no more."""

    recipients: list[RecipientShown]
    after: int | None


COLUMNS = RecipientShown.__struct_fields__


async def page(
    tx: Transaction,
    world: World,
    workspace_id: int,
    campaign_id: int,
    wanted: Wanted,
    after: int,
    limit: int,
) -> Piece:
    """The next recipients that fit. A page may be short, or empty, and yet others follow."""
    found: list[int] = []
    glanced = 0
    while len(found) < limit and glanced < GLANCES_MAX:
        window = limit if wanted == Wanted() else WINDOW
        seen = await store.glances(tx, workspace_id, campaign_id, after, window)
        glanced += len(seen)
        fitting = [one.contact_id for one in seen if wanted.fits(one)]
        room = limit - len(found)
        found += fitting[:room]
        if len(fitting) > room:
            return await _piece(tx, world, workspace_id, campaign_id, found, found[-1])
        if len(seen) < window:
            return await _piece(tx, world, workspace_id, campaign_id, found, None)
        after = seen[-1].contact_id
    return await _piece(tx, world, workspace_id, campaign_id, found, after)


async def _piece(
    tx: Transaction,
    world: World,
    workspace_id: int,
    campaign_id: int,
    contact_ids: list[int],
    after: int | None,
) -> Piece:
    those = await store.these(tx, workspace_id, campaign_id, contact_ids)
    people = await contacts.by_ids(tx, workspace_id, contact_ids)
    tried: dict[int, list[Attempt]] = {one.message_id: [] for one in those if one.message_id}
    for attempt in await attempt_store.of_messages(tx, workspace_id, list(tried)):
        if attempt.submitted_at is not None:
            tried[attempt.message_id].append(attempt)
    visits = await link_store.first_by_people(tx, workspace_id, list(tried))
    return Piece([_shown(world, workspace_id, one, people, tried, visits) for one in those], after)


def _shown(
    world: World,
    workspace_id: int,
    one: Recipient,
    people: Mapping[int, Contact],
    tried: Mapping[int, list[Attempt]],
    visits: Mapping[int, FirstVisits],
) -> RecipientShown:
    person, submitted = people.get(one.contact_id), tried.get(one.message_id, [])
    best = best_of(submitted)
    line = world.lines.seen(workspace_id, best.line_id) if best else None
    visited = visits.get(one.message_id, FirstVisits())
    return RecipientShown(
        contact=ids.show("contact", one.contact_id),
        external_id=(person and person.external_id) or "",
        name=person.name if person else "",
        state=one.state,
        reason=one.reason,
        detail=one.detail,
        message=ids.show("message", one.message_id) if one.message_id else "",
        variant=one.variant,
        channel=best.channel if best else "",
        line=line.name if line else "",
        address=best.address if best else "",
        parts=best.parts if best else 0,
        tried=len(submitted),
        accepted_at=time_text(best.accepted_at if best else None),
        delivered_at=time_text(best.delivered_at if best else None),
        read_at=time_text(best.read_at if best else None),
        opened_at=time_text(visited.opened_at),
        clicked_at=time_text(visited.clicked_at),
        cost=amount_text(one.cost_micros or 0),
        currency=one.currency or "",
    )


class Files:
    """Recipients as rows of files: for the room of exports, which writes them."""

    title = "Recipients"
    columns = COLUMNS

    def __init__(self, world: World) -> None:
        self._world = world

    async def pages(self, workspace_id: int, about: str) -> AsyncIterator[list[list[Cell]]]:
        """All that were asked for, a page at a time."""
        asked = msgspec.json.decode(about, type=About)
        after: int | None = 0
        while after is not None:
            piece = await self._world.ground.db.read(
                page, self._world, workspace_id, asked.campaign_id, asked.wanted, after, PAGE
            )
            after = piece.after
            if piece.recipients:
                yield [list(msgspec.structs.astuple(one)) for one in piece.recipients]


async def as_csv(world: World, workspace_id: int, campaign_id: int, wanted: Wanted) -> AsyncIterator[str]:
    """All of them as CSV, a page at a time; the byte-order mark tells a spreadsheet that it is UTF-8."""
    yield "\ufeff" + csv_text([COLUMNS])
    after: int | None = 0
    while after is not None:
        piece = await world.ground.db.read(page, world, workspace_id, campaign_id, wanted, after, PAGE)
        after = piece.after
        if piece.recipients:
            yield csv_text([row(one) for one in piece.recipients])


def row(one: RecipientShown) -> tuple[object, ...]:
    """A recipient as the cells of a file."""
    return tuple(cell(value) if isinstance(value, str) else value for value in msgspec.structs.astuple(one))
