"""Frequency caps: how many messages a contact gets in a window.

A message counts once, however many steps it takes: what was handed over and not refused, or may have been.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta

import msgspec

from angarium.core.clock import local_date, micros
from angarium.core.values import MessageClass, Reason
from angarium.core.window import instant
from angarium.messaging.gate.documents import Cap, Caps
from angarium.messaging.gate.facts import Facts, Touch
from angarium.messaging.gate.verdicts import ALLOW, Defer, Refuse, Verdict

NAME = "caps"
SET_AT = "/v1/policies/caps"
ONE = {"hours": "one hour", "days": "one day"}
HOUR_S, DAY_S = 3_600.0, 86_400.0


class _Over(msgspec.Struct, frozen=True):
    """A cap that is used up, and when it has room again."""

    cap: Cap
    until: int


def caps(facts: Facts, now: int) -> Verdict:
    """Over a cap a message waits for room, or is refused."""
    rules = facts.policies.caps.rules
    if not rules or facts.message_class is MessageClass.OTP:
        return ALLOW
    channel, zone = facts.line.channel, facts.zone
    fitting = [one for one in rules if one.covers(facts.message_class, channel)]
    over = [found for one in fitting if (found := _over(one, facts, zone, now)) is not None]
    if not over:
        return ALLOW
    refusing = next((one for one in over if one.cap.over == "refuse"), None)
    last = max(over, key=lambda one: one.until)
    detail = _says((refusing or last).cap)
    if refusing is not None:
        return Refuse(Reason.CAPPED, detail, NAME, SET_AT)
    if last.until >= facts.expires_at:
        return Refuse(Reason.CAPPED, f"{detail} There is no room before the deadline.", NAME, SET_AT)
    return Defer(last.until, Reason.CAPPED, detail, NAME, SET_AT)


def _over(cap: Cap, facts: Facts, zone: str, now: int) -> _Over | None:
    since = window_begins(cap, zone, now)
    used = _counted(cap, facts.touches, facts.message_id, since)
    if len(used) < cap.most:
        return None
    if cap.counted == "calendar":
        return _Over(cap, _midnight(zone, now, 1))
    # room comes when the oldest of those that fill it leaves the window
    return _Over(cap, used[-cap.most] + micros(_window_s(cap)) + 1)


def _counted(cap: Cap, touches: Iterable[Touch], message_id: int, since: int) -> list[int]:
    """When the messages were sent that a cap counts in its window, the oldest first; each once, as of its
    last step."""
    last: dict[int, int] = {}
    for one in touches:
        mine = one.message_id == message_id or not cap.covers(one.message_class, one.channel)
        if not mine and one.at >= since:
            last[one.message_id] = max(last.get(one.message_id, 0), one.at)
    return sorted(last.values())


def window_begins(cap: Cap, zone: str, now: int) -> int:
    """What was sent before is not counted."""
    if cap.counted == "calendar":
        return _midnight(zone, now, 1 - cap.window)
    return now - micros(_window_s(cap))


def looks_back_to(rules: Caps, now: int) -> int:
    """The beginning of the longest window, in whichever zone."""
    spans = [_window_s(one) + (DAY_S if one.counted == "calendar" else 0.0) for one in rules.rules]
    return now - micros(max(spans, default=0.0))


def _window_s(cap: Cap) -> float:
    return cap.window * (HOUR_S if cap.unit == "hours" else DAY_S)


def _midnight(zone: str, now: int, days: int) -> int:
    """When a day of the contact's calendar begins: today's is 0, tomorrow's 1."""
    day = local_date(now, zone) + timedelta(days=days)
    return instant(datetime.combine(day, time(0)), zone)


def _says(cap: Cap) -> str:
    classes = " or ".join(one.value for one in cap.classes)
    span = f"{cap.window} {cap.unit}" if cap.window > 1 else ONE[cap.unit]
    if cap.channels:
        by = ", ".join(cap.channels)
        return (
            f"The contact has had {cap.most} {classes} messages by {by} within {span}, "
            "as many as the cap allows."
        )
    return f"The contact has had {cap.most} {classes} messages within {span}, as many as the cap allows."
