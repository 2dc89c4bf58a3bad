"""Threads that decode one struct at the same time: msgspec up to 0.22 ended the process by a signal.

Each struct is new, as all are while a server starts, and each thread may be interrupted anywhere.
"""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, threading
import msgspec

sys.setswitchinterval(1e-6)
names = [f"f{number}" for number in range(20)]
document = msgspec.json.encode({name: {"a": 1} for name in names})

def made():
    return msgspec.defstruct("Whole", [(name, msgspec.defstruct("Part", [("a", int)])) for name in names])

def decode(struct, together):
    together.wait()
    msgspec.json.decode(document, type=struct)

for _ in range(60):
    struct, together = made(), threading.Barrier(4)
    threads = [threading.Thread(target=decode, args=(struct, together)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_a_struct_that_nobody_has_decoded_is_decoded_by_many_threads() -> None:
    assert subprocess.run([sys.executable, "-c", PROGRAM], timeout=60, check=False).returncode == 0
