"""What can have happened between us and a contact, and how it is summed up. Pure.

A tally counts, knows the last time, and the last RECENT_MAX times one by one: "three times within ten days"
needs no row for each message. A time is four bytes, seconds, so that times are compared as bytes are.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from angarium.core.clock import MICROS
from angarium.core.values import MessageClass

RECENT_MAX = 10  # times that are remembered one by one
TIME_BYTES = 4


class Event(StrEnum):
    """What can have happened to a message of ours, or come back from a contact."""

    SENT = "sent"  # a provider took it
    DELIVERED = "delivered"
    READ = "read"
    CLICKED = "clicked"
    REPLIED = "replied"


# As they are kept; never changed, for rows speak of them. An answer to nothing of ours has the class 0.
EVENTS = {Event.SENT: 1, Event.DELIVERED: 2, Event.READ: 3, Event.CLICKED: 4, Event.REPLIED: 5}
CLASSES = {
    None: 0,
    MessageClass.OTP: 1,
    MessageClass.TRANSACTIONAL: 2,
    MessageClass.SERVICE: 3,
    MessageClass.PROMOTIONAL: 4,
}


class Topic(msgspec.Struct, frozen=True):
    """What messages can be about, beside their class; template_id 0 is none."""

    message_class: MessageClass | None
    label: str = ""
    template_id: int = 0


class Happened(msgspec.Struct, frozen=True):
    """One event; `at` in microseconds."""

    event: Event
    contact_id: int
    topic: Topic
    channel: str
    at: int


class Tally(msgspec.Struct):
    """How often something has happened, the last time, and the last times one by one, the latest first."""

    times: int = 0
    last_at: int = 0
    recent: bytes = b""

    def add(self, instants: Iterable[int]) -> None:
        """Count what happened at these instants."""
        new = list(instants)
        kept = [self.recent[i : i + TIME_BYTES] for i in range(0, len(self.recent), TIME_BYTES)]
        self.times += len(new)
        self.last_at = max(self.last_at, *new)
        self.recent = b"".join(sorted([*kept, *map(as_bytes, new)], reverse=True)[:RECENT_MAX])

    def within(self, since: int) -> int:
        """How often since an instant, as far as times are remembered one by one."""
        kept = [self.recent[i : i + TIME_BYTES] for i in range(0, len(self.recent), TIME_BYTES)]
        return sum(time >= as_bytes(since) for time in kept)


def as_bytes(at: int) -> bytes:
    """An instant in whole seconds, to be compared with others."""
    return max(0, min(at // MICROS, (1 << 8 * TIME_BYTES) - 1)).to_bytes(TIME_BYTES, "big")


class Done(msgspec.Struct, frozen=True):
    """What happened to one contact, summed up; `topic` has a label or a template, or is a class alone."""

    event: Event
    topic: Topic
    channel: str
    tally: Tally
