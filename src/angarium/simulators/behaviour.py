"""What a simulated operator does with a message: decided by the recipient's last digits and by a script.

The table of last digits is the same on every face, so that a number alone tells what will happen; a script
(rules, first match wins) overrides it per face, and faults make the whole operator misbehave.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Behaviour(StrEnum):
    """The fate of one message at one operator."""

    READ = "read"  # delivered, then read
    DELIVERED = "delivered"
    NOT_A_USER = "not_a_user"  # refused at once, or by a quick receipt where the API can only do that
    BLOCKED = "blocked"  # the person blocked the sender
    EXPIRED = "expired"  # accepted; expires at the end of its time to live
    LATE = "late"  # delivered, but after its time to live
    SILENT = "silent"  # accepted; never another word
    THROTTLED = "throttled"  # refused with "slow down" twice, then delivered
    LOST_ANSWER = "lost_answer"  # accepted and delivered, but the answer to the submission never comes
    DOUBLED = "doubled"  # receipts come twice and out of order
    TEMPLATE_PAUSED = "template_paused"
    WINDOW_CLOSED = "window_closed"
    UNDELIVERED = "undelivered"  # accepted, then a receipt says failed


BY_LAST_DIGITS = {
    "00": Behaviour.READ,
    "01": Behaviour.DELIVERED,
    "02": Behaviour.NOT_A_USER,
    "03": Behaviour.BLOCKED,
    "04": Behaviour.EXPIRED,
    "05": Behaviour.LATE,
    "06": Behaviour.SILENT,
    "07": Behaviour.THROTTLED,
    "08": Behaviour.LOST_ANSWER,
    "09": Behaviour.DOUBLED,
    "10": Behaviour.TEMPLATE_PAUSED,
    "11": Behaviour.WINDOW_CLOSED,
    "12": Behaviour.UNDELIVERED,
}


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recipients that end in `suffix`, on `face` ("*" for every face), get this behaviour."""

    behaviour: Behaviour
    face: str = "*"
    suffix: str = ""


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the whole face misbehaves. Shares are 0..1 and are taken in a fixed rhythm, not by chance."""

    throttle_per_s: float = 0  # more submissions a second than this are refused with "slow down"; 0: no limit
    silent_share: float = 0  # submissions accepted and never answered
    double_share: float = 0  # receipts sent twice
    reorder_share: float = 0  # receipts sent before the answer to the submission
    drop_every: int = 0  # close the connection after every so many submissions
    garbage_share: float = 0  # answers that are nonsense
    stray_share: float = 0  # receipts followed by one for an id that nobody was given
    error_share: float = 0  # over HTTP: taken, and answered with 500
    answer_delay_s: float = 0
    late_share: float = 0  # answers that come only after late_s
    late_s: float = 0
    slow_body_s: float = 0  # over HTTP: how long an answer's body trickles
    away: bool = False  # nobody listens, and every connection is cut
    receipt_delay_s: float = 0.05
    read_delay_s: float = 0.2


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be told to a simulated operator; replaced whole by `PUT /script`."""

    rules: tuple[Rule, ...] = ()
    faults: dict[str, Faults] = {}  # by face; "*" for every face
    otherwise: dict[str, Behaviour] = {}  # by face, for recipients no rule and no digits decide; "*" too

    def behaviour(self, face: str, recipient: str) -> Behaviour:
        """What happens to a message for this recipient on this face."""
        for rule in self.rules:
            if rule.face in ("*", face) and recipient.endswith(rule.suffix):
                return rule.behaviour
        decided = BY_LAST_DIGITS.get(recipient[-2:])
        if decided is not None:
            return decided
        return self.otherwise.get(face) or self.otherwise.get("*") or Behaviour.DELIVERED

    def faults_of(self, face: str) -> Faults:
        """How this face misbehaves now."""
        return self.faults.get(face) or self.faults.get("*") or Faults()


class Rhythm:
    """Turns a share into a steady rhythm: `Rhythm().due(0.25)` is true every fourth time."""

    def __init__(self) -> None:
        self._owed = 0.0

    def due(self, share: float) -> bool:
        """Whether it is time again."""
        self._owed += share
        if self._owed >= 1:
            self._owed -= 1
            return True
        return False
