"""What a contact must be before it is written. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from angarium.contacts.phones import BadPhone, normalise, time_zone_guess
from angarium.core.clock import is_zone
from angarium.core.problems import FieldProblem
from angarium.core.values import Address, AddressKind, Json, MessageClass

LOCALE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}")  # RFC 5646 §4.4.1: 35 characters hold any in use
# RFC 5321 §4.5.3.1 bounds the length; what is inside is the receiving host's business.
EMAIL = re.compile(r"[^\s@<>,;:\"\\\x00-\x1f]{1,64}@[^\s@<>,;:\"\\\x00-\x1f]{1,253}")
ID = re.compile(r"[!-~]{1,128}")
NOT_IN_A_NAME = re.compile("[\x00-\x1f\x7f-\x9f]")  # PostgreSQL keeps no NUL; none of the others is seen
OPT_OUTS = ("all", *(c.value for c in MessageClass))
NAME_MAX = 200
EXTERNAL_ID_MAX = 128
TAGS_MAX = 100
TAG_MAX = 64
ADDRESSES_MAX = 50
FIELDS_BYTES_MAX = 16_384
DEFAULT_LOCALE = "en"
DEFAULT_ZONE = "UTC"


class AddressInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to reach a contact."""

    kind: AddressKind
    value: str
    operator_blacklist: bool = False


class ContactInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A contact as a person or a system describes it."""

    external_id: str | None = None
    name: str = ""
    locale: str = ""
    time_zone: str = ""
    fields: Json = {}
    tags: tuple[str, ...] = ()
    opted_out: tuple[str, ...] = ()
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
    if not ID.fullmatch(value):
        raise BadAddress(value, f"is not a {kind.value} id", "visible ASCII characters, at most 128")
    return value


def check(given: ContactInput) -> tuple[tuple[Address, ...], tuple[FieldProblem, ...]]:
    """The addresses in their kept form, and everything that is wrong with the contact."""
    found: list[FieldProblem] = []

    def must(holds: bool, field: str, problem: str, value: object, remedy: str) -> None:
        if not holds:
            found.append(FieldProblem(field=field, problem=problem, remedy=remedy, value=str(value)[:80]))

    must(
        not given.name or _is_name(given.name, NAME_MAX),
        "name",
        "is too long or has control characters",
        given.name,
        f"at most {NAME_MAX} characters in one line",
    )
    must(
        given.external_id is None or _is_name(given.external_id, EXTERNAL_ID_MAX),
        "external_id",
        "is empty, too long or has control characters",
        given.external_id,
        f"1 to {EXTERNAL_ID_MAX} characters in one line",
    )
    well_formed = not given.locale or LOCALE.fullmatch(given.locale) is not None
    must(well_formed, "locale", "is not a locale", given.locale, "such as fa, uk or en-GB")
    known_zone = not given.time_zone or is_zone(given.time_zone)
    must(known_zone, "time_zone", "is not a time zone", given.time_zone, "an IANA name such as Asia/Tehran")
    unknown = [word for word in given.opted_out if word not in OPT_OUTS]
    must(not unknown, "opted_out", "unknown class", " ".join(unknown), "one of " + ", ".join(OPT_OUTS))
    must(len(given.tags) <= TAGS_MAX, "tags", "are too many", len(given.tags), f"at most {TAGS_MAX}")
    odd = next((tag for tag in given.tags if not _is_name(tag, TAG_MAX)), None)
    must(odd is None, "tags", "one is not a tag", odd, f"1 to {TAG_MAX} characters in one line")
    size = len(msgspec.json.encode(given.fields))
    must(
        size <= FIELDS_BYTES_MAX,
        "fields",
        "are too large",
        f"{size} bytes",
        f"at most {FIELDS_BYTES_MAX} bytes",
    )
    if given.external_id is None:
        must(bool(given.addresses), "addresses", "are missing", "", "at least one address or an external_id")
    count = len(given.addresses)
    must(count <= ADDRESSES_MAX, "addresses", "are too many", count, f"at most {ADDRESSES_MAX}")
    return _check_addresses(given, found.append), tuple(found)


def _is_name(text: str, length_max: int) -> bool:
    return 0 < len(text) <= length_max and not NOT_IN_A_NAME.search(text)


def _check_addresses(given: ContactInput, report: Callable[[FieldProblem], None]) -> tuple[Address, ...]:
    clean: dict[tuple[AddressKind, str], Address] = {}
    for index, one in enumerate(given.addresses[:ADDRESSES_MAX]):
        try:
            value = clean_address(one.kind, one.value)
        except BadAddress as bad:
            report(bad.at(f"addresses[{index}].value"))
            continue
        twin = clean.get((one.kind, value))
        listed = one.operator_blacklist or (twin is not None and twin.operator_blacklist)
        clean[one.kind, value] = Address(one.kind, value, listed)
    return tuple(clean.values())


def zone_for(given_zone: str, addresses: tuple[Address, ...]) -> str:
    """The time zone: as given, else guessed from a phone's country, else UTC."""
    if given_zone:
        return given_zone
    guesses = (time_zone_guess(a.value) for a in addresses if a.kind is AddressKind.PHONE)
    return next((guess for guess in guesses if guess), DEFAULT_ZONE)
