"""A PDU as people read it: its fields by the names of the standard, its text, and every octet."""

from __future__ import annotations

from typing import Any

import msgspec

from angarium.core.ports import Raw, Said
from angarium.protocols.smpp_numbers import (
    RESPONSE,
    Tlv,
    command_name,
    status_description,
    status_name,
    tlv_name,
)
from angarium.protocols.smpp_pdu import Bind, Frame, Message, MessageResp, PduError, Splitter, decode
from angarium.protocols.smpp_text import Alphabet, TextError, read_piece

# Our names of fields, where the standard (SMPP 3.4 §4.4.1) has others.
NAMES = {
    "source_ton": "source_addr_ton",
    "source_npi": "source_addr_npi",
    "source": "source_addr",
    "dest_ton": "dest_addr_ton",
    "dest_npi": "dest_addr_npi",
    "dest": "destination_addr",
    "priority": "priority_flag",
    "schedule": "schedule_delivery_time",
    "validity": "validity_period",
    "replace_if_present": "replace_if_present_flag",
    "default_message_id": "sm_default_msg_id",
}
IN_HEX = {"esm_class", "data_coding", "registered_delivery"}  # whose bits mean something


def told(frame: Frame, alphabet: Alphabet) -> Said:
    """A whole PDU; of one that cannot be read, its header and its octets."""
    fields = [
        (
            "command_status",
            f"{status_name(frame.status)} (0x{frame.status:08x}): {status_description(frame.status)}",
        ),
        ("sequence_number", str(frame.sequence)),
    ]
    words = ""
    try:
        body = decode(frame)
        if isinstance(body, Message):
            fields += _of_message(body)
            words = _words(body, alphabet)
        elif isinstance(body, MessageResp):
            fields += [("message_id", body.message_id), *_parameters(body)]
        elif isinstance(body, Bind):
            fields.append(("system_id", body.system_id))
    except PduError as error:
        fields.append(("", f"it cannot be read: {error.detail}"))
    head = command_name(frame.command)
    if frame.command & RESPONSE:
        head = f"{head}: {status_name(frame.status)}"
    return Said(head, tuple(fields), words, frame.data, binary=True)


def _of_message(message: Message) -> list[tuple[str, str]]:
    values = [
        (name, getattr(message, name))
        for name in message.__struct_fields__
        if name not in ("short_message", "tlvs")
    ]
    fields = [(NAMES.get(name, name), _shown(name, value)) for name, value in values]
    return [*fields, ("sm_length", str(len(message.short_message))), *_parameters(message)]


def _shown(name: str, value: Any) -> str:
    return f"0x{value:02x}" if name in IN_HEX else str(value)


def _parameters(body: Message | MessageResp) -> list[tuple[str, str]]:
    return [(tlv_name(tag), _parameter(tag, value)) for tag, value in body.tlvs]


def _parameter(tag: int, value: bytes) -> str:
    """Its octets; of one that carries the text, how many: the text stands by itself."""
    return f"{len(value)} octets" if tag == Tlv.MESSAGE_PAYLOAD else f"0x{value.hex()}"


def _words(message: Message, alphabet: Alphabet) -> str:
    try:
        return read_piece(message, alphabet).text
    except TextError as error:
        return f"[{error}]"


# ── what came in ─────────────────────────────────────────────────────────────────────────────────────


def pieces(_settings: Any, raw: Raw) -> list[Raw]:
    """Each PDU of a piece of the journal; the whole of it, when it is none."""
    try:
        found = [msgspec.structs.replace(raw, body=frame.data) for frame in Splitter().feed(raw.body)]
    except PduError:
        return [raw]
    return found or [raw]


def callback(settings: Any, raw: Raw) -> Said:
    """The PDU that such a piece holds; its octets, when it is none."""
    try:
        for frame in Splitter().feed(raw.body):
            return told(frame, settings.wire.alphabet)
    except PduError:
        pass
    return Said("PDU", body=raw.body, binary=True)
