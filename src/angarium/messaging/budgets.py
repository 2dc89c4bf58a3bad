"""What a workspace spends, and what it may: reserved when a step is planned, spent when it is billed.

Exact, also side by side: whoever plans under budgets holds them to the end of the transaction (`Purse`), so
two cannot take the same rest. What is only billed or given back is added without holding. An attempt
carries the counters that it is reserved in, so it is given back where it was taken, whatever the policy has
become since. A workspace without budgets is asked nothing and costs no query.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from angarium.core.clock import from_datetime, iso, to_datetime
from angarium.core.values import MessageClass, amount_text
from angarium.messaging.gate.spending import Budget, Budgets, Spending
from angarium.messaging.states import AttemptState
from angarium.messaging.store import budgets as store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.budgets import Counter, Move
from angarium.messaging.world import World
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

ENDED_UNBILLED = frozenset({AttemptState.REFUSED, AttemptState.CANCELLED, AttemptState.FAILED})


class Period(msgspec.Struct, frozen=True):
    """A day or a month: `2026-11-28`, `2026-11`; from when to when."""

    name: str
    begins: int
    until: int


def period_of(every: str, at: int, zone: str) -> Period:
    """The day or month of an instant, where it is counted."""
    place = ZoneInfo(zone)
    day = to_datetime(at).astimezone(place).date()
    first = day if every == "day" else day.replace(day=1)
    after = first + timedelta(days=1 if every == "day" else 32)
    following = after if every == "day" else after.replace(day=1)
    begins, until = (
        from_datetime(datetime(d.year, d.month, d.day, tzinfo=place)) for d in (first, following)
    )
    return Period(first.isoformat()[: 10 if every == "day" else 7], begins, until)


def counter_name(budget: Budget, period: Period) -> str:
    """What is counted together: a budget goes by its name and currency, whatever else of it is changed."""
    return f"{budget.name}.{budget.currency}@{period.name}"


class _Open(msgspec.Struct, frozen=True):
    """A budget in a day or month of its own."""

    period: Period
    counter: Counter
    micros: int


class Purse:
    """What may be spent by the messages that one transaction plans."""

    def __init__(self, policy: Budgets, counters: Iterable[Counter], now: int, home: str = "UTC") -> None:
        self.now = now
        self._policy = policy
        self._zone = policy.zone or home  # `home`: the workspace's
        self._counters = {one.counter: one for one in counters}
        self._open: dict[tuple[str, str, str], _Open] = {}  # by what a budget goes by, the last that was met
        self.news: list[
            tuple[Counter, Budget, int]
        ] = []  # what is to be told: a budget has come to a per cent

    def facts(
        self, message_class: MessageClass, line: str, price_micros: int, currency: str, at: int
    ) -> tuple[Spending, ...]:
        """The budgets that a message on a line meets at an instant."""
        found = []
        for budget in self._policy.budgets:
            if counts(budget, message_class, line, currency):
                met = self._met(budget, at)
                left = met.micros - met.counter.reserved - met.counter.spent
                found.append(Spending(budget, left, price_micros, met.counter.until))
        return tuple(found)

    def take(self, attempt: Attempt, line: str) -> None:
        """Reserve what an attempt may cost in each budget that counts it."""
        names = []
        for budget in self._policy.budgets:
            if counts(budget, attempt.message_class, line, attempt.currency):
                met = self._met(budget, attempt.planned_at)
                met.counter.reserved += attempt.price_micros
                names.append(met.counter.counter)
                self._look(budget, met)
        attempt.budgets = " ".join(names)

    def full(self, spending: Sequence[Spending], at: int) -> None:
        """Something found no room: that is told once a day or month."""
        for one in spending:
            if one.price_micros > one.left_micros:
                self._tell(one.budget, self._met(one.budget, at).counter, 100)

    def until(self, counter: str) -> int:
        """The end of a counter's day or month; 0 when this purse has not met it."""
        found = self._counters.get(counter)
        return found.until if found else 0

    def _met(self, budget: Budget, at: int) -> _Open:
        key = budget.name, budget.currency, budget.every
        found = self._open.get(key)
        if found is None or not found.period.begins <= at < found.period.until:
            period = period_of(budget.every, at, self._zone)
            name = counter_name(budget, period)
            counter = self._counters.setdefault(name, Counter(name, period.until))
            found = self._open[key] = _Open(period, counter, budget.micros)
        return found

    def _look(self, budget: Budget, met: _Open) -> None:
        """Whether it has come to where a warning is due."""
        come_to = met.counter.reserved + met.counter.spent
        if budget.warn_at and come_to * 100 >= budget.warn_at * met.micros:
            self._tell(budget, met.counter, budget.warn_at)

    def _tell(self, budget: Budget, counter: Counter, per_cent: int) -> None:
        if counter.told < per_cent:
            counter.told = per_cent
            self.news.append((counter, budget, per_cent))


def counts(budget: Budget, message_class: MessageClass, line: str, currency: str) -> bool:
    """Whether a budget counts what a message of a class costs on a line."""
    return (
        budget.currency == currency
        and budget.message_class in (None, message_class)
        and budget.line in ("", line)
    )


async def purse(
    tx: Transaction, world: World, workspace_id: int, now: int, *, hold: bool = True
) -> Purse | None:
    """What may be spent; None where there is no budget. With `hold` nobody else plans until the commit."""
    policies = world.policies.of(workspace_id)
    policy: Budgets = policies.budgets
    if not policy.budgets:
        return None
    if hold:
        await store.hold(tx, workspace_id)
    return Purse(policy, await store.running(tx, workspace_id, now), now, policies.zone)


class Standing(msgspec.Struct, frozen=True):
    """A budget and what it has come to in its present day or month."""

    budget: Budget
    period: Period
    counter: Counter


async def standings(tx: Transaction, world: World, workspace_id: int, now: int) -> list[Standing]:
    """The budgets of a workspace, in the order of its policy."""
    policies = world.policies.of(workspace_id)
    policy: Budgets = policies.budgets
    counters = {one.counter: one for one in await store.running(tx, workspace_id, now)}
    found = []
    for budget in policy.budgets:
        period = period_of(budget.every, now, policy.zone or policies.zone)
        name = counter_name(budget, period)
        found.append(Standing(budget, period, counters.get(name) or Counter(name, period.until)))
    return found


# ── what becomes of it ───────────────────────────────────────────────────────────────────────────────


class Stand(msgspec.Struct, frozen=True):
    """Where the price of an attempt is: reserved, spent or given back; together they are its price."""

    reserved: int = 0
    spent: int = 0
    given_back: int = 0


def stand(attempt: Attempt) -> Stand:
    """Where the price of an attempt is now. Of what nobody knows it stays reserved."""
    price = attempt.price_micros
    if attempt.billed_at is not None:
        return Stand(0, attempt.cost_micros, price - attempt.cost_micros)
    return Stand(0, 0, price) if attempt.state in ENDED_UNBILLED else Stand(price)


NOWHERE = Stand()  # of an attempt that is new


async def move(
    tx: Transaction, workspace_id: int, changed: Iterable[tuple[Stand, Attempt]], known: Purse | None = None
) -> None:
    """Move what attempts were reserved for to where it is now, from where it was before."""
    moves: dict[str, Move] = defaultdict(Move)
    for before, attempt in changed:
        after = stand(attempt)
        if before == after:
            continue
        for counter in attempt.budgets.split():
            one = moves[counter]
            one.until = one.until or (known.until(counter) if known else 0)
            one.reserved += after.reserved - before.reserved
            one.spent += after.spent - before.spent
            one.given_back += after.given_back - before.given_back
    if moves:
        await store.add(tx, workspace_id, moves)


async def tell(tx: Transaction, workspace_id: int, purse: Purse) -> list[Fact]:
    """What is to be told of budgets, as facts; noted, so that it is told once."""
    if not purse.news:
        return []
    come_to = {counter.counter: counter for counter, _, _ in purse.news}
    await store.add(tx, workspace_id, {name: Move(one.until) for name, one in come_to.items()})
    await store.tell(tx, workspace_id, [(name, one.told) for name, one in come_to.items()])
    found = [
        _fact(workspace_id, counter, budget, per_cent, purse.now) for counter, budget, per_cent in purse.news
    ]
    purse.news.clear()
    return found


def _fact(workspace_id: int, counter: Counter, budget: Budget, per_cent: int, now: int) -> Fact:
    body = {
        "budget": budget.name,
        "per_cent": per_cent,
        "amount": budget.amount,
        "currency": budget.currency,
        "reserved": amount_text(counter.reserved),
        "spent": amount_text(counter.spent),
        "until": iso(counter.until),
        "then": budget.then,
    }
    kind = "budget.spent" if per_cent == 100 else "budget.warning"
    return Fact(workspace_id, kind, workspace_id, now, msgspec.json.encode(body))
