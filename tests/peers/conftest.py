"""What the peers in JavaScript need: their packages, as package-lock.json pins them."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INSTALL_TIMEOUT_S = 100


@pytest.fixture(scope="session", autouse=True)
def node_modules() -> None:
    """Install the packages when they are not there; `make setup` has usually done so.

    Without npm nothing is done: the mark `peers` names what is missing.
    """
    npm = shutil.which("npm")
    if npm is None or (HERE / "node_modules" / "smpp").is_dir():
        return
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers of pytest-xdist may come here at once
        if not (HERE / "node_modules" / "smpp").is_dir():
            subprocess.run(
                [npm, "ci", "--ignore-scripts", "--silent"], cwd=HERE, check=True, timeout=INSTALL_TIMEOUT_S
            )
