"""What the registration of a line needs, by kind of line, kept as data beside this file.

`requirements.toml` has each entry with its source and the day it was read; the page in the documentation is
printed from it. A line is of one kind; where nothing else is said, of the kind of its channel.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from angarium.core.problems import FieldProblem, invalid, shown
from angarium.core.values import MessageClass
from angarium.lines.registration_rules import Signature

PLAIN = "plain"
FIELD_MAX = 500  # characters of a value
SIGNATORY_MAX = 200


class DocumentNeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is to be handed in."""

    key: str
    title: str
    media: tuple[str, ...]  # kinds of file, as `uploads.KINDS` names them
    required: bool = True


class Undertaking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A promise that somebody signs."""

    key: str
    signed_by: str  # who has to
    text: dict[str, str]  # by language


class FieldNeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that has to be told. `format`: a regular expression of ours; `check`: one of CHECKS."""

    key: str
    title: str
    format: str
    example: str
    required: bool = True
    check: str = ""


class Operator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operator that registers by itself; numbers with these prefixes are its own, as far as we know."""

    key: str
    title: str
    prefixes: tuple[str, ...] = ()


class Requirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one kind of line needs, and what it may then carry."""

    key: str
    title: str
    country: str  # ISO 3166; "" everywhere
    channels: tuple[str, ...]  # () on any that has no kind of its own
    classes: tuple[MessageClass, ...]  # what its registration can give at all
    declarable: bool  # its owner may say that it is approved, without documents
    fee: str
    usual_days: int
    source: str
    as_of: str  # when the source was read
    notes: str = ""
    valid_days: int = 0  # how long an approval usually holds; 0: without end
    expiring_days: int = 30  # how long before the end it is said to be expiring
    operators: tuple[Operator, ...] = ()
    documents: tuple[DocumentNeed, ...] = ()
    undertakings: tuple[Undertaking, ...] = ()
    fields: tuple[FieldNeed, ...] = ()

    def operator_of(self, address: str) -> str:
        """The operator of a phone number as its prefix tells; "" when it does not. Ported numbers mislead."""
        for operator in self.operators:
            if address.startswith(operator.prefixes):
                return operator.key
        return ""


@cache
def requirements() -> dict[str, Requirement]:
    """Every kind of line, by its key, in the order of the file."""
    text = resources.files("angarium.lines").joinpath("requirements.toml").read_text("utf-8")
    found: list[Any] = tomllib.loads(text)["requirement"]
    return {one["key"]: msgspec.convert(one, Requirement) for one in found}


@cache
def translations() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """What is said of kinds of line in other languages: by language, then `ir-service-line.customer-list`."""
    text = resources.files("angarium.lines").joinpath("requirements_words.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, dict[str, tuple[str, ...]]])


def said_in(language: str, one: Requirement) -> Requirement:
    """A kind of line in a language; in English what nobody has translated."""
    words = translations().get(language, {})

    def said(key: str, otherwise: str) -> str:
        return words.get(f"{one.key}.{key}", (otherwise,))[0]

    def promised(each: Undertaking) -> Undertaking:
        own = words.get(f"{one.key}.{each.key}", ())[1:]
        text = {**each.text, language: own[0]} if own else each.text
        return replace(each, signed_by=said(each.key, each.signed_by), text=text)

    replace = msgspec.structs.replace
    title, fee, notes = words.get(one.key, (one.title, one.fee, one.notes))
    return replace(
        one,
        title=title,
        fee=fee,
        notes=notes,
        documents=tuple(replace(need, title=said(need.key, need.title)) for need in one.documents),
        fields=tuple(replace(need, title=said(need.key, need.title)) for need in one.fields),
        undertakings=tuple(promised(each) for each in one.undertakings),
    )


def of_key(key: str) -> Requirement:
    """The kind of line of this key; a Problem that lists them when there is none."""
    known = requirements()
    if key not in known:
        raise invalid("requirement", "is not a kind of line", value=key, remedy="one of " + ", ".join(known))
    return known[key]


def usual_for(channel: str) -> str:
    """The kind of a line on a channel, when nothing else is said."""
    own = [one.key for one in requirements().values() if channel in one.channels and not one.country]
    return own[0] if own else PLAIN


def fits(requirement: Requirement, channel: str) -> bool:
    """Whether a line on this channel can be of this kind."""
    return channel in requirement.channels if requirement.channels else usual_for(channel) == PLAIN


def for_line(key: str, channel: str) -> Requirement:
    """The kind of a line as it was asked for; a Problem when its channel has no such kind."""
    found = of_key(key or usual_for(channel))
    if not fits(found, channel):
        fitting = ", ".join(one.key for one in requirements().values() if fits(one, channel))
        raise invalid("requirement", f"is not for {channel}", value=key, remedy="one of " + fitting)
    return found


def reference() -> str:
    """Every kind of line as a page for people; docs/reference/registration-requirements.md is this."""
    return "\n".join(_page(one) for one in requirements().values())


def _page(one: Requirement) -> str:
    rows = [
        ("key", f"`{one.key}`"),
        ("country", one.country or "any"),
        (
            "channels",
            ", ".join(f"`{channel}`" for channel in one.channels) or "any without a kind of its own",
        ),
        ("classes that it can give", ", ".join(one.classes)),
        ("declared by its owner", "yes" if one.declarable else "no: papers and a review"),
        ("fee", one.fee),
        ("usual duration", f"{one.usual_days} days" if one.usual_days else "none"),
        (
            "approval holds",
            f"{one.valid_days} days unless said otherwise" if one.valid_days else "without end",
        ),
        ("registered at", ", ".join(operator.title for operator in one.operators)),
        ("source", f"{one.source}; read {one.as_of}"),
    ]
    text = [
        f"## {one.title}\n",
        "| | |",
        "|---|---|",
        *(f"| {name} | {said} |" for name, said in rows if said),
    ]
    text += [f"\n{one.notes}"] if one.notes else []
    text += ["\nDocuments:\n"] if one.documents else []
    text += [
        f"- `{need.key}`: {need.title} ({', '.join(need.media)}){'' if need.required else '; if any'}"
        for need in one.documents
    ]
    text += ["\nUndertakings:\n"] if one.undertakings else []
    for promise in one.undertakings:
        text.append(f"- `{promise.key}`, signed by {promise.signed_by}:")
        text += [f"  - {language}: {words}" for language, words in promise.text.items()]
    text += ["\nFields:\n"] if one.fields else []
    text += [
        f"- `{need.key}`: {need.title}, such as `{need.example}`{'' if need.required else '; optional'}"
        for need in one.fields
    ]
    return "\n".join(text) + "\n"


# ── what was told ────────────────────────────────────────────────────────────────────────────────────


def ir_legal_id(value: str) -> bool:
    """The check digit of an Iranian legal entity's id: weights 29 27 23 19 17, modulo 11."""
    *digits, check = (int(digit) for digit in value)
    shift = digits[9] + 2
    weights = (29, 27, 23, 19, 17) * 2
    remainder = sum((shift + digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    return remainder % 10 == check


CHECKS = {"ir-legal-id": ir_legal_id}


def check_fields(requirement: Requirement, given: Mapping[str, str]) -> Iterable[FieldProblem]:
    """What is wrong with what was told; what is not told yet is no mistake."""
    needs = {need.key: need for need in requirement.fields}
    for key, value in given.items():
        need = needs.get(key)
        if need is None:
            remedy = "one of " + ", ".join(needs) if needs else "no fields: nothing is asked"
            yield FieldProblem(f"fields.{shown(key)}", "is not asked for", remedy, shown(value))
        elif value and not _is_good(need, value):
            remedy = f"{need.title}, such as {need.example}"
            yield FieldProblem(f"fields.{key}", "does not fit the format", remedy, shown(value))


def _is_good(need: FieldNeed, value: str) -> bool:
    if len(value) > FIELD_MAX or not re.fullmatch(need.format, value):
        return False
    return not need.check or CHECKS[need.check](value)


DAY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


def check_signatures(requirement: Requirement, given: Mapping[str, Signature]) -> Iterable[FieldProblem]:
    """What is wrong with who signed what."""
    known = [one.key for one in requirement.undertakings]
    for key, signature in given.items():
        field = f"undertakings.{shown(key)}"
        if key not in known:
            remedy = "one of " + ", ".join(known) if known else "none: nothing is to be signed"
            yield FieldProblem(field, "is not asked for", remedy, shown(key))
        if not 1 <= len(signature.signed_by.strip()) <= SIGNATORY_MAX:
            remedy = f"the name of who signed, at most {SIGNATORY_MAX} characters"
            yield FieldProblem(f"{field}.signed_by", "is empty or too long", remedy)
        if not DAY.fullmatch(signature.signed_on):
            yield FieldProblem(f"{field}.signed_on", "is not a day", "YYYY-MM-DD", shown(signature.signed_on))


def check_classes(
    requirement: Requirement, classes: Iterable[MessageClass], field: str = "classes"
) -> Iterable[FieldProblem]:
    """Classes that this kind of line cannot be approved for."""
    for message_class in classes:
        if message_class not in requirement.classes:
            remedy = "some of " + ", ".join(requirement.classes)
            yield FieldProblem(
                field, f"are never approved on {requirement.title}", remedy, message_class.value
            )


def check_operator(requirement: Requirement, operator: str) -> Iterable[FieldProblem]:
    """What is wrong with the operator that a registration names; "" is all of them."""
    known = [one.key for one in requirement.operators]
    if operator and operator not in known:
        remedy = "one of " + ", ".join(known) if known else "none: leave it out"
        yield FieldProblem("operator", "is not one of this country's", remedy, shown(operator))
