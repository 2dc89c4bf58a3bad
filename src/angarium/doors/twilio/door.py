"""What runs by itself behind the Twilio door: it follows the log of facts, and posts callbacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from angarium.core.service import Supervisor
from angarium.doors.twilio import following, posting, store
from angarium.doors.twilio.store import Account
from angarium.messaging.world import World
from angarium.storage import facts

LOOK_S = 0.5  # how often the log of facts, and what is due, are looked at
ACCOUNTS_S = 5.0
ACCOUNTS_TOPIC = "twilio_accounts"  # woken when an account was changed


class TwilioDoor:
    """Tells clients of their messages. A service: start and stop it.

    Each account has a loop of its own: a client that does not answer delays nobody else.
    """

    def __init__(self, world: World, workspaces: Callable[[], Awaitable[list[int]]]) -> None:
        self._world = world
        self._workspaces = workspaces
        self._supervisor = Supervisor(world.ground.clock)
        self._accounts: dict[int, Account] = {}
        self._posting: set[int] = set()

    async def start(self) -> None:
        """Begin to tell."""
        self._posting.clear()
        self._supervisor.run("twilio accounts", self._watch)
        self._supervisor.run("twilio facts", self._follow)

    async def stop(self) -> None:
        """Tell nothing more; what was under way is told at the next start."""
        await self._supervisor.stop()

    async def _watch(self) -> None:
        waiter = self._world.ground.fabric.listen(ACCOUNTS_TOPIC)
        try:
            while True:
                await self._reload()
                await waiter.wait(ACCOUNTS_S)
        finally:
            waiter.close()

    async def _reload(self) -> None:
        there = await self._workspaces()
        found = {one.id: one for one in await self._world.ground.db.read(store.accounts.of, there)}
        self._accounts = found
        for account_id in found.keys() - self._posting:
            self._posting.add(account_id)
            self._supervisor.run(f"twilio {account_id}", partial(self._post, account_id))

    async def _follow(self) -> None:
        while True:
            found = 0
            by_workspace: dict[int, list[Account]] = {}
            for account in self._accounts.values():
                by_workspace.setdefault(account.workspace_id, []).append(account)
            for workspace_id, accounts in by_workspace.items():
                found += await self._follow_one(workspace_id, accounts)
            if not found:
                await self._world.ground.clock.sleep(LOOK_S)

    async def _follow_one(self, workspace_id: int, accounts: list[Account]) -> int:
        """One batch of facts. Nothing is written, nor held, where there is nothing new."""
        db = self._world.ground.db
        if not await db.read(facts.has_news, workspace_id, following.READER):
            return 0
        return await db.run(following.follow, self._world, workspace_id, accounts)

    async def _post(self, account_id: int) -> None:
        """Until the account is gone."""
        while account_id in self._accounts:
            if not await posting.post_due(self._world, self._accounts[account_id]):
                await self._world.ground.clock.sleep(LOOK_S)
        self._posting.discard(account_id)
