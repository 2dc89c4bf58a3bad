"""Where a contact is, and what is spoken there: guessed from the phone, and said to be a guess. Pure.

The language of a country is that of CLDR's likely subtags (UTS 35, part 1, §4.3), as Babel carries them: one
language even where several are official, which is why it is called a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module

import msgspec

from angarium.contacts.choice import ordered
from angarium.contacts.phones import whereabouts
from angarium.core.values import Address, AddressKind

DEFAULT_LOCALE = "en"
DEFAULT_ZONE = "UTC"


class Place(msgspec.Struct, frozen=True):
    """Country (ISO 3166, may be empty), locale and time zone; which of them nobody has said."""

    country: str
    locale: str
    time_zone: str
    locale_is_guess: bool
    time_zone_is_guess: bool


def known_zone(time_zone: str, is_guess: bool) -> str:
    """The time zone of a contact; empty where nothing tells it, and the workspace's counts."""
    return "" if is_guess and time_zone == DEFAULT_ZONE else time_zone


def place(locale: str, time_zone: str, addresses: Sequence[Address]) -> Place:
    """As it was said, else guessed from the phones, the first that tells; else English and UTC."""
    found = [whereabouts(one.value) for one in ordered(addresses, AddressKind.PHONE)]
    country = next((region for region, _ in found if region), "")
    zone = time_zone or next((zone for _, zone in found if zone), DEFAULT_ZONE)
    spoken = locale or (locale_of(country) if country else DEFAULT_LOCALE)
    return Place(country, spoken, zone, not locale, not time_zone)


@cache  # there are some 250 countries
def locale_of(country: str) -> str:
    """The language of a country with the country: "uk-UA", "zh-Hant-TW"."""
    likely = import_module("babel.core").get_global("likely_subtags")
    language, script, _ = likely.get(f"und_{country}", "en_Latn_").split("_")
    usual = likely.get(language, f"{language}_{script}_").split("_")[1]
    return f"{language}-{country}" if script == usual else f"{language}-{script}-{country}"
