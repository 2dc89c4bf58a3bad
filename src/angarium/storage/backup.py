"""A copy of the database that was looked at after it was written, and its way back.

Rules of the file:

1. A backup appears under its name only when it is whole: it is written beside it, looked through, synced and
   renamed.
2. Restoring never writes over anything: what stood there is put aside, and told.
3. What is put back is in the past. It says so itself (`instance.restored_at`), so that whoever begins on it
   knows; what follows from that is decided above this room (`messaging/held.py`).
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import apsw
import msgspec

from angarium.core.clock import Clock, from_datetime, iso
from angarium.core.problems import Problem
from angarium.storage.migrate import Standing, lives_with, revisions
from angarium.storage.postgres import split_url
from angarium.storage.sqlite import connect

NOT_ANEW = "The file cannot be written anew"
NAMED = re.compile(r"angarium-\d{8}T\d{6}Z\.(db|dump)")


class Backup(msgspec.Struct, frozen=True):
    """A backup as it was found to be."""

    file: Path
    instance: str
    at: int  # the instant that it shows
    messages: int | None  # None where it was not looked into
    size_bytes: int
    files: int = 0  # that stand beside words, copied with it


def make_folder(folder: Path) -> None:
    """Make a folder for backups, which nobody else may read, where there is none."""
    if folder.is_dir():
        return
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise _failed(f"{folder} is a file; name a folder.") from None
    except OSError as error:
        raise _failed(f"The folder {folder} cannot be made: {error.strerror}.") from error


def destination(target: Path, suffix: str, now: int) -> Path:
    """The file to write: `target` itself, or in a folder one that is named for the instant."""
    if not target.is_dir():
        return target
    return target / f"angarium-{_stamp(now)}{suffix}"


def _stamp(now: int) -> str:
    """An instant as the name of a file has it: 20261128T013700Z."""
    return re.sub(r"[-:]|\.\d+", "", iso(now))


def size_of(file: Path) -> int:
    """In bytes; 0 when it is not there."""
    return file.stat().st_size if file.exists() else 0


def let_go(folder: Path, keep: int) -> list[Path]:
    """Delete all but the newest `keep` backups of a folder that were named for their instant; which went."""
    if not folder.is_dir():
        return []
    named = sorted(path for path in folder.iterdir() if NAMED.fullmatch(path.name))
    old = named[:-keep]
    for path in old:
        path.unlink()
    return old


def oldest(folder: Path) -> int | None:
    """The instant of the oldest backup of a folder that was named for it; None when there is none."""
    if not folder.is_dir():
        return None
    names = sorted(path.name for path in folder.iterdir() if NAMED.fullmatch(path.name))
    if not names:
        return None
    return from_datetime(datetime.strptime(names[0][9:25], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────────


async def copy_sqlite(source: Path, target: Path, clock: Clock) -> Backup:
    """Copy a file that a server may be writing to, and look at the copy; a Problem when it is not whole."""
    return await asyncio.to_thread(_copy_sqlite, source, target, clock.now())


def _copy_sqlite(source: Path, target: Path, now: int) -> Backup:
    if not source.exists():
        raise _failed(f"There is no database at {source}.")
    if target.exists():
        raise _failed(f"{target} is there already; a backup is never written over.")
    draft = target.with_name(f"{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        _copy_pages(source, draft, now)
        found = look_at(draft)
        _sync(draft)
        draft.rename(target)
        _sync(target.parent)
    except (apsw.Error, OSError) as error:
        raise _failed(f"{target}: {_why(error)}") from error
    finally:
        draft.unlink(missing_ok=True)
    return msgspec.structs.replace(found, file=target)


def _why(error: apsw.Error | OSError) -> str:
    """What went wrong; of a full disk the driver says "not an error"."""
    if isinstance(error, apsw.FullError):
        return "There is no room for it."
    return str(error)


def _copy_pages(source: Path, draft: Path, now: int) -> None:
    reader, copy = connect(str(source), read_only=True), apsw.Connection(str(draft))
    try:
        with copy.backup("main", reader, "main") as pages:
            pages.step(-1)  # in one go: what is committed meanwhile would make it begin again
        copy.execute("UPDATE instance SET copied_at = ?, restored_at = NULL", (now,))
        copy.pragma("journal_mode", "delete")  # one file, complete by itself
    finally:
        copy.close()
        reader.close()


def look_at(file: Path) -> Backup:
    """Look through a whole backup; a Problem says what is wrong with it."""
    if not file.exists():
        raise _failed(f"There is no file {file}.")
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        said = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
        if said != ["ok"]:
            raise _failed(f"{file} is damaged: {'; '.join(said)}.")
        row = connection.execute("SELECT id, copied_at, touched_at FROM instance").fetchone()
        standing = _standing(connection)
        messages = connection.execute("SELECT count(*) FROM message").get
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise _failed(f"{file} is damaged: {error}.") from error
    except apsw.Error as error:
        raise _failed(f"{file} is no backup of a database of Angarium: {error}.") from error
    finally:
        connection.close()
    if row is None or not _is_known(standing):
        told = f"(revision {standing.revision})"
        raise _failed(f"{file} was made by a version that this one does not know {told}.")
    return Backup(file, row[0], row[1] or row[2], messages, file.stat().st_size)


def _standing(connection: apsw.Connection) -> Standing:
    revision = connection.execute("SELECT version_num FROM alembic_version").get
    told = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migration'").get
    least = connection.execute("SELECT max(least) FROM migration").get if told else ""
    return Standing(revision or "", least or "")


def _is_known(found: Standing) -> bool:
    """Whether this version can use such a database: also a newer one, where a server of this version runs on
    it too, as after an upgrade that was taken back."""
    return found.revision in revisions() or lives_with(found)


def draft_of(backup: Path, path: Path) -> Path:
    """A copy of a backup beside the place of the database, to be prepared before it takes that place."""
    draft = path.with_name(f"{path.name}.restoring")
    for suffix in ("", "-wal", "-shm"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(backup, draft)
    return draft


def take_place(draft: Path, path: Path, now: int) -> list[Path]:
    """Make a prepared copy, which nobody has open, the database; what stood there, put aside."""
    _sync(draft)
    aside = put_aside(path, now)
    draft.rename(path)
    _sync(path.parent)
    return aside


def put_aside(path: Path, now: int) -> list[Path]:
    """Move a database and its log out of the way, together: a log beside another file would damage it."""
    moved = []
    stamp = _stamp(now)
    for suffix in ("", "-wal", "-shm"):
        old = path.with_name(path.name + suffix)
        if old.exists():
            new = path.with_name(f"{path.name}.before-{stamp}{suffix}")
            old.rename(new)
            moved.append(new)
    return moved


def write_anew(path: Path) -> tuple[int, int]:
    """Write a file that no server has open anew, without its free room and what was left there; its octets
    before and after. In place, by SQLite itself: to put another file there would lose what a command wrote
    meanwhile, and leave a log beside it that is not its own (sqlite.org/howtocorrupt.html §1.4)."""
    try:
        connection = connect(str(path))
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            before = size_of(path)
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
    except (apsw.Error, OSError) as error:
        raise Problem("shrink", NOT_ANEW, detail=f"{path}: {_why(error)} It is as it was.") from error
    return before, size_of(path)


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────


async def dump_postgres(url: str, target: Path) -> None:
    """Run pg_dump, and look whether its file can be read; a Problem when it is not there or fails."""
    draft = target.with_name(f"{target.name}.part")
    try:
        # The policies on rows bind our role too; to who asks for no workspace they show all.
        await _run("pg_dump", url, "--enable-row-security", "--format=custom", f"--file={draft}")
        listed = await _run("pg_restore", "", "--list", str(draft))
        if "TABLE DATA public message " not in listed:
            raise _failed(f"{target}: what pg_dump wrote has no messages in it.")
        _sync(draft)
        draft.rename(target)
        _sync(target.parent)
    finally:
        draft.unlink(missing_ok=True)


async def put_back_postgres(url: str, dump: Path) -> None:
    """Run pg_restore into an empty database."""
    await _run("pg_restore", url, "--no-owner", "--exit-on-error", "--single-transaction", str(dump))


async def _run(program: str, url: str, *arguments: str) -> str:
    if shutil.which(program) is None:
        remedy = "Install PostgreSQL's client programs, or run it where they are."
        raise _failed(f"{program} is not found. {remedy}")
    dsn, password = _without_password(url)
    place = [f"--dbname={dsn}"] if dsn else []
    process = await asyncio.create_subprocess_exec(
        *(program, *place, *arguments),
        env={**os.environ, **({"PGPASSWORD": password} if password else {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, said = await process.communicate()
    if process.returncode:
        raise _failed(f"{program} ended with status {process.returncode}: {said.decode().strip()}")
    return out.decode()


def _without_password(url: str) -> tuple[str, str]:
    """The URL for a command line, which anybody can read, and the password, which nobody should."""
    if not url:
        return "", ""
    parts = urlsplit(split_url(url)[0])
    user, _, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    netloc = f"{name}@{place}" if user else place
    return urlunsplit(parts._replace(netloc=netloc)), password


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(detail: str) -> Problem:
    return Problem("backup", "The backup cannot be used", detail=detail)
