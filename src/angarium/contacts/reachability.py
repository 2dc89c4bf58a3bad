"""What is remembered of reaching a contact at one of its addresses on a channel: a cascade's memory. Pure.

It is learnt from how attempts ended and from receipts, in whatever order they are told, and once more changes
nothing: each number here is taken from the attempt itself. Rules:

1. Bad news is believed until something is delivered after it, or for as long as a policy says.
2. Good news is remembered by the day: what is delivered twice on one day, by the contact's clock, is written
   once, unless it lifts bad news.
3. An address that is another one has a memory of its own, and so has a channel: who is not on VK may be on
   Viber, with the same number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from angarium.core.clock import MICROS
from angarium.core.values import Reason

BLOCKS_MAX = 4  # lines by which a person has been lost that are remembered, the latest ones
HOURS = 24
QUARTER = 900 * MICROS
COUNT_MAX = 255  # of an hour: then all are halved, so that what was long ago weighs less
READ_WEIGHT = 3  # who reads is there; what is delivered shows that the phone is on
EVIDENCE_MIN = 5  # of all hours together, before one of them is the usual one

# Taken and then not delivered, for no reason of ours: some providers have no other word for who is not there.
SILENT_ENDS = frozenset({Reason.EXPIRED, Reason.UNREACHABLE, Reason.UNDELIVERED})


class Block(msgspec.Struct, frozen=True, array_like=True):
    """A line that the person has blocked, and when that was heard."""

    line_id: int
    at: int


class Tried(msgspec.Struct, frozen=True):
    """One attempt as it stands; instants in microseconds, 0: it did not happen.

    `silent`: it was taken and not delivered, as far as was known when its step was left.
    """

    attempt_id: int
    line_id: int
    reason: Reason | None = None
    ended_at: int = 0
    accepted_at: int = 0
    delivered_at: int = 0
    read_at: int = 0
    silent: bool = False


class Known(msgspec.Struct, frozen=True):
    """What is remembered. `hours` has 24 bytes, how often it was heard of in each hour of the contact's day,
    or none; `last_id` is the newest attempt of which silence was counted."""

    contact_id: int
    channel: str
    address: str
    not_a_user_at: int = 0
    blocked: tuple[Block, ...] = ()
    last_delivered_at: int = 0
    last_read_at: int = 0
    unheard: int = 0  # attempts in a row that were taken and not delivered
    silent_at: int = 0  # when the last of them was taken
    last_id: int = 0
    hours: bytes = b""
    forgotten_at: int = 0  # a person had it forgotten: what is older says nothing

    @property
    def not_a_user(self) -> bool:
        """Whether the last that was heard is that the person is not on the channel."""
        return self.not_a_user_at > self.last_delivered_at

    @property
    def says_nothing(self) -> bool:
        """Whether there is nothing to tell of."""
        return not (self.not_a_user_at or self.blocked or self.last_delivered_at or self.unheard)


# ── learning ─────────────────────────────────────────────────────────────────────────────────────────


def learn(known: Known, tried: Iterable[Tried], zone: str) -> Known:
    """What is known once these attempts are; the very same when nothing is new."""
    for one in sorted(tried, key=lambda one: one.attempt_id):
        known = _bad_news(known, one, zone)
        known = _silence(known, one)
        known = _delivered(known, one, zone)
        known = _read(known, one, zone)
    return known


def _bad_news(known: Known, one: Tried, zone: str) -> Known:
    at = one.ended_at
    if one.delivered_at or at <= known.forgotten_at:
        return known
    if one.reason is Reason.NOT_A_USER and at > known.last_delivered_at:
        new = not known.not_a_user or _is_later_day(known.not_a_user_at, at, zone)
        return msgspec.structs.replace(known, not_a_user_at=at) if new else known
    if one.reason is Reason.BLOCKED_BY_USER:
        before = next((block.at for block in known.blocked if block.line_id == one.line_id), 0)
        if _is_later_day(before, at, zone):
            others = [block for block in known.blocked if block.line_id != one.line_id]
            latest = sorted([*others, Block(one.line_id, at)], key=lambda block: -block.at)
            return msgspec.structs.replace(known, blocked=tuple(latest[:BLOCKS_MAX]))
    return known


def _silence(known: Known, one: Tried) -> Known:
    counts = one.silent and one.attempt_id > known.last_id
    if not counts or one.accepted_at <= max(known.forgotten_at, known.last_delivered_at):
        return known
    return msgspec.structs.replace(
        known, unheard=known.unheard + 1, silent_at=one.accepted_at, last_id=one.attempt_id
    )


def _delivered(known: Known, one: Tried, zone: str) -> Known:
    at = one.delivered_at
    if at <= max(known.forgotten_at, known.last_delivered_at):
        return known
    new_day = _is_later_day(known.last_delivered_at, at, zone)
    blocked = tuple(block for block in known.blocked if block.line_id != one.line_id or block.at > at)
    heard = known.unheard > 0 and known.silent_at < at
    if not (new_day or heard or known.not_a_user or blocked != known.blocked):
        return known
    return msgspec.structs.replace(
        known,
        last_delivered_at=at,
        blocked=blocked,
        unheard=0 if heard else known.unheard,
        last_id=max(known.last_id, one.attempt_id),
        hours=_counted(known.hours, at, zone, 1) if new_day else known.hours,
    )


def _read(known: Known, one: Tried, zone: str) -> Known:
    at = one.read_at
    if at <= known.forgotten_at or not _is_later_day(known.last_read_at, at, zone):
        return known
    hours = _counted(known.hours, at, zone, READ_WEIGHT)
    return msgspec.structs.replace(known, last_read_at=at, hours=hours)


def _counted(hours: bytes, at: int, zone: str, weight: int) -> bytes:
    counts = list(hours or bytes(HOURS))
    counts[_local(at, zone).hour] += weight
    if max(counts) > COUNT_MAX:
        counts = [count // 2 for count in counts]
    return bytes(counts)


def _is_later_day(before: int, at: int, zone: str) -> bool:
    return at > before and (not before or _local(at, zone).date() > _local(before, zone).date())


def _local(at: int, zone: str) -> datetime:
    """Its day and hour: every zone of today differs from UTC by whole quarters of an hour."""
    return _quarter(at // QUARTER, zone)


@lru_cache(maxsize=1_000)
def _quarter(number: int, zone: str) -> datetime:
    return datetime.fromtimestamp(number * QUARTER // MICROS, ZoneInfo(zone))


# ── the usual time ───────────────────────────────────────────────────────────────────────────────────


def usual_hour(memories: Sequence[Known]) -> int | None:
    """The hour of the contact's own day in which it is reached most; None while too little is known.

    An hour counts with half of each of its neighbours, so that 9:55 and 10:05 speak for one another; of
    hours that are alike the earliest is taken.
    """
    counts = [sum(one.hours[hour] for one in memories if one.hours) for hour in range(HOURS)]
    if sum(counts) < EVIDENCE_MIN:
        return None
    return max(range(HOURS), key=lambda hour: (_smoothed(counts, hour), counts[hour], -hour))


def _smoothed(counts: Sequence[int], hour: int) -> int:
    return counts[hour - 1] + 2 * counts[hour] + counts[(hour + 1) % HOURS]
