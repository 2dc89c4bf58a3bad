"""Identity: 64-bit, time-ordered, minted by us before the insert, printed as `msg_01hv…`.

Layout of the 63 usable bits: 42 of milliseconds since 2024-01-01, 8 of node, 13 of sequence. Two
processes that mint at once must have different nodes; one process never mints the same id twice, even
when its wall clock steps back.
"""

from __future__ import annotations

import threading

from angarium.core.clock import Clock

EPOCH_MS = 1_704_067_200_000
NODE_BITS, SEQUENCE_BITS = 8, 13
NODE_MAX = (1 << NODE_BITS) - 1
SEQUENCE_MAX = (1 << SEQUENCE_BITS) - 1
ID_MAX = (1 << 63) - 1
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u
WIDTH = 13
PAIRS = [first + second for first in DIGITS for second in DIGITS]  # two digits at a time: half the work
VALUES = {digit: value for value, digit in enumerate(DIGITS)}

PREFIXES = {
    "workspace": "ws",
    "api_key": "key",
    "consent": "cns",
    "person": "per",
    "session": "ses",
    "passkey": "pky",
    "invitation": "inv",
    "identity_provider": "idp",
    "contact": "con",
    "field": "fld",
    "merge": "mrg",
    "suppression": "sup",
    "address": "adr",
    "import": "imp",
    "export": "exp",
    "line": "lin",
    "tariff": "trf",
    "price_list": "prl",
    "template": "tpl",
    "cascade": "cas",
    "message": "msg",
    "attempt": "att",
    "receipt": "rec",
    "journal": "jrn",
    "inbound": "inb",
    "fact": "fct",
    "registration": "reg",
    "document": "doc",
    "pattern": "pat",
    "segment": "seg",
    "campaign": "cmp",
    "notice": "ntc",
    "media": "media",
    "smpp_account": "smp",
    "twilio_account": "twa",
}


class IdMint:
    """Makes ids for one process, also when the event loop and the writer of the database ask at once."""

    def __init__(self, clock: Clock, node: int = 0) -> None:
        self._clock = clock
        self.become(node)
        self._last_ms = 0
        self._sequence = 0
        self._one_at_a_time = threading.Lock()

    def become(self, node: int) -> None:
        """Mint from now on as another number, which nobody else has."""
        if not 0 <= node <= NODE_MAX:
            raise ValueError(f"node must be 0..{NODE_MAX}, not {node}")
        self._node = node << SEQUENCE_BITS

    @property
    def node(self) -> int:
        """The number of this process in the ids that it mints."""
        return self._node >> SEQUENCE_BITS

    def mint(self) -> int:
        """The next id; ids of one mint strictly increase."""
        with self._one_at_a_time:
            now_ms = self._clock.now() // 1000 - EPOCH_MS
            if now_ms > self._last_ms:
                self._last_ms, self._sequence = now_ms, 0
            elif self._sequence == SEQUENCE_MAX:
                self._last_ms, self._sequence = self._last_ms + 1, 0
            else:
                self._sequence += 1
            return self._last_ms << (NODE_BITS + SEQUENCE_BITS) | self._node | self._sequence

    def mint_many(self, count: int) -> list[int]:
        """So many ids, in their order; beyond what a millisecond holds they are of those to come."""
        with self._one_at_a_time:
            now_ms = self._clock.now() // 1000 - EPOCH_MS
            begins = max(now_ms << SEQUENCE_BITS, (self._last_ms << SEQUENCE_BITS | self._sequence) + 1)
            self._last_ms, self._sequence = divmod(begins + count - 1, SEQUENCE_MAX + 1)
        shift, node = NODE_BITS + SEQUENCE_BITS, self._node
        return [
            (at >> SEQUENCE_BITS) << shift | node | at & SEQUENCE_MAX for at in range(begins, begins + count)
        ]


def earliest(at: int) -> int:
    """The least id that can be minted at an instant: ids are ordered by time. Before their epoch it is 0, and
    after the 139 years that they tell apart, the greatest."""
    return max(0, min(ID_MAX, (at // 1000 - EPOCH_MS) << (NODE_BITS + SEQUENCE_BITS)))


def show(noun: str, value: int) -> str:
    """An id as people and systems see it: `show("message", 1) == "msg_0000000000001"`."""
    two = PAIRS
    return (  # several for each message: without a loop in half the time
        f"{PREFIXES[noun]}_{DIGITS[value >> 60]}{two[value >> 50 & 1023]}{two[value >> 40 & 1023]}"
        f"{two[value >> 30 & 1023]}{two[value >> 20 & 1023]}{two[value >> 10 & 1023]}{two[value & 1023]}"
    )


def read(noun: str, text: str) -> int:
    """The id behind a shown one; ValueError when it is not one of this noun."""
    prefix, _, digits = text.partition("_")
    if prefix != PREFIXES[noun] or len(digits) != WIDTH:
        raise ValueError(f"not {noun} id: {text!r} (expected {PREFIXES[noun]}_ and {WIDTH} characters)")
    value = 0
    for digit in digits.lower():
        if digit not in VALUES:
            raise ValueError(f"not {noun} id: {text!r} (unexpected character {digit!r})")
        value = value * 32 + VALUES[digit]
    if value >= 1 << 63:
        raise ValueError(f"not {noun} id: {text!r} (out of range)")
    return value
