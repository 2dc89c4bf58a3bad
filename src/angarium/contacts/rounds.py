"""Gives each workspace its turn with what it has asked to be done with many contacts, a job after the other.

A job is one server's at a time, by a lease. What a server leaves half done is found by the next round of any.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from angarium.contacts.store.jobs import Jobs
from angarium.storage.ground import Ground

POLL_S = 5.0  # a wake-up may be lost, or come from another machine


class Rounds:
    """The loop over workspaces. `noun`: what a job is called in its lease; `states`: of those `jobs` that are
    to be done, the oldest of each workspace first; `do`: works on it; `tidy`: what is to be done every
    `tidy_every_s`, too."""

    def __init__(
        self,
        ground: Ground,
        workspaces: Callable[[], Awaitable[list[int]]],
        noun: str,
        jobs: Jobs[Any],
        states: Sequence[str],
        do: Callable[[int, int], Awaitable[None]],
        tidy: Callable[[], Awaitable[None]],
        tidy_every_s: float,
    ) -> None:
        self._ground = ground
        self._workspaces = workspaces
        self._noun = noun
        self._jobs = jobs
        self._states = states
        self._do = do
        self._tidy = tidy
        self._tidy_every_s = tidy_every_s
        self._tidied_at = float("-inf")

    async def run(self, topic: str) -> None:
        """Go round whenever somebody asks for something, and now and then, until cancelled."""
        waiter = self._ground.fabric.listen(topic)
        try:
            while True:
                await self._tidy_now_and_then()
                if not await self.once():
                    await waiter.wait(POLL_S)
        finally:
            waiter.close()

    async def once(self) -> bool:
        """Work on the oldest job of each workspace, to its end; False when there is none."""
        fabric, read, worked = self._ground.fabric, self._ground.db.read, False
        for workspace_id in await read(self._jobs.anywhere, await self._workspaces(), self._states):
            for job_id in await read(self._jobs.in_states, workspace_id, self._states, 1):
                lease = await fabric.lease(f"{self._noun}/{job_id}")
                if lease is None:
                    continue
                try:
                    await self._do(workspace_id, job_id)
                    worked = True
                finally:
                    await fabric.release(lease)
        return worked

    async def _tidy_now_and_then(self) -> None:
        seconds = self._ground.clock.monotonic()
        if seconds - self._tidied_at >= self._tidy_every_s:
            self._tidied_at = seconds
            await self._tidy()
