"""What tests of HTTP channels share: a provider that answers as told, a line to a simulated operator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from angarium.channels import kit
from angarium.core.clock import SystemChance, SystemClock
from angarium.core.ports import (
    Accepted,
    Channel,
    Connection,
    Event,
    Outcome,
    Raw,
    Receipt,
    Submission,
    Tape,
    Tools,
    Unknown,
)
from angarium.core.values import Content, MessageClass
from angarium.protocols.http import Http
from angarium.simulators.stage import Face, Stage, Webhook

PATIENCE_S = 40.0


def submission(**changes: Any) -> Submission:
    """A submission, and what is different about it."""
    usual = Submission(
        attempt_id=7,
        client_ref="att_0000000000007",
        address="+447700900100",
        message_class=MessageClass.SERVICE,
        content=Content(text="Your order is ready"),
        ttl_s=None,
    )
    return msgspec.structs.replace(usual, **changes)


def encoded(answer: Any) -> bytes:
    """A case's answer as it goes over the wire."""
    return answer if isinstance(answer, bytes) else msgspec.json.encode(answer)


def unsure(answer: Any, status: int = 200) -> Unknown:
    """The outcome of an answer that says nothing certain."""
    size = len(encoded(answer))
    return Unknown(f"HTTP {status} with {size} bytes of application/json that say nothing certain")


@dataclass(frozen=True)
class SendCase:
    """A submission, what the provider is to be asked, what it answers, and what comes out."""

    name: str
    outcome: Outcome
    submission: Submission = field(default_factory=submission)
    settings: dict[str, Any] = field(default_factory=dict)
    request: dict[str, Any] | None = None  # the whole JSON or form, where it matters
    status: int = 200
    answer: Any = None  # JSON, or bytes as they are
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class CallbackCase:
    """What a provider says, and the events in it."""

    name: str
    raw: Raw
    events: list[Event]

    def __str__(self) -> str:
        return self.name


@dataclass
class Asked:
    """A request as a provider saw it."""

    path: str
    headers: dict[str, str]
    document: Any


def form_of(sent: bytes) -> dict[str, str]:
    """A form as it was sent; no field may come twice."""
    fields = parse_qsl(sent.decode(), keep_blank_values=True, strict_parsing=True)
    assert len(dict(fields)) == len(fields), fields
    return dict(fields)


def _field(value: Any) -> Any:
    return value.file.read() if isinstance(value, web.FileField) else value


@asynccontextmanager
async def provider(
    status: int, answer: Any, headers: dict[str, str]
) -> AsyncIterator[tuple[str, list[Asked]]]:
    """A real HTTP server that answers everything alike: its address, and what it was asked."""
    asked: list[Asked] = []

    async def answering(request: web.Request) -> web.Response:
        names = {name.lower(): value for name, value in request.headers.items()}
        if request.content_type == "multipart/form-data":
            fields = await request.post()
            read: Any = {name: _field(value) for name, value in fields.items()}
            asked.append(Asked(request.path_qs, names, read))
            return web.Response(
                status=status, body=encoded(answer), headers=headers, content_type="application/json"
            )
        sent = await request.read()
        is_form = request.content_type == "application/x-www-form-urlencoded"
        read = form_of(sent) if is_form else msgspec.json.decode(sent) if sent else None
        asked.append(Asked(request.path_qs, names, read))
        body = encoded(answer)
        return web.Response(status=status, body=body, headers=headers, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answering)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


@asynccontextmanager
async def tools(*allow_private: str) -> AsyncIterator[Tools]:
    """The engine's tools, with an HTTP client that may reach these addresses."""
    http = Http(allow_private)
    await http.start()
    try:
        yield Tools(SystemClock(), SystemChance(), http)
    finally:
        await http.stop()


async def run_send_case(channel: Channel, settings: dict[str, Any], case: SendCase) -> list[Asked]:
    """Send the case's submission to a server that answers as the case says, and compare."""
    async with provider(case.status, case.answer, case.headers) as (url, asked), tools("127.0.0.1") as given:
        decoded = kit.decode_settings(channel, {**settings, "base_url": url, **case.settings})
        outcome = await kit.deliver(given, channel, decoded, case.submission)
    assert outcome == case.outcome, outcome
    if case.request is not None:
        assert [request.document for request in asked] == [case.request]
    return asked


class Heard:
    """Ears that remember; `until` waits for what they are to hear."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[int, Outcome]] = []
        self.tapes: list[Tape | None] = []
        self.events: list[Event] = []
        self.rooms = 0
        self.ours = True  # the line, still
        self.forged = 0  # callbacks that were not genuine
        self._news = asyncio.Event()

    def outcome(self, attempt_id: int, outcome: Outcome, tape: Tape | None = None) -> None:
        self.outcomes.append((attempt_id, outcome))
        self.tapes.append(tape)
        self._news.set()

    async def arrived(self, raw: Raw) -> None:
        raise AssertionError(f"an HTTP line has no receipts of its own: {raw}")

    def may_submit(self) -> bool:
        return self.ours

    def room(self) -> None:
        self.rooms += 1
        self._news.set()

    def happened(self, events: list[Event]) -> None:
        self.events += events
        self._news.set()

    def refused(self) -> None:
        self.forged += 1
        self._news.set()

    def statuses(self, client_ref: str) -> list[str]:
        """What was said of one attempt, in the order it came."""
        receipts = [event for event in self.events if isinstance(event, Receipt)]
        return [receipt.status.value for receipt in receipts if receipt.client_ref == client_ref]

    async def until_told(self, client_ref: str, statuses: list[str]) -> None:
        """Wait for as many statuses of one attempt, and compare them.

        Each is a request of its own, and one may overtake another; those told backwards are told one by one.
        """
        await self.until(lambda: len(self.statuses(client_ref)) >= len(statuses))
        backwards = statuses[:1] == ["read"]
        heard = self.statuses(client_ref)
        assert heard == statuses if backwards else sorted(heard) == sorted(statuses), (client_ref, heard)

    async def until(self, seen: Callable[[], object]) -> None:
        """Wait for it; TimeoutError when it does not come."""
        async with asyncio.timeout(PATIENCE_S):
            while not seen():
                self._news.clear()
                await self._news.wait()


@dataclass
class Line:
    """A live line to a simulated operator, with its callbacks."""

    connection: Connection
    heard: Heard
    callback_url: str
    refuse_callbacks: int = 0  # how many callbacks to answer with 503 first

    async def send(self, address: str, **changes: Any) -> Outcome:
        """Send one message to this address; returns its outcome."""
        attempt_id = len(self.heard.outcomes) + 1
        sent = {"attempt_id": attempt_id, "client_ref": f"att_{attempt_id}", "address": address}
        self.connection.submit([submission(**{**sent, "callback_url": self.callback_url, **changes})])
        await self.heard.until(lambda: len(self.heard.outcomes) >= attempt_id)
        return self.heard.outcomes[-1][1]


async def run_fates(live: Line, face: Face, fates: dict[str, tuple[list[str], list[str]]]) -> None:
    """Send to a number for each pair of last digits; compare what we are told and what the phone saw."""
    for digits in fates:
        outcome = await live.send(f"+4477009001{digits}")
        assert isinstance(outcome, Accepted), digits
    for place, (told, _) in enumerate(fates.values(), 1):
        await live.heard.until_told(f"att_{place}", told)
    for digits, (_, seen) in fates.items():
        (entry,) = [entry for entry in face.ledger.entries if entry.recipient.endswith(f"1{digits}")]
        assert [word for word, _ in entry.statuses] == seen, digits


@asynccontextmanager
async def line(
    stage: Stage, face: Face, channel: Channel, settings: dict[str, Any], path: str = "", secret: str = ""
) -> AsyncIterator[Line]:
    """A line on a running face, which posts its callbacks to a server that parses them with the channel."""
    heard = Heard()
    kept: list[Line] = []

    async def called(request: web.Request) -> web.Response:
        names = {name.lower(): value for name, value in request.headers.items()}
        raw = Raw(await request.read(), names, dict(request.query), url=str(request.url))
        challenge = channel.challenge(decoded, raw)
        if challenge is not None:
            return web.Response(status=challenge.status, text=challenge.body)
        if kept[0].refuse_callbacks > 0:
            kept[0].refuse_callbacks -= 1
            return web.Response(status=503)
        if await channel.believes(given, decoded, raw) is not True:
            heard.refused()
            return web.Response(status=401)
        heard.happened(channel.parse(decoded, raw))
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/callback", called)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    callback_url = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    stage.webhooks[face.name] = Webhook(callback_url, secret)
    await face.start()
    decoded = kit.decode_settings(channel, {**settings, "base_url": face.url() + path})
    async with tools("127.0.0.1") as given:
        connection = kit.connect(channel, given, decoded, 100, heard)
        kept.append(Line(connection, heard, callback_url))
        await connection.open()
        try:
            yield kept[0]
        finally:
            await connection.close(1.0)
            await face.stop()
            await runner.cleanup()
