"""The JSON edge of how lines are doing."""

from __future__ import annotations

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.core.clock import iso
from angarium.core.values import Reason
from angarium.lines.store import Line
from angarium.lines.tallies import Tally, percentile
from angarium.messaging import balances, health
from angarium.messaging.balances_api import EXAMPLE as BALANCE_EXAMPLE
from angarium.messaging.balances_api import BalanceShown, line_of
from angarium.messaging.balances_api import shown as balance_shown
from angarium.messaging.store import queue
from angarium.messaging.store.balances import Balance
from angarium.messaging.world import World
from angarium.storage.database import Transaction

QUEUE_MAX = 10_000  # of each class; more is shown as so many
REMEDIES = {
    Reason.AUTH.value: "Look at the credentials in the settings of the line.",
    Reason.NO_CREDIT.value: "Top up the account at the provider.",
    Reason.SENDER_INVALID.value: "Ask the provider which sender names this account may use.",
    Reason.TEMPORARY.value: "It is the provider's own trouble. The line rests, and is tried out by itself.",
    Reason.NO_ANSWER.value: "Look whether the provider can be reached. GET /v1/unknowns has the doubtful.",
}


class LatencyShown(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, within an eighth; null when nothing was heard."""

    median_s: float | None
    p95_s: float | None


class WindowShown(msgspec.Struct, frozen=True, kw_only=True):
    """What was heard in a window. Shares are in per cent; null when fewer than 20 say something."""

    taken: int
    failed: int  # the line's own fault, or not answered
    unanswered: int
    accepted: int
    delivered: int
    undelivered: int
    success: float | None  # of what was submitted, the share that was taken
    delivery: float | None  # of the verdicts of receipts, the share that was good
    accept: LatencyShown  # from the claim to the acceptance
    deliver: LatencyShown  # from the acceptance to the receipt


class ErrorShown(msgspec.Struct, frozen=True, kw_only=True):
    """The last answer that was the line's own fault."""

    reason: str
    detail: str
    at: str
    remedy: str


class HealthShown(msgspec.Struct, frozen=True, kw_only=True):
    """How a line is doing, by what all servers have written; a few seconds old at most."""

    line: str
    connected: bool | None  # null: not on this machine
    waits: str  # why what is due is not handed over; empty when nothing holds it
    waits_until: str | None
    windows: dict[str, WindowShown]  # 5m, 1h, 24h
    queue: dict[str, int]  # what is due, by class
    last_error: ErrorShown | None
    balance: BalanceShown | None  # null: the provider has no interface for it


EXAMPLE = HealthShown(
    line="viber-main",
    connected=True,
    waits="",
    waits_until=None,
    windows={
        "5m": WindowShown(
            taken=992,
            failed=8,
            unanswered=1,
            accepted=980,
            delivered=801,
            undelivered=12,
            success=99.2,
            delivery=98.5,
            accept=LatencyShown(median_s=0.051, p95_s=0.19),
            deliver=LatencyShown(median_s=2.1, p95_s=14.0),
        )
    },
    queue={"otp": 0, "transactional": 0, "service": 12, "promotional": 0},
    last_error=ErrorShown(
        reason="no_credit",
        detail="402: The balance is used up",
        at="2026-11-23T08:30:00.000Z",
        remedy=REMEDIES[Reason.NO_CREDIT.value],
    ),
    balance=BALANCE_EXAMPLE,
)


@route(
    "GET /v1/lines/{line_id}/health",
    Operation(
        summary="Look at how a line is doing",
        detail="Over the last five minutes, hour and day, as all servers have heard it. What is said of"
        " the recipient (no such number, blocked) is no failure of the line. `balance` is what the"
        " provider says is left, not older than a minute unless it is silent; null where it tells none.",
        scope="setup:read",
        gives=HealthShown,
        problems=(404,),
        answer_example=EXAMPLE,
    ),
)
async def get_health(request: Call) -> JsonAnswer:
    """How one line is doing."""
    line_id = edge.id_in_path(request, "line")
    world: World = request.scope["litestar_app"].state.messages.world
    line = line_of(world, request.auth.workspace_id, line_id)
    left = await balances.known(world, line, balances.FRESH_S)
    return edge.answer(request, await world.ground.db.read(look, world, line, left))


async def look(tx: Transaction, world: World, line: Line, left: Balance | None) -> HealthShown:
    """How a line is doing; `left` is what its provider says is on its account."""
    workspace_id, line_id = line.workspace_id, line.id
    now = world.ground.clock.now()
    windows = (await health.windows(tx, workspace_id, [line_id], now))[line_id]
    async with tx.across_workspaces():  # guests' messages wait on it too
        due = await queue.waiting(tx, world.lines.senders(line_id), line_id, now, QUEUE_MAX)
    return _shown(
        world, line, left, windows, {lane.value: sum(counts.values()) for lane, counts in due.items()}
    )


def _shown(
    world: World, line: Line, left: Balance | None, windows: dict[str, Tally], due: dict[str, int]
) -> HealthShown:
    waiting = world.why_waiting(line.id)
    until = waiting.until if waiting else None
    return HealthShown(
        line=line.name,
        connected=world.is_up(line.id),
        waits=waiting.why if waiting else "",
        waits_until=None if until is None else iso(until),
        windows={name: _window(tally) for name, tally in windows.items()},
        queue=due,
        last_error=_error(windows["24h"]),
        balance=None if left is None else balance_shown(left),
    )


def _window(tally: Tally) -> WindowShown:
    return WindowShown(
        taken=tally.taken,
        failed=tally.failed,
        unanswered=tally.unanswered,
        accepted=tally.accepted,
        delivered=tally.delivered,
        undelivered=tally.undelivered,
        success=_per_cent(tally.success_per_mille()),
        delivery=_per_cent(tally.delivery_per_mille()),
        accept=_latency(tally.accept_s),
        deliver=_latency(tally.deliver_s),
    )


def _per_cent(per_mille: int | None) -> float | None:
    return None if per_mille is None else per_mille / 10


def _latency(buckets: dict[int, int]) -> LatencyShown:
    median, p95 = (percentile(buckets, share) for share in (0.5, 0.95))
    return LatencyShown(
        median_s=None if median is None else float(f"{median:.2g}"),
        p95_s=None if p95 is None else float(f"{p95:.2g}"),
    )


def _error(day: Tally) -> ErrorShown | None:
    if not day.error_at:
        return None
    remedy = REMEDIES.get(day.error_reason, "Look at what the provider says.")
    return ErrorShown(reason=day.error_reason, detail=day.error, at=iso(day.error_at), remedy=remedy)


HANDLERS = (get_health,)
