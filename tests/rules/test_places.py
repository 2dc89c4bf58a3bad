"""Where a contact is and what is spoken there: as it was said, else a guess from the phone that says so."""

from __future__ import annotations

import phonenumbers
import pytest

from angarium.contacts.phones import whereabouts
from angarium.contacts.places import Place, locale_of, place
from angarium.contacts.rules import LOCALE
from angarium.core.clock import is_zone
from angarium.core.values import Address, AddressKind

IRAN, USA = Address(AddressKind.PHONE, "+989123456789"), Address(AddressKind.PHONE, "+12125550123")
MAIL, VK = Address(AddressKind.EMAIL, "a@x.ir"), Address(AddressKind.VK, "7")
PREFERRED = Address(AddressKind.PHONE, "+380441234567", preferred=True)
NOWHERE = Address(AddressKind.PHONE, "+88213300000")  # a satellite's
SAID, GUESSED = False, True

PLACES = [  # locale and zone as given, addresses, the place
    ("uk", "Europe/Kyiv", (IRAN,), Place("IR", "uk", "Europe/Kyiv", SAID, SAID)),
    ("", "", (IRAN,), Place("IR", "fa-IR", "Asia/Tehran", GUESSED, GUESSED)),
    ("fa", "", (IRAN,), Place("IR", "fa", "Asia/Tehran", SAID, GUESSED)),
    ("", "UTC", (IRAN,), Place("IR", "fa-IR", "UTC", GUESSED, SAID)),
    ("", "", (USA,), Place("US", "en-US", "America/New_York", GUESSED, GUESSED)),
    ("", "", (MAIL, IRAN, USA), Place("IR", "fa-IR", "Asia/Tehran", GUESSED, GUESSED)),
    ("", "", (IRAN, PREFERRED), Place("UA", "uk-UA", "Europe/Kyiv", GUESSED, GUESSED)),
    ("", "", (NOWHERE, IRAN), Place("IR", "fa-IR", "Asia/Tehran", GUESSED, GUESSED)),
    ("", "", (MAIL, VK), Place("", "en", "UTC", GUESSED, GUESSED)),
    ("", "", (), Place("", "en", "UTC", GUESSED, GUESSED)),
]


@pytest.mark.parametrize(("locale", "zone", "addresses", "expected"), PLACES)
def test_the_place_of_a_contact(
    locale: str, zone: str, addresses: tuple[Address, ...], expected: Place
) -> None:
    assert place(locale, zone, addresses) == expected


LANGUAGES = {
    "IR": "fa-IR",
    "UA": "uk-UA",
    "RU": "ru-RU",
    "KZ": "ru-KZ",
    "SA": "ar-SA",
    "CN": "zh-CN",
    "TW": "zh-Hant-TW",
    "GB": "en-GB",
    "AC": "en-AC",  # Ascension: of this one CLDR says nothing
}


@pytest.mark.parametrize(("country", "locale"), LANGUAGES.items())
def test_the_language_of_a_country(country: str, locale: str) -> None:
    assert locale_of(country) == locale


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_region_has_its_place(region: str) -> None:
    example = phonenumbers.example_number(region)
    number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    country, zone = whereabouts(number)
    assert country == phonenumbers.region_code_for_number(example)
    assert country is not None
    assert zone is None or is_zone(zone)
    assert LOCALE.fullmatch(locale_of(country))
