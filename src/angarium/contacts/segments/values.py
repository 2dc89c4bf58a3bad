"""What a rule compares with, read from JSON: the kind of a field, and a value in its kept form. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from angarium.contacts import fields
from angarium.contacts.comparable import MONEY, fold, sortable
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.segments.rules import (
    DAYS_MAX,
    LIST_MAX,
    OPERATORS,
    PROPERTIES,
    SIZES,
    TEXT_MAX,
    TIMES,
    WORDS,
    Operator,
    Rule,
)
from angarium.core.clock import MICROS, from_datetime
from angarium.core.problems import FieldProblem

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DAY_MICROS = 86_400 * MICROS

Value = (
    str | float | bool | date | int | tuple[int, str]
)  # a time is an integer, money is micros and currency


class Misfit(Exception):
    """A value that cannot be compared so."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def looked_at(rule: Rule, defined: Mapping[str, FieldDefinition]) -> FieldDefinition:
    """What a rule looks at; the kind of an undefined field is told from what it is compared with."""
    if rule.property is not None:
        return FieldDefinition(rule.property, PROPERTIES[rule.property])
    name = rule.field or ""
    return defined[name] if name in defined else FieldDefinition(name, _guessed(rule))


def since(now: int, days: int) -> int:
    """So many days before a moment, in whole seconds, as what happened is remembered."""
    return (now - days * DAY_MICROS) // MICROS * MICROS


def _guessed(rule: Rule) -> FieldKind:
    if rule.is_ is None:
        return FieldKind.TEXT
    given = rule.value[0] if isinstance(rule.value, list) and rule.value else rule.value
    fitting, takes = OPERATORS[rule.is_].kinds, OPERATORS[rule.is_].takes
    if isinstance(given, bool):
        return FieldKind.YES_NO
    if isinstance(given, dict):
        return FieldKind.MONEY
    if isinstance(given, int | float) and takes != "days":
        return FieldKind.NUMBER
    if set(fitting) <= set(TIMES) or (rule.is_ is Operator.BETWEEN and isinstance(given, str)):
        dated = not isinstance(given, str) or DATE.fullmatch(given)
        return FieldKind.DATE if dated else FieldKind.DATE_TIME
    return FieldKind.NUMBER if set(fitting) <= set(SIZES) else FieldKind.TEXT


def values_of(definition: FieldDefinition, operator: Operator, given: Any) -> tuple[Value, ...]:
    """What an operator compares with: none, one, two or a list; Misfit when it cannot."""
    takes = OPERATORS[operator].takes
    if takes == "nothing":
        if given is not None:
            raise Misfit("is not wanted", "leave it out")
        return ()
    if takes == "days":
        return (days(given),)
    if takes == "value":
        return (_value(definition, given),)
    if not isinstance(given, list):
        raise Misfit("is not a list", "such as [1, 2]")
    if takes == "pair" and len(given) != 2:
        raise Misfit("is not two values", "from and to, both included")
    if not 0 < len(given) <= LIST_MAX:
        raise Misfit(f"has {len(given)} values", f"1 to {LIST_MAX}")
    found = tuple(_value(definition, one) for one in given)
    if takes == "pair" and len({value[1] for value in found if isinstance(value, tuple)}) > 1:
        raise Misfit("is in two currencies", "one for both")
    return found


def days(given: Any) -> int:
    """A number of days."""
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= DAYS_MAX:
        raise Misfit("is not a number of days", f"a whole number, 0 to {DAYS_MAX}")
    return given


def _value(definition: FieldDefinition, given: Any) -> Value:
    if definition.kind in WORDS:
        return _text(given)
    found = fields.clean(definition, given)
    if isinstance(found, FieldProblem):
        raise Misfit(found.problem, found.remedy)
    match definition.kind:
        case FieldKind.MONEY if isinstance(found, dict):
            return found["micros"], found["currency"]
        case FieldKind.DATE if isinstance(found, str):
            return date.fromisoformat(found)
        case FieldKind.DATE_TIME if isinstance(found, str):
            return from_datetime(datetime.fromisoformat(found))
    if found is None or isinstance(found, dict):
        raise Misfit("is empty", "for what has no value: is_empty")
    return found


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise Misfit("is not text", 'put it in quotes: "12"')
    if len(given) > TEXT_MAX:
        raise Misfit("is too long", f"at most {TEXT_MAX} characters")
    if not fold(given):
        raise Misfit("is empty", "for what has no value: is_empty")
    return fold(given)


# ── as contacts keep them (contacts/comparable.py) ────────────────────────────────────────────────────────


def money_told(value: tuple[int, str]) -> str:
    """Money as it is compared."""
    return money_begin(value) + sortable(value[0])


def money_begin(value: tuple[int, str]) -> str:
    """How money of a currency begins."""
    return MONEY + fold(value[1])


def day_after(day: date) -> str:
    """The day after one, as text that sorts; what comes after every date when there is none."""
    return (day + timedelta(days=1)).isoformat() if day < date.max else AFTER_DATES


AFTER_DATES = ":"  # the sign after 9
BEFORE_DATES = "0"
