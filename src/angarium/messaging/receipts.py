"""What a receipt changes: late, double, out of order, contradictory. Pure.

Rules: read implies delivered; good news lifts what was given up and is marked late; bad news after good news
is a contradiction and changes nothing; the same twice changes nothing. A text of several parts is delivered
when all its parts are, and failed when one is: a person who got half a code got nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from angarium.core.values import ReceiptStatus
from angarium.messaging.states import AttemptState, attempt_may_become

STATE_OF = {
    ReceiptStatus.ACCEPTED: AttemptState.ACCEPTED,
    ReceiptStatus.SENT: AttemptState.ACCEPTED,
    ReceiptStatus.DELIVERED: AttemptState.DELIVERED,
    ReceiptStatus.READ: AttemptState.READ,
    ReceiptStatus.FAILED: AttemptState.FAILED,
}

# Of which attempts a watermark speaks. One of which nobody knows whether it went out may not be among them.
BELOW = {
    ReceiptStatus.DELIVERED: (AttemptState.ACCEPTED,),
    ReceiptStatus.READ: (AttemptState.ACCEPTED, AttemptState.DELIVERED),
}

GIVEN_UP = frozenset({AttemptState.FAILED, AttemptState.REFUSED, AttemptState.CANCELLED})

# How far a part is from being delivered; the state of the whole is that of its worst part.
PART_ORDER = (
    AttemptState.FAILED,
    AttemptState.ACCEPTED,
    AttemptState.DELIVERED,
    AttemptState.READ,
)


class Applied(msgspec.Struct, frozen=True):
    """The attempt takes this state."""

    state: AttemptState
    lifted: bool = False  # it had been given up before


class Same(msgspec.Struct, frozen=True):
    """Nothing new."""


class Contradiction(msgspec.Struct, frozen=True):
    """Bad news after good news; kept in the timeline, changes nothing."""


def apply(state: AttemptState, next_state: AttemptState) -> Applied | Same | Contradiction:
    """What news of `next_state` does to an attempt (or to one part) in `state`."""
    if attempt_may_become(state, next_state):
        return Applied(next_state, lifted=state in GIVEN_UP)
    if next_state is AttemptState.FAILED and state in (AttemptState.DELIVERED, AttemptState.READ):
        return Contradiction()
    return Same()


def whole(parts: Sequence[AttemptState]) -> AttemptState:
    """The state of a text from the states of its parts."""
    return min(parts, key=PART_ORDER.index)
