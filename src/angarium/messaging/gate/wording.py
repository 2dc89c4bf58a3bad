"""Whether the words fit the class: what promotes is promotional, whatever it is called.

A text with a discount in it, sent as a service message, would get past a blacklist, an opt-out and a missing
consent. `content/promotional.py` finds the words; the policy `content-control` says what is done.
"""

from __future__ import annotations

from angarium.core.values import Reason
from angarium.messaging.gate.facts import Facts
from angarium.messaging.gate.verdicts import ALLOW, Allow, Hold, Refuse

SET_AT = "/v1/policies/content-control"
SHOWN = 5  # words that are named


def promotes(facts: Facts, _now: int) -> Allow | Hold | Refuse:
    """Wording that promotes goes as promotional, or not at all."""
    found = facts.promotes
    if found is None:
        return ALLOW
    named = ", ".join(f"“{word}”" for word in found.words[:SHOWN])
    what = f"A {facts.message_class.value} message may not promote"
    if found.action == "hold":
        return Hold(Reason.REVIEW, f"{what}, and this may: {named}. A person has to look.", "wording", SET_AT)
    detail = f"{what}: {named}. Send it as promotional, or take these words out."
    return Refuse(Reason.PROMOTIONAL, detail, "wording", SET_AT)
