"""How the processes of the bench talk: the leader asks by a line, the other answers by a line of JSON."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def say(value: Any) -> None:
    """Answer the leader."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


async def questions() -> AsyncIterator[str]:
    """What the leader asks, until it closes the pipe."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


def told(kind: type[T]) -> T:
    """What this process was started with."""
    return msgspec.json.decode(sys.argv[1], type=kind)
