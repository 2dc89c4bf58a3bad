"""E-mail through Postmark: one JSON request a mail, webhooks with basic authentication.

Sources: postmarkapp.com/developer (email-api, webhooks, error codes), and what its official libraries for
Node (models of bounces) and Ruby know of answers; read in November 2026.

Quirks:
- An error has HTTP 422 and an `ErrorCode` that counts; 406 means that Postmark itself has the address on its
  list of those that bounced or complained.
- Nothing says that a mail sent twice is noticed, so a lost answer is Unknown. Our reference travels as
  metadata, comes back with every webhook, and mails can be searched by it (postmarkapp.com/support, 1125).
- Advertising goes by a broadcast stream, everything else by a transactional one: Postmark asks for it.
- `Delivery` means that the recipient's server took it. Opens and clicks are counted by our own links.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import kit, mail_kit
from angarium.core.ports import (
    Accepted,
    Allowance,
    Asks,
    Channel,
    Event,
    Inquiry,
    Outcome,
    Raw,
    Receipt,
    Refused,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.values import AddressKind, MessageClass, Reason, ReceiptStatus
from angarium.protocols import mime
from angarium.protocols.answers import Answer
from angarium.protocols.mime import MimeError

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One server of a Postmark account."""

    server_token: Annotated[
        kit.Secret, Meta(title="Server token", description="API Tokens, in the server at Postmark.")
    ]
    sender_address: Annotated[
        str, Meta(title="Sender", description="A confirmed signature, or an address of a verified domain.")
    ]
    sender_name: Annotated[str, Meta(title="Sender name", description="What people see before it.")] = ""
    stream: Annotated[kit.Word, Meta(title="Message stream", description="Of what is no advertising.")] = (
        "outbound"
    )
    promotional_stream: Annotated[
        kit.Word, Meta(title="Stream of advertising", description="Of the kind broadcasts.")
    ] = "broadcast"
    webhook_username: Annotated[
        str, Meta(title="User name of webhooks", description="Basic auth credentials of the webhook.")
    ] = ""
    webhook_password: Annotated[
        str,
        Meta(
            title="Password of webhooks",
            description="Webhooks without it are refused. Empty: whoever knows the secret path.",
            extra={"secret": True},
        ),
    ] = ""
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Postmark's, or a simulator's.")
    ] = "https://api.postmarkapp.com"

    def __post_init__(self) -> None:
        mail_kit.check_sender(self.sender_address, self.sender_name)


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

ERRORS = {
    10: Reason.AUTH,  # bad or missing server token
    100: Reason.TEMPORARY,  # maintenance
    400: Reason.SENDER_INVALID,  # signature not found
    401: Reason.SENDER_INVALID,  # signature not confirmed
    402: Reason.CONFIG,  # invalid JSON
    403: Reason.CONFIG,  # incompatible JSON
    405: Reason.NO_CREDIT,  # not allowed to send: out of credits
    406: Reason.SUPPRESSED,  # inactive recipient
    409: Reason.CONFIG,  # JSON required
    411: Reason.MEDIA_INVALID,
    412: Reason.AUTH,  # account is pending approval
    413: Reason.AUTH,  # account may not send
    429: Reason.THROTTLED,
}

# What a bounce is called: the library's list of types. None: it is not final.
BOUNCES: dict[str, Reason | None] = {
    "HardBounce": Reason.BAD_ADDRESS,
    "BadEmailAddress": Reason.BAD_ADDRESS,
    "Transient": None,
    "DnsError": None,
    "AutoResponder": None,
    "ChallengeVerification": None,
    "AddressChange": None,
    "OpenRelayTest": None,
    "Subscribe": None,
    "SoftBounce": Reason.UNREACHABLE,
    "SpamNotification": Reason.CONTENT_REJECTED,
    "VirusNotification": Reason.CONTENT_REJECTED,
    "Blocked": Reason.UNDELIVERED,
    "DMARCPolicy": Reason.SENDER_INVALID,
    "SMTPApiError": Reason.UNDELIVERED,
    "TemplateRenderingFailed": Reason.CONTENT_REJECTED,
    "ManuallyDeactivated": Reason.SUPPRESSED,
    "Unconfirmed": Reason.UNDELIVERED,
    "Unsubscribe": Reason.OPTED_OUT,
    "SpamComplaint": Reason.OPTED_OUT,
    "Unknown": Reason.UNDELIVERED,
}


class _Said(msgspec.Struct, frozen=True, rename="pascal"):
    error_code: int
    message_id: str = msgspec.field(name="MessageID", default="")
    message: str = ""


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to /email."""
    try:
        written = document(settings, submission)
    except MimeError as error:
        return mail_kit.unwritten(error)
    return await kit.exchange(tools, f"{settings.base_url}/email", written, _headers(settings), judge)


def _headers(settings: Settings) -> dict[str, str]:
    return {"X-Postmark-Server-Token": settings.server_token, "Accept": "application/json"}


def document(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The body of a submission; MimeError when a field cannot be written."""
    content = submission.content
    promotional = submission.message_class is MessageClass.PROMOTIONAL
    mail = mail_kit.letter(submission, (settings.sender_name, settings.sender_address))
    text, html = mime.bodies(mail)
    written = {
        "From": _sender(settings),
        "To": mime.address(submission.address, "recipient"),
        "Subject": content.subject,
        "TextBody": text,
        "HtmlBody": html,
        "MessageStream": settings.promotional_stream if promotional else settings.stream,
        "Metadata": {"client_ref": submission.client_ref},
        "Headers": _unsubscribe(content.params.get(mail_kit.UNSUBSCRIBE, "")),
    }
    return {name: value for name, value in written.items() if value}


def _sender(settings: Settings) -> str:
    name = settings.sender_name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{settings.sender_address}>' if name else settings.sender_address


def _unsubscribe(link: str) -> list[dict[str, str]]:
    """List-Unsubscribe, with one click (RFC 8058) by an https link."""
    if not link:
        return []
    if not mime.LINK.fullmatch(link):
        raise MimeError("list_unsubscribe", "is not an https: or mailto: link of visible ASCII")
    fields = {"List-Unsubscribe": f"<{link}>"}
    if link.startswith("https://"):
        fields["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return [{"Name": name, "Value": value} for name, value in fields.items()]


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the body; None when it says nothing, or it is the provider's own trouble."""
    said = kit.read_json(answer.body, _Said)
    if said is None or answer.status >= 500:
        return None
    if said.error_code == 0:
        return Accepted((said.message_id,)) if answer.status == 200 and said.message_id else None
    about_the_recipient = said.error_code == 300 and "'To'" in said.message
    reason = Reason.BAD_ADDRESS if about_the_recipient else ERRORS.get(said.error_code, Reason.REJECTED)
    return Refused(reason, str(said.error_code), kit.clean(said.message[: mail_kit.DETAIL_MAX]))


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Told(msgspec.Struct, frozen=True, rename="pascal"):
    record_type: str
    message_id: str = msgspec.field(name="MessageID", default="")
    type: str = ""
    email: str = ""
    recipient: str = ""
    bounced_at: str = ""
    delivered_at: str = ""
    changed_at: str = ""
    suppress_sending: bool = False
    suppression_reason: str | None = None
    metadata: dict[str, Any] | None = None


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether it has the user name and password of the line."""
    if not settings.webhook_password:
        return True
    pair = f"{settings.webhook_username}:{settings.webhook_password}".encode()
    wanted = b"Basic " + b64encode(pair)
    return hmac.compare_digest(raw.headers.get("authorization", "").encode(errors="replace"), wanted)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """One webhook."""
    told = kit.read_json(raw.body, _Told)
    if told is None:
        return [kit.unreadable("no webhook of Postmark", raw.body)]
    if told.record_type in ("Delivery", "SpamComplaint", "Bounce") and not told.message_id:
        return [kit.unreadable(f"{told.record_type} without a MessageID", raw.body)]
    match told.record_type:
        case "Open" | "Click":
            return []
        case "Delivery":
            return [_receipt(told, ReceiptStatus.DELIVERED, None, "", told.delivered_at)]
        case "SpamComplaint":
            return [_receipt(told, ReceiptStatus.FAILED, Reason.OPTED_OUT, "SpamComplaint", told.bounced_at)]
        case "Bounce" if told.type in BOUNCES:
            reason = BOUNCES[told.type]
            status = ReceiptStatus.FAILED if reason else ReceiptStatus.ACCEPTED
            return [_receipt(told, status, reason, told.type, told.bounced_at)]
        case "SubscriptionChange" if told.recipient:
            return _change(told, raw.body)
    return [kit.unreadable(f"{told.record_type} {told.type} is not in our table", raw.body)]


def _receipt(told: _Told, status: ReceiptStatus, reason: Reason | None, code: str, at: str) -> Event:
    return Receipt(
        status=status,
        ref=kit.clean(told.message_id),
        client_ref=kit.clean(kit.told(told.metadata or {}, "client_ref")),
        address=kit.clean(told.recipient or told.email),
        reason=reason,
        code=code,
        at=mail_kit.when(at),
    )


def _change(told: _Told, body: bytes) -> list[Event]:
    """The person's own word; that Postmark lists a bounce or a complaint, the receipt has said."""
    if told.suppress_sending and told.suppression_reason != "ManualSuppression":
        return []
    allowed, ref = not told.suppress_sending, sha256(body).hexdigest()[:32]
    address = kit.clean(told.recipient)
    return [Allowance(address, allowed, ref, promotional_only=True, at=mail_kit.when(told.changed_at))]


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


class _Found(msgspec.Struct, frozen=True, rename="pascal"):
    message_id: str = msgspec.field(name="MessageID")


class _Search(msgspec.Struct, frozen=True, rename="pascal"):
    messages: list[_Found]


async def ask(tools: Tools, settings: Settings, inquiries: Sequence[Inquiry]) -> list[Event] | Unknown:
    """One search for each mail that was never answered for, by our reference.

    One that is not found may be on its way into the index: that says nothing.
    """
    found: list[Event] = []
    for one in inquiries:
        url = kit.with_query(f"{settings.base_url}/messages/outbound", count="1", offset="0")
        url = kit.with_query(url, metadata_client_ref=one.client_ref)
        answer = await kit.asked(tools, url, _headers(settings))
        if isinstance(answer, Unknown):
            return found or answer
        said = kit.read_json(answer.body, _Search)
        if said is None:
            found.append(kit.unreadable("no result of a search", answer.body))
        else:
            taken = [kit.clean(mail.message_id) for mail in said.messages]
            found += [Receipt(ReceiptStatus.ACCEPTED, ref, one.client_ref) for ref in taken if ref]
    return found


CAPABILITIES = msgspec.structs.replace(mail_kit.BY_API, two_way=False)

CHANNEL = Channel(
    kind="postmark_email",
    title="E-mail (Postmark)",
    address_kind=AddressKind.EMAIL,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=mail_kit.measure,
    send=send,
    lint=mail_kit.lint,
    genuine=genuine,
    sender=lambda settings: settings.sender_name or settings.sender_address,
    asks=Asks(ask, taken=False, unanswered=True),
)
