"""One SMPP bind over its socket: it connects, binds, keeps alive and comes back by itself.

Rules:
- What a pass of the event loop has to say is one write, however many messages and answers it holds.
- A network that fails is tried again soon; a bind that is refused seldom, for wrong passwords lock accounts.
- A link on which nothing was heard for two intervals of enquire_link is dead, whatever TCP believes.
- The owner hears of every request that had no answer when the connection went.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Protocol, cast

import msgspec
import structlog

from angarium.core.clock import Chance, Clock
from angarium.protocols.smpp_numbers import UNANSWERED, Command, Status, status_description, status_name
from angarium.protocols.smpp_pdu import Bind, Frame, encode
from angarium.protocols.smpp_session import (
    Broken,
    Event,
    Link,
    Request,
    Response,
    Role,
    Session,
    State,
    Stray,
    Timeout,
    Unbound,
    Violation,
)

log = structlog.get_logger()

CONNECT_TIMEOUT_S = 15.0
TICK_S = 0.25  # how often time is looked at
UNBIND_WAIT_S = 1.0  # an operator that does not answer it is left without a word
REFUSED_FIRST_S, REFUSED_MAX_S = 30.0, 900.0  # between binds that are refused
# A bind refused with one of these says nothing about the credentials.
PASSING = {Status.RSYSERR, Status.RMSGQFUL, Status.RTHROTTLED, Status.RX_T_APPN, Status.RUNKNOWNERR}
JITTER = 0.2  # of a pause, so that many lines do not come back at one moment

BIND, UNBIND = object(), object()  # tokens of the link's own requests


class Login(msgspec.Struct, frozen=True):
    """Where to bind, and as what."""

    host: str
    port: int
    bind_as: Command
    bind: Bind
    window: int
    response_timeout_s: float
    enquire_link_s: float
    reconnect_s: float
    tls: ssl.SSLContext | None = None


def tls_context(authority: str, *, verify: bool) -> ssl.SSLContext:
    """TLS to an operator; `authority` is PEM, or "" for those the machine trusts. Raises ssl.SSLError."""
    context = ssl.create_default_context(cadata=authority or None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Owner(Protocol):
    """Who has the link."""

    def bound(self, link: BindLink) -> None:
        """It may be used."""

    def heard(self, link: BindLink, events: list[Event]) -> None:
        """What one read said."""

    def passed(self, link: BindLink, expired: list[Timeout]) -> None:
        """Time has passed; these requests have had no answer in time."""

    def lost(self, link: BindLink, unanswered: list[Timeout]) -> None:
        """The connection is gone, and with it the answers to these."""


class BindLink(asyncio.Protocol):
    """A bind that lives as long as its owner wants it; `session` is that of the present connection."""

    def __init__(self, login: Login, clock: Clock, chance: Chance, owner: Owner) -> None:
        self._login = login
        self._clock = clock
        self._chance = chance
        self._owner = owner
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()
        self._gone.set()
        self._flushing = False
        self._refused = 0  # binds refused in a row
        self._why = ""  # the connection ended
        self.state = "closed"
        self.name = ""  # of the present connection; no two have the same
        self.session = self._new_session()
        self.session.close()

    def open(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._keep_bound())

    async def close(self) -> None:
        """Unbind politely if bound, and be gone."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self.bound:
            self.session.request(Command.UNBIND, b"", UNBIND, self._clock.monotonic())
            self._flush()
            await self._gone_within(UNBIND_WAIT_S)
        self.abort("closed by us")
        await self._gone.wait()
        self.state = "closed"

    @property
    def bound(self) -> bool:
        """Whether it may be used."""
        return self.session.state in (State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX)

    def flush_soon(self) -> None:
        """Write what the session has to say, once for everything of this pass of the loop."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def answer(self, session: Session, frames: Sequence[Frame], status: Status) -> bool:
        """Answer messages of the peer's. False when their connection is gone: the peer will repeat them."""
        if session is not self.session or not self.bound:
            return False
        for frame in frames:
            if frame.command not in UNANSWERED:
                session.answer(frame, status, b"\0")
        self.flush_soon()
        return True

    def listen(self, listening: bool) -> None:
        """Stop reading while there is too much to digest; the peer's window fills, and it waits."""
        if self._transport is not None and not self._transport.is_closing():
            if listening:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def abort(self, why: str) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._why = self._why or why
            self._transport.abort()

    # ── the life of a bind ───────────────────────────────────────────────────────────────────────────

    async def _keep_bound(self) -> None:
        while True:
            self.state, self._why = "connecting", ""
            try:
                await self._live()
            except OSError as error:  # TimeoutError and ssl.SSLError among them
                self._why = str(error) or type(error).__name__
            except Exception as error:
                self._why = f"broke: {type(error).__name__}"
                log.exception(
                    "an SMPP link broke", host=self._login.host, system_id=self._login.bind.system_id
                )
            self.abort(self._why)
            await self._gone.wait()
            delay_s = self._pause_s()
            self.state = f"connecting: {self._why}; retry in {delay_s:.0f} s"
            log.info("SMPP link down", host=self._login.host, why=self._why, retry_in_s=round(delay_s, 1))
            await self._clock.sleep(delay_s)

    async def _live(self) -> None:
        """One connection, from its beginning to its end."""
        login = self._login
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await asyncio.get_running_loop().create_connection(
                lambda: self, login.host, login.port, ssl=login.tls
            )
        while not await self._gone_within(TICK_S):
            self._pass_time()

    def _pause_s(self) -> float:
        """How long to wait before the next connection."""
        pause_s = self._login.reconnect_s
        if self._refused:
            pause_s = max(pause_s, min(REFUSED_FIRST_S * 2 ** (self._refused - 1), REFUSED_MAX_S))
        return pause_s * (1 + JITTER * self._chance.roll())

    async def _gone_within(self, seconds: float) -> bool:
        """Whether the connection went within that time."""
        waits = [asyncio.ensure_future(self._gone.wait()), asyncio.ensure_future(self._clock.sleep(seconds))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._gone.is_set()

    def _pass_time(self) -> None:
        now = self._clock.monotonic()
        expired = self.session.expire(now)
        if any(timeout.token is BIND for timeout in expired):
            self.abort(f"no answer to the bind within {self._login.response_timeout_s:g} s")
        self._owner.passed(self, [timeout for timeout in expired if timeout.token not in (BIND, UNBIND)])
        match self.session.link(now):
            case Link.ASK:
                self.session.enquire(now)
            case Link.DEAD:
                self.abort(f"nothing heard for {2 * self._login.enquire_link_s:g} s")
            case Link.ALIVE:
                pass
        self.flush_soon()

    # ── the socket ───────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bind."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by behaviour, not by class
        self._gone.clear()
        self.session = self._new_session()
        self.name = str(self._clock.now())
        self.state = "binding"
        body = encode(self._login.bind_as, self._login.bind)
        self.session.request(self._login.bind_as, body, BIND, self._clock.monotonic())
        self.flush_soon()

    def data_received(self, data: bytes) -> None:
        """One read is one pass: all events to the owner, all answers in one write."""
        events = self.session.receive_data(data, self._clock.monotonic())
        theirs = [event for event in events if not self._mine(event)]
        if theirs:
            self._owner.heard(self, theirs)
        self.flush_soon()

    def connection_lost(self, error: Exception | None) -> None:
        """Give back what has no answer."""
        self._why = self._why or (str(error) if error else "closed by the operator")
        self._transport = None
        unanswered = self.session.close()
        self._gone.set()
        self._owner.lost(self, [left for left in unanswered if left.token not in (BIND, UNBIND)])

    def _mine(self, event: Event) -> bool:
        """Whether an event is about the link itself; then it is seen to here."""
        match event:
            case Request():
                return False
            case Response(token=token):
                if token is BIND:
                    self._bind_answered(event.frame.status)
                elif token is UNBIND:
                    self.abort("closed by us")
                else:
                    return False
            case Unbound():
                self._flush()
                self._hang_up("the operator has unbound us")
            case Broken():
                self._flush()
                self._hang_up(f"what the operator sends is no SMPP: {event.error.detail}")
            case Stray() | Violation():
                log.warning(
                    "an SMPP PDU out of place", host=self._login.host, data=event.frame.data[:64].hex()
                )
        return True

    def _bind_answered(self, status: int) -> None:
        if status == Status.ROK:
            self.state, self._refused = "bound", 0
            log.info("SMPP link bound", host=self._login.host, system_id=self._login.bind.system_id)
            self._owner.bound(self)
            return
        if status not in PASSING:
            self._refused += 1
        self._hang_up(f"the bind was refused: {status_name(status)}, {status_description(status)}")

    def _hang_up(self, why: str) -> None:
        self._why = self._why or why
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        self._flushing = False
        data = self.session.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _new_session(self) -> Session:
        return Session(
            Role.ESME,
            window=self._login.window,
            response_timeout_s=self._login.response_timeout_s,
            enquire_link_s=self._login.enquire_link_s,
            now=self._clock.monotonic(),
        )
