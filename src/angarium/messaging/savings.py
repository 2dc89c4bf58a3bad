"""What messages had cost, had they all gone over one channel, and what was saved against that.

One logic for whoever asks: of a label (campaigns, the API) and of days (the first page). Every message that
went out is priced as if it had gone over the cheapest line of the channel, by what its lines cost now; of
very many only some are, and the rest is estimated from these. Money of different currencies is never
compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from angarium.core import ids
from angarium.core.values import Content, amount_text
from angarium.lines.store import Line
from angarium.messaging import plan
from angarium.messaging.case import Case
from angarium.messaging.pricing import quote
from angarium.messaging.states import MessageState
from angarium.messaging.store import messages as store
from angarium.messaging.store.messages import Filter
from angarium.messaging.way import place_of, word
from angarium.messaging.world import World
from angarium.storage.database import Transaction

SMS = "smpp"  # the channel that all of it is compared with
PAGE = 500
SAMPLE = 2_000  # messages that are priced one by one, where an estimate will do
NEWEST = (1 << 63) - 1
WENT_OUT = frozenset({MessageState.SENT, MessageState.DELIVERED, MessageState.READ, MessageState.UNKNOWN})


# ── compared ─────────────────────────────────────────────────────────────────────────────────────────


class Saving(msgspec.Struct, frozen=True):
    """What was spent in a currency, and what had been spent otherwise; micro-units."""

    currency: str
    cost_micros: int
    instead_micros: int

    @property
    def micros(self) -> int:
        """What was saved; less than nothing where the other way had been cheaper."""
        return self.instead_micros - self.cost_micros

    @property
    def share(self) -> float:
        """Of what had been spent otherwise."""
        return self.micros / self.instead_micros if self.instead_micros else 0.0


class Saved(msgspec.Struct, frozen=True):
    """What was saved in each currency; `beside`: what was spent in those with which nothing is compared."""

    savings: tuple[Saving, ...] = ()
    beside: tuple[tuple[str, int], ...] = ()


def compare(cost: Mapping[str, int], instead: Mapping[str, int]) -> Saved:
    """What was spent, by currency, beside what had been spent otherwise."""
    compared = {currency: micros for currency, micros in sorted(instead.items()) if currency and micros}
    return Saved(
        tuple(Saving(currency, cost.get(currency, 0), micros) for currency, micros in compared.items()),
        tuple((each, micros) for each, micros in sorted(cost.items()) if micros and each not in compared),
    )


# ── with what ────────────────────────────────────────────────────────────────────────────────────────


class Yardstick(msgspec.Struct, frozen=True):
    """The lines of one channel that something is compared with, all in one currency. `priced`: something is
    known of what they cost; else they cost nothing, as far as anybody has said."""

    channel: str
    lines: tuple[Line, ...] = ()
    currency: str = ""
    priced: bool = False

    @property
    def tariffs(self) -> list[str]:
        """The names of their tariffs."""
        return sorted({line.tariff for line in self.lines if line.tariff})


def yardstick(world: World, workspace_id: int, channel: str) -> Yardstick:
    """What a workspace compares with: the lines of a channel of which it is known what they cost, in the
    currency of the first of them."""
    now = world.ground.clock.now()
    lines = [line for line in world.lines.of(workspace_id) if line.channel == channel]
    known = [(line, currency) for line in lines if (currency := _priced_in(world, line, now))]
    if not known:
        return Yardstick(channel, tuple(lines), lines[0].currency if lines else "")
    first = known[0][1]
    same = tuple(line for line, currency in known if currency == first)
    return Yardstick(channel, same, first, priced=True)


def _priced_in(world: World, line: Line, now: int) -> str:
    """The currency of what a line costs; empty when nothing is known of it."""
    prices = world.lines.tariffs.of(line, now)
    if prices is not None:
        return prices.tariff.currency
    return line.currency if line.price_micros else ""


# ── had it all gone one way ──────────────────────────────────────────────────────────────────────────


class Estimate(msgspec.Struct, frozen=True):
    """What messages that went out had cost; `estimated` from some of them. `spent`: what these, of which
    that can be said, did cost in the same currency."""

    micros: int = 0
    messages: int = 0
    estimated: bool = False
    spent: int = 0

    @property
    def saved(self) -> int:
        """By these messages; less than nothing where the other way had been cheaper."""
        return self.micros - self.spent


async def of_label(
    world: World, workspace_id: int, label: str, yard: Yardstick, *, sample: bool = False
) -> Estimate:
    """Of the messages of a label. `sample`: from the newest of them, for very many."""
    total, count = 0, 0
    before: int | None = NEWEST if yard.lines else None
    while before is not None:
        page = await world.ground.db.read(
            _priced_page, world, workspace_id, Filter(label=label), yard, (before, 0), PAGE
        )
        total, count, before = total + page.micros, count + page.messages, page.before
        if sample and count >= SAMPLE and before is not None:
            went = await _went_out(world, workspace_id, label)
            return Estimate(round(total * went / count), went, estimated=True)
    return Estimate(total, count)


async def of_span(
    world: World, workspace_id: int, begins: int, ends: int, asked: int, yard: Yardstick, most: int
) -> Estimate:
    """Of what was asked for from one instant until another: from the newest `most` of them, and from how many
    they are among all that were `asked` for."""
    if not yard.lines:
        return Estimate()
    between = (ids.earliest(ends), ids.earliest(begins))
    page = await world.ground.db.read(_priced_page, world, workspace_id, Filter(), yard, between, most)
    if page.before is None:
        return Estimate(page.micros, page.messages, estimated=False, spent=page.spent)
    times = max(asked / page.looked, 1.0)
    micros, messages, spent = (round(each * times) for each in (page.micros, page.messages, page.spent))
    return Estimate(micros, messages, estimated=True, spent=spent)


async def instead(
    world: World, workspace_id: int, label: str, channel: str, *, sample: bool = False
) -> dict[str, Any]:
    """The messages of a label, had every one that went out gone over the cheapest line of one channel."""
    yard = yardstick(world, workspace_id, channel)
    found = await of_label(world, workspace_id, label, yard, sample=sample)
    return {
        "channel": channel,
        "messages": found.messages,
        "estimated": found.estimated,
        "cost": {"amount": amount_text(found.micros), "currency": yard.currency},
        "price_known": yard.priced,
        "lines": [line.name for line in yard.lines],
        "tariffs": yard.tariffs,
    }


async def _went_out(world: World, workspace_id: int, label: str) -> int:
    shares = await world.ground.db.read(store.summary, workspace_id, label)
    return sum(share.total for share in shares if share.state in WENT_OUT)


class Priced(msgspec.Struct, frozen=True):
    """What a page of messages would have cost: those of it that went out and of which that can be said; what
    the same did cost in the currency of the yardstick; and where it goes on."""

    micros: int
    messages: int
    looked: int
    before: int | None
    spent: int


async def _priced_page(
    tx: Transaction,
    world: World,
    workspace_id: int,
    wanted: Filter,
    yard: Yardstick,
    between: tuple[int, int],
    most: int,
) -> Priced:
    """The newest messages below an id and not below another."""
    before, down_to = between
    found = await store.page(tx, workspace_id, wanted, before, most, down_to)
    cases = [Case(message, [], ()) for message in found if message.state in WENT_OUT]
    await plan.furnish(tx, world, cases, world.ground.clock.now())
    prices, spent = [], 0
    for case in cases:
        if (price := _price(world, case, yard)) is None:
            continue
        prices.append(price)
        if case.message.currency == yard.currency:
            spent += case.message.cost_micros
    following = found[-1].id if len(found) == most else None
    return Priced(sum(prices), len(prices), len(found), following, spent)


def _price(world: World, case: Case, yard: Yardstick) -> int | None:
    """On the cheapest line that carries its class; None when that cannot be said."""
    channel = world.channels[yard.channel]
    if case.contact is None:
        return None
    content = word(case, channel, case.contact, world.public_url)
    if not isinstance(content, Content):
        return None
    address = place_of(case.contact, channel)
    message_class, now = case.message.message_class, world.ground.clock.now()
    prices = []
    for line in [line for line in yard.lines if message_class in line.classes] or yard.lines:
        parts = channel.measure(world.settings(line), content).parts
        found = quote(world, line, message_class, address.value if address else "", parts, now)
        if found.row is not None or line.price_micros or not yard.priced:
            prices.append(found.micros)
    return min(prices, default=None)
