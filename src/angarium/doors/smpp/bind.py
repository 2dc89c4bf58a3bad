"""One connection of a client: it binds, submits within its window, and is told what is in its mailbox.

All that one read brings is answered together. Nothing that was submitted is answered before it is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Protocol, cast

import structlog

from angarium.core.clock import Clock
from angarium.doors.smpp import reading
from angarium.doors.smpp.admission import Answer, Asked
from angarium.doors.smpp.mailbox import Mailbox, Piece
from angarium.doors.smpp.rules import WINDOW_MAX
from angarium.doors.smpp.store import Account
from angarium.protocols import smpp_pdu
from angarium.protocols.smpp_numbers import BINDS, INTERFACE_VERSION, Command, Status, Tlv
from angarium.protocols.smpp_pdu import BindResp, Frame, Message, PduError
from angarium.protocols.smpp_session import (
    Broken,
    Event,
    Link,
    Request,
    Response,
    Role,
    Session,
    State,
    Timeout,
    Unbound,
)

log = structlog.get_logger()

BIND_WITHIN_S = 10.0
RESPONSE_S = 60.0  # for a deliver_sm
ENQUIRE_LINK_S = 30.0
SYSTEM_ID = "angarium"
SUBMISSIONS = {Command.SUBMIT_SM, Command.DATA_SM}
CHORES = {Command.QUERY_SM, Command.CANCEL_SM}
HEARING = (State.BOUND_RX, State.BOUND_TRX)
WELCOME = smpp_pdu.encode(
    Command.BIND_TRANSCEIVER_RESP,
    BindResp(SYSTEM_ID, ((Tlv.SC_INTERFACE_VERSION, bytes((INTERFACE_VERSION,))),)),
)


class Host(Protocol):
    """The door, as its connections know it."""

    clock: Clock

    def came(self, bind: Bind) -> bool:
        """A connection is there; False when there are too many."""

    def knocks(self, bind: Bind, frame: Frame) -> None:
        """It asks to be bound."""

    def may_submit(self, account: Account) -> bool:
        """Whether one more submission is within the speed of an account."""

    def is_full(self) -> bool:
        """Whether more waits to be taken than can be."""

    def admit(self, asked: Sequence[Asked]) -> asyncio.Future[list[Answer]]:
        """Take submissions; the answers once they are kept."""

    def see_to(self, bind: Bind, frame: Frame) -> asyncio.Future[tuple[int, bytes]]:
        """Answer a query or a wish to cancel: status and body."""

    def freed(self, bind: Bind) -> None:
        """There is room in its window."""

    def left(self, bind: Bind) -> None:
        """The connection is gone."""


class Bind(asyncio.Protocol):
    """A connection, bound or not yet."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._flushing = False
        self._began_at = host.clock.monotonic()
        self._delivered = 0  # without an answer
        self.session = Session(
            Role.SMSC,
            window=WINDOW_MAX,
            response_timeout_s=RESPONSE_S,
            enquire_link_s=ENQUIRE_LINK_S,
            now=self._began_at,
        )
        self.account: Account | None = None
        self.mailbox: Mailbox | None = None
        self.address = ""
        self.bound_at: int | None = None
        self.asked = 0  # submissions without an answer
        self.submitted = 0
        self.knocking = False

    # ── the socket ───────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the bind."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by behaviour, not by class
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]).partition("%")[0] if peer else ""
        if not self._host.came(self):
            self.close()

    def data_received(self, data: bytes) -> None:
        """One read is one pass."""
        events = self.session.receive_data(data, self._host.clock.monotonic())
        submissions: list[Frame] = []
        for event in events:
            if isinstance(event, Request) and event.frame.command in SUBMISSIONS:
                submissions.append(event.frame)
            else:
                self._heard(event)
        if submissions:
            self._submit(submissions)
        self.flush_soon()

    def pause_writing(self) -> None:
        """The client does not read: do not read from it either."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        """What was not answered goes to another bind, or waits for one."""
        self._transport = None
        unanswered = self.session.close()
        self._give_back(unanswered)
        self._host.left(self)

    def flush_soon(self) -> None:
        """Write what there is to say, once for everything of this pass of the loop."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def close(self) -> None:
        """Say what there is to say, and hang up."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        self._flushing = False
        data = self.session.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    # ── what it asks ─────────────────────────────────────────────────────────────────────────────────

    def _heard(self, event: Event) -> None:
        match event:
            case Request(frame) if frame.command in BINDS:
                self._knock(frame)
            case Request(frame) if frame.command in CHORES:
                told = self._host.see_to(self, frame)
                told.add_done_callback(partial(self._seen_to, frame))
            case Request(frame):
                self.session.answer(frame, Status.RINVCMDID)
            case Response(frame=frame, token=token) if isinstance(token, Piece):
                self._answered(frame, token, late=event.late)
            case Unbound():
                self.close()
            case Broken(error):
                self.session.answer(Frame(Command.GENERIC_NACK, 0, 0, b""), error.status)
                self.close()
            case _:
                pass  # an answer to nothing, or what the state does not allow: it has been answered

    def _knock(self, frame: Frame) -> None:
        if self.knocking:
            self.session.answer(frame, Status.RALYBND)
            return
        self.knocking = True
        self._host.knocks(self, frame)

    def admitted(self, frame: Frame, account: Account, mailbox: Mailbox) -> None:
        """It may come in."""
        self.knocking = False
        self.account, self.mailbox = account, mailbox
        self.bound_at = self._host.clock.now()
        self.session.answer(frame, Status.ROK, WELCOME)
        if self.hears:
            mailbox.hearers.append(self)
        self.flush_soon()

    def turned_away(self, frame: Frame, status: int) -> None:
        """It may not. It can try again on another connection only, so that guessing takes time."""
        self.knocking = False
        self.session.answer(frame, status)
        self.close()

    @property
    def hears(self) -> bool:
        """Whether it may be told things."""
        return self.session.state in HEARING

    @property
    def bound(self) -> bool:
        """Whether it is bound."""
        return self.account is not None and self.session.state not in (State.OPEN, State.CLOSED)

    def _submit(self, frames: Sequence[Frame]) -> None:
        """Take what can be taken; the rest is refused at once."""
        assert self.account is not None
        account, now = self.account, self._host.clock.now()
        taken: list[Frame] = []
        asked: list[Asked] = []
        for frame in frames:
            try:
                asked.append(Asked(account, self._read(frame, account, len(asked), now)))
                taken.append(frame)
            except PduError as error:
                self.session.answer(frame, error.status)
        if asked:
            self.asked += len(asked)
            self.submitted += len(asked)
            answers = self._host.admit(asked)
            answers.add_done_callback(partial(self._taken, taken))

    def _read(self, frame: Frame, account: Account, before: int, now: int) -> reading.Submit:
        if self._host.is_full():
            raise PduError(Status.RMSGQFUL, "too much waits to be taken")
        if self.asked + before >= account.settings.window or not self._host.may_submit(account):
            raise PduError(Status.RTHROTTLED, "beyond the window or the speed of the account")
        message = smpp_pdu.decode(frame)
        assert isinstance(message, Message)
        return reading.read(message, account.settings, now)

    def _taken(self, frames: Sequence[Frame], done: asyncio.Future[list[Answer]]) -> None:
        """They are kept, or could not be: now they are answered."""
        self.asked -= len(frames)
        broken = done.cancelled() or done.exception() is not None
        answers = [Answer(Status.RSYSERR)] * len(frames) if broken else done.result()
        for frame, answer in zip(frames, answers, strict=True):
            body = smpp_pdu.encode_message_id(answer.message_id) if answer.message_id else b""
            self.session.answer(frame, answer.status, body)
        self.flush_soon()

    def _seen_to(self, frame: Frame, done: asyncio.Future[tuple[int, bytes]]) -> None:
        broken = done.cancelled() or done.exception() is not None
        status, body = (int(Status.RSYSERR), b"") if broken else done.result()
        self.session.answer(frame, status, body)
        self.flush_soon()

    # ── what it is told ──────────────────────────────────────────────────────────────────────────────

    def room(self) -> int:
        """How many more deliver_sm may be without an answer."""
        if self.account is None or self._transport is None or self._transport.is_closing():
            return 0
        return min(self.session.room(), self.account.settings.window - self._delivered)

    def deliver(self, piece: Piece) -> None:
        """Send one."""
        self._delivered += 1
        self.session.request(Command.DELIVER_SM, piece.body, piece, self._host.clock.monotonic())
        self.flush_soon()

    def _answered(self, frame: Frame, piece: Piece, *, late: bool) -> None:
        if self.mailbox is None or late:
            return  # it has been given to a bind again, and is taken when that is
        self._delivered -= 1
        if frame.status == Status.ROK:
            self.mailbox.taken(piece)
        else:
            self.mailbox.refused(piece, frame.status, self._host.clock.monotonic())
        self._host.freed(self)

    def _give_back(self, unanswered: Sequence[Timeout]) -> None:
        pieces = [one.token for one in unanswered if isinstance(one.token, Piece)]
        if self.mailbox is not None and pieces:
            self._delivered -= len(pieces)
            self.mailbox.again(pieces)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────

    def pass_time(self, now: float) -> None:
        """Look at what is overdue."""
        if not self.bound:
            if now - self._began_at > BIND_WITHIN_S and not self.knocking:
                self.abort()
            return
        self._give_back(self.session.expire(now))
        match self.session.link(now):
            case Link.ASK:
                self.session.enquire(now)
                self.flush_soon()
            case Link.DEAD:
                self.abort()
            case Link.ALIVE:
                pass

    def say_goodbye(self) -> None:
        """End the session politely."""
        if self.bound:
            self.session.request(Command.UNBIND, b"", None, self._host.clock.monotonic())
        self.close()
