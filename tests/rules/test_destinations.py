"""Where a number is: destinations as prefixes, prefixes as countries."""

from __future__ import annotations

import re

import phonenumbers
import pytest
from phonenumbers import PhoneMetadata

from angarium.lines import destinations
from angarium.lines.destinations import NoPlace

WRITTEN = [  # as it is written, its prefixes
    ("", ("",)),
    ("*", ("",)),
    (" +98912 ", ("+98912",)),
    ("IR", ("+98",)),
    ("ir", ("+98",)),
    ("Iran", ("+98",)),
    ("ایران", ("+98",)),
    ("Україна", ("+380",)),
    ("俄罗斯", ("+7",)),
    ("KZ", ("+77",)),
    ("JM", ("+1658", "+1876")),
    ("US", ("+1",)),
]


@pytest.mark.parametrize(("text", "expected"), WRITTEN)
def test_the_prefixes_of_a_destination(text: str, expected: tuple[str, ...]) -> None:
    assert destinations.prefixes(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Atlantis", "is no destination"),
        ("98912", "is no destination"),
        ("+", "is no destination"),
        ("+0123", "is no destination"),
        ("+1234567890123456", "is no destination"),
        ("x" * 65, "is too long"),
        ("CA", "shares its calling code, and nothing tells it apart"),
    ],
)
def test_what_names_no_destination(text: str, problem: str) -> None:
    with pytest.raises(NoPlace) as refused:
        destinations.prefixes(text)
    assert refused.value.problem == problem
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("+989121234567", "IR"),
        ("+380501234567", "UA"),
        ("+79161234567", "RU"),
        ("+77011234567", "KZ"),
        ("+18765551234", "JM"),
        ("+8613812345678", "CN"),
        ("+999", ""),
        ("+", ""),
        ("somebody@example.com", ""),
        ("", ""),
    ],
)
def test_the_country_of_an_address(address: str, region: str) -> None:
    assert destinations.country(address) == region


def test_every_country_that_can_be_told_apart_is_found_by_its_own_prefixes() -> None:
    told = 0
    for region in phonenumbers.SUPPORTED_REGIONS:
        try:
            own = destinations.prefixes(region)
        except NoPlace:
            continue
        assert {destinations.country(prefix + "0" * 8) for prefix in own} == {region}
        told += 1
    assert told > 220


def test_leading_digits_are_what_the_numbering_plan_says() -> None:
    """Every number of five digits matches the plan's own pattern just where one of the prefixes begins it."""
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        for region in regions[1:]:
            pattern = PhoneMetadata.metadata_for_region(region).leading_digits
            if pattern is None:
                continue
            own = destinations.prefixes(region)
            begun = sum(10 ** (5 - len(prefix.removeprefix(f"+{code}"))) for prefix in own)
            plan = re.compile(pattern)
            assert begun == sum(plan.match(f"{number:05}") is not None for number in range(100_000)), region
