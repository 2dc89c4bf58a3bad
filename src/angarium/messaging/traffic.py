"""What has gone through, in half hours: asked for, sent, delivered, read, ended, billed; from facts. Pure.

Half hours, because a day begins at midnight where the workspace is, and there are zones of half an hour.
What is billed stands in the facts themselves, so that sums of money are what the timeline tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from angarium.contacts.activity import Event
from angarium.core.clock import MICROS
from angarium.core.values import MessageClass

SLOT = 1_800 * MICROS
BY_EVENT = {Event.SENT: "sent", Event.DELIVERED: "delivered", Event.READ: "read", Event.CLICKED: "clicked"}


class Key(msgspec.Struct, frozen=True, order=True):
    """What is summed up together. Without a channel: what is said of messages; with a currency: money."""

    slot: int  # half hours since 1970
    message_class: str
    channel: str = ""
    currency: str = ""


class Traffic(msgspec.Struct):
    """Counts of messages, or of attempts where the key has a channel; and what was billed."""

    asked: int = 0
    reached: int = 0  # ended as delivered or read
    unreached: int = 0  # ended as failed or expired
    refused: int = 0
    sent: int = 0
    delivered: int = 0
    read: int = 0
    clicked: int = 0
    cost_micros: int = 0

    def add(self, other: Traffic) -> None:
        """Take in what another holds."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Billed(msgspec.Struct, frozen=True):
    """An amount that was billed for a step."""

    amount: str
    currency: str


class Said(msgspec.Struct, frozen=True):
    """What a fact about a message says, as far as it is summed up."""

    slot: int
    kind: str
    message_class: MessageClass | None
    channel: str
    ended: str  # the state in which it ended with this; empty when it did not
    billed: tuple[Billed, ...]
    fresh: tuple[Event, ...]  # what had not been told before of this message on this channel


def sums(said: Mapping[Said, int]) -> dict[Key, Traffic]:
    """What facts come to of which so many say this."""
    found: dict[Key, Traffic] = {}
    for one, times in said.items():
        message_class = one.message_class.value if one.message_class else ""
        message = found.setdefault(Key(one.slot, message_class), Traffic())
        if one.kind == "message.accepted":
            message.asked += times
        _end(message, one.ended, times)
        for event in one.fresh:
            if event in BY_EVENT and one.channel:
                channel = found.setdefault(Key(one.slot, message_class, one.channel), Traffic())
                name = BY_EVENT[event]
                setattr(channel, name, getattr(channel, name) + times)
        for bill in one.billed:
            spent = found.setdefault(Key(one.slot, message_class, one.channel, bill.currency), Traffic())
            spent.cost_micros += int(Decimal(bill.amount) * MICROS) * times
    return {key: traffic for key, traffic in found.items() if traffic != Traffic()}


def _end(message: Traffic, state: str, times: int) -> None:
    if state in {"delivered", "read"}:
        message.reached += times
    elif state in {"failed", "expired"}:
        message.unreached += times
    elif state == "refused":
        message.refused += times


def by(sums: Mapping[Key, Traffic], name: str) -> dict[object, Traffic]:
    """Sums by one field of their keys."""
    found: dict[object, Traffic] = {}
    for key, traffic in sums.items():
        found.setdefault(getattr(key, name), Traffic()).add(traffic)
    return found
