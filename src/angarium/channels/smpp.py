"""SMS over SMPP 3.4: a bind at an operator, many messages under way at once.

Sources: SMPP 3.4 Issue 1.2 and 3GPP TS 23.038 and 23.040 for the wire; for what operators make of them, the
code and issues of Jasmin, python-smpplib and Kannel, and the pages that `protocols/smpp_receipt.py` names.

Quirks:
- SMPP has no idempotency key. What was written and never answered may have gone out: Unknown, and never
  repeated here. A late answer on the same session is journalled, and becomes a receipt of our attempt.
- A text of n parts is n messages at the operator, with n ids. It is accepted when all are. When some are and
  others not it is Unknown, because to send it again would repeat what arrived.
- "Slow down" (RTHROTTLED, RMSGQFUL) stops the whole bind for a while, twice as long each time it comes
  again. A part of a longer text is then written again: its other parts may be on their way.
- deliver_sm is answered when the journal has it: after the answer the operator forgets it.
- deliver_sm has no id. What a person writes is named by the bind and the sequence number it came with, and
  by its bytes; what the operator repeats keeps the name of its first arrival (`protocols/smpp_traffic.py`).
"""

from __future__ import annotations

import ssl
from functools import cached_property, partial
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from angarium.channels import kit, smpp_kit
from angarium.core.clock import Clock, micros
from angarium.core.ports import (
    Accepted,
    Capabilities,
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
from angarium.protocols import gsm, smpp_pdu, smpp_receipt, smpp_text, smpp_told
from angarium.protocols import smpp_numbers as numbers
from angarium.protocols.smpp_bodies import Bodies
from angarium.protocols.smpp_fields import (
    DAY_S,
    absolute_time,
    is_number,
    is_sender,
    phone,
    relative_time,
)
from angarium.protocols.smpp_line import BIND, CLIENT_REF, ORIGIN, Dealings, SmppConnection
from angarium.protocols.smpp_link import Login, tls_context
from angarium.protocols.smpp_numbers import Command, Status
from angarium.protocols.smpp_pdu import Bind, Frame, Message, PduError
from angarium.protocols.smpp_receipt import Dialect, Unread
from angarium.protocols.smpp_text import TextError

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """One account at one message centre."""

    host: Annotated[
        str, Meta(title="Host", description="Name or address of the operator's server.", min_length=1)
    ]
    system_id: Annotated[
        str, Meta(title="System id", description="The account's name.", min_length=1, max_length=64)
    ]
    password: Annotated[
        str,
        Meta(title="Password", description="The account's password.", max_length=64, extra={"secret": True}),
    ]
    source: Annotated[
        str,
        Meta(title="Sender", description="A name of up to 11 characters, or a number, as registered."),
    ]
    profile: Annotated[
        str,
        Meta(
            title="Operator",
            description="How this operator speaks SMPP, as it has written. What is set below wins over it.",
            extra={"choices": tuple(smpp_kit.profiles()), "told": smpp_kit.in_words()},
        ),
    ] = smpp_kit.STANDARD
    port: Annotated[
        smpp_kit.Port | None, Meta(title="Port", description="Empty: the operator's; 2775 by custom.")
    ] = None
    system_type: Annotated[
        str, Meta(title="System type", description="Only if the operator asks for one.", max_length=12)
    ] = ""
    bind_mode: Annotated[
        Literal["", "transceiver", "pair"],
        Meta(title="Bind", description="transceiver, or a pair: a transmitter and a receiver."),
    ] = ""
    tls: Annotated[bool, Meta(title="TLS", description="Whether the connection is encrypted.")] = False
    tls_verify: Annotated[
        bool, Meta(title="Check the certificate", description="Switch off only inside a private network.")
    ] = True
    tls_ca: Annotated[
        str,
        Meta(title="Certificate authority", description="PEM of the operator's own. Empty: the usual ones."),
    ] = ""
    source_ton: Annotated[
        smpp_kit.Octet | None,
        Meta(title="Sender's TON", description="Type of number. Empty: by what the sender is."),
    ] = None
    source_npi: Annotated[
        smpp_kit.Octet | None,
        Meta(title="Sender's NPI", description="Numbering plan. Empty: by what the sender is."),
    ] = None
    dest_ton: Annotated[
        smpp_kit.Octet | None, Meta(title="Recipient's TON", description="1: international.")
    ] = None
    dest_npi: Annotated[smpp_kit.Octet | None, Meta(title="Recipient's NPI", description="1: E.164.")] = None
    alphabet: Annotated[
        Literal["", "gsm7", "gsm7_packed", "latin1", "ucs2"],
        Meta(title="Default alphabet", description="What this operator reads in data_coding 0."),
    ] = ""
    data_coding: Annotated[
        smpp_kit.Octet | None, Meta(title="data_coding", description="Of texts in the default alphabet.")
    ] = None
    smart: Annotated[
        bool,
        Meta(title="Plain punctuation", description="Make quotes and dashes plain if that saves UCS-2."),
    ] = False
    long_messages: Annotated[
        Literal["", "udh", "sar", "payload"],
        Meta(title="Long texts", description="udh: headers; sar: parameters; payload: the operator cuts."),
    ] = ""
    reference_bits: Annotated[
        Literal[8, 16] | None,
        Meta(title="Reference bits", description="16 confuses fewer texts; a part is shorter by one."),
    ] = None
    parts_max: Annotated[
        smpp_kit.Parts | None, Meta(title="Most parts", description="A longer text is refused.")
    ] = None
    validity: Annotated[
        Literal["", "relative", "absolute", "none"],
        Meta(title="Time to live", description="Written from now on, as an instant, or not at all."),
    ] = ""
    service_type: Annotated[
        str, Meta(title="Service type", description="Only if the operator asks for one.", max_length=5)
    ] = ""
    registered_delivery: Annotated[
        smpp_kit.Wanted | None,
        Meta(title="Receipts", description="1: always, 2: failures, 0: never; +16: on the way."),
    ] = None
    tlvs: Annotated[
        dict[str, str],
        Meta(title="Parameters", description='Sent with each message, in hexadecimal: {"1400": "313130"}.'),
    ] = {}
    template_tag: Annotated[
        str,
        Meta(title="Template parameter", description="Hexadecimal tag of template ids (India DLT: 1401)."),
    ] = ""
    enquire_link_s: Annotated[
        smpp_kit.Seconds | None,
        Meta(title="Ask after", description="Seconds of silence; after twice as many it is dead."),
    ] = None
    response_timeout_s: Annotated[
        smpp_kit.Seconds | None,
        Meta(title="Wait for an answer", description="Seconds; then the message is unknown."),
    ] = None
    reconnect_s: Annotated[
        smpp_kit.Seconds | None,
        Meta(title="Reconnect after", description="Seconds; after a refused bind it is longer."),
    ] = None
    statuses: Annotated[
        dict[str, Reason],
        Meta(title="Own statuses", description='Error statuses of this operator: {"0x40b": "no_credit"}.'),
    ] = {}
    system_error: Annotated[
        Literal["", "refused", "unknown"],
        Meta(title="RSYSERR", description="What it says of a message: surely refused, or perhaps taken."),
    ] = ""
    receipt_id_base: Annotated[
        Literal["", "same", "hex_to_dec", "dec_to_hex"],
        Meta(title="Ids in receipts", description="Whether answer and receipt write an id in the same base."),
    ] = ""
    receipt_words: Annotated[
        dict[str, str],
        Meta(title="Own words", description='In stat: {"GONE": "bad_address"}; a status or a reason.'),
    ] = {}
    receipt_errors: Annotated[
        dict[str, Reason],
        Meta(title="Own errors", description='Error codes of this operator in err: {"27": "unreachable"}.'),
    ] = {}
    receipt_fields: Annotated[
        dict[str, str],
        Meta(title="Own fields", description='Names in receipts: {"msgid": "id", "state": "stat"}.'),
    ] = {}
    receipt_zone: Annotated[
        str,
        Meta(title="Time zone", description="Of dates in receipts: Asia/Tehran. Empty: they are not used."),
    ] = ""
    receipts_unmarked: Annotated[
        bool,
        Meta(title="Unmarked receipts", description="Know receipts by their text, which a person can forge."),
    ] = False

    def __post_init__(self) -> None:
        checks = {
            "source": is_sender(self.source),
            "tls_ca": not self.tls_ca or _is_authority(self.tls_ca),
            "tlvs": all(_is_tag(tag) and _octets(value) is not None for tag, value in self.tlvs.items()),
            "template_tag": not self.template_tag or _is_tag(self.template_tag),
        }
        for name, good in checks.items():
            if not good:
                raise invalid(name, "is not as its help says", value=getattr(self, name))
        assert self.wire  # what it sets of the operator's ways is checked there

    @cached_property
    def wire(self) -> smpp_kit.Profile:
        """The operator's ways, with what this line sets by itself."""
        own = {name: getattr(self, name) for name in OWN}
        return smpp_kit.settled(self.profile, own)


OWN = tuple(sorted(set(Settings.__struct_fields__) & set(smpp_kit.Profile.__struct_fields__)))


def _is_tag(text: str) -> bool:
    octets = _octets(text)
    return octets is not None and len(octets) == 2


def _is_authority(pem: str) -> bool:
    try:
        tls_context(pem, verify=True)
    except (ssl.SSLError, ValueError):
        return False
    return True


def _octets(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


# ── statuses ─────────────────────────────────────────────────────────────────────────────────────────


def verdict(settings: Settings, frame: Frame) -> Outcome:
    """What the answer to a submit_sm says; a generic_nack refuses."""
    status = frame.status
    if status == Status.ROK:
        return _accepted(settings, frame)
    detail = f"the operator says: {numbers.status_description(status)}"
    if status == Status.RSYSERR and settings.wire.system_error == "unknown":
        return Unknown(detail)
    return Refused(smpp_kit.reason_of(settings.wire, status), numbers.status_name(status), detail)


def _accepted(settings: Settings, frame: Frame) -> Outcome:
    if frame.command == Command.GENERIC_NACK:
        return Unknown("the operator's answer says nothing certain: a nack without an error")
    try:
        ref = smpp_receipt.response_ref(smpp_pdu.decode_message_id(frame), settings.wire.receipt_id_base)
    except PduError as error:
        return Unknown(f"the operator's answer says nothing certain: {error.detail}")
    return Accepted((ref,) if ref else ())


# ── send ─────────────────────────────────────────────────────────────────────────────────────────────


def connect(tools: Tools, settings: Settings, window: int, ears: Ears) -> SmppConnection:
    """A live line."""
    compose = Composer(settings, tools.clock).compose
    dealings = Dealings(compose, partial(verdict, settings), settings.wire.alphabet)
    most = window if settings.wire.window is None else min(window, settings.wire.window)
    return SmppConnection(tools, logins(settings, most), dealings, ears)


def logins(settings: Settings, window: int) -> list[Login]:
    """The binds of a line; the first submits."""
    wire = settings.wire
    kinds = {
        "transceiver": (Command.BIND_TRANSCEIVER,),
        "pair": (Command.BIND_TRANSMITTER, Command.BIND_RECEIVER),
    }
    return [
        Login(
            host=settings.host,
            port=settings.port or (settings.tls and wire.tls_port) or wire.port,
            bind_as=kind,
            bind=Bind(settings.system_id, settings.password, wire.system_type),
            window=window,
            response_timeout_s=wire.response_timeout_s,
            enquire_link_s=wire.enquire_link_s,
            reconnect_s=wire.reconnect_s,
            tls=tls_context(settings.tls_ca, verify=settings.tls_verify) if settings.tls else None,
        )
        for kind in kinds[wire.bind_mode]
    ]


class Composer:
    """Writes submissions as the bodies of submit_sm."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        wire = settings.wire
        self._settings, self._clock = settings, clock
        self._bodies = Bodies(
            partial(_message, settings), wire.long_messages, wire.reference_bits, wire.ucs2_coding
        )

    def compose(self, submission: Submission, reference: int) -> list[bytes] | Refused:
        """The bodies that carry a submission; Refused when this line cannot carry it whole."""
        settings, content, number = self._settings, submission.content, kit.digits(submission.address)
        if not is_number(number):
            return Refused(Reason.BAD_ADDRESS, detail=f"{shown(number)} is no phone number")
        try:
            cut = _cut(settings, content)
            findings = _findings(settings, content, len(cut.parts))
            if findings:
                reason = Reason.TOO_LONG if len(cut.parts) > settings.wire.parts_max else Reason.UNSUPPORTED
                return Refused(reason, detail="; ".join(f"{one.field}: {one.problem}" for one in findings))
            validity = self._validity(submission.ttl_s)
            return self._bodies.of(number, cut, validity, content.template, reference)
        except gsm.TooLong as error:
            return Refused(Reason.TOO_LONG, detail=str(error))
        except PduError as error:
            return Refused(Reason.CONFIG, error.status.name, error.detail)

    def _validity(self, ttl_s: int | None) -> str:
        match self._settings.wire.validity:
            case "relative" if ttl_s is not None:
                return relative_time(ttl_s)
            case "absolute" if ttl_s is not None:
                return absolute_time(self._clock.now() + micros(ttl_s))
            case _:
                return ""


def _message(settings: Settings, validity: str, template: str) -> Message:
    """What a line's messages share, but for recipient and text."""
    wire = settings.wire
    ton, npi = wire.sender(settings.source)
    tlvs = [(int(tag, 16), bytes.fromhex(value)) for tag, value in settings.tlvs.items()]
    if settings.template_tag and template:
        tlvs.append((int(settings.template_tag, 16), template.encode()))
    return Message(
        service_type=wire.service_type,
        source_ton=ton,
        source_npi=npi,
        source=kit.digits(settings.source),
        dest_ton=wire.dest_ton,
        dest_npi=wire.dest_npi,
        validity=validity,
        registered_delivery=wire.registered_delivery,
        data_coding=wire.data_coding,
        tlvs=tuple(tlvs),
    )


# ── content ──────────────────────────────────────────────────────────────────────────────────────────


def measure(settings: Settings, content: Content) -> Measure:
    """Parts and units as this line sends the text."""
    return kit.short_messages(
        content.text,
        smart=settings.smart,
        alphabet=settings.wire.alphabet,
        reference_bits=settings.wire.reference_bits,
    )


def lint(settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """What an SMS on this line cannot carry."""
    return tuple(_findings(settings, content, measure(settings, content).parts))


def _findings(settings: Settings, content: Content, parts: int) -> list[FieldProblem]:
    found = kit.beyond(CAPABILITIES, content)
    if content.template and not settings.template_tag:
        found.append(FieldProblem("template", "this line sends no template id", "set its template parameter"))
    most = settings.wire.parts_max
    if parts > most:
        problem = f"{parts} parts, at most {most}"
        found.append(FieldProblem("text", problem, "shorten it", shown(content.text)))
    if not content.text.strip():
        found.append(FieldProblem("text", "is empty", "write something"))
    return found


def _cut(settings: Settings, content: Content) -> gsm.Segments:
    return smpp_text.cut(content.text, settings.wire.alphabet, settings.wire.reference_bits, settings.smart)


# ── parse ────────────────────────────────────────────────────────────────────────────────────────────


def parse(settings: Settings, raw: Raw) -> list[Event]:
    """What a piece of the journal says: PDUs one after another, or an answer that came as evidence."""
    splitter, dialect = smpp_pdu.Splitter(), settings.wire.dialect
    events: list[Event] = []
    try:
        for frame in splitter.feed(raw.body):
            event = _event(settings, frame, raw.headers, dialect)
            events.append(event)  # one by one: those before a break stay
    except PduError as error:
        events.append(kit.unreadable(error.detail, raw.body))
    if splitter.pending or not events:
        events.append(kit.unreadable(f"{splitter.pending} octets that are no whole PDU", raw.body))
    return events


def _event(settings: Settings, frame: Frame, headers: dict[str, str], dialect: Dialect) -> Event:
    if CLIENT_REF in headers:
        return _evidence(settings, frame, headers[CLIENT_REF])
    try:
        message = smpp_pdu.decode(frame)
        if not isinstance(message, Message):
            return kit.unreadable(f"unexpected {numbers.command_name(frame.command)}", frame.data)
        if smpp_receipt.is_receipt(message, dialect):
            return _receipt(settings, message, dialect)
        if message.esm_class & numbers.ESM_TYPE_MASK:
            return kit.unreadable(f"esm_class 0x{message.esm_class:02x}", frame.data)
        return _inbound(settings, message, frame, headers)
    except (PduError, Unread, TextError) as error:
        return kit.unreadable(str(error), frame.data)


def _evidence(settings: Settings, frame: Frame, client_ref: str) -> Event:
    match verdict(settings, frame):
        case Accepted(refs):
            return Receipt(ReceiptStatus.ACCEPTED, ref="".join(refs), client_ref=client_ref)
        case Refused(reason=reason, code=code):
            return Receipt(ReceiptStatus.FAILED, client_ref=client_ref, reason=reason, code=code)
        case Unknown(detail):
            return kit.unreadable(detail, frame.data)


def _receipt(settings: Settings, message: Message, dialect: Dialect) -> Receipt:
    report = smpp_receipt.read_receipt(message, dialect)
    ref = smpp_receipt.receipt_ref(report.message_id, settings.wire.receipt_id_base)
    address = phone(message.source, message.source_ton)
    if not ref and not address:
        raise Unread("a receipt that names neither message nor recipient")
    return Receipt(report.status, ref, "", address, report.reason, report.code, report.at)


def _inbound(settings: Settings, message: Message, frame: Frame, headers: dict[str, str]) -> Inbound:
    piece = smpp_text.read_piece(message, settings.wire.alphabet)
    origin = headers.get(ORIGIN) or f"{headers.get(BIND, '')}.{frame.sequence}"
    name = blake2b(frame.data[smpp_pdu.HEADER_SIZE :], key=origin.encode()[:64], digest_size=16)
    return Inbound(
        ref=name.hexdigest(),
        sender=phone(message.source, message.source_ton),
        recipient=phone(message.dest, message.dest_ton),
        text=kit.clean(piece.text),
        part_ref=piece.reference,
        part_number=piece.number,
        part_total=piece.total,
    )


# ── the channel ──────────────────────────────────────────────────────────────────────────────────────

CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    native_ttl_s=(60, 2 * DAY_S),
    two_way=True,
    priced_by="part",
)

CHANNEL = Channel(
    kind="smpp",
    title="SMS over SMPP",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    connect=connect,
    lint=lint,
    pieces=smpp_told.pieces,
    told=smpp_told.callback,
    answers_within_s=lambda settings: settings.wire.response_timeout_s,
    sender=lambda settings: settings.source,
)
