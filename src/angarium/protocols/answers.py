"""What comes of asking over HTTP: an answer, or one of two failures; and a tape of what was asked.

Apart from the client, so that channels can be read where nothing is asked, and its libraries stay away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from angarium.core.clock import Clock
from angarium.core.ports import Exchange, Said


class NotSent(Exception):
    """Certainly nothing left. `forbidden` when our own guard refused: trying again cannot help."""

    def __init__(self, detail: str, *, forbidden: bool = False) -> None:
        super().__init__(detail)
        self.forbidden = forbidden


class NoAnswer(Exception):
    """The request may have gone out, and no answer that can be read came back."""


class Answer(msgspec.Struct, frozen=True):
    """What a server said. Header names are lower case; the body is unpacked."""

    status: int
    headers: dict[str, str]
    body: bytes


class Heard(msgspec.Struct, frozen=True):
    """One request as it left, or would have, and what came of it: an answer, or why there is none."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    answer: Answer | None
    failure: str


class Client(Protocol):
    """Who asks: `protocols.http.Http`, or a tape before it."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = ...,
        answer_max_bytes: int = ...,
        heard: Callable[[Heard], None] | None = None,
    ) -> Answer:
        """Ask once; raises NotSent and NoAnswer, nothing else."""


# ── what was said ────────────────────────────────────────────────────────────────────────────────────


class HttpTape:
    """The HTTP client for one submission: it remembers what was asked through it, and what was answered."""

    def __init__(self, http: Client, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._heard: list[tuple[float, float, Heard]] = []

    async def request(self, method: str, url: str, **asked: Any) -> Answer:
        """As `Http.request`."""
        since = self._clock.monotonic()

        def heard(one: Heard) -> None:
            self._heard.append((since, self._clock.monotonic(), one))

        return await self._http.request(method, url, **asked, heard=heard)

    def exchanges(self) -> list[Exchange]:
        """Every request, in their order."""
        return [_exchange(*one) for one in self._heard]


def _exchange(asked_at: float, answered_at: float, one: Heard) -> Exchange:
    asked = Said(f"{one.method} {one.url}", one.headers, body=one.body)
    if one.answer is None:
        return Exchange("http", asked, None, asked_at, answered_at, one.failure)
    answered = Said(f"HTTP {one.answer.status}", tuple(one.answer.headers.items()), body=one.answer.body)
    return Exchange("http", asked, answered, asked_at, answered_at)
