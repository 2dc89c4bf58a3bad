"""A contact as somebody types it into a form: what stands in each field, and which contact it means. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.rules import AddressInput, ContactInput
from angarium.contacts.store import Contact
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import AddressKind, amount_text

ROWS_MAX = 50
BY_HAND = "by hand"  # how an address was verified that somebody ticked
MARK_LENGTH = 16
LETTERS_OF_A_TIME = 16  # 2026-11-23T08:30: what a field of a browser holds
COMMA = re.compile("[,،，、\n]")
# Spaces, and what takes none: zero-width space and joiners, marks of direction, embeddings, isolates, BOM.
UNSEEN = (
    " \t\r\n\u00a0\u2009\u3000\u200b\u200c\u200d\u200e\u200f"
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)


class AddressRow(msgspec.Struct, frozen=True):
    """A row of the form. `before` is the value that it had, so that what is known of it stays with it."""

    kind: str = "phone"
    value: str = ""
    verified: bool = False
    preferred: bool = False


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """All that stands in the form, as text."""

    external_id: str = ""
    name: str = ""
    locale: str = ""
    time_zone: str = ""
    tags: str = ""
    addresses: tuple[AddressRow, ...] = ()
    values: dict[str, str] = {}  # of fields; of money the amount
    currencies: dict[str, str] = {}


def draft_of(contact: Contact, defined: Mapping[str, FieldDefinition]) -> Draft:
    """What stands in the form of a contact that is there. What is a guess is left empty."""
    values, currencies = {}, {}
    for name, value in contact.fields.items():
        kind = defined[name].kind if name in defined else FieldKind.TEXT
        if name in defined or isinstance(value, str):
            values[name] = typed(kind, value)
        if isinstance(value, dict) and kind is FieldKind.MONEY:
            currencies[name] = str(value.get("currency", ""))
    return Draft(
        external_id=contact.external_id or "",
        name=contact.name,
        locale="" if contact.locale_is_guess else contact.locale,
        time_zone="" if contact.time_zone_is_guess else contact.time_zone,
        tags=", ".join(contact.tags),
        addresses=tuple(
            AddressRow(one.kind.value, one.value, one.verified_at > 0, one.preferred)
            for one in contact.addresses
        ),
        values=values,
        currencies=currencies,
    )


def mark_of(contact_id: int, saved: Draft) -> str:
    """A mark of a contact as its form shows it. Where another one comes back with the form, the contact has
    been changed since that was drawn, or is another one that it was merged into."""
    encoded = msgspec.json.encode((contact_id, saved), order="sorted")
    return hashlib.sha256(encoded).hexdigest()[:MARK_LENGTH]


def differing(draft: Draft, saved: Draft) -> tuple[FieldProblem, ...]:
    """The fields in which what somebody typed is not what is saved now, each with that."""
    now, then = _by_field(draft), _by_field(saved)
    return tuple(
        FieldProblem(
            name,
            "differs from what is saved now",
            f"saved is “{shown(then[name])}”" if then.get(name) else "saved is nothing",
            shown(text),
        )
        for name, text in now.items()
        if text != then.get(name, "")
    )


def _by_field(draft: Draft) -> dict[str, str]:
    """What stands in each field, under the name by which the form shows what is wrong with it."""
    plain = {name: getattr(draft, name) for name in ("name", "external_id", "locale", "time_zone")}
    values = {
        f"fields.{name}": f"{text.strip()} {draft.currencies.get(name, '')}".strip()
        for name, text in draft.values.items()
    }
    addresses = sorted(
        f"{one.kind} {one.value}{' ✓' * one.verified}{' ★' * one.preferred}" for one in draft.addresses
    )
    return {**plain, "tags": ", ".join(tags_in(draft.tags)), "addresses": ", ".join(addresses), **values}


def typed(kind: FieldKind, value: Any) -> str:
    """A value as it stands in its field."""
    if kind is FieldKind.MONEY and isinstance(value, dict):
        return amount_text(value.get("micros", 0))
    if kind is FieldKind.DATE_TIME and isinstance(value, str):
        return value[:LETTERS_OF_A_TIME]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def draft_from(form: Mapping[str, str]) -> Draft:
    """What somebody sent. Rows of addresses that are empty are left out."""
    rows = (
        AddressRow(
            form.get(f"kind-{at}", ""),
            form.get(f"value-{at}", "").strip(),
            f"verified-{at}" in form,
            f"preferred-{at}" in form,
        )
        for at in range(ROWS_MAX)
        if f"kind-{at}" in form
    )
    return Draft(
        external_id=form.get("external_id", "").strip(),
        name=form.get("name", "").strip(),
        locale=form.get("locale", "").strip(),
        time_zone=form.get("time_zone", "").strip(),
        tags=form.get("tags", ""),
        addresses=tuple(row for row in rows if row.value),
        values=_under(form, "field-"),
        currencies=_under(form, "currency-"),
    )


def _under(form: Mapping[str, str], begin: str) -> dict[str, str]:
    return {name.removeprefix(begin): text for name, text in form.items() if name.startswith(begin)}


def meant(draft: Draft, before: Contact | None, defined: Mapping[str, FieldDefinition]) -> ContactInput:
    """The contact that a form means. What the form does not show of the contact stays as it was."""
    kept = {} if before is None else dict(before.fields)
    for name, text in draft.values.items():
        if not text.strip():
            kept.pop(name, None)
        else:
            kept[name] = _value(defined.get(name), text.strip(), draft.currencies.get(name, ""))
    return ContactInput(
        external_id=draft.external_id or None,
        name=draft.name,
        locale=draft.locale,
        time_zone=draft.time_zone,
        fields=kept,
        tags=tags_in(draft.tags),
        addresses=_addresses(draft.addresses, before),
    )


def tags_in(text: str) -> tuple[str, ...]:
    """Tags between commas, of any script, or a line each; each once. Marks of direction and the like, which
    come along when words are copied from a page, are at the ends of a tag no part of it: alone they would be
    one that nobody sees."""
    found = (one.strip(UNSEEN) for one in COMMA.split(text))
    return tuple(dict.fromkeys(one for one in found if one))


def _value(definition: FieldDefinition | None, text: str, currency: str) -> str:
    kind = definition.kind if definition else FieldKind.TEXT
    if kind is FieldKind.MONEY and currency:
        return f"{text} {currency.strip().upper()}"
    if kind is FieldKind.DATE_TIME and len(text) == LETTERS_OF_A_TIME:
        return f"{text}Z"
    return text


def _addresses(rows: Sequence[AddressRow], before: Contact | None) -> tuple[AddressInput, ...]:
    there = {(one.kind.value, one.value): one for one in before.addresses} if before else {}
    made = []
    for row in rows:
        known = there.get((row.kind, row.value))
        was = known is not None and known.verified_at > 0
        # As it was: the time and the way of it are not on the form.
        verified = None if known is not None and row.verified == was else row.verified
        made.append(
            AddressInput(
                kind=AddressKind(row.kind) if row.kind in set(AddressKind) else AddressKind.PHONE,
                value=row.value,
                operator_blacklist=known is not None and known.operator_blacklist,
                preferred=row.preferred,
                verified=verified,
                verified_how=BY_HAND if verified else "",
            )
        )
    return tuple(made)
