"""The log of a fabric that has no other place than the ledger: a table in the same database.

It takes nothing while the database is away, and says so (`outlives_ledger`). Whoever has something for the
ledger then writes it there at once, and needs no log; it is here so that what leans on a log runs everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from angarium.core.clock import Clock
from angarium.core.fabric import Backlog, Entry, check_size
from angarium.fabric import entry_store
from angarium.fabric.ears import Ears
from angarium.storage.database import Database

LOOK_S = 0.5  # how late an entry can be that another server has appended


class KeptLog:
    """One log by its name."""

    def __init__(self, database: Database, clock: Clock, ears: Ears, name: str) -> None:
        self._database = database
        self._clock = clock
        self._ears = ears
        self._name = name
        self._given_out: list[str] = []

    async def append(self, entries: Sequence[Entry]) -> None:
        check_size(entries)
        now = self._clock.now()
        once: dict[str, bytes] = {}
        for one in entries:
            once.setdefault(one.id, one.body)
        rows = [(self._name, id_, now + place, body) for place, (id_, body) in enumerate(once.items())]
        await self._database.run(entry_store.append, rows)
        self._ears.wake((self._topic,))

    async def read(self, most: int, timeout_s: float) -> Sequence[Entry]:
        until, ear = self._clock.monotonic() + timeout_s, self._ears.listen(self._topic)
        try:
            while True:
                found = await self._database.read(entry_store.waiting, self._name, most)
                left_s = until - self._clock.monotonic()
                if found or left_s <= 0:
                    self._given_out = [one.id for one in found]
                    return found
                await ear.wait(min(left_s, LOOK_S))
        finally:
            ear.close()

    async def done(self) -> None:
        if self._given_out:
            await self._database.run(entry_store.settle, self._name, self._given_out, self._clock.now())
            self._given_out = []

    async def give_back(self) -> None:
        self._given_out = []  # it is there until it is settled

    async def waiting(self) -> Backlog:
        return await self._database.read(entry_store.backlog, self._name)

    @property
    def _topic(self) -> str:
        return f"log/{self._name}"
