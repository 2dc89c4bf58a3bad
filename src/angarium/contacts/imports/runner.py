"""What works on imports by itself: one after the other, a batch at a time, from where it was left.

A batch is small enough that a message which wants to be accepted waits for some hundredths of a second. While
nobody waits, several go into one transaction, which costs less; it ends when somebody comes. Nothing is
remembered between two batches but in the database; whatever stops this process, the next one goes on with the
row after the last that was committed.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
import structlog

from angarium.contacts import fields
from angarium.contacts import store as contact_store
from angarium.contacts.imports import flows, store
from angarium.contacts.imports.flows import CHECKED, DONE, FAILED, PAUSED, TOPIC, UNDOING, UNDONE, Imports
from angarium.contacts.imports.mapping import reading
from angarium.contacts.imports.process import Ahead, Worker
from angarium.contacts.imports.store import Import, blocks, lists
from angarium.contacts.imports.tables import Unreadable
from angarium.contacts.imports.worker import Batch, Job
from angarium.contacts.imports.writing import RUNNING, Overtaken, reserve_some, write_some
from angarium.contacts.rounds import Rounds
from angarium.contacts.store import external_ids, newcomers
from angarium.core.clock import micros
from angarium.core.service import Supervisor
from angarium.storage import facts
from angarium.storage.database import Conflict, Transaction
from angarium.storage.facts import Fact

log = structlog.get_logger()

TIDY_EVERY_S = 3_600.0
TRIES_MAX = 5  # of a batch that meets a contact which somebody writes at the same moment
AT_ONCE = 2  # batches, or pieces of what is reserved, in a transaction while nobody waits for it
GIVEN_BACK = 1_000  # addresses or external ids in a transaction
UNDO_BATCH = 500
TIDY_BATCH = 100


class Runner:
    """Runs the imports of this machine. A service: start and stop it."""

    def __init__(self, imports: Imports, workspaces: Callable[[], Awaitable[list[int]]]) -> None:
        self._imports = imports
        self._ground = imports.ground
        self._workspaces = workspaces
        self._supervisor = Supervisor(imports.ground.clock)
        self._rounds = Rounds(
            imports.ground,
            workspaces,
            "import",
            store.jobs,
            flows.BUSY,
            self._work_on,
            self._tidy,
            TIDY_EVERY_S,
        )

    @property
    def failures(self) -> dict[str, int]:
        """How often the loop has died and was restarted."""
        return self._supervisor.failures

    async def start(self) -> None:
        """Go on with whatever was left."""
        self._supervisor.run("imports", partial(self._rounds.run, TOPIC))

    async def stop(self) -> None:
        """Leave everything where it is."""
        await self._supervisor.stop()

    async def work(self) -> bool:
        """Work on the oldest import of each workspace, to its end; False when there is none."""
        return await self._rounds.once()

    async def _work_on(self, workspace_id: int, import_id: int) -> None:
        one = await self._ground.db.read(store.jobs.get, workspace_id, import_id)
        if one is None:
            return
        await self._give_back(workspace_id, lambda other, _: other == import_id)
        try:
            await self._do(workspace_id, one)
        except Overtaken:
            log.info("import left", import_id=import_id, state=one.state)
        await self._give_back(workspace_id, lambda other, _: other == import_id)

    async def _do(self, workspace_id: int, one: Import) -> None:
        if one.state == UNDOING:
            await self._undo(workspace_id, one)
        elif not self._imports.shelf.has(one.id):
            await self._end(workspace_id, one, FAILED, "the file is gone; bring it again")
        else:
            try:
                await self._read(workspace_id, one)
            except Unreadable as unreadable:
                await self._end(workspace_id, one, FAILED, f"{unreadable.problem}; {unreadable.remedy}")

    # ── reading and writing ──────────────────────────────────────────────────────────────────────────

    async def _read(self, workspace_id: int, one: Import) -> None:
        job = Job(
            path=str(self._imports.shelf.path(one.id)),
            mapping=one.mapping,
            reading=reading(one.seen.look, one.mapping),
            heads=one.seen.look.heads,
            fields=tuple((await self._ground.db.read(fields.definitions, workspace_id)).values()),
            after_row=one.rows_done,
            rows_expected=one.seen.rows_estimated,
            reserve=one.state == RUNNING,
        )
        row, failed, those = one.rows_done, one.failed, list[int]()
        most = one.mapping.errors_max if one.state == RUNNING else sys.maxsize
        async with Worker(job) as worker, Ahead(worker, AT_ONCE) as ahead:
            while any(some := await ahead.some()):
                pieces, batches = some
                if pieces:
                    those = self._ground.ids.mint_many(pieces[0].begins) if pieces[0].begins else those
                    given = workspace_id, one, row, pieces, those
                    ahead.done(await self._ground.db.run(reserve_some, *given, self._ground.clock.now()))
                    continue
                steps = await self._write(workspace_id, one, row, batches, those, most - failed)
                ahead.done(len(steps))
                row, failed = steps[-1].until_row, failed + sum(step.failed for step in steps)
                if failed >= most:
                    reason = f"{failed} rows are in error; mend the mapping, or raise errors_max"
                    await self._ground.db.run(
                        _pause, workspace_id, one, reason, failed, self._ground.clock.now()
                    )
                    return
        await self._end(workspace_id, one, DONE if one.state == RUNNING else CHECKED, "")

    async def _write(
        self,
        workspace_id: int,
        one: Import,
        row: int,
        batches: Sequence[Batch],
        those: Sequence[int],
        errors_left: int,
    ) -> list[store.Step]:
        ground = self._ground
        given = (ground, workspace_id, one, row, batches, those, errors_left)
        for _ in range(TRIES_MAX - 1):
            try:
                return await ground.db.run(write_some, *given, ground.clock.now())
            except Conflict:
                continue
        return await ground.db.run(write_some, *given, ground.clock.now())

    async def _give_back(self, workspace_id: int, wanted: Callable[[int, str], bool]) -> None:
        """Let go of what imports have reserved for people who do not come: it was stopped."""
        for import_id, state, those in await self._ground.db.read(blocks.left, workspace_id):
            if not wanted(import_id, state):
                continue
            while some := await self._ground.db.read(newcomers.not_come, workspace_id, those, GIVEN_BACK):
                await self._ground.db.run(newcomers.let_go, workspace_id, some)
            names = await self._ground.db.read(external_ids.not_come, workspace_id, *those)
            for start in range(0, len(names), GIVEN_BACK):
                part = names[start : start + GIVEN_BACK]
                await self._ground.db.run(external_ids.let_go, workspace_id, *those, part)
            await self._ground.db.run(blocks.end, workspace_id, import_id)

    async def _end(self, workspace_id: int, one: Import, state: str, reason: str) -> None:
        now = self._ground.clock.now()

        async def work(tx: Transaction) -> None:
            if not await store.move(tx, workspace_id, one.id, (one.state,), state, now, reason):
                raise Overtaken
            ended = await store.jobs.get(tx, workspace_id, one.id)
            if ended is not None and one.state == RUNNING:
                body = {
                    "state": state,
                    "name": ended.name,
                    "by": ended.actor,
                    "created": ended.created,
                    "changed": ended.changed,
                    "failed": ended.failed,
                    "reason": reason,
                }
                told = Fact(workspace_id, "contacts.imported", one.id, now, msgspec.json.encode(body))
                await facts.append(tx, [told])

        await self._ground.db.run(work)
        if state in flows.ENDED:
            self._imports.shelf.remove(one.id)

    # ── taking back ──────────────────────────────────────────────────────────────────────────────────

    async def _undo(self, workspace_id: int, one: Import) -> None:
        after: int | None = 0
        while after is not None:
            after = await self._ground.db.run(self._undo_some, workspace_id, one, after)
        await self._ground.db.run(lists.forget, workspace_id, one.id)
        await self._end(workspace_id, one, UNDONE, "")

    async def _undo_some(self, tx: Transaction, workspace_id: int, one: Import, after: int) -> int | None:
        """Take some back; the last that was looked at, None when there is none any more."""
        found = await store.contacts(tx, workspace_id, one.id, after, UNDO_BATCH)
        if not found:
            return None
        there = await contact_store.by_ids(tx, workspace_id, [contact_id for contact_id, _ in found])
        written = dict(found)
        unchanged = [contact.id for contact in there.values() if contact.updated_at == written[contact.id]]
        await contact_store.remove_all(tx, workspace_id, unchanged)
        await store.forget_contacts(tx, workspace_id, one.id, unchanged)
        if not await store.count_undone(
            tx, workspace_id, one.id, UNDOING, len(unchanged), self._ground.clock.now()
        ):
            raise Overtaken
        return found[-1][0]

    # ── tidying ──────────────────────────────────────────────────────────────────────────────────────

    async def _tidy(self) -> None:
        """Let go of files and of rows in error that nobody came for."""
        now, wanted = self._ground.clock.now(), []
        for workspace_id in await self._workspaces():
            await self._ground.db.run(self._expire, workspace_id, now)
            await self._give_back(workspace_id, lambda _, state: state not in flows.BUSY)
            wanted += await self._ground.db.read(
                store.jobs.in_states, workspace_id, flows.OPEN, flows.OPEN_MAX * 2
            )
        self._imports.shelf.sweep(wanted, now - micros(TIDY_EVERY_S))

    async def _expire(self, tx: Transaction, workspace_id: int, now: int) -> None:
        waiting, before = (flows.UPLOADED, CHECKED), now - micros(flows.EXPIRES_AFTER_S)
        for import_id in await store.jobs.untouched_since(tx, workspace_id, waiting, before, TIDY_BATCH):
            await store.move(tx, workspace_id, import_id, waiting, flows.EXPIRED, now, "nobody started it")
        before = now - micros(flows.UNDO_WITHIN_S)
        for import_id in await lists.to_forget(tx, workspace_id, flows.ENDED, before, TIDY_BATCH):
            await store.forget_rows(tx, workspace_id, import_id)
            await lists.hold(tx, workspace_id, import_id)
            if not await self._imports.needing(tx, workspace_id, import_id):
                await lists.forget(tx, workspace_id, import_id)


async def _pause(tx: Transaction, workspace_id: int, one: Import, reason: str, failed: int, now: int) -> None:
    """An import waits for a person: too much of it is in error."""
    if await store.move(tx, workspace_id, one.id, (RUNNING,), PAUSED, now, reason):
        body = {"name": one.name, "by": one.actor, "failed": failed, "reason": reason}
        told = Fact(workspace_id, "contacts.import_paused", one.id, now, msgspec.json.encode(body))
        await facts.append(tx, [told])
