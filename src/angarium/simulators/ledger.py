"""A simulated operator's own record of what reached it: the verdict of every test comes from here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import IO, Any

import msgspec


class Entry(msgspec.Struct, omit_defaults=True):
    """One message as the operator took it. Texts of several parts are put together before they get here."""

    face: str
    ref: str
    recipient: str
    text: str
    at: float
    sender: str = ""
    client_ref: str = ""
    subject: str = ""
    html: str = ""
    image_url: str = ""
    buttons: list[dict[str, str]] = []
    parts: int = 1
    encoding: str = ""
    session: int = 0  # the bind it came over, where there are binds
    statuses: list[tuple[str, float]] = []  # what was reported back, in order
    details: dict[str, Any] = {}

    def seen(self) -> bool:
        """Whether a phone shows it."""
        return any(status in ("delivered", "read") for status, _ in self.statuses)


class Totals(msgspec.Struct):
    """The sums that reports are held against."""

    received: int
    unique_phones: int
    doubled: int  # copies beyond the first of one text to one recipient
    by_status: dict[str, int]


class Ledger:
    """All entries of one face, in memory, and appended to a file of JSON lines when given a path."""

    def __init__(self, face: str, path: Path | None = None) -> None:
        self.face = face
        self.entries: list[Entry] = []
        self.refused: Counter[str] = Counter()  # submissions turned away, by why
        self._copies: Counter[tuple[str, str]] = Counter()
        self._file: IO[bytes] | None = path.open("ab", buffering=0) if path else None

    def took(self, entry: Entry) -> None:
        """Write down a message that was accepted."""
        self.entries.append(entry)
        self._copies[entry.recipient, entry.text] += 1
        if self._file is not None:
            self._file.write(msgspec.json.encode(entry) + b"\n")

    def answered(self, entry: Entry, at: float) -> None:
        """Write down that whoever submitted it was told so."""
        if self._file is not None:
            self._file.write(msgspec.json.encode({"ref": entry.ref, "answered": at}) + b"\n")

    def bound(self, session: int, account: str, at: float) -> None:
        """Write down that somebody may submit for an account from now on."""
        if self._file is not None:
            line = {"session": session, "account": account, "bound": at}
            self._file.write(msgspec.json.encode(line) + b"\n")

    def unbound(self, session: int, at: float, *, orderly: bool) -> None:
        """Write down that this is over; `orderly`: they said so, and did not just go."""
        if self._file is not None:
            line = {"session": session, "unbound": at, "orderly": orderly}
            self._file.write(msgspec.json.encode(line) + b"\n")

    def cut(self, at: float) -> None:
        """Write down that a link broke: what was answered about then may not have been heard."""
        if self._file is not None:
            self._file.write(msgspec.json.encode({"cut": at}) + b"\n")

    def reported(self, entry: Entry, status: str, at: float) -> None:
        """Write down a receipt that was sent."""
        entry.statuses = [*entry.statuses, (status, at)]
        if self._file is not None:
            line = {"ref": entry.ref, "status": status, "at": at}
            self._file.write(msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        """Close the file; nothing more is written."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def totals(self) -> Totals:
        """The sums so far."""
        by_status = Counter(status for entry in self.entries for status, _ in entry.statuses)
        return Totals(
            received=len(self.entries),
            unique_phones=len({recipient for recipient, _ in self._copies}),
            doubled=sum(self._copies.values()) - len(self._copies),
            by_status=dict(by_status),
        )
