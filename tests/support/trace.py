"""What the system was asked for by a process, in order, as strace saw it.

strace stops a thread at the begin and at the end of each call, so the order of its lines is the order in
which the calls of all threads began and ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CALLS = "read,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync"  # take, give and keep
COMMAND = ("strace", "-f", "-xx", "-s", "8192", "-e", f"trace={CALLS}", "-e", "signal=none")
LINE = re.compile(r"(?:(\d+) +)?(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
RESULT = re.compile(r"\) += (-?\d+)(?: \w+)?")
BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class Call(NamedTuple):
    """One call: the lines of the trace in which it began and ended, what it carried, what it returned."""

    name: str
    began: int
    ended: int
    fd: int
    data: bytes
    result: int


def calls(path: Path) -> list[Call]:
    """Every call that has ended, in the order of their ends."""
    return list(_read(path.read_text(errors="replace").splitlines()))


def _read(lines: list[str]) -> Iterator[Call]:
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        match = LINE.match(line)
        if match is None:
            continue
        thread, resumed, name, rest = match[1] or "", match[2], match[3], match[4]
        if resumed:
            began, first = begun.pop(thread, (number, ""))
            name, rest = resumed, first + rest
        elif rest.endswith("<unfinished ...>"):
            begun[thread] = (number, rest.removesuffix("<unfinished ...>"))
            continue
        else:
            began = number
        result = RESULT.search(rest)
        if result is not None:
            yield Call(name, began, number, _fd(rest), _bytes(rest), int(result[1]))


def _fd(rest: str) -> int:
    digits = re.match(r"\d+", rest)
    return int(digits[0]) if digits else -1


def _bytes(rest: str) -> bytes:
    return b"".join(bytes.fromhex(found.replace("\\x", "")) for found in BYTES.findall(rest))


def kept_before(found: list[Call], content: bytes, call: Call, after: Call | None = None) -> bool:
    """Whether `content` was written into a file and synced before a call began, and `after` another ended."""
    first = 0 if after is None else after.ended
    for written in found:
        if (
            written.name != "pwrite64"
            or content not in written.data
            or not first <= written.began < call.began
        ):
            continue
        for sync in found:
            synced = sync.name in ("fsync", "fdatasync") and sync.fd == written.fd and sync.result == 0
            if synced and sync.began > written.ended and sync.ended < call.began:
                return True
    return False


def sent(found: list[Call], content: bytes) -> list[Call]:
    """The calls that gave these bytes to a socket."""
    giving = ("write", "writev", "sendto", "sendmsg")
    return [call for call in found if call.name in giving and content in call.data and call.result > 0]


def received(found: list[Call], beginning: bytes) -> list[Call]:
    """The calls that took from a socket what begins so."""
    taking = ("read", "recvfrom", "recvmsg")
    return [call for call in found if call.name in taking and call.data.startswith(beginning)]
