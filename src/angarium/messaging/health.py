"""How lines are doing: heard from outcomes and receipts, written seconds later, read in windows.

What is heard is counted in memory and written in one small row for each line, minute and server. A server
that falls loses the counts of its last seconds, and no message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from angarium.core.clock import MICROS, micros
from angarium.core.ports import Accepted, Outcome, Refused, Unknown
from angarium.core.values import Reason
from angarium.lines import tallies
from angarium.lines.store import Line
from angarium.lines.tallies import SPANS, WINDOWS, Tally
from angarium.messaging import breaker
from angarium.messaging.breaker import Sign
from angarium.messaging.states import AttemptState
from angarium.messaging.store import health as store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.health import Heard
from angarium.storage.database import Transaction

KEPT_S = {"m": 2 * 3_600.0, "h": 26 * 3_600.0}  # longer than the longest window over such rows
MINUTE = 60 * MICROS
ERROR_MAX = 200  # characters

Key = tuple[int, int, str, int]  # owner, line, span, when it began in seconds


class Ear:
    """What this server hears of lines. It is at hand in `World.ear`."""

    def __init__(self) -> None:
        self._tallies: dict[Key, Tally] = {}
        self._fresh: set[Key] = set()
        self._now: tuple[int, int, int, list[Tally]] | None = None  # those of a line in this minute

    def outcome(self, line: Line, outcome: Outcome, took_s: float, now: int) -> None:
        """How a submission ended."""
        if isinstance(outcome, Accepted):  # as nearly every one ends
            bucket = tallies.bucket_of(took_s)
            for tally in self._of(line.workspace_id, line.id, now):
                tally.taken += 1
                tally.accepted += 1
                buckets = tally.accept_s
                buckets[bucket] = buckets.get(bucket, 0) + 1
            return
        sign = breaker.sign(outcome)
        if sign is Sign.NONE:
            return
        for tally in self._of(line.workspace_id, line.id, now):
            tally.taken += sign is Sign.GOOD
            if sign is Sign.BAD:
                tally.failed += 1
                tally.unanswered += isinstance(outcome, Unknown)
                tally.error_reason, tally.error = error_of(outcome)
                tally.error_at = now

    def receipt(self, line: Line, attempt: Attempt, now: int) -> None:
        """The verdict on an attempt, if it came at this instant."""
        if attempt.delivered_at == now:
            bucket = tallies.bucket_of((now - (attempt.accepted_at or now)) / MICROS)
            for tally in self._of(line.workspace_id, line.id, now):
                tally.delivered += 1
                tally.deliver_s[bucket] = tally.deliver_s.get(bucket, 0) + 1
        elif attempt.state is AttemptState.FAILED and attempt.ended_at == now:
            for tally in self._of(line.workspace_id, line.id, now):
                tally.undelivered += 1

    def _of(self, owner_id: int, line_id: int, now: int) -> list[Tally]:
        minute = now // MINUTE
        if self._now is not None:
            owner, line, since, tallies_now = self._now
            if line == line_id and since == minute and owner == owner_id:
                return tallies_now
        found = []
        for span in SPANS:
            key = (owner_id, line_id, span, tallies.starts(span, now // MICROS))
            self._fresh.add(key)
            found.append(self._tallies.setdefault(key, Tally()))
        self._now = owner_id, line_id, minute, found
        return found

    def take(self, now: int) -> list[Heard]:
        """What was heard since the last time, to be written; minutes that are over are let go of."""
        heard = [
            Heard(key[0], key[1], key[2], key[3] * MICROS, self._tallies[key]) for key in sorted(self._fresh)
        ]
        self._fresh.clear()
        self._now = None
        over = [key for key in self._tallies if key[3] + SPANS[key[2]] < now // MICROS - SPANS[key[2]]]
        for key in over:
            del self._tallies[key]
        return heard

    def put_back(self, heard: Iterable[Heard]) -> None:
        """They could not be written: the next time."""
        self._fresh |= {(one.workspace_id, one.line_id, one.span, one.begins // MICROS) for one in heard}
        for one in heard:
            self._tallies.setdefault(
                (one.workspace_id, one.line_id, one.span, one.begins // MICROS), one.tally
            )


def error_of(outcome: Outcome) -> tuple[str, str]:
    """A fault in few words: its reason, and what the provider said."""
    match outcome:
        case Refused(reason=reason, code=code, detail=detail):
            return reason.value, ": ".join(word for word in (code, detail) if word)[:ERROR_MAX]
        case Unknown(detail):
            return Reason.NO_ANSWER.value, detail[:ERROR_MAX]
        case _:
            return "", ""


async def windows(
    tx: Transaction,
    workspace_id: int,
    line_ids: Sequence[int],
    now: int,
    names: Sequence[str] = tuple(WINDOWS),
) -> dict[int, dict[str, Tally]]:
    """How lines of a workspace were, by the name of the window, which begins with a whole minute or hour."""
    found: dict[int, dict[str, Tally]] = {line_id: {} for line_id in line_ids}
    for name in names:
        length_s, span = WINDOWS[name]
        rows = await store.since(tx, workspace_id, line_ids, span, now - micros(length_s))
        for line_id in line_ids:
            found[line_id][name] = tallies.together(tally for owner, tally in rows if owner == line_id)
    return found


async def taken(tx: Transaction, workspace_id: int, line_ids: Sequence[int], now: int) -> dict[int, int]:
    """Per mille of the last hour that was taken, of the lines of which enough is known."""
    found = await windows(tx, workspace_id, line_ids, now, ("1h",))
    shares = {line_id: one["1h"].success_per_mille() for line_id, one in found.items()}
    return {line_id: share for line_id, share in shares.items() if share is not None}


async def forget(tx: Transaction, workspace_id: int, now: int) -> None:
    """Let go of what is older than any window."""
    for span, kept_s in KEPT_S.items():
        await store.forget(tx, workspace_id, span, now - micros(kept_s))
