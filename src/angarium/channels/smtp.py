"""E-mail: handed to a mail server over SMTP, its bounces and the answers of people taken in by mail.

Sources: RFC 5321 (SMTP), RFC 3461 (DSN), RFC 1047 (the lost answer), RFC 3464, RFC 5965, RFC 8058.

Quirks:
- 250 means that the next server has it, no more; whether it reached a mailbox is told by a delivery report,
  when a server on the way offers DSN and sends one. Nothing tells that it was read.
- What fails before the final dot was certainly not taken. A link that is lost after the dot leaves us not
  knowing (RFC 1047): the server may have taken the mail, so it is Unknown and never sent again blindly.
- Hard bounces often come minutes later, to the envelope sender. It names the attempt (VERP:
  `b+<client_ref>@<bounce domain>`), and `bounce_listen` takes them in; 250 is said after they are recorded.
- `params["unsubscribe_url"]` of a content becomes List-Unsubscribe with one click, which Gmail and Yahoo
  require of advertising. DKIM is left to the mail server.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import Sequence
from itertools import count
from typing import Annotated, Literal

import msgspec
import structlog
from msgspec import Meta

from angarium.channels import kit
from angarium.core.ports import (
    ADDRESSES,
    Accepted,
    Capabilities,
    Carries,
    Channel,
    Ears,
    Event,
    Inbound,
    Outcome,
    Raw,
    Receipt,
    Refused,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem, invalid, shown
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Reason, ReceiptStatus
from angarium.protocols import dsn, mime
from angarium.protocols.mime import MimeError
from angarium.protocols.smtp import Arrived, Dialogue, Door, Envelope, Links, NoAnswer, NotTaken, Server, told

log = structlog.get_logger()

CONTENT_MAX = 1_048_576  # bytes of text and HTML; ours: pictures are linked and not attached
DETAIL_MAX = 300  # characters of what the server said
IMAGE_SCHEMES = ("https://", "http://")
BUTTON_SCHEMES = (*IMAGE_SCHEMES, "mailto:", "tel:", "sms:")
UNSUBSCRIBE = "unsubscribe_url"
RETRY_FIRST_S, RETRY_MAX_S = 0.5, 60.0  # a wrong password waits the longest at once: accounts get locked

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account at one mail server."""

    host: Annotated[
        str,
        Meta(title="Server", description="Name of the mail server, such as smtp.example.com.", min_length=1),
    ]
    sender_address: Annotated[
        str, Meta(title="Sender", description="The address people see and answer to.", min_length=3)
    ]
    port: Annotated[
        int, Meta(title="Port", description="587 with STARTTLS, 465 with TLS, 25 without.", ge=1, le=65_535)
    ] = 587
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Meta(title="Encryption", description="none is for a server on this machine or in this network."),
    ] = "starttls"
    verify_tls: Annotated[
        bool, Meta(title="Check the certificate", description="Switch off only for a server of your own.")
    ] = True
    username: Annotated[str, Meta(title="User name", description="Empty: without signing in.")] = ""
    password: Annotated[
        str, Meta(title="Password", description="Of the account, or an app password.", extra={"secret": True})
    ] = ""
    sender_name: Annotated[
        str, Meta(title="Sender name", description="The name people see before the address.")
    ] = ""
    bounce_domain: Annotated[
        str,
        Meta(
            title="Bounce domain",
            description="Bounces come to b+<attempt>@ this domain; its MX leads to the bounce listener. "
            "Empty: they go to the sender's mailbox and are not seen here.",
        ),
    ] = ""
    bounce_listen: Annotated[
        str,
        Meta(
            title="Bounce listener",
            description="host:port where bounces and answers are taken in, such as 0.0.0.0:2525; "
            "put it behind your mail server. Empty: no listener.",
        ),
    ] = ""
    timeout_s: Annotated[
        float,
        Meta(title="Time to answer", description="Seconds for each step before the mail.", ge=1, le=600),
    ] = 60.0
    final_timeout_s: Annotated[
        float,
        Meta(
            title="Time to take the mail",
            description="Seconds for the answer to the whole mail. RFC 5321 asks for 600: "
            "who hangs up earlier does not know whether it was sent.",
            ge=1,
            le=3_600,
        ),
    ] = 600.0
    mails_per_connection: Annotated[
        int, Meta(title="Mails per connection", description="Then it is closed and made anew.", ge=1)
    ] = 100

    def __post_init__(self) -> None:
        try:
            mime.address(self.sender_address, "sender_address")
            mime.domain_name(self.bounce_domain or "unset", "bounce_domain")
            mime.domain_name("unset" if _is_number(self.host) else self.host, "host")
        except MimeError as error:
            raise invalid(error.field, error.problem, value=getattr(self, error.field)) from error
        if self.bounce_listen and _host_and_port(self.bounce_listen) is None:
            raise invalid(
                "bounce_listen", "is not host:port", value=self.bounce_listen, remedy="0.0.0.0:2525"
            )
        if self.username and self.security == "none" and not _is_here(self.host):
            raise invalid("security", "would send the password in clear", remedy="starttls or tls")

    def domain(self) -> str:
        """The domain of the sender, in ASCII: the right side of our Message-IDs."""
        return mime.address(self.sender_address).rpartition("@")[2].lower()


def _host_and_port(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        return None
    return host.strip("[]"), int(port)


def _is_here(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback if _is_number(host) else host == "localhost"


def _is_number(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


# ── words of the server ──────────────────────────────────────────────────────────────────────────────

AUTH_CODES = {530, 534, 535, 538}  # RFC 4954 §6
SPOKE_WRONGLY = {500, 501, 502, 503, 504, 555}  # RFC 5321 §4.2.2

# "Slow down": Gmail (4.7.28), Yahoo (4.7.0 [TSS04]), Exchange Online (4.7.500, 4.3.2), Postfix (4.7.0).
SLOW_DOWN = {"4.3.2", "4.7.0", "4.7.28", "4.7.500"}

# Where an enhanced code is missing or says nothing. RFC 5321 §4.2.2 and §4.5.3.1.10.
BY_STAGE = {
    ("MAIL", 550): Reason.SENDER_INVALID,
    ("MAIL", 553): Reason.SENDER_INVALID,
    ("RCPT", 550): Reason.BAD_ADDRESS,
    ("RCPT", 551): Reason.BAD_ADDRESS,
    ("RCPT", 552): Reason.TEMPORARY,
    ("RCPT", 553): Reason.BAD_ADDRESS,
    ("DATA", 552): Reason.TOO_LONG,
}


def refusal(failure: NotTaken) -> Refused:
    """Why a mail was not taken, from the stage and the server's answer."""
    enhanced = dsn.enhanced_code(failure.text)
    code = enhanced or (str(failure.code) if failure.code else "not_connected")
    detail = kit.clean(str(failure)[:DETAIL_MAX])
    return Refused(_reason(failure.stage, failure.code, enhanced), code, detail)


def _reason(stage: str, code: int, enhanced: str) -> Reason:
    if not 500 <= code < 600 or stage == "CONNECT":  # 4xx, no answer, or an answer that is none
        return Reason.THROTTLED if enhanced in SLOW_DOWN else Reason.TEMPORARY
    if code in AUTH_CODES or stage == "AUTH":
        return Reason.AUTH
    if code in SPOKE_WRONGLY:
        return dsn.reason_of(enhanced, Reason.CONFIG)
    unsaid = Reason.REJECTED if enhanced.startswith("5.7.") else BY_STAGE.get((stage, code), Reason.REJECTED)
    return dsn.reason_of(enhanced, unsaid)


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────────


def server(settings: Settings) -> Server:
    """The settings as the wire needs them."""
    return Server(
        host=settings.host,
        port=settings.port,
        security=settings.security,
        hello_name=settings.domain(),
        verify_tls=settings.verify_tls,
        username=settings.username,
        password=settings.password,
        timeout_s=settings.timeout_s,
        final_timeout_s=settings.final_timeout_s,
        mails_per_link=settings.mails_per_connection,
    )


def message_id(settings: Settings, submission: Submission) -> str:
    """Made of our reference alone: a retry is the same mail to whoever compares."""
    return f"{submission.client_ref}@{settings.domain()}".lower()


def envelope(settings: Settings, submission: Submission, now: int) -> Envelope:
    """The mail of an attempt and where it goes; MimeError when a field cannot be written."""
    content = submission.content
    unsubscribe = content.params.get(UNSUBSCRIBE, "")
    mail = mime.Mail(
        message_id=message_id(settings, submission),
        sender=settings.sender_address,
        sender_name=settings.sender_name,
        recipient=submission.address,
        subject=content.subject,
        at=now,
        text=content.text,
        html=content.html,
        image_url=content.picture,
        links=tuple((button.label, button.url) for button in content.buttons),
        list_unsubscribe=(unsubscribe,) if unsubscribe else (),
        one_click=unsubscribe.startswith("https://"),
    )
    recipient = mime.address(submission.address, "recipient")
    if not settings.bounce_domain:  # reports would flood a person's mailbox
        return Envelope(mime.address(settings.sender_address), recipient, mime.build(mail))
    sender = dsn.verp(submission.client_ref, mime.domain_name(settings.bounce_domain))
    return Envelope(sender, recipient, mime.build(mail), envelope_id=submission.client_ref)


# ── the live line ────────────────────────────────────────────────────────────────────────────────────


class SmtpConnection:
    """Mails under way up to the window, each over a link of its own; and the door for bounces."""

    def __init__(self, tools: Tools, settings: Settings, window: int, ears: Ears) -> None:
        self._tools, self._settings, self._window, self._ears = tools, settings, window, ears
        self._links = Links(server(settings), tools.clock)
        self._door = self._new_door()
        self._under_way: dict[asyncio.Task[Outcome], tuple[int, Dialogue]] = {}
        self._coming_up: asyncio.Task[None] | None = None
        self._up = False
        self._trouble = "closed"

    async def open(self) -> None:
        """Connect in the background, and listen for bounces."""
        self._trouble = "connecting"
        self._coming_up = asyncio.create_task(self._come_up())

    def up(self) -> bool:
        """Whether the server was there when it was looked for last."""
        return self._up

    def free(self) -> int:
        """Mails it would take now; 0 while the server cannot be reached."""
        return max(self._window - len(self._under_way), 0) if self._up else 0

    def submit(self, batch: Sequence[Submission]) -> None:
        """A task for each; it ends in one outcome."""
        for submission in batch:
            dialogue = Dialogue(self._tools.clock)
            task = asyncio.create_task(self._deliver(submission, dialogue))
            self._under_way[task] = submission.attempt_id, dialogue
            task.add_done_callback(self._ended)

    async def close(self, grace_s: float) -> None:
        """Wait for answers, leave. A mail not handed over ends as Refused, one without answer as Unknown."""
        self._up, self._trouble = False, "closed"
        if self._coming_up is not None:
            self._coming_up.cancel()
            await asyncio.wait([self._coming_up])
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace_s)
        for task in self._under_way:
            task.cancel()
        while self._under_way:
            await asyncio.wait(self._under_way)
        await self._links.close()
        if self._door is not None:
            await self._door.close()

    def state(self) -> str:
        """For the console."""
        if not self._up:
            return self._trouble
        told = f"connected: {self._links.open} links, {len(self._under_way)} mails under way"
        return f"{told}; bounces on {self._door.address()}" if self._door is not None else told

    def _new_door(self) -> Door | None:
        where = _host_and_port(self._settings.bounce_listen)
        if where is None:
            return None
        domains = {
            self._settings.domain(),
            mime.domain_name(self._settings.bounce_domain or self._settings.domain()),
        }
        return Door(*where, domains, self._record)

    async def _record(self, arrived: Arrived) -> None:
        headers = {"rcpt-to": ", ".join(arrived.rcpt_to), "mail-from": arrived.mail_from}
        await self._ears.arrived(Raw(body=arrived.mail, headers=headers))

    async def _come_up(self, error: Exception | None = None) -> None:
        """Until the door is open and the server answers: try, wait longer, try again."""
        for tries in count():
            if error is not None:
                await self._wait(error, tries)
            try:
                if self._door is not None:
                    await self._door.open()
                await self._links.reach()
            except (OSError, NotTaken) as failure:
                error = failure
            except Exception as failure:  # a fault of ours: nobody else would hear of it
                log.exception("the mail channel broke while it connected")
                error = failure
            else:
                self._up = True
                self._ears.room()
                return

    async def _wait(self, error: Exception, tries: int) -> None:
        wrong_password = isinstance(error, NotTaken) and error.stage == "AUTH"
        delay_s = RETRY_MAX_S if wrong_password else min(RETRY_FIRST_S * 2 ** min(tries, 10), RETRY_MAX_S)
        delay_s *= 1 + self._tools.chance.roll() / 5
        self._trouble = f"connecting: {str(error)[:DETAIL_MAX]}; retry in {delay_s:.0f} s"
        await self._tools.clock.sleep(delay_s)

    async def _deliver(self, submission: Submission, dialogue: Dialogue) -> Outcome:
        if findings := lint(self._settings, submission.content):
            return kit.unfit(findings)
        try:
            letter = envelope(self._settings, submission, self._tools.clock.now())
            await self._links.hand(letter, dialogue)
        except MimeError as error:
            reason = Reason.BAD_ADDRESS if error.field == "recipient" else Reason.UNSUPPORTED
            return Refused(reason, detail=str(error))
        except NotTaken as error:
            return self._unreachable(error) if error.stage in ("CONNECT", "AUTH") else refusal(error)
        except NoAnswer as error:
            return Unknown(kit.clean(str(error)[:DETAIL_MAX]))
        except asyncio.CancelledError:  # by close(), before the dot
            return NOT_HANDED_OVER
        return Accepted((message_id(self._settings, submission),))

    def _unreachable(self, error: NotTaken) -> Refused:
        """Take nothing more until it can be reached; while links live, it only takes no more of them."""
        said = refusal(error)
        if self._links.open and said.reason is Reason.TEMPORARY:
            return msgspec.structs.replace(said, reason=Reason.THROTTLED)
        if self._up:
            self._up = False
            self._coming_up = asyncio.create_task(self._come_up(error))
        return said

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        attempt_id, dialogue = self._under_way.pop(task)
        if task.cancelled():  # before it ran
            outcome: Outcome = NOT_HANDED_OVER
        elif (error := task.exception()) is not None:
            log.error("the mail channel raised instead of answering", attempt_id=attempt_id, exc_info=error)
            outcome = Unknown(f"the channel broke: {type(error).__name__}")
        else:
            outcome = task.result()
        self._ears.outcome(attempt_id, outcome, dialogue)
        self._ears.room()


NOT_HANDED_OVER = Refused(
    Reason.TEMPORARY, detail="the line was closed before the mail was handed over", untried=True
)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """A whole mail as it arrived; `rcpt-to` and `mail-from` are its envelope where the listener took it."""
    try:
        mail = dsn.read(raw.body, raw.headers.get("rcpt-to", ""), raw.headers.get("mail-from", ""))
    except MimeError as error:
        return [kit.unreadable(f"{error.field} {error.problem}", raw.body)]
    match mail:
        case dsn.Bounce(fates):
            return [_receipt(fate, raw.body) for fate in fates]
        case dsn.Complaint(fate):
            return [_receipt(fate, raw.body)]
        case dsn.Letter():
            lost = [kit.unreadable(f"attachment not taken over: {name}", b"") for name in mail.attachments]
            return [_inbound(mail, raw.body), *lost]
        case dsn.AutoReply():
            return []


def _receipt(fate: dsn.Fate, body: bytes) -> Event:
    if not fate.client_ref and not fate.message_id:
        return kit.unreadable("a report that names no mail of ours", body)
    return Receipt(
        status=fate.status,
        ref=kit.clean(fate.message_id.lower()),
        client_ref=fate.client_ref.lower(),
        address=kit.clean(fate.recipient),
        reason=fate.reason,
        code=kit.clean(fate.code),
        at=fate.at,
    )


def _inbound(letter: dsn.Letter, body: bytes) -> Event:
    if not letter.sender:
        return kit.unreadable("a mail without a sender", body)
    words = [letter.text] if letter.in_reply_to and letter.text else [letter.subject, letter.text]
    return Inbound(
        ref=kit.clean(letter.message_id) or hashlib.sha256(body).hexdigest(),
        sender=kit.clean(letter.sender.lower()),
        recipient=kit.clean(letter.recipient),
        text=kit.clean("\n\n".join(word for word in words if word)),
        at=letter.at,
        context_ref=kit.clean(letter.in_reply_to.lower()),
    )


# ── content ──────────────────────────────────────────────────────────────────────────────────────────


def measure(_settings: Settings, content: Content) -> Measure:
    """One mail; units are bytes of its words."""
    units = len(content.text.encode()) + len(content.html.encode())
    return Measure(parts=1, units=units, encoding="UTF-8", units_left=CONTENT_MAX - units)


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """A subject, words, and links that a mail program will follow."""
    found = kit.beyond(CAPABILITIES, content)
    if not content.subject.strip():
        found.append(FieldProblem("subject", "is empty", "a mail needs a subject"))
    elif mime.CONTROLS.search(content.subject) or len(content.subject) > mime.WORDS_MAX:
        problem = f"has a line break, or more than {mime.WORDS_MAX} characters"
        found.append(FieldProblem("subject", problem, "write one short line", shown(content.subject)))
    if not content.text and not content.html:
        found.append(FieldProblem("text", "and html are both empty", "write at least one of them"))
    if content.template or set(content.params) - {UNSUBSCRIBE}:
        found.append(FieldProblem("template", "no registered templates here", "write the words out"))
    links = [("buttons", button.url) for button in content.buttons]
    links += [("image_url", content.picture)] if content.picture else []
    for name, url in links:
        if not url.lower().startswith(IMAGE_SCHEMES if name == "image_url" else BUTTON_SCHEMES):
            found.append(FieldProblem(name, "is not a link a mail can carry", "https://…", shown(url)))
    if measure(_settings, content).units_left < 0:
        problem = f"and text are more than {CONTENT_MAX} bytes"
        found.append(FieldProblem("html", problem, "link, do not embed"))
    return tuple(found)


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    two_way=True,
    buttons_max=10,
    buttons=ADDRESSES,
    images=True,
    media=(Carries(frozenset({"image/jpeg", "image/png", "image/gif"})),),  # as a link in its HTML
    html=True,
)

CHANNEL = Channel(
    kind="smtp",
    title="E-mail (SMTP)",
    address_kind=AddressKind.EMAIL,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    connect=SmtpConnection,
    lint=lint,
    told=told,
    answers_within_s=lambda settings: settings.final_timeout_s,
    sender=lambda settings: settings.sender_name or settings.sender_address,
)
