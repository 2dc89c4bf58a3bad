"""What a contact must be before it is written. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache

import msgspec

from angarium.contacts.choice import AS_BEFORE, JUST_NOW
from angarium.contacts.consent import PURPOSES, WRITTEN
from angarium.contacts.phones import BadPhone, normalise
from angarium.core.clock import from_datetime, is_zone
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Address, AddressKind, Json, MessageClass
from angarium.protocols import webpush

LOCALE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}")  # RFC 5646 §4.4.1: 35 characters hold any in use
# RFC 5321 §4.5.3.1 bounds the length; what is inside is the receiving host's business.
EMAIL = re.compile(r"[^\s@<>,;:\"\\\x00-\x1f]{1,64}@[^\s@<>,;:\"\\\x00-\x1f]{1,253}")
EMAILS = re.compile(rf"(?:{EMAIL.pattern}\n)*")  # many, a line each
ID = re.compile(r"[!-~]{1,256}")
PUSH = re.compile(r"[!-~]{1,2048}")
# <country>.<id>, <country>.ENT.<id> for the id of a whole enterprise: Meta, business-scoped user ids, 2026.
BUSINESS_SCOPED = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
NOT_IN_A_NAME = re.compile("[\x00-\x1f\x7f-\x9f]")  # PostgreSQL keeps no NUL; none of the others is seen
OPT_OUTS = ("all", *(c.value for c in MessageClass))
NAME_MAX = 200
EXTERNAL_ID_MAX = 128
TAGS_MAX = 100
TAG_MAX = 64
ADDRESSES_MAX = 50
HOW_MAX = 64  # characters
LOCALES_KEPT = 1_000  # that were looked at
FIELDS_BYTES_MAX = 16_384
YEARS = (1971, 2999)  # of a time at which something was verified
IDS = {  # what an id of a kind looks like, where it is not visible ASCII of at most 256
    AddressKind.WHATSAPP_USER: (
        BUSINESS_SCOPED,
        "a country and the id, such as US.13491208655302741918",
    ),
    AddressKind.APP_PUSH: (PUSH, "visible ASCII characters, at most 2048"),
}

_encode = msgspec.json.Encoder().encode


class AddressInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to reach a contact.

    `preferred`: it is used before the others of its kind. `verified`: somebody has shown that it is this
    person's, at that time and in that way ("code", "double opt-in"); left out, it stays as it is known.
    """

    kind: AddressKind
    value: str
    operator_blacklist: bool = False
    preferred: bool = False
    verified: bool | None = None
    verified_at: datetime | None = None
    verified_how: str = ""


class ContactInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A contact as a person or a system describes it.

    Without a locale or a time zone it gets those of its phone's country, and they are said to be a guess.
    """

    external_id: str | None = None
    name: str = ""
    locale: str = ""
    time_zone: str = ""
    fields: Json = {}
    tags: tuple[str, ...] = ()
    opted_out: tuple[str, ...] | None = (
        None  # scopes; None: as it was, so that a STOP is not undone by the way
    )
    addresses: tuple[AddressInput, ...] = ()


class BadAddress(Exception):
    """An address that cannot be one of its kind."""

    def __init__(self, value: str, problem: str, remedy: str) -> None:
        super().__init__(f"{value}: {problem}")
        self.value = value
        self.problem = problem
        self.remedy = remedy

    def at(self, field: str) -> FieldProblem:
        """The problem of a field of the request."""
        return FieldProblem(field=field, problem=self.problem, remedy=self.remedy, value=self.value[:80])


def clean_address(kind: AddressKind, value: str) -> str:
    """The one form in which an address is kept: phones as E.164, e-mail with its domain in lower case."""
    if kind is AddressKind.PHONE:
        try:
            return normalise(value)
        except BadPhone as bad:
            raise BadAddress(value, bad.problem, bad.remedy) from None
    if kind is AddressKind.EMAIL:
        if not EMAIL.fullmatch(value):
            raise BadAddress(value, "is not an e-mail address", "such as anna@example.com")
        local, _, domain = value.rpartition("@")
        return f"{local}@{domain.lower()}"
    if kind is AddressKind.WEB_PUSH:
        one = webpush.subscription(value) if len(value) <= 2 * webpush.ADDRESS_MAX else None
        if one is None or not PUSH.fullmatch(webpush.kept(one)):
            remedy = "the JSON of PushSubscription: endpoint, keys.p256dh and keys.auth; at most 2048"
            raise BadAddress(value, "is not a subscription of a browser", remedy)
        return webpush.kept(one)
    pattern, remedy = IDS.get(kind, (ID, "visible ASCII characters, at most 256"))
    if not pattern.fullmatch(value):
        raise BadAddress(value, f"is not a {kind.value} id", remedy)
    return value


def check(given: ContactInput) -> tuple[tuple[Address, ...], tuple[FieldProblem, ...]]:
    """The addresses in their kept form, and everything that is wrong with the contact."""
    found = [*_check_words(given), *_check_amounts(given)]
    return _check_addresses(given, found.append), tuple(found)


def _check_words(given: ContactInput) -> Iterator[FieldProblem]:
    if given.name and not is_name(given.name, NAME_MAX):
        remedy = f"at most {NAME_MAX} characters in one line"
        yield FieldProblem("name", "is too long or has control characters", remedy, given.name[:80])
    if given.external_id is not None and not is_name(given.external_id, EXTERNAL_ID_MAX):
        problem, remedy = (
            "is empty, too long or has control characters",
            f"1 to {EXTERNAL_ID_MAX} characters in one line",
        )
        yield FieldProblem("external_id", problem, remedy, given.external_id[:80])
    if given.locale and not is_locale(given.locale):
        yield FieldProblem("locale", "is not a locale", "such as fa, uk or en-GB", given.locale[:80])
    if given.time_zone and not is_zone(given.time_zone):
        remedy = "an IANA name such as Asia/Tehran"
        yield FieldProblem("time_zone", "is not a time zone", remedy, given.time_zone[:80])
    unknown = [word for word in given.opted_out or () if not WRITTEN.fullmatch(word)]
    if unknown:
        remedy = f"one of {', '.join(PURPOSES)}, or one of them on a channel: promotional@smpp"
        yield FieldProblem("opted_out", "unknown class", remedy, " ".join(unknown)[:80])
    for tag in given.tags:
        if not is_name(tag, TAG_MAX):
            remedy = f"1 to {TAG_MAX} characters in one line"
            yield FieldProblem("tags", "one is not a tag", remedy, tag[:80])
            break


def _check_amounts(given: ContactInput) -> Iterator[FieldProblem]:
    if len(given.tags) > TAGS_MAX:
        yield FieldProblem("tags", "are too many", f"at most {TAGS_MAX}", str(len(given.tags)))
    if given.fields and (size := len(_encode(given.fields))) > FIELDS_BYTES_MAX:
        yield FieldProblem("fields", "are too large", f"at most {FIELDS_BYTES_MAX} bytes", f"{size} bytes")
    count = len(given.addresses)
    if given.external_id is None and not count:
        yield FieldProblem("addresses", "are missing", "at least one address or an external_id", "")
    if count > ADDRESSES_MAX:
        yield FieldProblem("addresses", "are too many", f"at most {ADDRESSES_MAX}", str(count))


def is_name(text: str, length_max: int) -> bool:
    """Whether it is one line of so many characters that people can see."""
    # Python's words for it are quicker than the expression, and stricter: nothing invisible is in them.
    return 0 < len(text) <= length_max and (text.isprintable() or not NOT_IN_A_NAME.search(text))


@lru_cache(LOCALES_KEPT)
def is_locale(text: str) -> bool:
    """Whether it is written as a locale is."""
    return LOCALE.fullmatch(text) is not None


def _check_addresses(given: ContactInput, report: Callable[[FieldProblem], None]) -> tuple[Address, ...]:
    clean: dict[str, Address] = {}
    for index, one in enumerate(given.addresses[:ADDRESSES_MAX]):
        try:
            value = clean_address(one.kind, one.value)
        except BadAddress as bad:
            report(bad.at(f"addresses[{index}].value"))
            continue
        if one.verified_how or one.verified_at is not None:
            for wrong in _check_verified(one, f"addresses[{index}]"):
                report(wrong)
        key = one.kind + ":" + value
        twin = clean.get(key)
        listed = one.operator_blacklist or (twin is not None and twin.operator_blacklist)
        at = _verified_at(one)
        clean[key] = Address(one.kind, value, listed, one.preferred, at, one.verified_how)
    return tuple(clean.values())


def _check_verified(one: AddressInput, place: str) -> Iterator[FieldProblem]:
    if one.verified_how and not is_name(one.verified_how, HOW_MAX):
        remedy = f"at most {HOW_MAX} characters in one line"
        yield FieldProblem(f"{place}.verified_how", "is too long", remedy, shown(one.verified_how))
    if not one.verified and (one.verified_at or one.verified_how):
        yield FieldProblem(f"{place}.verified", "is not true, but how or when is", "say true")
    if one.verified_at is not None and not _is_instant(one.verified_at):
        value = one.verified_at.isoformat()
        remedy = "with its zone, such as 2026-11-23T08:30:00Z"
        yield FieldProblem(f"{place}.verified_at", "is not a time of our age with a zone", remedy, value)


def _verified_at(one: AddressInput) -> int:
    if not one.verified:
        return AS_BEFORE if one.verified is None else 0
    at = one.verified_at
    return from_datetime(at) if at is not None and _is_instant(at) else JUST_NOW


def _is_instant(at: datetime) -> bool:
    return at.tzinfo is not None and YEARS[0] <= at.year <= YEARS[1]
