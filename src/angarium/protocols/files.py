"""Files of strangers: what they are, as their first bytes tell, and a name to save them under. Pure.

A name or a type that was sent along is believed in nothing. Sources of the beginnings: PDF: ISO 32000-1
§7.5.2; PNG: W3C §5.2; JPEG: SOI of ITU-T T.81; GIF: GIF89a §17; WebP: its RIFF header (RFC 9649 §2.4);
MP3: ID3v2 §3.1 and the sync word of ISO 11172-3; AAC: the sync word of ADTS (ISO 13818-7); Ogg: RFC 3533
§6; AMR: RFC 4867 §5.1; MP4, M4A and 3GP: the brand of `ftyp` (ISO 14496-12 §4.3, 3GPP TS 26.244 §5.3).
"""

from __future__ import annotations

import re
from urllib.parse import quote

HEAD_BYTES = 64  # what has to be seen of a file
NAME_MAX = 120  # characters

# The ending of its name: its media type.
TYPES = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "mp3": "audio/mpeg",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "amr": "audio/amr",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "3gp": "video/3gpp",
}
BEGINS = (
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"ID3", "mp3"),
    (b"\xff\xfb", "mp3"),
    (b"\xff\xf3", "mp3"),
    (b"\xff\xf2", "mp3"),
    (b"\xff\xf1", "aac"),
    (b"\xff\xf9", "aac"),
    (b"OggS", "ogg"),
    (b"#!AMR\n", "amr"),
)
BRANDS = (
    (b"M4A", "m4a"),
    (b"3gp", "3gp"),
    (b"isom", "mp4"),
    (b"iso", "mp4"),  # iso2 to iso9
    (b"mp41", "mp4"),
    (b"mp42", "mp4"),
    (b"avc1", "mp4"),
    (b"M4V", "mp4"),
)
UNTAKEN = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]')
UNSAFE = re.compile(r"[^\w.() -]|[\x00-\x1f]")


def kind_of(head: bytes) -> str:
    """The kind of a file, as `TYPES` names it; "" when it is none of these."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return next((kind for brand, kind in BRANDS if head[8:12].startswith(brand)), "")
    return next((kind for begins, kind in BEGINS if head.startswith(begins)), "")


def clean_name(name: str, kind: str) -> str:
    """A name to save it under: without folders and control characters, and with the ending of what it is."""
    last = UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).strip(". ")
    stem = last.rpartition(".")[0] or last or "document"
    return f"{stem[: NAME_MAX - 5]}.{kind}"


def name_of(title: str, kind: str) -> str:
    """A name to save under what has a title of any script: without what file systems do not take, and without
    what turns the direction of the text, so that its ending is seen at its end."""
    return f"{UNTAKEN.sub('_', title).strip('. ')[: NAME_MAX - 5] or 'file'}.{kind}"


def disposition(how: str, name: str) -> bytes:
    """The header of an answer that says whether a browser shows or saves it, and by which name (RFC 6266)."""
    plain = re.sub(r"[^A-Za-z0-9._() -]", "_", name)
    exact = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{how}; filename="{plain}"{exact}'.encode("ascii")
