"""The fields of contacts that a workspace defines: what may stand in each, and the one form it is kept in.

`clean` takes what a JSON document has and what a person writes into a table alike: 12.5 and "12.5", true and
"yes". The form that is kept is JSON's, so that whoever reads a field of a kind need not ask how it came.
A field that is not defined is kept as it comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from angarium.core.clock import from_datetime, iso
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Json

if TYPE_CHECKING:
    from angarium.contacts.store.fields import FieldRow
    from angarium.storage.database import Transaction

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")  # as a template writes it: {{ contact.city }}
# What a template sees of a contact under these names is not a field (messaging/way.py: contact_values).
TAKEN = frozenset({"id", "name", "external_id", "locale", "tags"})
LABEL_MAX = 100  # characters
TEXT_MAX = 4_000  # characters
CHOICES_MAX = 200
CHOICE_MAX = 100  # characters
CURRENCY = re.compile(r"[A-Z]{3}")  # ISO 4217
EXACT_MAX = (1 << 53) - 1  # what every reader of JSON keeps exactly (RFC 8259 §6)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NUMBER = re.compile(r"[+-]?[0-9]{1,20}([.][0-9]{1,20})?")
MONEY = re.compile(rf"(?P<amount>{NUMBER.pattern})(?: ?(?P<currency>[A-Za-z]{{3}}))?")
NOT_IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
YES, NO = frozenset({"yes", "true", "1", "y"}), frozenset({"no", "false", "0", "n"})
MICROS = 1_000_000

Value = str | int | float | bool | Json | None


class FieldKind(StrEnum):
    """What may stand in a field."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    DATE_TIME = "date_time"
    MONEY = "money"
    CHOICE = "choice"
    YES_NO = "yes_no"


class FieldDefinition(msgspec.Struct, frozen=True):
    """A field of the contacts of a workspace. `currency` is that of a money field that knows only one."""

    name: str
    kind: FieldKind
    label: str = ""
    choices: tuple[str, ...] = ()
    currency: str = ""


class Misfit(Exception):
    """A value that is none of its kind; said as `FieldProblem`."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


async def definitions(tx: Transaction, workspace_id: int) -> dict[str, FieldDefinition]:
    """The defined fields of a workspace by name; one query, to be asked once for a batch."""
    from angarium.contacts.store import fields as store  # noqa: PLC0415  to clean values no table is needed

    return {one.name: definition_of(one) for one in await store.every(tx, workspace_id)}


def definition_of(one: FieldRow) -> FieldDefinition:
    """A definition as it is kept, as everybody works with it."""
    return FieldDefinition(one.name, FieldKind(one.kind), one.label, one.choices, one.currency)


# ── values ───────────────────────────────────────────────────────────────────────────────────────────


def clean(definition: FieldDefinition, value: object) -> Value | FieldProblem:
    """A value in the form in which it is kept; None, which is no value, stays None. What cannot stand there
    is a FieldProblem that names the field and the value."""
    if value is None or (isinstance(value, str) and not value.strip() and definition.kind != FieldKind.TEXT):
        return None
    try:
        return CLEANERS[definition.kind](definition, value)
    except Misfit as misfit:
        field = f"fields.{definition.name}"
        return FieldProblem(field, misfit.problem, misfit.remedy, shown(value))


def clean_all(defined: Mapping[str, FieldDefinition], given: Json) -> tuple[Json, tuple[FieldProblem, ...]]:
    """All fields of a contact in their kept form, without those that have no value; and what is wrong."""
    if not defined:
        return given, ()
    kept: Json = {}
    wrong: list[FieldProblem] = []
    for name, value in given.items():
        definition = defined.get(name)
        found = value if definition is None else clean(definition, value)
        if isinstance(found, FieldProblem):
            wrong.append(found)
        elif found is not None or definition is None:
            kept[name] = found
    return kept, tuple(wrong)


def _text(_: FieldDefinition, value: object) -> str:
    if not isinstance(value, str):
        raise Misfit("is not text", 'put it in quotes: "12"')
    if len(value) > TEXT_MAX:
        raise Misfit("is too long", f"at most {TEXT_MAX} characters")
    if NOT_IN_TEXT.search(value):
        raise Misfit("has control characters", "take them out")
    return value


def _number(_: FieldDefinition, value: object) -> int | float:
    number = _decimal(value, "such as 12 or 12.5")
    whole = number == number.to_integral_value()
    return int(number) if whole else float(number)


def _decimal(value: object, remedy: str) -> Decimal:
    """An exact number that stays one in JSON."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Misfit("is not a number", remedy)
    if isinstance(value, int) and abs(value) > EXACT_MAX:  # before it is written out digit by digit
        raise Misfit("is out of range", f"between -{EXACT_MAX} and {EXACT_MAX}")
    text = _digits(value) if isinstance(value, str) else repr(value)
    if isinstance(value, str) and not NUMBER.fullmatch(text):
        raise Misfit("is not a number", remedy)
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise Misfit("is not a number", remedy) from None
    if not number.is_finite() or abs(number) > EXACT_MAX:
        raise Misfit("is out of range", f"between -{EXACT_MAX} and {EXACT_MAX}")
    return number


def _digits(text: str) -> str:
    """A number as people write it, with Western digits: those of any script may stand in a table."""
    return "".join([str(int(sign)) if sign.isdecimal() else sign for sign in text.strip()])


def _date(_: FieldDefinition, value: object) -> str:
    remedy = "such as 2026-11-23"
    if not isinstance(value, str) or not DATE.fullmatch(text := _digits(value)):
        raise Misfit("is not a date", remedy)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Misfit("is no day of the calendar", remedy) from None


def _date_time(_: FieldDefinition, value: object) -> str:
    remedy = "with its zone, such as 2026-11-23T08:30:00Z or 2026-11-23T12:00:00+03:30"
    if not isinstance(value, str):
        raise Misfit("is not a time", remedy)
    try:
        return iso(from_datetime(datetime.fromisoformat(value.strip())))
    except (ValueError, OverflowError):
        raise Misfit("is not a time with a zone", remedy) from None


def _money(definition: FieldDefinition, value: object) -> Json:
    amount, currency = _amount(value)
    currency = currency or definition.currency
    if not CURRENCY.fullmatch(currency):
        raise Misfit("has no currency", 'such as "12.50 EUR" or {"amount": "12.50", "currency": "EUR"}')
    if definition.currency and currency != definition.currency:
        raise Misfit(f"is in {currency}", f"this field is in {definition.currency}")
    in_micros = amount * MICROS
    if in_micros != in_micros.to_integral_value():
        raise Misfit("is finer than a millionth", "at most 6 digits after the point")
    if abs(in_micros) > EXACT_MAX:
        raise Misfit("is out of range", f"at most {EXACT_MAX // MICROS} either way")
    return {"micros": int(in_micros), "currency": currency}


def _amount(value: object) -> tuple[Decimal, str]:
    """The amount of money that was written, and its currency where it was written too."""
    remedy = 'such as "12.50", "12.50 EUR", {"amount": "12.50", "currency": "EUR"} or {"micros": 12500000, …}'
    if isinstance(value, dict):
        currency = value.get("currency", "")
        if not isinstance(currency, str) or not value.keys() <= {"amount", "micros", "currency"}:
            raise Misfit("is not money", remedy)
        if ("micros" in value) == ("amount" in value):
            raise Misfit("is not money", remedy)
        if "amount" in value:
            return _decimal(value["amount"], remedy), currency.upper()
        if isinstance(value["micros"], bool) or not isinstance(value["micros"], int):
            raise Misfit("is not money", remedy)
        return _decimal(value["micros"], remedy) / MICROS, currency.upper()
    if isinstance(value, str) and (match := MONEY.fullmatch(_digits(value))):
        return _decimal(match["amount"], remedy), (match["currency"] or "").upper()
    return _decimal(value, remedy), ""


def _choice(definition: FieldDefinition, value: object) -> str:
    if not isinstance(value, str) or value.strip() not in definition.choices:
        raise Misfit("is not one of the choices", "one of " + shown(", ".join(definition.choices)))
    return value.strip()


def _yes_no(_: FieldDefinition, value: object) -> bool:
    if isinstance(value, bool):
        return value
    said = value.strip().lower() if isinstance(value, str) else ""
    if said not in YES | NO:
        raise Misfit("is neither yes nor no", "true or false")
    return said in YES


CLEANERS: dict[FieldKind, Callable[[FieldDefinition, object], str | int | float | bool | Json]] = {
    FieldKind.TEXT: _text,
    FieldKind.NUMBER: _number,
    FieldKind.DATE: _date,
    FieldKind.DATE_TIME: _date_time,
    FieldKind.MONEY: _money,
    FieldKind.CHOICE: _choice,
    FieldKind.YES_NO: _yes_no,
}


# ── definitions ──────────────────────────────────────────────────────────────────────────────────────


def check(given: FieldDefinition, taken: frozenset[str] = TAKEN) -> tuple[FieldProblem, ...]:
    """Everything that is wrong with a definition; `taken` are names that mean something already."""
    found: list[FieldProblem] = []

    def must(holds: bool, field: str, problem: str, value: object, remedy: str) -> None:
        if not holds:
            found.append(FieldProblem(field, problem, remedy, shown(value)))

    fits = NAME.fullmatch(given.name) is not None
    must(fits, "name", "is not a name", given.name, "Latin letters, digits and _, at most 64, no digit first")
    must(given.name not in taken, "name", "means something already", given.name, "another name")
    labelled = len(given.label) <= LABEL_MAX and not NOT_IN_TEXT.search(given.label)
    must(labelled, "label", "is too long or has control characters", given.label, f"at most {LABEL_MAX}")
    chooses, pays = given.kind is FieldKind.CHOICE, given.kind is FieldKind.MONEY
    must(
        bool(given.choices) == chooses,
        "choices",
        "go with a choice alone",
        given.choices,
        "only there",
    )
    count = len(given.choices)
    must(count <= CHOICES_MAX, "choices", "are too many", count, f"at most {CHOICES_MAX}")
    odd = next((one for one in given.choices if not _is_choice(one)), None)
    must(odd is None, "choices", "one is not a choice", odd, f"1 to {CHOICE_MAX} characters")
    must(len(set(given.choices)) == len(given.choices), "choices", "one comes twice", "", "each once")
    must(not given.currency or pays, "currency", "goes with money alone", given.currency, "leave it out")
    written = not given.currency or CURRENCY.fullmatch(given.currency) is not None
    must(written, "currency", "is not a currency", given.currency, "three capital letters, such as EUR")
    return tuple(found)


def _is_choice(text: str) -> bool:
    return 0 < len(text) <= CHOICE_MAX and text == text.strip() and not NOT_IN_TEXT.search(text)
