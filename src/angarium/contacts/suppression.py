"""Addresses that are not written to, whoever owns them: why, and which messages each reason stops. Pure.

An entry is about an address and not about a person: it stays when the address moves to another contact, and
when the person is erased, of whom a keyed hash is left. It holds for the whole workspace or for one line.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from angarium.core.values import AddressKind, MessageClass, Reason

PROMOTIONAL = frozenset({MessageClass.PROMOTIONAL})
DAY_S = 86_400.0


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


# What a channel says of an attempt, as what is noted of its address, for every line; by mail an opt-out is a
# complaint (RFC 5965), because everything else comes by the link in the mail.
NOTED: dict[tuple[AddressKind, Reason], Why] = {
    (AddressKind.EMAIL, Reason.BAD_ADDRESS): Why.HARD_BOUNCE,
    (AddressKind.EMAIL, Reason.OPTED_OUT): Why.COMPLAINT,
    (AddressKind.WEB_PUSH, Reason.BAD_ADDRESS): Why.HARD_BOUNCE,  # it is gone for good: RFC 8030 §7.3
    (AddressKind.PHONE, Reason.OPERATOR_BLACKLIST): Why.OPERATOR_BLACKLIST,
}
# How long that is believed: who is on an operator's list may take themselves off, and nobody tells us.
BELIEVED_S: dict[Why, float] = {Why.OPERATOR_BLACKLIST: 180 * DAY_S}
AGAIN_S = DAY_S  # between two words that count as two

Days = Annotated[int, msgspec.Meta(ge=0, le=3_650)]


class BadAddresses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how many days a provider is believed that there is no such address, on the line that it told so.
    0 days: not at all.

    A number that nobody has is given to somebody in time, and a network may be wrong for an hour: of a
    number a provider is believed when it says so again, a day later or more. The ids of a messenger are
    nobody else's. Mailboxes and browsers that are gone are gone for every line and for good.
    """

    number_days: Days = 30
    id_days: Days = 365


class Note(msgspec.Struct, frozen=True):
    """What is noted of an address that a provider spoke of."""

    why: Why
    everywhere: bool = True  # or on the line that heard it
    believed_s: float = 0.0  # 0: for good
    again: bool = False  # in force only once it is said again


def note_of(kind: AddressKind, reason: Reason, code: str, policy: BadAddresses) -> Note | None:
    """What is noted of an address; None: nothing.

    That there is no such number or id is true on one line: a bot knows its own chats alone, and an operator
    of one country calls the numbers of others invalid. And it is noted only as a word of the provider's:
    without a `code` it is our own, of an address that the channel cannot write.
    """
    why = NOTED.get((kind, reason))
    if why is not None:
        return Note(why, believed_s=BELIEVED_S.get(why, 0.0))
    if reason is not Reason.BAD_ADDRESS or not code or kind in (AddressKind.EMAIL, AddressKind.WEB_PUSH):
        return None
    is_number = kind is AddressKind.PHONE
    days = policy.number_days if is_number else policy.id_days
    return Note(Why.HARD_BOUNCE, everywhere=False, believed_s=days * DAY_S, again=is_number) if days else None
