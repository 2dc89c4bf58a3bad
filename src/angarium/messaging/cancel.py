"""Cancel a message: nothing more is tried; what has gone out cannot be called back."""

from __future__ import annotations

from angarium.core import ids
from angarium.core.problems import Problem, not_found
from angarium.core.values import Reason
from angarium.messaging import plan
from angarium.messaging.cascade import Finish, best_state
from angarium.messaging.case import Case, load, write
from angarium.messaging.states import MessageState
from angarium.messaging.world import World
from angarium.storage.database import Transaction


async def cancel(tx: Transaction, world: World, workspace_id: int, message_id: int, now: int) -> Case:
    """End a message's cascade; a Problem when there is no such message or it has ended already."""
    cases = await load(tx, world, workspace_id, [message_id])
    case = cases.get(message_id)
    if case is None:
        raise not_found("message", ids.show("message", message_id))
    if case.message.finished_at is not None:
        state = case.message.state.value
        raise Problem("already-ended", "The message has ended", status=409, detail=f"It is {state}.")
    end(case, now)
    await write(tx, world, [case])
    return case


def end(case: Case, now: int) -> None:
    """End a cascade that has not ended."""
    best = best_state(case.run())
    nothing_out = best is MessageState.QUEUED
    why = "cancelled before it went out" if nothing_out else "cancelled; what had gone out stays out"
    case.record("cancelled", now)
    plan.finish(case, Finish(MessageState.CANCELLED if nothing_out else best, Reason.CANCELLED, why), now)
