"""The form of a line: made of what a channel says of its settings, and read back as the API takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from angarium.channels import load
from angarium.lines import forms, requirements
from angarium.lines.forms import Kind
from angarium.lines.requirements import Requirement
from angarium.web.languages import LANGUAGES

FIELDS = {kind: {one.name: one for one in forms.fields_of(channel)} for kind, channel in load().items()}


@pytest.mark.parametrize(
    ("channel", "name", "kind"),
    [
        ("smpp", "host", Kind.TEXT),
        ("smpp", "password", Kind.SECRET),
        ("smpp", "port", Kind.NUMBER),
        ("smpp", "tls", Kind.SWITCH),
        ("smpp", "bind_mode", Kind.CHOICE),
        ("smpp", "reference_bits", Kind.CHOICE),
        ("smpp", "source_ton", Kind.NUMBER),
        ("smpp", "tlvs", Kind.LONG),
        ("whatsapp_cloud", "app_secret", Kind.SECRET),
    ],
)
def test_a_setting_is_asked_for_as_what_it_is(channel: str, name: str, kind: Kind) -> None:
    assert FIELDS[channel][name].kind is kind


def test_operators_are_chosen_by_name_and_tell_what_they_set() -> None:
    profile = FIELDS["smpp"]["profile"]
    assert (profile.kind, profile.usual, profile.choices[0]) == (Kind.CHOICE, "standard", "standard")
    assert "receipt_id_base hex_to_dec" in dict(profile.told)["vonage"]
    assert set(dict(profile.told)) == set(profile.choices)
    alphabet = FIELDS["smpp"]["alphabet"]
    assert (alphabet.usual, alphabet.choices[0]) == ("", "")  # as the operator has it


@pytest.mark.parametrize("channel", load())
def test_a_secret_never_comes_into_a_form(channel: str) -> None:
    kept = dict.fromkeys(FIELDS[channel], "k-marker")
    shown = [one for one in forms.fields_of(load()[channel], kept) if one.kind is Kind.SECRET]
    assert all(one.value == "" and one.is_set for one in shown)


@pytest.mark.parametrize(
    ("form", "cleared", "found"),
    [
        ({"host": "a", "port": "2775"}, [], {"host": "a", "port": "2775", **dict.fromkeys(("tls",), False)}),
        ({"port": " "}, [], {}),  # said nothing: the usual value holds
        ({"tls": "on"}, [], {"tls": True}),
        ({"reference_bits": "16"}, [], {"reference_bits": 16}),
        ({"statuses": '{"0x40b": "no_credit"}'}, [], {"statuses": {"0x40b": "no_credit"}}),
        ({"statuses": "no JSON"}, [], {"statuses": "no JSON"}),  # and is refused as such
        ({"password": ""}, [], {}),  # the one that is there stays
        ({}, ["password"], {"password": ""}),
    ],
)
def test_what_a_form_says_of_settings(
    form: Mapping[str, str], cleared: list[str], found: Mapping[str, Any]
) -> None:
    said = forms.settings_in(
        load()["smpp"], {forms.UNDER + name: text for name, text in form.items()}, cleared
    )
    assert found.items() <= said.items()
    assert said.keys() - found.keys() <= {"tls", "tls_verify", "smart", "receipts_unmarked"}  # boxes


def test_hours_are_there_when_somebody_says_some() -> None:
    channel = load()["smpp"]
    assert "hours" not in forms.line_in(channel, {}, {})
    told = forms.line_in(channel, {"hours_from": "09:00"}, {"hours_days": ["1", "2"]})
    assert told["hours"] == {
        "from": "09:00",
        "until": "24:00",
        "days": [1, 2],
        "zone": "contact",
        "classes": ["promotional"],
    }
    assert forms.line_in(channel, {"speed_per_s": "a lot"}, {})["speed_per_s"] == "a lot"


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_settings_have_words_in(language: str) -> None:
    known = {f"{channel}.{name}" for channel, fields in FIELDS.items() for name in fields}
    known |= {f"*.{name}" for fields in FIELDS.values() for name in fields}
    words = forms.translations()[language]
    assert words.keys() - known == set()  # of no setting any more
    assert words.keys() == forms.translations()["fa"].keys()
    english = [
        f"{kind}.{name}"
        for kind, fields in FIELDS.items()
        for name, one in fields.items()
        if forms.said_in(language, kind, one).title == one.title
    ]
    assert english == []


def test_a_channel_that_nobody_translated_speaks_for_itself() -> None:
    one = FIELDS["smpp"]["host"]
    assert forms.said_in("fa", "of-tomorrow", one) == one


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_kinds_of_line_have_words_in(language: str) -> None:
    words = requirements.translations()[language]
    assert words.keys() == requirements.translations()["fa"].keys()
    known = {part for one in requirements.requirements().values() for part in parts_of(one)}
    assert words.keys() == known
    for one in requirements.requirements().values():
        said = requirements.said_in(language, one)
        assert said.title != one.title
        assert all(language in each.text for each in said.undertakings)


def parts_of(one: Requirement) -> list[str]:
    """The kind, and what of it has words."""
    needs = [*one.documents, *one.fields, *one.undertakings]
    return [one.key, *(f"{one.key}.{need.key}" for need in needs)]
