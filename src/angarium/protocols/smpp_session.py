"""An SMPP session without its socket: bytes in, events out, for either side of the link.

Rules:
- What is to be written gathers in the session: `data_to_send` after a pass over what was read and sent, so
  that a pass is one write.
- Time is handed in, in seconds that never run backwards. Nothing happens by itself: `expire` and `link` say
  what is due.
- Every request of ours ends once: in a Response, in a Timeout, or among what `close` returns. A response
  after the timeout still comes, marked late.
- Each response belongs to the request of its sequence number *and* command; any other is Stray.
- enquire_link and unbind are answered here; so are requests that the state does not allow (SMPP 3.4 §2.3).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from angarium.core.values import direct
from angarium.protocols.smpp_numbers import (
    BINDS,
    COMMAND_NAMES,
    RESPONSE,
    UNANSWERED,
    Command,
    Status,
    command_name,
)
from angarium.protocols.smpp_pdu import SEQUENCE_MAX, Frame, PduError, Splitter, pack

LATE_MAX = 10_000  # requests remembered after their timeout


@direct
class Role(StrEnum):
    """Which side of the link we are."""

    ESME = "esme"  # the message entity: us, at an operator
    SMSC = "smsc"  # the message centre

    @property
    def peer(self) -> Role:
        """The other side."""
        return Role.SMSC if self is Role.ESME else Role.ESME


@direct
class State(StrEnum):
    """Session states (§2.2)."""

    OPEN = "open"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    CLOSED = "closed"


@direct
class Link(StrEnum):
    """What the silence of the link asks for."""

    ALIVE = "alive"
    ASK = "ask"  # nothing heard for an interval: send an enquire_link
    DEAD = "dead"  # nor for an interval after it


BOUND_AS = {
    Command.BIND_TRANSMITTER: State.BOUND_TX,
    Command.BIND_RECEIVER: State.BOUND_RX,
    Command.BIND_TRANSCEIVER: State.BOUND_TRX,
}
_OPEN = frozenset({State.OPEN})
_TX = frozenset({State.BOUND_TX, State.BOUND_TRX})
_RX = frozenset({State.BOUND_RX, State.BOUND_TRX})
_BOUND = _TX | _RX
# Who may ask what in which state (§2.3, table 2-1). An enquire_link before the bind does no harm.
LEGAL: dict[Role, dict[int, frozenset[State]]] = {
    Role.ESME: {
        Command.BIND_TRANSMITTER: _OPEN,
        Command.BIND_RECEIVER: _OPEN,
        Command.BIND_TRANSCEIVER: _OPEN,
        Command.UNBIND: _BOUND,
        Command.ENQUIRE_LINK: _BOUND | _OPEN,
        Command.SUBMIT_SM: _TX,
        Command.SUBMIT_MULTI: _TX,
        Command.DATA_SM: _TX,
        Command.QUERY_SM: _TX,
        Command.CANCEL_SM: _TX,
        Command.REPLACE_SM: _TX,
    },
    Role.SMSC: {
        Command.OUTBIND: _OPEN,
        Command.UNBIND: _BOUND,
        Command.ENQUIRE_LINK: _BOUND | _OPEN,
        Command.DELIVER_SM: _RX,
        Command.DATA_SM: _RX,
        Command.ALERT_NOTIFICATION: _RX,
    },
}


class Request(msgspec.Struct, frozen=True, gc=False):
    """The peer asks; `answer` it, unless the command has no response."""

    frame: Frame


class Response(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request of ours. `token` is what was given with it."""

    frame: Frame
    command: int  # of the request
    token: Any
    late: bool  # its timeout was reported before


class Stray(msgspec.Struct, frozen=True):
    """A response to nothing we asked."""

    frame: Frame


class Violation(msgspec.Struct, frozen=True):
    """A request the state does not allow, or no command at all; it has been answered with `status`."""

    frame: Frame
    status: Status


class Unbound(msgspec.Struct, frozen=True):
    """The peer has ended the session; it has been answered."""


class Broken(msgspec.Struct, frozen=True):
    """The stream cannot be read any further: close the connection."""

    error: PduError


Event = Request | Response | Stray | Violation | Unbound | Broken


class Timeout(msgspec.Struct, frozen=True):
    """A request without an answer in time."""

    command: int
    sequence: int
    token: Any


class NotAllowed(Exception):
    """We tried to ask what the state or the window does not allow."""


class _Open(msgspec.Struct, frozen=True):
    """A request on its way."""

    command: int
    token: Any
    deadline: float


class Session:
    """One link, from one side.

    `window` is how many requests may be without an answer; `now` the time of the connection.
    """

    def __init__(
        self,
        role: Role,
        *,
        window: int,
        response_timeout_s: float,
        enquire_link_s: float,
        now: float,
        last_sequence: int = 0,
    ) -> None:
        self.role = role
        self.state = State.OPEN
        self._ours, self._theirs = LEGAL[role], LEGAL[role.peer]
        self._message = Command.SUBMIT_SM if role is Role.ESME else Command.DELIVER_SM
        self._window = window
        self._response_timeout_s = response_timeout_s
        self._enquire_link_s = enquire_link_s
        self._splitter = Splitter()
        self._sequence = last_sequence
        self._open: dict[int, _Open] = {}  # in the order of their deadlines
        self._late: dict[int, _Open] = {}
        self._leaving = False
        self._heard_at = now
        self._asked_at: float | None = None
        self._outgoing: list[bytes] = []

    # ── asking and answering ─────────────────────────────────────────────────────────────────────────

    def room(self) -> int:
        """How many messages may be sent now; 0 when the state allows none."""
        if self._leaving or self.state not in self._ours[self._message]:
            return 0
        return max(0, self._window - len(self._open))

    def waiting(self) -> int:
        """How many requests of ours have no answer yet."""
        return len(self._open)

    def request(self, command: Command, body: bytes, token: Any, now: float) -> int:
        """Ask; returns the sequence number. Raises NotAllowed."""
        if self.state not in self._ours.get(command, ()):
            raise NotAllowed(f"{command_name(command)} in state {self.state.value}")
        if command == Command.UNBIND:
            self._leaving = True
        elif command not in BINDS and (self._leaving or len(self._open) >= self._window):
            raise NotAllowed(f"{command_name(command)} with {len(self._open)} of {self._window} unanswered")
        sequence = self._next_sequence()
        if command not in UNANSWERED:
            self._open[sequence] = _Open(command, token, now + self._response_timeout_s)
        self._outgoing.append(pack(command, sequence, body))
        return sequence

    def answer(self, frame: Frame, status: int = Status.ROK, body: bytes = b"") -> None:
        """Answer a request of the peer's; a bind answered with ROK binds the session."""
        if status == Status.ROK and frame.command in BINDS:
            self.state = BOUND_AS[Command(frame.command)]
        self._outgoing.append(pack(frame.command | RESPONSE, frame.sequence, body, status))

    def data_to_send(self) -> bytes:
        """What has gathered to be written."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    # ── hearing ──────────────────────────────────────────────────────────────────────────────────────

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """What these bytes say, in order. After Broken or Unbound nothing more is read."""
        if self.state is State.CLOSED:
            return []
        self._heard_at = now
        return self._events(data)

    def _events(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        try:
            for frame in self._splitter.feed(data):
                event = self._response(frame) if frame.command & RESPONSE else self._request(frame)
                if event is not None:
                    events.append(event)
                if self.state is State.CLOSED:
                    break
        except PduError as error:
            self.state = State.CLOSED
            events.append(Broken(error))
        return events

    def _response(self, frame: Frame) -> Event | None:
        command, sequence = frame.command, frame.sequence
        if command == Command.ENQUIRE_LINK_RESP:
            return None  # having been heard is all that matters
        found = self._open.get(sequence) or self._late.get(sequence)
        if found is None or (command != found.command | RESPONSE and command != Command.GENERIC_NACK):
            return Stray(frame)
        late = self._open.pop(sequence, None) is None
        if late:
            del self._late[sequence]
        if frame.status == Status.ROK and found.command in BINDS:
            self.state = BOUND_AS[Command(found.command)]
        elif found.command == Command.UNBIND:
            self.state = State.CLOSED
        return Response(frame, found.command, found.token, late)

    def _request(self, frame: Frame) -> Event | None:
        states = self._theirs.get(frame.command)
        if states is None or self.state not in states:
            return self._violation(frame)
        if frame.command == Command.ENQUIRE_LINK:
            self.answer(frame)
            return None
        if frame.command == Command.UNBIND:
            self.answer(frame)
            self.state = State.CLOSED
            return Unbound()
        return Request(frame)

    def _violation(self, frame: Frame) -> Violation:
        if frame.command not in COMMAND_NAMES:
            self._outgoing.append(pack(Command.GENERIC_NACK, frame.sequence, status=Status.RINVCMDID))
            return Violation(frame, Status.RINVCMDID)
        again = frame.command in BINDS and self.role is Role.SMSC
        status = Status.RALYBND if again else Status.RINVBNDSTS
        if frame.command not in UNANSWERED:
            self.answer(frame, status)
        return Violation(frame, status)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────

    def expire(self, now: float) -> list[Timeout]:
        """The requests whose time is up; their slots in the window are free again."""
        due = []
        for sequence, request in self._open.items():
            if request.deadline > now:
                break
            due.append(Timeout(request.command, sequence, request.token))
        for timeout in due:
            self._remember(timeout.sequence, self._open.pop(timeout.sequence))
        return due

    def link(self, now: float) -> Link:
        """What to do about the silence of the link."""
        if self.state not in _BOUND or now - self._heard_at < self._enquire_link_s:
            return Link.ALIVE
        if self._asked_at is None or self._asked_at < self._heard_at:
            return Link.ASK
        return Link.DEAD if now - self._asked_at >= self._enquire_link_s else Link.ALIVE

    def enquire(self, now: float) -> None:
        """Ask whether the peer is there; any word from it is an answer."""
        self._asked_at = now
        self._outgoing.append(pack(Command.ENQUIRE_LINK, self._next_sequence()))

    def close(self) -> list[Timeout]:
        """The connection is gone: every request that is still without an answer."""
        self.state = State.CLOSED
        left = [Timeout(request.command, sequence, request.token) for sequence, request in self._open.items()]
        self._open.clear()
        return left

    # ── within ───────────────────────────────────────────────────────────────────────────────────────

    def _remember(self, sequence: int, request: _Open) -> None:
        if len(self._late) >= LATE_MAX:
            del self._late[next(iter(self._late))]
        self._late[sequence] = request

    def _next_sequence(self) -> int:
        """1 to 0x7FFFFFFF and around (§3.2), passing over numbers that may still be answered."""
        while True:
            self._sequence = self._sequence % SEQUENCE_MAX + 1
            if self._sequence not in self._open and self._sequence not in self._late:
                return self._sequence
