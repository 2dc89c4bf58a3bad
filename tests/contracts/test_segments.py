"""Rules as SQL and rules as plain Python say the same of the same contacts, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest

from angarium.contacts import store as contacts
from angarium.contacts.activity import Event, Happened, Topic
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.segments import flows, plain
from angarium.contacts.segments.check import check
from angarium.contacts.segments.lower import Known, lower
from angarium.contacts.segments.plain import Judged, Subject
from angarium.contacts.segments.rules import OPERATORS, PROPERTIES, Operator, Rule, walk
from angarium.contacts.segments.store import sql
from angarium.contacts.store import Contact, activity, index
from angarium.core import ids
from angarium.core.clock import from_datetime
from angarium.core.values import Address, AddressKind, MessageClass
from angarium.storage.database import Database, Transaction
from support.turns import by_turns

WORKSPACE = 77
OTHER = 78
PEOPLE = 100
RULES = 200
# The end of a year that is followed by none with a 29 February, at an hour when it is two days on earth.
MOMENTS = ("2026-12-28T22:30:00Z", "2027-02-26T05:00:00Z", "2028-02-27T12:00:00Z")
ZONES = ("UTC", "Europe/Kyiv", "Asia/Tehran", "Pacific/Kiritimati", "Pacific/Pago_Pago")
WORDS = (
    "Київ",
    "київ ",
    "Kyiv",
    "KYIV",
    "Straße",
    "strasse",
    "50%_off\\",
    "a\x1fb",
    "",
    "  ",
    "Ｋｙｉｖ",
    "c040",
    "e\u0301",
    "é",
    "12",
)
KINDS: dict[str, FieldKind] = {
    "city": FieldKind.TEXT,
    "points": FieldKind.NUMBER,
    "born": FieldKind.DATE,
    "seen": FieldKind.DATE_TIME,
    "spent": FieldKind.MONEY,
    "vip": FieldKind.YES_NO,
    "plan": FieldKind.CHOICE,
}
FIELDS = {
    name: FieldDefinition(name, kind, choices=WORDS if kind is FieldKind.CHOICE else ())
    for name, kind in KINDS.items()
}
TAGS = ("vip", "VIP", "new", "a b", "50%")
SCOPES = ("all", "all@smpp", "promotional", "promotional@smpp", "promotional@smtp", "service", "otp")
LABELS = ("", "spring", "winter")
TEMPLATES = (0, 5, 6)
CHANNELS = ("smpp", "smtp")


def moment(text: str) -> int:
    """An instant in microseconds."""
    return from_datetime(datetime.fromisoformat(text))


class Maker:
    """Contacts, history and rules from one seed."""

    def __init__(self, seed: int, now: int) -> None:
        self.roll = Random(seed)
        self.now = now

    def one(self, *choices: Any) -> Any:
        return self.roll.choice(choices)

    def day(self) -> str:
        near = datetime.fromtimestamp(self.now / 1e6, UTC) + timedelta(days=self.roll.randint(-40, 40))
        year = self.one(1960, 1984, 2000, near.year)
        day = "02-29" if self.roll.random() < 0.15 and year % 4 == 0 else f"{near:%m-%d}"
        return f"{year}-{'02-28' if day == '02-29' and year % 4 else day}"

    def instant(self) -> str:
        at = datetime.fromtimestamp(self.now // 1_000_000 + self.roll.randint(-20, 20) * 43_200, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def value(self, kind: FieldKind) -> Any:
        match kind:
            case FieldKind.TEXT | FieldKind.CHOICE:
                return self.one(*WORDS)
            case FieldKind.NUMBER:
                return self.one(
                    0, -0.0, -1, 1, 2.5, -2.5, 10, 1e9, 9_007_199_254_740_991, self.roll.randint(-5, 5)
                )
            case FieldKind.MONEY:
                return {"micros": self.roll.randint(-3, 3) * 1_000_000, "currency": self.one("EUR", "USD")}
            case FieldKind.DATE:
                return self.day()
            case FieldKind.DATE_TIME:
                return self.instant()
            case FieldKind.YES_NO:
                return self.one(True, False)

    def fields(self) -> dict[str, Any]:
        found = {name: self.value(kind) for name, kind in KINDS.items() if self.roll.random() < 0.7}
        if self.roll.random() < 0.2:  # what was there before the field was defined
            found[self.one(*KINDS)] = self.one(None, "", "x", 7, True, {"a": [1]}, [], self.day())
        for _ in range(self.roll.randint(0, 4)):  # so many that some are beyond the columns of the row
            found[f"more_{self.roll.randint(0, 39)}"] = self.value(self.one(*KINDS.values()))
        return found

    def contact(self, number: int) -> Contact:
        addresses = [Address(AddressKind.PHONE, f"+38067{number:07}", self.roll.random() < 0.3)]
        if self.roll.random() < 0.5:
            addresses.append(
                Address(AddressKind.EMAIL, f"P_{number}%@example.com", verified_at=self.one(0, 5))
            )
        if self.roll.random() < 0.2:
            addresses = addresses[1:]
        said, refused = self.roll.sample(SCOPES, self.roll.randint(0, 4)), self.roll.randint(0, 2)
        return Contact(
            id=1_000 + number,
            external_id=self.one(None, f"C-{number}"),
            name=self.one(*(word.strip() for word in WORDS)),
            locale=self.one("uk", "fa-IR", "en"),
            country=self.one("", "UA", "IR"),
            time_zone=self.one(*ZONES),
            fields=self.fields(),
            tags=tuple(self.roll.sample(TAGS, self.roll.randint(0, 3))),
            opted_out=frozenset(said[:refused]),
            opted_in=frozenset(said[refused:]),
            created_at=self.now - self.roll.randint(0, 30) * 43_200_000_000,
            updated_at=self.now,
            addresses=tuple(addresses),
        )

    def happened(self, contact_id: int) -> Happened:
        topic = Topic(self.one(None, *MessageClass), self.one(*LABELS), self.one(*TEMPLATES))
        at = self.now - self.roll.randint(0, 40) * 43_200_000_000
        return Happened(self.one(*Event), contact_id, topic, self.one(*CHANNELS), at)

    def rule(self, depth: int = 0) -> dict[str, Any]:
        if depth < 3 and self.roll.random() < 0.35:
            name = self.one("all", "any", "not")
            if name == "not":
                return {"not": self.rule(depth + 1)}
            return {name: [self.rule(depth + 1) for _ in range(self.roll.randint(1, 4))]}
        return getattr(
            self, self.one("_field", "_field", "_field", "_property", "_plain", "_history", "_history")
        )()

    def _field(self) -> dict[str, Any]:
        name = self.one(*KINDS, f"more_{self.roll.randint(0, 45)}")
        return {"field": name, **self._compared(KINDS.get(name) or self.one(*KINDS.values()))}

    def _property(self) -> dict[str, Any]:
        name = self.one("name", "external_id", "locale", "time_zone", "country", "created_at")
        return {
            "property": name,
            **self._compared(PROPERTIES[name]),
        }

    def _compared(self, kind: FieldKind) -> dict[str, Any]:
        operator = self.one(*(one for one, meaning in OPERATORS.items() if kind in meaning.kinds))
        match OPERATORS[operator].takes:
            case "nothing":
                return {"is": operator}
            case "days":
                zone = self.one({}, {}, {"zone": "Asia/Tehran"}) if kind is FieldKind.DATE else {}
                return {"is": operator, "value": self.one(0, 1, 3, 7, 400), **zone}
            case "list":
                return {"is": operator, "value": [self.value(kind) for _ in range(self.roll.randint(1, 3))]}
            case "pair":
                pair = [self.value(kind), self.value(kind)]
                if kind is FieldKind.MONEY:
                    pair[1] = {**pair[1], "currency": pair[0]["currency"]}
                return {"is": operator, "value": pair}
        value = self.value(kind)
        return {
            "is": operator,
            "value": value[: self.roll.randint(1, 3)]
            if isinstance(value, str) and operator in (Operator.CONTAINS, Operator.STARTS_WITH)
            else value,
        }

    def _plain(self) -> dict[str, Any]:
        return self.one(
            {"tag": self.one(*TAGS, "nobody")},
            {
                self.one("opted_out", "opted_in"): self.one("all", "promotional", "otp"),
                "channel": self.one("", *CHANNELS),
            },
            {"address": self.one("phone", "email", "vk")},
            {"address": "phone", "blacklisted": self.one(True, False)},
            {"address": "email", "verified": self.one(True, False)},
            {"address": "phone", "starts_with": [f"+3806700000{self.roll.randint(0, 9)}", "+7"]},
            {"address": "email", "starts_with": [self.one("p_1", "p_1%", "P_2", "p")]},
        )

    def _history(self) -> dict[str, Any]:
        told: dict[str, Any] = {"history": self.one(*Event).value}
        if self.roll.random() < 0.5:
            told["class"] = self.one(*MessageClass).value
        if self.roll.random() < 0.3:
            told["channel"] = self.one(*CHANNELS, "vk")
        if self.roll.random() < 0.3:
            told["label"] = self.one("spring", "winter", "never")
        if self.roll.random() < 0.3:
            told["template"] = ids.show("template", self.one(5, 6, 9))
        if self.roll.random() < 0.5:
            told["days"] = self.one(0, 1, 5, 10, 30)
        if self.roll.random() < 0.4:
            told["times"] = self.one(2, 3, 5)
        elif self.roll.random() < 0.3:
            told["never"] = True
        return told


async def sow(tx: Transaction, workspace_id: int, people: list[Contact], happened: list[Happened]) -> None:
    """Write contacts and their history, in several batches."""
    for first in range(0, len(people), 40):
        await contacts.replace(tx, workspace_id, people[first : first + 40])
    for first in range(0, len(happened), 100):
        await activity.tell(tx, workspace_id, happened[first : first + 100])


class Answers(msgspec.Struct):
    """What each way says of one rule."""

    counted: int
    paged: list[int]
    each: list[int]


async def by_sql(tx: Transaction, rule: Rule, now: int) -> Answers:
    """What the database says."""
    topics, places = await activity.topics(tx, WORKSPACE), await index.places(tx, WORKSPACE)
    term = lower(rule, Known(now, places, FIELDS, topics))
    paged: list[int] = []
    while found := await flows.page(tx, WORKSPACE, term, paged[-1] if paged else 0, 37):
        paged += found
    row = await tx.row(sql.counting_each(term.shape()), workspace_id=WORKSPACE, **sql.values(term))
    assert row is not None
    return Answers(await flows.total(tx, WORKSPACE, term), paged, list(row))


def flat(judged: Judged) -> list[bool]:
    """Whether each rule holds, in the order in which they are written."""
    return [judged.holds, *(holds for one in judged.rules for holds in flat(one))]


@pytest.mark.parametrize("at", by_turns(MOMENTS))
async def test_sql_and_python_agree(database: Database, at: str) -> None:
    now = moment(at)
    seed = MOMENTS.index(at) + 1
    maker = Maker(seed, now)
    people = [maker.contact(number) for number in range(PEOPLE)]
    happened = [maker.happened(maker.one(*people).id) for _ in range(6 * PEOPLE)]
    await database.run(sow, OTHER, [maker.contact(number) for number in range(20)], [])
    await database.run(sow, WORKSPACE, people, happened)
    done = {one.id: await database.read(activity.of_contact, WORKSPACE, one.id) for one in people}
    met = 0
    for number in range(RULES):
        described = maker.rule()
        rule = msgspec.convert(described, Rule)
        wrong = check(rule, FIELDS)
        if wrong:
            assert all(one.field.endswith((".value", "times")) for one in wrong), (described, wrong)
            continue
        found = await database.read(by_sql, rule, now)
        judged = [flat(plain.judge(rule, Subject(one, done[one.id], FIELDS, now))) for one in people]
        holding = [one.id for one, holds in zip(people, judged, strict=True) if holds[0]]
        told = (seed, number, described)
        assert found.paged == holding, (told, set(found.paged) ^ set(holding))
        assert found.counted == len(holding), told
        assert found.each == [sum(column) for column in zip(*judged, strict=True)], told
        assert len(found.each) == sum(1 for _ in walk(rule)), told
        met += 0 < len(holding) < PEOPLE
    assert met > RULES // 3  # rules that hold for all or none would prove little
