"""What a rule may say. Pure: shapes, operators and bounds, from which the reference page is printed.

A rule is a tree. Its branches are `all`, `any` and `not`; each leaf asks one thing of a contact. A leaf is
true or false and nothing between: a field that is empty *is not* anything, and therefore fits `is_not`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from angarium.contacts.activity import RECENT_MAX, Event
from angarium.contacts.fields import FieldKind
from angarium.core.values import AddressKind, MessageClass

DEPTH_MAX = 6  # branches within branches
RULES_MAX = 50  # branches and leaves together
LIST_MAX = 200  # values of one rule
TEXT_MAX = 200  # characters of a value; contacts' texts are looked at so far as well
DAYS_MAX = 3_660
TIMES_MAX = 1_000_000
BRANCHES = ("all", "any", "not")
SUBJECTS = ("field", "property", "tag", "address", "opted_out", "opted_in", "history", "segment")


class Property(StrEnum):
    """What every contact has, beside its fields."""

    NAME = "name"
    EXTERNAL_ID = "external_id"
    LOCALE = "locale"
    TIME_ZONE = "time_zone"
    COUNTRY = "country"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"


PROPERTIES = {
    Property.NAME: FieldKind.TEXT,
    Property.EXTERNAL_ID: FieldKind.TEXT,
    Property.LOCALE: FieldKind.TEXT,
    Property.TIME_ZONE: FieldKind.TEXT,
    Property.COUNTRY: FieldKind.TEXT,
    Property.CREATED_AT: FieldKind.DATE_TIME,
    Property.UPDATED_AT: FieldKind.DATE_TIME,
}


class Operator(StrEnum):
    """How a value is compared."""

    IS = "is"
    IS_NOT = "is_not"
    IS_ONE_OF = "is_one_of"
    STARTS_WITH = "starts_with"
    CONTAINS = "contains"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    MORE_THAN = "more_than"
    LESS_THAN = "less_than"
    BETWEEN = "between"
    BEFORE = "before"
    AFTER = "after"
    IN_LAST_DAYS = "in_last_days"
    IN_NEXT_DAYS = "in_next_days"
    ANNIVERSARY_IN_NEXT_DAYS = "anniversary_in_next_days"
    IS_EMPTY = "is_empty"
    IS_SET = "is_set"


class Meaning(msgspec.Struct, frozen=True):
    """What an operator asks: of which kinds, with which value."""

    kinds: tuple[FieldKind, ...]
    takes: str  # "value", "list", "pair", "days", "nothing"
    says: str


WORDS = (FieldKind.TEXT, FieldKind.CHOICE)
SIZES = (FieldKind.NUMBER, FieldKind.MONEY)
TIMES = (FieldKind.DATE, FieldKind.DATE_TIME)

SAME = (*WORDS, *SIZES, FieldKind.DATE)
WHERE_NONE = "29 February comes on the 28th where there is none"

OPERATORS = {
    Operator.IS: Meaning((*SAME, FieldKind.YES_NO), "value", "is equal; the case of letters does not matter"),
    Operator.IS_NOT: Meaning((*SAME, FieldKind.YES_NO), "value", "is another one, or is empty"),
    Operator.IS_ONE_OF: Meaning(SAME, "list", "is equal to one of the list"),
    Operator.STARTS_WITH: Meaning((FieldKind.TEXT,), "value", "begins with the text"),
    Operator.CONTAINS: Meaning((FieldKind.TEXT,), "value", f"has it in its first {TEXT_MAX} characters"),
    Operator.AT_LEAST: Meaning(SIZES, "value", "is so much or more"),
    Operator.AT_MOST: Meaning(SIZES, "value", "is so much or less"),
    Operator.MORE_THAN: Meaning(SIZES, "value", "is more"),
    Operator.LESS_THAN: Meaning(SIZES, "value", "is less"),
    Operator.BETWEEN: Meaning((*SIZES, *TIMES), "pair", "is between two, both included"),
    Operator.BEFORE: Meaning(TIMES, "value", "is earlier"),
    Operator.AFTER: Meaning(TIMES, "value", "is later; of a date, from the next day on"),
    Operator.IN_LAST_DAYS: Meaning(
        TIMES, "days", "is today or one of so many days before; of a time, so many times 24 hours"
    ),
    Operator.IN_NEXT_DAYS: Meaning(
        TIMES, "days", "is today or one of so many days to come; of a time, so many times 24 hours"
    ),
    Operator.ANNIVERSARY_IN_NEXT_DAYS: Meaning(
        (FieldKind.DATE,), "days", f"its day and month come today or within so many days; {WHERE_NONE}"
    ),
    Operator.IS_EMPTY: Meaning(tuple(FieldKind), "nothing", "has no value"),
    Operator.IS_SET: Meaning(tuple(FieldKind), "nothing", "has a value"),
}


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A branch (`all`, `any`, `not`) or a leaf, which names exactly one of the subjects."""

    all: tuple[Rule, ...] | None = None
    any: tuple[Rule, ...] | None = None
    not_: Rule | None = msgspec.field(name="not", default=None)

    field: str | None = None
    property: Property | None = None
    tag: str | None = None
    address: AddressKind | None = None
    opted_out: str | None = None  # a class, or "all": what was said last of it is no
    opted_in: str | None = None  # is yes
    history: Event | None = None
    segment: str | None = None

    is_: Operator | None = msgspec.field(name="is", default=None)  # with a field or a property
    value: Any = None
    zone: str = ""  # for days: "" is the contact's own

    verified: bool | None = None  # with an address
    blacklisted: bool | None = None
    starts_with: Annotated[tuple[str, ...], msgspec.Meta(max_length=LIST_MAX)] = ()

    channel: str = ""  # with what was said, and with history
    message_class: MessageClass | None = msgspec.field(name="class", default=None)  # with history
    label: str = ""
    template: str = ""
    times: int = 1  # at least
    days: int | None = None  # within the last
    never: bool = False


# What may stand beside a subject.
BESIDE: dict[str, tuple[str, ...]] = {
    "field": ("is_", "value", "zone"),
    "property": ("is_", "value", "zone"),
    "tag": (),
    "address": ("verified", "blacklisted", "starts_with"),
    "opted_out": ("channel",),
    "opted_in": ("channel",),
    "history": ("message_class", "channel", "label", "template", "times", "days", "never"),
    "segment": (),
}
WRITTEN = {"is_": "is", "not_": "not", "message_class": "class"}  # names as JSON has them


def below(rule: Rule, place: str) -> list[tuple[str, Rule]]:
    """The rules right under a branch, each with its place, such as `rules.all[2]`."""
    if rule.not_ is not None:
        return [(f"{place}.not", rule.not_)]
    name, rules = ("all", rule.all) if rule.all is not None else ("any", rule.any)
    return [(f"{place}.{name}[{number}]", one) for number, one in enumerate(rules or ())]


def walk(rule: Rule, place: str = "rules", depth: int = 1) -> Iterator[tuple[str, Rule, int]]:
    """Every rule of a tree with its place and depth, from the top, in the order in which it is written."""
    yield place, rule, depth
    for under, one in below(rule, place):
        yield from walk(one, under, depth + 1)


def subjects(rule: Rule) -> list[str]:
    """Which branch or subject a rule names; one, when it is right."""
    return [
        name
        for name in (*BRANCHES, *SUBJECTS)
        if getattr(rule, "not_" if name == "not" else name) is not None
    ]


TIMES_WITHIN_MAX = RECENT_MAX  # with `days`: so many times are remembered one by one
