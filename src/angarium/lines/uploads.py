"""Which files are taken as evidence: their size, and their kind as their first bytes tell. Pure.

A name or a type that was sent along is believed in nothing. Files are kept as they came, handed out to be
saved under a name, and never opened or shown by the server.
"""

from __future__ import annotations

import re

from angarium.core.problems import Problem, invalid
from angarium.protocols import files

SIZE_MAX_BYTES = 5_000_000

# What is taken at all, and its media type.
KINDS: dict[str, str] = {
    "pdf": files.TYPES["pdf"],
    "png": files.TYPES["png"],
    "jpeg": files.TYPES["jpeg"],
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
}
ZIP = b"PK\x03\x04"
SHEET = (b"[Content_Types].xml", b"xl/workbook.xml")  # names in the directory of every XLSX
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


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
    if kind == "csv":
        is_other = files.kind_of(body) or body.startswith(ZIP)
        return not is_other and not CONTROL.search(body) and _is_text(body)
    if kind == "xlsx":
        return body.startswith(ZIP) and all(name in body for name in SHEET)
    return files.kind_of(body) == kind


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def too_many(most: int) -> Problem:
    """Another file is one too many."""
    return invalid("documents", "are too many", remedy=f"at most {most} of a registration; delete one")
