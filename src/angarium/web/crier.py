"""What is committed here is told to every server: of which nouns there are new facts, in which workspace.

It is a hint for pages that are open (`web/live.py`), and may be lost. What is committed after a rest is told
at once; while commits go on, they are told together, so many times a second at the most.
"""

from __future__ import annotations

import asyncio

import msgspec

from angarium.core.service import Supervisor
from angarium.storage.database import News
from angarium.storage.ground import Ground

TOPIC = "live"
REST_S = 0.1  # between two that are told
WORKSPACES_MAX = 1_000  # in one that is told

Told = dict[int, dict[str, int]]  # workspace -> noun -> how many facts

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Told).decode


class Crier:
    """Tells of what this server commits. A service: start and stop it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._news: Told = {}
        self._come = asyncio.Event()
        self._supervisor = Supervisor(ground.clock)

    async def start(self) -> None:
        """Tell from now on."""
        self._ground.db.on_news = self.note
        self._supervisor.run("crier", self._cry)

    async def stop(self) -> None:
        """Tell nothing more."""
        self._ground.db.on_news = None
        await self._supervisor.stop()

    def note(self, news: News) -> None:
        """This was committed."""
        for (workspace_id, noun), count in news.items():
            if workspace_id not in self._news and len(self._news) >= WORKSPACES_MAX:
                continue
            nouns = self._news.setdefault(workspace_id, {})
            nouns[noun] = nouns.get(noun, 0) + count
        self._come.set()

    async def _cry(self) -> None:
        while True:
            await self._come.wait()
            self._come.clear()
            news, self._news = self._news, {}
            self._ground.fabric.tell(TOPIC, _encode(news))
            await self._ground.clock.sleep(REST_S)


def heard(body: bytes) -> Told:
    """What another has told; nothing where it cannot be read: another version may tell otherwise."""
    try:
        return _decode(body)
    except msgspec.DecodeError:
        return {}
