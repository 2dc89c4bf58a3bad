"""Bodies of submit_sm: what those of an account share is written once, and filled with recipient and text."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import msgspec

from angarium.protocols.gsm import Segments
from angarium.protocols.smpp_numbers import CODING_UCS2
from angarium.protocols.smpp_pdu import DEST, SHORT_MESSAGE_MAX, Message, encode_message
from angarium.protocols.smpp_text import Way, coding_of, octets, short_messages

MOULDS_KEPT = 1_000
SIZES = [bytes((size,)) for size in range(SHORT_MESSAGE_MAX + 1)]

Like = Callable[[str, str], Message]  # by its validity_period, and the name of its template


class Bodies:
    """The bodies of an account. `like` is pure: a message without recipient and text."""

    def __init__(self, like: Like, way: Way, reference_bits: int, ucs2_coding: int = CODING_UCS2) -> None:
        self._like = like
        self._way = way
        self._reference_bits = reference_bits
        self._ucs2_coding = ucs2_coding
        self._mould = lru_cache(MOULDS_KEPT)(self._made)

    def of(self, dest: str, cut: Segments, validity: str, template: str, reference: int) -> list[bytes]:
        """Those that carry a text, joined by a reference if they are several. Raises PduError."""
        if len(cut.parts) == 1:
            text = octets(cut.parts[0].text, cut.encoding)
            return [self._mould(validity, template, cut.encoding).filled(dest, text)]
        messages = short_messages(
            msgspec.structs.replace(self._like(validity, template), dest=dest),
            cut,
            way=self._way,
            reference=reference & ((1 << self._reference_bits) - 1),
            reference_bits=self._reference_bits,
            ucs2_coding=self._ucs2_coding,
        )
        return [encode_message(message) for message in messages]

    def _made(self, validity: str, template: str, encoding: str) -> Mould:
        like = self._like(validity, template)
        coding = coding_of(encoding, like.data_coding, self._ucs2_coding)
        return Mould(msgspec.structs.replace(like, data_coding=coding))


class Mould:
    """Messages that differ in recipient and text alone. Raises PduError when a field cannot be sent."""

    __slots__ = ("_after", "_before", "_like", "_parameters")

    def __init__(self, like: Message) -> None:
        plain = encode_message(msgspec.structs.replace(like, dest="", short_message=b"", tlvs=()))
        whole = encode_message(msgspec.structs.replace(like, dest="", short_message=b""))
        at = len(like.service_type) + len(like.source) + len("\0..\0..")  # where the recipient stands
        self._like = like
        self._before, self._after = plain[:at], plain[at:-1]  # all but the size of the text
        self._parameters = whole[len(plain) :]

    def filled(self, dest: str, text: bytes) -> bytes:
        """The message to one recipient. Raises PduError when either cannot be sent."""
        size = len(text)
        if size > SHORT_MESSAGE_MAX or len(dest) >= DEST.size or not dest.isdigit():
            return encode_message(msgspec.structs.replace(self._like, dest=dest, short_message=text))
        parts = (self._before, dest.encode("latin-1"), self._after, SIZES[size], text, self._parameters)
        return b"".join(parts)
