"""The example customers: what the generator writes is what is there, and it is what the legend says."""

from __future__ import annotations

import csv
import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import msgspec
import pytest

from angarium.contacts.phones import normalise, region_of
from angarium.simulators.behaviour import Behaviour, Script

EXAMPLES = Path(__file__).parents[2] / "examples"
LOCALES = {"IR": "fa", "EG": "ar", "SA": "ar", "AE": "ar", "UA": "uk", "RU": "ru", "CN": "zh"}


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_contacts", EXAMPLES / "make_contacts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its NamedTuples look their annotations up here
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def customers() -> list[dict[str, str]]:
    with (EXAMPLES / "contacts.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def script() -> Script:
    return msgspec.json.decode((EXAMPLES / "demo_script.json").read_bytes(), type=Script)


def test_the_files_are_what_the_generator_writes(maker: ModuleType) -> None:
    for name, text in maker.files().items():
        assert (EXAMPLES / name).read_bytes().decode() == text


def test_the_readme_has_the_legend(maker: ModuleType) -> None:
    assert maker.legend() in (EXAMPLES / "README.md").read_text("utf-8")


def test_how_many_there_are(customers: list[dict[str, str]]) -> None:
    assert len(customers) == 2500
    assert len({one["external_id"] for one in customers}) == 2500
    phones = [one["phone"] for one in customers if one["phone"]]
    assert len(phones) == len(set(phones)) == 2475
    assert all(one["phone"] or one["email"] for one in customers)
    emails = [one["email"] for one in customers if one["email"]]
    assert len(emails) == len(set(emails)) > 1300
    assert Counter(one["opt_out"] for one in customers) == {"": 2325, "promotional": 125, "all": 50}
    assert Counter(one["operator_blacklist"] for one in customers) == {"": 2300, "yes": 200}
    assert set(Counter(one["locale"] for one in customers)) == {"fa", "ar", "uk", "ru", "zh", "en"}


def test_every_phone_is_valid_and_fits_its_locale(customers: list[dict[str, str]]) -> None:
    for one in customers:
        if one["phone"]:
            assert normalise(one["phone"]) == one["phone"]
            assert LOCALES.get(str(region_of(one["phone"])), "en") == one["locale"]
        assert ZoneInfo(one["time_zone"]).key == one["time_zone"]
        assert float(one["order_total"]) > 0


def test_names_are_in_the_script_of_their_locale(customers: list[dict[str, str]]) -> None:
    ranges = {
        "fa": "\u0600\u06ff",
        "ar": "\u0600\u06ff",
        "uk": "\u0400\u04ff",
        "ru": "\u0400\u04ff",
        "zh": "\u4e00\u9fff",
    }
    for one in customers:
        first, last = ranges.get(one["locale"], "A\u024f")
        for field in ("name", "first_name", "city"):
            letters = [letter for letter in one[field] if letter.isalpha()]
            assert letters
            assert all(first <= letter <= last for letter in letters), one[field]
        assert one["first_name"] in one["name"]
    everything = "".join(one["name"] for one in customers)
    assert "\u200c" in everything
    assert "’" in everything


def test_each_ending_means_what_the_legend_says(
    maker: ModuleType, customers: list[dict[str, str]], script: Script
) -> None:
    phones = [one["phone"] for one in customers if one["phone"]]
    explained = Counter({ending: 0 for fate in maker.FATES for ending in fate.endings})
    for fate in maker.FATES:
        members = [phone for phone in phones if phone[-2:] in fate.endings]
        assert len(members) == fate.contacts
        explained.update(phone[-2:] for phone in members)
        expected = maker.OTHERWISE | fate.behaviours
        for face in ("vk", "viber", "smpp", "whatsapp"):
            by_digits = {"07": "throttled", "09": "doubled"}.get(fate.endings[0])
            behaviours = {script.behaviour(face, phone).value for phone in members}
            assert behaviours == {by_digits or expected[face]}
    assert explained.total() == len(phones)
    assert not any(phone.endswith("08") for phone in phones)


def test_mail_bounces_where_it_should(customers: list[dict[str, str]], script: Script) -> None:
    fates = Counter(script.behaviour("smtp", one["email"]) for one in customers if one["email"])
    assert fates[Behaviour.UNDELIVERED] == 20
    assert set(fates) == {Behaviour.UNDELIVERED, Behaviour.DELIVERED}
