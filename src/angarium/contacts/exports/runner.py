"""What writes exports by itself: reads contacts a page at a time and hands them to the writer.

A file is whole or not there. A server that is stopped over one begins it anew.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import msgspec
import structlog

from angarium.contacts.exports import flows, store
from angarium.contacts.exports.flows import DONE, EXPIRED, FAILED, KEPT_S, RUNNING, TOPIC, Exports, Order
from angarium.contacts.exports.store import Export
from angarium.contacts.exports.writer import LENGTH_BYTES, Job, Written
from angarium.contacts.imports.process import environment
from angarium.contacts.rounds import Rounds
from angarium.core.clock import micros
from angarium.core.service import Supervisor
from angarium.storage.database import Transaction

log = structlog.get_logger()

MODULE = "angarium.contacts.exports.writer"
TIDY_EVERY_S = 600.0
TIDY_BATCH = 100
NOTED_EVERY = 20  # pages


class Gone(Exception):
    """The export was deleted while it was written."""


class Exporter:
    """Writes the exports of this machine. A service: start and stop it."""

    def __init__(self, exports: Exports, workspaces: Callable[[], Awaitable[list[int]]]) -> None:
        self._exports = exports
        self._ground = exports.ground
        self._workspaces = workspaces
        self._supervisor = Supervisor(exports.ground.clock)
        self._rounds = Rounds(
            exports.ground,
            workspaces,
            "export",
            store.jobs,
            (RUNNING,),
            self._write,
            self._tidy,
            TIDY_EVERY_S,
        )

    async def start(self) -> None:
        """Write whatever was left."""
        self._supervisor.run("exports", partial(self._rounds.run, TOPIC))

    async def stop(self) -> None:
        """Leave what is half done: it is begun anew."""
        await self._supervisor.stop()

    async def work(self) -> bool:
        """Write the oldest export of each workspace; False when there is none."""
        return await self._rounds.once()

    async def _write(self, workspace_id: int, export_id: int) -> None:
        one = await self._ground.db.read(store.jobs.get, workspace_id, export_id)
        if one is None:
            return
        wanted = msgspec.json.decode(one.wanted, type=Order)
        part = self._exports.shelf.begin(one.id)
        try:
            job = await self._job(workspace_id, wanted, str(part))
            written = await self._written(workspace_id, one, wanted, job)
            if not written.problem:
                await asyncio.to_thread(self._exports.shelf.finish, one.id)
            await self._end(workspace_id, one, written)
        except Gone:
            self._exports.shelf.remove(one.id)
        finally:
            part.unlink(missing_ok=True)

    async def _job(self, workspace_id: int, wanted: Order, path: str) -> Job:
        if wanted.source:
            source = self._exports.sources[wanted.source]
            columns, title = await source.columns(workspace_id, wanted.about), source.title
        else:
            columns, title = await flows.columns_of(self._ground, workspace_id, wanted), "Contacts"
        made = bool(wanted.source)
        how = (wanted.encoding, wanted.delimiter, title, wanted.right_to_left)
        return Job(path, wanted.format, columns, *how, is_table=made)

    async def _pages(self, workspace_id: int, wanted: Order) -> AsyncIterator[Sequence[object]]:
        """What the writer is told, a page at a time."""
        if wanted.source:
            async for rows in self._exports.sources[wanted.source].pages(workspace_id, wanted.about):
                yield rows
            return
        async for contacts in flows.pages(self._ground, workspace_id, wanted.settled):
            yield [flows.told(contact) for contact in contacts]

    async def _written(self, workspace_id: int, one: Export, wanted: Order, job: Job) -> Written:
        # -P: what lies in the folder that we run in is not imported
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", MODULE, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment()
        )
        try:
            with suppress(ConnectionError):  # it has said why on its way out
                await self._tell(process, workspace_id, one, wanted, job)
            assert process.stdout is not None
            said = await process.stdout.readline()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return msgspec.json.decode(said, type=Written) if said else Written(problem="the writer has died")

    async def _tell(self, process: Process, workspace_id: int, one: Export, wanted: Order, job: Job) -> None:
        """Hand over the job and every row."""
        assert process.stdin is not None
        pipe, rows = process.stdin, 0
        pipe.write(msgspec.json.encode(job) + b"\n")
        encoder = msgspec.msgpack.Encoder()
        number = 0
        async for page in self._pages(workspace_id, wanted):
            body = encoder.encode(page)
            pipe.write(len(body).to_bytes(LENGTH_BYTES, "big") + body)
            await pipe.drain()
            rows, number = rows + len(page), number + 1
            if number % NOTED_EVERY == 1:
                now = self._ground.clock.now()
                noted = store.note_progress
                if not await self._ground.db.run(noted, workspace_id, one.id, job.columns, rows, now):
                    raise Gone
        pipe.write(bytes(LENGTH_BYTES))
        await pipe.drain()

    async def _end(self, workspace_id: int, one: Export, written: Written) -> None:
        path, now = self._exports.shelf.path(one.id), self._ground.clock.now()
        size = path.stat().st_size if path.exists() else 0

        async def work(tx: Transaction) -> None:
            state = FAILED if written.problem else DONE
            if not await store.end(
                tx,
                workspace_id,
                one.id,
                (RUNNING,),
                state,
                now,
                reason=written.problem,
                rows=written.rows,
                sheets=written.sheets,
                size_bytes=size,
            ):
                raise Gone
            if written.problem:
                await flows.tell(tx, workspace_id, "failed", one, now, reason=written.problem)
            else:
                await flows.tell(tx, workspace_id, "done", one, now, rows=written.rows)

        await self._ground.db.run(work)

    async def _tidy(self) -> None:
        """Remove files that were kept long enough."""
        now, wanted = self._ground.clock.now(), []
        for workspace_id in await self._workspaces():
            await self._ground.db.run(self._expire, workspace_id, now)
            wanted += await self._ground.db.read(
                store.jobs.in_states, workspace_id, (RUNNING, DONE), flows.OPEN_MAX
            )
        self._exports.shelf.sweep(wanted, now - micros(TIDY_EVERY_S))

    async def _expire(self, tx: Transaction, workspace_id: int, now: int) -> None:
        before = now - micros(KEPT_S)
        past = (DONE, FAILED)
        for export_id in await store.jobs.untouched_since(tx, workspace_id, past, before, TIDY_BATCH):
            await store.end(tx, workspace_id, export_id, past, EXPIRED, now, reason="kept for a day")
