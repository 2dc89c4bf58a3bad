"""Break it: each fault of `schedule.py` as it is done to the running processes, and undone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import IO

import msgspec

from angarium.core.clock import MICROS
from angarium.drill.books import Broken
from angarium.drill.schedule import Injection
from angarium.drill.stage import Stage
from angarium.processes import STOP_S, ended

Say = Callable[[str], None]
Doing = Callable[[Stage, Injection], Awaitable[Broken]]  # breaks it, waits, mends it


class Nemesis:
    """Injects what is planned, and writes down what it did and when."""

    def __init__(self, stage: Stage, say: Say) -> None:
        self._stage = stage
        self._say = say
        self._record: IO[bytes] = (stage.folder / "faults.jsonl").open("ab", buffering=0)
        self.broken: list[Broken] = []

    async def work_through(self, injections: list[Injection]) -> None:
        """One after the other, each at its time from now."""
        clock = self._stage.clock
        began = clock.monotonic()
        for injection in injections:
            await clock.sleep(max(0.0, began + injection.at_s - clock.monotonic()))
            self._say(f"now: {injection}")
            broken = await DOING[injection.name](self._stage, injection)
            self.broken.append(broken)
            self._record.write(msgspec.json.encode(broken) + b"\n")


def now(stage: Stage) -> float:
    """Seconds since 1970, as in every ledger."""
    return stage.clock.now() / MICROS


async def kill(stage: Stage, injection: Injection) -> Broken:
    """kill -9."""
    server = stage.processes.running("server")
    began_at = now(stage)
    server.kill()
    await ended(server, STOP_S)
    await stage.clock.sleep(injection.lasts_s)
    ended_at = now(stage)
    await stage.start_server()
    return Broken(injection.name, injection.where, began_at, ended_at, now(stage))


DOING: dict[str, Doing] = {"kill": kill}
