"""Phones as people write them become E.164, or a problem with its remedy; the quick way is the library's."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from angarium.contacts.phones import (
    BadPhone,
    _pattern_of,
    dialled,
    ending,
    normalise,
    region_of,
    region_of_zone,
    time_zone_guess,
)

SEED = 20261123
WRITTEN = [
    ("+989121234567", None, "+989121234567"),
    ("+98 912 123 4567", None, "+989121234567"),
    ("+98-912-123-4567", None, "+989121234567"),
    ("+98 (912) 123.45.67", None, "+989121234567"),
    ("0098 912 123 4567", None, "+989121234567"),
    ("۰۰۹۸۹۱۲۱۲۳۴۵۶۷", None, "+989121234567"),
    ("+٩٨٩١٢١٢٣٤٥٦٧", None, "+989121234567"),
    ("＋98９121234567", None, "+989121234567"),
    ("\u200e+98 912 123 4567\u202c", None, "+989121234567"),
    ("\u2066+98\u00a0912\u00a0123\u00a04567\u2069", None, "+989121234567"),
    ("  +380 50 123 45 67\t", None, "+380501234567"),
    ("۰۹۱۲-۱۲۳-۴۵۶۷", "IR", "+989121234567"),
    ("09121234567", "IR", "+989121234567"),
    ("9121234567", "IR", "+989121234567"),
    ("989121234567", "IR", "+989121234567"),
    ("8 (916) 123-45-67", "RU", "+79161234567"),
    ("050 123 45 67", "UA", "+380501234567"),
    ("(212) 555-1234", "US", "+12125551234"),
    ("+44 (0)20 7946 0958", None, "+442079460958"),
    ("+39 06 6982 1234", None, "+390669821234"),
    ("+380501234567", "IR", "+380501234567"),  # a country code is stronger than the region
    ("+54 9 11 2345-6789", None, "+5491123456789"),
    ("+800 1234 5678", None, "+80012345678"),  # of no country, and yet a number
]


@pytest.mark.parametrize(("written", "region", "e164"), WRITTEN)
def test_numbers_as_people_write_them(written: str, region: str | None, e164: str) -> None:
    assert normalise(written, region) == e164


REFUSED = [
    ("", None, "is empty", "country code"),
    ("  ", None, "is empty", "country code"),
    ("hello", None, "is not a phone number", "country code"),
    ("+", None, "is not a phone number", "country code"),
    ("++989121234567", None, "is not a phone number", "country code"),
    ("+98912 123 4567 ext. 5", None, "is not a phone number", "country code"),
    ("1-800-FLOWERS", "US", "is not a phone number", "country code"),
    ("9.89E+11", None, "is in scientific notation", "text"),
    ("9,89121e+11", None, "is in scientific notation", "text"),
    ("09121234567", None, "has no country code", "country code"),
    ("989121234567", None, "has no country code", "write +989121234567"),
    ("+98912123456", None, "length that no number of IR", "country code"),
    ("+9891212345678", None, "too long for IR", "country code"),
    ("+981", None, "too short", "country code"),
    ("+989", None, "too short", "country code"),
    ("+12345678901234567890", None, "too long", "country code"),
    ("+999123456789", None, "no known country code", "country code"),
    ("+15551234567", None, "is no number in use in US", "country code"),
    ("09121234567", "XX", "cannot be read for region", "two letters"),
    ("09121234567", "ir", "cannot be read for region", "two letters"),
    ("1" * 65, None, "has 65 characters", "at most 64"),
    ("²³", None, "is not a phone number", "country code"),
    ("+989121234567\x00", None, "is not a phone number", "country code"),
]


@pytest.mark.parametrize(("written", "region", "problem", "remedy"), REFUSED)
def test_what_is_no_number_says_why(written: str, region: str | None, problem: str, remedy: str) -> None:
    with pytest.raises(BadPhone) as caught:
        normalise(written, region)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy
    assert caught.value.value.startswith(written[:64])


def numbers() -> Iterator[str]:
    """For every region: an example of each kind, each also broken in six ways, and some made by chance."""
    roll = random.Random(SEED)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        code = phonenumbers.country_code_for_region(region)
        for kind in PhoneNumberType.values():
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            national = phonenumbers.national_significant_number(example)
            place = roll.randrange(len(national))
            yield f"+{code}{national}"
            yield f"+{code}{national}{roll.randrange(10)}"
            yield f"+{code}{national[:-1]}"
            yield f"+{code}0{national}"
            yield f"+{code}8{national}"
            yield f"+{code}{national[:place]}{roll.randrange(10)}{national[place + 1 :]}"
            yield f"+{code}{code}{national}"
        for _ in range(6):
            yield f"+{code}{roll.randrange(10 ** roll.randint(4, 11))}"


def as_the_library_has_it(text: str) -> str | None:
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def test_the_quick_way_agrees_with_the_library_everywhere() -> None:
    regions = set()
    valid = quick = invalid = 0
    for text in dict.fromkeys(numbers()):
        expected = as_the_library_has_it(text)
        is_quick = _pattern_of(text[:4]).fullmatch(text) is not None
        if is_quick:
            assert expected == text
        try:
            assert normalise(text) == expected
        except BadPhone:
            assert expected is None, text
            invalid += 1
        if expected == text:
            valid += 1
            quick += is_quick
            regions.add(region_of(text))
    assert len(regions) > 230
    assert valid > 2000
    assert invalid > 3000
    assert quick > 0.97 * valid  # what begins like a national prefix goes the slow way


def test_digits_of_other_scripts_never_pass_as_they_are() -> None:
    assert _pattern_of("+989").fullmatch("+989۱۲۱۲۳۴۵۶۷") is None
    assert normalise("+989۱۲۱۲۳۴۵۶۷") == "+989121234567"
    assert _pattern_of("+989").fullmatch("+989121234567\n") is None


PLACES = [
    ("+989121234567", "IR", "Asia/Tehran"),
    ("+380501234567", "UA", "Europe/Kyiv"),
    ("+79161234567", "RU", None),  # mobiles are of all eleven time zones
    ("+74951234567", "RU", "Europe/Moscow"),
    ("+971501234567", "AE", "Asia/Dubai"),
    ("+201001234567", "EG", "Africa/Cairo"),
    ("+966501234567", "SA", "Asia/Riyadh"),
    ("+8613812345678", "CN", "Asia/Shanghai"),
    ("+447400123456", "GB", "Europe/London"),
    ("+4915112345678", "DE", "Europe/Berlin"),
    ("+37061234567", "LT", "Europe/Vilnius"),
    ("+12125551234", "US", "America/New_York"),
    ("+13105551234", "US", "America/Los_Angeles"),
    ("+61412345678", "AU", None),
    ("+80012345678", None, None),
    ("+999123456789", None, None),
    ("not a number", None, None),
    ("09121234567", None, None),
]


@pytest.mark.parametrize(("e164", "region", "zone"), PLACES)
def test_where_a_number_is_from(e164: str, region: str | None, zone: str | None) -> None:
    assert region_of(e164) == region
    assert time_zone_guess(e164) == zone


ZONES = (
    ("Europe/Kyiv", "UA"),
    ("Europe/Kiev", "UA"),  # as it was called before
    ("Asia/Calcutta", "IN"),
    ("Iran", "IR"),
    ("Europe/London", "GB"),
    ("Iceland", None),  # a name of the clock in Abidjan, which thirteen countries go by
    ("EET", None),  # a name of the clock in Athens
    ("UTC", None),
    ("Europe/Nowhere", None),
)


@pytest.mark.parametrize(("time_zone", "region"), ZONES)
def test_the_region_of_a_time_zone_is_known_by_each_of_its_names(time_zone: str, region: str | None) -> None:
    assert region_of_zone(time_zone) == region


def test_importing_costs_nothing_until_the_first_number() -> None:
    code = (
        "import sys, angarium.contacts.phones as p\n"
        "assert 'phonenumbers' not in sys.modules\n"
        "p.normalise('+989121234567'), p.region_of('+989121234567'), p.time_zone_guess('+989121234567')\n"
        "assert 'phonenumbers' in sys.modules and 'phonenumbers.geodata' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("written", "region"),
    [
        ("0912 123 4567", "IR"),
        ("۰۹۱۲۱۲۳۴۵۶۷", "IR"),
        ("9121234567", "IR"),
        ("8 (916) 123-45-67", "RU"),
        ("050 123 45 67", "UA"),
        ("8 029 491 19 11", "BY"),
        ("0501234567", "AE"),
        ("138 0013 8000", "CN"),
        ("(212) 555-1234", "US"),
        ("06 1 234 5678", "HU"),
        ("06 6982 1234", "IT"),  # where the nought belongs to the number
    ],
)
def test_a_number_as_it_is_dialled_at_home_is_among_those_it_may_be(written: str, region: str) -> None:
    found = dialled(written)
    assert normalise(written, region) in found
    assert len(found) < 1_000


@pytest.mark.parametrize("written", ["+98 912 123 4567", "0098 912 123 4567", "123456", "0" * 16])
def test_what_has_a_country_or_is_none_is_not_dialled_at_home(written: str) -> None:
    assert dialled(written) == set()


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("4567", "4567"),
        (" ۴۵-۶۷ ", "4567"),
        ("٠٠٤٥", "0045"),
        ("123 456 7890", "1234567890"),
        ("567", ""),
        ("12345678901", ""),
        ("+4567", ""),
        ("²³⁴⁵", ""),
        ("A4567", ""),
        ("4" * 100, ""),
    ],
)
def test_some_digits_may_be_the_end_of_a_number(text: str, digits: str) -> None:
    assert ending(text) == digits
