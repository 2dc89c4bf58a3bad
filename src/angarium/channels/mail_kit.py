"""What lines that carry mail share: who signs, names of attempts, what comes back, what fits into a mail."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from angarium.channels import kit
from angarium.core.clock import from_datetime
from angarium.core.ports import (
    ADDRESSES,
    Capabilities,
    Carries,
    Event,
    Inbound,
    Raw,
    Receipt,
    Refused,
    Submission,
)
from angarium.core.problems import FieldProblem, invalid, shown
from angarium.core.values import Content, Measure, MessageClass, Reason, ReceiptStatus
from angarium.protocols import dkim, dsn, mime
from angarium.protocols.mime import MimeError
from angarium.protocols.smtp import NotTaken

NAMED_MAX = 20  # attachments of a letter
CONTENT_MAX = 1_048_576  # bytes of text and HTML; ours: pictures are linked and not attached
DETAIL_MAX = 300  # characters of what the server said
IMAGE_SCHEMES = ("https://", "http://")
BUTTON_SCHEMES = (*IMAGE_SCHEMES, "mailto:", "tel:", "sms:")
UNSUBSCRIBE = "unsubscribe_url"
TAG_BYTES = 10  # 80 bits: nobody guesses one, and it fits before the @ of a bounce address

# ── who signs ────────────────────────────────────────────────────────────────────────────────────────

DkimDomain = Annotated[
    str, Meta(title="DKIM domain", description="Who signs. Empty: the domain of the sender.")
]
DkimSelector = Annotated[
    str,
    Meta(
        title="DKIM selector",
        description="Under which name the key is published: selector._domainkey.example.com.",
    ),
]
DkimKey = Annotated[
    str,
    Meta(
        title="DKIM key",
        description="The private key in PEM, RSA of 2048 bits or Ed25519. Empty: no signature here.",
        extra={"secret": True},
    ),
]


def signers(
    dkim_domain: str, sender_address: str, keys: Mapping[str, tuple[str, str]]
) -> tuple[dkim.Signer, ...]:
    """Who signs: selector and private key by the beginning of the names of their settings.

    A pair of empty ones is none. Raises a Problem that names the setting that is wrong.
    """
    try:
        domain = mime.domain_name(dkim_domain or mime.address(sender_address).rpartition("@")[2]).lower()
    except MimeError as error:
        raise invalid("dkim_domain", error.problem, value=dkim_domain) from error
    found: dict[str, dkim.Signer] = {}
    for name, (selector, key) in keys.items():
        if not key and not selector:
            continue
        field = f"{name}_selector"
        if not dkim.SELECTOR.fullmatch(selector):
            raise invalid(field, "is not the name of a key", value=selector, remedy="such as mail2026")
        if selector in found:
            raise invalid(field, "is the other key's too", value=selector, remedy="a name for each key")
        try:
            found[selector] = dkim.Signer(domain, selector, dkim.private_key(key))
        except dkim.KeyTrouble as error:
            raise invalid(f"{name}_key", str(error), remedy="what `openssl genrsa 2048` prints") from None
    return tuple(found.values())


# ── the name of an attempt ───────────────────────────────────────────────────────────────────────────


def tagged(secret: str, client_ref: str) -> str:
    """The name of an attempt as strangers see it: with a tag that only we can make, if there is a secret."""
    if not secret:
        return client_ref
    digest = hmac.digest(secret.encode(), client_ref.lower().encode(), "sha256")
    return f"{client_ref}-{digest[:TAG_BYTES].hex()}"


def untagged(secret: str, name: str) -> str:
    """The attempt behind such a name, in lower case; empty when its tag is not ours."""
    if not secret:
        return name
    client_ref = name.rpartition("-")[0]
    ours = client_ref and hmac.compare_digest(tagged(secret, client_ref).encode(), name.encode())
    return client_ref if ours else ""


# ── what is written ──────────────────────────────────────────────────────────────────────────────────


def letter(submission: Submission, sender: tuple[str, str], message_id: str = "", now: int = 0) -> mime.Mail:
    """The mail of a submission, from a name and an address."""
    content = submission.content
    unsubscribe = content.params.get(UNSUBSCRIBE, "")
    return mime.Mail(
        message_id=message_id,
        sender_name=sender[0],
        sender=sender[1],
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


def unwritten(error: MimeError) -> Refused:
    """Of a mail that cannot be written."""
    reason = Reason.BAD_ADDRESS if error.field == "recipient" else Reason.UNSUPPORTED
    return Refused(reason, detail=str(error))


def check_sender(address: str, name: str) -> None:
    """A Problem that names the setting, when mail cannot be from there."""
    try:
        mime.address(address, "sender_address")
    except MimeError as error:
        raise invalid(error.field, error.problem, value=address) from error
    if mime.CONTROLS.search(name):
        raise invalid("sender_name", "has a line break or another control character", remedy="a name")


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


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def events(raw: Raw, secret: str = "") -> list[Event]:
    """A whole mail as it arrived; `rcpt-to` and `mail-from` are its envelope where the listener took it.

    With a secret, a report is believed only when it names an attempt by its tag.
    """
    try:
        mail = dsn.read(raw.body, raw.headers.get("rcpt-to", ""), raw.headers.get("mail-from", ""))
    except MimeError as error:
        return [kit.unreadable(f"{error.field} {error.problem}", raw.body)]
    match mail:
        case dsn.Bounce(fates):
            return [_receipt(secret, fate, raw.body) for fate in fates]
        case dsn.Complaint(fate):
            return [_receipt(secret, fate, raw.body)]
        case dsn.Letter():
            lost = [kit.unreadable(f"attachment not taken over: {name}", b"") for name in mail.attachments]
            return [_inbound(mail, raw.body), *lost]
        case dsn.AutoReply():
            return []


def when(text: str) -> int | None:
    """A time in ISO 8601, without a zone in UTC; None when it is none."""
    try:
        at = datetime.fromisoformat(text)
        return from_datetime(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _receipt(secret: str, fate: dsn.Fate, body: bytes) -> Event:
    if not fate.client_ref and not fate.message_id:
        return kit.unreadable("a report that names no mail of ours", body)
    names = (fate.client_ref.lower(), fate.message_id.lower().partition("@")[0])
    client_ref = next(filter(None, (untagged(secret, name) for name in names)), "")
    if secret and not client_ref:
        return kit.unreadable("a report that names no mail by its secret tag", body)
    return Receipt(
        status=fate.status,
        ref=kit.clean(fate.message_id.lower()),
        client_ref=client_ref if secret else fate.client_ref.lower(),
        address=kit.clean(fate.recipient),
        reason=fate.reason,
        code=kit.clean(fate.code),
        at=fate.at,
    )


def _inbound(letter: dsn.Letter, body: bytes) -> Event:
    if not letter.sender:
        return kit.unreadable("a mail without a sender", body)
    words = [letter.text] if letter.in_reply_to and letter.text else [letter.subject, letter.text]
    # Whoever answers must know that there was something, as they cannot see it.
    words.append("\n".join(f"[attachment: {name}]" for name in letter.attachments[:NAMED_MAX]))
    return Inbound(
        ref=kit.clean(letter.message_id) or hashlib.sha256(body).hexdigest(),
        sender=kit.clean(letter.sender.lower()),
        recipient=kit.clean(letter.recipient),
        text=kit.clean("\n\n".join(word for word in words if word)),
        at=letter.at,
        context_ref=kit.clean(letter.in_reply_to.lower()),
    )


# ── content ──────────────────────────────────────────────────────────────────────────────────────────


def measure(_settings: object, content: Content) -> Measure:
    """One mail; units are bytes of its words."""
    units = len(content.text.encode()) + len(content.html.encode())
    return Measure(parts=1, units=units, encoding="UTF-8", units_left=CONTENT_MAX - units)


def lint(_settings: object, content: Content) -> tuple[FieldProblem, ...]:
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

# What is sent by an API of somebody who then tells what the recipients' servers said.
BY_API = msgspec.structs.replace(
    CAPABILITIES, receipts=frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.FAILED})
)
