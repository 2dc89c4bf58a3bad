"""Whether this person may be told a message of this class at all, at this address.

A promotional text stops at an opt-out, at a suppressed address and at the operators' advertising blacklist,
on every channel and line: there is no way round by a service line. Service, transactional and otp messages
reach blacklisted numbers, on lines approved for their class. An opt-out of everything stops all but otp and
transactional, which the person asked for by acting.
"""

from __future__ import annotations

from angarium.contacts.consent import ALL, Choices, State, said
from angarium.contacts.suppression import REASONS, SAYS
from angarium.core.values import MessageClass, Reason
from angarium.messaging.gate.documents import Need
from angarium.messaging.gate.facts import Facts
from angarium.messaging.gate.verdicts import ALLOW, Allow, Refuse

CONSENT_AT = "/v1/policies/consent"
SUPPRESSIONS_AT = "/v1/suppressions"


def opted_out(facts: Facts, _now: int) -> Allow | Refuse:
    """The person said no to this class, or to everything: on this channel, or on every one."""
    standing = facts.standing
    if not standing.opted_out:
        return ALLOW
    message_class, channel = facts.message_class, facts.line.channel
    choices = Choices(standing.opted_out, standing.opted_in)
    if said(choices, message_class, channel) is not State.WITHDRAWN:
        return ALLOW
    if facts.policies.consent.need(message_class, channel, standing.country) is Need.NOT_NEEDED:
        return ALLOW
    name = message_class.value
    if said(choices, message_class, "") is not State.WITHDRAWN:
        detail = f"The contact opted out of {name} messages on {channel}."
        return Refuse(Reason.NO_CONSENT, detail, "opt-out", facts.contact_at)
    everything = name not in standing.opted_out and ALL in standing.opted_out
    detail = f"The contact opted out of {'all' if everything else name} messages."
    return Refuse(Reason.OPTED_OUT, detail, "opt-out", facts.contact_at)


def consented(facts: Facts, _now: int) -> Allow | Refuse:
    """Where the policy asks for a yes, the person has said it."""
    policy, standing = facts.policies.consent, facts.standing
    if not policy.rules:
        return ALLOW
    message_class, channel = facts.message_class, facts.line.channel
    if policy.need(message_class, channel, standing.country) is not Need.OPT_IN:
        return ALLOW
    if said(Choices(standing.opted_out, standing.opted_in), message_class, channel) is State.GRANTED:
        return ALLOW
    detail = f"The contact has not agreed to {message_class.value} messages on {channel or 'any channel'}."
    return Refuse(Reason.NO_CONSENT, detail, "consent", CONSENT_AT)


def blacklisted(facts: Facts, _now: int) -> Allow | Refuse:
    """The number is on the operators' advertising blacklist."""
    if facts.message_class is not MessageClass.PROMOTIONAL or not facts.standing.operator_blacklist:
        return ALLOW
    detail = "The number is on the operator's advertising blacklist."
    return Refuse(Reason.OPERATOR_BLACKLIST, detail, "operator-blacklist", facts.contact_at)


def suppressed(facts: Facts, now: int) -> Allow | Refuse:
    """The address is on the suppression list, for every line or for this one."""
    for one in facts.suppressed:
        if one.stops(facts.message_class, facts.line.line_id, now):
            return Refuse(REASONS[one.why], SAYS[one.why], "suppression", SUPPRESSIONS_AT)
    return ALLOW


RULES = (
    ("opt-out", opted_out),
    ("consent", consented),
    ("operator-blacklist", blacklisted),
    ("suppression", suppressed),
)
