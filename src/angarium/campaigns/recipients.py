"""Who got what in a campaign, as a list to page through and as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import msgspec

from angarium.campaigns import flows
from angarium.campaigns.build import CONTROL_GROUP
from angarium.campaigns.people import columns_of
from angarium.campaigns.store import campaigns
from angarium.campaigns.store import recipients as store
from angarium.campaigns.store.recipients import Glance, Recipient
from angarium.contacts import store as contacts
from angarium.contacts.exports.table import Cell, value_of
from angarium.contacts.imports.store import lists
from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.values import Json, amount_text
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
GLANCE_S = 0.1  # of one page as well: a slow disk gives a shorter page, not one that is waited for
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
    arm: str  # whose words are for it; empty: there are no arms, or it is told nothing on purpose
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
    variables: Json  # of its own: what a file said of it


class Piece(msgspec.Struct, frozen=True):
    """A page of them; `after` None: there are no more."""

    recipients: list[RecipientShown]
    after: int | None


COLUMNS = RecipientShown.__struct_fields__[:-1]  # then a column for each variable of the file
VARIABLE = "variables."  # what such a column's name begins with


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
    clock = world.ground.clock
    found: list[int] = []
    glanced, enough_at = 0, clock.monotonic() + GLANCE_S
    while len(found) < limit and glanced < GLANCES_MAX and clock.monotonic() < enough_at:
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
    arms = await _arms(tx, workspace_id, campaign_id)
    people = await contacts.by_ids(tx, workspace_id, contact_ids)
    tried: dict[int, list[Attempt]] = {one.message_id: [] for one in those if one.message_id}
    for attempt in await attempt_store.of_messages(tx, workspace_id, list(tried)):
        if attempt.submitted_at is not None:
            tried[attempt.message_id].append(attempt)
    visits = await link_store.first_by_people(tx, workspace_id, list(tried))
    return Piece([_shown(world, workspace_id, one, arms, people, tried, visits) for one in those], after)


async def _arms(tx: Transaction, workspace_id: int, campaign_id: int) -> list[str]:
    one = await campaigns.by_id(tx, workspace_id, campaign_id)
    experiment = flows.wanted(one).experiment if one else None
    return [arm.name for arm in experiment.arms] if experiment else []


def _shown(
    world: World,
    workspace_id: int,
    one: Recipient,
    arms: list[str],
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
        arm=arms[one.variant] if arms and one.reason != CONTROL_GROUP else "",
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
        variables=lists.variables(one.variables),
    )


async def variables_of(tx: Transaction, workspace_id: int, campaign_id: int) -> tuple[str, ...]:
    """The variables that members may have of their own, in the order of the file's columns."""
    one = await campaigns.by_id(tx, workspace_id, campaign_id)
    return columns_of(one.frozen) if one else ()


def heads(names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of a file of recipients, with these variables."""
    return (*COLUMNS, *(VARIABLE + name for name in names))


def cells(one: RecipientShown, names: tuple[str, ...]) -> list[Cell]:
    """A recipient as a row of a file."""
    return [*msgspec.structs.astuple(one)[:-1], *(value_of(one.variables.get(name)) for name in names)]


class Files:
    """Recipients as rows of files: for the room of exports, which writes them."""

    title = "Recipients"

    def __init__(self, world: World) -> None:
        self._world = world

    async def columns(self, workspace_id: int, about: str) -> tuple[str, ...]:
        """Those of every campaign, and one for each variable of its file."""
        return heads(await self._names(workspace_id, msgspec.json.decode(about, type=About)))

    async def _names(self, workspace_id: int, asked: About) -> tuple[str, ...]:
        return await self._world.ground.db.read(variables_of, workspace_id, asked.campaign_id)

    async def pages(self, workspace_id: int, about: str) -> AsyncIterator[list[list[Cell]]]:
        """All that were asked for, a page at a time."""
        asked = msgspec.json.decode(about, type=About)
        names = await self._names(workspace_id, asked)
        after: int | None = 0
        while after is not None:
            piece = await self._world.ground.db.read(
                page, self._world, workspace_id, asked.campaign_id, asked.wanted, after, PAGE
            )
            after = piece.after
            if piece.recipients:
                yield [cells(one, names) for one in piece.recipients]


async def as_csv(world: World, workspace_id: int, campaign_id: int, wanted: Wanted) -> AsyncIterator[str]:
    """All of them as CSV, a page at a time; the byte-order mark tells a spreadsheet that it is UTF-8."""
    names = await world.ground.db.read(variables_of, workspace_id, campaign_id)
    yield "\ufeff" + csv_text([heads(names)])
    after: int | None = 0
    while after is not None:
        piece = await world.ground.db.read(page, world, workspace_id, campaign_id, wanted, after, PAGE)
        after = piece.after
        if piece.recipients:
            yield csv_text([row(one, names) for one in piece.recipients])


def row(one: RecipientShown, names: tuple[str, ...]) -> tuple[object, ...]:
    """A recipient as a row of CSV, in which no cell is taken for a formula."""
    return tuple(cell(value) if isinstance(value, str) else value for value in cells(one, names))
