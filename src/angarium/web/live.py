"""What changes in a workspace, told to the pages that are open: the nouns of its new facts.

What a server commits it tells all of them by the fabric (`web/crier.py`), which may be lost. So one task
looks into the log of facts, too, once a second and only while somebody listens, and tells of what it finds
more of than was told. A page that hears a noun it shows asks for that part of itself anew
(`frontend/src/live.js`).

The pages are what costs. So all are told together, and then rest: what changes after a rest is told at once,
and while changes go on a rest lasts until the pages that were told are no more than a hundredth of what this
process has done since, and a tenth of the time in which it had nothing to do. Those who see the same get the
same bytes (`web/copies.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextvars import Context
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import structlog

from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.storage import facts
from angarium.storage.ground import Ground
from angarium.web import crier
from angarium.web.copies import Copies

log = structlog.get_logger()

LOOKS_EVERY_S = 1.0
HEARTBEAT_S = 15.0  # proxies close what is silent for a minute
REST_MIN_S = 1.0  # between two times that pages are told
REST_MAX_S = 20.0
OF_WORK = 0.01  # of the CPU that this process uses may go into pages that were told
OF_LEISURE = 0.1  # and of the time in which it wants none
WAITS = Path("/proc/self/schedstat")  # Linux tells in it how long the loop has waited for a processor, too
LISTENERS_MAX = 1_000  # pages at once, of all workspaces
NEW_MAX = 1_000  # facts looked at in one go; more are as good as all
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx, "proxy_buffering"
)


def rest_s(spent_s: float, passed_s: float, used_s: float, waited_s: float) -> float:
    """How long to rest in all, when so much CPU went into pages while the process used so much of it and
    waited so long for more."""
    leisure_s = max(0.0, passed_s - used_s - waited_s)
    allowed_s = OF_WORK * used_s + OF_LEISURE * leisure_s
    lasts = passed_s * spent_s / allowed_s if allowed_s else REST_MAX_S
    return min(max(lasts, REST_MIN_S), REST_MAX_S)


def _waited_s() -> float:
    """How long the event loop has waited for a processor, as far as the system tells."""
    try:
        return int(WAITS.read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


class Pulse:
    """Tells listeners of a workspace which nouns have new facts."""

    def __init__(self, ground: Ground, copies: Copies) -> None:
        self._ground = ground
        self._copies = copies
        self._due: dict[int, set[str]] = defaultdict(set)  # what is still to be told
        self._come = asyncio.Event()
        self._ears: dict[int, set[Ear]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []
        self._told: dict[int, Counter[str]] = defaultdict(Counter)  # of facts that the log has still to show

    def listen(self, workspace_id: int, nouns: frozenset[str] = frozenset()) -> Ear:
        """Somebody who listens for these nouns (none: all) until it is closed; a Problem when too many do."""
        if sum(map(len, self._ears.values())) >= LISTENERS_MAX:
            detail = "Too many pages are open at once. This one works, but does not follow what changes."
            raise Problem("too-many-requests", "Too many pages listen", status=429, detail=detail)
        ear = Ear(self, workspace_id, nouns)
        self._ears[workspace_id].add(ear)
        if not self._tasks:  # they look for all
            work = (self._look, self._hear, self._tell_all)
            self._tasks = [asyncio.create_task(one(), context=Context()) for one in work]
        return ear

    def leave(self, ear: Ear) -> None:
        """Nobody listens there any more."""
        ears = self._ears[ear.workspace_id]
        ears.discard(ear)
        if not ears:
            del self._ears[ear.workspace_id]

    async def stop(self) -> None:
        """End every stream; browsers come back by themselves."""
        for ears in list(self._ears.values()):
            for ear in list(ears):
                ear.end()
        await self._end()

    async def _end(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._told.clear()
        self._due.clear()

    async def _hear(self) -> None:
        """What is told by any server, while somebody listens."""
        hearer = self._ground.fabric.hear(crier.TOPIC)
        try:
            while True:
                body = await hearer.next(HEARTBEAT_S)
                for workspace_id, nouns in crier.heard(body or b"{}").items():
                    if workspace_id in self._ears:
                        self._told[workspace_id].update(nouns)
                        self._say(workspace_id, set(nouns))
        finally:
            hearer.close()

    def _say(self, workspace_id: int, nouns: set[str]) -> None:
        self._due[workspace_id] |= nouns
        self._come.set()

    async def _tell_all(self) -> None:
        """Tell what is to be told, and rest."""
        while True:
            await self._come.wait()
            self._come.clear()
            due, self._due = self._due, defaultdict(set)
            for workspace_id, nouns in due.items():
                number = self._copies.outdate(workspace_id)
                for ear in list(self._ears.get(workspace_id, ())):
                    ear.hear(nouns, number)
            await self._rest()

    async def _rest(self) -> None:
        """Until the pages that were told have taken no more than their share."""
        clock, spent_s = self._ground.clock, self._copies.spent_s
        began_at, used_s, waited_s = clock.monotonic(), time.process_time(), _waited_s()
        passed, lasts = 0.0, REST_MIN_S
        while passed < lasts:
            await clock.sleep(lasts - passed)
            passed = clock.monotonic() - began_at
            spent, used = self._copies.spent_s - spent_s, time.process_time() - used_s
            lasts = rest_s(spent, passed, used, _waited_s() - waited_s)

    async def _look(self) -> None:
        seen: dict[int, facts.Position] = {}
        while self._ears:
            for workspace_id in list(self._ears):
                try:
                    await self._tell(workspace_id, seen)
                except Exception as error:  # the database's own trouble is told elsewhere
                    log.warning("nobody can be told of changes", error=type(error).__name__)
            for gone in seen.keys() - self._ears.keys():
                del seen[gone]
                self._told.pop(gone, None)
            await self._ground.clock.sleep(LOOKS_EVERY_S)
        _, *others = self._tasks
        self._tasks = []
        self._told.clear()  # whoever looks next begins behind all of it
        for other in others:
            other.cancel()

    async def _tell(self, workspace_id: int, seen: dict[int, facts.Position]) -> None:
        if workspace_id not in seen:
            seen[workspace_id] = await self._ground.db.read(facts.end_of, workspace_id)
            return
        found, seen[workspace_id] = await self._ground.db.read(
            facts.nouns_after, workspace_id, seen[workspace_id], NEW_MAX
        )
        told = self._told.pop(workspace_id, Counter())
        if not found:
            return  # what was told and is not there by now was there before this looked first
        untold = {noun for noun, count in found.items() if count > told[noun]}
        self._told[workspace_id] = told - found
        if untold:
            self._say(workspace_id, untold)


class Ear:
    """One page that listens."""

    def __init__(self, pulse: Pulse, workspace_id: int, nouns: frozenset[str]) -> None:
        self.workspace_id = workspace_id
        self._pulse = pulse
        self._nouns = nouns
        self._heard: set[str] = set()
        self._number = ""  # of the change that it heard of last
        self._ended = asyncio.Event()
        self._woken = asyncio.Event()

    def hear(self, nouns: set[str], number: str) -> None:
        """These have changed; what is not yet told is told together."""
        if not self._nouns or not self._nouns.isdisjoint(nouns):
            self._heard |= nouns & self._nouns if self._nouns else nouns
            self._number = number
            self._woken.set()

    def end(self) -> None:
        """Nothing more will be told."""
        self._ended.set()
        self._woken.set()

    async def events(self) -> AsyncIterator[bytes]:
        """The stream (HTML, "Server-sent events"): changes as they come, and a comment when nothing does."""
        yield b": listening\n\n"
        while not self._ended.is_set():
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._woken.wait()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            self._woken.clear()
            heard, self._heard = self._heard, set()
            if heard:
                yield f"event: changed\nid: {self._number}\ndata: {' '.join(sorted(heard))}\n\n".encode()

    def close(self) -> None:
        """Stop listening."""
        self._pulse.leave(self)


class Telling:
    """An answer that goes on until the browser, or the server, has had enough."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send what is heard."""
        gone = asyncio.create_task(self._until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            async for event in self._ear.events():
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._ear.close()
            gone.cancel()

    async def _until_gone(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._ear.end()

    def to_asgi_response(self, **_asked: object) -> Telling:
        """What Litestar asks of an answer that is an ASGI application."""
        return self


class LiveQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page shows: nouns, with spaces between; none: everything."""

    of: Annotated[str, msgspec.Meta(max_length=300)] = ""


QUERY = Shape(LiveQuery)


@route("GET /live", Operation(summary="What changes", scope="messages:read", asks=QUERY, page=True))
async def live(request: Call) -> Sent:
    """A stream of the nouns that have changed in the workspace."""
    query = QUERY.read_query(request.scope["query_string"])
    pulse = cast("Pulse", request.scope["litestar_app"].state.pulse)
    return Telling(pulse.listen(request.auth.workspace_id, frozenset(query.of.split())))
