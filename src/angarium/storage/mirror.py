"""The files of a shelf, copied beside the backups of the database.

A file never changes, so it is copied once, whatever number of backups shows it. The time of a copy is the
instant of the last backup that the file was there for: by it one sees which copies no kept backup needs.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

FOLDER = "angarium-media"  # beside the backups
UNFINISHED = ".part"


def beside(backup: Path) -> Path:
    """Where the files that belong to a backup lie."""
    return backup.parent / FOLDER


def copy(shelf: Path, mirror: Path, at: int) -> int:
    """Copy what is new, and mark all that is there with the instant of a backup; how many files there are."""
    there = _names(shelf)
    if there:
        mirror.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in there:
        copied = mirror / name
        if not copied.exists() and not _copied(shelf / name, copied):
            continue  # it was deleted just now
        os.utime(copied, ns=(at * 1_000, at * 1_000))
    return len(there)


def let_go(mirror: Path, before: int) -> int:
    """Delete copies of files that have not been there since an instant; how many."""
    old = [mirror / name for name in _names(mirror) if (mirror / name).stat().st_mtime_ns < before * 1_000]
    for path in old:
        path.unlink()
    return len(old)


def put_back(mirror: Path, shelf: Path) -> int:
    """Copy files back that are not on the shelf any more; how many."""
    missing = [name for name in _names(mirror) if not (shelf / name).exists()]
    if missing:
        shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    return sum(_copied(mirror / name, shelf / name) for name in missing)


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.suffix != UNFINISHED)


def _copied(source: Path, target: Path) -> bool:
    """Copy a file so that it is there whole or not at all; False when it is gone."""
    draft = target.with_name(target.name + UNFINISHED)
    try:
        shutil.copyfile(source, draft)
    except FileNotFoundError:
        draft.unlink(missing_ok=True)
        return False
    draft.chmod(0o600)
    draft.rename(target)
    return True
