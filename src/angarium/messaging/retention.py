"""How long a workspace keeps what has come to its end; the policy `retention`. Pure.

What was counted stays for ever: costs, traffic, health of lines, budgets, what campaigns and labels came to,
consents, the audit log. What waits, or waits for a person, is never let go of.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from angarium.core.clock import micros

DAY_S = 86_400.0
# Rules look back at what somebody was sent (caps) for at most so long, and receipts come late.
Long = Annotated[int, msgspec.Meta(ge=35, le=3_650)]
Short = Annotated[int, msgspec.Meta(ge=1, le=90)]


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Days. None: for ever."""

    messages_days: Long | None = None  # with attempts, references and their timeline, counted from acceptance
    inbound_days: Long | None = None  # what customers sent
    callbacks_days: Short = 7  # raw callbacks that were understood; the others stay until somebody has looked
    exchanges_days: Short = 7  # what was said to providers


def before(days: int, now: int) -> int:
    """The instant before which it is too old."""
    return now - micros(days * DAY_S)
