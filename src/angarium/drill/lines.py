"""Who served which line when, by the operators' ledgers: no two at once, and how long nobody did. Pure.

A line is an account at an operator. Whoever binds begins to serve it; from then on whoever was bound before
must be silent, though their connection may be open: they may be stopped, or believe that they are alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median

import msgspec

from angarium.drill.books import Broken, Session, Taken
from angarium.drill.cast import SPARES

FELT_S = 2.0  # a line that is silent for less has not felt the fault: nothing was due on it
Line = tuple[str, str]  # operator and account


class Silence(msgspec.Struct, frozen=True):
    """A line on which nothing was submitted for a while, because of a fault."""

    fault: str
    where: str
    began_s: float  # since the load began
    line: str
    silent_s: float  # from the fault, or the last submission after it, until the next one
    moved: bool  # another session served it then


class Return(msgspec.Struct, frozen=True):
    """How long lines were silent over faults of one kind."""

    faults: int
    lines: int  # that felt one
    median_s: float | None
    worst_s: float | None


def served_by_two(taken: Iterable[Taken], sessions: Sequence[Session]) -> list[str]:
    """Submissions over a session of a line on which another had been bound since."""
    numbered = {(one.face, one.number): one for one in sessions}
    bound: dict[Line, list[float]] = {}
    for one in sessions:
        bound.setdefault((one.face, one.account), []).append(one.bound_at)
    for times in bound.values():
        times.sort()
    found = []
    for entry in taken:
        session = numbered.get((entry.face, entry.session))
        if session is None:
            continue
        times = bound[session.face, session.account]
        later = bisect_left(times, session.bound_at) + 1
        if later < len(times) and entry.at > times[later]:
            late_s = entry.at - times[later]
            found.append(
                f"{session.face} {session.account}: {entry.name or entry.ref} over session {session.number}, "
                f"{late_s:.3f} s after another had bound"
            )
    return found


def silences(
    broken: Sequence[Broken], taken: Sequence[Taken], sessions: Sequence[Session], began_at: float
) -> list[Silence]:
    """The longest silence of each line over each fault that it felt. Of a spare one nobody can tell: it is
    silent for as long as it is not needed."""
    by_line = {line: some for line, some in _by_line(taken, sessions).items() if line not in SPARES}
    found = []
    for one in broken:
        for (face, account), entries in by_line.items():
            gap = _longest_gap(entries, one.began_at, max(one.began_at, one.ended_at))
            if gap is None:
                continue
            before, after = gap
            silent_s = after.at - max(before.at, one.began_at)
            moved = before.session != after.session
            if moved or silent_s >= FELT_S:
                line = f"{face} {account}".strip()
                began_s = round(one.began_at - began_at, 1)
                found.append(Silence(one.name, one.where, began_s, line, round(silent_s, 2), moved))
    return found


def returns(broken: Sequence[Broken], found: Sequence[Silence]) -> dict[str, Return]:
    """By kind of fault."""
    kinds = dict.fromkeys(one.name for one in broken)
    return {kind: _return(kind, broken, found) for kind in kinds}


def _return(kind: str, broken: Sequence[Broken], found: Sequence[Silence]) -> Return:
    faults = sum(one.name == kind for one in broken)
    lasted = [one.silent_s for one in found if one.fault == kind]
    if not lasted:
        return Return(faults, 0, None, None)
    return Return(faults, len(lasted), round(median(lasted), 2), max(lasted))


def _by_line(taken: Sequence[Taken], sessions: Sequence[Session]) -> Mapping[Line, list[Taken]]:
    accounts = {(one.face, one.number): one.account for one in sessions}
    found: dict[Line, list[Taken]] = {}
    for entry in sorted(taken, key=lambda entry: entry.at):
        found.setdefault((entry.face, accounts.get((entry.face, entry.session), "")), []).append(entry)
    return found


def _longest_gap(entries: Sequence[Taken], began_at: float, ended_at: float) -> tuple[Taken, Taken] | None:
    """Two submissions with none between them, of which the first came before the end and the second after the
    beginning of something; the longest such, counted from the beginning."""
    gaps = [
        (before, after) for before, after in pairwise(entries) if before.at < ended_at and after.at > began_at
    ]
    return max(gaps, key=lambda gap: gap[1].at - max(gap[0].at, began_at), default=None)
