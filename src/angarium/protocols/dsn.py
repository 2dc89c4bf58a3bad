"""What comes back by mail: delivery reports (RFC 3464), complaints (RFC 5965), auto-replies, people.

Rules:
- the Action of a report decides, its Status explains: `failed` with 4.4.7 is final, `delayed` is not;
- our attempt is found by the address the report was sent to (VERP: `b+<client_ref>@…`), else by the envelope
  id we gave (RFC 3461 §4.4), else by the Message-ID among the returned fields;
- bounces in no standard form are left to flufl.bounce, which knows the wording of many hosts; it is given
  little, because its patterns take quadratic time;
- where codes say nothing, the words of the host do: those that many hosts say of a mailbox that is not there;
- what comes from the null sender no person wrote: it is a report, or it is told that it cannot be read;
- a stranger wrote all of it: nothing but `MimeError` is raised.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from datetime import UTC
from email.message import Message
from email.parser import HeaderParser
from email.utils import parseaddr, parsedate_to_datetime

import msgspec
from flufl.bounce import all_failures

from angarium.core.clock import from_datetime
from angarium.core.values import Reason, ReceiptStatus
from angarium.protocols import mime
from angarium.protocols.mime import MimeError

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # what it raises is told as MimeError

__all__ = [
    "AutoReply",
    "Bounce",
    "Complaint",
    "Fate",
    "Letter",
    "MimeError",
    "failure",
    "read",
    "reason_of",
    "verp",
]

VERP = re.compile(r"<?b\+([A-Za-z0-9_-]{1,64})@")
ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")  # RFC 3463 §2
MESSAGE_ID = re.compile(r"<([^<>\s]{1,300})>")
RETURNED_ID = re.compile(r"message-id:\s{0,9}<([^<>\s]{1,300})>", re.IGNORECASE)
ENVELOPE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
REPORT_MAX = 256 * 1024  # bytes; the report comes first, and the parser takes 10 µs for an empty line in it
RECIPIENTS_MAX = 100  # fates read from one report
DIAGNOSTIC_MAX = 300  # characters

# RFC 3464 §2.3.3. `relayed`: handed to a host that sends no reports; `expanded`: to a mailing list.
ACTIONS = {
    "failed": ReceiptStatus.FAILED,
    "error": ReceiptStatus.FAILED,  # OpenSMTPD's word
    "delayed": ReceiptStatus.ACCEPTED,
    "delivered": ReceiptStatus.DELIVERED,
    "relayed": ReceiptStatus.SENT,
    "expanded": ReceiptStatus.SENT,
}

# The subject and detail of an enhanced status code: RFC 3463, and the IANA registry "SMTP Enhanced Status
# Codes" for later ones. What is absent has no better word than "undelivered" or "rejected".
REASONS = {
    "1.0": Reason.BAD_ADDRESS,
    "1.1": Reason.BAD_ADDRESS,  # no such mailbox
    "1.2": Reason.BAD_ADDRESS,  # no such host
    "1.3": Reason.BAD_ADDRESS,  # syntax
    "1.4": Reason.BAD_ADDRESS,  # ambiguous
    "1.6": Reason.BAD_ADDRESS,  # moved, no forwarding address
    "1.7": Reason.SENDER_INVALID,
    "1.8": Reason.SENDER_INVALID,
    "1.351": Reason.BAD_ADDRESS,  # Exchange Online: the next host knows no such recipient
    "1.10": Reason.BAD_ADDRESS,  # null MX: the domain takes no mail, RFC 7505
    "2.1": Reason.UNREACHABLE,  # mailbox disabled
    "2.2": Reason.UNREACHABLE,  # mailbox full
    "2.3": Reason.TOO_LONG,
    "3.1": Reason.UNREACHABLE,  # system full
    "3.2": Reason.UNREACHABLE,  # system takes no mail
    "3.4": Reason.TOO_LONG,
    "4.1": Reason.UNREACHABLE,  # no answer from host
    "4.2": Reason.UNREACHABLE,  # bad connection
    "4.3": Reason.UNREACHABLE,  # directory server failed
    "4.4": Reason.BAD_ADDRESS,  # unable to route: the host was not found
    "4.5": Reason.UNREACHABLE,  # congestion
    "4.6": Reason.UNREACHABLE,  # routing loop
    "4.7": Reason.EXPIRED,
    "5.3": Reason.THROTTLED,  # too many recipients
    "6.0": Reason.CONTENT_REJECTED,
    "6.1": Reason.CONTENT_REJECTED,
    "6.2": Reason.CONTENT_REJECTED,
    "6.3": Reason.CONTENT_REJECTED,
    "6.5": Reason.CONTENT_REJECTED,
    "6.6": Reason.CONTENT_REJECTED,
    "7.8": Reason.AUTH,
    "7.9": Reason.AUTH,
    "7.10": Reason.AUTH,
    "7.11": Reason.AUTH,
    "7.12": Reason.AUTH,
    "7.13": Reason.AUTH,
    "7.14": Reason.AUTH,
    "7.17": Reason.BAD_ADDRESS,  # the mailbox has another owner now, RFC 7293
    "7.18": Reason.BAD_ADDRESS,  # the domain has another owner now
    "7.20": Reason.SENDER_INVALID,  # no passing DKIM signature, RFC 7372
    "7.21": Reason.SENDER_INVALID,
    "7.22": Reason.SENDER_INVALID,
    "7.23": Reason.SENDER_INVALID,  # SPF
    "7.24": Reason.SENDER_INVALID,
    "7.25": Reason.SENDER_INVALID,  # reverse DNS
    "7.26": Reason.SENDER_INVALID,  # several of these
    "7.27": Reason.SENDER_INVALID,  # the sender's domain takes no mail, RFC 7505
    "7.28": Reason.THROTTLED,  # mail flood
}

# RFC 5965 §3.1 and the IANA registry of feedback types. Whoever presses "spam" wants no more of it.
COMPLAINTS = {
    "abuse": Reason.OPTED_OUT,
    "fraud": Reason.OPTED_OUT,
    "opt-out": Reason.OPTED_OUT,
    "opt-out-list": Reason.OPTED_OUT,
    "other": Reason.OPTED_OUT,
    "virus": Reason.CONTENT_REJECTED,
}

# What hosts say where their codes say nothing (Exchange 2003, Domino, qmail, Exim, Outlook.com, Mail.ru):
# after the samples of sisimai/set-of-emails and the rules of sisimai. The first that is found counts.
SILENT_CODES = {"", "5.0.0", "5.3.0", "5.5.0", "5.4.1"}
WHO = r"(?:user|recipient|mailbox|account|address)"
FULL = (r"quota", r"mailbox (?:is )?full", r"over limit", r"insufficient (?:disk|system) s")
NOBODY = (
    rf"{WHO}(?: [^ ]{{1,80}})? (?:is )?(?:unknown|not known|not found)",
    rf"{WHO}(?: [^ ]{{1,80}})? (?:does ?n[o']t|does not|not) exist",
    r"unknown (?:user|recipient|mailbox|address|local[ -]part)",
    r"no such (?:user|recipient|mailbox|person|account|address)",
    r"does not exist at",
    r"doesn't have an? [^ ]{1,80} account",
    r"no mailbox (?:here )?by that name",
    r"mailbox unavailable",
    r"not a valid (?:user|mailbox|recipient)",
    r"(?:bad|invalid) recipient",
    r"unrouteable address",
    r"mail (?:account|address)(?: [^ ]{1,80}){0,6} (?:does not exist|could not be found)",
    r"recipient address rejected: (?:access denied|invalid|unknown)",
    r"not listed in [^.]{1,60}directory",
    r"host (?:or domain )?(?:name )?(?:unknown|not found)",
    r"unknown host",
    r"no such domain",
)
WORDS = (
    (re.compile("|".join(FULL)), Reason.UNREACHABLE),
    (re.compile("|".join(NOBODY)), Reason.BAD_ADDRESS),
)
AFTER_DATA = re.compile(
    r"end of data|\bdata command"
)  # then a filter says so: the mailbox took the recipient
# Cisco's Email Security says 5.1.0 of whatever the next host refused, and quotes it.
QUOTED = re.compile(r"5\.1\.0 - unknown address error \d{3}-'(.*)", re.IGNORECASE)
COPIES = re.compile(
    r"^-+ ?(?:below this line is|this is a|original message|forwarded message)", re.MULTILINE | re.IGNORECASE
)
ORIGINAL_RECIPIENT = "X-HmXmrOriginalRecipient"  # by which Outlook.com's programme (JMRP) names who complains
MAILER = re.compile(r"mailer-daemon@", re.IGNORECASE)
BULK_PRECEDENCES = {"bulk", "junk", "list", "auto_reply"}
GUESS_MAX = 4_000  # characters of what a host said in its own words
FLUFL_LINES_MAX, FLUFL_LINE_MAX = 400, 200  # lines and bytes a line; a bounce says it near the top


class Fate(msgspec.Struct, frozen=True):
    """What became of one mail to one recipient."""

    status: ReceiptStatus
    reason: Reason | None = None  # set when FAILED
    code: str = ""  # "5.1.1", "abuse"
    diagnostic: str = ""
    recipient: str = ""
    client_ref: str = ""
    message_id: str = ""  # without angle brackets
    at: int | None = None  # microseconds


class Bounce(msgspec.Struct, frozen=True):
    """A delivery report, standard or guessed."""

    fates: tuple[Fate, ...]


class Complaint(msgspec.Struct, frozen=True):
    """A person pressed "this is spam"; `fate.code` is the feedback type."""

    fate: Fate


class AutoReply(msgspec.Struct, frozen=True):
    """A machine answered; nobody wants to read it, and nobody may answer it (RFC 3834 §2)."""

    why: str


class Letter(msgspec.Struct, frozen=True):
    """A person wrote."""

    message_id: str
    sender: str
    recipient: str
    subject: str
    text: str
    in_reply_to: str
    attachments: tuple[str, ...]
    at: int | None


Mail = Bounce | Complaint | AutoReply | Letter


def verp(client_ref: str, domain: str) -> str:
    """The envelope sender of one attempt: its bounces come back to this address and no other."""
    return f"b+{client_ref}@{domain}"


def reason_of(code: str, otherwise: Reason) -> Reason:
    """The reason behind an enhanced status code ("5.1.1")."""
    return REASONS.get(code.partition(".")[2], otherwise)


def enhanced_code(text: str) -> str:
    """The first enhanced status code in a text; empty when there is none."""
    found = ENHANCED.search(text)
    return found.group() if found else ""


def read(body: bytes, envelope_to: str = "", envelope_from: str = "") -> Mail:
    """One mail from outside; with the envelope where the listener knows it ("<>" is the null sender).

    Raises MimeError when the mail is beyond our bounds, or is a report that says nothing.
    """
    if b"message/delivery-status" in body.lower():
        body = body[:REPORT_MAX]
    try:
        message = mime.parse(body)
        addresses = (mime.field(message, name) for name in ("Delivered-To", "X-Original-To", "To"))
        client_ref = _first(_ours(address) for address in (envelope_to, *addresses))
        null_sender = (envelope_from or mime.field(message, "Return-Path")).strip() == "<>"
        report = _report(message, body, client_ref, null_sender) or _passed_on(message, client_ref)
        return report or _other(message, client_ref, envelope_to, null_sender)
    except MimeError:
        raise
    except Exception as error:  # the email package raises all sorts at hostile mail
        raise MimeError("mail", f"cannot be read: {type(error).__name__}") from error


def _report(message: Message, body: bytes, client_ref: str, null_sender: bool) -> Mail | None:
    """What a mail host says of a mail of ours; None when this is no report."""
    kind = ""
    if message.get_content_type() == "multipart/report":
        kind = str(message.get_param("report-type", "")).lower()
    if kind == "feedback-report":
        return Complaint(_complaint(message, client_ref))
    fates = _stated(message, client_ref) if kind == "delivery-status" else ()
    if not fates and (client_ref or null_sender or kind == "delivery-status"):
        fates = _guessed(body, client_ref, _when(message))
    if fates:
        return Bounce(fates)
    if kind == "delivery-status":
        raise MimeError("mail", "is a delivery report without a recipient")
    return AutoReply(kind) if kind else None


def _other(message: Message, client_ref: str, envelope_to: str, null_sender: bool) -> Mail:
    machine = _machine(message)
    if machine:
        return AutoReply(machine)
    if client_ref:
        raise MimeError("mail", "came to a bounce address but is no report that can be read")
    if null_sender or MAILER.match(parseaddr(mime.field(message, "From"))[1]):
        raise MimeError("mail", "was written by a mail host but is no report that can be read")
    return _letter(message, envelope_to)


def _ours(text: str) -> str:
    """The attempt named by a VERP address."""
    found = VERP.search(text)
    return found.group(1) if found else ""


def _first(words: Iterable[str]) -> str:
    return next(filter(None, words), "")


# ── reports ──────────────────────────────────────────────────────────────────────────────────────────


def _stated(message: Message, client_ref: str) -> tuple[Fate, ...]:
    """What an RFC 3464 report says: one block about the mail, then one for each recipient."""
    blocks = [
        block
        for part in message.walk()
        if part.get_content_type() == "message/delivery-status" and part.is_multipart()
        for block in part.get_payload()
        if isinstance(block, Message)
    ][: RECIPIENTS_MAX + 1]
    envelope_ids = (ENVELOPE_ID.fullmatch(mime.field(block, "Original-Envelope-Id")) for block in blocks)
    client_ref = client_ref or _first(found.group() for found in envelope_ids if found)
    message_id, reported_at = _returned_message_id(message), _when(message)
    return tuple(
        _fate(block, client_ref, message_id, reported_at)
        for block in blocks
        if "Action" in block or "Status" in block
    )


def _fate(block: Message, client_ref: str, message_id: str, reported_at: int | None) -> Fate:
    diagnostic = _typed(mime.field(block, "Diagnostic-Code"))
    code = enhanced_code(mime.field(block, "Status")) or enhanced_code(diagnostic)
    action = re.match(r"[a-z]*", mime.field(block, "Action").lower())
    status = ACTIONS.get(action.group() if action else "")
    if status is None:  # without an Action only a permanent Status is final, RFC 3463 §3.1
        status = ReceiptStatus.FAILED if code.startswith("5") else ReceiptStatus.ACCEPTED
    original = mime.field(block, "Original-Recipient") or mime.field(block, "Final-Recipient")
    return Fate(
        status=status,
        reason=failure(code, diagnostic) if status is ReceiptStatus.FAILED else None,
        code=code,
        diagnostic=diagnostic[:DIAGNOSTIC_MAX],
        recipient=_typed(original).strip("<>"),
        client_ref=client_ref,
        message_id=message_id,
        at=_when(block, "Last-Attempt-Date") or reported_at,
    )


def failure(code: str, diagnostic: str) -> Reason:
    """Why it failed for good. A temporary code that became final means that a host gave up waiting."""
    if code.startswith("4"):
        return Reason.EXPIRED
    if quoted := QUOTED.search(diagnostic):
        code, diagnostic = "5.0.0", quoted[1]
    told = enhanced_code(diagnostic)
    if code.endswith(".0.0"):  # Postfix and Exchange copy what they do not know; the host may have said more
        code = told or code
    reason = reason_of(code, Reason.UNDELIVERED)
    if reason is Reason.BAD_ADDRESS and told.startswith("5") and told != code:
        reason = reason_of(told, Reason.UNDELIVERED)  # Sendmail says 5.1.1 of whatever was refused at RCPT
    if code in SILENT_CODES:
        reason = _by_words(diagnostic.lower(), reason)
    return Reason.UNDELIVERED if reason is Reason.THROTTLED else reason  # too late to slow down


def _by_words(words: str, otherwise: Reason) -> Reason:
    if AFTER_DATA.search(words):
        return otherwise
    return next((reason for pattern, reason in WORDS if pattern.search(words)), otherwise)


def _complaint(message: Message, client_ref: str) -> Fate:
    reports = (part for part in message.walk() if part.get_content_type() == "message/feedback-report")
    fields = next((_embedded(part) for part in reports), message)
    kind = mime.field(fields, "Feedback-Type").lower()
    if kind not in COMPLAINTS:
        raise MimeError("mail", f"is a feedback report of the unknown type {kind[:40]!r}")
    return Fate(
        status=ReceiptStatus.FAILED,
        reason=COMPLAINTS[kind],
        code=kind,
        recipient=_typed(mime.field(fields, "Original-Rcpt-To")).strip("<>"),
        client_ref=_ours(mime.field(fields, "Original-Mail-From")) or client_ref,
        message_id=_returned_message_id(message),
        at=_when(fields, "Arrival-Date") or _when(message),
    )


def _passed_on(message: Message, client_ref: str) -> Complaint | None:
    """A complaint in no standard form: Outlook.com's passes the mail on, with who complained in a field."""
    for part in message.walk():
        if part.get_content_type() != "message/rfc822":
            continue
        mail = _embedded(part)
        if recipient := mime.field(mail, ORIGINAL_RECIPIENT):
            return Complaint(
                Fate(
                    status=ReceiptStatus.FAILED,
                    reason=Reason.OPTED_OUT,
                    code="abuse",
                    recipient=recipient.strip("<>"),
                    client_ref=_ours(mime.field(mail, "Return-Path")) or client_ref,
                    message_id=_message_id(mime.field(mail, "Message-ID")),
                    at=_when(message),
                )
            )
    return None


def _guessed(body: bytes, client_ref: str, reported_at: int | None) -> tuple[Fate, ...]:
    """What flufl.bounce recognises: which recipients, and whether they are given up."""
    lines = body.splitlines()[:FLUFL_LINES_MAX]
    short = mime.parse(b"\n".join(line[:FLUFL_LINE_MAX] for line in lines))
    delayed, failed = all_failures(short)
    text = mime.readable(short)
    code, named = enhanced_code(text), RETURNED_ID.search(text)
    said = " ".join(COPIES.split(text, maxsplit=1)[0].split())[:GUESS_MAX]
    return tuple(
        Fate(
            status=ReceiptStatus.FAILED if recipient in failed else ReceiptStatus.ACCEPTED,
            reason=failure(code, said) if recipient in failed else None,
            code=code,
            recipient=recipient.decode("ascii", "replace"),
            client_ref=client_ref,
            message_id=_returned_message_id(short) or (named.group(1) if named else ""),
            at=reported_at,
        )
        for recipient in sorted(failed | delayed)[:RECIPIENTS_MAX]
    )


def _returned_message_id(message: Message) -> str:
    """The Message-ID of the mail that came back, whole or as its fields alone."""
    for part in message.walk():
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            return _message_id(mime.field(_embedded(part), "Message-ID"))
    return ""


def _embedded(part: Message) -> Message:
    """The mail, or the fields, that a part carries."""
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        return payload[0]
    data = part.get_payload(decode=True)
    return HeaderParser().parsestr(mime.letters(data if isinstance(data, bytes) else b"", "ascii"))


def _message_id(text: str) -> str:
    found = MESSAGE_ID.search(text)
    return found.group(1) if found else ""


def _typed(text: str) -> str:
    """`rfc822; anna@example.org` without its type."""
    return re.sub(r"^[\w.-]{1,40}\s*;\s*", "", text)


def _when(fields: Message, name: str = "Date") -> int | None:
    try:
        at = parsedate_to_datetime(mime.field(fields, name))
        return from_datetime(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


# ── machines and people ──────────────────────────────────────────────────────────────────────────────


def _machine(message: Message) -> str:
    """The field that tells that no person wrote this; empty when a person did."""
    if mime.field(message, "Auto-Submitted").lower().partition(";")[0].strip() not in ("", "no"):
        return "Auto-Submitted"
    if mime.field(message, "Precedence").lower() in BULK_PRECEDENCES:
        return "Precedence"
    for name in ("X-Autoreply", "X-Autorespond", "List-Id"):
        if name in message:
            return name
    return ""


def _letter(message: Message, envelope_to: str) -> Letter:
    answered = MESSAGE_ID.findall(mime.field(message, "References") + mime.field(message, "In-Reply-To"))
    return Letter(
        message_id=_message_id(mime.field(message, "Message-ID")),
        sender=parseaddr(mime.field(message, "From"))[1],
        recipient=envelope_to or parseaddr(mime.field(message, "To"))[1],
        subject=mime.field(message, "Subject"),
        text=mime.readable(message),
        in_reply_to=answered[-1] if answered else "",
        attachments=tuple(mime.attachments(message)),
        at=_when(message),
    )
