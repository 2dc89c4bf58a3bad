"""SMTP both ways: mails handed to a server over links that are kept, and mails taken in at a door of our own.

Rules:
1. Two failures, not one. `NotTaken`: the mail was certainly not taken, because the final dot had not been
   sent, or the server said no after it. `NoAnswer`: the dot was sent and no answer came (RFC 1047): the
   server may have the mail.
2. A mail goes over a link that was used before, when there is one. Servers hang up on idle links, so a link
   that is found dead before MAIL was answered is replaced once; nothing had been said over it.
3. The door says 250 after the mail is recorded, and 451 when it could not be.
4. The door bounds what a stranger can send: peers, mail, time, and the line that never ends.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, Literal, cast

import msgspec
import structlog
from aiosmtpd import smtp as smtpd
from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPResponseException
from aiosmtplib import SMTPServerDisconnected as Disconnected

from angarium.core.clock import Clock
from angarium.core.ports import Exchange, Raw, Said
from angarium.protocols.mime import SIZE_MAX

log = structlog.get_logger()
logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd writes every command, with its addresses

IDLE_MAX_S = 60.0  # a link unused for longer may have been forgotten by a firewall; servers wait 5 minutes
QUIT_WAIT_S = 2.0
PEERS_MAX = 50
PEER_IDLE_S = 300.0  # RFC 5321 §4.5.3.2.7

Stage = Literal["CONNECT", "AUTH", "MAIL", "RCPT", "DATA"]
TROUBLE = (OSError, SMTPException)


class NotTaken(Exception):
    """Certainly not taken. `code` is the server's answer at that stage, 0 when there was none."""

    def __init__(self, stage: Stage, code: int, text: str) -> None:
        super().__init__(f"{stage}: {f'{code} ' if code else ''}{' '.join(text.split())}")
        self.stage = stage
        self.code = code
        self.text = text


class NoAnswer(Exception):
    """The mail was handed over and it is not known whether it was taken."""


# ── going out ────────────────────────────────────────────────────────────────────────────────────────


class Server(msgspec.Struct, frozen=True):
    """A server and how to speak to it."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    hello_name: str  # who we say we are, RFC 5321 §4.1.1.1
    verify_tls: bool = True
    username: str = ""
    password: str = ""
    timeout_s: float = 60.0  # for each step before the mail
    final_timeout_s: float = 600.0  # for the answer to the mail, RFC 5321 §4.5.3.2.6
    mails_per_link: int = 100


class Envelope(msgspec.Struct, frozen=True):
    """One mail and where it goes. Addresses are checked and ASCII; lines of the mail end in CRLF."""

    sender: str
    recipient: str
    mail: bytes
    envelope_id: str = ""  # when given, delivery reports are asked for in its name where the server offers


class Dialogue:
    """What was said to the server about one mail, command by command, and what it answered: a Tape."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: list[tuple[str, str, str]] = []  # verb, what follows it, the answer
        self._server = ""
        self._mail = b""
        self._asked_at = self._answered_at = clock.monotonic()
        self.trouble = ""

    def begins(self, server: Server, mail: bytes) -> None:
        """About this mail, with this server."""
        self._server, self._mail = f"{server.host}:{server.port} ({server.security})", mail

    def heard(self, verb: str, rest: str, code: int, text: str) -> None:
        """A command, and the answer to it; code 0 when none came."""
        self._answered_at = self._clock.monotonic()
        self._said.append((verb, rest, f"{code} {text}" if code else ""))

    def exchanges(self) -> list[Exchange]:
        """The whole dialogue as one; of the mail itself its headers. None when nothing was tried."""
        if not self._server:
            return []
        asked = tuple((verb, rest) for verb, rest, _ in self._said)
        answers = tuple((verb, answer) for verb, _, answer in self._said if answer)
        head = self._mail.partition(b"\r\n\r\n")[0]
        answered = Said(answers[-1][1].splitlines()[0], answers) if answers else None
        said = Said(self._server, asked, body=head)
        return [Exchange("smtp", said, answered, self._asked_at, self._answered_at, self.trouble)]


class Link:
    """One open connection to the server."""

    def __init__(self, client: SMTP, at: float) -> None:
        self.client = client
        self.mails = 0
        self.used_at = at


class Links:
    """The open links to one server; they are made when needed, as many as mails are handed over at once."""

    def __init__(
        self, server: Server, clock: Clock, may_hand_over: Callable[[], bool] = lambda: True
    ) -> None:
        self._server = server
        self._clock = clock
        self._may_hand_over = may_hand_over  # asked for each mail, when the server waits for it
        self._tls: ssl.SSLContext | None = None
        self._idle: list[Link] = []
        self.open = 0

    async def reach(self) -> None:
        """Make a link, so that it is known that the server can be reached; NotTaken when it cannot."""
        self._idle.append(await self._dial())

    async def hand(self, envelope: Envelope, dialogue: Dialogue | None = None) -> None:
        """Returns when the server has the mail; raises NotTaken or NoAnswer. `dialogue` remembers it."""
        dialogue = dialogue or Dialogue(self._clock)
        dialogue.begins(self._server, envelope.mail)
        try:
            link = await self._take_idle()
            if link is not None and await self._over(link, envelope, dialogue):
                return
            if not await self._over(await self._dial(), envelope, dialogue):
                raise NotTaken("MAIL", 0, "the server hung up")
        except (NotTaken, NoAnswer) as error:
            dialogue.trouble = str(error)
            raise

    async def close(self) -> None:
        """Say QUIT on every idle link."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(self._quit(link) for link in idle))

    async def _take_idle(self) -> Link | None:
        while self._idle:
            link = self._idle.pop()
            if not link.client.is_connected or self._clock.monotonic() - link.used_at > IDLE_MAX_S:
                self._drop(link)
            elif link.mails >= self._server.mails_per_link:
                await self._quit(link)
            else:
                return link
        return None

    async def _dial(self) -> Link:
        """A new link, encrypted and signed in."""
        server = self._server
        if server.security != "none" and self._tls is None:
            self._tls = await asyncio.to_thread(_tls_context, server.verify_tls)
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username or None,
            password=server.password or None,
            local_hostname=server.hello_name,
            timeout=server.timeout_s,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=self._tls,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except SMTPResponseException as error:
            client.close()
            stage: Stage = "AUTH" if isinstance(error, SMTPAuthenticationError) else "CONNECT"
            raise NotTaken(stage, error.code, error.message) from error
        except TROUBLE as error:
            client.close()
            raise NotTaken("CONNECT", 0, str(error) or type(error).__name__) from error
        except asyncio.CancelledError:
            client.close()
            raise
        self.open += 1
        return Link(client, self._clock.monotonic())

    async def _over(self, link: Link, envelope: Envelope, dialogue: Dialogue) -> bool:
        """One mail over one link, which is then kept or dropped; False when it was dead from the start."""
        try:
            if not await _offer(link.client, envelope, dialogue):
                return False
            if not self._may_hand_over():
                link.client.close()
                raise NotTaken("DATA", 0, "it may not be handed over any more")
            await _hand_over(link.client, envelope.mail, self._server.final_timeout_s, dialogue)
            return True
        finally:  # without an await: what was handed over must not be cancelled here
            link.mails += 1
            link.used_at = self._clock.monotonic()
            if link.client.is_connected:
                self._idle.append(link)
            else:
                self._drop(link)

    async def _quit(self, link: Link) -> None:
        try:
            with suppress(*TROUBLE):
                await link.client.quit(timeout=QUIT_WAIT_S)
        finally:
            self._drop(link)

    def _drop(self, link: Link) -> None:
        link.client.close()
        self.open -= 1


def _tls_context(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _offer(client: SMTP, envelope: Envelope, dialogue: Dialogue) -> bool:
    """MAIL, RCPT, DATA: then the server waits. False when the link was dead before MAIL was answered."""
    mail_options, rcpt_options = _report_options(client, envelope)
    stage: Stage = "MAIL"
    rest = " ".join((f"FROM:<{envelope.sender.strip('<>')}>", *mail_options))
    try:
        dialogue.heard(stage, rest, *await client.mail(envelope.sender, options=mail_options))
        stage, rest = "RCPT", " ".join((f"TO:<{envelope.recipient}>", *rcpt_options))
        dialogue.heard(stage, rest, *await client.rcpt(envelope.recipient, options=rcpt_options))
        stage, rest = "DATA", ""
        code, text = await client.execute_command(b"DATA")
        if code != 354:
            raise SMTPResponseException(code, text)
        dialogue.heard(stage, rest, code, text)
    except SMTPResponseException as error:
        dialogue.heard(stage, rest, error.code, error.message)
        await _start_over(client)
        raise NotTaken(stage, error.code, error.message) from error
    except TROUBLE as error:
        dialogue.heard(stage, rest, 0, "")
        client.close()
        if stage == "MAIL" and isinstance(error, Disconnected):
            return False
        raise NotTaken(stage, 0, str(error)) from error
    except asyncio.CancelledError:
        client.close()
        raise
    return True


def _report_options(client: SMTP, envelope: Envelope) -> tuple[list[str], list[str]]:
    """RFC 3461 §4: which reports, in whose name, about whom."""
    if not envelope.envelope_id or not client.supports_extension("dsn"):
        return [], []
    recipient = envelope.recipient.replace("+", "+2B").replace("=", "+3D")  # xtext
    return (
        ["RET=HDRS", f"ENVID={envelope.envelope_id}"],
        ["NOTIFY=SUCCESS,FAILURE,DELAY", f"ORCPT=rfc822;{recipient}"],
    )


async def _start_over(client: SMTP) -> None:
    """Make the link fit for the next mail, or close it."""
    if not client.is_connected:
        return
    try:
        await client.rset()
    except TROUBLE:
        client.close()


async def _hand_over(client: SMTP, mail: bytes, final_timeout_s: float, dialogue: Dialogue) -> None:
    """The mail and its final dot; from the first byte on a lost answer is NoAnswer, a cancelled wait too."""
    protocol = client.protocol
    if protocol is None or not protocol.is_connected:
        raise NotTaken("DATA", 0, "the server hung up")
    try:
        protocol.write(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        code, text = await protocol.read_response(timeout=final_timeout_s)
    except (Exception, asyncio.CancelledError) as error:  # whatever it is, the mail may be there
        client.close()
        dialogue.heard(".", f"{len(mail)} octets", 0, "")
        raise NoAnswer(f"the mail was handed over: {str(error) or type(error).__name__}") from error
    dialogue.heard(".", f"{len(mail)} octets", code, text)
    if 400 <= code < 600:
        raise NotTaken("DATA", code, text)
    if code != 250:
        client.close()
        raise NoAnswer(f"the mail was handed over and the answer was {code} {text}")


def told(_settings: Any, raw: Raw) -> Said:
    """A mail that was taken in, as people read it."""
    return Said("mail", tuple(raw.headers.items()), body=raw.body)


# ── coming in ────────────────────────────────────────────────────────────────────────────────────────


class Arrived(msgspec.Struct, frozen=True):
    """A mail at the door, to the byte. `mail_from` is `<>` for the null sender."""

    mail_from: str
    rcpt_to: tuple[str, ...]
    mail: bytes


class Door:
    """A small SMTP server in our own loop for some domains; `record` returns when a mail is safe."""

    def __init__(
        self, host: str, port: int, domains: Collection[str], record: Callable[[Arrived], Awaitable[None]]
    ) -> None:
        self._host, self._port = host, port
        self._domains = frozenset(domain.lower() for domain in domains)
        self._record = record
        self._server: asyncio.Server | None = None
        self.peers: set[Peer] = set()

    async def open(self) -> None:
        """Listen; OSError when the port is taken."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._peer, self._host, self._port)

    async def close(self) -> None:
        """Stop; who is in the middle of a mail will bring it again."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for peer in tuple(self.peers):
                peer.hang_up()
            await server.wait_closed()

    def address(self) -> str:
        """host:port as it is listened on; empty when it is not."""
        if self._server is None:
            return ""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    def _peer(self) -> asyncio.Protocol:
        return Peer(self, min(self._domains)) if len(self.peers) < PEERS_MAX else Full()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds it by this name
        self, _server: Any, _session: Any, taken: smtpd.Envelope, address: str, _options: list[str]
    ) -> str:
        """Only the domains of this door: it is no relay."""
        if address.rpartition("@")[2].lower() not in self._domains:
            return "550 5.7.1 relaying denied"
        taken.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd finds it by this name
        self, _server: Any, _session: Any, taken: smtpd.Envelope
    ) -> str:
        """Record, then answer."""
        arrived = Arrived(taken.mail_from or "<>", tuple(taken.rcpt_tos), taken.original_content or b"")
        try:
            await self._record(arrived)
        except Exception:
            log.exception("a mail at the door could not be recorded; its sender will bring it again")
            return "451 4.3.0 not recorded, bring it again"
        return "250 2.0.0 recorded"


class Peer(smtpd.SMTP):
    """Someone at the door. aiosmtpd bounds a mail but keeps a line that never ends: that is bounded here."""

    def __init__(self, door: Door, hostname: str) -> None:
        self._bytes = 0
        self._door = door
        super().__init__(
            door,
            data_size_limit=SIZE_MAX,
            hostname=hostname,
            ident="Angarium",
            timeout=PEER_IDLE_S,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._door.peers.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self._door.peers.discard(self)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Count what has come since the last mail, and hear no more of it than twice the size of one."""
        self._bytes += len(data)
        if self._bytes > 2 * SIZE_MAX:
            self.hang_up()
        else:
            super().data_received(data)

    def hang_up(self) -> None:
        """End it now."""
        if self.transport is not None:
            cast(asyncio.Transport, self.transport).abort()

    def _set_post_data_state(self) -> None:
        self._bytes = 0
        super()._set_post_data_state()  # type: ignore[no-untyped-call]  # aiosmtpd is typed in part


class Full(asyncio.Protocol):
    """Turns a peer away while there are too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say so and hang up."""
        writable = cast(asyncio.Transport, transport)
        writable.write(b"421 4.3.2 too many connections, come again\r\n")
        writable.close()
