"""Which unanswered attempt a receipt must speak of, why one that might was not taken to, and whether an
outcome that comes late says anything. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from angarium.core.ports import Accepted, Outcome, Refused
from angarium.messaging.states import AttemptState
from angarium.messaging.store.attempts import Attempt, Unanswered

UNANSWERED = (AttemptState.SUBMITTING, AttemptState.UNKNOWN)


def only(candidates: Sequence[Unanswered], seen: Mapping[int, Attempt]) -> Attempt | None:
    """The one attempt that can be meant, if it has ended unanswered.

    `seen`: attempts as they are now. What was answered just now cannot be meant, though its row is still
    open; what is on its way can, and beside it none is the only one.
    """
    left = [
        one.attempt_id
        for one in candidates
        if one.attempt_id not in seen or seen[one.attempt_id].state in UNANSWERED
    ]
    found = seen.get(left[0]) if len(left) == 1 else None
    return found if found is not None and found.state is AttemptState.UNKNOWN else None


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


def counts(outcome: Outcome, submitted: Attempt, as_it_is: Attempt) -> bool:
    """Whether the end of a submission says anything of its attempt as that is now.

    An owner that stood still, or has lost the line, may say it when another has settled the attempt, or has
    it under way. That it was taken, or certainly was not, is evidence then; anything else says nothing.
    """
    if isinstance(outcome, Accepted):
        return True
    if as_it_is.state is AttemptState.SUBMITTING:
        return as_it_is.epoch == submitted.epoch
    return as_it_is.state is not AttemptState.QUEUED and isinstance(outcome, Refused) and not outcome.untried
