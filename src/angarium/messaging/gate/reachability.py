"""What is remembered of reaching a person: a step that is known to be in vain is passed over."""

from __future__ import annotations

from collections.abc import Iterator

from angarium.core.clock import iso, micros
from angarium.core.values import MessageClass, Reason
from angarium.messaging.cascade import Step
from angarium.messaging.gate.documents import Reachability
from angarium.messaging.gate.facts import Facts, Remembered
from angarium.messaging.gate.verdicts import ALLOW, Allow, InVain
from angarium.messaging.retry import Action, action

NAME = "reachability"
SET_AT = "/v1/policies/reachability"
REMEMBERED = (Reason.NOT_A_USER, Reason.BLOCKED_BY_USER, Reason.NO_RECEIPT)
DAY_S = 86_400.0

Against = tuple[Reason, int, int, str]  # why, when it was heard, for how many days it is believed, in words


def believed(step: Step, message_class: MessageClass) -> frozenset[Reason]:
    """What may be believed of a step: what leads on to the next one when it is heard. What would end the
    message is heard once more: memory ends nothing, and leads no advertising past a block."""
    return frozenset(
        reason for reason in REMEMBERED if action(reason, message_class, step.on) is not Action.STOP
    )


def in_vain(facts: Facts, now: int) -> Allow | InVain:
    """What was heard lately need not be heard again; a step that is the last is always tried."""
    one, policy = facts.remembered, facts.policies.reachability
    if one is None or not policy.enabled or facts.message_class not in policy.classes:
        return ALLOW
    for reason, heard_at, days, says in _against(one, policy, facts):
        if reason in one.believed and now < heard_at + micros(days * DAY_S):
            return InVain(
                reason, f"{says} on {iso(heard_at)[:10]}.", NAME, SET_AT, heard_at, facts.line.channel
            )
    return ALLOW


def _against(one: Remembered, policy: Reachability, facts: Facts) -> Iterator[Against]:
    known = one.known
    if known.not_a_user:
        said = f"Not a user of {one.channel}, heard"
        yield Reason.NOT_A_USER, known.not_a_user_at, policy.not_a_user_days, said
    for block in known.blocked:
        if block.line_id == facts.line.line_id:
            said = f"The person has blocked the line {facts.line.name} of {one.channel}, heard"
            yield Reason.BLOCKED_BY_USER, block.at, policy.blocked_days, said
    if 0 < policy.silent_after <= known.unheard:
        said = f"No receipt of {one.channel} for {known.unheard} messages in a row, the last"
        yield Reason.NO_RECEIPT, known.silent_at, policy.silent_days, said
