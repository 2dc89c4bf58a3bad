"""What the simulated HTTP operators share: a server, the fate of each message, and callbacks that insist.

A face describes its wire (`Wire`): how it says yes, no and slow down, and what its callbacks look like. The
`Office` does the rest: it takes messages into the ledger, lets each live its fate, posts every status until
somebody answers 2xx, and misbehaves as the script's faults ask.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from angarium.simulators.behaviour import Behaviour, Faults, Rhythm
from angarium.simulators.ledger import Entry
from angarium.simulators.people import LOOK_S
from angarium.simulators.stage import Stage

DEFAULT_TTL_S = 15.0  # for messages that name none: a demo is watched, a day is not
LATE_BY_S = 1.0  # how long after its time to live a late message arrives
HOLD_S = 0.2  # how long a connection is held before it is cut without an answer
REFUSALS = 2  # how often a throttled message is refused before it is taken
RETRY_FIRST_S, RETRY_MOST_S = 0.2, 30.0  # pauses between callbacks that nobody took; each is twice the last
CALLBACK_TIMEOUT_S = 10.0
BODY_MAX = 1 << 20

RHYTHMS = ("silent", "late", "error", "double", "stray", "reorder", "garbage")
PIECES = 10  # of a body that trickles
STRANGER, STRAY_AHEAD = "+989000000000", 5_000_000  # who a stray callback is about, and how far its id is off
GARBAGE = "<html><body>502 Bad Gateway</body></html>"


@dataclass(frozen=True)
class Status:
    """Something that happens to a message: after so many seconds, in words all faces share."""

    after_s: float
    word: str  # sent, delivered, read, expired, undelivered, not_a_user, blocked, window_closed


@dataclass(frozen=True)
class Callback:
    """One HTTP POST to whoever connected this operator."""

    url: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wire:
    """How one operator talks.

    `means`: what a behaviour comes to for this message here. `refusal`: the operator's word when it refuses
    at once, "" when it takes the message. `callback`: what it posts for a status; None when it says nothing.
    """

    means: Callable[[Behaviour, Entry], Behaviour]
    refusal: Callable[[Behaviour, Entry], str]
    callback: Callable[[Entry, str], Callback | None]


@dataclass
class Admission:
    """What became of one message at the counter."""

    refused: str = ""  # "throttled", or the operator's own word
    entry: Entry | None = None  # what was taken
    cut: bool = False  # taken, and the connection is to be cut without an answer
    told: asyncio.Task[None] | None = None  # the first callback, when it must come before the answer


def fate(behaviour: Behaviour, ttl_s: float, faults: Faults) -> list[Status]:
    """What happens to a message that was taken, in order of time."""
    wait_s = faults.receipt_delay_s
    sent, delivered = Status(wait_s, "sent"), Status(2 * wait_s, "delivered")
    match behaviour:
        case Behaviour.READ | Behaviour.DOUBLED:
            return [sent, delivered, Status(2 * wait_s + faults.read_delay_s, "read")]
        case Behaviour.EXPIRED:
            return [sent, Status(ttl_s, "expired")]
        case Behaviour.LATE:
            return [sent, Status(ttl_s + LATE_BY_S, "delivered")]
        case Behaviour.SILENT:
            return []
        case Behaviour.NOT_A_USER | Behaviour.BLOCKED | Behaviour.WINDOW_CLOSED:
            return [Status(wait_s, behaviour.value)]
        case Behaviour.UNDELIVERED:
            return [sent, Status(2 * wait_s, "undelivered")]
        case _:
            return [sent, delivered]


class Office:
    """One operator's counter and mail room; a whole face, too, where no more is needed."""

    send_inbound: Callable[..., Awaitable[str]]  # a person writes; only where the operator hands that on

    def __init__(self, stage: Stage, name: str, port: int, routes: list[web.RouteDef], wire: Wire) -> None:
        self.ledger = stage.ledger(name)
        self.name = name
        self._stage, self._name, self._port = stage, name, port
        self._routes, self._wire = routes, wire
        self._rhythms = {fault: Rhythm() for fault in RHYTHMS}
        self._refusals: Counter[str] = Counter()
        self._recent: deque[float] = deque()
        self._submissions = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._session: aiohttp.ClientSession | None = None

    # ── life ──

    async def start(self) -> None:
        """Listen on 127.0.0.1."""
        app = web.Application(client_max_size=BODY_MAX)
        app.add_routes(self._routes)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALLBACK_TIMEOUT_S))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._open(self._runner)
        self._port = self._runner.addresses[0][1]

    async def _open(self, runner: web.AppRunner) -> None:
        self._site = web.TCPSite(runner, "127.0.0.1", self._port)
        await self._site.start()

    async def heed(self) -> None:
        """Open or close the door."""
        away = self._stage.faults(self._name).away
        if self._runner is None:
            return
        if away and self._site is not None:
            await self._site.stop()
            self._site = None
            assert self._runner.server is not None, "it was started"
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
            self.ledger.cut(time.time())
        elif not away and self._site is None:
            await self._open(self._runner)

    def waiting(self) -> int:
        """Statuses to come, and callbacks that nobody has taken."""
        return len(self._tasks)

    async def stop(self) -> None:
        """Cancel what is still to happen, then close."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    # ── the counter ──

    def admit(self, entry: Entry, ttl_s: float | None) -> Admission:
        """Take a message, or turn it away, as its recipient's behaviour and the faults of the face say."""
        faults = self._stage.faults(self._name)
        behaviour = self._wire.means(self._stage.behaviour(self._name, entry.recipient), entry)
        refused = self._refusal(behaviour, entry, faults)
        if refused:
            self.ledger.refused[refused] += 1
            return Admission(refused=refused)
        self.ledger.took(entry)
        self._submissions += 1
        dropped = faults.drop_every > 0 and self._submissions % faults.drop_every == 0
        silent = self._rhythms["silent"].due(faults.silent_share)
        told = self._begin(entry, behaviour, ttl_s or DEFAULT_TTL_S, faults)
        cut = dropped or silent or behaviour is Behaviour.LOST_ANSWER
        return Admission(entry=entry, cut=cut, told=told)

    async def answer(
        self, request: web.Request, response: web.Response, admissions: list[Admission]
    ) -> web.StreamResponse:
        """The response, or what the faults make of it."""
        faults = self._stage.faults(self._name)
        first = [admission.told for admission in admissions if admission.told is not None]
        if first:
            await asyncio.wait(first, timeout=CALLBACK_TIMEOUT_S)
        await asyncio.sleep(
            faults.late_s if self._rhythms["late"].due(faults.late_share) else faults.answer_delay_s
        )
        if any(admission.cut for admission in admissions):
            await self._cut(request)
            return response  # nobody will read it
        taken = any(not admission.refused for admission in admissions)
        if taken and self._rhythms["garbage"].due(faults.garbage_share):
            return web.Response(text=GARBAGE, content_type="text/html")
        if taken and self._rhythms["error"].due(faults.error_share):
            return web.Response(status=500, text="Internal Server Error")
        if faults.slow_body_s:
            return await self._trickle(request, response, admissions, faults.slow_body_s)
        self._answered(request, admissions)
        return response

    async def _trickle(
        self, request: web.Request, response: web.Response, admissions: list[Admission], seconds: float
    ) -> web.StreamResponse:
        """The head at once, the body in pieces."""
        assert isinstance(response.body, bytes), "answers are short and whole"
        slow = web.StreamResponse(status=response.status, headers={"Content-Type": response.content_type})
        await slow.prepare(request)
        size = max(1, len(response.body) // PIECES)
        for place in range(0, len(response.body), size):
            await slow.write(response.body[place : place + size])
            await asyncio.sleep(seconds / PIECES)
        await slow.write_eof()
        self._answered(request, admissions)
        return slow

    def _answered(self, request: web.Request, admissions: list[Admission]) -> None:
        for admission in admissions:
            if admission.entry is not None and request.transport is not None:
                self.ledger.answered(admission.entry, time.time())

    def entry_at(self, ref: str) -> Entry | None:
        """The message of that reference."""
        return next((entry for entry in self.ledger.entries if entry.ref == ref), None)

    def _refusal(self, behaviour: Behaviour, entry: Entry, faults: Faults) -> str:
        if self._too_fast(faults.throttle_per_s):
            return Behaviour.THROTTLED.value
        if behaviour is Behaviour.THROTTLED and self._refusals[entry.recipient] < REFUSALS:
            self._refusals[entry.recipient] += 1
            return Behaviour.THROTTLED.value
        self._refusals.pop(entry.recipient, None)
        return self._wire.refusal(behaviour, entry)

    def _too_fast(self, per_s: float) -> bool:
        if not per_s:
            return False
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= per_s:
            return True
        self._recent.append(now)
        return False

    async def _cut(self, request: web.Request) -> None:
        await asyncio.sleep(HOLD_S)
        if request.transport is not None:
            request.transport.abort()

    # ── the fate of a message ──

    def _begin(
        self, entry: Entry, behaviour: Behaviour, ttl_s: float, faults: Faults
    ) -> asyncio.Task[None] | None:
        """Let a message live; the task is its first callback, when that must come before the answer."""
        statuses = fate(behaviour, ttl_s, faults)
        doubled = behaviour is Behaviour.DOUBLED or self._rhythms["double"].due(faults.double_share)
        early = bool(statuses) and self._rhythms["reorder"].due(faults.reorder_share)
        until = time.monotonic() + ttl_s
        first = self._run(self._happen(entry, statuses[0], 0, doubled, until)) if early else None
        rest = statuses[1:] if early else statuses
        if behaviour is Behaviour.DOUBLED:
            self._run(self._happen_backwards(entry, rest))
            return first
        for status in rest:
            self._run(self._happen(entry, status, status.after_s, doubled, until))
        return first

    async def _happen(
        self, entry: Entry, status: Status, after_s: float, doubled: bool, until: float
    ) -> None:
        await asyncio.sleep(after_s)
        word = await self._once_on(entry, status.word, until)
        if not word:
            return
        self._note(entry, word)
        for _ in range(2 if doubled else 1):
            await self._tell(entry, word)

    async def _once_on(self, entry: Entry, word: str, until: float) -> str:
        """What happens when the phone is on; a phone that stays off lets what waits for it expire, once."""
        if word not in ("delivered", "read") or not self._stage.is_off(entry.recipient):
            return word
        while self._stage.is_off(entry.recipient):
            if time.monotonic() >= until:
                return "expired" if word == "delivered" else ""
            await asyncio.sleep(LOOK_S)
        if word == "read":
            await asyncio.sleep(LOOK_S + self._stage.faults(self._name).read_delay_s)
        return word

    async def _happen_backwards(self, entry: Entry, statuses: list[Status]) -> None:
        """The phone sees them in order; whoever listens hears the last first, and all of them twice."""
        await asyncio.sleep(statuses[-1].after_s)
        for status in statuses:
            self._note(entry, status.word)
        for status in [*reversed(statuses), *reversed(statuses)]:
            await self._tell(entry, status.word)

    def _note(self, entry: Entry, word: str) -> None:
        self.ledger.reported(entry, word, time.time())

    async def _tell(self, entry: Entry, word: str) -> None:
        callback = self._wire.callback(entry, word)
        if callback is None:
            return
        await self.post(callback)
        if self._rhythms["stray"].due(self._stage.faults(self._name).stray_share):
            stray = self._wire.callback(strayed(entry), word)
            if stray is not None:
                await self.post(stray)

    # ── the mail room ──

    async def post(self, callback: Callback) -> None:
        """POST it until somebody answers 2xx, with growing pauses."""
        pause_s = RETRY_FIRST_S
        while not await self._posted(callback):
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RETRY_MOST_S)

    async def _posted(self, callback: Callback) -> bool:
        assert self._session is not None, "a face posts only while it runs"
        if self._stage.faults(self._name).away:
            return False
        headers = {"Content-Type": "application/json", **callback.headers}
        try:
            async with self._session.post(callback.url, data=callback.body, headers=headers) as answer:
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, OSError):
            return False

    async def ask(self, url: str, query: dict[str, str]) -> tuple[int, str]:
        """GET an address of whoever connected this operator: status and text."""
        assert self._session is not None, "a face asks only while it runs"
        async with self._session.get(url, params=query) as answer:
            return answer.status, await answer.text()

    def _run(self, happening: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(happening)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def strayed(entry: Entry) -> Entry:
    """Somebody else's message: an id that was never given, a person we never wrote to, no word of ours.

    Operators that are told with each message where to post what becomes of it have no such thing to say.
    """
    ref = str(int(entry.ref) + STRAY_AHEAD) if entry.ref.isdigit() else f"{entry.ref}0"
    details = {**entry.details, "callback_url": "", "status_url": "", "callback_data": None}
    return msgspec.structs.replace(entry, ref=ref, recipient=STRANGER, client_ref="", details=details)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def form_of(request: web.Request) -> dict[str, str]:
    """The fields of the request's form."""
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


async def json_object(request: web.Request) -> dict[str, Any]:
    """The request's JSON object; {} for anything else."""
    try:
        read = msgspec.json.decode(await request.read())
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def json_response(document: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=msgspec.json.encode(document), status=status, content_type="application/json")


def e164(number: object) -> str:
    """A recipient as every ledger writes it."""
    return "+" + str(number).strip().removeprefix("+")
