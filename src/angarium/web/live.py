"""What changes in a workspace, told to the pages that are open: the nouns of its new facts.

What a server commits it tells all of them by the fabric (`web/crier.py`), which may be lost. So one task
looks into the log of facts, too, once a second and only while somebody listens, and tells of what it finds
more of than was told. A page that hears a noun it shows asks for that part of itself anew
(`frontend/src/live.js`).

The pages are what costs: so all that show the same nouns share `PAGES_PER_S`, however many they are. What
changes after a rest is told at once; while changes go on, each page is told of them in its turn.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from contextvars import Context
from typing import Annotated, Any, cast

import msgspec
import structlog

from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.storage import facts
from angarium.storage.ground import Ground
from angarium.web import crier

log = structlog.get_logger()

LOOKS_EVERY_S = 1.0
HEARTBEAT_S = 15.0  # proxies close what is silent for a minute
PAGES_PER_S = 1.0  # that are made to ask for themselves anew: one costs 15 to 40 ms of CPU
SPREAD = 0.5  # of a pause, so that not all of them ask at once
LISTENERS_MAX = 1_000  # pages at once, of all workspaces
NEW_MAX = 1_000  # facts looked at in one go; more are as good as all
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx, "proxy_buffering"
)


class Pulse:
    """Tells listeners of a workspace which nouns have new facts."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
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
            self._tasks = [asyncio.create_task(one(), context=Context()) for one in (self._look, self._hear)]
        return ear

    def leave(self, ear: Ear) -> None:
        """Nobody listens there any more."""
        ears = self._ears[ear.workspace_id]
        ears.discard(ear)
        if not ears:
            del self._ears[ear.workspace_id]

    def pause_s(self, nouns: set[str]) -> float:
        """How long a page that was told of these is told of nothing more."""
        listening = sum(ear.wants(nouns) for ears in self._ears.values() for ear in ears)
        return listening / PAGES_PER_S * (1 - SPREAD + 2 * SPREAD * self._ground.chance.roll())

    async def stop(self) -> None:
        """End every stream; browsers come back by themselves."""
        for ears in list(self._ears.values()):
            for ear in list(ears):
                ear.end()
        await self._rest()

    async def _rest(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._told.clear()

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
        for ear in list(self._ears.get(workspace_id, ())):
            ear.hear(nouns)

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
        hearing = self._tasks.pop()  # the other one
        self._tasks = []
        hearing.cancel()

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
        self._ended = asyncio.Event()
        self._woken = asyncio.Event()

    def wants(self, nouns: set[str]) -> bool:
        """Whether it listens for any of these."""
        return not self._nouns or not self._nouns.isdisjoint(nouns)

    def hear(self, nouns: set[str]) -> None:
        """These have changed; what is not yet told is told together."""
        if self.wants(nouns):
            self._heard |= nouns & self._nouns if self._nouns else nouns
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
                yield f"event: changed\ndata: {' '.join(sorted(heard))}\n\n".encode()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pulse.pause_s(heard)):
                        await self._ended.wait()

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
