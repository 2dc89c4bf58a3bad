"""What SQLite's errors say: of the row, of the file, of the disk under it."""

from __future__ import annotations

import asyncio
import errno
import re

import apsw

from angarium.storage.database import FATAL, Conflict, Trouble, unavailable
from angarium.storage.schema import unique_name

UNIQUE_FAILED = re.compile(r"UNIQUE constraint failed: (?:index '(?P<index>.+)'|(?P<columns>.+))")
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SYNC_FAILED = {apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC}
OUT_OF_SERVICE: dict[type[apsw.Error], Trouble] = {
    apsw.FullError: Trouble.FULL,
    apsw.BusyError: Trouble.LOCKED,
    apsw.LockedError: Trouble.LOCKED,
    apsw.CorruptError: Trouble.DAMAGED,
    apsw.NotADBError: Trouble.DAMAGED,
    apsw.IOError: Trouble.ERROR,
    apsw.CantOpenError: Trouble.ERROR,
    apsw.NoMemError: Trouble.ERROR,
    apsw.InterruptError: Trouble.ERROR,
}


def translated(error: BaseException, errno_: int = 0) -> BaseException:
    """The driver's error as the rooms know it; `errno_` is what the system said last."""
    if isinstance(error, apsw.ConstraintError):
        found = UNIQUE_FAILED.search(str(error))
        translation: Exception = Conflict(_constraint(found)) if found else error
    elif isinstance(error, apsw.Error) and (trouble := trouble_of(error, errno_)) is not None:
        translation = unavailable(trouble, f"SQLite: {error}")
    else:
        return error
    translation.__cause__ = error
    return translation


def trouble_of(error: apsw.Error, errno_: int = 0) -> Trouble | None:
    """What an error of the driver says of the database; None when it says nothing of it."""
    if isinstance(error, apsw.IOError | apsw.CantOpenError):
        if getattr(error, "extendedresult", 0) in SYNC_FAILED:  # the stubs do not know it
            return Trouble.BROKEN
        if errno_ in NO_ROOM:  # of SQLite's own codes only ENOSPC of one call among many is FULL
            return Trouble.FULL
    return OUT_OF_SERVICE.get(type(error))


def _constraint(found: re.Match[str]) -> str:
    if found["index"]:
        return found["index"]
    columns = [column.partition(".") for column in found["columns"].split(", ")]
    return unique_name(columns[0][0], frozenset(name for _, _, name in columns))


class Health:
    """What is wrong with the file, as its lanes have met it; written by their threads, read by anybody."""

    def __init__(self) -> None:
        self.trouble: Trouble | None = None  # what kept the last change from being committed
        self._ended: asyncio.Future[Trouble] | None = None

    @property
    def broken(self) -> Trouble | None:
        """Why nothing may be written any more."""
        return self.trouble if self.trouble in FATAL else None

    def met(self, trouble: Trouble) -> None:
        """Something could not be done; from what is fatal there is no way back."""
        if self.broken is None:
            self.trouble = trouble
        if self.broken is not None and self._ended is not None:
            self._ended.get_loop().call_soon_threadsafe(self._tell)

    def committed(self) -> None:
        """A change is in the file."""
        if self.broken is None:
            self.trouble = None

    async def ended(self) -> Trouble:
        """Return when nothing may be written any more."""
        if self._ended is None:
            self._ended = asyncio.get_running_loop().create_future()
        self._tell()
        return await asyncio.shield(self._ended)

    def _tell(self) -> None:
        if self.broken is not None and self._ended is not None and not self._ended.done():
            self._ended.set_result(self.broken)
