"""A small client of our own API: `angarium send` and the demo speak to the server as any system would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec

from angarium.core.clock import Clock

ANSWER_S = 30.0
LOOK_EVERY_S = 0.25
BLOCK_BYTES = 262_144
PATIENT = aiohttp.ClientTimeout(total=None, sock_read=180.0)  # for files: no limit but that something comes

Document = dict[str, Any]
Unreachable = aiohttp.ClientConnectionError  # nobody answers at that address


class ApiError(Exception):
    """The server answered with a problem."""

    def __init__(self, status: int, document: Document) -> None:
        self.status = status
        self.document = document
        super().__init__(f"{status} {document.get('title', '')} {document.get('detail', '')}".strip())


class Api:
    """One server, one key. An async context manager."""

    def __init__(self, url: str, key: str, clock: Clock) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._key}"}
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(total=ANSWER_S), trust_env=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, method: str, path: str, body: object = None, key: str = "") -> Document:
        """One request; ApiError when it is refused. `key` makes a repetition harmless."""
        assert self._session is not None, "enter it first"
        headers = {"Idempotency-Key": key} if key else {}
        data = None
        if body is not None:
            data, headers["Content-Type"] = msgspec.json.encode(body), "application/json"
        async with self._session.request(method, self._url + path, data=data, headers=headers) as answer:
            raw = await answer.read()
            document: Document = msgspec.json.decode(raw) if raw else {}
            if answer.status >= 400:
                raise ApiError(answer.status, document)
            return document

    async def text(self, path: str) -> str:
        """A document that is not JSON; ApiError when it is refused."""
        assert self._session is not None, "enter it first"
        async with self._session.get(self._url + path) as answer:
            if answer.status >= 400:
                raise ApiError(answer.status, msgspec.json.decode(await answer.read()))
            return await answer.text()

    async def send_file(self, path: str, file: Path, sent: Callable[[int], None]) -> Document:
        """A file as the body of a POST; `sent` is told of each piece that has gone, in bytes."""
        assert self._session is not None, "enter it first"

        async def pieces() -> AsyncIterator[bytes]:
            with file.open("rb") as source:
                while block := source.read(BLOCK_BYTES):
                    yield block
                    sent(len(block))

        async with self._session.post(self._url + path, data=pieces(), timeout=PATIENT) as answer:
            document: Document = msgspec.json.decode(await answer.read())
            if answer.status >= 400:
                raise ApiError(answer.status, document)
            return document

    async def fetch_file(self, path: str, file: Path) -> None:
        """What is there as a file of ours; ApiError when it is refused."""
        assert self._session is not None, "enter it first"
        async with self._session.get(self._url + path, timeout=PATIENT) as answer:
            if answer.status >= 400:
                raise ApiError(answer.status, msgspec.json.decode(await answer.read()))
            with file.open("wb") as sink:
                async for block in answer.content.iter_chunked(BLOCK_BYTES):
                    sink.write(block)

    async def rest(self, seconds: float) -> None:
        """Wait before the next look."""
        await self._clock.sleep(seconds)

    async def surely(self, method: str, path: str, body: object = None, key: str = "") -> Document:
        """The same, as often as it takes while the server is away or cannot now. Give writes a `key`."""
        while True:
            try:
                return await self.call(method, path, body, key)
            except ApiError as error:
                if error.status != 503:
                    raise
            except (TimeoutError, aiohttp.ClientError):
                pass
            await self._clock.sleep(LOOK_EVERY_S)

    async def follow(self, message_id: str) -> AsyncIterator[Document]:
        """A message, each time something new happened to it, until it has ended."""
        seen = -1
        while True:
            message = await self.surely("GET", f"/v1/messages/{message_id}")
            if len(message["timeline"]) != seen:
                seen = len(message["timeline"])
                yield message
            if message["finished"]:
                return
            await self._clock.sleep(LOOK_EVERY_S)
