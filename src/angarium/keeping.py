"""What `backup`, `restore`, `held` and `move` do: copies of the database, what a restored one holds back, and
another database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from angarium.accounts import factors
from angarium.accounts import store as accounts
from angarium.accounts.notary import seal_cell
from angarium.accounts.sso import secret_cell
from angarium.accounts.store.audit import audit_seal
from angarium.accounts.store.providers import identity_provider
from angarium.assembly import MEDIA, House, assemble, begin_on, files_folder, make_vault, prepare
from angarium.campaigns import watching
from angarium.config import Settings
from angarium.core.clock import SystemClock
from angarium.core.problems import Problem
from angarium.doors.smpp import resealing as smpp_door
from angarium.doors.twilio import resealing as twilio_door
from angarium.lines import flows as lines
from angarium.lines import store as line_store
from angarium.lines.registration_papers import document_cell
from angarium.lines.store.registrations import registration_document
from angarium.messaging import held
from angarium.messaging import resealing as messages
from angarium.messaging.store import held as store
from angarium.messaging.world import World
from angarium.servers import store as server_store
from angarium.storage import backup, facts, idempotency, instance, mirror, moving, opening
from angarium.storage.backup import Backup
from angarium.storage.database import Transaction, open_database
from angarium.storage.migrate import has_table, migrate
from angarium.storage.opening import Mark
from angarium.storage.reseal import Cells
from angarium.storage.vault import add_key, keys_of, only_newest_key, prepare_key

T = TypeVar("T")


class Restored(msgspec.Struct, frozen=True):
    """What came of a restore."""

    at: int  # the instant that the database shows
    held: int
    campaigns: int = 0  # that are paused
    aside: tuple[Path, ...] = ()  # what stood there before
    misfit: str = ""  # why the key file is not the one of this database


async def back_up(settings: Settings, target: Path, keep: int, *, folder: bool = False) -> Backup:
    """Write a backup and look at it; remember where it is; let the oldest of a folder go."""
    clock, path = SystemClock(), opening.sqlite_path(settings.database)
    await opening.check_ours(settings.database, settings.key_file)
    if folder:  # else the first night would make a file of this name, and every other night fail on it
        backup.make_folder(target)
    if path is not None:
        file = backup.destination(target, ".db", clock.now())
        made = await backup.copy_sqlite(path, file, clock)
    else:
        file = backup.destination(target, ".dump", clock.now())
        made = await _dump(settings.database, file, clock.now())
    opening.write_mark(
        opening.mark_file(settings.key_file), Mark(made.instance, str(made.file.resolve()), made.at)
    )
    if keep:
        backup.let_go(target, keep)
    return msgspec.structs.replace(made, files=await asyncio.to_thread(_copy_files, settings, made, keep))


def _copy_files(settings: Settings, made: Backup, keep: int) -> int:
    """Copy the files that the database names, after it: then there may be more of them, and not fewer."""
    place = mirror.beside(made.file)
    count = mirror.copy(files_folder(settings) / MEDIA, place, made.at)
    oldest = backup.oldest(made.file.parent) if keep else None
    if oldest is not None:
        mirror.let_go(place, oldest)
    return count


async def _dump(url: str, file: Path, now: int) -> Backup:
    found = await _in(url, _touched, now)
    await backup.dump_postgres(url, file)
    return Backup(file, found.id, now, None, backup.size_of(file))


async def _touched(tx: Transaction, now: int) -> instance.Instance:
    await instance.touch(tx, now)
    found = await instance.known(tx)
    if found is None:
        raise Problem("backup", "The backup cannot be used", detail="No server has run on this database yet.")
    return found


async def put_back(settings: Settings, file: Path, *, replace: bool) -> Restored:
    """Make a backup the database. Nothing that it shows as under way goes out before a person says so."""
    with opening.held(settings.database, settings.key_file, alone=True):
        restored = await _put_back(settings, file, replace=replace)
        await asyncio.to_thread(mirror.put_back, mirror.beside(file), files_folder(settings) / MEDIA)
        return restored


async def _put_back(settings: Settings, file: Path, *, replace: bool) -> Restored:
    path = opening.sqlite_path(settings.database)
    if path is not None:
        return await _put_back_file(settings, file, path, replace=replace)
    if await _in(settings.database, has_table, "alembic_version"):
        detail = "The database is not empty. Make an empty one, and name it in the setting `database`."
        raise Problem("backup", "The backup cannot be used", detail=detail)
    await backup.put_back_postgres(settings.database, file)
    return await _hold(settings, settings.database)


async def _put_back_file(settings: Settings, file: Path, path: Path, *, replace: bool) -> Restored:
    found = await asyncio.to_thread(backup.look_at, file)
    mark = opening.read_mark(opening.mark_file(settings.key_file))
    if mark is not None and mark.instance != found.instance:
        told = f"{file} is a backup of {found.instance}; expected is {mark.instance}."
        remedy = f"If it is the right one, delete {opening.mark_file(settings.key_file)}."
        raise opening.not_ours(told, remedy, mark)
    if backup.size_of(path) and not replace:
        detail = f"There is a database at {path}. With --replace it is put aside, and kept."
        raise Problem("backup", "The backup cannot be used", detail=detail)
    draft = await asyncio.to_thread(backup.draft_of, file, path)
    restored = await _hold(settings, f"sqlite:///{draft}")  # before anybody can begin on it
    aside = await asyncio.to_thread(backup.take_place, draft, path, SystemClock().now())
    return msgspec.structs.replace(restored, aside=tuple(aside))


async def hold_in_place(settings: Settings) -> Restored:
    """Hold what is in a database that was put back by other means: a snapshot, pg_restore by hand."""
    with opening.held(settings.database, settings.key_file, alone=True):
        return await _hold(settings, settings.database)


async def _hold(settings: Settings, url: str) -> Restored:
    await migrate(url)
    done: Restored = await _in(url, _hold_all, SystemClock().now())
    return msgspec.structs.replace(done, misfit=_misfit(settings, await _in(url, instance.known)))


def _misfit(settings: Settings, found: instance.Instance | None) -> str:
    """Why the key file does not belong to a database; empty where it does, or nothing is sealed yet."""
    if found is None or found.seal is None:
        return ""
    if not Path(settings.key_file).exists():
        return f"there is no key file {settings.key_file}. Put back the one that belongs to this database."
    try:
        opening.opened(make_vault(settings), found)
    except Problem as problem:
        return problem.detail
    return ""


async def _hold_all(tx: Transaction, now: int) -> Restored:
    at = await instance.restored(tx, now)
    workspaces = await accounts.workspaces(tx)
    await facts.renumber_after_restore(tx)  # before the first is appended
    count = sum([await store.hold(tx, workspace.id) for workspace in workspaces])
    return Restored(at, count, sum([await watching.pause_restored(tx, one.id, now) for one in workspaces]))


async def _in(url: str, work: Callable[..., Awaitable[T]], *args: object) -> T:
    database = open_database(url)
    await database.start()
    try:
        return await database.run(work, *args)
    finally:
        await database.stop()


# ── another database ─────────────────────────────────────────────────────────────────────────────────


class Moved(msgspec.Struct, frozen=True):
    """How many rows have gone, and where the file lies now."""

    rows: int
    aside: tuple[Path, ...]


async def move(settings: Settings, url: str, tell: moving.Tell) -> Moved:
    """Copy everything from SQLite to PostgreSQL; the file is put aside, so that nobody begins on it again."""
    path = opening.sqlite_path(settings.database)
    if path is None or not url.startswith(("postgresql:", "postgres:")):
        detail = "It goes from SQLite, which the setting `database` names, to postgresql://user@host/name."
        raise Problem("move", "It cannot be moved there", detail=detail)
    with opening.held(settings.database, settings.key_file, alone=True):
        await begin_on(settings, look=True)
        await migrate(url)
        target = open_database(url)
        await target.start()
        try:
            rows = await moving.move(path, target, tell)
        finally:
            await target.stop()
        return Moved(rows, tuple(await asyncio.to_thread(backup.put_aside, path, SystemClock().now())))


# ── what is free in a file ───────────────────────────────────────────────────────────────────────────

OF_POSTGRES = "VACUUM FULL message, attempt, part, fact"


async def shrink(settings: Settings) -> tuple[int, int]:
    """Write the file of SQLite anew, without the room that has become free; its octets before and after."""
    path = opening.sqlite_path(settings.database)
    if path is None:
        detail = f"That is for SQLite. In PostgreSQL, at a quiet hour, for it locks: {OF_POSTGRES}"
        raise Problem("shrink", backup.NOT_ANEW, detail=detail)
    with opening.held(settings.database, settings.key_file, alone=True):
        await opening.check_ours(settings.database, settings.key_file)
        if not path.exists():
            raise Problem("shrink", backup.NOT_ANEW, detail=f"There is no file {path}.")
        return await asyncio.to_thread(backup.write_anew, path)


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────

DOCUMENTS_AT_ONCE = 4  # each may have some megabytes
CELLS = (
    *messages.CELLS,
    *smpp_door.CELLS,
    *twilio_door.CELLS,
    Cells(registration_document, "id", "body", document_cell, DOCUMENTS_AT_ONCE),
    Cells(audit_seal, "number", "seal", seal_cell),
    Cells(identity_provider, "id", "client_secret", secret_cell),
    Cells(idempotency.idempotency, "key", "response", idempotency.answer_cell),
)


async def rotate(settings: Settings) -> int:
    """Put a new key in front, and seal everything with it; how much was sealed. It may run beside a server.

    A run that was cut off is gone on with: no other key is made while anything is sealed with an older one.
    Where several servers run, the key must have been prepared: what is sealed with one that they have not got
    would be shut to them, and they would send nothing.
    """
    async with _house(settings) as house:
        vault = house.ground.vault
        if not await _is_stale(house):
            if not keys_of(Path(settings.key_file)).prepared:
                await _require_alone(house)
            add_key(Path(settings.key_file), house.ground.chance)
            vault.look_again()
        total = 0
        while count := await _seal_anew(house):
            total += count
        return total


async def prepare_a_key(settings: Settings) -> None:
    """Have a key in the file that opens, so that it can be copied to every server before it seals."""
    async with _house(settings) as house:
        prepare_key(Path(settings.key_file), house.ground.chance)


async def _require_alone(house: House) -> None:
    servers, now = await house.ground.db.read(server_store.every, house.ground.clock.now())
    there = sorted({one.name for one in servers if one.is_there(now)})
    if len(there) > 1:
        detail = (
            f"{', '.join(there)} run, and each has a key file of its own. "
            "Run: angarium keys rotate --prepare; copy the key file to all of them; then run this again."
        )
        raise Problem("key-not-prepared", "The other servers do not have the new key", detail=detail)


class Retired(msgspec.Struct, frozen=True):
    """How many keys went, and whether the database was written anew, without what they had sealed."""

    keys: int
    wiped: bool


async def retire(settings: Settings) -> Retired:
    """Take all keys but the newest out of the file; a Problem while any of them is needed."""
    async with _house(settings) as house:
        if await _is_stale(house):
            detail = "Something is sealed with an older key. Run first: angarium keys rotate"
            raise Problem("key-needed", "The older keys are still needed", detail=detail)
    path = opening.sqlite_path(settings.database)
    with opening.nobody_else(settings.database, settings.key_file) as alone:
        if path is not None and alone:
            await asyncio.to_thread(backup.write_anew, path)
        return Retired(only_newest_key(Path(settings.key_file)), alone or path is None)


async def _is_stale(house: House) -> bool:
    ground = house.ground
    for workspace in await ground.db.read(accounts.workspaces):
        for cells in CELLS:
            if await ground.db.run(cells.stale, ground.vault, workspace.id, 1):
                return True
        for line in await ground.db.read(line_store.all_of, workspace.id):
            if not lines.is_newest(ground.vault, line):
                return True
    if await ground.db.run(factors.stale, ground.vault):
        return True
    found = await ground.db.read(instance.known)
    return found is not None and found.seal is not None and not ground.vault.is_newest(found.seal)


async def _seal_anew(house: House) -> int:
    ground, total = house.ground, 0
    for workspace in await ground.db.read(accounts.workspaces):
        total += await ground.db.run(lines.seal_anew, ground.vault, workspace.id)
        for cells in CELLS:
            total += await ground.db.run(cells.seal_anew, ground.vault, workspace.id)
    total += await ground.db.run(factors.seal_anew, ground.vault)
    return total + await ground.db.run(instance.seal_anew, ground.vault)


# ── what is held ─────────────────────────────────────────────────────────────────────────────────────


class Share(msgspec.Struct, frozen=True):
    """What is held in one workspace, of one class and state."""

    workspace: str
    what: store.Share


async def shares(settings: Settings) -> list[Share]:
    """Everything that is held."""

    async def look(world: World, workspace: accounts.Workspace) -> list[Share]:
        found = await world.ground.db.read(store.summary, workspace.id)
        return [Share(workspace.name, one) for one in found]

    return [share for found in await _everywhere(settings, "", look) for share in found]


async def decide(settings: Settings, workspace: str, *, release: bool, from_: int, until: int) -> int:
    """Release or cancel what is held and was accepted in this time; how many."""
    act = held.release if release else held.give_up

    async def each(world: World, one: accounts.Workspace) -> int:
        return await act(world, one.id, from_, until)

    return sum(await _everywhere(settings, workspace, each))


async def _everywhere(
    settings: Settings, only: str, work: Callable[[World, accounts.Workspace], Awaitable[T]]
) -> list[T]:
    async with _house(settings) as house:
        known = await house.ground.db.read(accounts.workspaces)
        await house.world.lines.reload([workspace.id for workspace in known])
        return [await work(house.world, one) for one in known if only in ("", one.name)]


@asynccontextmanager
async def _house(settings: Settings) -> AsyncIterator[House]:
    """Everything but the network, on a database that is ours."""
    await prepare(settings)
    house = assemble(settings)
    await house.ground.db.start()
    try:
        yield house
    finally:
        await house.ground.db.stop()
