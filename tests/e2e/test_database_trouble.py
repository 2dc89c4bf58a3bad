"""A database that can keep nothing: the real server says so, holds nothing in mind, and goes on by itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import apsw
import pytest

from support.process import Shop, shop
from support.server import Heard

pytestmark = pytest.mark.sqlite
MANY = 300
GROWTH_MAX_KIB = 30_000
TMPFS_BYTES = 20 << 20  # the log of what is offered before has room, however few are committed at once
HOLDER = """
import apsw, sys
connection = apsw.Connection(sys.argv[1])
connection.set_busy_timeout(20_000)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop(tmp_path, operator=True) as made:
        yield made


async def offer(served: Shop, count: int) -> list[Heard]:
    """So many messages, fifty at a time."""
    heard: list[Heard] = []
    for _ in range(0, count, 50):
        heard += await asyncio.gather(*(served.send() for _ in range(50)))
    return heard


async def refused(served: Shop, cause: str) -> Heard:
    """Offer until it is refused; the refusal names the cause, and the readiness says the same."""
    found: list[Heard] = []

    async def is_refused() -> bool:
        found[:] = [await served.send()]
        return found[0].status == 503

    await served.until(is_refused)
    assert found[0].json["type"].endswith("/storage-unavailable")
    assert found[0].json["detail"].startswith(cause), found[0].json
    assert int(found[0].headers["retry-after"]) > 0
    return found[0]


async def holds_out(served: Shop, cause: str) -> None:
    """While it lasts: nothing is accepted, memory stays, the process lives and says that it is not ready."""
    await offer(served, MANY)
    before = served.rss_kib()
    heard = await offer(served, 2 * MANY)
    assert {one.status for one in heard} == {503}
    assert served.rss_kib() - before < GROWTH_MAX_KIB
    assert (await served.client.ask("GET", "/health/live")).status == 200

    async def says_so() -> bool:
        ready = await served.readiness()
        assert ready.status == 503, ready
        return bool(ready.json["checks"]["database"].startswith(cause))

    await served.until(says_so)


async def goes_on(served: Shop, accepted: list[Heard]) -> None:
    """Ready again, without a restart; what was accepted is at the operator, each once, and nothing else."""
    await served.until(served.is_ready)
    accepted.append(await served.send())
    assert accepted[-1].status == 202, accepted[-1]
    ids = [heard.json["id"] for heard in accepted]
    assert len(set(ids)) == len(ids)
    for message_id in ids:

        async def is_sent(message_id: str = message_id) -> bool:
            return (await served.message(message_id))["state"] in ("sent", "delivered")

        await served.until(is_sent)
    assert len(served.taken()) == len(set(served.taken())) == len(ids)


def fill(ballast: Path) -> None:
    """Write until there is no room."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(ballast.parent).free < 4096


def quick_check(file: Path) -> str:
    connection = apsw.Connection(str(file))
    found: str = connection.pragma("quick_check")
    connection.close()
    return found


# ── the disk is full ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.turns(2, 1)
async def test_a_file_that_may_not_grow(served: Shop) -> None:
    accepted = await offer(served, MANY)
    assert {one.status for one in accepted} == {202}
    served.limit_file_size(4096)
    await refused(served, "storage full")
    await holds_out(served, "storage full")
    served.limit_file_size(-1)
    await goes_on(served, accepted)
    assert await served.stop() == 0
    assert quick_check(served.file) == "ok"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A disk of our own that can be filled; None where nobody lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={TMPFS_BYTES}"]
    mounted = subprocess.run(["mount", *options, "tmpfs", str(place)], check=False, capture_output=True)
    if mounted.returncode:
        yield None
        return
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


async def test_a_disk_that_is_full(tmp_path: Path, small_disk: Path | None) -> None:
    """Without a disk of its own it is a file that may not grow beyond what it has."""
    async with shop(tmp_path, f"sqlite:///{small_disk or tmp_path}/angarium.db", operator=True) as served:
        accepted = await offer(served, MANY)
        assert {one.status for one in accepted} == {202}
        ballast = (small_disk or tmp_path) / "ballast"
        if small_disk:
            fill(ballast)
        else:
            served.limit_file_size(served.file.with_name("angarium.db-wal").stat().st_size)
        heard: list[Heard] = []
        while not any(one.status == 503 for one in heard):  # what is left of the log takes a few more
            heard += await offer(served, 50)
        accepted += [one for one in heard if one.status == 202]
        refusal = next(one for one in heard if one.status == 503)
        assert refusal.json["detail"].startswith("storage full"), refusal.json
        ballast.unlink(missing_ok=True)
        served.limit_file_size(-1)
        await goes_on(served, accepted)
        assert await served.stop() == 0
        assert quick_check(served.file) == "ok"


# ── somebody else holds it ───────────────────────────────────────────────────────────────────────────


@pytest.mark.turns(2, 0)
async def test_a_file_that_another_process_holds(served: Shop) -> None:
    accepted = await offer(served, 50)
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(served.file)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert await holder.stdout.readline() == b"held\n"
    await refused(served, "database locked")
    await holds_out(served, "database locked")
    holder.stdin.close()
    await holder.wait()
    await goes_on(served, accepted)


# ── the disk does not keep ───────────────────────────────────────────────────────────────────────────


@pytest.mark.peers("strace")
@pytest.mark.turns(2, 1)
async def test_after_a_sync_that_failed_the_server_ends_and_syncs_no_more(tmp_path: Path) -> None:
    """The kernel may have dropped what it could not write, and would call the next sync a success."""
    syncs, tracer = tmp_path / "syncs", ("strace", "-f", "-e", "trace=fsync,fdatasync", "-e", "signal=none")
    failing = ("-e", "inject=fsync,fdatasync:error=EIO:when=60")  # one fails, and none after it
    async with Shop(tmp_path) as served:
        await served.start_operator()
        await served.start(*tracer, *failing, "-o", str(syncs))
        heard: list[Heard] = []
        with suppress(aiohttp.ClientError):
            while True:
                heard.append(await served.send())
        assert await served.ends() == os.EX_IOERR
        assert "the server ends at once" in served.said()
        assert "disk failure" in served.said()
        (*_, last) = [line for line in syncs.read_text().splitlines() if "sync" in line and " = " in line]
        assert "EIO" in last
        accepted = [one for one in heard if one.status == 202]
        assert accepted
        for one in heard[len(accepted) :]:
            assert (one.status, one.json["detail"][:12]) == (503, "disk failure")
        await served.start()
        for one in accepted:
            await served.message(one.json["id"])
        await served.stop()
        assert quick_check(served.file) == "ok"
