"""What processes beside one another say, in frames: each has its length before it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

LENGTH_BYTES = 4


def frame(body: bytes) -> bytes:
    """A frame: its length, and what it holds."""
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def frames(buffer: bytearray) -> Iterator[bytes]:
    """Take the whole frames from what came."""
    while len(buffer) >= LENGTH_BYTES:
        end = LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "big")
        if len(buffer) < end:
            return
        body = bytes(buffer[LENGTH_BYTES:end])
        del buffer[:end]
        yield body
