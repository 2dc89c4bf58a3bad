"""Any provider that takes a message by one HTTP request: the settings of the line describe its interface.

Sources: none but the documentation of whoever is to be connected. How values are encoded: RFC 3986 §2.1
(addresses), RFC 8259 §7 (JSON), the URL standard §5 (forms).

Quirks:
- What an answer means is what the settings say. One that fits nothing in them is unknown, and not repeated.
- A 5xx is never believed to be a refusal: the message may have been taken.
- Codes and words that are in no table are refused (codes) or parked (words of statuses), with their names.
- The provider's host stands in a setting of its own, into which no value can come.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import msgspec

from angarium.channels import kit, lint_kit
from angarium.channels.generic_kit import TEXT_MAX, Settings, meanings_of, reasons_of
from angarium.core.ports import (
    Accepted,
    Capabilities,
    Channel,
    Event,
    Inbound,
    Outcome,
    Raw,
    Receipt,
    Refused,
    Reply,
    Said,
    Submission,
    Tools,
)
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Reason, ReceiptStatus
from angarium.protocols import mapping
from angarium.protocols.answers import Answer

# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


class Request(msgspec.Struct, frozen=True):
    """What is asked of the provider: a JSON document, or a form, or neither."""

    method: str
    url: str
    headers: dict[str, str]
    document: Any = None
    form: dict[str, str] | None = None


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """The request that the settings describe."""
    made = request(settings, submission)
    return await kit.exchange(
        tools,
        made.url,
        made.document,
        made.headers,
        lambda answer: judge(settings, answer),
        form=made.form,
        method=made.method,
    )


def request(settings: Settings, submission: Submission) -> Request:
    """The request for a submission, each value encoded for where it stands."""
    values = _values(settings, submission)
    url = settings.base_url + mapping.filled_url(settings.path, values)
    headers = {}
    for name, template in mapping.lines_of(settings.headers, ":"):
        value = mapping.filled(template, values)
        if value is not None:
            headers[name] = value
    if settings.body_kind == "json":
        document = mapping.filled_json(mapping.json_template(settings.body), values)
        return Request(settings.method, url, headers, document)
    if settings.body_kind == "none":
        return Request(settings.method, url, headers)
    fields = ((name, mapping.filled(one, values)) for name, one in mapping.lines_of(settings.body, "="))
    form = {name: text for name, text in fields if text is not None}
    return Request(settings.method, url, headers, form=form)


def rehearse(
    settings: Settings, submission: Submission, answered: Said | None
) -> tuple[Said, Outcome | None]:
    """The request as it would be written, and what an answer to it means: its head is `HTTP 200`."""
    made = request(settings, submission)
    body = b"" if made.document is None else msgspec.json.encode(made.document)
    if made.form is not None:
        body = urlencode(made.form, errors="replace").encode()
    asked = Said(f"{made.method} {made.url}", tuple(made.headers.items()), body=body)
    if answered is None:
        return asked, None
    answer = Answer(int(answered.head.rpartition(" ")[2]), {}, answered.body)
    return asked, judge(settings, answer) or kit.by_status(answer)


def _values(settings: Settings, submission: Submission) -> dict[str, str]:
    content = submission.content
    params = {**submission.pattern_values, **content.params}
    return {
        "to": submission.address,
        "to_digits": kit.digits(submission.address),
        "text": content.text,
        "sender": settings.sender,
        "ref": submission.client_ref,
        "class": submission.message_class.value,
        "ttl_s": "" if submission.ttl_s is None else str(submission.ttl_s),
        "callback_url": submission.callback_url,
        "template": content.template or submission.pattern,
        "template_language": content.template_language,
        "pattern": submission.pattern,
        "secret_1": settings.secret_1,
        "secret_2": settings.secret_2,
        "basic": b64encode(f"{settings.secret_1}:{settings.secret_2}".encode()).decode(),
        **{f"params.{name}": value for name, value in params.items()},
    }


def judge(settings: Settings, answer: Answer) -> Outcome | None:
    """What an answer says by the settings; None when it fits nothing in them."""
    if answer.status >= 500 or answer.status == 408:
        return None
    told = kit.read_json(answer.body, Any)
    word, ref = mapping.word_at(told, settings.success_path), mapping.word_at(told, settings.id_path)
    if _succeeded(settings, answer.status, word):
        sure = bool(ref) or bool(settings.success_path) or not settings.id_path
        return Accepted((kit.clean(ref),) if ref else ()) if sure else None
    code = mapping.word_at(told, settings.error_path) or word
    reason = reasons_of(settings.errors).get(code)
    if not code or (reason is None and answer.status in (401, 403, 429)):
        return None
    detail = mapping.word_at(told, settings.detail_path) or f"the provider refused it with {shown(code)}"
    return Refused(reason or Reason.REJECTED, kit.clean(shown(code)), kit.clean(detail[:300]))


def _succeeded(settings: Settings, status: int, word: str) -> bool:
    if not any(least <= status <= most for least, most in mapping.numbers_of(settings.success_statuses)):
        return False
    words = [one.strip() for one in settings.success_words.split(",") if one.strip()]
    return not settings.success_path or (word in words if words else bool(word))


def lint(settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """The length that the settings say; templates where they name them, and text where they do not."""
    found = kit.beyond(CAPABILITIES, content)
    if settings.text_max < len(content.text) <= TEXT_MAX:
        found.append(kit.too_long("text", content.text, settings.text_max))
    named = mapping.names_in(settings.path, settings.body)
    if "template" not in named:
        found += lint_kit.no_names(content)
    return tuple(found)


def measure(settings: Settings, content: Content) -> Measure:
    """Parts of SMS, or characters, as the settings say."""
    if settings.counted_as == "sms":
        return kit.short_messages(content.text)
    return kit.characters(content, settings.text_max)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def genuine(settings: Settings, raw: Raw) -> bool:
    """From a listed network, and with the word or the signature that the settings ask for."""
    if not kit.listed_peer(settings.callback_networks, raw.peer):
        return False
    if settings.callback_check == "none":
        return True
    given = raw.headers.get(settings.callback_header.lower(), "")
    wanted = settings.callback_secret
    if settings.callback_check == "signature":
        made = hmac.new(wanted.encode(), raw.body, settings.signature_algorithm).digest()
        written = made.hex() if settings.signature_encoding == "hex" else b64encode(made).decode()
        wanted = settings.signature_prefix + written
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def reply(settings: Settings, _raw: Raw) -> Reply:
    """The words that the provider wants to hear."""
    return Reply(200, settings.callback_reply)


def parse(settings: Settings, raw: Raw) -> list[Event]:
    """Each event of a callback: a JSON document, a form, or a query alone."""
    found: list[Event] = []
    for piece in kit.pieces(raw.body):
        document = kit.read_json(piece, Any)
        fields = {**raw.query, **({} if isinstance(document, dict | list) else kit.read_form(piece))}
        listed = mapping.at(document, settings.callback_events)
        events = listed if isinstance(listed, list) and listed else [document]
        found += [_event(settings, one, fields, piece) for one in events]
    return found


def _event(settings: Settings, document: Any, fields: Mapping[str, str], piece: bytes) -> Event:
    def word(path: str) -> str:
        return kit.clean(mapping.word_at(document, path) or fields.get(path, "")) if path else ""

    status, sender = word(settings.receipt_status), word(settings.inbound_from)
    if status:
        return _receipt(settings, status, word, piece)
    if not sender or not settings.inbound_text:
        return kit.unreadable("nothing in it stands where the settings say", piece)
    text = word(settings.inbound_text)
    return Inbound(
        ref=word(settings.inbound_id) or sha256(f"{sender}\n{text}\n".encode() + piece).hexdigest()[:32],
        sender=kit.e164(sender),
        recipient=kit.e164(word(settings.inbound_to)),
        text=text,
    )


def _receipt(settings: Settings, status: str, word: Callable[[str], str], piece: bytes) -> Event:
    meaning = meanings_of(settings.statuses).get(status)
    if meaning is None:
        return kit.unreadable(f"a status that is not in the table: {status}", piece)
    said, why = meaning
    ref, ours, address = word(settings.receipt_id), word(settings.receipt_ref), word(settings.receipt_to)
    if not ref and not ours and not address:
        return kit.unreadable("a status of no message", piece)
    code = word(settings.receipt_error) or status
    failed = said is ReceiptStatus.FAILED
    reason = reasons_of(settings.errors).get(code) or why or Reason.UNDELIVERED
    return Receipt(
        status=said,
        ref=ref,
        client_ref=ours,
        address=kit.e164(address),
        reason=reason if failed else None,
        code=code if failed else "",
    )


CAPABILITIES = Capabilities(
    receipts=frozenset(ReceiptStatus) - {ReceiptStatus.ACCEPTED},
    classes=frozenset(MessageClass),
    two_way=True,
    text_max=TEXT_MAX,
)

CHANNEL = Channel(
    kind="generic_http",
    title="HTTP (any provider)",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    reply=reply,
    rehearse=rehearse,
)
