"""What a line must be before it is written. Pure."""

from __future__ import annotations

import re

import msgspec

from angarium.core import window
from angarium.core.clock import is_zone
from angarium.core.ports import Channel
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Hours, Json, MessageClass
from angarium.lines import destinations
from angarium.lines.destinations import NoPlace
from angarium.lines.registration_rules import State

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
PRICE = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,6}))?")
CURRENCY = re.compile(r"[A-Z]{3}")
TOPIC = "lines"  # woken when a line was created, changed or deleted, or what decides about its messages
DECLARED = ("draft", "approved", "refused")  # what an owner may say of its registration
SPEED_MAX_PER_S = 100_000
WINDOW_MAX = 10_000
WEIGHT_MAX = 1_000
DESTINATIONS_MAX = 500  # of a line


class LineInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A line as a person or a system describes it; secrets left out of `settings` stay as they are."""

    name: str
    channel: str
    settings: Json = {}
    classes: tuple[MessageClass, ...] = ()
    registration: str = ""  # what is declared of it; "": nothing, it stays as it is
    requirement: str = ""  # what kind of line it is; "": the usual one of its channel
    patterned: tuple[MessageClass, ...] = ()  # classes whose text must fit an approved pattern
    enabled: bool = True
    speed_per_s: float = 0.0
    window: int = 10
    hours: Hours | None = None
    price: str = "0"
    price_per: str = "message"
    currency: str = "EUR"
    tariff: str = ""  # name of a tariff; what it does not name costs `price`
    weight: int = 1  # its share where lines are chosen by weight; 0: only when there is no other
    only_to: tuple[str, ...] = ()  # prefixes and countries; empty: everywhere
    never_to: tuple[str, ...] = ()


def check(line: LineInput, channel: Channel) -> tuple[FieldProblem, ...]:
    """What is wrong with it, each with its remedy; the channel's own settings are checked by the channel."""
    found = []

    def wrong(field: str, problem: str, value: object, remedy: str) -> None:
        found.append(FieldProblem(field=field, problem=problem, value=shown(str(value)), remedy=remedy))

    if not NAME.fullmatch(line.name):
        wrong(
            "name",
            "is not a name",
            line.name,
            "lower-case letters, digits, dot, dash, underscore; at most 64",
        )
    not_carried = [c.value for c in line.classes if c not in channel.capabilities.classes]
    if not_carried:
        wrong("classes", f"{channel.title} does not carry these", " ".join(not_carried), "leave them out")
    if line.registration and line.registration not in list(State):
        wrong("registration", "is not a state", line.registration, "one of " + ", ".join(DECLARED))
    if line.registration == "approved" and not line.classes:
        wrong(
            "classes", "an approved line needs at least one class", "", "name the classes it is approved for"
        )
    if not 0 <= line.speed_per_s <= SPEED_MAX_PER_S:
        wrong("speed_per_s", "is out of range", line.speed_per_s, f"0 (no limit) to {SPEED_MAX_PER_S}")
    if not 1 <= line.window <= WINDOW_MAX:
        wrong("window", "is out of range", line.window, f"1 to {WINDOW_MAX}")
    if line.price_per not in ("part", "message"):
        wrong("price_per", "is not a unit", line.price_per, "part or message")
    if price_micros(line.price) is None:
        wrong("price", "is not a price", line.price, "a decimal number such as 0.0385, at most six decimals")
    if not CURRENCY.fullmatch(line.currency):
        wrong("currency", "is not a currency", line.currency, "three letters of ISO 4217, such as EUR")
    return (*found, *_check_hours(line.hours), *_check_choice(line))


def _check_choice(line: LineInput) -> list[FieldProblem]:
    """What lines are chosen by."""
    found = []
    if not 0 <= line.weight <= WEIGHT_MAX:
        found.append(FieldProblem("weight", "is out of range", f"0 to {WEIGHT_MAX}", str(line.weight)))
    for field in ("only_to", "never_to"):
        found += _check_destinations(field, getattr(line, field))
    return found


def _check_destinations(field: str, named: tuple[str, ...]) -> list[FieldProblem]:
    if len(named) > DESTINATIONS_MAX:
        return [FieldProblem(field, "are too many", f"at most {DESTINATIONS_MAX}", str(len(named)))]
    found = []
    for place, destination in enumerate(named):
        try:
            destinations.prefixes(destination)
        except NoPlace as error:
            found.append(FieldProblem(f"{field}[{place}]", error.problem, error.remedy, shown(destination)))
    return found


def price_micros(text: str) -> int | None:
    """A decimal price as micro-units; None when it is not one."""
    match = PRICE.fullmatch(text)
    if match is None:
        return None
    return int(match[1]) * 1_000_000 + int((match[2] or "").ljust(6, "0"))


def _check_hours(hours: Hours | None) -> list[FieldProblem]:
    if hours is None:
        return []
    found = window.wrong(hours, "hours")
    if hours.zone != "contact" and not is_zone(hours.zone):
        found.append(
            FieldProblem(
                "hours.zone", "is not a time zone", "contact, or such as Asia/Tehran", shown(hours.zone)
            )
        )
    return found
