"""Finding things by what somebody writes into the command bar: what each room gives for it.

A room that has things to be found has a function `seek`, and assembly hands all of them over as the service
`seekers`. It looks by an index for a few: whatever is written, it answers at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from angarium.storage.database import Transaction


class Hit(msgspec.Struct, frozen=True):
    """Something found: where it is, what it is called, and what tells it from its likes."""

    path: str
    title: str
    detail: str = ""


Seeking = Callable[[Transaction, int, str, int], Awaitable[Sequence[Hit]]]  # workspace, what for, how many


class Seeker(msgspec.Struct, frozen=True):
    """Who looks for one kind of thing. Its words and its icon are those of the place `place`."""

    place: str
    scope: str
    icon: str
    seek: Seeking
