"""SMS texts: the GSM 7-bit alphabet, UCS-2, and how a text is cut into parts.

Rules:
- One character outside the GSM alphabet makes the whole text UCS-2 (3GPP TS 23.038 §6.2.1).
- A text of several parts has less room in each: the header that joins them takes 6 octets with an 8-bit
  reference number and 7 with a 16-bit one (3GPP TS 23.040 §9.2.3.24.1 and §9.2.3.24.8).
- An escape pair, a surrogate pair and a grapheme cluster are never cut. A cluster longer than a part is
  cut between two of its code points.
- Bytes from outside never raise: what has no meaning becomes U+FFFD.

In SMPP the GSM alphabet travels one septet to the octet; the operator packs it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import cycle

import msgspec

from angarium.protocols.graphemes import boundary_before

PARTS_MAX = 255  # the count of parts is one octet

# Units of a text that stands alone, and of one part by the bits of its reference number: 140 octets, less 6
# or 7 of header, in septets (a header of 6 octets takes up 7 of them), octets or pairs of octets.
SINGLE = {"gsm7": 160, "latin1": 140, "ascii": 140, "ucs2": 70}
PER_PART = {
    8: {"gsm7": 153, "latin1": 134, "ascii": 134, "ucs2": 67},
    16: {"gsm7": 152, "latin1": 133, "ascii": 133, "ucs2": 66},
}

ESCAPE = 0x1B
# 3GPP TS 23.038 §6.2.1; the place of a character is its code. 0x1B is the escape, which is no character.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# 3GPP TS 23.038 §6.2.1.1; each costs two septets.
EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}

REPLACEMENT = "\ufffd"
# Octets stand as the characters of the same code, so that str.translate does the work.
TO_OCTETS = str.maketrans(
    {character: chr(code) for code, character in enumerate(BASIC) if code != ESCAPE}
    | {character: chr(ESCAPE) + chr(code) for code, character in EXTENSION.items()}
)
FROM_OCTETS = str.maketrans(dict(enumerate(BASIC)) | dict.fromkeys(range(0x80, 0x100), REPLACEMENT))

_basic_class = re.escape(BASIC.replace("\x1b", ""))
_extension_class = re.escape("".join(EXTENSION.values()))
NOT_BASIC = re.compile(f"[^{_basic_class}]")
NOT_GSM7 = re.compile(f"[^{_basic_class}{_extension_class}]")
_alike = "".join(character for code, character in enumerate(BASIC) if code == ord(character) != ESCAPE)
MOVED = re.compile(f"[^{re.escape(_alike)}]")  # all but the letters and signs that are as in ASCII
EXTENDED = re.compile(f"[{_extension_class}]")
NOT_LATIN1 = re.compile("[^\x00-\xff]")
NOT_ASCII = re.compile("[^\x00-\x7f]")
FOREIGN = {"gsm7": NOT_GSM7, "latin1": NOT_LATIN1, "ascii": NOT_ASCII}
CR = b"\r"  # 0x0D in the GSM alphabet too
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
ESCAPED = re.compile("(\x1b.?)", re.DOTALL)

# What typing aids put into a text that has a plain GSM equivalent. Zero-width joiners are not among them:
# they are spelling in Persian and part of emoji.
PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bb\u02bc\u02b9\u2032\u2035\u2039\u203a`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb\u02ba", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
        **dict.fromkeys(
            "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f", " "
        ),
        **dict.fromkeys("\u200b\u2060\ufeff\u00ad", ""),
        "\t": " ",
        "\u2028": "\n",
        "\u2029": "\n",
        "\u2026": "...",
        "\u2044": "/",
        "\u2022": "*",
        "\u2126": "Ω",  # the ohm sign, which is not the letter
        "\u2206": "Δ",  # the increment sign, which is not the letter
    }
)


class Part(msgspec.Struct, frozen=True, gc=False):
    """One short message of a text; `units` are septets, octets or UTF-16 code units, without any header."""

    text: str
    units: int


class Segments(msgspec.Struct, frozen=True, gc=False):
    """A text as it is cut. `encoding` is "gsm7", "ucs2", "latin1" or "ascii"."""

    encoding: str
    parts: tuple[Part, ...]
    units: int  # of all parts
    units_left: int  # room left in the last part


class TooLong(ValueError):
    """More parts than a reference header can count."""

    def __init__(self, units: int, encoding: str) -> None:
        super().__init__(f"{units} {encoding} units do not fit in {PARTS_MAX} parts")
        self.units = units
        self.encoding = encoding


class NotEncodable(ValueError):
    """A character that the encoding asked for does not have."""

    def __init__(self, character: str, position: int, encoding: str) -> None:
        super().__init__(f"{encoding} has no {character!r} (character {position + 1} of the text)")
        self.character = character
        self.position = position
        self.encoding = encoding


def segment(text: str, *, reference_bits: int = 8, encoding: str = "auto") -> Segments:
    """Cut a text into the parts it is sent as.

    `encoding` is "auto" (GSM where it can be, else UCS-2) or one of `Segments.encoding`; `reference_bits`
    is 8 or 16. Raises NotEncodable, and TooLong over 255 parts.
    """
    if encoding == "auto" and MOVED.search(text) is None:  # as most texts are, and looked through once
        chosen, units = "gsm7", len(text)
    else:
        chosen = encoding_of(text) if encoding == "auto" else _suits(text, encoding)
        units = UNITS[chosen](text)
    single = SINGLE[chosen]
    if units <= single:
        return Segments(chosen, (Part(text, units),), units, single - units)
    return _several(text, chosen, units, PER_PART[reference_bits][chosen])


def encoding_of(text: str) -> str:
    """ "gsm7" when every character is in the GSM alphabet, else "ucs2"."""
    return "gsm7" if NOT_GSM7.search(text) is None else "ucs2"


def encode_gsm7(text: str) -> bytes:
    """GSM alphabet, one septet to the octet. Raises NotEncodable."""
    if MOVED.search(text) is None:
        return text.encode("ascii")
    _suits(text, "gsm7")
    return text.translate(TO_OCTETS).encode("latin-1")


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Septets packed into octets, after so many bits that belong to a header (3GPP TS 23.038 §6.1.2.1).

    Seven bits that are left over would read as "@": they are a CR, and a CR that ends a text where none is
    left over is doubled (§6.1.2.3.1).
    """
    if septets.endswith(CR) and (fill_bits + 7 * len(septets)) % 8 == 0:
        septets += CR
    used = fill_bits + 7 * len(septets)
    value = sum(septet << (fill_bits + 7 * place) for place, septet in enumerate(septets))
    size = -(-used // 8)
    if size * 8 - used == 7:
        value |= CR[0] << used
    return value.to_bytes(size, "little")


def unpack(octets: bytes, fill_bits: int = 0) -> bytes:
    """Septets out of the octets into which they were packed."""
    value, room = int.from_bytes(octets, "little") >> fill_bits, len(octets) * 8 - fill_bits
    septets = bytes(value >> 7 * place & 0x7F for place in range(max(room, 0) // 7))
    return septets[:-1] if room % 7 == 0 and septets.endswith(CR) else septets


def decode_gsm7(data: bytes) -> str:
    """GSM alphabet, one septet to the octet, as text.

    An escape before a code that has no extension shows the basic character, and two escapes a space, as
    TS 23.038 §6.2.1.1 asks of a phone; an escape at the end and an octet over 0x7F become U+FFFD.
    """
    octets = data.decode("latin-1")
    if chr(ESCAPE) not in octets:
        return octets.translate(FROM_OCTETS)
    pieces = ESCAPED.split(octets)  # every second one is an escape with what follows it
    return "".join(
        [
            _extended(piece) if odd else piece.translate(FROM_OCTETS)
            for piece, odd in zip(pieces, cycle((0, 1)))
        ]
    )


def encode_ucs2(text: str) -> bytes:
    """UTF-16, big end first: what phones make of UCS-2. Half a surrogate pair becomes U+FFFD."""
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError:
        return LONE_SURROGATE.sub(REPLACEMENT, text).encode("utf-16-be")


def decode_ucs2(data: bytes) -> str:
    """UTF-16, big end first, as text; half a pair and an odd last octet become U+FFFD."""
    return data.decode("utf-16-be", "replace")


def smart(text: str) -> str:
    """The text with typographic quotes, dashes, spaces and ellipses made plain, if that makes it GSM.

    A text that needs UCS-2 all the same gains nothing, and is returned as it was written.
    """
    if NOT_GSM7.search(text) is None:
        return text
    plain = unicodedata.normalize("NFC", text).translate(PLAIN)
    return plain if NOT_GSM7.search(plain) is None else text


def _suits(text: str, encoding: str) -> str:
    foreign = FOREIGN.get(encoding)
    found = foreign.search(text) if foreign is not None else None
    if found is not None:
        raise NotEncodable(found[0], found.start(), encoding)
    return encoding


def _gsm7_units(text: str) -> int:
    return len(text) if NOT_BASIC.search(text) is None else len(text) + len(EXTENDED.findall(text))


def _ucs2_units(text: str) -> int:
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


UNITS: dict[str, Callable[[str], int]] = {
    "gsm7": _gsm7_units,
    "ucs2": _ucs2_units,
    "latin1": len,
    # Networks that carry ASCII as such give it 160, those that make Latin-1 of it 140: the smaller is safe.
    "ascii": len,
}


def _several(text: str, encoding: str, units: int, room: int) -> Segments:
    if units > PARTS_MAX * room:
        raise TooLong(units, encoding)
    units_of = len if units == len(text) else UNITS[encoding]
    parts = []
    start = 0
    while start < len(text):
        end = _cut(text, start, room, units_of)
        part = text[start:end]
        parts.append(Part(part, units_of(part)))
        start = end
    if len(parts) > PARTS_MAX:
        raise TooLong(units, encoding)
    return Segments(encoding, tuple(parts), units, room - parts[-1].units)


def _cut(text: str, start: int, room: int, units_of: Callable[[str], int]) -> int:
    """Where the part that begins at `start` ends."""
    end = min(start + room, len(text))
    # A character is one unit or two, so at least half the excess must go: this never takes one too many.
    while (excess := units_of(text[start:end]) - room) > 0:
        end -= (excess + 1) // 2
    return boundary_before(text, start, end)


def _extended(pair: str) -> str:
    if len(pair) == 1:
        return REPLACEMENT
    if pair[1] == chr(ESCAPE):
        return " "
    return EXTENSION.get(ord(pair[1])) or pair[1].translate(FROM_OCTETS)
