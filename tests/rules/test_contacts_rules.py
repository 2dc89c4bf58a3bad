"""What a contact must be: addresses in one form, every size bounded, a time zone known or guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.contacts.choice import AS_BEFORE, JUST_NOW
from angarium.contacts.rules import (
    ADDRESSES_MAX,
    EXTERNAL_ID_MAX,
    FIELDS_BYTES_MAX,
    NAME_MAX,
    OPT_OUTS,
    TAG_MAX,
    TAGS_MAX,
    AddressInput,
    BadAddress,
    ContactInput,
    check,
    clean_address,
)
from angarium.core.values import Address, AddressKind

PHONE, EMAIL, VK = AddressKind.PHONE, AddressKind.EMAIL, AddressKind.VK
BUSINESS, BROWSER, PUSHES = AddressKind.WHATSAPP_USER, AddressKind.WEB_PUSH, (AddressKind.APP_PUSH,)
OTHER_KINDS = [kind for kind in AddressKind if kind not in (PHONE, EMAIL, BUSINESS, BROWSER)]
GOOD = ContactInput(external_id="crm-7", addresses=(AddressInput(PHONE, "+98 912 345 6789"),))


def wrong(**changes: object) -> list[str]:
    """The fields that are wrong after a change to a good contact; each says how to mend it."""
    _, found = check(msgspec.structs.replace(GOOD, **changes))
    assert all(one.problem and one.remedy and len(one.value) <= 80 for one in found)
    return [one.field for one in found]


def test_a_good_contact() -> None:
    addresses, found = check(GOOD)
    assert addresses == (Address(PHONE, "+989123456789", verified_at=AS_BEFORE),)
    assert found == ()


LOCALES = ["", "fa", "uk", "en-GB", "zh-Hans-CN", "ab" + "-abcdefgh" * 4]
NO_LOCALES = ["FA", "english", "e", "en_GB", "en-", "fa\n", "ab" + "-cd" * 5, "ab" + "-cd" * 100_000]
TAGS = [(), ("vip",), ("t" * TAG_MAX,) * TAGS_MAX]
NO_TAGS = [("a",) * (TAGS_MAX + 1), ("",), ("t" * (TAG_MAX + 1),), ("a", "b\x00")]
BIGGEST = "y" * (FIELDS_BYTES_MAX - len('{"x":""}'))

FIELDS = [  # a field, values that may be, values that may not
    ("name", ["", "سارا\u200cجان", "n" * NAME_MAX], ["n" * (NAME_MAX + 1), "a\x00b", "a\nb", "a\x85"]),
    ("external_id", [None, "7", "e" * EXTERNAL_ID_MAX], ["", "e" * (EXTERNAL_ID_MAX + 1), "a\x00", "\t"]),
    ("locale", LOCALES, NO_LOCALES),
    ("time_zone", ["", "Asia/Tehran", "UTC"], ["Tehran", "contact", "+03:30", "../UTC"]),
    ("opted_out", [(), ("all",), OPT_OUTS], [("everything",), ("otp", ""), ("ALL",)]),
    ("tags", TAGS, NO_TAGS),
    ("fields", [{}, {"a": [1, {"b": None}]}, {"x": BIGGEST}], [{"x": BIGGEST + "y"}]),
]


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, good, _ in FIELDS for value in good])
def test_what_a_field_may_be(field: str, value: object) -> None:
    assert wrong(**{field: value}) == []


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, _, bad in FIELDS for value in bad])
def test_what_a_field_may_not_be(field: str, value: object) -> None:
    assert wrong(**{field: value}) == [field]


def test_everything_wrong_is_told_at_once() -> None:
    changes = {field: bad[0] for field, _, bad in FIELDS}
    assert sorted(wrong(**changes)) == sorted(changes)


@pytest.mark.parametrize(
    ("external_id", "addresses", "fields"),
    [
        ("crm-7", (), []),
        (None, (), ["addresses"]),
        (None, (AddressInput(PHONE, "12"),), ["addresses[0].value"]),
        (None, (AddressInput(VK, "7"),), []),
    ],
)
def test_a_contact_can_be_known_by_something(
    external_id: str | None, addresses: tuple[AddressInput, ...], fields: list[str]
) -> None:
    assert wrong(external_id=external_id, addresses=addresses) == fields


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────

ENDPOINT = "https://push.example/" + "s" * 2_027
CLEAN = [
    (PHONE, "+98 912 345 6789", "+989123456789"),
    (PHONE, "00380 44 123-45-67", "+380441234567"),
    (EMAIL, "Anna@Example.COM", "Anna@example.com"),  # RFC 5321 §2.4: the part before the @ keeps its case
    (EMAIL, "a+b.c@x", "a+b.c@x"),
    (EMAIL, "пошта@приклад.укр", "пошта@приклад.укр"),
    (EMAIL, "l" * 64 + "@" + "d" * 253, "l" * 64 + "@" + "d" * 253),
    *[(kind, "Id-7:x", "Id-7:x") for kind in OTHER_KINDS],
    (BUSINESS, "US.13491208655302741918", "US.13491208655302741918"),
    (BUSINESS, "UA.ENT.x7", "UA.ENT.x7"),
    *[
        (kind, "https://push.example/" + "s" * 2_000, "https://push.example/" + "s" * 2_000)
        for kind in PUSHES
    ],
]


@pytest.mark.parametrize(("kind", "value", "kept"), CLEAN)
def test_an_address_is_kept_in_one_form(kind: AddressKind, value: str, kept: str) -> None:
    assert clean_address(kind, value) == kept
    assert clean_address(kind, kept) == kept


DIRTY = [
    *[(PHONE, value) for value in ("", "12", "+98", "anna", "+" + "1" * 10_000)],
    *[
        (EMAIL, value)
        for value in ("", "anna", "@x", "a@", "a b@x", "a@b@c", "<a@x>", "a@x\nBcc: b@y", "a\x00@x")
    ],
    *[(EMAIL, value) for value in ("l" * 65 + "@x", "a@" + "d" * 254, "a@x,b@y", "a;b@x", '"a"@x')],
    *[(BROWSER, value) for value in ("", "Id-7:x", "https://push.example/x", '{"endpoint":"https://a.b"}')],
    *[(kind, value) for kind in OTHER_KINDS for value in ("", "a b", "я", "a\n", "a\x00", "i" * 2_049)],
    *[(kind, "i" * 257) for kind in OTHER_KINDS if kind not in PUSHES],
    *[
        (BUSINESS, value)
        for value in ("", "1349", "us.1349", "US.", "US.13-49", "US." + "1" * 129, "US.ENT.")
    ],
]


@pytest.mark.parametrize(("kind", "value"), DIRTY)
def test_what_is_no_address(kind: AddressKind, value: str) -> None:
    with pytest.raises(BadAddress) as raised:
        clean_address(kind, value)
    problem = raised.value.at("to")
    assert problem.problem
    assert problem.remedy
    assert len(problem.value) <= 80


def test_the_same_address_twice_is_one_and_stays_on_the_blacklist() -> None:
    spellings = (("+98 912 345 6789", True), ("00989123456789", False))
    for order in (spellings, spellings[::-1]):
        given_twice = tuple(AddressInput(PHONE, value, listed) for value, listed in order)
        addresses, _ = check(ContactInput(addresses=given_twice))
        assert addresses == (Address(PHONE, "+989123456789", operator_blacklist=True, verified_at=AS_BEFORE),)


def test_the_same_value_of_two_kinds_is_two_addresses() -> None:
    addresses, _ = check(ContactInput(addresses=tuple(AddressInput(kind, "7") for kind in OTHER_KINDS)))
    assert [one.kind for one in addresses] == OTHER_KINDS


def test_the_good_ones_are_kept_beside_the_bad_one() -> None:
    addresses, found = check(ContactInput(addresses=(AddressInput(VK, "a b"), AddressInput(VK, "7"))))
    assert addresses == (Address(VK, "7", verified_at=AS_BEFORE),)
    assert [one.field for one in found] == ["addresses[0].value"]


@pytest.mark.parametrize(("count", "fields"), [(ADDRESSES_MAX, []), (ADDRESSES_MAX + 1, ["addresses"])])
def test_addresses_are_counted(count: int, fields: list[str]) -> None:
    assert wrong(addresses=tuple(AddressInput(VK, str(i)) for i in range(count))) == fields


@given(st.sampled_from(AddressKind), st.text(max_size=80))
def test_any_text_is_an_address_or_a_bad_one(kind: AddressKind, text: str) -> None:
    try:
        kept = clean_address(kind, text)
    except BadAddress:
        return
    assert clean_address(kind, kept) == kept


# ── verified ─────────────────────────────────────────────────────────────────────────────────────────

AT = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
VERIFIED: list[tuple[dict[str, Any], int, list[str]]] = [  # what is said, since when, what is wrong
    ({}, AS_BEFORE, []),
    ({"verified": False}, 0, []),
    ({"verified": True}, JUST_NOW, []),
    ({"verified": True, "verified_at": AT, "verified_how": "code"}, 1_795_422_600_000_000, []),
    ({"verified_how": "code"}, AS_BEFORE, ["addresses[0].verified"]),
    ({"verified": False, "verified_at": AT}, 0, ["addresses[0].verified"]),
    ({"verified": True, "verified_at": AT.replace(tzinfo=None)}, JUST_NOW, ["addresses[0].verified_at"]),
    ({"verified": True, "verified_at": AT.replace(year=1)}, JUST_NOW, ["addresses[0].verified_at"]),
    ({"verified": True, "verified_at": AT.replace(year=9999)}, JUST_NOW, ["addresses[0].verified_at"]),
    ({"verified": True, "verified_how": "x" * 65}, JUST_NOW, ["addresses[0].verified_how"]),
    ({"verified": True, "verified_how": "a\nb"}, JUST_NOW, ["addresses[0].verified_how"]),
]


@pytest.mark.parametrize(("said", "at", "fields"), VERIFIED)
def test_what_is_said_of_an_address(said: dict[str, Any], at: int, fields: list[str]) -> None:
    addresses, found = check(ContactInput(addresses=(AddressInput(VK, "7", **said),)))
    assert [one.verified_at for one in addresses] == [at]
    assert [one.field for one in found] == fields
    assert all(one.problem and one.remedy for one in found)
