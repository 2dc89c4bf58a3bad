"""Why a receipt that might speak of an unanswered attempt was not taken to. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from angarium.messaging.states import AttemptState
from angarium.messaging.store.attempts import Attempt, Unanswered


def why_not(received_at: int, silent: Attempt, unanswered: Iterable[Unanswered]) -> str:
    """The reason, as a sentence; `unanswered` are all attempts to that address on that line."""
    if received_at < (silent.submitted_at or silent.planned_at):
        return "It came before this was handed over."
    others = [one for one in unanswered if one.attempt_id != silent.id]
    on_their_way = sum(one.state is AttemptState.SUBMITTING for one in others)
    if on_their_way:
        return f"{on_their_way} more to this address are on their way, and it may be about one of them."
    if others:
        return f"{len(others)} more to this address were never answered, and it may be about one of them."
    return "It might have been about another. Now this one is left alone, and the next tidying looks again."
