"""E-mail through Amazon SES: our own MIME by version 2 of its API; events and mail to us by way of SNS.

Sources: botocore's model of sesv2 (1.44), docs.aws.amazon.com/ses/latest/dg (event data that SES publishes to
SNS, notifications of received mail, raw mail), docs.aws.amazon.com/sns/latest/dg (signatures), django-anymail
(payloads); read in November 2026.

Quirks:
- SES writes Message-ID and Date anew, so a DKIM signature of ours leaves them out, and an answer refers to
  SES's own id. Without a key here, SES signs (Easy DKIM).
- Nothing says that a mail sent twice is noticed, so a lost answer is Unknown. Our reference travels as a tag
  and comes back with every event of a configuration set.
- A bounce of the type Transient is final too: SES has tried for hours. Some are of machines that answered.
- Anybody may have a topic of SNS, and Amazon signs for all of them: only the topics of the line are believed,
  and certificates and confirmations are fetched from the SNS of its region alone.
- The host of a signature's certificate is asked over TLS, once for each certificate.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Meta

from angarium.channels import kit, mail_kit, sns_kit
from angarium.core.ports import (
    Accepted,
    Allowance,
    Channel,
    Event,
    Inbound,
    Outcome,
    Profile,
    Raw,
    Receipt,
    Refused,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import invalid
from angarium.core.values import AddressKind, Reason, ReceiptStatus
from angarium.protocols import dkim, dsn, mime, ses, sigv4, sns
from angarium.protocols.answers import Answer
from angarium.protocols.mime import MimeError

ARN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}")
WRITTEN_ANEW = frozenset({"date", "message-id"})  # by SES
AT_HOME = r"^(https?://[^\s?#]*[^\s?#/])?$"

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """SES in one region, for one sender."""

    access_key_id: Annotated[
        kit.Secret, Meta(title="Access key ID", description="Of a user of IAM who may do ses:SendEmail.")
    ]
    secret_access_key: Annotated[kit.Secret, Meta(title="Secret access key", description="Of that user.")]
    region: Annotated[
        str, Meta(title="Region", description="Such as eu-west-1.", pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")
    ]
    sender_address: Annotated[
        str, Meta(title="Sender", description="A verified address, or one of a verified domain.")
    ]
    sender_name: Annotated[str, Meta(title="Sender name", description="What people see before it.")] = ""
    configuration_set: Annotated[
        str,
        Meta(
            title="Configuration set",
            description="Its event destination tells what becomes of mails. Empty: that of the sender.",
            pattern=r"^[A-Za-z0-9_-]{0,64}$",
        ),
    ] = ""
    topic_arns: Annotated[
        str,
        Meta(
            title="Topics",
            description="ARNs of the SNS topics of events and of received mail, with commas. "
            "Empty: nothing is heard.",
        ),
    ] = ""
    dkim_domain: mail_kit.DkimDomain = ""
    dkim_selector: mail_kit.DkimSelector = ""
    dkim_key: mail_kit.DkimKey = ""
    base_url: Annotated[
        str,
        Meta(title="Address of the API", description="Empty: that of the region.", pattern=AT_HOME),
    ] = ""
    sns_url: Annotated[
        str,
        Meta(title="Address of SNS", description="Empty: that of the region.", pattern=AT_HOME),
    ] = ""

    def __post_init__(self) -> None:
        mail_kit.check_sender(self.sender_address, self.sender_name)
        for arn in self.topics():
            if not ARN.fullmatch(arn):
                raise invalid("topic_arns", "is no ARN of a topic", value=arn, remedy="arn:aws:sns:…")
        signers(self)

    def topics(self) -> list[str]:
        """Whose notifications are believed."""
        return [arn.strip() for arn in self.topic_arns.split(",") if arn.strip()]

    def at_ses(self, path: str) -> str:
        """Where something is asked of SES."""
        return (self.base_url or f"https://email.{self.region}.amazonaws.com") + path

    def at_sns(self) -> str:
        """SNS of the region."""
        return self.sns_url or f"https://sns.{self.region}.amazonaws.com"


def signers(settings: Settings) -> tuple[dkim.Signer, ...]:
    """Who signs the mails of a line here; a Problem names the setting that is wrong."""
    keys = {"dkim": (settings.dkim_selector, settings.dkim_key)}
    return mail_kit.signers(settings.dkim_domain, settings.sender_address, keys)


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

# What its sentences have in them, before the name of the error counts.
SENTENCES = (
    (re.compile(r"daily message quota exceeded"), Reason.NO_CREDIT),
    (re.compile(r"not verified"), Reason.SENDER_INVALID),
    (
        re.compile(r"illegal address|missing final '@domain'|local address contains|domain contains"),
        Reason.BAD_ADDRESS,
    ),
    (re.compile(r"message length|too (large|long)"), Reason.TOO_LONG),
)
ERRORS = {
    "TooManyRequestsException": Reason.THROTTLED,
    "ThrottlingException": Reason.THROTTLED,
    "Throttling": Reason.THROTTLED,
    "LimitExceededException": Reason.NO_CREDIT,
    "AccountSuspendedException": Reason.AUTH,
    "SendingPausedException": Reason.AUTH,
    "MessageRejected": Reason.CONTENT_REJECTED,
    "MailFromDomainNotVerifiedException": Reason.SENDER_INVALID,
    "NotFoundException": Reason.CONFIG,
    "BadRequestException": Reason.CONFIG,
    "ValidationException": Reason.CONFIG,
    # common to all services
    "AccessDeniedException": Reason.AUTH,
    "ExpiredTokenException": Reason.AUTH,
    "IncompleteSignature": Reason.AUTH,
    "InvalidClientTokenId": Reason.AUTH,
    "InvalidSignatureException": Reason.AUTH,
    "MissingAuthenticationTokenException": Reason.AUTH,
    "NotAuthorized": Reason.AUTH,
    "OptInRequired": Reason.AUTH,
    "RequestExpired": Reason.AUTH,
    "SignatureDoesNotMatch": Reason.AUTH,
    "UnrecognizedClientException": Reason.AUTH,
}

# A bounce by its type and subtype. None: what the recipient's server said decides.
BOUNCES: dict[tuple[str, str], Reason | None] = {
    ("Undetermined", "Undetermined"): Reason.UNDELIVERED,
    ("Permanent", "General"): None,
    ("Permanent", "NoEmail"): Reason.UNDELIVERED,
    ("Permanent", "Suppressed"): Reason.SUPPRESSED,
    ("Permanent", "OnAccountSuppressionList"): Reason.SUPPRESSED,
    ("Permanent", "UnsubscribedRecipient"): Reason.OPTED_OUT,
    ("Transient", "General"): Reason.UNREACHABLE,
    ("Transient", "MailboxFull"): Reason.UNREACHABLE,
    ("Transient", "MessageTooLarge"): Reason.TOO_LONG,
    ("Transient", "ContentRejected"): Reason.CONTENT_REJECTED,
    ("Transient", "AttachmentRejected"): Reason.CONTENT_REJECTED,
    ("Transient", "CustomTimeoutExceeded"): Reason.EXPIRED,
}
TOPIC_WORKS = "Successfully validated SNS topic for Amazon SES event publishing."


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to outbound-emails."""
    now = tools.clock.now()
    try:
        document = written(settings, submission, now)
    except MimeError as error:
        return mail_kit.unwritten(error)
    url, body = settings.at_ses("/v2/email/outbound-emails"), msgspec.json.encode(document)
    headers = _signed(settings, "ses", "POST", url, body, now, "application/json")
    return await kit.exchange(tools, url, None, headers, judge, body=body)


def written(settings: Settings, submission: Submission, now: int) -> dict[str, Any]:
    """The document of a submission; MimeError when a field cannot be written."""
    sender = settings.sender_name, settings.sender_address
    message_id = f"{submission.client_ref}@{mime.address(settings.sender_address).rpartition('@')[2]}".lower()
    mail = mime.build(mail_kit.letter(submission, sender, message_id, now))
    if signed_by := signers(settings):
        mail = dkim.sign(mail, signed_by, now, WRITTEN_ANEW)
    document = {
        "FromEmailAddress": mime.address(settings.sender_address),
        "Destination": {"ToAddresses": [mime.address(submission.address, "recipient")]},
        "Content": {"Raw": {"Data": b64encode(mail).decode()}},
        "EmailTags": [{"Name": "client_ref", "Value": submission.client_ref}],
        "ConfigurationSetName": settings.configuration_set,
    }
    return {name: value for name, value in document.items() if value}


def _signed(
    settings: Settings, service: str, method: str, url: str, body: bytes, now: int, media_type: str
) -> dict[str, str]:
    credentials = sigv4.Credentials(
        settings.access_key_id, settings.secret_access_key, settings.region, service
    )
    plain = {"Content-Type": media_type}
    try:
        return sigv4.signed(credentials, method, url, plain, body, now)
    except ValueError:  # the address cannot be read: whoever is to ask there says so
        return plain


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the answer; None when it says nothing, or it is the provider's own trouble."""
    said = kit.read_json(answer.body, ses.Said)
    if said is None or answer.status >= 500:
        return None
    if answer.status == 200:
        return Accepted((kit.clean(said.message_id),)) if said.message_id else None
    name = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    detail = kit.clean((said.message or said.loud or name)[: mail_kit.DETAIL_MAX])
    by_words = next((reason for pattern, reason in SENTENCES if pattern.search(detail.lower())), None)
    if not name and not by_words:
        return None
    return Refused(by_words or ERRORS.get(name, Reason.REJECTED), name or str(answer.status), detail)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether it is of a topic of the line, with a certificate at the SNS of its region."""
    return sns_kit.genuine(raw, settings.topics(), settings.at_sns())


async def admit(tools: Tools, _settings: Settings, raw: Raw) -> bool | Unknown:
    """Check the signature; and confirm the subscription, when SNS asks for that."""
    return await sns_kit.admit(tools, raw)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """One POST of SNS."""
    message = kit.read_json(raw.body, sns.Message)
    if message is None:
        return [kit.unreadable("not posted by SNS", raw.body)]
    if message.type == sns.CONFIRMATION or message.message.strip() == TOPIC_WORKS:
        return []
    if message.type != sns.NOTIFICATION:
        return [kit.unreadable(f"{message.type}: the topic will say no more", raw.body)]
    body = message.message.encode(errors="replace")
    told = kit.read_json(body, ses.Told)
    if told is None:
        return [kit.unreadable("a notification that is none of SES", body)]
    return _events(told, message.message_id, body)


def _events(told: ses.Told, ref: str, body: bytes) -> list[Event]:
    word, mail = told.event_type or told.notification_type, told.mail
    match word:
        case "Open" | "Click":
            return []
        case "Send":
            return [_receipt(mail, ReceiptStatus.ACCEPTED, "", mail.timestamp)]
        case "Reject":
            return [_receipt(mail, ReceiptStatus.FAILED, "", mail.timestamp, Reason.CONTENT_REJECTED, word)]
        case "Rendering Failure":
            return [_receipt(mail, ReceiptStatus.FAILED, "", mail.timestamp, Reason.CONTENT_REJECTED, word)]
        case "Delivery" if told.delivery:
            at, delivered = told.delivery.timestamp, ReceiptStatus.DELIVERED
            return [_receipt(mail, delivered, one, at) for one in told.delivery.recipients]
        case "DeliveryDelay" if told.delivery_delay:
            return _delayed(mail, told.delivery_delay)
        case "Bounce" if told.bounce:
            return _bounced(mail, told.bounce, body)
        case "Complaint" if told.complaint:
            return _complained(mail, told.complaint, body)
        case "Subscription" if told.subscription and mail.destination:
            allowed = not told.subscription.new_topic_preferences.unsubscribe_all
            return [
                Allowance(
                    kit.clean(mail.destination[0]),
                    allowed,
                    kit.clean(ref),
                    promotional_only=True,
                    at=mail_kit.when(told.subscription.timestamp),
                )
            ]
        case "Received":
            return _received(told, body)
    return [kit.unreadable(f"{word} is not in our table", body)]


def _receipt(
    mail: ses.Mail, status: ReceiptStatus, address: str, at: str, reason: Reason | None = None, code: str = ""
) -> Receipt:
    return Receipt(
        status=status,
        ref=kit.clean(mail.message_id),
        client_ref=kit.clean(next(iter(mail.tags.get("client_ref", ())), "")),
        address=kit.clean(address or next(iter(mail.destination), "")),
        reason=reason,
        code=kit.clean(code),
        at=mail_kit.when(at),
    )


def _delayed(mail: ses.Mail, delay: ses.Delay) -> list[Event]:
    """SES tries on."""
    return [
        _receipt(mail, ReceiptStatus.ACCEPTED, one.email_address, delay.timestamp, None, delay.delay_type)
        for one in delay.delayed_recipients
    ]


def _bounced(mail: ses.Mail, bounce: ses.Bounce, body: bytes) -> list[Event]:
    kind = bounce.bounce_type, bounce.bounce_sub_type
    if kind not in BOUNCES:
        return [kit.unreadable(f"a bounce {kind[0]}/{kind[1]} is not in our table", body)]
    return [
        _receipt(
            mail,
            ReceiptStatus.FAILED,
            one.email_address,
            bounce.timestamp,
            BOUNCES[kind] or _said_by_the_server(one),
            dsn.enhanced_code(one.status) or "/".join(kind),
        )
        for one in bounce.bounced_recipients
    ]


def _said_by_the_server(recipient: ses.Recipient) -> Reason:
    """A general hard bounce: a code of policy says nothing of the mailbox; without any there is none."""
    code = dsn.enhanced_code(recipient.status) or dsn.enhanced_code(recipient.diagnostic_code)
    reason = dsn.failure(code, recipient.diagnostic_code)
    silent = reason is Reason.UNDELIVERED and not code.startswith("5.7.")
    return Reason.BAD_ADDRESS if silent else reason


def _complained(mail: ses.Mail, complaint: ses.Complaint, body: bytes) -> list[Event]:
    kind = complaint.complaint_feedback_type or ""
    if complaint.complaint_sub_type == "OnAccountSuppressionList":
        reason: Reason | None = Reason.SUPPRESSED
    else:
        reason = dsn.COMPLAINTS.get(kind, None if kind else Reason.OPTED_OUT)
    if reason is None:
        return [kit.unreadable(f"a complaint of the type {kind!r} is not in our table", body)]
    code, at = kind or "Complaint", complaint.timestamp
    return [
        _receipt(mail, ReceiptStatus.FAILED, one.email_address, at, reason, code)
        for one in complaint.complained_recipients
    ]


def _received(told: ses.Told, body: bytes) -> list[Event]:
    """A mail to us. One that was put into S3 is not fetched."""
    if told.content is None or told.receipt is None:
        return [kit.unreadable("a mail that SES received is not in its notification", body)]
    content = told.content.encode(errors="replace")
    if told.receipt.action.encoding.upper() == "BASE64":
        try:
            content = b64decode(content, validate=True)
        except ValueError:
            return [kit.unreadable("a mail that SES received is damaged", body)]
    envelope = {"rcpt-to": ", ".join(told.receipt.recipients), "mail-from": told.mail.source}
    return [_answering(event) for event in mail_kit.events(Raw(content, envelope))]


def _answering(event: Event) -> Event:
    """An answer refers to `<id@….amazonses.com>`, and SES's id alone is our reference."""
    if not isinstance(event, Inbound):
        return event
    ref, _, domain = event.context_ref.partition("@")
    return msgspec.structs.replace(event, context_ref=ref) if domain.endswith("amazonses.com") else event


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


async def attach(tools: Tools, settings: Settings, url: str) -> Refused | Unknown | None:
    """Subscribe the line's address to its topics; SNS then asks it to confirm, and it does."""
    if not settings.topics():
        return Refused(Reason.CONFIG, detail="this line has no topics to subscribe to: set topic_arns first")
    for arn in settings.topics():
        asked = {"Action": "Subscribe", "Version": "2010-03-31", "TopicArn": arn, "Endpoint": url}
        body = urlencode({**asked, "Protocol": urlsplit(url).scheme}).encode()
        where, kind = f"{settings.at_sns()}/", "application/x-www-form-urlencoded"
        headers = _signed(settings, "sns", "POST", where, body, tools.clock.now(), kind)
        outcome = await kit.exchange(tools, where, None, headers, _subscribed, body=body)
        if not isinstance(outcome, Accepted):
            return outcome
    return None


def _subscribed(answer: Answer) -> Outcome | None:
    """SNS answers in XML; of an error its code and its sentence are shown."""
    if answer.status == 200 and b"<SubscriptionArn>" in answer.body:
        return Accepted()
    text = answer.body[: 4 * mail_kit.DETAIL_MAX].decode(errors="replace")
    code, said = (re.search(f"<{name}>([^<]*)</{name}>", text) for name in ("Code", "Message"))
    if code is None or answer.status >= 500:
        return None
    return Refused(Reason.CONFIG, kit.clean(code[1][:60]), kit.clean(said[1] if said else code[1]))


async def profile(tools: Tools, settings: Settings) -> Profile | Unknown:
    """How the account stands, and what it may send; with a key here, what is to stand in the DNS."""
    url = settings.at_ses("/v2/email/account")
    headers = _signed(settings, "ses", "GET", url, b"", tools.clock.now(), "application/json")
    answer = await kit.asked(tools, url, headers)
    if isinstance(answer, Unknown):
        return answer
    account = kit.read_json(answer.body, ses.Account)
    if account is None:
        return Unknown("the answer of SES is of another shape")
    quota = account.send_quota
    return Profile(
        name=settings.sender_address,
        state=account.enforcement_status,
        limit=f"{quota.max24_hour_send:.0f} a day, {quota.max_send_rate:g} a second",
        details={
            "SendingEnabled": str(account.sending_enabled).lower(),
            "ProductionAccessEnabled": str(account.production_access_enabled).lower(),
            "SentLast24Hours": f"{quota.sent_last24_hours:.0f}",
            **dict(signer.record() for signer in signers(settings)),
        },
    )


CHANNEL = Channel(
    kind="amazon_ses_email",
    title="E-mail (Amazon SES)",
    address_kind=AddressKind.EMAIL,
    settings=Settings,
    capabilities=mail_kit.BY_API,
    parse=parse,
    measure=mail_kit.measure,
    send=send,
    lint=mail_kit.lint,
    genuine=genuine,
    admit=admit,
    attach=attach,
    profile=profile,
    sender=lambda settings: settings.sender_name or settings.sender_address,
)
