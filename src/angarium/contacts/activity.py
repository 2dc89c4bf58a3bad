"""What can have happened between us and a contact, how it is summed up, and how sums are kept. Pure.

A tally counts, knows the last time, and the last RECENT_MAX times one by one: "three times within ten days"
needs no row for each message. All tallies of one event and one contact are kept as one piece of bytes, which
a database can look into (`segments/store/sql.py`). Its rules:

1. An entry is: a sign for the class, from 0x80 on; the channel in ASCII; END; how often, COUNT_BYTES; and
   each remembered time, TIME_BYTES, the latest first. Sums over all classes are an entry as well.
2. Counts and times are written in digits to the base of 128. So the sign of a class stands nowhere but at the
   beginning of an entry, and who looks for class, channel and END finds that entry or none.
3. A time is told as the seconds that are left to LATEST. So what is later is less, and what stands behind the
   last time of an entry, be it the next one, is more than any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

import msgspec

from angarium.core.clock import MICROS
from angarium.core.values import MessageClass

RECENT_MAX = 10  # times that are remembered one by one
TIME_BYTES = 5
COUNT_BYTES = 3
LATEST = (1 << 32) - 1  # seconds since 1970
END = b"\xfe"
ANY_CLASS = 15  # beside the numbers of classes


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
        for at in instants:
            self.times += 1
            self.last_at = max(self.last_at, at)
            self.recent = _remembered(self.recent, as_bytes(at))

    def within(self, since: int) -> int:
        """How often since an instant, as far as times are remembered one by one."""
        earliest = as_bytes(since)
        return sum(time <= earliest for time in _apart(self.recent))


def _remembered(recent: bytes, time: bytes) -> bytes:
    """The last times, with one more."""
    if recent[:TIME_BYTES] < time:  # it came late, or is told late; or it is the first
        return b"".join(sorted([time, *_apart(recent)])[:RECENT_MAX])
    return (time + recent)[: RECENT_MAX * TIME_BYTES]


def _apart(recent: bytes) -> list[bytes]:
    return [recent[at : at + TIME_BYTES] for at in range(0, len(recent), TIME_BYTES)]


def as_bytes(at: int) -> bytes:
    """An instant in whole seconds, to be compared with others: what is later is less."""
    return _second(at // MICROS)


@lru_cache(1_000)
def _second(number: int) -> bytes:
    left = LATEST - max(0, min(number, LATEST))
    return _digits(left, TIME_BYTES)


@lru_cache(1_000)
def as_count(times: int) -> bytes:
    """How often, to be compared with others."""
    return _digits(min(times, (1 << 7 * COUNT_BYTES) - 1), COUNT_BYTES)


def _digits(number: int, count: int) -> bytes:
    return bytes([number >> 7 * place & 0x7F for place in range(count - 1, -1, -1)])


# ── all tallies of an event and a contact, as they are kept ─────────────────────────────────────────

_DIGITS = re.compile(rb"[\x00-\x7f]*")
_ENTRY = re.compile(rb"([\x80-\x8f])([\x00-\x7f]*)\xfe([\x00-\x7f]{%d})([\x00-\x7f]*)" % COUNT_BYTES)


@lru_cache(1_000)
def place_of(number: int, channel: str = "") -> bytes:
    """What the entry of a class and a channel begins with; ANY_CLASS and "" stand for whichever."""
    return bytes([0x80 + number]) + channel.encode() + END


def counted(kept: bytes, place: bytes, time: bytes) -> bytes:
    """What is kept, with one thing more that happened at a time."""
    at = kept.find(place)
    if at < 0:
        return kept + place + as_count(1) + time
    begin = at + len(place)
    behind = begin + COUNT_BYTES
    digits = _DIGITS.match(kept, behind)
    assert digits is not None
    return b"".join(
        (kept[:begin], _one_more(kept[begin:behind]), _remembered(digits[0], time), kept[digits.end() :])
    )


def unpacked(kept: bytes | None) -> dict[tuple[int, str], Tally]:
    """The tallies of classes, by number, and channels; what is kept of whichever is left out."""
    found = {}
    for sign, channel, count, recent in _ENTRY.findall(kept or b""):
        number = sign[0] - 0x80
        if number != ANY_CLASS:
            last_at = (LATEST - _number(recent[:TIME_BYTES])) * MICROS
            found[number, channel.decode()] = Tally(_number(count), last_at, recent)
    return found


@lru_cache(1_000)
def _one_more(count: bytes) -> bytes:
    return as_count(_number(count) + 1)


def _number(digits: bytes) -> int:
    number = 0
    for digit in digits:
        number = number << 7 | digit
    return number


class Done(msgspec.Struct, frozen=True):
    """What happened to one contact, summed up; `topic` has a label or a template, or is a class alone."""

    event: Event
    topic: Topic
    channel: str
    tally: Tally
