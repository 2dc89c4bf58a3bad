"""A file as it is handed to providers and phones: whole, in a range, or not at all when they have it already.

It is served by its own type alone (`nosniff`), in a sandbox, without a cookie, and may be kept by whoever
fetched it: a file never changes. Ranges are of one piece (RFC 9110 §14): phones ask for films so.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

from angarium.content.store.media import Kept
from angarium.core.values import MediaKind
from angarium.protocols.files import disposition

BLOCK_BYTES = 262_144
RANGE = re.compile(rb"bytes=(\d{0,15})-(\d{0,15})")
GUARD = (
    (b"cache-control", b"public, max-age=604800, immutable"),
    (b"content-security-policy", b"default-src 'none'; sandbox; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"accept-ranges", b"bytes"),
)


class MediaAnswer:
    """An ASGI application that sends a file."""

    def __init__(self, path: Path, one: Kept, kind: MediaKind) -> None:
        self._path, self._one = path, one
        self._shown = "attachment" if kind is MediaKind.DOCUMENT else "inline"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it, or what was asked of it."""
        asked = dict(scope["headers"])
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            status, first, last = self._wanted(asked, size)
            headers = self._headers(status, first, last, size)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            left = last - first + 1 if status in (200, 206) and scope["method"] != "HEAD" else 0
            file.seek(first)
            while left > 0 and (block := await asyncio.to_thread(file.read, min(left, BLOCK_BYTES))):
                left -= len(block)
                await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _wanted(self, asked: dict[bytes, bytes], size: int) -> tuple[int, int, int]:
        """The status, and the first and last byte to send."""
        if self._tag() in asked.get(b"if-none-match", b"").split(b", "):
            return 304, 0, -1
        if asked.get(b"if-range", self._tag()) == self._tag():
            return span(asked.get(b"range", b""), size)
        return 200, 0, size - 1

    def _headers(self, status: int, first: int, last: int, size: int) -> list[tuple[bytes, bytes]]:
        headers = [(b"etag", self._tag()), *GUARD]
        if status == 304:
            return headers
        if status == 416:
            return [*headers, (b"content-range", b"bytes */%d" % size), (b"content-length", b"0")]
        if status == 206:
            headers.append((b"content-range", b"bytes %d-%d/%d" % (first, last, size)))
        return [
            *headers,
            (b"content-type", self._one.type.encode()),
            (b"content-length", b"%d" % (last - first + 1)),
            (b"content-disposition", disposition(self._shown, self._one.name)),
        ]

    def _tag(self) -> bytes:
        return f'"{self._one.sha256}"'.encode()

    def to_asgi_response(self, **_asked: object) -> MediaAnswer:
        """What Litestar asks of an answer that is an ASGI application."""
        return self


def span(asked: bytes, size: int) -> tuple[int, int, int]:
    """Status, first and last byte of what a Range header asks for; what it does not say so is all of it."""
    found = RANGE.fullmatch(asked.strip())
    if found is None or not (found[1] or found[2]):
        return 200, 0, size - 1
    if not found[1]:
        first, last = max(size - int(found[2]), 0), size - 1
    else:
        first, last = int(found[1]), min(int(found[2]) if found[2] else size - 1, size - 1)
        if found[2] and int(found[2]) < first:
            return 200, 0, size - 1  # no range at all (RFC 9110 §14.1.1)
    return (206, first, last) if first <= last else (416, 0, -1)
