"""Who goes next on a line: a lane for each class, and turns among workspaces inside a lane. Pure.

1. The more urgent lane goes first.
2. Each lane but the first has a reserved share of what goes. A lane that waits and is passed over saves its
   share up, so that it moves even where one message goes at a time; one with nothing to send saves nothing.
3. What a lane does not use of its share goes to the others, the most urgent first.
4. Inside a lane the workspaces that wait take turns, one message each: deficit round robin (Shreedhar and
   Varghese, 1995), where every message is as large as every other. It is remembered whose turn is next.
5. Some of a connection's window is kept for the first lane: a code never waits for the answers to a campaign.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from angarium.core.values import PRIORITY, MessageClass

LANES = tuple(sorted(PRIORITY, key=lambda lane: PRIORITY[lane]))  # the most urgent first
FIRST = LANES[0]
RESERVED_PERCENT = {
    MessageClass.OTP: 0,  # it is first in everything that is not reserved
    MessageClass.TRANSACTIONAL: 10,
    MessageClass.SERVICE: 10,
    MessageClass.PROMOTIONAL: 5,
}
SAVED_MAX = 200  # hundredths of a message: two, as when several lanes come due at one free place
KEPT_OF = 10  # one in so many places of a window is kept for the first lane
KEPT_FROM = 4  # a window smaller than this has none to keep

Waiting = Mapping[MessageClass, Mapping[int, int]]  # lane -> workspace -> how many are due there
Quotas = dict[int, dict[MessageClass, int]]  # workspace -> lane -> how many may go


class Turns(msgspec.Struct, frozen=True):
    """What is remembered between two shares: savings in hundredths of a message, and who was served last."""

    saved: Mapping[MessageClass, int] = {}
    last: Mapping[MessageClass, int] = {}


class Shared(msgspec.Struct, frozen=True):
    """Who may send how many, and the turns from now on."""

    quotas: Quotas
    turns: Turns


def share(turns: Turns, waiting: Waiting, granted: int, others: int) -> Shared:
    """Share out `granted` places, of which lanes other than the first get at most `others`."""
    totals = {lane: sum(waiting.get(lane, {}).values()) for lane in LANES}
    given, saved = _by_lane(turns.saved, totals, granted, others)
    quotas: Quotas = {}
    last = dict(turns.last)
    for lane, count in given.items():
        for workspace_id, dealt in _deal(waiting[lane], count, last.get(lane, 0)):
            quotas.setdefault(workspace_id, {}).setdefault(lane, 0)
            quotas[workspace_id][lane] += dealt
            last[lane] = workspace_id
    return Shared(quotas, Turns(saved, last))


def _by_lane(
    before: Mapping[MessageClass, int], totals: Mapping[MessageClass, int], granted: int, others: int
) -> tuple[dict[MessageClass, int], dict[MessageClass, int]]:
    """How many of each lane go, and what each that is left behind has saved."""
    behind = sum(count for lane, count in totals.items() if lane is not FIRST)
    going = min(granted, totals[FIRST] + min(others, behind))
    due = {lane: before.get(lane, 0) + going * RESERVED_PERCENT[lane] for lane in LANES if totals[lane]}
    given = dict.fromkeys(due, 0)
    reserved = {lane: min(hundredths // 100, totals[lane]) for lane, hundredths in due.items()}
    for most in (reserved, totals):
        for lane in given:
            behind_given = sum(count for other, count in given.items() if other is not FIRST)
            left = going - sum(given.values())
            if lane is not FIRST:
                left = min(left, others - behind_given)
            given[lane] += max(0, min(left, most[lane] - given[lane]))
    saved = {
        lane: min(SAVED_MAX, max(0, due[lane] - 100 * given[lane]))
        for lane in due
        if given[lane] < totals[lane]
    }
    return {lane: count for lane, count in given.items() if count}, saved


def _deal(waiting: Mapping[int, int], count: int, last: int) -> list[tuple[int, int]]:
    """Deal `count` out, beginning with the workspace after `last`: (workspace, how many), in turn."""
    order = sorted(workspace_id for workspace_id, waits in waiting.items() if waits)
    turn = [w for w in order if w > last] + [w for w in order if w <= last]
    left = dict(waiting)
    dealt = []
    while count and turn:
        each = max(1, count // len(turn))
        for workspace_id in turn:
            one = min(each, left[workspace_id], count)
            if one:
                dealt.append((workspace_id, one))
                left[workspace_id] -= one
                count -= one
        turn = [workspace_id for workspace_id in turn if left[workspace_id]]
    return dealt


def kept(window: int, classes: Collection[MessageClass]) -> int:
    """How many places of a line's window are kept for the first lane."""
    if FIRST not in classes or window < KEPT_FROM:
        return 0
    return max(1, window // KEPT_OF)
