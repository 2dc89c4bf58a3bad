"""Kannel as the client of our simulated message centre: texts, receipts, refusals, and what people write."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from angarium.processes import free_port
from angarium.simulators.behaviour import Behaviour, Faults, Rule, Script
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage
from support.smpp_line import until

pytestmark = [pytest.mark.peers("bearerbox"), pytest.mark.xdist_group("kannel")]

FOLDERS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))  # where Debian puts Kannel
STOP_TIMEOUT_S = 10
LATIN = "Your order [1234] costs 20 and comes tomorrow. " * 6
PERSIAN = "سفارش شما ارسال شد و فردا می‌رسد. 🚚 " * 5
DELIVERED_TO_PHONE, NOT_DELIVERED, TAKEN, REFUSED = 1, 2, 8, 16  # Kannel's words in a receipt
DLR_MASK = DELIVERED_TO_PHONE | NOT_DELIVERED | TAKEN | REFUSED

CONFIG = """
group = core
admin-port = {admin}
admin-password = secret
smsbox-port = {box}
box-allow-ip = "127.0.0.1"
dlr-storage = internal
sms-combine-concatenated-mo = true

group = smsc
smsc = smpp
host = 127.0.0.1
port = {smpp}
transceiver-mode = true
smsc-username = "{system_id}"
smsc-password = "{password}"
system-type = ""
max-pending-submits = {window}

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}

group = sendsms-user
username = shop
password = secret
concatenation = true
max-messages = 10
user-allow-ip = "127.0.0.1"

group = sms-service
keyword = default
get-url = "http://127.0.0.1:{heard}/message?from=%p&to=%P&text=%b"
max-messages = 0
"""


class Shop:
    """Who uses Kannel: sends by its HTTP interface, and hears its callbacks."""

    def __init__(self) -> None:
        self.send_port = self.heard_port = 0
        self.receipts: list[tuple[str, int]] = []  # what we called the message, and what became of it
        self.messages: list[dict[str, str]] = []

    async def send(self, to: str, text: str, name: str, mask: int = DLR_MASK) -> None:
        """Send a text; its receipts come under that name, those that the mask wants."""
        unicode = any(ord(character) > 0x7F for character in text)
        callback = f"http://127.0.0.1:{self.heard_port}/receipt?name={name}&status=%d"
        query = {
            "username": "shop",
            "password": "secret",
            "from": "Shop",
            "to": to,
            "text": text,
            "charset": "UTF-8",
            "coding": "2" if unicode else "0",
            "dlr-mask": str(mask),
            "dlr-url": callback,
        }
        answer = await asyncio.to_thread(
            get, f"http://127.0.0.1:{self.send_port}/cgi-bin/sendsms?{urlencode(query)}"
        )
        assert answer == "0: Accepted for delivery"

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One callback."""
        target = (await reader.readline()).split()[1].decode("ascii")
        while (await reader.readline()).strip():
            pass
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        found = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(found.query, encoding="latin-1").items()}
        if found.path == "/receipt":
            self.receipts.append((query["name"], int(query["status"])))
        else:
            self.messages.append(query)

    async def told(self, name: str, *statuses: int) -> None:
        """Wait until a message has come to as many statuses, and compare them."""
        await until(lambda: len([1 for known, _ in self.receipts if known == name]) >= len(statuses))
        assert [status for known, status in self.receipts if known == name] == list(statuses)


def get(url: str) -> str:
    """The body of an answer, whatever its status."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


@asynccontextmanager
async def running(program: str, config: Path) -> AsyncIterator[None]:
    """One of Kannel's boxes; it says only what went wrong."""
    found = shutil.which(program, path=FOLDERS)
    assert found is not None, f"{program} comes with the package kannel"
    process = await asyncio.create_subprocess_exec(found, "-v", "4", str(config))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def knows_smsbox(admin: int) -> bool:
    """Whether bearerbox has its smsbox, which listens before that and panics at what comes then."""
    return "<type>smsbox</type>" in get(f"http://127.0.0.1:{admin}/status.xml")


@asynccontextmanager
async def kannel(folder: Path, smsc: Smsc) -> AsyncIterator[Shop]:
    """Kannel, bound to the message centre."""
    port = int(smsc.url().rpartition(":")[2])
    async with kannel_at(folder, port, "angarium", "secret", lambda: smsc.binds) as shop:
        yield shop


@asynccontextmanager
async def kannel_at(
    folder: Path, port: int, system_id: str, password: str, bound: Callable[[], object], window: int = 10
) -> AsyncIterator[Shop]:
    """Kannel, bound to whatever listens at a port."""
    shop = Shop()
    admin, box, shop.send_port = (free_port() for _ in range(3))
    server = await asyncio.start_server(shop.hear, "127.0.0.1", 0)
    shop.heard_port = server.sockets[0].getsockname()[1]
    account = {"system_id": system_id, "password": password, "window": window}
    config = folder / "kannel.conf"
    config.write_text(
        CONFIG.format(admin=admin, box=box, smpp=port, send=shop.send_port, heard=shop.heard_port, **account)
    )
    async with server, running("bearerbox", config):
        await until(lambda: listens(box))
        async with running("smsbox", config):
            await until(lambda: listens(shop.send_port) and knows_smsbox(admin) and bound())
            yield shop


@asynccontextmanager
async def a_smsc(*rules: Rule) -> AsyncIterator[Smsc]:
    """Our simulator."""
    smsc = Smsc(Stage(Script(rules=rules, faults={"smpp": Faults(receipt_delay_s=0.02)})))
    await smsc.start()
    try:
        yield smsc
    finally:
        await smsc.stop()


async def test_kannel_sends_texts_and_gets_its_receipts(tmp_path: Path) -> None:
    async with a_smsc() as smsc, kannel(tmp_path, smsc) as shop:
        for name, text in (("short", "Hello"), ("long", LATIN), ("persian", PERSIAN)):
            await shop.send("989120000001", text, name)
            await shop.told(name, TAKEN, DELIVERED_TO_PHONE)
        short, long, persian = smsc.ledger.entries
        assert (short.text, short.parts, short.encoding, short.details["way"]) == (
            "Hello",
            1,
            "gsm7",
            "single",
        )
        assert (long.text, long.parts, long.encoding, long.details["way"]) == (
            LATIN,
            2,
            "gsm7",
            "udh",
        )
        assert (persian.text, persian.parts, persian.encoding) == (PERSIAN, 3, "ucs2")
        assert {entry.sender for entry in smsc.ledger.entries} == {"Shop"}
        assert all(status == "delivered" for entry in smsc.ledger.entries for status, _ in entry.statuses)


async def test_kannel_hears_of_failures_and_of_what_people_write(tmp_path: Path) -> None:
    undelivered = Rule(Behaviour.UNDELIVERED, suffix="55")
    unknown = Rule(Behaviour.NOT_A_USER, suffix="66")
    async with a_smsc(undelivered, unknown) as smsc, kannel(tmp_path, smsc) as shop:
        await shop.send("989120000055", "Hello", "undelivered")
        await shop.told("undelivered", TAKEN, NOT_DELIVERED)
        await shop.send("989120000066", "Hello", "refused")
        await shop.told("refused", REFUSED)
        assert smsc.ledger.refused == {"RINVDSTADR": 1}
        await smsc.send_inbound("+989120000001", "30007", PERSIAN, shuffled=True)
        await until(lambda: shop.messages)
        [message] = shop.messages
        assert (message["from"], message["to"]) == ("+989120000001", "30007")
        assert message["text"].encode("latin-1").decode("utf-16-be") == PERSIAN
