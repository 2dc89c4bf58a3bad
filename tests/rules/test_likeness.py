"""Whether two contacts may be one person: what speaks for it, what against, and where such contacts are."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.contacts.likeness import (
    SURE_ENOUGH,
    Traits,
    as_sought,
    dates_of_birth,
    likeness,
    near,
)
from angarium.core.values import Address, AddressKind


def person(name: str = "", external_id: str = "", born: str = "", phone: str = "", mail: str = "") -> Traits:
    """One contact."""
    phones = (Address(AddressKind.PHONE, phone),) if phone else ()
    mails = (Address(AddressKind.EMAIL, mail),) if mail else ()
    return Traits(name, external_id, (*phones, *mails), {"birthday": born} if born else {})


OLENA = {"name": "Олена Шевченко", "phone": "+380441234567", "mail": "olena.shevchenko@gmail.com"}
TURNED = "the same name, its words turned round"
SHARED = "names that share anna and berg"
PAIRS: list[tuple[str, dict[str, Any], dict[str, Any], int, list[str]]] = [
    ("nothing is known", {}, {}, 0, []),
    ("the same name alone", {"name": "Олена Шевченко"}, {"name": "ОЛЕНА  шевченко"}, 40, ["the same name"]),
    (
        "turned round",
        {"name": "Anna Berg"},
        {"name": "Berg Anna"},
        40,
        ["the same name, its words turned round"],
    ),
    ("accents", {"name": "José Núñez"}, {"name": "Jose Nunez"}, 40, ["the same name"]),
    ("keyboards", {"name": "علي كريمي"}, {"name": "علی کریمی"}, 40, ["the same name"]),
    ("one word", {"name": "Anna"}, {"name": "anna"}, 20, ["the same name, of one word"]),
    ("one word is not two", {"name": "Anna"}, {"name": "Anna Berg"}, 0, []),
    (
        "two of three",
        {"name": "Anna Maria Berg"},
        {"name": "Anna Berg"},
        25,
        ["names that share anna and berg"],
    ),
    (
        "name and mailbox",
        OLENA,
        {"name": "Олена Шевченко", "mail": "Olena.Shevchenko+shop@ukr.net"},
        65,
        ["the same name", "mail addresses that begin with olena.shevchenko"],
    ),
    ("an office", {"mail": "info@a.example"}, {"mail": "info@b.example"}, 0, []),
    ("too short", {"mail": "anna@a.example"}, {"mail": "anna@b.example"}, 0, []),
    (
        "name and birthday",
        {"name": "Anna Berg", "born": "1990-02-01"},
        {"name": "Anna Berg", "born": "1990-02-01"},
        75,
        ["the same name", "the same birthday"],
    ),
    (
        "another birthday",
        {"name": "Anna Berg", "born": "1990-02-01"},
        {"name": "Anna Berg", "born": "1991-02-01"},
        10,
        ["the same name", "different birthday"],
    ),
    (
        "name and a slip",
        {"name": "Anna Berg", "phone": "+4915123456789"},
        {"name": "Anna Berg", "phone": "+4915123456798"},
        65,
        ["the same name", "phones that a slip of the hand makes one: +4915123456789 and +4915123456798"],
    ),
    (
        "written for two countries",
        {"name": "Anna Berg", "phone": "+4915123456789"},
        {"name": "Anna Berg", "phone": "+4315123456789"},
        75,
        ["the same name", "phones that end alike: +4915123456789 and +4315123456789"],
    ),
    ("two slips", {"phone": "+4915123456789"}, {"phone": "+4915123456711"}, 0, []),
    (
        "name and id",
        {"name": "Anna Berg", "external_id": "CRM-004711"},
        {"name": "Anna Berg", "external_id": "crm 4711"},
        65,
        ["the same name", "ids that are written differently: CRM-004711 and crm 4711"],
    ),
    ("short ids", {"external_id": "a-1"}, {"external_id": "b-1"}, 0, []),
    (
        "a family's phone",
        {"name": "Anna Berg", "phone": "+4915123456789"},
        {"name": "Karl Koch", "phone": "+4915123456780"},
        5,
        ["different names", "phones that a slip of the hand makes one: +4915123456789 and +4915123456780"],
    ),
]


@pytest.mark.parametrize(("one", "other", "score", "why"), [r[1:] for r in PAIRS], ids=[r[0] for r in PAIRS])
def test_how_likely_two_are_one(
    one: dict[str, Any], other: dict[str, Any], score: int, why: list[str]
) -> None:
    for first, second in ((person(**one), person(**other)), (person(**other), person(**one))):
        found = likeness(first, second)
        assert found.score == score
        assert max(0, sum(hint.points for hint in found.hints)) == score
    assert [hint.why for hint in likeness(person(**one), person(**other)).hints] == why


def test_no_single_hint_is_enough() -> None:
    assert all(score < SURE_ENOUGH for _, _, _, score, why in PAIRS if len(why) < 2)
    assert any(score >= SURE_ENOUGH for _, _, _, score, _ in PAIRS)


def test_a_name_as_it_is_looked_for() -> None:
    assert as_sought("  Олена\u00a0 ШЕВЧЕНКО ") == "олена шевченко"
    assert as_sought("Straße ＡＢＣ") == "strasse abc"
    assert as_sought("") == ""


def test_where_the_same_person_may_be() -> None:
    phone = near(Address(AddressKind.PHONE, "+380441234567"))
    assert "+380441234568" in phone
    assert "+380441234576" in phone
    assert "+380441234567" not in phone
    assert len(phone) == len(set(phone)) <= 120
    mails = near(Address(AddressKind.EMAIL, "olena.k@gmail.com"))
    assert "olena.k@ukr.net" in mails
    assert "olena.k@gmail.com" not in mails
    assert near(Address(AddressKind.EMAIL, "info@gmail.com")) == []
    assert near(Address(AddressKind.VK, "1234567")) == []


def test_what_a_date_of_birth_is_called() -> None:
    fields = {"birth_date": "1990-02-01", "Born": "1991", "ends": "2026-01-01", "dob": 5}
    assert dates_of_birth(fields) == {"birth_date": "1990-02-01", "Born": "1991"}
