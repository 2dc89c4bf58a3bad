"""Rules asked of one contact without a database: what explains why somebody is in a segment, or is not. Pure.

It reads the contact itself and not the row that counting reads, so that the two can be held together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec

from angarium.contacts.activity import Done
from angarium.contacts.comparable import Indexed, fold
from angarium.contacts.consent import ALL, Choices, State, said
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.segments.rules import Operator, Rule, below
from angarium.contacts.segments.values import DAY_MICROS, looked_at, since, values_of
from angarium.core import ids
from angarium.core.clock import is_zone, iso, local_date
from angarium.core.values import MessageClass

DIGITS = tuple("0123456789")


class Judged(msgspec.Struct, frozen=True):
    """Whether a rule holds for a contact. A branch has the same of the rules in it."""

    place: str
    holds: bool
    found: Any = None  # what the contact has where the rule looks
    rules: tuple[Judged, ...] = ()


class Subject(msgspec.Struct, frozen=True):
    """A contact with its history, the fields that are defined, and the moment."""

    contact: Indexed
    done: Sequence[Done]
    defined: Mapping[str, FieldDefinition]
    now: int
    segments: Mapping[str, Rule] = {}


def judge(rule: Rule, subject: Subject, place: str = "rules") -> Judged:
    """A tree of rules, each with whether it holds."""
    parts = tuple(judge(one, subject, under) for under, one in below(rule, place))
    if rule.not_ is not None:
        return Judged(place, not parts[0].holds, rules=parts)
    if rule.all is not None:
        return Judged(place, all(part.holds for part in parts), rules=parts)
    if rule.any is not None:
        return Judged(place, any(part.holds for part in parts), rules=parts)
    if rule.segment is not None:
        named = subject.segments.get(rule.segment)
        inner = () if named is None else (judge(named, subject, f"{place}.segment"),)
        return Judged(place, any(part.holds for part in inner), rules=inner)
    found, holds = _leaf(rule, subject)
    return Judged(place, holds, found)


def _leaf(rule: Rule, subject: Subject) -> tuple[Any, bool]:
    contact = subject.contact
    if rule.tag is not None:
        return list(contact.tags), fold(rule.tag) in map(fold, contact.tags)
    if rule.opted_out is not None:
        return sorted(contact.opted_out), _said(rule.opted_out, rule, contact) is State.WITHDRAWN
    if rule.opted_in is not None:
        return sorted(contact.opted_in), _said(rule.opted_in, rule, contact) is State.GRANTED
    if rule.address is not None:
        return _address(rule, contact)
    if rule.history is not None:
        return _history(rule, subject)
    return _compared(rule, subject)


def _said(purpose: str, rule: Rule, contact: Indexed) -> State | None:
    """What was last said of a class, or of everything."""
    choices = Choices(contact.opted_out, contact.opted_in)
    if purpose != ALL:
        return said(choices, MessageClass(purpose), rule.channel)
    for scope in (f"{ALL}@{rule.channel}", ALL):
        for state, scopes in ((State.WITHDRAWN, choices.withdrawn), (State.GRANTED, choices.granted)):
            if scope in scopes:
                return state
    return None


def _address(rule: Rule, contact: Indexed) -> tuple[Any, bool]:
    own = [one for one in contact.addresses if one.kind is rule.address]
    begins = tuple(map(fold, rule.starts_with))
    fitting = [
        one
        for one in own
        if rule.blacklisted in (None, one.operator_blacklist)
        and rule.verified in (None, one.verified_at > 0)
        and (not begins or fold(one.value).startswith(begins))
    ]
    return [one.value for one in own], bool(fitting)


def _history(rule: Rule, subject: Subject) -> tuple[Any, bool]:
    template_id = ids.read("template", rule.template) if rule.template else 0
    mentions = bool(rule.label or template_id)
    begin = 0 if rule.days is None else since(subject.now, rule.days)
    times = 0
    for one in subject.done:
        topic = one.topic
        if one.event is not rule.history or mentions != bool(topic.label or topic.template_id):
            continue
        if rule.label not in ("", topic.label) or template_id not in (0, topic.template_id):
            continue
        if rule.message_class not in (None, topic.message_class) or rule.channel not in ("", one.channel):
            continue
        if one.tally.last_at >= begin:
            several = rule.days is not None and rule.times > 1
            times += one.tally.within(begin) if several else one.tally.times
    return {"times": times}, (times >= rule.times) is not rule.never


# ── fields and properties ────────────────────────────────────────────────────────────────────────────


def _compared(rule: Rule, subject: Subject) -> tuple[Any, bool]:
    assert rule.is_ is not None
    definition = looked_at(rule, subject.defined)
    kind = definition.kind
    values = values_of(definition, rule.is_, rule.value)
    contact = subject.contact
    found: Any = contact.fields.get(rule.field) if rule.field is not None else None
    if rule.property is not None:
        found = getattr(contact, rule.property, None)
    if rule.property is not None and kind is FieldKind.DATE_TIME:
        found = iso(found)
    empty = found in (None, "", [], {}) or (isinstance(found, str) and not fold(found))
    if rule.is_ in (Operator.IS_EMPTY, Operator.IS_SET):
        return found, empty is (rule.is_ is Operator.IS_EMPTY)
    if rule.is_ is Operator.IS_NOT:
        return found, empty or not _fits(kind, Operator.IS, values, found, rule, subject)
    return found, not empty and _fits(kind, rule.is_, values, found, rule, subject)


def _fits(
    kind: FieldKind, operator: Operator, values: tuple[Any, ...], found: Any, rule: Rule, subject: Subject
) -> bool:
    match kind:
        case FieldKind.YES_NO:
            return found is values[0]
        case FieldKind.NUMBER:
            number = isinstance(found, int | float) and not isinstance(found, bool)
            return number and _size(operator, values, found)
        case FieldKind.MONEY:
            return _money(operator, values, found)
    if isinstance(found, bool | int | float) or _is_money(found):
        return False
    text = fold(found if isinstance(found, str) else msgspec.json.encode(found).decode())
    match kind:
        case FieldKind.DATE:
            return _date(operator, values, text, rule, subject)
        case FieldKind.DATE_TIME if rule.property is not None:
            return _time(operator, values, getattr(subject.contact, rule.property), subject.now)
        case FieldKind.DATE_TIME:
            return _time_told(operator, values, text, subject.now)
    if operator is Operator.STARTS_WITH:
        return text.startswith(values[0])
    return values[0] in text if operator is Operator.CONTAINS else text in values


def _size(operator: Operator, values: tuple[Any, ...], found: float) -> bool:
    match operator:
        case Operator.AT_LEAST:
            return bool(found >= values[0])
        case Operator.AT_MOST:
            return bool(found <= values[0])
        case Operator.MORE_THAN:
            return bool(found > values[0])
        case Operator.LESS_THAN:
            return bool(found < values[0])
        case Operator.BETWEEN:
            return bool(values[0] <= found <= values[1])
        case _:
            return bool(found in values)


def _is_money(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and found.keys() == {"micros", "currency"}
        and isinstance(found["micros"], int)
    )


def _money(operator: Operator, values: tuple[Any, ...], found: Any) -> bool:
    if not _is_money(found):
        return False
    same = tuple(micros for micros, currency in values if currency == found["currency"])
    if len(same) < len(values) and operator is not Operator.IS_ONE_OF:
        return False
    return _size(operator, same, found["micros"])


def _date(operator: Operator, values: tuple[Any, ...], text: str, rule: Rule, subject: Subject) -> bool:
    day = text[:10]
    if text[:1] not in DIGITS:
        return False
    match operator:
        case Operator.IS | Operator.IS_ONE_OF:
            return day in [value.isoformat() for value in values]
        case Operator.BEFORE:
            return bool(text < values[0].isoformat())
        case Operator.AFTER:
            return bool(day > values[0].isoformat())
        case Operator.BETWEEN:
            return bool(values[0].isoformat() <= day <= values[1].isoformat())
    zone = rule.zone or subject.contact.time_zone
    today = local_date(subject.now, zone if is_zone(zone) else "UTC")
    if operator is Operator.ANNIVERSARY_IN_NEXT_DAYS:
        return _celebrated(text[5:10], today, values[0])
    away = timedelta(days=values[0])
    first, last = (today - away, today) if operator is Operator.IN_LAST_DAYS else (today, today + away)
    return first.isoformat() <= day <= last.isoformat()


def _celebrated(born: str, today: date, days: int) -> bool:
    """Whether a day and month come within so many days: looked for year by year."""
    for year in (today.year, today.year + 1):
        try:
            day = date(year, int(born[:2]), int(born[3:]))
        except ValueError:
            if born != "02-29":
                return False
            day = date(year, 2, 28)
        if 0 <= (day - today).days <= days:
            return True
    return False


def _time_told(operator: Operator, values: tuple[Any, ...], text: str, now: int) -> bool:
    """A time in a field, as it is written: `2026-11-23t08:30:00.000z` sorts as the times do."""
    if text[:1] not in DIGITS:
        return False
    limits = values
    if operator is Operator.IN_LAST_DAYS:
        limits = (now - values[0] * DAY_MICROS, now)
    elif operator is Operator.IN_NEXT_DAYS:
        limits = (now, now + values[0] * DAY_MICROS)
    told: list[str] = [fold(iso(at)) for at in limits]
    match operator:
        case Operator.BEFORE:
            return bool(text < told[0])
        case Operator.AFTER:
            return bool(text > told[0])
        case _:
            return told[0] <= text <= told[1]


def _time(operator: Operator, values: tuple[Any, ...], at: int, now: int) -> bool:
    match operator:
        case Operator.BEFORE:
            return bool(at < values[0])
        case Operator.AFTER:
            return bool(at > values[0])
        case Operator.BETWEEN:
            return bool(values[0] <= at <= values[1])
        case Operator.IN_LAST_DAYS:
            return bool(now - values[0] * DAY_MICROS <= at <= now)
        case _:
            return bool(now <= at <= now + values[0] * DAY_MICROS)
