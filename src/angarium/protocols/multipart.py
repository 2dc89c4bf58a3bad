"""Forms with files in them, multipart/form-data (RFC 7578): written whole, read with every size bounded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from email.message import Message

import msgspec

PARTS_MAX = 300
HEAD_MAX = 4_000  # bytes of the fields of one part
PARAMETER = re.compile(r';\s*(name|filename)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))', re.IGNORECASE)


class Part(msgspec.Struct, frozen=True):
    """One field of a form; a file has a `filename`."""

    name: str
    data: bytes
    filename: str = ""


def write(parts: list[Part]) -> tuple[str, bytes]:
    """The media type and the body. Names are ours: plain words without quotes or line ends.

    The boundary is a digest of what it stands between, so that the same form is the same bytes.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part.data)
    boundary = digest.hexdigest()
    pieces = []
    for part in parts:
        filename = f'; filename="{part.filename}"' if part.filename else ""
        kind = "\r\nContent-Type: application/octet-stream" if part.filename else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"{filename}{kind}\r\n\r\n'
        pieces += [head.encode(), part.data, b"\r\n"]
    return f"multipart/form-data; boundary={boundary}", b"".join([*pieces, f"--{boundary}--\r\n".encode()])


def read(media_type: str, body: bytes) -> list[Part]:
    """The parts in their order; none when it is no such form, or has more parts than an honest one."""
    boundary = _boundary(media_type)
    if not boundary:
        return []
    delimiter = rb"\r\n--" + re.escape(boundary) + rb"(?=--|[ \t]*\r\n)"
    pieces = re.split(delimiter, b"\r\n" + body, maxsplit=PARTS_MAX + 2)
    if len(pieces) > PARTS_MAX + 2:
        return []
    return [part for piece in pieces[1:] if (part := _part(piece)) is not None]


def _boundary(media_type: str) -> bytes:
    fields = Message()
    fields["Content-Type"] = media_type
    found = fields.get_boundary() if fields.get_content_type() == "multipart/form-data" else None
    return found.encode("ascii", "replace") if found else b""


def _part(piece: bytes) -> Part | None:
    """None for what follows the last boundary, and for a part without a name."""
    head, _, data = piece.partition(b"\r\n\r\n")
    if piece.startswith(b"--") or len(head) > HEAD_MAX:
        return None
    found = {
        name.lower(): quoted or plain
        for name, quoted, plain in PARAMETER.findall(head.decode(errors="replace"))
    }
    if not found.get("name"):
        return None
    return Part(found["name"], data, found.get("filename", ""))


def texts(parts: list[Part]) -> Mapping[str, str]:
    """The fields that are no files, of each name the first."""
    return {part.name: part.data.decode(errors="replace") for part in reversed(parts) if not part.filename}
