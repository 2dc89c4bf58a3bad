"""Short requests, read whole by a process beside the server, and what it and the server say to one another.

Whoever sends messages one by one asks the same few addresses, a body of some hundred bytes each time. Such a
request is recognised strictly: what is in any way unusual is none, and is left to the server's own reader of
HTTP, so there are not two that could understand a request differently (RFC 9112 §11.2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

import msgspec

HEAD_WITHIN_S = 30.0  # a client that is slower, or says nothing, holds a connection that others need
KEEP_ALIVE_S = 65  # longer than the 60 s after which common proxies let an idle connection go
BACKLOG = 2_048
BODY_MAX_BYTES = 65_536
HEAD_MAX_BYTES = 8_192
PACKET_MAX_BYTES = 65_536
LAST, MORE = b".", b"+"  # how a packet begins

Header = tuple[bytes, bytes]  # the name in small letters, as ASGI wants it

_ADDRESSES = (rb"/v1/messages", rb"/v1/codes", rb"/v1/codes/check", rb"/callbacks/[!-~]{1,1000}")
_FIRST_LINE = re.compile(rb"POST (%s) HTTP/1\.1" % b"|".join(_ADDRESSES))
_BEGINNINGS = (b"POST /v1/messages ", b"POST /v1/codes", b"POST /callbacks/")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~\x80-\xff \t]*)")  # RFC 9110 §5.5, §5.6.2
_LENGTH = re.compile(rb"[0-9]{1,5}")
_FOR_THE_SERVER = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"})


class Brief(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A short request; all of it."""

    target: bytes  # as it came: path and query
    headers: list[Header]
    body: bytes


class Asked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A short request as the server is told it."""

    number: int  # by which its answer is known
    client: tuple[str, int]
    brief: Brief


class Answer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is written back, and whether the connection is closed then."""

    number: int
    said: bytes
    closes: bool


LEAVE: list[Answer] = []  # a frame without an answer: take nothing more, and go when all is answered


class Found(Enum):
    """What is no short request, or is none yet."""

    NOT_YET = "not_yet"  # more has to come
    NONE = "none"  # the server reads it itself


def read(buffer: bytearray) -> Brief | Found:
    """Take a short request from the beginning of what came; what is behind it stays."""
    head_end = buffer.find(b"\r\n\r\n", 0, HEAD_MAX_BYTES)
    if head_end < 0:
        return Found.NOT_YET if len(buffer) < HEAD_MAX_BYTES and _may_become_one(buffer) else Found.NONE
    lines = bytes(buffer[:head_end]).split(b"\r\n")
    first, headers = _FIRST_LINE.fullmatch(lines[0]), _headers(lines[1:])
    length = None if headers is None else _length(headers)
    if first is None or headers is None or length is None:
        return Found.NONE
    end = head_end + 4 + length
    if len(buffer) < end:
        return Found.NOT_YET
    brief = Brief(first[1], headers, bytes(buffer[head_end + 4 : end]))
    del buffer[:end]
    return brief


def _may_become_one(buffer: bytearray) -> bool:
    return any(buffer.startswith(one) or one.startswith(buffer) for one in _BEGINNINGS)


def _headers(lines: Sequence[bytes]) -> list[Header] | None:
    found = [_HEADER.fullmatch(line) for line in lines]
    if None in found:
        return None
    return [(one[1].lower(), one[2].rstrip(b" \t")) for one in found if one is not None]


def _length(headers: Sequence[Header]) -> int | None:
    """How long the body is; None where the server has to look itself."""
    lengths = []
    for name, value in headers:
        if name in _FOR_THE_SERVER or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        if name == b"content-length":
            lengths.append(value)
    if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]) or int(lengths[0]) > BODY_MAX_BYTES:
        return None
    return int(lengths[0])


def packets(came: bytes) -> list[bytes]:
    """What came on a connection in packets; the connection itself goes with the first."""
    pieces = [came[at : at + PACKET_MAX_BYTES] for at in range(0, len(came), PACKET_MAX_BYTES)] or [b""]
    return [*(MORE + one for one in pieces[:-1]), LAST + pieces[-1]]
