"""As much of HTTP/1.1 as a load needs: where a message ends, and one plain question."""

from __future__ import annotations

import asyncio
import re

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
LAST_CHUNK = b"0\r\n\r\n"
ASK_WITHIN_S = 10.0


def message_end(buffer: bytes | bytearray) -> int:
    """Where the first message in the buffer ends; 0 while it is not whole.

    Its length must be announced; or it comes in chunks, and its text does not look like the last of them.
    """
    head_end = buffer.find(b"\r\n\r\n")
    if head_end < 0:
        return 0
    found = LENGTH.search(buffer, 0, head_end + 2)
    if not found and CHUNKED.search(buffer, 0, head_end + 2):
        last = buffer.find(LAST_CHUNK, head_end + 4)
        return last + len(LAST_CHUNK) if last >= 0 else 0
    end = head_end + 4 + (int(found[1]) if found else 0)
    return end if len(buffer) >= end else 0


async def ask(port: int, path: str, key: str = "", body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of a GET on this machine, or of a POST of JSON; OSError when nobody listens."""
    head = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", "Host: bench", "Connection: close"]
    head += [f"Authorization: Bearer {key}"] if key else []
    head += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    async with asyncio.timeout(ASK_WITHIN_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head[9:12] or 0), body
