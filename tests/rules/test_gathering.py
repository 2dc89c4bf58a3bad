"""Findings of many channels and languages are told once; what differs stays apart."""

from __future__ import annotations

from angarium.content.gathering import gather
from angarium.content.lint.findings import Finding, Level


def missing(channel: str, locale: str) -> Finding:
    """A language that a channel has no wording in."""
    told = f"2 contacts would get another by {channel}"
    return Finding(
        "locale-missing", Level.WARNING, told, f"add a wording for {locale}", channel=channel, locale=locale
    )


def test_one_kind_is_told_once() -> None:
    found = [missing(channel, locale) for channel in ("smpp", "smtp") for locale in ("en", "uk-UA")]
    (held,) = gather([*found, found[0]])
    assert held.several
    assert held.places == {
        ("en", "add a wording for en"): ["smpp", "smtp"],
        ("uk-UA", "add a wording for uk-UA"): ["smpp", "smtp"],
    }


def test_one_place_stands_for_itself() -> None:
    (held,) = gather([missing("smpp", "en")])
    assert not held.several


def test_what_is_of_one_wording_stays_apart() -> None:
    links = [Finding("link-not-https", Level.WARNING, f"http://{one}", variant=0) for one in ("a", "b", "a")]
    sound = Finding("sample-unused", Level.NOTE, "nobody uses it")
    assert [held.first for held in gather([*links, sound])] == [links[0], links[1], sound]
