"""Threads that decode one struct at the same time: msgspec ends the process, unless it has been told before.

Each struct is new, as all are while a server starts, and each thread may be interrupted anywhere.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, sys, threading
import msgspec
from angarium.core.decoding import learn_structs
from angarium.storage.sqlite import SqliteDatabase

def told():
    if sys.argv[1] == "learn":
        learn_structs()
    if sys.argv[1] == "database":
        asyncio.run(opened())

async def opened():
    database = SqliteDatabase(sys.argv[2])
    await database.start()
    await database.stop()

sys.setswitchinterval(1e-6)
names = [f"f{number}" for number in range(20)]
document = msgspec.json.encode({name: {"a": 1} for name in names})

def made():
    return msgspec.defstruct("Whole", [(name, msgspec.defstruct("Part", [("a", int)])) for name in names])

def decode(struct, together):
    together.wait()
    msgspec.json.decode(document, type=struct)

structs = [made() for _ in range(60)]
told()
for struct in structs:
    together = threading.Barrier(4)
    threads = [threading.Thread(target=decode, args=(struct, together)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.parametrize("told", ["learn", "database"])
def test_what_is_known_before_is_decoded_by_many_threads(told: str, tmp_path: Path) -> None:
    assert ended(told, tmp_path / "angarium.db") == 0


def test_msgspec_still_has_to_be_told(tmp_path: Path) -> None:
    """If this fails, it is mended there, and `learn_structs` can go."""
    assert ended("nothing", tmp_path / "angarium.db") == -signal.SIGSEGV


def ended(told: str, file: Path) -> int:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, told, str(file)], timeout=60, check=False
    ).returncode
