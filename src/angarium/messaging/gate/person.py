"""Whether this person may be told a message of this class at all.

A promotional text stops at an opt-out and at the operators' advertising blacklist, on every channel and
every line: there is no way round by a service line. Service, transactional and otp messages reach blacklisted
numbers, on lines approved for their class. An opt-out of everything stops all but otp and transactional,
which the person asked for by acting.
"""

from __future__ import annotations

from angarium.core.values import MessageClass, Reason
from angarium.messaging.gate.facts import Facts
from angarium.messaging.gate.verdicts import ALLOW, Allow, Refuse

# Classes that an "opt out of everything" does not stop: the person asked for them by acting.
ASKED_FOR = frozenset({MessageClass.OTP, MessageClass.TRANSACTIONAL})


def opted_out(facts: Facts, _now: int) -> Allow | Refuse:
    """The person said no to this class, or to everything."""
    said_no = facts.standing.opted_out
    if not said_no:
        return ALLOW
    if facts.message_class.value in said_no:
        detail = f"The contact opted out of {facts.message_class.value} messages."
    elif "all" in said_no and facts.message_class not in ASKED_FOR:
        detail = "The contact opted out of all messages."
    else:
        return ALLOW
    return Refuse(Reason.OPTED_OUT, detail, "opt-out", facts.contact_at)


def blacklisted(facts: Facts, _now: int) -> Allow | Refuse:
    """The number is on the operators' advertising blacklist."""
    if facts.message_class is not MessageClass.PROMOTIONAL or not facts.standing.operator_blacklist:
        return ALLOW
    detail = "The number is on the operator's advertising blacklist."
    return Refuse(Reason.OPERATOR_BLACKLIST, detail, "operator-blacklist", facts.contact_at)


RULES = (("opt-out", opted_out), ("operator-blacklist", blacklisted))
