"""Rules as plain terms of the columns that are there: names are looked up, days are counted.

Pure. A term is what SQL can say in one comparison; its shape, without the values, decides the statement, so
that a rule with another value is the same statement again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from angarium.contacts.activity import ANY_CLASS, CLASSES, EVENTS, Topic, as_bytes, as_count, place_of
from angarium.contacts.comparable import ADDRESS, APART, NUMBER, PLACES, TRUTH, fold, sortable
from angarium.contacts.consent import ALL, narrow_to_wide
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.segments.rules import Operator, Property, Rule
from angarium.contacts.segments.values import (
    AFTER_DATES,
    BEFORE_DATES,
    DAY_MICROS,
    day_after,
    looked_at,
    money_begin,
    money_told,
    since,
    values_of,
)
from angarium.core import ids
from angarium.core.clock import iso, local_date, zones
from angarium.core.values import MessageClass

QUARTER_MICROS = DAY_MICROS // 96  # no zone's day begins at another minute than a quarter's
YEAR_DAYS = 366


class Term(msgspec.Struct, frozen=True):
    """`op` on a column, with values; or a branch of other terms."""

    op: str
    column: str = ""
    values: tuple[Any, ...] = ()
    parts: tuple[Term, ...] = ()

    def shape(self) -> tuple[Any, ...]:
        """The term without its values."""
        return (self.op, self.column, len(self.values), *(part.shape() for part in self.parts))

    def bound(self) -> Iterator[Any]:
        """The values in the order of the shape."""
        yield from self.values
        for part in self.parts:
            yield from part.bound()


class Known(msgspec.Struct, frozen=True):
    """What rules are read with: the moment, the fields of the workspace and what its messages were about."""

    now: int
    places: Mapping[str, int]
    defined: Mapping[str, FieldDefinition]
    topics: Mapping[Topic, int] = {}
    segments: Mapping[str, Rule] = {}  # those that the rules name


NEVER, ALWAYS = Term("never"), Term("always")


def every(*parts: Term) -> Term:
    """All of them."""
    return parts[0] if len(parts) == 1 else Term("all", parts=parts)


def either(*parts: Term) -> Term:
    """One of them at least."""
    return parts[0] if len(parts) == 1 else Term("any", parts=parts)


def no(part: Term) -> Term:
    """Not this one."""
    return Term("not", parts=(part,))


def lower(rule: Rule, known: Known) -> Term:
    """A tree of rules that has been checked, as terms; branches keep their shape."""
    if rule.all is not None:
        return Term("all", parts=tuple(lower(one, known) for one in rule.all))
    if rule.any is not None:
        return Term("any", parts=tuple(lower(one, known) for one in rule.any))
    if rule.not_ is not None:
        return no(lower(rule.not_, known))
    return Term("leaf", parts=(_leaf(rule, known),))


def _leaf(rule: Rule, known: Known) -> Term:
    if rule.tag is not None:
        return _word("tags", rule.tag)
    if rule.opted_out is not None:
        return _last_said(scopes(rule.opted_out, rule.channel), "opted_out", "opted_in")
    if rule.opted_in is not None:
        return _last_said(scopes(rule.opted_in, rule.channel), "opted_in", "opted_out")
    if rule.address is not None:
        return either(*(Term("like", "addresses", (pattern,)) for pattern in _patterns(rule)))
    if rule.history is not None:
        return no(_history(rule, known)) if rule.never else _history(rule, known)
    if rule.segment is not None:
        named = known.segments.get(rule.segment)
        return NEVER if named is None else lower(named, known)
    return _compared(rule, known)


def scopes(purpose: str, channel: str) -> list[str]:
    """What may have been said of a class or of all, the narrowest first, which was said last."""
    found = [f"{ALL}@{channel}", ALL] if purpose == ALL else narrow_to_wide(MessageClass(purpose), channel)
    return [scope for scope in found if not scope.endswith("@")]


def _last_said(words: list[str], this: str, other: str) -> Term:
    """The first of these words that was said at all was said in one sense and not in the other."""
    *narrower, widest = words
    found = _word(this, widest)
    for word in reversed(narrower):
        found = either(_word(this, word), every(no(_word(other, word)), found))
    return found


def _word(column: str, word: str) -> Term:
    return Term("contains", column, (f"{APART}{fold(word)}{APART}",))


def _patterns(rule: Rule) -> Iterator[str]:
    assert rule.address is not None
    flags = "".join("_" if flag is None else str(int(flag)) for flag in (rule.verified, rule.blacklisted))
    for begin in rule.starts_with or ("",):
        plain = f"{rule.address.value}:{fold(begin)}"
        for sign in ("\\", "%", "_"):
            plain = plain.replace(sign, "\\" + sign)
        yield f"%{ADDRESS}{flags}{plain}%"


# ── fields and properties ────────────────────────────────────────────────────────────────────────────


def _compared(rule: Rule, known: Known) -> Term:
    assert rule.is_ is not None
    definition = looked_at(rule, known.defined)
    kind = definition.kind
    values = values_of(definition, rule.is_, rule.value)
    negative = rule.is_ in (Operator.IS_NOT, Operator.IS_EMPTY)
    operator = {Operator.IS_NOT: Operator.IS, Operator.IS_EMPTY: Operator.IS_SET}.get(rule.is_, rule.is_)
    if rule.field is not None:
        place = known.places.get(rule.field)
        if place is None:
            return no(NEVER) if negative else NEVER
        column = f"value_{place}" if place < PLACES else "value"
        found = _term(column, kind, operator, values, rule.zone, known.now)
        found = found if place < PLACES else Term("beyond", "", (place,), (found,))
    else:
        assert rule.property is not None
        found = _term(rule.property.value, kind, operator, values, rule.zone, known.now)
    return no(found) if negative else found


def _term(
    column: str, kind: FieldKind, operator: Operator, values: tuple[Any, ...], zone: str, now: int
) -> Term:
    if operator is Operator.IS_SET:
        return Term("set", column)
    match kind:
        case FieldKind.TEXT | FieldKind.CHOICE:
            return _text(column, operator, values)
        case FieldKind.YES_NO:
            return Term("eq", column, (TRUTH + str(int(values[0])),))
        case FieldKind.NUMBER:
            told = [NUMBER + sortable(value) for value in values]
            return _size(column, operator, told, NUMBER, TRUTH)
        case FieldKind.MONEY:
            begin = money_begin(values[0])
            return _size(column, operator, [money_told(value) for value in values], begin, begin + "g")
        case FieldKind.DATE:
            return _date(column, operator, values, zone, now)
        case FieldKind.DATE_TIME:
            return _time(column, operator, values, now)


def _text(column: str, operator: Operator, values: tuple[str, ...]) -> Term:
    if operator is Operator.IS_ONE_OF:
        return Term("among", column, (list(values),))
    if operator is Operator.STARTS_WITH:
        return Term("begins", column, (len(values[0]), values[0]))
    if (
        operator is Operator.CONTAINS
    ):  # what begins with a lower sign is a number, in digits that mean nothing
        return every(Term("ge", column, (" ",)), Term("contains", column, values))
    return Term("eq", column, values)


def _size(column: str, operator: Operator, told: list[str], least: str, end: str) -> Term:
    """Numbers lie between the sign that begins them and the one that begins what follows."""
    match operator:
        case Operator.IS_ONE_OF:
            return Term("among", column, (told,))
        case Operator.AT_LEAST:
            return _range(column, "ge", told[0], "lt", end)
        case Operator.MORE_THAN:
            return _range(column, "gt", told[0], "lt", end)
        case Operator.AT_MOST:
            return _range(column, "ge", least, "le", told[0])
        case Operator.LESS_THAN:
            return _range(column, "ge", least, "lt", told[0])
        case Operator.BETWEEN:
            return _range(column, "ge", told[0], "le", told[1])
        case _:
            return Term("eq", column, (told[0],))


def _range(column: str, low: str, least: Any, high: str, most: Any) -> Term:
    return every(Term(low, column, (least,)), Term(high, column, (most,)))


def _date(column: str, operator: Operator, values: tuple[Any, ...], zone: str, now: int) -> Term:
    match operator:
        case Operator.IS_ONE_OF:
            return Term("day", column, ([day.isoformat() for day in values],))
        case Operator.BEFORE:
            return _days(column, BEFORE_DATES, values[0].isoformat())
        case Operator.AFTER:
            return _days(column, day_after(values[0]), AFTER_DATES)
        case Operator.BETWEEN:
            return _days(column, values[0].isoformat(), day_after(values[1]))
        case Operator.IS:
            return _days(column, values[0].isoformat(), day_after(values[0]))
        case _:
            return _on_todays(column, operator, values[0], zone, now)


def _days(column: str, first: str, end: str) -> Term:
    return _range(column, "ge", first, "lt", end)


def _on_todays(column: str, operator: Operator, days: int, zone: str, now: int) -> Term:
    """A date that is compared with today, which is not the same day everywhere."""
    if zone:
        return _on_today(column, operator, days, local_date(now, zone))
    usual, others = todays(now // QUARTER_MICROS * QUARTER_MICROS)
    terms = [
        every(Term("among", "time_zone", (list(names),)), _on_today(column, operator, days, day))
        for day, names in others
    ]
    elsewhere = [name for _, names in others for name in names]
    main = _on_today(column, operator, days, usual)
    return either(every(no(Term("among", "time_zone", (elsewhere,))), main), *terms) if others else main


def _on_today(column: str, operator: Operator, days: int, today: date) -> Term:
    if operator is Operator.IN_LAST_DAYS:
        return _days(column, (today - timedelta(days=days)).isoformat(), day_after(today))
    if operator is Operator.IN_NEXT_DAYS:
        return _days(column, today.isoformat(), day_after(today + timedelta(days=days)))
    return Term("anniversary", column, (anniversaries(today, days),))


def anniversaries(today: date, days: int) -> list[str]:
    """The days and months that are celebrated from today on; 29 February on the 28th where there is none."""
    found: dict[str, None] = {}
    for ahead in range(min(days, YEAR_DAYS) + 1):
        day = today + timedelta(days=ahead)
        found[day.isoformat()[5:]] = None
        if (day.month, day.day) == (2, 28) and (day + timedelta(days=1)).month == 3:
            found["02-29"] = None
    return list(found)


@lru_cache(maxsize=8)
def todays(at: int) -> tuple[date, tuple[tuple[date, tuple[str, ...]], ...]]:
    """What day it is in UTC, and the zones where it is another one, as contacts have them."""
    usual = local_date(at, "UTC")
    others: dict[date, list[str]] = {}
    for zone in sorted(zones()):
        day = local_date(at, zone)
        if day != usual:
            others.setdefault(day, []).append(fold(zone))
    return usual, tuple((day, tuple(names)) for day, names in sorted(others.items()))


def _time(column: str, operator: Operator, values: tuple[Any, ...], now: int) -> Term:
    own = column in (Property.CREATED_AT, Property.UPDATED_AT)

    def told(at: int) -> Any:
        return at if own else fold(iso(at))

    least, most = (0, 1 << 62) if own else (BEFORE_DATES, AFTER_DATES)
    match operator:
        case Operator.BEFORE:
            return _range(column, "ge", least, "lt", told(values[0]))
        case Operator.AFTER:
            return _range(column, "gt", told(values[0]), "lt", most)
        case Operator.BETWEEN:
            return _range(column, "ge", told(values[0]), "le", told(values[1]))
        case Operator.IN_LAST_DAYS:
            return _range(column, "ge", told(now - values[0] * DAY_MICROS), "le", told(now))
        case _:
            return _range(column, "ge", told(now), "le", told(now + values[0] * DAY_MICROS))


# ── history ──────────────────────────────────────────────────────────────────────────────────────────


def _history(rule: Rule, known: Known) -> Term:
    """What happened, as `happened` of the row or `happened_on` a channel; values come in this order: what the
    entry begins with, times, since."""
    assert rule.history is not None
    if rule.label or rule.template:
        return _mention(rule, known)
    number = ANY_CLASS if rule.message_class is None else CLASSES[rule.message_class]
    values: list[Any] = [place_of(number, rule.channel)]
    told = [rule.history.value]
    if rule.times > 1:
        told.append(f"times{rule.times if rule.days is not None else ''}")
        values.append(as_count(rule.times))
    if rule.days is not None:
        told.append("since")
        values.append(as_bytes(since(known.now, rule.days)))
    return Term("happened_on" if rule.channel else "happened", " ".join(told), tuple(values))


def _mention(rule: Rule, known: Known) -> Term:
    """What happened to messages with a label or a template; values come in this order: event, topics,
    channel, since, the same in bytes, times."""
    assert rule.history is not None
    values: list[Any] = [EVENTS[rule.history], sorted(topics_of(rule, known.topics))]
    told = []
    if rule.channel:
        told.append("channel")
        values.append(rule.channel)
    if rule.days is not None:
        told.append("since")
        begin = since(known.now, rule.days)
        values.append(begin)
        if rule.times > 1:
            values.append(as_bytes(begin))
    if rule.times > 1:
        told.append(f"times{rule.times if rule.days is not None else ''}")
        values.append(rule.times)
    return Term("mention", " ".join(told), tuple(values))


def topics_of(rule: Rule, topics: Mapping[Topic, int]) -> list[int]:
    """The numbers of what a rule of history is about; one that no message was about is none."""
    template_id = ids.read("template", rule.template) if rule.template else 0
    return [
        number
        for topic, number in topics.items()
        if (not rule.label or topic.label == rule.label)
        and (not template_id or topic.template_id == template_id)
        and (rule.message_class is None or topic.message_class is rule.message_class)
    ]
