"""The last requests of each workspace, for whoever connects systems: in memory, bounded, of each server.

Who looks at them asks the other servers for theirs, over what is told to all; of one that does not answer in
time nothing is shown. Nothing of a body, a query or a header is kept: phones, addresses and texts stay out.
"""

from __future__ import annotations

from collections import OrderedDict, deque

import msgspec

from angarium.core.service import Supervisor
from angarium.storage.ground import Ground

LAST = 300  # requests of a workspace
WORKSPACES_MAX = 1_000  # those that asked longest ago are forgotten
PATH_MAX = 200  # characters
TOPIC = "lately"
WITHIN_S = 0.6  # others are waited for
LISTENS_S = 60.0


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One request of the API and how it ended. `problem` is a slug of `docs/reference/problems.md`."""

    at: int
    method: str
    path: str
    status: int
    took_s: float
    actor: str  # who asked: key_… or per_…
    problem: str


class Lately:
    """What was asked of this server a moment ago."""

    def __init__(self) -> None:
        self._of: OrderedDict[int, deque[Asked]] = OrderedDict()

    def note(self, workspace_id: int, asked: Asked) -> None:
        """Remember one, and forget the oldest where there are too many."""
        kept = self._of.get(workspace_id)
        if kept is None:
            kept = self._of[workspace_id] = deque(maxlen=LAST)
            if len(self._of) > WORKSPACES_MAX:
                self._of.popitem(last=False)
        else:
            self._of.move_to_end(workspace_id)
        kept.append(asked)

    def of(self, workspace_id: int) -> list[Asked]:
        """Those of a workspace, the newest first."""
        return list(reversed(self._of.get(workspace_id, ())))


class Question(msgspec.Struct, frozen=True):
    """What is asked of the other servers: by which, where it listens, and about which workspace."""

    node: int
    to: str
    workspace_id: int


async def everywhere(ground: Ground, lately: Lately, workspace_id: int, others: int) -> list[Asked]:
    """Those of a workspace at this server and so many others, the newest first."""
    found = lately.of(workspace_id)
    if not others:
        return found
    to, clock = f"{TOPIC}/{ground.ids.mint()}", ground.clock
    hearer, until = ground.fabric.hear(to), clock.monotonic() + WITHIN_S
    try:
        question = Question(ground.ids.node, to, workspace_id)
        ground.fabric.tell(TOPIC, msgspec.json.encode(question))
        for _ in range(others):
            body = await hearer.next(max(0.0, until - clock.monotonic()))
            if body is None:
                break
            found += msgspec.json.decode(body, type=list[Asked])
    finally:
        hearer.close()
    return sorted(found, key=lambda one: -one.at)[:LAST]


class Answering:
    """Tells other servers what was asked of this one. A service: start and stop it."""

    def __init__(self, ground: Ground) -> None:
        self.lately = Lately()
        self._ground = ground
        self._supervisor = Supervisor(ground.clock)

    async def start(self) -> None:
        """Answer from now on."""
        self._supervisor.run("lately", self._answer)

    async def stop(self) -> None:
        """Answer no more."""
        await self._supervisor.stop()

    async def _answer(self) -> None:
        fabric = self._ground.fabric
        hearer = fabric.hear(TOPIC)
        try:
            while True:
                body = await hearer.next(LISTENS_S)
                question = msgspec.json.decode(body, type=Question) if body else None
                if question is not None and question.node != self._ground.ids.node:
                    fabric.tell(question.to, msgspec.json.encode(self.lately.of(question.workspace_id)))
        finally:
            hearer.close()
