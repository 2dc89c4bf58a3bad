"""`python -m angarium.composer`: makes messages of campaigns and batches ready beside a server; only reads.

What it stands on comes as one line of JSON on stdin, then questions as frames; each answer goes to stdout as
a frame, and an empty one first, when it is ready. It ends with its stdin, and when anything goes wrong: the
server does without, and begins it anew.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # structlog draws tracebacks with rich where it finds it: five MiB for a process that hardly logs.
    sys.modules["rich"] = None  # type: ignore[assignment]  # which is how an import is made to fail

import asyncio
import gc
import signal
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

from angarium import channels
from angarium.core.clock import SystemChance, SystemClock
from angarium.core.frames import LENGTH_BYTES, frame
from angarium.core.ids import IdMint
from angarium.core.ports import Connection, Tools
from angarium.fabric.local import LocalFabric
from angarium.lines.at_hand import Lines
from angarium.messaging import batch, composing
from angarium.messaging.batch import Offered
from angarium.messaging.composing import Asked
from angarium.messaging.world import World
from angarium.storage.database import open_database
from angarium.storage.ground import Ground
from angarium.storage.vault import Vault, key_file

log = structlog.get_logger()

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Asked | Offered)


class StandsOn(msgspec.Struct, frozen=True):
    """What it is told at the beginning."""

    database: str
    key_file: str
    public_url: str


def world_on(stands_on: StandsOn) -> World:
    """What flows of the heart are handed; nothing can be sent or written by it."""
    clock, chance = SystemClock(), SystemChance()
    database = open_database(stands_on.database, reads_only=True)
    file = Path(stands_on.key_file)
    keys = key_file(file, chance)
    ground = Ground(
        db=database,
        clock=clock,
        chance=chance,
        ids=IdMint(clock),
        vault=Vault(keys.every, chance, file, keys.hashing),
        fabric=LocalFabric(clock, database),
    )
    return World(
        ground=ground,
        channels=channels.load(),
        lines=Lines(ground),
        tools=Tools(clock, chance, None),
        connect=_connect,
        public_url=stands_on.public_url,
    )


def _connect(*_: object) -> Connection:
    raise AssertionError("nothing is sent from here")


async def answer(world: World, asked: Asked | Offered) -> bytes:
    """What is asked for, by all that is in force now."""
    await composing.look_anew(world, asked)
    if isinstance(asked, Asked):
        return _encoder.encode(await world.ground.db.read(composing.compose, world, asked))
    try:
        return _encoder.encode(await world.ground.db.read(batch.compose, world, asked))
    except Exception as error:  # by what somebody sent: the server meets it as well, and tells all of it
        log.warning("a batch breaks what makes it ready", why=type(error).__name__)
        return _encoder.encode(None)


async def run(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more questions."""
    world = world_on(msgspec.json.decode(await asyncio.to_thread(questions.readline), type=StandsOn))
    await world.ground.db.start()
    gc.freeze()
    answers.write(frame(b""))
    answers.flush()
    while length := await asyncio.to_thread(questions.read, LENGTH_BYTES):
        body = await asyncio.to_thread(questions.read, int.from_bytes(length, "big"))
        answers.write(frame(await answer(world, _decoder.decode(body))))
        answers.flush()
    await world.ground.db.stop()


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # sent to a group, they are the server's
        signal.signal(number, signal.SIG_IGN)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout has the answers
    asyncio.run(run(sys.stdin.buffer, sys.stdout.buffer))
