"""What channels are called on pages, and which family each belongs to. Pure.

Titles begin with what people know them by: "SMS over SMPP", "SMS (Twilio)", "Viber (Infobip)".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from angarium.core.ports import Channel

FAMILIES = ("sms", "messenger", "email", "other")
BY_WORD = {"SMS": "sms", "E-mail": "email", "HTTP": "other", "Web": "other"}


def word_of(channel: Channel) -> str:
    """The first word of its title."""
    return channel.title.split()[0]


def names_of(channels: Mapping[str, Channel], at_hand: Collection[str] = ()) -> dict[str, str]:
    """The names of channels by their kinds. Those on which there are lines (`at_hand`) go by one word, as
    long as no two of them share it; the others by their titles, so that nobody takes one for another."""
    used = Counter(word_of(channel) for kind, channel in channels.items() if kind in at_hand)
    return {
        kind: word_of(channel) if kind in at_hand and used[word_of(channel)] == 1 else channel.title
        for kind, channel in channels.items()
    }


def by_family(channels: Collection[Channel]) -> list[tuple[str, list[Channel]]]:
    """The families that there are, each with its channels by title."""
    found: dict[str, list[Channel]] = {family: [] for family in FAMILIES}
    for channel in sorted(channels, key=lambda one: one.title):
        found[BY_WORD.get(word_of(channel), "messenger")].append(channel)
    return [(family, those) for family, those in found.items() if those]
