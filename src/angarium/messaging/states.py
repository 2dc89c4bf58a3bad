"""The lifecycle as tables; nothing else decides whether a state may change.

A message's state is *the best that is known of it*; `finished_at` says that its cascade has ended and nothing
more will be tried. Good news is always heard, and lifts what was given up; bad news after good news changes
nothing. The diagrams in docs/explanation/cascades.md are printed from these tables.
"""

from __future__ import annotations

from enum import StrEnum

from angarium.core.values import direct


@direct
class MessageState(StrEnum):
    """What is known of a message."""

    SCHEDULED = "scheduled"  # waits for its hour
    QUEUED = "queued"  # a step is planned, no channel has taken it yet
    UNKNOWN = "unknown"  # it may have gone out; evidence is awaited, or a person has to decide
    SENT = "sent"  # a channel took it; no verdict yet
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"  # every step was tried and none reached the person
    REFUSED = "refused"  # this person is not to be told this: our rules or the provider's say so
    EXPIRED = "expired"  # its deadline passed before any channel took it
    CANCELLED = "cancelled"


@direct
class AttemptState(StrEnum):
    """What is known of one try of one step on one line."""

    QUEUED = "queued"  # due at `due_at`, on its line
    SUBMITTING = "submitting"  # the intent is committed; bytes may have left
    ACCEPTED = "accepted"  # the provider took it
    DELIVERED = "delivered"
    READ = "read"
    REFUSED = "refused"  # the provider said no, or our rules did at the last moment
    FAILED = "failed"  # taken, and then a receipt said it failed
    UNKNOWN = "unknown"  # no answer; it may have gone out
    CANCELLED = "cancelled"  # will not be submitted


M, A = MessageState, AttemptState

MESSAGE_TRANSITIONS: dict[MessageState, frozenset[MessageState]] = {
    M.SCHEDULED: frozenset(set(M) - {M.SCHEDULED}),
    M.QUEUED: frozenset(set(M) - {M.QUEUED}),
    # a late answer may say that it certainly was not taken: then it ends as any other
    M.UNKNOWN: frozenset({M.SENT, M.DELIVERED, M.READ, M.FAILED, M.REFUSED, M.EXPIRED, M.CANCELLED}),
    # once the copy that was taken has failed: UNKNOWN if another was never answered, CANCELLED by a person
    M.SENT: frozenset({M.DELIVERED, M.READ, M.FAILED, M.UNKNOWN, M.CANCELLED}),
    M.DELIVERED: frozenset({M.READ}),
    M.READ: frozenset(),
    M.FAILED: frozenset({M.DELIVERED, M.READ}),
    M.REFUSED: frozenset({M.DELIVERED, M.READ}),
    M.EXPIRED: frozenset({M.SENT, M.DELIVERED, M.READ}),
    M.CANCELLED: frozenset({M.SENT, M.DELIVERED, M.READ}),
}

ATTEMPT_TRANSITIONS: dict[AttemptState, frozenset[AttemptState]] = {
    # to ACCEPTED and beyond without SUBMITTING: news of an earlier try, heard before the next one
    # to UNKNOWN when no more will be tried: an earlier try under its key was not answered
    A.QUEUED: frozenset(
        {A.SUBMITTING, A.REFUSED, A.CANCELLED, A.UNKNOWN, A.ACCEPTED, A.DELIVERED, A.READ, A.FAILED}
    ),
    # back to QUEUED: certainly not taken, and worth another try (throttled, not yet written)
    A.SUBMITTING: frozenset({A.ACCEPTED, A.REFUSED, A.UNKNOWN, A.QUEUED, A.DELIVERED, A.READ, A.FAILED}),
    A.UNKNOWN: frozenset({A.ACCEPTED, A.REFUSED, A.DELIVERED, A.READ, A.FAILED}),
    A.ACCEPTED: frozenset({A.DELIVERED, A.READ, A.FAILED}),
    A.FAILED: frozenset({A.DELIVERED, A.READ}),
    A.DELIVERED: frozenset({A.READ}),
    A.READ: frozenset(),
    # a provider that said no, or did not answer an earlier try, may yet report that it was delivered
    A.REFUSED: frozenset({A.DELIVERED, A.READ}),
    A.CANCELLED: frozenset({A.DELIVERED, A.READ}),
}

PAUSED = "It is paused."  # the detail of an attempt that waits until its label goes on

# Open: the one attempt of a message that is queued or on its way. A partial unique index holds it to one.
OPEN_ATTEMPT = (A.QUEUED, A.SUBMITTING)
# The rank of good news.
ATTEMPT_SUCCESS = {A.ACCEPTED: 1, A.DELIVERED: 2, A.READ: 3}


def may_become(state: MessageState, next_state: MessageState) -> bool:
    """Whether a message in `state` may be set to `next_state`; to stay is always allowed."""
    return state == next_state or next_state in MESSAGE_TRANSITIONS[state]


def attempt_may_become(state: AttemptState, next_state: AttemptState) -> bool:
    """Whether an attempt in `state` may be set to `next_state`."""
    return next_state in ATTEMPT_TRANSITIONS[state]


def diagram(
    transitions: dict[MessageState, frozenset[MessageState]] | dict[AttemptState, frozenset[AttemptState]],
) -> str:
    """A table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for state, nexts in transitions.items():
        lines += [f"    {state.value} --> {following.value}" for following in sorted(nexts)]
    return "\n".join(lines)
