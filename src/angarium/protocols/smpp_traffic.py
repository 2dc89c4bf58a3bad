"""The bookkeeping of a bind without its socket: parts of a text, easing off, what an operator repeats."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from angarium.core.ports import Accepted, Exchange, Outcome, Refused, Unknown
from angarium.core.values import Reason
from angarium.protocols.smpp_numbers import Command
from angarium.protocols.smpp_pdu import HEADER_SIZE, Frame, pack
from angarium.protocols.smpp_text import Alphabet
from angarium.protocols.smpp_told import told

PAUSE_FIRST_S, PAUSE_MAX_S = 1.0, 60.0
# Operators repeat a deliver_sm without an answer after half a minute and for a day (Rakuten's documentation).
# Before the first, an equal text is a person who wrote the same twice.
REPEAT_AFTER_S, REPEAT_WITHIN_S = 5.0, 86_400.0
DOUBTS_MAX = 10_000
NAME_MAX = 512  # octets of a message that are remembered as they are
NOT_WRITTEN = Refused(Reason.TEMPORARY, detail="not sent: another part of the text was not accepted")

# ── the parts of a text ──────────────────────────────────────────────────────────────────────────────


class Part:
    """One submit_sm of an attempt."""

    __slots__ = (
        "answer",
        "attempt",
        "body",
        "end",
        "heard",
        "heard_at",
        "number",
        "sequence",
        "total",
        "tries",
        "written_at",
    )

    def __init__(self, attempt: Attempt, number: int, total: int, body: bytes) -> None:
        self.attempt = attempt  # until it lets go of its parts
        self.number = number
        self.total = total
        self.body = body
        self.tries = 0
        self.written_at: float | None = None
        self.end: Outcome | None = None
        self.answer: Frame | None = None  # that accepted it
        self.sequence = 0  # under which it was written last; 0: never
        self.heard: Frame | None = None  # whatever was answered last
        self.heard_at: float | None = None

    def place(self) -> str:
        """`2/3`: the second of three."""
        return f"{self.number}/{self.total}"

    def exchange(self, alphabet: Alphabet) -> Exchange:
        """What was written last of it, and what was answered."""
        data = pack(Command.SUBMIT_SM, self.sequence, self.body)
        asked = told(Frame(Command.SUBMIT_SM, 0, self.sequence, data), alphabet)
        if self.total > 1:
            asked = msgspec.structs.replace(asked, head=f"{asked.head} {self.place()}")
        trouble = self.end.detail if isinstance(self.end, Unknown) and self.heard is None else ""
        written_at = self.written_at if self.written_at is not None else self.heard_at or 0.0
        answered = None if self.heard is None else told(self.heard, alphabet)
        return Exchange("smpp", asked, answered, written_at, self.heard_at, trouble)


class Attempt:
    """One submission on its way: its parts, and what became of each."""

    __slots__ = ("alphabet", "attempt_id", "client_ref", "parts")

    def __init__(
        self, attempt_id: int, client_ref: str, bodies: Sequence[bytes], alphabet: Alphabet = "gsm7"
    ) -> None:
        self.attempt_id = attempt_id
        self.client_ref = client_ref
        self.alphabet: Alphabet = alphabet
        self.parts = [Part(self, number, len(bodies), body) for number, body in enumerate(bodies, 1)]

    def exchanges(self) -> list[Exchange]:
        """Of each part that was written, in their order."""
        return [part.exchange(self.alphabet) for part in self.parts if part.sequence]

    def wants_the_rest(self) -> bool:
        """Whether a part that was turned away is still needed: others are out, and none has failed."""
        ends = [part.end for part in self.parts]
        if any(end is not None and not isinstance(end, Accepted) for end in ends):
            return False
        return any(part.end is not None or part.written_at is not None for part in self.parts)

    def ended(self, part: Part, end: Outcome) -> Outcome | None:
        """Note the end of a part; with the last one, the outcome of the whole.

        A failure ends the parts that were not written: half a text is worse than none.
        """
        part.end = end
        if len(self.parts) == 1:
            return end
        if not isinstance(end, Accepted):
            for other in self.parts:
                if other.end is None and other.written_at is None:
                    other.end = NOT_WRITTEN
        if any(other.end is None for other in self.parts):
            return None
        return whole([other.end for other in self.parts if other.end])

    def let_go(self) -> None:
        """Nothing more will be heard of its parts: they forget whose they are. A circle would stay, with the
        text and all, until the collector comes, and that is after some thirty thousand of them."""
        for part in self.parts:
            del part.attempt


def whole(ends: Sequence[Outcome]) -> Outcome:
    """What the ends of all parts come to.

    Accepted when all are, Refused when none is nor may be; anything between is Unknown, because to send the
    text again would repeat the parts that went out.
    """
    if all(isinstance(end, Accepted) for end in ends):
        return Accepted(tuple(ref for end in ends if isinstance(end, Accepted) for ref in end.refs))
    if all(isinstance(end, Refused) for end in ends):
        return next(end for end in ends if end is not NOT_WRITTEN)
    return Unknown("; ".join(_said(number, len(ends), end) for number, end in enumerate(ends, 1)))


def _said(number: int, total: int, end: Outcome) -> str:
    match end:
        case Accepted():
            return f"part {number} of {total} accepted"
        case Refused(code=code, detail=detail):
            return f"part {number} of {total} refused: {f'{code}, ' if code else ''}{detail}"
        case Unknown(detail):
            return f"part {number} of {total} unknown: {detail}"


# ── easing off ───────────────────────────────────────────────────────────────────────────────────────


class Easing:
    """The pause of a bind whose operator asks to slow down; it doubles each time it was too short."""

    def __init__(self) -> None:
        self.until = float("-inf")
        self._step_s = 0.0

    def throttled(self, written_at: float, now: float) -> float:
        """A message was refused so; how many seconds to keep still.

        Those that were written before the pause say nothing new.
        """
        if written_at >= self.until:
            self._step_s = min(max(2 * self._step_s, PAUSE_FIRST_S), PAUSE_MAX_S)
            self.until = now + self._step_s
        return self.left_s(now)

    def accepted(self, written_at: float) -> None:
        """A message was taken: if it was written after the pause, the pause was long enough."""
        if written_at >= self.until:
            self._step_s = 0.0

    def left_s(self, now: float) -> float:
        """How much of the pause is left."""
        return max(0.0, self.until - now)


# ── what an operator repeats ─────────────────────────────────────────────────────────────────────────


class _Doubt(msgspec.Struct, gc=False):
    """A message from the operator that it may not know we have."""

    first: str  # the bind on which it came first, and its number there
    sequence: int
    bind: str
    arrived_at: float
    last_at: float  # when it, or its latest repetition, came


class Repeats:
    """Tells an operator that repeats a message from a person who writes the same words again.

    SMPP gives a delivered message no id. An operator repeats one only when it saw no answer in time, so only
    bytes that were not answered, or answered late, are remembered.
    """

    def __init__(self) -> None:
        self._doubts: dict[bytes, _Doubt] = {}

    def origin(self, frame: Frame, bind: str, now: float) -> str:
        """The name of a message that came before: `bind.sequence` of its first arrival; "" of a new one."""
        name = _name(frame)
        doubt = self._doubts.get(name)
        if doubt is not None and now - doubt.arrived_at <= REPEAT_WITHIN_S:
            if doubt.bind == bind and now - doubt.last_at < REPEAT_AFTER_S:
                return ""
            doubt.bind, doubt.last_at = bind, now
            return f"{doubt.first}.{doubt.sequence}"
        if len(self._doubts) >= DOUBTS_MAX:
            del self._doubts[next(iter(self._doubts))]
        self._doubts[name] = _Doubt(bind, frame.sequence, bind, now, now)
        return ""

    def answered(self, frame: Frame, now: float) -> None:
        """It was answered; if in good time, it will not come again."""
        name = _name(frame)
        doubt = self._doubts.get(name)
        if doubt is not None and now - doubt.last_at < REPEAT_AFTER_S:
            del self._doubts[name]


def _name(frame: Frame) -> bytes:
    """The bytes of a message, or what stands for many: no message is as short as a digest."""
    body = frame.data[HEADER_SIZE:]
    return body if len(body) <= NAME_MAX else blake2b(body, digest_size=16).digest()
