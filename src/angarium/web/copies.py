"""What all see who see the same is drawn once, when something has changed and their pages ask anew.

A page that is told of a change says so when it asks (`HEARD`). Whatever is drawn after that change will do
for it; so the first that asks has it drawn, and the others get a copy. What they see is the same when their
address, workspace, scopes, reach, language, theme and time zone are (`Operation.alike`).

Copies are drawn one after another, with pauses: what sends need not wait for all of them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
from litestar import Request

from angarium.accounts.edge import Sent
from angarium.accounts.pages import HEADERS, HtmlAnswer, in_place
from angarium.accounts.session import Viewer
from angarium.core.clock import Clock
from angarium.storage.ground import Ground
from angarium.web.counting import counted
from angarium.web.look import Look, look_of

HEARD = b"x-angarium-heard"  # the number of the change that a page was told of (`frontend/src/live.js`)
COPIES_MAX = 200  # of all workspaces; a page has 20 to 100 KB
LASTS_S = 5.0  # what is older is drawn anew, though nothing was told: it may say how long ago something was
PAUSE = 3.0  # times what a copy took, until the next is drawn

Sight = tuple[object, ...]
Scope = dict[str, Any]


class Copy(msgspec.Struct):
    """What was drawn, or is being drawn, and when that began."""

    body: asyncio.Task[bytes | None]
    began_at: float


class Copies:
    """The copies of a server."""

    def __init__(self, ground: Ground) -> None:
        self._clock: Clock = ground.clock
        self._name = ground.chance.secret(8).hex()  # of this process: another counts otherwise
        self._blank = ground.chance.secret(32).hex()  # stands where the token of a session belongs
        self._told = 0
        self._copies: dict[int, dict[Sight, Copy]] = defaultdict(dict)
        self._turn = asyncio.Lock()
        self._next_at = 0.0
        self.spent_s = 0.0  # of CPU, on pages that had heard of a change

    def spend(self, cpu_s: float) -> None:
        """A step of such a page took so much."""
        self.spent_s += cpu_s

    def outdate(self, workspace_id: int) -> str:
        """Something has changed there, what was drawn before will not do; the number of the change."""
        self._copies.pop(workspace_id, None)
        self._told += 1
        return f"{self._name}.{self._told}"

    async def answer(self, request: Request[Any, Any, Any]) -> Sent | None:
        """A copy for a page that has heard of a change; None where it must be drawn for itself."""
        heard = dict(request.scope["headers"]).get(HEARD, b"").decode("latin-1")
        if heard.partition(".")[0] != self._name or not in_place(request):
            return None
        scope = cast("Scope", request.scope)
        viewer: Viewer = scope["user"]
        body = await self._copy(viewer.workspace_id, _sight(scope, viewer), lambda: self._draw(request))
        return None if body is None else Drawn(body.replace(self._blank.encode(), viewer.form_token.encode()))

    async def _copy(
        self, workspace_id: int, sight: Sight, draw: Callable[[], Awaitable[bytes | None]]
    ) -> bytes | None:
        now = self._clock.monotonic()
        if sum(map(len, self._copies.values())) >= COPIES_MAX:
            self._copies.clear()
        copies = self._copies[workspace_id]
        copy = copies.get(sight)
        if copy is None or now - copy.began_at > LASTS_S:
            copy = copies[sight] = Copy(asyncio.create_task(self._drawn(draw)), now)
        try:
            return await asyncio.shield(copy.body)
        except Exception:
            copies.pop(sight, None)  # whoever asks next may have more luck
            raise

    async def _drawn(self, draw: Callable[[], Awaitable[bytes | None]]) -> bytes | None:
        """In its turn."""
        async with self._turn:
            if (too_early_s := self._next_at - self._clock.monotonic()) > 0:
                await self._clock.sleep(too_early_s)
            before_s = self.spent_s
            try:
                return await counted(draw(), self.spend)
            finally:
                self._next_at = self._clock.monotonic() + PAUSE * (self.spent_s - before_s)

    async def _draw(self, request: Request[Any, Any, Any]) -> bytes | None:
        """The page without what is one person's; None when it is none."""
        scope = cast("Scope", request.scope)
        answer = await scope["route_handler"].fn(request)
        if not isinstance(answer, HtmlAnswer) or answer.status != 200 or answer.headers:
            return None
        viewer = msgspec.structs.replace(scope["user"], form_token=self._blank, person="")
        text: str = request.app.state.shell.draw(answer.template, answer.facts, {**scope, "user": viewer})
        return text.encode()


class Drawn:
    """A page that was drawn before."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        headers = [*HEADERS, (b"content-length", b"%d" % len(self._body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


def _sight(scope: Scope, viewer: Viewer) -> Sight:
    """What decides what somebody sees."""
    look: Look = look_of(scope)
    host = dict(scope["headers"]).get(b"host", b"")
    return (
        scope["scheme"],
        host,
        scope["path"],
        scope["query_string"],
        viewer.workspace,
        viewer.scopes,
        viewer.reach,
        viewer.time_zone,
        look.language.code,
        look.theme,
    )
