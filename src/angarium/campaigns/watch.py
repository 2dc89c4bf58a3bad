"""When a campaign pauses by itself: too many messages fail, or too many people leave. Pure.

A campaign that goes wrong does so for everybody; whoever is asked soon loses little. Nothing is judged before
enough is known, and what is still under way counts for neither side.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Percent = Annotated[float, msgspec.Meta(gt=0, le=100)]


class PauseWhen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits above which nobody more is told until a person has looked; null is no limit."""

    failed_percent: Percent | None = 50.0  # of the newest messages of which it is known how they went
    left_percent: Percent | None = 5.0  # who said STOP or left by the link, of all who were told
    known: Annotated[int, msgspec.Meta(ge=20, le=2_000)] = 200  # before that many nothing is judged


class Seen(msgspec.Struct, frozen=True):
    """What is known of a campaign that runs."""

    went: int = 0  # of the newest messages: delivered, or read
    failed: int = 0  # of the same
    told: int = 0
    left: int = 0


FAILING, LEAVING = "failing", "leaving"
RESTORED = "restored"  # no limit: the database is from a backup


def verdict(limits: PauseWhen, seen: Seen) -> str:
    """Why it should pause; empty when it may go on."""
    known = seen.went + seen.failed
    if known >= limits.known and _above(limits.failed_percent, seen.failed, known):
        return FAILING
    if seen.told >= limits.known and _above(limits.left_percent, seen.left, seen.told):
        return LEAVING
    return ""


def _above(percent: float | None, part: int, whole: int) -> bool:
    return percent is not None and part * 100 >= percent * whole
