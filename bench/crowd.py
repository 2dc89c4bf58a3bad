"""Many contacts with a history, made quickly: some thousand as the product writes them, the rest copied.

A copy has another id and other names, addresses and numbers; what else it has is that of its model. So a
million of them lie in the database as if they had been written one by one, in a twentieth of the time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import date, timedelta
from statistics import median

import msgspec
from sqlalchemy import text

from angarium.contacts import store
from angarium.contacts.activity import EVENTS, Event, Happened, Topic
from angarium.contacts.store import Contact, activity
from angarium.contacts.store.activity import contact_activity, contact_mention
from angarium.contacts.store.index import contact_index
from angarium.contacts.store.tables import address, contact
from angarium.core.clock import MICROS, iso
from angarium.core.values import Address, AddressKind, MessageClass
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from bench.history import tell

MODELS = 20_000  # contacts that are written one by one
AT_ONCE = 2_000  # of them in one transaction
MESSAGES_EACH = 5  # on average
DIGITS = 7  # of a contact's number, wherever it stands
CHANNELS = ("smpp", "viber_business", "smtp")
CITIES = ("Київ", "Львів", "تهران", "اصفهان", "上海", "Москва", "Казань", "دبي", "London", "Almaty")
TAGS = [f"tag-{number}" for number in range(60)]
YEAR_S = 365 * 86_400
OFTEN = ((Event.SENT, 1.0), (Event.DELIVERED, 0.93), (Event.READ, 0.35), (Event.REPLIED, 0.02))
CLASS_OF = (MessageClass.PROMOTIONAL,) * 5 + (MessageClass.SERVICE,) * 3 + (MessageClass.TRANSACTIONAL,) * 2


class Crowd(msgspec.Struct, frozen=True):
    """What there is, and what writing it cost."""

    contacts: int
    happened: int  # messages sent, delivered, read and answered
    contacts_per_s: float  # of the models, written with all that segments look at
    index_us: float  # of that, what segments look at, for a contact
    tell_us: float  # for each thing that happened


async def gather(ground: Ground, workspace_id: int, contacts: int) -> Crowd:
    """So many contacts, with the history of a year."""
    roll, now = random.Random(1), ground.clock.now()
    models = min(contacts, MODELS)
    spent, told_s, index_s, happened = 0.0, 0.0, 0.0, 0
    ids: list[int] = []
    for first in range(0, models, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, models))
        people = [_person(roll, ground.ids.mint(), number, now) for number in numbers]
        ids += [people[0].id, people[-1].id]
        began_at = time.perf_counter()
        await ground.db.run(store.insert, workspace_id, people)
        spent += time.perf_counter() - began_at
        if first == 0:
            index_s = await _index_cost(ground, workspace_id, people)
        things = _history(roll, people, now)
        happened += len(things)
        began_at = time.perf_counter()
        await ground.db.run(activity.tell, workspace_id, things)
        told_s += time.perf_counter() - began_at
    apart, each = ids[-1] - ids[0] + 1, contacts // models
    for copy in range(1, each):
        await ground.db.run(_copy, workspace_id, ids[0], ids[-1], copy * apart, copy * models)
        tell("contacts", copy + 1, models)
    return Crowd(models * each, happened * each, models / spent, index_s * 1e6, told_s / happened * 1e6)


async def _index_cost(ground: Ground, workspace_id: int, people: list[Contact]) -> float:
    """Seconds for each contact: the rows of segments alone, written over those that are there."""

    async def work(tx: Transaction) -> float:
        began_at = time.perf_counter()
        await store.index.write(tx, workspace_id, people, new=True)
        return time.perf_counter() - began_at

    return median([await ground.db.run(work) for _ in range(5)]) / len(people)


# ── people ───────────────────────────────────────────────────────────────────────────────────────────


def _person(roll: random.Random, contact_id: int, number: int, now: int) -> Contact:
    told = f"{number:0{DIGITS}}"
    addresses = [Address(AddressKind.PHONE, f"+380{roll.choice((67, 68, 50, 63, 93, 96, 97))}{told}")]
    if roll.random() < 0.6:
        email = f"customer.{told}@example.com"
        addresses.append(Address(AddressKind.EMAIL, email, verified_at=now if roll.random() < 0.4 else 0))
    return Contact(
        id=contact_id,
        external_id=f"customer-{told}",
        name=f"Customer {told}",
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


# ── history, as the chronicle tells it ───────────────────────────────────────────────────────────────


def _history(roll: random.Random, people: list[Contact], now: int) -> list[Happened]:
    return [
        Happened(event, one.id, topic, channel, at)
        for one in people
        for event, topic, channel, at in _messages(roll, now)
    ]


def _messages(roll: random.Random, now: int) -> Iterator[tuple[Event, Topic, str, int]]:
    for _ in range(min(int(roll.expovariate(1 / MESSAGES_EACH) + 0.5), 60)):
        message_class, channel = roll.choice(CLASS_OF), roll.choice(CHANNELS)
        at = now - roll.randint(0, YEAR_S) * MICROS
        offer = message_class is MessageClass.PROMOTIONAL
        label = f"campaign-{roll.randint(1, 20)}" if offer and roll.random() < 0.5 else ""
        for event, chance in OFTEN:
            if roll.random() > chance:
                break
            yield event, Topic(message_class, label), channel, at


# ── copies ───────────────────────────────────────────────────────────────────────────────────────────

ALL = "1 = 1"
MENTIONED = (
    f"event IN ({', '.join(map(str, EVENTS.values()))}) AND topic IN (SELECT topic FROM activity_topic)"
)
NAMED = "substr(external_id, 10, 7)"
REACHED = "substr(value, CASE kind WHEN 'phone' THEN 7 ELSE 10 END, 7)"
COPIED = (  # table, the column of the contact, the columns that its number stands in, where, how it is found
    (contact, "id", ("external_id", "name", "sought"), NAMED, ALL),
    (contact_index, "contact_id", ("external_id", "name", "addresses"), NAMED, ALL),
    (address, "contact_id", ("value",), REACHED, ALL),
    (contact_activity, "contact_id", (), "", ALL),
    (contact_mention, "contact_id", (), "", MENTIONED),
)
NUMBERED = {
    "sqlite": "printf('%07d', CAST({0} AS INTEGER) + :more)",
    "postgresql": "lpad(CAST(CAST({0} AS INTEGER) + CAST(:more AS INTEGER) AS TEXT), 7, '0')",
}


async def _copy(tx: Transaction, workspace_id: int, first: int, last: int, shift: int, more: int) -> None:
    """Copy whoever lies between two ids: `shift` is added to ids, `more` to numbers."""
    for table, own, told, digits, found in COPIED:
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        numbered = f"{{}}, {digits}, {NUMBERED[tx.dialect].format(digits)}"
        given = {"shift": shift, **({"more": more} if told else {})}
        values = ", ".join(
            f'"{name}" + CAST(:shift AS BIGINT)'
            if name == own
            else f"replace({numbered.format(name)})"
            if name in told
            else f'"{name}"'
            for name in [column.name for column in table.columns]
        )
        copying = (
            f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM {table.name} "
            f"WHERE workspace_id = :workspace_id AND {found} AND {own} BETWEEN :first AND :last"
        )
        asked = {"workspace_id": workspace_id, "first": first, "last": last}
        await tx.execute(Statement(text(copying)), **asked, **given)
