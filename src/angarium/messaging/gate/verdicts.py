"""What a rule says: it may go, it may go later, it may not go. Each no names the rule and where it is set."""

from __future__ import annotations

import msgspec

from angarium.core.values import Reason


class Allow(msgspec.Struct, frozen=True):
    """It may go now."""


class Defer(msgspec.Struct, frozen=True):
    """It may go, but not before `until` (microseconds UTC)."""

    until: int
    reason: Reason
    detail: str
    rule: str = ""  # its name in `judge.RULES`
    set_at: str = ""  # the path under which a person changes it


class Refuse(msgspec.Struct, frozen=True):
    """It may not go."""

    reason: Reason
    detail: str
    rule: str = ""
    set_at: str = ""


class InVain(Refuse, frozen=True):
    """It may not go this way: what was heard at `heard_at` says that nobody would get it. What it would have
    cost at the most, once the line is known."""

    heard_at: int = 0
    channel: str = ""
    spared_micros: int = 0
    currency: str = ""


class Hold(msgspec.Struct, frozen=True):
    """It may go once a person has said so."""

    reason: Reason
    detail: str
    rule: str = ""
    set_at: str = ""


Verdict = Allow | Defer | Hold | Refuse
ALLOW = Allow()
