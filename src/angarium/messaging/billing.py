"""What attempts have cost, once the provider charges for them: exact, and a batch at a time.

An attempt is billed once, when the channel says (on acceptance or on delivery), in the transaction that
writes that down: by the price list that holds then, the parts as they really were, the tier that the month
has come to and the sessions that are open. What a provider tells of its own price corrects it. The sums of
`store/costs.py` are written with it, so they are what the attempts cost, always.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from angarium.core.clock import MICROS
from angarium.core.ports import Charged
from angarium.core.values import MessageClass
from angarium.core.values import Price as Money
from angarium.lines import destinations, tariffs, tariffs_store
from angarium.lines.store import Line
from angarium.lines.tariffs import Row, Sold
from angarium.lines.tariffs_flows import Prices
from angarium.lines.tariffs_store import Counted, Session
from angarium.messaging.store import costs
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.costs import Kind, Sum
from angarium.messaging.store.messages import Message
from angarium.messaging.world import World
from angarium.storage.database import Transaction

HOUR_S = 3_600


class Bill(msgspec.Struct):
    """An attempt that is to be billed, or whose cost a provider corrects; and what decided about it."""

    message: Message
    attempt: Attempt
    parts_planned: int
    told: Money | None = None  # by the provider
    charged: Charged | None = None  # as what, by the provider
    first: bool = True  # it was not billed before
    row: Row | None = None

    @property
    def message_class(self) -> MessageClass:
        """By which price lists go: the message's own, or the one as which the provider charges for it."""
        own = self.attempt.message_class
        classes = self.charged.classes if self.charged else ()
        return own if own in classes or not classes else classes[0]

    @property
    def words(self) -> str:
        """What decided, in few words."""
        if self.told is not None:
            return "the provider's own price"
        return self.row.words if self.row else "the line's own price"


class _Priced(msgspec.Struct):
    """A bill that a tariff decides about."""

    bill: Bill
    line: Line
    prices: Prices
    row: Row  # of the lowest tier
    month: str
    in_session: bool = False

    @property
    def session(self) -> Session:
        """The session that it would be in."""
        return self.line.id, self.row.message_class or "", self.bill.attempt.address

    @property
    def counted(self) -> Counted:
        """The month's volume that it counts in."""
        return self.prices.counted_id(self.line.id), self.month

    @property
    def units(self) -> int:
        """How much it counts."""
        if self.row.unit == "part":
            return self.bill.attempt.parts
        return 0 if self.in_session else 1


async def settle(tx: Transaction, world: World, bills: Sequence[Bill]) -> None:
    """Bill what is to be billed, of one workspace; attempts and messages are changed and not yet written."""
    if not bills:
        return
    sums: dict[Kind, Sum] = defaultdict(Sum)
    priced: list[_Priced] = []
    for bill in bills:
        found = _by_tariff(world, bill) if bill.first else None
        if found is not None:
            priced.append(found)
        elif bill.first:
            _charge(bill, _planned_cost(world, bill))
        if found is None:
            _add(world, sums, bill, None)
    if priced:
        await _settle_priced(tx, world, priced)
        for one in priced:
            _add(world, sums, one.bill, one.month)
    if sums:
        await costs.add(tx, bills[0].message.workspace_id, sums)


def _by_tariff(world: World, bill: Bill) -> _Priced | None:
    attempt = bill.attempt
    line = world.lines.seen(attempt.workspace_id, attempt.line_id)
    if line is None or not line.tariff or attempt.billed_at is None:
        return None
    prices = world.lines.tariffs.of(line, attempt.billed_at)
    tiers = prices.book.tiers(bill.message_class, attempt.address) if prices else ()
    if prices is None or not tiers:
        return None
    month = tariffs.month_of(attempt.billed_at, prices.tariff.zone)
    return _Priced(bill, line, prices, tiers[-1].row, month)


def _planned_cost(world: World, bill: Bill) -> int:
    """What was foretold, for the parts as they really were."""
    attempt = bill.attempt
    if attempt.parts == bill.parts_planned:
        return attempt.price_micros
    line = world.lines.seen(attempt.workspace_id, attempt.line_id)
    return attempt.price_micros if line is None else line.price(attempt.parts)


async def _settle_priced(tx: Transaction, world: World, priced: Sequence[_Priced]) -> None:
    """By tariffs: sessions first, because they say what counts, then the month, then each in turn."""
    by_owner: dict[int, list[_Priced]] = defaultdict(list)
    for one in priced:
        by_owner[one.line.workspace_id].append(one)
    async with tx.across_workspaces():  # whoever lends a line counts
        await _settle_by_owner(tx, by_owner)


async def _settle_by_owner(tx: Transaction, by_owner: Mapping[int, Sequence[_Priced]]) -> None:
    for owner_id, own in sorted(by_owner.items()):
        await _open_sessions(tx, owner_id, [one for one in own if one.row.unit == "session"])
        units: dict[Counted, int] = defaultdict(int)
        for one in own:
            units[one.counted] += one.units
        come_to = await tariffs_store.count(tx, owner_id, units)
        for one in own:
            _price(one, come_to[one.counted])
            come_to[one.counted] += one.units


async def _open_sessions(tx: Transaction, owner_id: int, own: Sequence[_Priced]) -> None:
    """Which of them are within a session that is paid for; the others open one."""
    if not own:
        return
    until = await tariffs_store.hold_sessions(tx, owner_id, [one.session for one in own])
    opened: dict[Session, int] = {}
    for one in own:
        at = one.bill.attempt.billed_at or 0
        one.in_session = until[one.session] > at
        if not one.in_session:
            until[one.session] = opened[one.session] = at + one.row.session_h * HOUR_S * MICROS
    await tariffs_store.keep_sessions(tx, owner_id, opened)


def _price(one: _Priced, volume: int) -> None:
    attempt = one.bill.attempt
    sold = Sold(one.bill.message_class, attempt.address, attempt.parts, volume, one.in_session)
    found = tariffs.price(one.prices.book, sold)
    assert found is not None  # its row is one of the tiers
    one.bill.row = found.row
    _charge(one.bill, found.micros)


def _charge(bill: Bill, micros: int) -> None:
    """What it costs by us; what the provider told of it in the same breath comes after."""
    bill.attempt.cost_micros = micros
    bill.message.cost_micros += micros
    bill.message.currency = bill.message.currency or bill.attempt.currency


def _add(world: World, sums: Mapping[Kind, Sum], bill: Bill, month: str | None) -> None:
    """Sum it up; a line that costs nothing and has no tariff is not worth a row."""
    attempt, before = bill.attempt, bill.attempt.cost_micros if not bill.first else 0
    if bill.told is not None:
        bill.message.cost_micros += bill.told.micros - attempt.cost_micros
        attempt.cost_micros = bill.told.micros
    if not attempt.cost_micros and not before and bill.row is None and not attempt.price_micros:
        return
    one = sums[_kind(world, bill, month)]
    one.micros += attempt.cost_micros - before
    if bill.first:
        one.messages, one.parts = one.messages + 1, one.parts + attempt.parts


def _kind(world: World, bill: Bill, month: str | None) -> Kind:
    """What it is summed up with; `month` where a tariff decided just now."""
    attempt, row = bill.attempt, bill.row
    if month is None:
        month, row = _looked_up(world, attempt)
    return Kind(
        month,
        attempt.line_id,
        attempt.message_class,
        (row.destination if row else "") or destinations.country(attempt.address),
        attempt.currency,
        attempt.channel,
    )


def _looked_up(world: World, attempt: Attempt) -> tuple[str, Row | None]:
    """The month of an attempt, and the row that decided when it was billed; None: the line itself did."""
    line = world.lines.seen(attempt.workspace_id, attempt.line_id)
    at = attempt.billed_at or 0
    prices = world.lines.tariffs.of(line, at) if line and line.tariff else None
    if prices is None:
        return tariffs.month_of(at, "UTC"), None
    tiers = prices.book.tiers(attempt.message_class, attempt.address)
    return tariffs.month_of(at, prices.tariff.zone), tiers[-1].row if tiers else None
