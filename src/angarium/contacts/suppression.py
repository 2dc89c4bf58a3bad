"""Addresses that are not written to, whoever owns them: why, and which messages each reason stops. Pure.

An entry is about an address and not about a person: it stays when the address moves to another contact, and
when the person is erased, of whom a keyed hash is left. It holds for the whole workspace or for one line.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from angarium.core.values import AddressKind, MessageClass, Reason

PROMOTIONAL = frozenset({MessageClass.PROMOTIONAL})


class Why(StrEnum):
    """Why an address is on the list."""

    OPT_OUT = "opt_out"  # whoever has the address said no to advertising
    HARD_BOUNCE = "hard_bounce"  # there is no such mailbox or number
    COMPLAINT = "complaint"  # called it spam
    OPERATOR_BLACKLIST = "operator_blacklist"  # its operator lets no advertising through
    REGULATOR = "regulator"  # on a public register of those who want no advertising


# A code goes to an address that has bounced: a person has just said that it is theirs. What is no advertising
# goes to whoever complained of advertising: they wait for their order all the same.
STOPS: dict[Why, frozenset[MessageClass]] = {
    Why.OPT_OUT: PROMOTIONAL,
    Why.HARD_BOUNCE: frozenset(MessageClass) - {MessageClass.OTP},
    Why.COMPLAINT: PROMOTIONAL,
    Why.OPERATOR_BLACKLIST: PROMOTIONAL,
    Why.REGULATOR: PROMOTIONAL,
}
REASONS: dict[Why, Reason] = {
    Why.OPT_OUT: Reason.OPTED_OUT,
    Why.HARD_BOUNCE: Reason.BAD_ADDRESS,
    Why.COMPLAINT: Reason.SUPPRESSED,
    Why.OPERATOR_BLACKLIST: Reason.OPERATOR_BLACKLIST,
    Why.REGULATOR: Reason.SUPPRESSED,
}
SAYS: dict[Why, str] = {
    Why.OPT_OUT: "Whoever has this address opted out of advertising.",
    Why.HARD_BOUNCE: "There is no such address: a message to it came back for good.",
    Why.COMPLAINT: "Whoever has this address complained of advertising.",
    Why.OPERATOR_BLACKLIST: "The number is on the operator's advertising blacklist.",
    Why.REGULATOR: "The address is on a public register of those who want no advertising.",
}


# Somebody's own word, or that of a public register: whoever takes such an entry off the list says why, and
# that is kept. What a provider said is taken off without a word, as it is put on.
WANTS_A_WORD = frozenset({Why.OPT_OUT, Why.COMPLAINT, Why.REGULATOR})


class Suppressed(msgspec.Struct, frozen=True):
    """An entry as the gate sees it. `line_id` 0: on every line. `expires_at` 0: for good."""

    why: Why
    line_id: int = 0
    expires_at: int = 0

    def stops(self, message_class: MessageClass, line_id: int, now: int) -> bool:
        """Whether a message of a class may not go to the address on a line."""
        in_force = not self.expires_at or now < self.expires_at
        return in_force and self.line_id in (0, line_id) and message_class in STOPS[self.why]


# What a channel says of an attempt, as what is noted of its address. A number that nobody has today is given
# to somebody tomorrow, so that a text that fails says nothing of it; by mail an opt-out is a complaint (RFC
# 5965), because everything else comes by the link in the mail.
NOTED: dict[tuple[AddressKind, Reason], Why] = {
    (AddressKind.EMAIL, Reason.BAD_ADDRESS): Why.HARD_BOUNCE,
    (AddressKind.EMAIL, Reason.OPTED_OUT): Why.COMPLAINT,
    (AddressKind.WEB_PUSH, Reason.BAD_ADDRESS): Why.HARD_BOUNCE,  # it is gone for good: RFC 8030 §7.3
    (AddressKind.PHONE, Reason.OPERATOR_BLACKLIST): Why.OPERATOR_BLACKLIST,
}
# How long that is believed: who is on an operator's list may take themselves off, and nobody tells us.
BELIEVED_S: dict[Why, float] = {Why.OPERATOR_BLACKLIST: 180 * 86_400.0}
