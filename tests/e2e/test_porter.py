"""The process beside the server that takes connections: what it reads is answered, what it does not is handed
over, and whatever dies, nobody is told something twice.

The verdict comes from the operator's ledger.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from angarium.simulators.behaviour import Script
from support.process import PHONE, Shop

MODULE = b"angarium.porter"
CLIENTS, EACH = 8, 6
STANDING = 400  # connections


class Guarded(Shop):
    """A shop whose connections a porter takes, wherever it runs."""

    writers: list[asyncio.StreamWriter]

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "ANGARIUM_PORTER": "on"}

    def porter(self) -> int:
        """The process; 0 while there is none."""
        return next(iter(self.beside(MODULE)), 0)

    def held(self) -> int:
        """How many descriptors the porter holds, each connection one."""
        return len(list(Path(f"/proc/{self.porter()}/fd").iterdir()))

    def request(self, number: int, more: bytes = b"") -> bytes:
        """A message as a client writes it."""
        told = {"to": {"phone": PHONE.format(number)}, "class": "service", "channel": "smpp"}
        body = json.dumps({**told, "text": f"Hello {number}"}).encode()
        head = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        head += b"Authorization: Bearer %s\r\nIdempotency-Key: key-%d\r\n" % (self.key.encode(), number)
        return head + b"Content-Length: %d\r\n%s\r\n%s" % (len(body), more, body)

    def asks(self, address: bytes) -> bytes:
        """Something that is no short request."""
        return b"GET %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n" % (
            address,
            self.key.encode(),
        )

    async def reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of one's own, until the shop is left."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer


@asynccontextmanager
async def guarded(folder: Path, script: Script | None = None, *before: str) -> AsyncIterator[Guarded]:
    """A shop at work; `before`: the command under which its server starts."""
    async with Guarded(folder, window=20) as shop:
        shop.writers = []
        await shop.start_operator(script)
        await shop.start(*before)
        yield shop
        for writer in shop.writers:
            writer.close()
        assert await shop.stop() == 0, shop.said()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].split()[0]
    return int(head[9:12]), await reader.readexactly(int(length))


async def test_one_connection_is_read_here_and_there(tmp_path: Path) -> None:
    async with guarded(tmp_path) as shop:
        reader, writer = await shop.reach()
        writer.write(shop.request(1) + shop.request(2))  # behind one another
        assert [(await answer(reader))[0] for _ in range(2)] == [202, 202]
        writer.write(shop.request(3)[:-9])
        await asyncio.sleep(0.05)  # so that the two come apart
        writer.write(shop.request(3)[-9:] + shop.asks(b"/v1/messages") + shop.request(4))
        assert (await answer(reader))[0] == 202
        status, listed = await answer(reader)  # by the server itself, from here on
        assert (status, len(json.loads(listed)["items"])) == (200, 3)
        assert (await answer(reader))[0] == 202
        writer.write(b"NONSENSE\r\n\r\n")
        assert (await answer(reader))[0] == 400
        assert await reader.read() == b""
        await shop.until(lambda: sorted(shop.taken()) == [f"Hello {number}" for number in range(1, 5)])


async def test_what_is_refused_says_why_and_who_asked_is_known(tmp_path: Path) -> None:
    async with guarded(tmp_path) as shop:
        reader, writer = await shop.reach()
        writer.write(shop.request(1).replace(shop.key.encode(), b"ang_nobody"))
        status, said = await answer(reader)
        assert (status, json.loads(said)["status"]) == (401, 401)
        writer.write(shop.request(1).replace(b'"class"', b'"klass"'))
        status, said = await answer(reader)
        assert status == 422, said
        assert b"klass" in said
        writer.write(shop.request(1))
        assert (await answer(reader))[0] == 202


async def test_a_large_batch_goes_over_whole(tmp_path: Path) -> None:
    async with guarded(tmp_path) as shop:
        told = {"class": "service", "channel": "smpp", "text": "x" * 600}
        many = [{**told, "to": {"phone": PHONE.format(number)}} for number in range(500)]
        heard = await shop.client.ask("POST", "/v1/messages/batch", {"messages": many})  # 340 kB
        assert (heard.status, heard.json["accepted"]) == (202, 500)


@pytest.mark.turns(2, 0)
async def test_who_is_slow_is_the_servers(tmp_path: Path) -> None:
    async with guarded(tmp_path) as shop:
        held = shop.held()
        reader, writer = await shop.reach()
        writer.write(shop.request(1)[:-1])
        await shop.until(lambda: shop.held() > held)
        await shop.until(lambda: shop.held() == held)  # which takes as long as the porter's patience
        writer.write(shop.request(1)[-1:])
        assert (await answer(reader))[0] == 202


async def test_a_porter_that_dies_is_followed_by_another(tmp_path: Path) -> None:
    async with guarded(tmp_path) as shop:
        assert (await shop.send("key-1")).status == 202
        first = shop.porter()
        reader, writer = await shop.reach()
        writer.write(shop.request(2))
        assert (await answer(reader))[0] == 202
        os.kill(first, signal.SIGSEGV)
        with suppress(ConnectionResetError):  # or its end, as the system has it
            assert await reader.read() == b""
        await shop.until(lambda: shop.porter() not in (0, first))
        assert "Fatal Python error: Segmentation fault" in shop.said()
        reader, writer = await shop.reach()
        writer.write(shop.request(2) + shop.request(3))
        assert [(await answer(reader))[0] for _ in range(2)] == [202, 202]
        await shop.until(lambda: sorted(shop.taken()) == ["Hello 1", "Hello 2", "Hello 3"])


async def test_a_server_that_dies_takes_its_porter_along(tmp_path: Path) -> None:
    async with guarded(tmp_path) as shop:
        porter = shop.porter()
        await shop.kill()
        await shop.until(lambda: not Path(f"/proc/{porter}").exists())
        await shop.start()
        assert (await shop.send()).status == 202


async def test_a_stop_answers_whom_it_has_heard(tmp_path: Path) -> None:
    """Clients keep asking while the server is stopped: what it has taken is what was answered, no more."""
    async with guarded(tmp_path) as shop:
        answered: set[int] = set()

        async def ask_on(client: int) -> None:
            reader, writer = await shop.reach()
            for number in range(client * 1_000, client * 1_000 + 1_000):
                writer.write(shop.request(number))
                try:
                    status, _ = await answer(reader)
                except (asyncio.IncompleteReadError, ConnectionError):
                    return
                assert status == 202
                answered.add(number)

        clients = [asyncio.create_task(ask_on(client)) for client in range(CLIENTS)]
        await shop.until(lambda: len(answered) >= CLIENTS * EACH)
        assert await shop.stop() == 0, shop.said()
        await asyncio.gather(*clients)
        await shop.start()
        wanted = {f"Hello {number}" for number in answered}
        await shop.until(lambda: wanted <= set(shop.taken()))
        assert sorted(shop.taken()) == sorted(wanted)  # each once


@pytest.mark.turns(2, 1)
async def test_many_who_only_stand_there_keep_nobody_out(tmp_path: Path) -> None:
    """A shell lets a process have few descriptors, and it may take more."""
    async with guarded(tmp_path, None, "prlimit", "--nofile=200:4096") as shop:
        for _ in range(STANDING):
            await shop.reach()
        reader, writer = await shop.reach()
        writer.write(shop.request(1) + shop.asks(b"/v1/messages"))
        assert [(await answer(reader))[0] for _ in range(2)] == [202, 200]


@pytest.mark.parametrize("kind", [Guarded, Shop])
async def test_who_is_gone_before_anybody_looks_is_nothing(kind: type[Shop], tmp_path: Path) -> None:
    async with kind(tmp_path) as shop:
        await shop.start_operator()
        await shop.start()
        for number in range(STANDING):
            gone = socket.create_connection(("127.0.0.1", shop.port))
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            if number % 2:
                gone.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")  # which the server would read
            gone.close()
        assert (await shop.send()).status == 202
        assert await shop.stop() == 0
        assert "Traceback" not in shop.said()
