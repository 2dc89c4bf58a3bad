"""What is remembered of reaching a person: a step that is known to be in vain is passed over."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from angarium.contacts.reachability import SILENT_ENDS, Known
from angarium.core.clock import iso, micros
from angarium.core.values import MessageClass, Reason
from angarium.messaging.cascade import Step
from angarium.messaging.gate.documents import Reachability
from angarium.messaging.gate.facts import Facts
from angarium.messaging.gate.verdicts import ALLOW, Allow, InVain
from angarium.messaging.retry import Action, action

NAME = "reachability"
SET_AT = "/v1/policies/reachability"
DAY_S = 86_400.0
SAYS = {
    Reason.NOT_A_USER: "Not a user of {channel}, heard on {day}.",
    Reason.BLOCKED_BY_USER: "The person has blocked the line {line} of {channel}, heard on {day}.",
    Reason.NO_RECEIPT: "{channel} took {unheard} messages in a row and delivered none, the last on {day}.",
}


class Heard(msgspec.Struct, frozen=True):
    """Something that speaks against a channel, or against one line of it, for so long."""

    reason: Reason
    at: int
    until: int
    line_id: int = 0  # 0: every line


def believed(step: Step, message_class: MessageClass) -> frozenset[Reason]:
    """What may be believed of a step: what leads on to the next one when it is heard. What would end the
    message is heard once more: memory ends nothing, and leads no advertising past a block."""
    ends = {one for one in (*SAYS, *SILENT_ENDS) if action(one, message_class, step.on) is Action.STOP}
    if ends & SILENT_ENDS:
        ends.add(Reason.NO_RECEIPT)
    return frozenset(SAYS) - ends


def in_vain(facts: Facts, now: int) -> Allow | InVain:
    """What was heard lately need not be heard again; a step that is the last is always tried."""
    recalled, policy, line = facts.remembered, facts.policies.reachability, facts.line
    if recalled is None or facts.message_class not in policy.classes:
        return ALLOW
    for one in speaks_against(recalled.known, policy, now):
        if one.reason in recalled.believed and one.line_id in (0, line.line_id):
            detail = SAYS[one.reason].format(
                channel=recalled.channel,
                line=line.name,
                unheard=recalled.known.unheard,
                day=iso(one.at)[:10],
            )
            return InVain(one.reason, detail, NAME, SET_AT, one.at, line.channel)
    return ALLOW


def speaks_against(known: Known, policy: Reachability, now: int) -> Iterator[Heard]:
    """What of all that is remembered is still believed."""
    if policy.enabled:
        yield from (one for one in _heard(known, policy) if now < one.until)


def _heard(known: Known, policy: Reachability) -> Iterator[Heard]:
    if known.not_a_user:
        at = known.not_a_user_at
        yield Heard(Reason.NOT_A_USER, at, at + micros(policy.not_a_user_days * DAY_S))
    for line_id, at in ((block.line_id, block.at) for block in known.blocked):
        yield Heard(Reason.BLOCKED_BY_USER, at, at + micros(policy.blocked_days * DAY_S), line_id)
    if 0 < policy.silent_after <= known.unheard:
        at = known.silent_at
        yield Heard(Reason.NO_RECEIPT, at, at + micros(policy.silent_days * DAY_S))
