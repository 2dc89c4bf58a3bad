"""A folder of files that are too large for rows: those to be imported, those exported, and media.

They are readable by the server alone, and removed as soon as nobody needs them any more. Machines that share
a database share this folder too.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Collection
from pathlib import Path

from angarium.core.problems import Problem, file_too_large
from angarium.storage.database import Trouble, unavailable

BLOCK_BYTES = 1 << 20
UNFINISHED = ".part"


class Shelf:
    """A folder of files, each named by the id of what it belongs to."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes

    def path(self, owner_id: int) -> Path:
        """Where the file of an import, an export or media lies."""
        return self.folder / f"{owner_id:016x}"

    def has(self, owner_id: int) -> bool:
        """Whether it is there, whole."""
        return self.path(owner_id).exists()

    def head(self, owner_id: int, size_bytes: int) -> bytes:
        """How it begins."""
        with self.path(owner_id).open("rb") as file:
            return file.read(size_bytes)

    async def keep(self, owner_id: int, pieces: AsyncIterator[bytes]) -> tuple[int, str]:
        """Write a file as it comes; returns its size in bytes and its SHA-256 once it is surely on the disk.

        Problem `body-too-large` above the limit; what was written is then gone again.
        """
        self._open()
        part = self.path(owner_id).with_suffix(UNFINISHED)
        try:
            size, digest = await self._written(part, pieces)
            await asyncio.to_thread(part.rename, self.path(owner_id))
            await asyncio.to_thread(_sync_folder, self.folder)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise unavailable(Trouble.FULL if full else Trouble.ERROR, str(error.strerror)) from error
        finally:
            part.unlink(missing_ok=True)
        if not size:
            self.remove(owner_id)
            raise Problem("invalid", "The file is empty")
        return size, digest

    async def _written(self, part: Path, pieces: AsyncIterator[bytes]) -> tuple[int, str]:
        size, digest, waiting = 0, hashlib.sha256(), bytearray()
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:

            def flush(block: bytes) -> None:
                digest.update(block)
                file.write(block)

            async for piece in pieces:
                size += len(piece)
                if size > self.most_bytes:
                    raise file_too_large(self.most_bytes)
                waiting += piece
                if len(waiting) >= BLOCK_BYTES:
                    await asyncio.to_thread(flush, bytes(waiting))
                    waiting.clear()
            await asyncio.to_thread(flush, bytes(waiting))
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        return size, digest.hexdigest()

    def begin(self, owner_id: int) -> Path:
        """Where a file that is still being written lies."""
        self._open()
        part = self.path(owner_id).with_suffix(UNFINISHED)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600))
        return part

    def finish(self, owner_id: int) -> None:
        """The file is whole: it is surely on the disk, and has its name."""
        part = self.path(owner_id).with_suffix(UNFINISHED)
        descriptor = os.open(part, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.rename(self.path(owner_id))
        _sync_folder(self.folder)

    def remove(self, owner_id: int) -> None:
        """Remove a file; nothing when there is none."""
        self.path(owner_id).unlink(missing_ok=True)
        self.path(owner_id).with_suffix(UNFINISHED).unlink(missing_ok=True)

    def sweep(self, wanted: Collection[int], before: int) -> int:
        """Remove what belongs to nothing that is wanted and was written before an instant; how many files."""
        if not self.folder.exists():
            return 0
        names = {self.path(owner_id).name for owner_id in wanted}
        strange = [path for path in self.folder.iterdir() if path.name not in names]
        gone = [path for path in strange if path.stat().st_mtime_ns < before * 1_000]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def _open(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    """Else the file may be there and its name not, after a loss of power (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
