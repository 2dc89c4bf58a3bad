"""What must be true of a database before a server begins on it: it is the one that belongs here, and whole.

Rules of the file:

1. Beside the key file stands a *mark*: the id of the database that belongs here. A database that is missing,
   empty or another one is refused; only where there is no mark is a new one made.
2. After an unclean end SQLite drops everything behind the first frame of its log that does not fit, and says
   nothing (sqlite.org/walformat.html §4.4). What the index beside the log knew to be committed must still be
   there. The index is written after the sync of the log, so it never knows of more than was kept.
3. The log is then moved into the file and synced, before anything is added to it: where an earlier sync had
   failed, its frames may stand in the kernel's memory only.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from stat import S_IMODE

import apsw
import msgspec
import structlog

from angarium.core.clock import Chance, Clock, iso
from angarium.core.problems import Problem
from angarium.storage import instance
from angarium.storage.database import Transaction, open_database
from angarium.storage.migrate import has_table
from angarium.storage.sqlite import connect
from angarium.storage.sqlite_trouble import translated
from angarium.storage.vault import NotOpened, Vault

log = structlog.get_logger()

LOOK_S = 10.0  # how long a start may look through a file; `angarium doctor` looks through all of it
LOOK_STEPS = 100_000  # of SQLite's machine between two looks at the clock
HASH_PURPOSE = "instance"
INDEX_VERSION = 3_007_000
INDEX_HEADER = 48  # bytes, twice, then how far the log has been moved into the file (walformat.html §2.1)
LOG_HEADER, FRAME_HEADER = 32, 24
ALL_OTHERS, STRANGERS = 0o077, 0o007  # of a mode: all but the owner; who is not of the group either


class Exposed(msgspec.Struct, frozen=True):
    """A key that others can read: the mode of its file, and what to do."""

    mode: str
    remedy: str


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known here of the database that belongs here."""

    instance: str
    backup: str = ""  # the newest, as far as this place knows
    backup_at: int = 0


def mark_file(key_file: str) -> Path:
    """Where the mark stands."""
    return Path(key_file).with_suffix(".instance")


def read_mark(file: Path) -> Mark | None:
    """The mark; None where there is none yet."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Mark)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        raise not_ours(
            f"The mark {file} cannot be read.", f"Delete {file} if the database is the right one.", None
        ) from None


def write_mark(file: Path, mark: Mark) -> None:
    """Put the mark in its place, whole."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(mark) + b"\n")
    draft.replace(file)


@contextmanager
def held(url: str, key_file: str, *, alone: bool) -> Iterator[None]:
    """Keep others off for a while: one server on a SQLite file, none while a backup is put back.

    Servers on PostgreSQL share the place and are not `alone`. Problem when somebody else is here.
    """
    with _locked(url, key_file, alone=alone) as taken:
        if taken is not None:
            detail = f"Another server runs on this place: it holds {taken}. Stop it first."
            raise Problem("start", "Somebody else is here", detail=detail)
        yield


@contextmanager
def nobody_else(url: str, key_file: str) -> Iterator[bool]:
    """Whether no server runs here; while that is so none begins."""
    with _locked(url, key_file, alone=True) as taken:
        yield taken is None


@contextmanager
def _locked(url: str, key_file: str, *, alone: bool) -> Iterator[Path | None]:
    """Take all locks of a place; the one that somebody else holds, or None when all are ours."""
    with ExitStack() as kept:
        for path in _lock_files(url, key_file):
            try:
                file = kept.enter_context(path.open("a"))
            except OSError as error:
                raise _unusable(f"{path}: {error.strerror}.") from error
            try:
                fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                yield path
                return
        yield None


def _lock_files(url: str, key_file: str) -> list[Path]:
    """One beside the key, and one beside the file of a database: a copy of the key in another folder, for the
    same file, is no other place. The file itself is never opened here: to close it again would let go of the
    locks that SQLite has on it (sqlite.org/howtocorrupt.html §2.2)."""
    found, path = [Path(key_file).with_suffix(".lock")], sqlite_path(url)
    if path is not None and path.parent.is_dir():  # else there is nothing to keep others off
        whole = path.resolve()
        found.append(whole.with_name(f"{whole.name}.lock"))
    return found if len(found) == 1 or found[0].resolve() != found[1] else found[:1]


# ── is it ours ───────────────────────────────────────────────────────────────────────────────────────


def check_there(url: str, key_file: str) -> None:
    """A Problem when a file is missing or empty that is expected, or has no folder to be made in. To be asked
    before anything opens it."""
    mark, path = read_mark(mark_file(key_file)), sqlite_path(url)
    if path is None:
        return
    if mark is not None and (not path.exists() or path.stat().st_size == 0):
        remedy = f"If a new one is wanted, delete {mark_file(key_file)}."
        raise not_ours(f"There is no database at {path}, and one is expected.", remedy, mark)
    if not path.parent.is_dir():
        detail = f"There is no folder {path.parent} for {path}. Make it, or mend the setting `database`."
        raise Problem("start", "The database has no folder", detail=detail)
    for place in (path.parent, path):  # a log is made beside it
        if place.exists() and not os.access(place, os.R_OK | os.W_OK):
            raise _unusable(f"{place} cannot be read and written.")


async def check_ours(url: str, key_file: str) -> None:
    """A Problem unless the database is the one that belongs here, or nothing says which one does."""
    mark = read_mark(mark_file(key_file))
    if mark is None:
        return
    remedy = f"If a new one is wanted, delete {mark_file(key_file)}."
    found = await _instance_of(url, mark)
    if found is None:
        raise not_ours("The database is empty, and one that was used before is expected.", remedy, mark)
    if found.id != mark.instance:
        told = f"The database is {found.id}, made {iso(found.created_at)}; expected is {mark.instance}."
        raise not_ours(told, f"If it is the right one, delete {mark_file(key_file)}.", mark)


def check_key(key_file: str) -> None:
    """A Problem when the key is gone: a new one would open nothing of what was sealed."""
    if read_mark(mark_file(key_file)) is not None and not Path(key_file).exists():
        detail = f"There is no key file {key_file}, and one was used before: put back the copy that you kept."
        raise Problem("key-missing", "The key that seals secrets is missing", detail=detail)


def exposed(key_file: str) -> Exposed | None:
    """Where others than the server can read the key. A file of somebody else that is read by way of its
    group, as a Secret of Kubernetes is, is as private as it can be."""
    try:
        found = Path(key_file).stat()
    except OSError:
        return None  # that it cannot be used is told by whoever opens it
    by_group = os.geteuid() not in (0, found.st_uid) and found.st_gid in (os.getegid(), *os.getgroups())
    if not found.st_mode & (STRANGERS if by_group else ALL_OTHERS):
        return None
    remedy = f"Run: chmod {'o=' if by_group else '600'} {key_file}"
    return Exposed(f"{S_IMODE(found.st_mode):04o}", remedy)


async def remember(url: str, key_file: str, vault: Vault, chance: Chance, now: int) -> None:
    """Give a new database its id and its seal, and mark it as the one that belongs here.

    A Problem when the seal does not open, or the vault hashes as another one: the key file is not the one.
    """
    database = open_database(url)
    await database.start()
    try:
        found = await database.run(_introduce, vault, chance, now)
    finally:
        await database.stop()
    file = mark_file(key_file)
    if read_mark(file) is None:
        try:
            write_mark(file, Mark(found.id))
        except OSError as error:
            log.warning("the database that belongs here could not be marked", file=str(file), why=str(error))


async def _introduce(tx: Transaction, vault: Vault, chance: Chance, now: int) -> instance.Instance:
    found = await instance.introduce(tx, chance, now)
    if not opened(vault, found):  # a new one; or from before, when nothing was kept under the seal
        await instance.keep_seal(tx, vault.seal(_proof(vault, found), found.cell))
    return found


def opened(vault: Vault, found: instance.Instance) -> bytes:
    """What is under the seal of a database; empty where nothing is yet.

    A Problem unless the key file is the one that belongs to it: it must open the seal, and hash as it did.
    """
    if found.seal is None:
        return b""
    remedy = "Put back the key file that belongs to this database"
    try:
        sealed = vault.open(found.seal, found.cell)
    except NotOpened as error:
        title = "The key does not open this database's secrets"
        raise Problem("key-missing", title, detail=f"{error}. {remedy}.") from None
    if sealed and sealed != _proof(vault, found):
        title = "The key file has another secret of hashes"
        lost = "With it nobody on the suppression list is found, and no link that was sent opens."
        raise Problem("key-missing", title, detail=f"{lost} {remedy}, with its line `hashing:`.")
    return sealed


def _proof(vault: Vault, found: instance.Instance) -> bytes:
    return vault.keyed_hash(found.cell.encode(), HASH_PURPOSE)


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite database; None for one that has none."""
    path = url.removeprefix("sqlite://").removeprefix("/") if url.startswith("sqlite:") else ""
    return Path(path) if path else None


async def _instance_of(url: str, mark: Mark | None) -> instance.Instance | None:
    database = open_database(url)
    try:
        await database.start()
        return await database.read(_known)
    except Problem as problem:
        if isinstance(problem.__cause__, apsw.NotADBError | apsw.CorruptError):
            raise damaged(sqlite_path(url), [str(problem.__cause__)], mark) from problem
        raise
    finally:
        await database.stop()


async def was_begun_on(url: str) -> bool:
    """Whether a server has begun on a database before: then a key belongs to it."""
    return await _instance_of(url, None) is not None


async def _known(tx: Transaction) -> instance.Instance | None:
    return await instance.known(tx) if await has_table(tx, "instance") else None


# ── is it whole ──────────────────────────────────────────────────────────────────────────────────────


async def check_whole(url: str, key_file: str, clock: Clock) -> None:
    """A Problem when a SQLite file has lost what was committed to it, or does not hang together."""
    path = sqlite_path(url)
    if path is not None and path.exists():
        mark = read_mark(mark_file(key_file))
        flaws = await asyncio.to_thread(flaws_of, path, clock, LOOK_S)
        if flaws:
            raise damaged(path, flaws, mark)


def flaws_of(path: Path, clock: Clock, look_s: float) -> list[str]:
    """What is wrong with a file that nobody has open, and its log; looks no longer than `look_s`."""
    known = frames_known(path)
    try:
        connection = connect(str(path))
    except (apsw.NotADBError, apsw.CorruptError) as error:
        return [str(error)]
    except apsw.Error as error:  # such as a disk that is full: that is no damage
        raise translated(error) from error
    try:
        found, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        if found < known:
            return [
                f"its log {path.name}-wal has {max(found, 0)} of the {known} pages that were written to it"
            ]
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return _quick_check(connection, clock, look_s)
    except (apsw.NotADBError, apsw.CorruptError) as error:
        return [str(error)]
    except apsw.Error as error:
        raise translated(error) from error
    finally:
        connection.close()


def look_through(path: Path) -> list[str]:
    """What is wrong with a file that a server may have open, however long it takes."""
    try:
        connection = connect(str(path), read_only=True)
    except (apsw.NotADBError, apsw.CorruptError) as error:
        return [str(error)]
    try:
        said = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
    finally:
        connection.close()
    return [] if said == ["ok"] else said


def frames_known(path: Path) -> int:
    """How many frames of the log the index knows to be committed; 0 when it knows none, or all were moved.

    To be asked before the file is opened, for that makes the index anew from what is left of the log.
    """
    try:
        index = path.with_name(f"{path.name}-shm").read_bytes()[: 2 * INDEX_HEADER + 4]
        with path.with_name(f"{path.name}-wal").open("rb") as file:
            salt = file.read(LOG_HEADER)[16:24]
    except FileNotFoundError:
        return 0
    if len(index) < 2 * INDEX_HEADER + 4 or index[:INDEX_HEADER] != index[INDEX_HEADER : 2 * INDEX_HEADER]:
        return 0
    words = struct.unpack("=12I", index[:INDEX_HEADER])
    (moved,) = struct.unpack("=I", index[2 * INDEX_HEADER :])
    sound = words[0] == INDEX_VERSION and _sum(words[:10]) == words[10:] and index[32:40] == salt
    return words[4] if sound and words[4] != moved else 0


def _sum(words: tuple[int, ...]) -> tuple[int, int]:
    """The checksum of the index (walformat.html §4.2)."""
    one = two = 0
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _quick_check(connection: apsw.Connection, clock: Clock, look_s: float) -> list[str]:
    until = clock.monotonic() + look_s
    connection.set_progress_handler(lambda: clock.monotonic() > until, LOOK_STEPS)
    try:
        said = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
    except apsw.InterruptError:
        log.info("the database was not looked through to its end", seconds=look_s, whole="angarium doctor")
        return []
    finally:
        connection.set_progress_handler(None, 0)
    return [] if said == ["ok"] else said


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────


def _unusable(told: str) -> Problem:
    """Who runs it may not use the files of the place."""
    remedy = "Run it as the user whose files these are, or give them to this one; and look at the disk."
    return Problem("start", "The files of this place cannot be used", detail=f"{told} {remedy}")


def damaged(path: Path | None, flaws: list[str], mark: Mark | None) -> Problem:
    """The file is not as it was written."""
    detail = f"{path}: {'; '.join(flaws)}. {_newest(mark)} Keep the damaged files: put them aside, not away."
    return Problem("database-damaged", "The database is damaged", detail=detail)


def not_ours(told: str, remedy: str, mark: Mark | None) -> Problem:
    """The database is not the one that belongs here."""
    detail = f"{told} Look at the setting `database` and at the disk. {_newest(mark)} {remedy}"
    return Problem("database-not-ours", "This is not the database that belongs here", detail=detail)


def _newest(mark: Mark | None) -> str:
    if mark is None or not mark.backup:
        return "No backup is known here."
    gone = "" if Path(mark.backup).exists() else " (which is not there now)"
    return f"The newest backup is {mark.backup}{gone} of {iso(mark.backup_at)}: angarium restore."
