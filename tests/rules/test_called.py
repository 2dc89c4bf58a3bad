"""What channels are called: one word where that is enough, and never one name for two."""

from __future__ import annotations

import re
from collections.abc import Collection

import pytest

from angarium.channels import load
from angarium.core.called import FAMILIES, by_family, names_of, word_of
from angarium.web.languages import LANGUAGES, Language
from angarium.web.voice import Voice

CHANNELS = load()
OTHERS = [one for one in LANGUAGES.values() if one.code != "en"]
NOUNS = re.compile(r"\b(E-mail|Web|bot|gateway|codes|community|notifications|provider|any|and|once|over)\b")


@pytest.mark.parametrize(
    ("at_hand", "kind", "name"),
    [
        ({"smpp"}, "smpp", "SMS"),
        ({"smpp"}, "twilio_sms", "SMS (Twilio)"),
        ({"smpp", "twilio_sms"}, "smpp", "SMS over SMPP"),
        ({"smpp", "twilio_sms"}, "twilio_sms", "SMS (Twilio)"),
        ({"smpp", "twilio_sms", "vk_notify"}, "vk_notify", "VK"),
        ((), "vk_notify", CHANNELS["vk_notify"].title),
    ],
)
def test_a_channel_goes_by(at_hand: Collection[str], kind: str, name: str) -> None:
    assert names_of(CHANNELS, at_hand)[kind] == name


@pytest.mark.parametrize("at_hand", [(), {"smpp", "smtp"}, set(CHANNELS)])
def test_no_two_go_by_one_name(at_hand: Collection[str]) -> None:
    assert len(set(names_of(CHANNELS, at_hand).values())) == len(CHANNELS)


def test_each_channel_is_in_one_family() -> None:
    found = by_family(list(CHANNELS.values()))
    assert [family for family, _ in found] == list(FAMILIES)
    assert sorted(one.kind for _, those in found for one in those) == sorted(CHANNELS)
    kinds = {one.kind: family for family, those in found for one in those}
    told = {
        "smpp": "sms",
        "twilio_sms": "sms",
        "telegram_bot": "messenger",
        "smtp": "email",
        "web_push": "other",
    }
    assert {kind: kinds[kind] for kind in told} == told


@pytest.mark.parametrize("language", OTHERS, ids=lambda language: language.code)
def test_a_page_calls_a_channel_in_the_words_of_its_reader(language: Language) -> None:
    voice = Voice([], language)
    for channel in CHANNELS.values():
        for name in (channel.title, word_of(channel)):
            assert not NOUNS.search(voice.heard(name)), name
    assert voice.heard("Viber (Infobip)") == "Viber (Infobip)"


def test_a_sentence_calls_it_so_too() -> None:
    voice = Voice(["messaging"], LANGUAGES["fa"])
    told = voice.heard("E-mail (SMTP) does not report it")
    assert told.startswith("ایمیل (<bdi>SMTP</bdi>)")
    assert voice.say("verdict.sent.open", channel="E-mail (SMTP)").startswith("ایمیل (<bdi>SMTP</bdi>)")
