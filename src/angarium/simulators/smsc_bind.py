"""One connection to the simulated message centre, and the mailbox of an account that its binds share."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, Protocol, cast

import msgspec

from angarium.protocols import smpp_pdu
from angarium.protocols.smpp_numbers import (
    BINDS,
    COMMAND_NAMES,
    ESM_RECEIPT,
    RESPONSE,
    Command,
    Status,
)
from angarium.protocols.smpp_pdu import SEQUENCE_MAX, Frame, Message, PduError, Splitter, pack
from angarium.protocols.smpp_text import Alphabet

MAY_SUBMIT = {Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER}
MAY_HEAR = {Command.BIND_RECEIVER, Command.BIND_TRANSCEIVER}
SUBMISSIONS = {Command.SUBMIT_SM, Command.DATA_SM}
IN_VAIN = {Command.QUERY_SM: Status.RQUERYFAIL, Command.CANCEL_SM: Status.RCANCELFAIL}


class Knobs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What differs between operators; may be turned while it runs (`smsc.knobs = …`)."""

    id_base: Literal["dec", "hex"] = "dec"  # of ids in answers
    receipt_id_base: Literal["dec", "hex"] = "dec"
    id_letters: Literal["upper", "lower"] = "upper"  # of hexadecimal ids in receipts
    dialect: Literal["text", "tlv", "both"] = "text"  # of receipts
    receipt_class: int = ESM_RECEIPT  # esm_class of receipts; 0: they are not marked
    receipt_in_payload: bool = False  # the text of a receipt comes in message_payload
    receipt_fields: dict[str, str] = {}  # the standard's name of a field, to the one it has here
    receipt_date: str = "%y%m%d%H%M"
    receipt_words: dict[str, str] = {}  # what `stat:` says instead: {"UNDELIV": "BLIST"}
    receipt_errors: dict[str, str] = {}  # what `err:` says of a word: {"UNDELIV": "015"}
    network_errors: dict[str, int] = {}  # the same in network_error_code, of a GSM network
    alphabet: Alphabet = "gsm7"  # data_coding 0
    refused_as: dict[int, int] = {}  # its own statuses for those of the standard
    no_ids: bool = False  # answers carry no id
    backwards: bool = False  # the answers of one read come in reverse
    bind_status: int = Status.ROK  # every bind is answered so
    refused_codings: tuple[int, ...] = ()
    refused_part: int = 0  # of each long text, this part is refused
    refuse_sar: bool = False
    ignore_enquire_link: bool = False
    window: int = 100  # deliver_sm without an answer, for each bind
    redeliver_s: float = 30.0  # until one is sent again


class Centre(Protocol):
    """The message centre, as its connections know it."""

    accounts: dict[str, str]
    knobs: Knobs
    connections: set[Bind]
    binds: list[Bind]
    binds_tried: int

    def mailbox(self, system_id: str) -> Mailbox:
        """What waits for an account."""

    def later(self, seconds: float, happening: Callable[..., None], *facts: Any) -> None:
        """Let something happen."""

    def submit(self, bind: Bind, frame: Frame) -> None:
        """Take a message, or refuse it."""

    def bound(self, bind: Bind) -> int:
        """Somebody has bound: the number of the session."""

    def unbound(self, bind: Bind, *, orderly: bool) -> None:
        """A session is over."""


class Letter:
    """A deliver_sm until somebody takes it."""

    __slots__ = ("body", "sent_at", "taken")

    def __init__(self, message: Message, taken: asyncio.Future[None] | None = None) -> None:
        self.body = smpp_pdu.encode_message(message)
        self.sent_at = 0.0
        self.taken = taken


class Mailbox:
    """What waits for an account; it goes to whichever of its binds has room in its window."""

    def __init__(self, smsc: Centre, system_id: str) -> None:
        self._smsc = smsc
        self._system_id = system_id
        self._letters: deque[Letter] = deque()
        self.repeated = 0  # letters that had to be sent again

    def __len__(self) -> int:
        return len(self._letters)

    def add(self, message: Message) -> None:
        """A receipt; it goes with the end of the turn."""
        self._letters.append(Letter(message))

    def put(self, message: Message) -> asyncio.Future[None]:
        """A message; done when it was taken."""
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._letters.append(Letter(message, taken))
        self._smsc.later(0, self.deliver)
        return taken

    def again(self, letters: list[Letter]) -> None:
        """Nobody took these."""
        self.repeated += len(letters)
        self._letters.extendleft(reversed(letters))

    def deliver(self) -> None:
        """Hand out what the windows take, evenly."""
        hearing = [bind for bind in self._smsc.binds if bind.hears(self._system_id)]
        while self._letters and hearing:
            hearing = [bind for bind in hearing if bind.room() > 0]
            for bind in hearing[: len(self._letters)]:
                bind.deliver(self._letters.popleft())


class Bind(asyncio.Protocol):
    """One connection."""

    def __init__(self, smsc: Centre) -> None:
        self._smsc = smsc
        self._transport: asyncio.Transport | None = None
        self._splitter = Splitter()
        self._answers: list[bytes] = []
        self._deliveries: list[bytes] = []
        self._open: dict[int, Letter] = {}
        self._sequence = 0
        self._watched = False
        self._leaving = False
        self._dropped = False
        self._said_goodbye = False
        self.session = 0  # its number, when it has bound
        self.bound_as: Command | None = None
        self.system_id = ""
        self.gone = asyncio.Event()

    @property
    def unheard(self) -> int:
        """Letters that it has not answered."""
        return len(self._open)

    # ── the socket ───────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the bind."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by behaviour, not by class
        self._smsc.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Everything of one read is answered in one write."""
        try:
            for frame in self._splitter.feed(data):
                self._frame(frame)
                if self._dropped:
                    return
        except PduError as error:
            self.write(pack(Command.GENERIC_NACK, 0, status=error.status))
            self._leaving = True
        if self.bound_as is not None:
            self._smsc.mailbox(self.system_id).deliver()
        self.flush()
        if self._leaving and self._transport is not None:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """What was not answered goes to another bind, or waits for one."""
        self._transport = None
        self._smsc.connections.discard(self)
        if self in self._smsc.binds:
            self._smsc.binds.remove(self)
            self._smsc.unbound(self, orderly=self._said_goodbye)
            mailbox = self._smsc.mailbox(self.system_id)
            mailbox.again(list(self._open.values()))
            self._smsc.later(0, mailbox.deliver)
        self.gone.set()

    def write(self, data: bytes) -> None:
        """Say something with the next write."""
        self._answers.append(data)

    def flush(self) -> None:
        """Write what has gathered."""
        if self._smsc.knobs.backwards:
            self._answers.reverse()
        data = b"".join([*self._answers, *self._deliveries])
        self._answers.clear()
        self._deliveries.clear()
        if data and self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        """Drop the connection, and with it what was read but not looked at."""
        self._dropped = True
        if self._transport is not None:
            self._transport.abort()

    # ── what it asks ─────────────────────────────────────────────────────────────────────────────────

    def answer(self, frame: Frame, status: int = Status.ROK, message_id: str = "") -> None:
        """Answer a request."""
        has_id = frame.command in SUBMISSIONS and status == Status.ROK
        body = smpp_pdu.encode_message_id(message_id) if has_id else b""
        self.write(pack(frame.command | RESPONSE, frame.sequence, body, status))

    def _frame(self, frame: Frame) -> None:
        command = frame.command
        if command & RESPONSE:
            self._answered(frame)
        elif command in BINDS:
            self._bind(frame)
        elif command == Command.ENQUIRE_LINK:
            if not self._smsc.knobs.ignore_enquire_link:
                self.answer(frame)
        elif command == Command.UNBIND:
            self.answer(frame)
            self._leaving = self._said_goodbye = True
        elif command not in COMMAND_NAMES:
            self.write(pack(Command.GENERIC_NACK, frame.sequence, status=Status.RINVCMDID))
        elif self.bound_as not in MAY_SUBMIT:
            self.answer(frame, Status.RINVBNDSTS)
        elif command in SUBMISSIONS:
            self._smsc.submit(self, frame)
        else:
            self.answer(frame, IN_VAIN.get(Command(command), Status.RINVCMDID))

    def _bind(self, frame: Frame) -> None:
        status = self._admission(frame)
        if status != Status.ROK:
            self.answer(frame, status)
            return
        self.bound_as = Command(frame.command)
        self._smsc.binds.append(self)
        self.session = self._smsc.bound(self)
        self.write(pack(frame.command | RESPONSE, frame.sequence, b"smsc\0"))

    def _admission(self, frame: Frame) -> int:
        self._smsc.binds_tried += 1
        try:
            asked = smpp_pdu.decode(frame)
        except PduError as error:
            return error.status
        assert isinstance(asked, smpp_pdu.Bind)
        if self.bound_as is not None:
            return Status.RALYBND
        if asked.system_id not in self._smsc.accounts:
            return Status.RINVSYSID
        if asked.password != self._smsc.accounts[asked.system_id]:
            return Status.RINVPASWD
        self.system_id = asked.system_id
        return self._smsc.knobs.bind_status

    # ── what it is told ──────────────────────────────────────────────────────────────────────────────

    def hears(self, system_id: str) -> bool:
        """Whether messages of this account may be delivered here."""
        return self.system_id == system_id and self.bound_as in MAY_HEAR

    def room(self) -> int:
        """How many more deliver_sm may be without an answer."""
        return 0 if self._leaving else self._smsc.knobs.window - len(self._open)

    def deliver(self, letter: Letter) -> None:
        """Send it; if there is no answer it goes back."""
        self._sequence = self._sequence % SEQUENCE_MAX + 1
        letter.sent_at = time.monotonic()
        self._open[self._sequence] = letter
        self._deliveries.append(pack(Command.DELIVER_SM, self._sequence, letter.body))
        if not self._watched:
            self._watched = True
            self._smsc.later(self._smsc.knobs.redeliver_s, self._look_for_overdue)

    def _answered(self, frame: Frame) -> None:
        letter = self._open.pop(frame.sequence, None)
        if letter is None:
            return
        if frame.status != Status.ROK:
            mailbox = self._smsc.mailbox(self.system_id)
            self._smsc.later(self._smsc.knobs.redeliver_s, mailbox.again, [letter])
        elif letter.taken is not None and not letter.taken.done():
            letter.taken.set_result(None)

    def _look_for_overdue(self) -> None:
        patience_s = self._smsc.knobs.redeliver_s
        long_ago = time.monotonic() - patience_s
        overdue = [sequence for sequence, letter in self._open.items() if letter.sent_at <= long_ago]
        if overdue:
            self._smsc.mailbox(self.system_id).again([self._open.pop(sequence) for sequence in overdue])
        self._watched = bool(self._open)
        if self._open:
            oldest = min(letter.sent_at for letter in self._open.values())
            self._smsc.later(oldest + patience_s - time.monotonic(), self._look_for_overdue)
