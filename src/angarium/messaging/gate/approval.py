"""Whether these words were approved by whoever must approve them."""

from __future__ import annotations

import msgspec

from angarium.content.approval import Approvals, demand
from angarium.core.values import MessageClass, Reason
from angarium.messaging.gate.verdicts import ALLOW, Allow, Refuse

RULE = "approval"


class Wording(msgspec.Struct, frozen=True):
    """What is known of the words: whether others had to approve them, and whether they come from a template.

    A template has nothing in force but what was published, and nothing is published that was not approved
    where the policy asked for it. So a template's words were approved, and a message's own were not.
    """

    approvals: int = 0  # of others, that the policy asks of this class on this channel
    from_template: bool = False
    recalled: bool = False  # the version was taken back, with all that waits to go out with it


NO_WORDS = Wording()


def wording(
    policy: Approvals, message_class: MessageClass, channel: str, version_id: int, recalled: frozenset[int]
) -> Wording:
    """What the gate has to know of a message's words on a channel."""
    if not policy.rules and not recalled:
        return NO_WORDS
    asked = demand(policy, message_class, frozenset({channel})).approvals
    return Wording(asked, version_id != 0, version_id in recalled)


def approved(words: Wording) -> Allow | Refuse:
    """Words of a message's own go where nobody has to approve them; recalled ones go nowhere."""
    if words.recalled:
        detail = "The version of the template was taken back before it could be sent."
        return Refuse(Reason.NOT_APPROVED, detail, RULE, "/v1/templates")
    if words.approvals and not words.from_template:
        others = "Somebody else" if words.approvals == 1 else f"{words.approvals} others"
        detail = f"{others} must approve such words: use an approved template."
        return Refuse(Reason.NOT_APPROVED, detail, RULE, "/v1/policies/approvals")
    return ALLOW
