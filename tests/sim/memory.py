"""The database of a world: in memory, made once, as new in each world. So its statements stay prepared."""

from __future__ import annotations

import asyncio

import apsw

from angarium.storage.sqlite import SqliteDatabase, connect
from angarium.storage.sqlite_lanes import LoopLane, commit_group, read_in_memory


class Memory(SqliteDatabase):
    """One connection for all worlds of a process; its jobs run on the loop of the world that has it."""

    def __init__(self, image: apsw.Connection) -> None:
        super().__init__("")
        self.connection = connect("")
        for name in ("main", "image"):
            if name == "image":
                self.connection.execute("ATTACH ':memory:' AS image")
            with self.connection.backup(name, image, "main") as backup:
                backup.step()
        found = self.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        self._tables = [name for (name,) in found if not name.startswith("sqlite_stat")]

    async def start(self) -> None:
        """As the image is."""
        with self.connection:
            for table in self._tables:
                self.connection.execute(f"DELETE FROM main.{table}")
                self.connection.execute(f"INSERT INTO main.{table} SELECT * FROM image.{table}")
        loop = asyncio.get_running_loop()
        self._writer = LoopLane(loop, self._health, self.connection, commit_group)
        self._readers = LoopLane(loop, self._health, self.connection, read_in_memory)

    def left_behind(self) -> bool:
        """Whether a callback was journalled and not worked through."""
        return bool(self.connection.execute("SELECT 1 FROM journal WHERE state = 'new'").fetchall())

    async def stop(self) -> None:
        """The next world begins anew."""
        self._writer = self._readers = None
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
