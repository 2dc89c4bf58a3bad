"""A mail host: takes mail over SMTP, files it, and reports back by mail as RFC 3461 and RFC 3464 say.

The last two characters of the local part decide (`anna.02@example.org`). What can be told at once is told in
the session: no such user at RCPT, slow down at RCPT, refused content after the dot. The rest comes as a
delivery report to the envelope sender, carried to `stage.webhooks["smtp"]` (`smtp://host:port`), again and
again until it is taken. Success is reported only to those who asked (NOTIFY=SUCCESS), reading to nobody.
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import time
from collections import Counter, deque
from collections.abc import Coroutine
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP, compat32, default
from email.utils import formatdate, make_msgid
from typing import Any, cast
from urllib.parse import urlsplit

import structlog
from aiosmtpd import smtp as smtpd

from angarium.simulators.behaviour import Behaviour, Faults, Rhythm
from angarium.simulators.ledger import Entry, Ledger
from angarium.simulators.stage import Stage

log = structlog.get_logger()

NAME = "smtp"
HOST = "mx.angarium.example"
SIZE_MAX = 10 * 1024 * 1024  # bytes of one mail
REFUSALS = 2  # how often a throttled mail is refused before it is taken
RHYTHMS = ("silent", "late", "double", "reorder", "garbage")
HOLD_S = 0.5  # how long a connection is held before it is cut without an answer
RETRY_FIRST_S, RETRY_MOST_S = 0.2, 30.0  # pauses between tries to bring a mail; each is twice the last
BRING_TIMEOUT_S = 5.0

# At RCPT, and after the dot. RFC 5321 §4.2.3 and RFC 3463.
AT_RCPT = {
    Behaviour.NOT_A_USER: "550 5.1.1 no such user here",
    Behaviour.BLOCKED: "554 5.7.1 delivery not authorized, message refused",
    Behaviour.THROTTLED: "451 4.7.0 too much mail from you, slow down",
}
AT_DOT = {Behaviour.TEMPLATE_PAUSED: "554 5.6.0 content refused"}
SLOW_DOWN = AT_RCPT[Behaviour.THROTTLED]


@dataclass(frozen=True)
class Report:
    """One thing that happens to a mail and may be reported."""

    word: str  # as in every ledger; "delayed" is no state of a mail and is only reported
    action: str
    status: str
    asked_by: str  # the NOTIFY word that asks for it


DELIVERED = Report("delivered", "delivered", "2.0.0", "SUCCESS")
DELAYED = Report("delayed", "delayed", "4.4.1", "DELAY")
UNDELIVERED = Report("undelivered", "failed", "5.0.0", "FAILURE")
EXPIRED = Report("expired", "failed", "4.4.7", "FAILURE")

FATES = {
    Behaviour.SILENT: (),
    Behaviour.UNDELIVERED: (UNDELIVERED,),
    Behaviour.EXPIRED: (EXPIRED,),
    Behaviour.LATE: (DELAYED, DELIVERED),
    Behaviour.DOUBLED: (DELIVERED, DELAYED, DELIVERED),
}


@dataclass(frozen=True)
class Taken:
    """A mail in our hands, for one recipient."""

    entry: Entry
    fields: str  # of the mail, to be returned
    original_recipient: str  # as the sender named it
    envelope_from: str
    envelope_id: str
    notify: frozenset[str]
    doubled: bool


class Wrapper(smtpd.Envelope):
    """An envelope that keeps what the sender wants reported (RFC 3461)."""

    def __init__(self) -> None:
        super().__init__()
        self.envelope_id = ""
        self.notify: dict[str, frozenset[str]] = {}
        self.original_recipients: dict[str, str] = {}


class MailHost:
    """The face: `MailHost(stage, port)`."""

    name = NAME

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._stage, self._port = stage, port
        self.ledger = stage.ledger(NAME)
        self._server: asyncio.Server | None = None
        self.sessions: set[MailSession] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusals: Counter[str] = Counter()
        self._recent: deque[float] = deque()
        self._mails = 0
        self._last: dict[str, Taken] = {}  # by recipient
        self._rhythms = {fault: Rhythm() for fault in RHYTHMS}

    async def start(self) -> None:
        """Listen on 127.0.0.1."""
        await self._open()

    async def heed(self) -> None:
        """Open or close the door."""
        away = self._stage.faults(NAME).away
        if away and self._server is not None:
            self._server.close()
            self._server = None
            for session in tuple(self.sessions):
                session.hang_up()
            self.ledger.cut(time.time())
        elif not away and self._server is None:
            await self._open()

    def waiting(self) -> int:
        """Reports to come, and those that nobody has taken."""
        return len(self._tasks)

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: MailSession(self), "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody and forget what was still to be reported."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            for session in tuple(self.sessions):
                session.hang_up()
            await self._server.wait_closed()
            self._server = None

    def url(self) -> str:
        """Where it listens."""
        return f"smtp://127.0.0.1:{self._port}"

    async def send_inbound(self, sender: str, recipient: str, text: str) -> None:
        """A person writes, in answer to the last mail they got; returns when it was taken."""
        if NAME not in self._stage.webhooks:
            raise ValueError("stage.webhooks has no 'smtp': there is nobody to write to")
        mail = letter(self.ledger, sender, recipient, text)
        await self._bring(sender, recipient, mail.as_bytes(policy=SMTP))

    async def complain(self, sender: str, recipient: str) -> None:
        """A person presses "this is spam" on the last mail they got; the host tells this address of it."""
        await self._bring(f"fbl@{HOST}", recipient, complaint(self._last[sender], recipient))

    # ── the counter: aiosmtpd finds these by their names ──

    async def handle_EHLO(  # noqa: N802 - see above
        self, _server: Any, session: smtpd.Session, _envelope: Any, hostname: str, lines: list[str]
    ) -> list[str]:
        """We report what becomes of a mail."""
        session.host_name = hostname
        return [lines[0], "250-DSN", "250-ENHANCEDSTATUSCODES", *lines[1:]]

    async def handle_RCPT(  # noqa: N802 - see above
        self, _server: Any, _session: Any, envelope: Wrapper, address: str, _options: Any
    ) -> str:
        """Take the recipient or say why not."""
        behaviour = self._behaviour(address)
        refused = self._refused(address, behaviour)
        if refused is not None:
            self.ledger.refused[refused.value] += 1
            return AT_RCPT[refused]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(  # noqa: N802 - see above
        self, server: MailSession, _session: Any, envelope: Wrapper
    ) -> str:
        """File the mail, and answer as the behaviour of its (first) recipient and the faults say."""
        behaviours = {address: self._behaviour(address) for address in envelope.rcpt_tos}
        first = behaviours[envelope.rcpt_tos[0]]
        if first in AT_DOT:
            self.ledger.refused[first.value] += 1
            return AT_DOT[first]
        faults = self._stage.faults(NAME)
        self._mails += 1
        early = self._rhythms["reorder"].due(faults.reorder_share)
        filed = []
        for address, behaviour in behaviours.items():
            taken = self._file(envelope, address, behaviour is Behaviour.DOUBLED, faults)
            filed.append(taken.entry)
            fate = FATES.get(behaviour, (DELIVERED,))
            if early:
                await self._live(taken, fate, 0)
            else:
                self._run(self._live(taken, fate, faults.receipt_delay_s))
        late = self._rhythms["late"].due(faults.late_share)
        await asyncio.sleep(faults.late_s if late else faults.answer_delay_s)
        dropped = faults.drop_every > 0 and self._mails % faults.drop_every == 0
        silent = self._rhythms["silent"].due(faults.silent_share)
        if first is Behaviour.LOST_ANSWER or dropped or silent:
            await server.lose_answer()
        if self._rhythms["garbage"].due(faults.garbage_share):
            return "taken, I think"
        for entry in filed:
            self.ledger.answered(entry, time.time())
        return f"250 2.0.0 ok: queued as {self._mails:08X}"

    def _behaviour(self, address: str) -> Behaviour:
        return self._stage.behaviour(NAME, address.rpartition("@")[0])

    def _refused(self, address: str, behaviour: Behaviour) -> Behaviour | None:
        """Why a recipient is not taken; a throttled one is, at the third try."""
        if self._too_fast(self._stage.faults(NAME).throttle_per_s):
            return Behaviour.THROTTLED
        if behaviour is Behaviour.THROTTLED:
            self._refusals[address] += 1
            if self._refusals[address] > REFUSALS:
                del self._refusals[address]
                return None
        return behaviour if behaviour in AT_RCPT else None

    def _too_fast(self, per_s: float) -> bool:
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if not per_s or len(self._recent) < per_s:
            self._recent.append(now)
            return False
        return True

    def _file(self, envelope: Wrapper, address: str, doubled: bool, faults: Faults) -> Taken:
        message = message_from_bytes(envelope.original_content or b"", policy=default)
        entry = read(message, address, envelope)
        self.ledger.took(entry)
        self._last[address] = taken = Taken(
            entry=entry,
            fields="".join(f"{name}: {_unfolded(value)}\n" for name, value in message.raw_items()),
            original_recipient=envelope.original_recipients.get(address, ""),
            envelope_from=(envelope.mail_from or "").strip("<>"),
            envelope_id=envelope.envelope_id,
            notify=envelope.notify.get(address, frozenset({"FAILURE", "DELAY"})),
            doubled=doubled or self._rhythms["double"].due(faults.double_share),
        )
        return taken

    # ── the fate of a mail ──

    async def _live(self, taken: Taken, fate: tuple[Report, ...], delay_s: float) -> None:
        for happened in fate:
            await asyncio.sleep(delay_s)
            known = [word for word, _ in taken.entry.statuses]
            if happened is not DELAYED and happened.word not in known:
                self.ledger.reported(taken.entry, happened.word, time.time())
            if taken.envelope_from and happened.asked_by in taken.notify:
                for _ in range(2 if taken.doubled else 1):
                    await self._bring("", taken.envelope_from, report(taken, happened))

    async def _bring(self, sender: str, recipient: str, mail: bytes) -> None:
        """Carry a mail to whoever connected this host, with growing pauses until it is taken or refused."""
        pause_s = RETRY_FIRST_S
        while NAME in self._stage.webhooks:
            where = urlsplit(self._stage.webhooks[NAME].url)  # it may have moved since the last try
            if not self._stage.faults(NAME).away and await asyncio.to_thread(
                _brought, where.hostname, where.port, sender, recipient, mail
            ):
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RETRY_MOST_S)

    def _run(self, happening: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(happening)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("the simulated mail host broke", exc_info=task.exception())


def _brought(host: str | None, port: int | None, sender: str, recipient: str, mail: bytes) -> bool:
    """Whether there is nothing more to do: taken, or refused for good."""
    try:
        with smtplib.SMTP(host or "127.0.0.1", port or 25, HOST, timeout=BRING_TIMEOUT_S) as client:
            client.sendmail(sender, [recipient], mail)
    except smtplib.SMTPRecipientsRefused as error:
        return _for_good(*error.recipients[recipient])
    except smtplib.SMTPResponseException as error:
        return _for_good(error.smtp_code, error.smtp_error)
    except OSError:  # smtplib's other errors are OSErrors too
        return False
    return True


def _for_good(code: int, words: bytes | str) -> bool:
    if code >= 500:
        log.warning("nobody takes a mail of the simulated host", code=code, words=str(words))
    return code >= 500


def read(message: EmailMessage, address: str, envelope: Wrapper) -> Entry:
    """What a person sees of a mail, by Python's own email package."""
    plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    return Entry(
        face=NAME,
        ref=str(message["Message-ID"] or "").strip().strip("<>"),
        recipient=address,
        text=words(plain),
        html=words(rich),
        subject=str(message["Subject"] or ""),
        sender=sender(message),
        client_ref=envelope.envelope_id,
        at=time.time(),
        details={
            "envelope_from": envelope.mail_from or "",
            "notify": ",".join(sorted(envelope.notify.get(address, ()))),
            "list_unsubscribe": str(message["List-Unsubscribe"] or ""),
            "list_unsubscribe_post": str(message["List-Unsubscribe-Post"] or ""),
            "bytes": len(envelope.original_content or b""),
        },
    )


def letter(ledger: Ledger, sender: str, recipient: str, text: str) -> EmailMessage:
    """A person writes, in answer to the last mail they got."""
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, recipient
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain=sender.rpartition("@")[2])
    answered = next((entry for entry in reversed(ledger.entries) if entry.recipient == sender), None)
    mail["Subject"] = f"Re: {answered.subject}" if answered else text.partition("\n")[0][:60]
    if answered:
        mail["In-Reply-To"] = f"<{answered.ref}>"
    mail.set_content(text)
    return mail


def words(part: Any) -> str:
    """The text of a part; empty when there is none."""
    return "" if part is None else part.get_content().replace("\r\n", "\n").rstrip("\n")


def sender(message: EmailMessage) -> str:
    """The sender in letters, from the raw field: Python < 3.13 puts spaces between the words of a name."""
    raw = next((value for name, value in message.raw_items() if name.lower() == "from"), "")
    return str(make_header(decode_header(_unfolded(raw))))


def _unfolded(value: object) -> str:
    return str(value).replace("\r", "").replace("\n", "")


def report(taken: Taken, happened: Report) -> bytes:
    """A delivery report, RFC 3464 §2: words for people, fields for machines, the fields of the mail."""
    about, person = Message(), Message()
    about["Reporting-MTA"] = f"dns; {HOST}"
    if taken.envelope_id:
        about["Original-Envelope-Id"] = taken.envelope_id
    if taken.original_recipient:
        person["Original-Recipient"] = taken.original_recipient
    person["Final-Recipient"] = f"rfc822; {taken.entry.recipient}"
    person["Action"], person["Status"] = happened.action, happened.status
    if happened.action != "delivered":
        person["Diagnostic-Code"] = f"smtp; {happened.status} {happened.word}"
    person["Last-Attempt-Date"] = formatdate()
    fields = MIMEBase("message", "delivery-status")
    fields.set_payload([about, person])
    returned = MIMEText(taken.fields, "rfc822-headers")
    told = MIMEText(f"Your mail to {taken.entry.recipient} was {happened.word}.\n")
    whole = MIMEMultipart("report", report_type="delivery-status", _subparts=[told, fields, returned])
    whole["From"], whole["To"] = f"MAILER-DAEMON@{HOST}", taken.envelope_from
    whole["Subject"] = f"Delivery status: {happened.word}"
    whole["Date"], whole["Message-ID"] = formatdate(), make_msgid(domain=HOST)
    whole["Auto-Submitted"] = "auto-replied"
    return whole.as_bytes(policy=compat32.clone(linesep="\r\n"))


def complaint(taken: Taken, recipient: str) -> bytes:
    """A feedback report, RFC 5965 §2: words for people, fields for machines, the fields of the mail."""
    about = Message()
    about["Feedback-Type"], about["User-Agent"], about["Version"] = "abuse", f"{HOST}/1.0", "1"
    about["Original-Mail-From"] = f"<{taken.envelope_from}>"
    about["Original-Rcpt-To"] = f"<{taken.entry.recipient}>"
    about["Arrival-Date"] = formatdate(taken.entry.at)
    fields = MIMEBase("message", "feedback-report")
    fields.set_payload([about])
    told = MIMEText("This is an abuse report for a message that you sent.\n")
    returned = MIMEText(taken.fields, "rfc822-headers")
    whole = MIMEMultipart("report", report_type="feedback-report", _subparts=[told, fields, returned])
    whole["From"], whole["To"] = f"fbl@{HOST}", recipient
    whole["Subject"] = f"FW: {taken.entry.subject}"
    whole["Date"], whole["Message-ID"] = formatdate(), make_msgid(domain=HOST)
    return whole.as_bytes(policy=compat32.clone(linesep="\r\n"))


class MailSession(smtpd.SMTP):
    """One peer. aiosmtpd refuses the parameters of RFC 3461, so they are taken off before it looks."""

    def __init__(self, host: MailHost) -> None:
        self._host = host
        super().__init__(
            host,
            hostname=HOST,
            ident="simulated",
            data_size_limit=SIZE_MAX,
            auth_require_tls=False,
            authenticator=lambda *_: smtpd.AuthResult(success=True),
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._host.sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self._host.sessions.discard(self)
        super().connection_lost(error)

    def hang_up(self) -> None:
        """End it now."""
        if self.transport is not None:
            cast(asyncio.Transport, self.transport).abort()

    async def lose_answer(self) -> None:
        """Hang up instead of answering; never returns, because the end of the link cancels it."""
        await asyncio.sleep(HOLD_S)
        self.hang_up()
        await asyncio.Future[None]()

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd finds it by this name
        """MAIL FROM with RET and ENVID."""
        rest, taken = take_parameters(arg, ("RET", "ENVID"))
        await super().smtp_MAIL(rest)
        cast(Wrapper, self.envelope).envelope_id = taken.get("ENVID", "")

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd finds it by this name
        """RCPT TO with NOTIFY and ORCPT."""
        rest, taken = take_parameters(arg, ("NOTIFY", "ORCPT"))
        await super().smtp_RCPT(rest)
        envelope = cast(Wrapper, self.envelope)
        if envelope.rcpt_tos and "NOTIFY" in taken:
            envelope.notify[envelope.rcpt_tos[-1]] = frozenset(taken["NOTIFY"].upper().split(","))
        if envelope.rcpt_tos and "ORCPT" in taken:
            original = re.sub(r"\+([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), taken["ORCPT"])
            envelope.original_recipients[envelope.rcpt_tos[-1]] = original  # xtext, RFC 3461 §4

    def _create_envelope(self) -> Wrapper:
        return Wrapper()


def take_parameters(arg: str | None, names: tuple[str, ...]) -> tuple[str | None, dict[str, str]]:
    """`TO:<a@b> NOTIFY=NEVER X=1` becomes `TO:<a@b> X=1` and {"NOTIFY": "NEVER"}."""
    if arg is None:
        return None, {}
    kept, taken = [], {}
    for word in arg.split(" "):
        name, equals, value = word.partition("=")
        if equals and name.upper() in names:
            taken[name.upper()] = value
        else:
            kept.append(word)
    return " ".join(kept), taken
