"""Which files are taken as evidence: their size, and their kind as their first bytes tell. Pure.

A name or a type that was sent along is believed in nothing. Files are kept as they came, handed out to be
saved under a name, and never opened or shown by the server.
"""

from __future__ import annotations

import re

from angarium.core.problems import Problem, invalid

SIZE_MAX_BYTES = 5_000_000
NAME_MAX = 120  # characters

# Kind: how it begins, and its media type. PDF: ISO 32000-1 §7.5.2; PNG: W3C §5.2; JPEG: SOI; XLSX: a zip.
KINDS: dict[str, tuple[bytes, str]] = {
    "pdf": (b"%PDF-", "application/pdf"),
    "png": (b"\x89PNG\r\n\x1a\n", "image/png"),
    "jpeg": (b"\xff\xd8\xff", "image/jpeg"),
    "xlsx": (b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "csv": (b"", "text/csv"),
}
SHEET = (b"[Content_Types].xml", b"xl/workbook.xml")  # names in the directory of every XLSX
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
UNSAFE = re.compile(r"[^\w.() -]|[\x00-\x1f]")


def kind_of(body: bytes, allowed: tuple[str, ...]) -> str:
    """The kind of a file among those that are allowed; a Problem with the remedy otherwise."""
    if not body:
        raise invalid("body", "is empty", remedy="send the bytes of the file")
    for kind in allowed:
        if _is(kind, body):
            return kind
    begins = body[:8].hex(" ")
    raise invalid("body", "is not of a kind that is taken here", value=begins, remedy="; ".join(allowed))


def _is(kind: str, body: bytes) -> bool:
    magic = KINDS[kind][0]
    if kind == "csv":
        is_other = any(body.startswith(begins) for begins, _ in KINDS.values() if begins)
        return not is_other and not CONTROL.search(body) and _is_text(body)
    if not body.startswith(magic):
        return False
    return kind != "xlsx" or all(name in body for name in SHEET)


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def clean_name(name: str, kind: str) -> str:
    """A name to save it under: without folders and control characters, and with the ending of what it is."""
    last = UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).strip(". ")
    stem = last.rpartition(".")[0] or last or "document"
    return f"{stem[: NAME_MAX - 5]}.{kind}"


def too_many(most: int) -> Problem:
    """Another file is one too many."""
    return invalid("documents", "are too many", remedy=f"at most {most} of a registration; delete one")
