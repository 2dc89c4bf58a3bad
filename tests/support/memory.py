"""Where files of tests lie: in memory, where there is enough of it."""

from __future__ import annotations

import shutil
from pathlib import Path

MEMORY_FOLDER = Path("/dev/shm")
MEMORY_WANTED_BYTES = 2 << 30


def quick_folder() -> Path | None:
    """Memory, where a sync costs nothing; None, the usual place, where there is little of it."""
    if MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free > MEMORY_WANTED_BYTES:
        return MEMORY_FOLDER
    return None
