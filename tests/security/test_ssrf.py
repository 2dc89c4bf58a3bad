"""S12: a line's address leads to no private place, however it is written, named, rebound or redirected.

The forms of addresses themselves are in `tests/protocols/test_http_guard.py`; here they come by the settings
of lines, as a member of a workspace can write them.
"""

from __future__ import annotations

import ast
import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import pytest

from angarium import channels
from angarium.channels import kit
from angarium.core.clock import SystemClock
from angarium.core.ports import Channel, Refused, Submission, Unknown
from angarium.core.problems import Problem
from angarium.core.values import Content, MessageClass, Reason
from angarium.protocols.answers import NotSent
from angarium.protocols.http import Http
from angarium.simulators.faces import operators
from house.tree import PACKAGE, modules
from protocols.test_http_guard import LOOPBACK_FORMS, OTHER_FORMS
from security.test_callbacks import KINDS, opened
from support.http_line import submission, tools
from support.tcp_server import answering, client, serving

PUBLIC = "93.184.215.14"


def addresses(channel: Channel) -> Iterator[str]:
    """The settings of a channel that are addresses on the web."""
    for field in msgspec.structs.fields(channel.settings):
        if field.encode_name.endswith("url"):
            yield field.encode_name


WITH_ADDRESSES = [(kind, name) for kind, channel in channels.load().items() for name in addresses(channel)]


def settings_of(kind: str) -> dict[str, Any]:
    """As a line has them that can send: of its simulated operator, or of the channel's own tests."""
    if kind in operators():
        return operators()[kind].settings("https://provider.example")
    given: dict[str, Any] = import_module(f"channels.test_{kind}").SETTINGS
    return given


def sent_by(channel: Channel) -> Submission:
    """What it would send at once: a code, to somebody whom it reaches and who has just written."""
    able, known = channel.capabilities, operators().get(channel.kind)
    first = MessageClass.SERVICE if MessageClass.SERVICE in able.classes else MessageClass.OTP
    words = Content(text="Hello 12345", subject="Hello" if able.html else "")
    usual = submission(message_class=first, content=words, heard_at=SystemClock().now())
    return usual if known is None else msgspec.structs.replace(usual, address=known.recipient)


def test_every_channel_that_asks_over_http_has_an_address_to_guard() -> None:
    asking = {kind for kind, channel in channels.load().items() if channel.send is not None}
    assert asking - {kind for kind, _ in WITH_ADDRESSES} <= {
        "smtp",
        "web_chat",
    }  # mail: protocols/smtp.py; nobody is asked


@pytest.mark.parametrize(("kind", "setting"), WITH_ADDRESSES)
@pytest.mark.parts(2)
async def test_no_setting_of_a_line_leads_to_a_private_place(kind: str, setting: str) -> None:
    channel, refused = channels.load()[kind], 0
    async with serving(answering(b'{"message_id": 1}')) as server, tools() as given:
        for form in [form.format(port=server.port) for form in LOOPBACK_FORMS] + OTHER_FORMS:
            try:
                settings = kit.decode_settings(channel, {**settings_of(kind), setting: form.rstrip("/")})
            except Problem:
                refused += 1
                continue
            outcome = await kit.deliver(given, channel, settings, sent_by(channel))
            assert isinstance(outcome, Refused), form
            assert outcome.reason in (Reason.CONFIG, Reason.TEMPORARY), form  # TEMPORARY: a name nobody knows
    assert server.connections == 0
    assert 0 < refused < len(OTHER_FORMS), "most forms must come as far as the client"


async def test_a_member_of_a_workspace_is_told_why_and_nothing_was_asked(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path, allow_private=()) as shop, serving(answering(b"{}")) as inside:
        line = await shop.line("viber_business", base_url=f"http://127.0.0.1:{inside.port}")
        body = {"to": {"phone": "+380441234568"}, "class": "service", "text": "hello", "line": line["name"]}
        made = await shop.client.ask("POST", "/v1/messages", body)
        ended = await shop.until(lambda: shop.told(made.json["id"]), lambda it: it["state"] == "failed")
        (attempt,) = ended["attempts"]
        assert attempt["code"] == "not_sent"
        assert "127.0.0.1 is a loopback address" in attempt["detail"]
    assert inside.connections == 0


async def test_a_redirect_to_the_metadata_of_a_cloud_is_not_followed() -> None:
    async with serving(answering(b"secret")) as inside:
        places = (
            "http://169.254.169.254/latest/meta-data/",
            f"http://127.0.0.1:{inside.port}/",
            "//127.0.0.1/",
        )
        for status in (301, 302, 303, 307, 308):
            for place in places:
                talk = answering(b"", f"{status} Elsewhere", f"Location: {place}")
                async with serving(talk) as provider, tools("127.0.0.1") as given:
                    url = f"http://127.0.0.1:{provider.port}"
                    settings = kit.decode_settings(
                        channels.load()["viber_business"],
                        {**KINDS["viber_business"].settings, "base_url": url},
                    )
                    outcome = await kit.deliver(
                        given, channels.load()["viber_business"], settings, submission()
                    )
                assert isinstance(outcome, Refused | Unknown), outcome
                assert provider.connections == 1
    assert inside.connections == 0


# ── names ────────────────────────────────────────────────────────────────────────────────────────────


class NameServer(asyncio.DatagramProtocol):
    """A DNS server (RFC 1035 §4) that gives the next of its answers at each lookup of A, the last again."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.lookups = 0
        self._out: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._out = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        kind = struct.unpack_from(">H", data, data.index(b"\0", 12) + 1)[0]
        found = self.answers[min(self.lookups, len(self.answers) - 1)]
        self.lookups += kind == 1
        packed = [ip_address(one).packed for one in found]
        records = [one for one in packed if len(one) == (4 if kind == 1 else 16)]
        body = b"".join(struct.pack(">HHHIH", 0xC00C, kind, 1, 0, len(one)) + one for one in records)
        head = data[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0)
        assert self._out is not None
        self._out.sendto(head + data[12 : data.index(b"\0", 12) + 5] + body, peer)


async def _asked(port: int, name: str, kind: int) -> list[str]:
    """What a name server on this machine says of a name."""
    loop = asyncio.get_running_loop()
    said: asyncio.Future[bytes] = loop.create_future()

    class Ask(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _peer: Any) -> None:
            said.set_result(data)

    out, _ = await loop.create_datagram_endpoint(Ask, remote_addr=("127.0.0.1", port))
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    out.sendto(struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1))
    data = await asyncio.wait_for(said, 40)
    out.close()
    at, found = data.index(b"\0", 12) + 5, []
    for _ in range(struct.unpack_from(">H", data, 6)[0]):
        size = struct.unpack_from(">H", data, at + 10)[0]
        found.append(str(ip_address(data[at + 12 : at + 12 + size])))
        at += 12 + size
    return found


@asynccontextmanager
async def named(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> AsyncIterator[NameServer]:
    """All names are looked up at a real name server of ours, over UDP."""
    loop = asyncio.get_running_loop()
    made, server = await loop.create_datagram_endpoint(
        lambda: NameServer(*answers), local_addr=("127.0.0.1", 0)
    )
    there = made.get_extra_info("sockname")[1]

    async def getaddrinfo(host: str, port: int, **_options: object) -> list[Any]:
        found = await _asked(there, host, 1) + await _asked(there, host, 28)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (one, port, 0, 0))
            if ":" in one
            else (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (one, port))
            for one in found
        ]

    with monkeypatch.context() as patch:
        patch.setattr(loop, "getaddrinfo", getaddrinfo)
        yield server
    made.close()


PRIVATE_NAMES = [
    ["127.0.0.1"],
    ["::1"],
    ["10.0.0.7", "127.0.0.1"],
    ["169.254.169.254"],
    ["::ffff:127.0.0.1"],
    ["64:ff9b::7f00:1", "2002:7f00:1::"],
    ["fd00:ec2::254", "100.64.0.1"],
]


@pytest.mark.parametrize("found", PRIVATE_NAMES, ids=" ".join)
async def test_a_name_for_a_private_place_is_refused(
    found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(answering(b"secret")) as inside, client() as http, named(monkeypatch, found) as names:
        with pytest.raises(NotSent) as failure:
            await http.request("GET", f"http://inside.example:{inside.port}/")
    assert failure.value.forbidden
    assert (names.lookups, inside.connections) == (1, 0)


async def test_a_name_that_is_rebound_between_lookups_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public when somebody looks, private when we connect: the socket's own address is what is judged."""
    async with serving(answering(b"secret")) as inside, named(monkeypatch, [PUBLIC], ["127.0.0.1"]) as names:
        assert await asyncio.get_running_loop().getaddrinfo("rebind.example", 80) != []
        async with client() as http:
            for _ in range(3):
                with pytest.raises(NotSent) as failure:
                    await http.request("GET", f"http://rebind.example:{inside.port}/")
                assert failure.value.forbidden
    assert names.lookups >= 2
    assert inside.connections == 0


async def test_of_a_name_for_both_only_the_public_place_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    connect = asyncio.get_running_loop().sock_connect

    async def watched(made: socket.socket, address: Any) -> None:
        if made.type == socket.SOCK_STREAM:
            tried.append(address[0])
        await connect(made, address)  # conftest.py refuses what leaves this machine

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", watched)
    async with client() as http, named(monkeypatch, ["127.0.0.1", PUBLIC, "10.0.0.1"]):
        with pytest.raises(NotSent):
            await http.request("GET", "http://both.example/")
    assert set(tried) == {PUBLIC}


# ── ports and other doors ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("port", [22, 25, 2375, 6379, 8080, 8443, 11211])
async def test_a_public_address_is_asked_at_the_ports_of_the_web_only(port: int) -> None:
    http = Http()
    await http.start()
    try:
        with pytest.raises(NotSent, match=f"port {port} is neither 80 nor 443") as failure:
            await http.request("GET", f"http://{PUBLIC}:{port}/")
    finally:
        await http.stop()
    assert failure.value.forbidden


DOORS = ("open_connection", "create_connection", "open_unix_connection", "urlopen", "HTTPConnection")
THEIR_HOMES = {  # what else connects by itself, and to what
    "protocols/imap.py": "to the mailbox of a mail line, which is no URL and often in a private network",
    "protocols/smpp_link.py": "to the host of an SMPP line, which is no URL and often in a private network",
    "storage/migrations/dbapi.py": "to the database that the operator names",
}


@pytest.mark.xdist_group("house")  # for which all is parsed
def test_nothing_else_opens_a_connection() -> None:
    """Who may import aiohttp is told in tests/house/test_modules.py; mail goes by aiosmtplib, to its host."""
    found = {
        str(path.relative_to(PACKAGE))
        for path, tree in modules(PACKAGE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in DOORS
        if not {"simulators", "demo", "drill"} & set(path.parts)
    }
    assert found == set(THEIR_HOMES)
