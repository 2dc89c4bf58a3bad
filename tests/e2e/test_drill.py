"""`angarium drill` as a process: what it breaks, what it finds, and that it can find something."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from angarium.drill.relay import Relay

Document = dict[str, Any]


async def drill(*arguments: str) -> tuple[int, Document]:
    """Exit status and verdict of a drill."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "angarium", "drill", "--json", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert said, complained.decode()
    verdict: Document = msgspec.json.decode(said)
    return process.returncode or 0, verdict


# Where the machine lets us, in namespaces as well.
ALSO_APART = ["", *(["--namespaces"] if os.geteuid() == 0 and shutil.which("ip") else [])]


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_short_drill_loses_nothing_and_a_line_taken_out_of_a_ledger_is_missed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    given = ("--seconds", "12", "--rate", "20", "--seed", "9", "--faults", "kill,cuts,mixed_receipts,pause")
    status, verdict = await drill(*given, "--drain", "15", "--keep", str(kept))
    assert status == 0, verdict
    assert verdict["attempted"] == verdict["acked"] == 240
    assert [recovery["fault"] for recovery in verdict["recoveries"]] == ["kill"]
    name = take_out_an_entry(kept / "ledgers" / "smpp.jsonl")
    status, verdict = await drill("--judge", str(kept))
    assert status == 1
    assert verdict["lost"] == [name]
    assert verdict["wrong"]["served_by_two"] == 0
    name = let_the_dead_submit(kept / "ledgers" / "smpp.jsonl")
    status, verdict = await drill("--judge", str(kept))
    assert status == 1
    assert name in verdict["served_by_two"][0]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("apart", ALSO_APART)
async def test_a_cluster_begins_says_where_it_is_and_ends_when_asked(tmp_path: Path, apart: str) -> None:
    command = (sys.executable, "-m", "angarium.drill", "--keep", str(tmp_path / "kept"), *apart.split())
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    said = ""
    while "Ctrl-C ends it." not in said:
        line = (await process.stdout.readline()).decode()
        assert line, said
        said += line
    [url] = re.findall(r"requests and pages +(http://127\.0\.0\.1:\d+)", said)
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.get(f"{url}/health/ready") as answer,
    ):
        assert answer.status == 200
    assert all(name in said for name in ("worker-3", "api-2", "nats-3", "PostgreSQL", "key of bank"))
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0, await process.stdout.read()


def let_the_dead_submit(ledger: Path) -> str:
    """Make a message come over a session after another one was bound on its line; the client's name of it."""
    lines = [msgspec.json.decode(line) for line in ledger.read_bytes().splitlines()]
    accounts = {line["session"]: line["account"] for line in lines if "bound" in line}
    moved = next(
        (line, earlier)
        for line in lines
        if "text" in line
        for earlier in accounts
        if earlier < line["session"] and accounts[earlier] == accounts[line["session"]]
    )
    moved[0]["session"] = moved[1]
    ledger.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return str(moved[0]["text"].split()[0])


def take_out_an_entry(ledger: Path) -> str:
    """Make an operator forget a message that it delivered, and nobody else; the client's name of it."""
    lines = [msgspec.json.decode(line) for line in ledger.read_bytes().splitlines()]
    names = [line["text"].split()[0] for line in lines if "text" in line]
    delivered = {line["ref"] for line in lines if line.get("status") == "delivered"}
    forgotten = next(
        line
        for line in lines
        if "text" in line
        and line["ref"] in delivered
        and names.count(line["text"].split()[0]) == 1
        and "payment" not in line["text"]
    )
    left = [line for line in lines if line.get("ref") != forgotten["ref"]]
    ledger.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in left))
    return str(forgotten["text"].split()[0])


async def test_over_a_way_that_is_dark_nothing_comes_until_it_is_light_again() -> None:
    heard: list[bytes] = []
    something = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.readline():
            heard.append(piece)
            something.set()
            writer.write(piece)
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        place = server.sockets[0].getsockname()[:2]
        darkened, light = Relay(place), Relay(place)
        for relay in (darkened, light):
            await relay.open()
        reader, writer = await asyncio.open_connection("127.0.0.1", darkened.port)
        writer.write(b"before\n")
        assert await reader.readline() == b"before\n"
        darkened.go_dark()
        writer.write(b"in the dark\n")
        something.clear()
        other_reader, other = await asyncio.open_connection("127.0.0.1", light.port)
        other.write(b"later\n")
        assert await other_reader.readline() == b"later\n"
        assert heard == [b"before\n", b"later\n"]
        darkened.light_up()
        assert await reader.readline() == b"in the dark\n"  # nothing was lost, and the connection is the same
        for one in (writer, other):
            one.close()
        for relay in (darkened, light):
            await relay.close()
