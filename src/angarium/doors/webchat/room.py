"""What the door of visitors works with, and what it does by itself: news for who waits, and tidying up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec

from angarium.accounts.limits import MINUTE_S, Limit
from angarium.content.media import flows
from angarium.content.media.flows import MediaRoom
from angarium.core.clock import MICROS
from angarium.core.fabric import Waiter
from angarium.core.ports import Raw
from angarium.core.problems import Problem
from angarium.core.service import Supervisor
from angarium.doors.webchat import rules, store
from angarium.doors.webchat.store import Entry
from angarium.lines.store import Line
from angarium.messaging.world import World
from angarium.protocols.web_chat import Happened
from angarium.storage.ground import Ground

LOOK_S = 5.0  # how often is looked though nobody woke us: another process may have kept something
HEARTBEAT_S = 15.0  # proxies close what is silent for a minute
TIDY_S = 60.0
WAITING_MAX, WAITING_OF_ONE_MAX = 2_000, 6  # browsers that wait for news, of one process and of one visitor
AT_ONCE = 100  # entries in one answer to who waits
SAYS_PER_MIN, ASKS_PER_MIN = 30, 240  # of one visitor
FILES_PER_HOUR, FILES_OF_ADDRESS_PER_HOUR, HOUR_S = 20, 120, 3_600.0  # of one visitor, of one address
FROM_ADDRESS_PER_MIN, OPENS_PER_MIN = 600, 60  # of one address: an office stands behind it
Hear = Callable[[Line, Raw], Awaitable[None]]  # returns once it is journalled


def topic(line_id: int, address: str) -> str:
    """What is woken when there is something new in a visitor's conversation."""
    return f"web_chat/{line_id}/{address}"


class WebChatRoom:
    """Conversations with visitors. A service: start and stop it.

    It keeps nothing that is not in the database, but how often somebody asks and how many wait.
    """

    def __init__(
        self,
        world: World,
        hear: Hear,
        workspaces: Callable[[], Awaitable[list[int]]],
        media: MediaRoom | None = None,
    ) -> None:
        self.world = world
        self._media = media
        self.heard = hear
        clock = world.ground.clock
        self.files = Limit(clock, "chat-files", FILES_PER_HOUR, HOUR_S)
        self.files_from_address = Limit(clock, "chat-files-address", FILES_OF_ADDRESS_PER_HOUR, HOUR_S)
        self.says = Limit(clock, "chat-says", SAYS_PER_MIN, MINUTE_S)
        self.asks = Limit(clock, "chat-asks", ASKS_PER_MIN, MINUTE_S)
        self.from_address = Limit(clock, "chat-address", FROM_ADDRESS_PER_MIN, MINUTE_S)
        self.opens = Limit(clock, "chat-opens", OPENS_PER_MIN, MINUTE_S)
        self._workspaces = workspaces
        self._supervisor = Supervisor(clock)
        self._waiting: dict[str, int] = {}
        self._closed = False

    def media_of(self, line: Line) -> MediaRoom:
        """Where the files of a line's visitors are kept; a Problem where none are taken."""
        rules.no_files(self.world.settings(line).visitor_files_mb if self._media is not None else 0)
        assert self._media is not None
        return self._media

    @property
    def ground(self) -> Ground:
        """What it stands on."""
        return self.world.ground

    async def start(self) -> None:
        """Tidy up once in a while."""
        self._closed = False
        self._supervisor.run("web chat", self._watch)

    async def stop(self) -> None:
        """Let nobody wait any longer: browsers come back by themselves."""
        self._closed = True
        for name in list(self._waiting):
            self.ground.fabric.wake(name)
        await self._supervisor.stop()

    # ── who waits ────────────────────────────────────────────────────────────────────────────────────

    async def news(self, line: Line, address: str, after: int, limit: int, wait_s: float) -> list[Entry]:
        """The entries behind a number; when there are none, those that come within so long."""
        until = self.ground.clock.monotonic() + wait_s
        found = await self._after(line, address, after, limit)
        if found or not wait_s:
            return found
        self.must_have_room(line, address)
        with self._waiter(line, address) as waiter:
            while not found and not self._closed:
                left_s = until - self.ground.clock.monotonic()
                found = await self._after(line, address, after, limit)
                if found or left_s <= 0:
                    break
                await waiter.wait(min(left_s, LOOK_S))
        return found

    async def stream(self, line: Line, address: str, after: int) -> AsyncIterator[bytes]:
        """Entries behind a number as server-sent events, and those to come, until nobody listens."""
        yield b": listening\n\n"
        said = self.ground.clock.monotonic()
        with self._waiter(line, address) as waiter:
            while not self._closed:
                found = await self._after(line, address, after, AT_ONCE)
                for one in found:
                    yield rules.event(one)
                    after = one.number
                now = self.ground.clock.monotonic()
                if not found and now - said >= HEARTBEAT_S:
                    yield b": still here\n\n"
                said = now if found or now - said >= HEARTBEAT_S else said
                if len(found) < AT_ONCE:
                    await waiter.wait(LOOK_S)

    def must_have_room(self, line: Line, address: str) -> None:
        """A Problem when one more who waits would be too many."""
        mine = self._waiting.get(topic(line.id, address), 0)
        if self._closed or mine >= WAITING_OF_ONE_MAX or sum(self._waiting.values()) >= WAITING_MAX:
            detail = "Too many wait for news already. Ask without waiting, or close other pages."
            again_s = int(LOOK_S)
            raise Problem(
                "too-many-requests", "Too many wait", status=429, detail=detail, retry_after_s=again_s
            )

    @contextmanager
    def _waiter(self, line: Line, address: str) -> Iterator[Waiter]:
        """Somebody who is woken when there is something new for a visitor."""
        name = topic(line.id, address)
        self._waiting[name] = self._waiting.get(name, 0) + 1
        waiter = self.ground.fabric.listen(name)
        try:
            yield waiter
        finally:
            waiter.close()
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name]

    async def _after(self, line: Line, address: str, number: int, limit: int) -> list[Entry]:
        now = self.ground.clock.now()
        place = (line.workspace_id, line.id, address)
        return await self.ground.db.read(store.after, *place, number, limit, now)

    # ── by itself ────────────────────────────────────────────────────────────────────────────────────

    async def _watch(self) -> None:
        while True:
            await self.tidy()
            await self.ground.clock.sleep(TIDY_S)

    async def tidy(self) -> None:
        """Tell of what nobody came for in time, and forget what is old enough."""
        lines = [line for line in self.world.lines.every() if line.channel == rules.KIND]
        for line in lines:
            while await self._expire(line):
                pass
            settings, now = self.world.settings(line), self.ground.clock.now()
            entries = now - settings.history_days * rules.DAY_S * MICROS
            visitors = now - settings.session_days * rules.DAY_S * MICROS
            await self.ground.db.run(store.tidy, line.workspace_id, line.id, entries, min(entries, visitors))
            brought = rules.brought_by(line.id)
            await self.ground.db.run(flows.forget, line.workspace_id, brought, entries, now)
        for workspace_id in await self._workspaces():
            known = {line.id for line in lines if line.workspace_id == workspace_id}
            await self.ground.db.run(store.drop_strangers, workspace_id, known)

    async def _expire(self, line: Line) -> int:
        """Some entries whose time is over: journalled as receipts, then gone; how many."""
        now = self.ground.clock.now()
        found = await self.ground.db.read(store.expired, line.workspace_id, line.id, now)
        for address in sorted({one.address for one in found}):
            refs = tuple(one.ref for one in found if one.address == address)
            told = Happened("expired", address, now, expired=refs)
            await self.heard(line, Raw(msgspec.json.encode(told)))
            await self.ground.db.run(store.drop_expired, line.workspace_id, line.id, refs, now)
        return len(found)
