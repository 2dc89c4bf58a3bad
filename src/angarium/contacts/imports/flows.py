"""What people do with an import: send a file, say what it is, check, start, pause, cancel, undo, delete."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from angarium.accounts import audit
from angarium.contacts import fields, fields_flows
from angarium.contacts.imports import mapping as mappings
from angarium.contacts.imports import store
from angarium.contacts.imports.looking import Seen
from angarium.contacts.imports.mapping import Mapping
from angarium.contacts.imports.process import looked_at
from angarium.contacts.imports.rows import BETWEEN
from angarium.contacts.imports.sniffing import ENCODINGS
from angarium.contacts.imports.store import Import, lists
from angarium.contacts.imports.tables import Unreadable
from angarium.contacts.imports.worker import Job
from angarium.contacts.imports.writing import CHECKING, RUNNING
from angarium.contacts.phones import regions
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.problems import Problem, all_invalid, invalid, not_found, shown
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from angarium.storage.shelf import Shelf

TOPIC = "imports"  # what is woken when there is something to do

UPLOADED, CHECKED, PAUSED = "uploaded", "checked", "paused"
DONE, CANCELLED, FAILED = "done", "cancelled", "failed"
UNDOING, UNDONE, EXPIRED = "undoing", "undone", "expired"
OPEN = (UPLOADED, CHECKING, CHECKED, RUNNING, PAUSED)  # their files are needed
BUSY = (CHECKING, RUNNING, UNDOING)  # somebody works on them
ENDED = (DONE, CANCELLED, FAILED, UNDONE, EXPIRED)

LOOKS_MAX = 2  # files that are looked at at once, each by a process of its own
OPEN_MAX = 50  # of a workspace
NAME_MAX = 200  # characters of the name of a file
ERRORS_PAGE = 1_000
UNDO_WITHIN_S = 30 * 86_400.0  # then it is forgotten whom an import brought, and which rows were in error
EXPIRES_AFTER_S = 86_400.0  # a file that nobody has started to import
ERROR_COLUMNS = ("row", "column", "value", "problem", "remedy")
OURS = "angarium_"


# Whoever needs the list of an import, in a workspace, by their ids as they are shown.
Needing = Callable[[Transaction, int, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True)
class Imports:
    """What imports need: the ground, the folder of their files, and who needs the list that one has kept."""

    ground: Ground
    shelf: Shelf
    needing: Needing
    looks: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, LOOKS_MAX))


async def bring(
    imports: Imports, workspace_id: int, actor: str, name: str, pieces: AsyncIterator[bytes], country: str
) -> Import:
    """Keep a file and look at it; a Problem when it is too large, or no table. Its row is not written yet."""
    ground = imports.ground
    if await ground.db.read(store.jobs.count, workspace_id, OPEN) >= OPEN_MAX:
        detail = f"There are {OPEN_MAX} that have not ended. Start them, or delete them."
        raise Problem("too-many-imports", "Too many files wait to be imported", status=409, detail=detail)
    import_id, now = ground.ids.mint(), ground.clock.now()
    try:
        size, digest = await imports.shelf.keep(import_id, pieces)
        seen = await _seen(imports, workspace_id, import_id, Mapping(country=country))
    except BaseException:
        imports.shelf.remove(import_id)
        raise
    return Import(
        id=import_id,
        state=UPLOADED,
        name=name[:NAME_MAX],
        size_bytes=size,
        sha256=digest,
        seen=seen,
        mapping=seen.guess,
        actor=actor,
        rows_total=seen.rows_estimated,
        created_at=now,
        updated_at=now,
    )


async def _seen(imports: Imports, workspace_id: int, import_id: int, said: Mapping) -> Seen:
    defined = await imports.ground.db.read(fields.definitions, workspace_id)
    try:
        async with imports.looks:
            seen = await looked_at(Job(path=str(imports.shelf.path(import_id)), mapping=said))
        return msgspec.structs.replace(seen, guess=mappings.as_defined(seen.guess, defined))
    except Unreadable as unreadable:
        raise invalid("file", unreadable.problem, remedy=unreadable.remedy) from None


async def get(imports: Imports, workspace_id: int, import_id: int) -> Import:
    """One import; a Problem when there is none."""
    found = await imports.ground.db.read(store.jobs.get, workspace_id, import_id)
    if found is None:
        raise missing(import_id)
    return found


def missing(import_id: int) -> Problem:
    """There is no such import."""
    return not_found("import", ids.show("import", import_id))


async def say(imports: Imports, workspace_id: int, import_id: int, said: Mapping) -> Import:
    """Keep what a person says of the file; a Problem names everything that does not fit it."""
    one = await get(imports, workspace_id, import_id)
    _must_be(one, (UPLOADED, CHECKED), "given another mapping")
    bare = msgspec.structs.replace(said, encoding=said.encoding if said.encoding in ENCODINGS else "")
    seen = await _seen(imports, workspace_id, import_id, bare)
    mapping = (
        said
        if said.columns
        else msgspec.structs.replace(said, columns=seen.guess.columns, plus=said.plus or seen.guess.plus)
    )
    await _check(imports, workspace_id, seen, mapping)
    # What was sniffed at first is what is still not certain: a word of the caller does not make it so.
    seen = msgspec.structs.replace(seen, encodings=one.seen.encodings)
    kept = await imports.ground.db.run(
        store.set_mapping,
        workspace_id,
        import_id,
        mapping,
        seen,
        (UPLOADED, CHECKED),
        UPLOADED,
        imports.ground.clock.now(),
    )
    if not kept:
        raise _elsewhere(one, "given another mapping")
    return await get(imports, workspace_id, import_id)


async def _check(imports: Imports, workspace_id: int, seen: Seen, mapping: Mapping) -> None:
    defined = await imports.ground.db.read(fields.definitions, workspace_id)
    wrong = mappings.check(seen.look, mapping, regions(), defined)
    if wrong:
        raise all_invalid("The mapping does not fit the file", wrong)


# ── what is to be done with it ───────────────────────────────────────────────────────────────────────


async def check(imports: Imports, workspace_id: int, import_id: int) -> Import:
    """Have every row checked, and nothing written."""
    one = await get(imports, workspace_id, import_id)
    await _check(imports, workspace_id, one.seen, one.mapping)
    states = (UPLOADED, CHECKED)
    now = imports.ground.clock.now()
    if not await imports.ground.db.run(store.begin, workspace_id, import_id, states, CHECKING, now):
        raise _elsewhere(one, "checked")
    imports.ground.fabric.wake(TOPIC)
    return await get(imports, workspace_id, import_id)


async def start(imports: Imports, workspace_id: int, actor: str, import_id: int) -> Import:
    """Have the rows written, from the first one, or from where it was paused."""
    one = await get(imports, workspace_id, import_id)
    await _check(imports, workspace_id, one.seen, one.mapping)
    now = imports.ground.clock.now()

    async def work(tx: Transaction) -> bool:
        if one.state == PAUSED:
            moved = await store.resume(tx, workspace_id, import_id, (PAUSED,), RUNNING, now)
        else:
            moved = await store.begin(tx, workspace_id, import_id, (UPLOADED, CHECKED), RUNNING, now)
        if moved:
            await _define(tx, imports.ground, workspace_id, one)
            await _note(tx, workspace_id, actor, "import.started", one, now)
        return moved

    if not await imports.ground.db.run(work):
        raise _elsewhere(one, "started")
    imports.ground.fabric.wake(TOPIC)
    return await get(imports, workspace_id, import_id)


async def _define(tx: Transaction, ground: Ground, workspace_id: int, one: Import) -> None:
    """Define the fields that the mapping asks for."""
    defined = await fields.definitions(tx, workspace_id)
    for column in one.mapping.columns:
        if column.to == "field" and column.define and column.name not in defined:
            label = column.column if isinstance(column.column, str) else ""
            await fields_flows.create(tx, ground, workspace_id, mappings.definition_of(column, label))


async def pause(imports: Imports, workspace_id: int, import_id: int) -> Import:
    """Let the batch that is being written be the last one; a check that is paused is over."""
    one = await get(imports, workspace_id, import_id)
    now = imports.ground.clock.now()
    state = PAUSED if one.state == RUNNING else UPLOADED
    if not await imports.ground.db.run(store.move, workspace_id, import_id, _busy(one), state, now):
        raise _elsewhere(one, "paused")
    return await get(imports, workspace_id, import_id)


def _busy(one: Import) -> tuple[str, ...]:
    return (one.state,) if one.state in (RUNNING, CHECKING) else ()


async def cancel(imports: Imports, workspace_id: int, actor: str, import_id: int) -> Import:
    """Write nothing more, and remove the file. What was written stays, until it is undone."""
    one = await get(imports, workspace_id, import_id)
    now = imports.ground.clock.now()

    async def work(tx: Transaction) -> bool:
        moved = await store.move(tx, workspace_id, import_id, OPEN, CANCELLED, now)
        if moved:
            await _note(tx, workspace_id, actor, "import.cancelled", one, now)
        return moved

    if not await imports.ground.db.run(work):
        raise _elsewhere(one, "cancelled")
    imports.shelf.remove(import_id)
    return await get(imports, workspace_id, import_id)


async def undo(imports: Imports, workspace_id: int, actor: str, import_id: int) -> Import:
    """Delete the contacts that it has brought and that nobody has changed since."""
    one = await get(imports, workspace_id, import_id)
    now = imports.ground.clock.now()
    if now - one.updated_at > micros(UNDO_WITHIN_S):
        raise _elsewhere(one, "undone any more")

    async def work(tx: Transaction) -> bool:
        await _must_not_be_needed(tx, imports, workspace_id, import_id)
        moved = await store.move(tx, workspace_id, import_id, (DONE, CANCELLED, FAILED, PAUSED), UNDOING, now)
        if moved:
            await _note(tx, workspace_id, actor, "import.undone", one, now)
        return moved

    if not await imports.ground.db.run(work):
        raise _elsewhere(one, "undone")
    imports.shelf.remove(import_id)
    imports.ground.fabric.wake(TOPIC)
    return await get(imports, workspace_id, import_id)


async def delete(imports: Imports, workspace_id: int, import_id: int) -> None:
    """Forget an import, its file, its list and its rows in error. Its contacts stay."""
    one = await get(imports, workspace_id, import_id)
    _must_be(one, (UPLOADED, CHECKED, *ENDED), "deleted")

    async def work(tx: Transaction) -> None:
        await _must_not_be_needed(tx, imports, workspace_id, import_id)
        await lists.forget(tx, workspace_id, import_id)
        await store.remove(tx, workspace_id, import_id)

    await imports.ground.db.run(work)
    imports.shelf.remove(import_id)


async def _must_not_be_needed(tx: Transaction, imports: Imports, workspace_id: int, import_id: int) -> None:
    """A Problem names who needs the list of an import; its row is held, so that nobody comes to need it."""
    await lists.hold(tx, workspace_id, import_id)
    users = await imports.needing(tx, workspace_id, import_id)
    if users:
        detail = f"Its list is that of {shown(', '.join(users))}. Change, stop or delete that first."
        raise Problem("in-use", "A campaign needs the list of the import", status=409, detail=detail)


async def _note(tx: Transaction, workspace_id: int, actor: str, action: str, one: Import, now: int) -> None:
    details = {"name": one.name, "sha256": one.sha256, "size_bytes": one.size_bytes}
    await audit.note(tx, workspace_id, actor, action, ids.show("import", one.id), details, now)


def _must_be(one: Import, states: tuple[str, ...], what: str) -> None:
    if one.state not in states:
        raise _elsewhere(one, what)


def _elsewhere(one: Import, what: str) -> Problem:
    return Problem(
        "import-state",
        "The import is in another state",
        status=409,
        detail=f"It is {one.state}, and cannot be {what}.",
    )


# ── rows in error ────────────────────────────────────────────────────────────────────────────────────


async def errors(imports: Imports, workspace_id: int, import_id: int) -> AsyncIterator[str]:
    """A CSV file of the rows that were not taken, with what is wrong with each: mend it and import it."""
    one = await get(imports, workspace_id, import_id)
    return _error_file(imports, workspace_id, one)


async def _error_file(imports: Imports, workspace_id: int, one: Import) -> AsyncIterator[str]:
    heads = list(one.seen.look.heads)
    named = [head or f"column {at}" for at, head in enumerate(heads, start=1)]
    yield "\ufeff" + _csv([[*named, *(OURS + column for column in ERROR_COLUMNS)]])
    after = 0
    while True:
        found = await imports.ground.db.read(store.errors, workspace_id, one.id, after, ERRORS_PAGE)
        if not found:
            return
        yield _csv([_error_row(error, len(heads)) for error in found])
        after = found[-1].row


def _error_row(error: store.Error, width: int) -> list[str]:
    cells = error.raw.split(BETWEEN)
    if len(cells) > width:  # what was too much goes into the last column, where it can be seen
        cells = [*cells[: width - 1], ", ".join(cells[width - 1 :])]
    cells += [""] * (width - len(cells))
    said = [" | ".join(getattr(problem, name) for problem in error.problems) for name in ERROR_COLUMNS[1:]]
    return [*cells, str(error.row), *said]


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
