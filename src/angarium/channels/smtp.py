"""E-mail: handed to a mail server over SMTP, its bounces and the answers of people taken in by mail.

Sources: RFC 5321 (SMTP), RFC 3461 (DSN), RFC 1047 (the lost answer), RFC 3464, RFC 5965, RFC 8058.

Quirks:
- 250 means that the next server has it, no more; whether it reached a mailbox is told by a delivery report,
  when a server on the way offers DSN and sends one. Nothing tells that it was read.
- What fails before the final dot was certainly not taken. A link that is lost after the dot leaves us not
  knowing (RFC 1047): the server may have taken the mail, so it is Unknown and never sent again blindly.
- Hard bounces often come minutes later, to the envelope sender. It names the attempt (VERP:
  `b+<client_ref>@<bounce domain>`), and `bounce_listen` takes them in; 250 is said after they are recorded.
- Who answers may also be heard by IMAP: a mailbox of the line is looked into every minute.
- `params["unsubscribe_url"]` of a content becomes List-Unsubscribe with one click, which Gmail and Yahoo
  require of advertising.
- DKIM signs here when the line has a key, with RSA and Ed25519 side by side when it has both; else the mail
  server may. What is to stand in the DNS is in `profile`.
- With a `bounce_secret` the name of an attempt carries a tag that only we can make, wherever a stranger sees
  it (VERP, envelope id, Message-ID); a report is believed only when it names one.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from itertools import count
from typing import Annotated, Literal

import msgspec
import structlog
from msgspec import Meta

from angarium.channels import kit, mail_kit
from angarium.core.ports import (
    Accepted,
    Channel,
    Ears,
    Event,
    Outcome,
    Profile,
    Raw,
    Refused,
    Submission,
    Tools,
    Unknown,
    unfit,
)
from angarium.core.problems import invalid
from angarium.core.values import AddressKind, Reason
from angarium.protocols import dkim, dsn, imap, mime
from angarium.protocols.mime import MimeError
from angarium.protocols.smtp import Arrived, Dialogue, Door, Envelope, Links, NoAnswer, NotTaken, Server, told

log = structlog.get_logger()

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
    bounce_secret: Annotated[
        str,
        Meta(
            title="Secret of bounces",
            description="Any long text. Then only reports that name a mail of ours by its secret tag are "
            "believed; those of mails sent before it was set are not. Empty: whoever guesses a name is.",
            extra={"secret": True},
        ),
    ] = ""
    dkim_domain: mail_kit.DkimDomain = ""
    dkim_selector: mail_kit.DkimSelector = ""
    dkim_key: mail_kit.DkimKey = ""
    dkim_second_selector: Annotated[
        str, Meta(title="Second DKIM selector", description="Of the second key.")
    ] = ""
    dkim_second_key: Annotated[
        str,
        Meta(
            title="Second DKIM key",
            description="Of the other kind: mails are then signed with both, for hosts that know only RSA.",
            extra={"secret": True},
        ),
    ] = ""
    imap_host: Annotated[
        str,
        Meta(
            title="Mailbox",
            description="IMAP server where answers and bounces arrive: what is unread is read each minute. "
            "Empty: no mailbox.",
        ),
    ] = ""
    imap_port: Annotated[
        int, Meta(title="Port of the mailbox", description="993 with TLS, 143 else.", ge=1, le=65_535)
    ] = 993
    imap_security: Annotated[
        Literal["tls", "starttls", "none"],
        Meta(title="Encryption of the mailbox", description="none is for a server on this machine."),
    ] = "tls"
    imap_username: Annotated[str, Meta(title="User name of the mailbox", description="Often an address.")] = (
        ""
    )
    imap_password: Annotated[
        str,
        Meta(
            title="Password of the mailbox",
            description="Of the account, or an app password.",
            extra={"secret": True},
        ),
    ] = ""
    imap_folder: Annotated[
        str,
        Meta(title="Folder of the mailbox", description="For this line alone."),
    ] = "INBOX"
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
            mime.domain_name(
                "unset" if _is_number(self.imap_host) else self.imap_host or "unset", "imap_host"
            )
        except MimeError as error:
            raise invalid(error.field, error.problem, value=getattr(self, error.field)) from error
        if self.bounce_listen and _host_and_port(self.bounce_listen) is None:
            raise invalid(
                "bounce_listen", "is not host:port", value=self.bounce_listen, remedy="0.0.0.0:2525"
            )
        if self.username and self.security == "none" and not _is_here(self.host):
            raise invalid("security", "would send the password in clear", remedy="starttls or tls")
        signers(self)
        if self.imap_host:
            _check_mailbox(self)

    def domain(self) -> str:
        """The domain of the sender, in ASCII: the right side of our Message-IDs."""
        return mime.address(self.sender_address).rpartition("@")[2].lower()


def _check_mailbox(settings: Settings) -> None:
    for field in ("imap_username", "imap_password", "imap_folder"):
        if not imap.WORD.fullmatch(getattr(settings, field)):
            raise invalid(field, "is empty or not of printable ASCII", remedy="an app password, a plain name")
    if settings.imap_security == "none" and not _is_here(settings.imap_host):
        raise invalid("imap_security", "would send the password in clear", remedy="starttls or tls")


def account(settings: Settings) -> imap.Account:
    """The mailbox of a line as the wire needs it."""
    return imap.Account(
        host=settings.imap_host,
        port=settings.imap_port,
        security=settings.imap_security,
        username=settings.imap_username,
        password=settings.imap_password,
        folder=settings.imap_folder,
        verify_tls=settings.verify_tls,
    )


def signers(settings: Settings) -> tuple[dkim.Signer, ...]:
    """Who signs the mails of a line; a Problem names the setting that is wrong."""
    keys = {
        "dkim": (settings.dkim_selector, settings.dkim_key),
        "dkim_second": (settings.dkim_second_selector, settings.dkim_second_key),
    }
    return mail_kit.signers(settings.dkim_domain, settings.sender_address, keys)


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
    return f"{mail_kit.tagged(settings.bounce_secret, submission.client_ref)}@{settings.domain()}".lower()


def envelope(
    settings: Settings, submission: Submission, now: int, signed_by: Sequence[dkim.Signer] = ()
) -> Envelope:
    """The mail of an attempt and where it goes; MimeError when a field cannot be written."""
    sender = settings.sender_name, settings.sender_address
    mail = mail_kit.letter(submission, sender, message_id(settings, submission), now)
    recipient = mime.address(submission.address, "recipient")
    written = dkim.sign(mime.build(mail), signed_by, now) if signed_by else mime.build(mail)
    if not settings.bounce_domain:  # reports would flood a person's mailbox
        return Envelope(mime.address(settings.sender_address), recipient, written)
    name = mail_kit.tagged(settings.bounce_secret, submission.client_ref)
    bounces = dsn.verp(name, mime.domain_name(settings.bounce_domain))
    return Envelope(bounces, recipient, written, envelope_id=name)


# ── the live line ────────────────────────────────────────────────────────────────────────────────────


class SmtpConnection:
    """Mails under way up to the window, each over a link of its own; and the door for bounces."""

    def __init__(self, tools: Tools, settings: Settings, window: int, ears: Ears) -> None:
        self._tools, self._settings, self._window, self._ears = tools, settings, window, ears
        self._links = Links(server(settings), tools.clock, ears.may_submit)
        self._signers = signers(settings)
        self._door = self._new_door()
        self._mailbox = imap.Mailbox(account(settings), tools.clock, self._found)
        self._reading: asyncio.Task[None] | None = None
        self._under_way: dict[asyncio.Task[Outcome], tuple[int, Dialogue]] = {}
        self._coming_up: asyncio.Task[None] | None = None
        self._up = False
        self._trouble = "closed"

    async def open(self) -> None:
        """Connect in the background, and listen for bounces."""
        self._trouble = "connecting"
        self._coming_up = asyncio.create_task(self._come_up())
        if self._settings.imap_host:
            self._reading = asyncio.create_task(self._mailbox.watch())

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
        for coming_in in filter(None, (self._coming_up, self._reading)):
            coming_in.cancel()
            await asyncio.wait([coming_in])
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
        if self._mailbox.trouble:
            told = f"{told}; cannot read the mailbox: {self._mailbox.trouble}"
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

    async def _found(self, mail: bytes) -> None:
        await self._ears.arrived(Raw(body=mail))

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
        self._trouble = f"connecting: {str(error)[: mail_kit.DETAIL_MAX]}; retry in {delay_s:.0f} s"
        await self._tools.clock.sleep(delay_s)

    async def _deliver(self, submission: Submission, dialogue: Dialogue) -> Outcome:
        if findings := mail_kit.lint(self._settings, submission.content):
            return unfit(findings)
        try:
            letter = envelope(self._settings, submission, self._tools.clock.now(), self._signers)
            await self._links.hand(letter, dialogue)
        except MimeError as error:
            return mail_kit.unwritten(error)
        except NotTaken as error:
            if not error.code and not self._ears.may_submit():
                return NOT_HANDED_OVER
            return self._unreachable(error) if error.stage in ("CONNECT", "AUTH") else mail_kit.refusal(error)
        except NoAnswer as error:
            return Unknown(kit.clean(str(error)[: mail_kit.DETAIL_MAX]))
        except asyncio.CancelledError:  # by close(), before the dot
            return NOT_HANDED_OVER
        return Accepted((message_id(self._settings, submission),))

    def _unreachable(self, error: NotTaken) -> Refused:
        """Take nothing more until it can be reached; while links live, it only takes no more of them."""
        said = mail_kit.refusal(error)
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


def parse(settings: Settings, raw: Raw) -> list[Event]:
    """A whole mail as it arrived; `rcpt-to` and `mail-from` are its envelope where the listener took it."""
    return mail_kit.events(raw, settings.bounce_secret)


async def profile(_tools: Tools, settings: Settings) -> Profile:
    """What is to stand in the DNS, so that the signatures of this line can be verified."""
    return Profile(
        name=settings.sender_address, details=dict(signer.record() for signer in signers(settings))
    )


CHANNEL = Channel(
    kind="smtp",
    title="E-mail (SMTP)",
    address_kind=AddressKind.EMAIL,
    settings=Settings,
    capabilities=mail_kit.CAPABILITIES,
    parse=parse,
    measure=mail_kit.measure,
    connect=SmtpConnection,
    lint=mail_kit.lint,
    told=told,
    profile=profile,
    answers_within_s=lambda settings: settings.final_timeout_s,
    sender=lambda settings: settings.sender_name or settings.sender_address,
)
