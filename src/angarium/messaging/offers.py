"""What the sender of a line offers to those who write down what goes out on it (`straight.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from angarium.lines.store import Line
from angarium.messaging.condition import Grant
from angarium.messaging.store.attempts import Attempt


class Offer(msgspec.Struct, frozen=True, eq=False):
    """Places of one line for one transaction. `at`: the instant of the claim, which no other of its sender
    has; `others`: how many places there are for lanes other than the first."""

    line: Line
    epoch: int
    at: int
    grant: Grant
    others: int


class Taker(Protocol):
    """Who sends on a line here. An offer ends with one of the other two."""

    def offer(self, most: int) -> Offer | None:
        """Places for at most so many, where nothing is known to wait."""

    def take(self, offer: Offer, claimed: Sequence[Attempt]) -> None:
        """After the commit: hand over what was claimed of it."""

    def leave(self, offer: Offer, *, unsure: bool) -> None:
        """Nothing was claimed of it; or nobody knows, as when the answer to a COMMIT is lost."""
