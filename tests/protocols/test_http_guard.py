"""The HTTP client goes nowhere private, however the address is written."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

import pytest

from angarium.protocols.answers import NotSent
from angarium.protocols.http import Guard, checked_url, refusal
from support.tcp_server import answering, client, serving

LOOPBACK_FORMS = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.1:{port}/",
    "http://0x7f.0x0.0x0.0x1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.255.255.254:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1:{port}/#@example.com",
    "http://127.0.0.1:{port}?@example.com/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com@127.0.0.1:{port}/",
    "http://user:secret@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
]

OTHER_FORMS = [
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",  # 169.254.169.254 in decimal
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.88.99.1/",
    "http://192.0.0.192/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://[fe80::1]/",
    "http://[fe80::1%25lo]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[fec0::1]/",
    "http://[2001::1]/",
    "http://[2001:db8::1]/",
    "http://[2002:a00:1::1]/",
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/_HELO",
    "javascript:alert(1)",
    "//127.0.0.1/",
    "/etc/passwd",
    "http://",
    "http:///path",
    "http://[::1/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1 /",
    "http://127.0.0.1\t/",
    "http://127.0.0.1\r\nHost: example.com/",
    "http://127.0.0.1\x00.example.com/",
    "http://example.com/" + "a" * 8000,
    "",
]


async def test_no_form_of_a_private_address_gets_through() -> None:
    async with serving(answering(b"ok")) as server, client() as http:
        for form in LOOPBACK_FORMS:
            with pytest.raises(NotSent):
                await http.request("GET", form.format(port=server.port), timeout_s=2)
        for form in OTHER_FORMS:
            with pytest.raises(NotSent):
                await http.request("GET", form, timeout_s=2)
    assert server.connections == 0


async def test_a_refusal_says_what_to_do() -> None:
    async with client() as http:
        with pytest.raises(
            NotSent, match=r"10\.0\.0\.1 is not a public address; list 10\.0\.0\.1:80"
        ) as failure:
            await http.request("GET", "http://10.0.0.1/")
    assert failure.value.forbidden


async def test_a_name_that_turns_private_between_lookups_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: what counts is the address of each socket, not an earlier look-up."""
    async with serving(answering(b"ok")) as server, client() as http:
        loop = asyncio.get_running_loop()

        async def rebound(_host: str, port: int, **_options: object) -> list[object]:
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

        monkeypatch.setattr(loop, "getaddrinfo", rebound)
        with pytest.raises(NotSent) as failure:
            await http.request("GET", f"http://rebind.example:{server.port}/")
    assert failure.value.forbidden
    assert server.connections == 0


async def test_only_the_listed_port_of_a_private_address_is_open() -> None:
    async with (
        serving(answering(b"a")) as open_one,
        serving(answering(b"b")) as closed_one,
        client(f"127.0.0.1:{open_one.port}") as http,
    ):
        answer = await http.request("GET", f"http://127.0.0.1:{open_one.port}/")
        assert answer.body == b"a"
        with pytest.raises(NotSent):
            await http.request("GET", f"http://127.0.0.1:{closed_one.port}/")
    assert closed_one.connections == 0


@pytest.mark.parametrize("entry", ["localhost:80", "127.0.0.1:http", "300.0.0.1", "", "10.0.0.0/40", ":80"])
def test_an_entry_that_means_nothing_is_refused_at_once(entry: str) -> None:
    with pytest.raises(ValueError, match="allow_private"):
        Guard([entry])


@pytest.mark.parametrize(
    ("entry", "address", "port", "allowed"),
    [
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, True),  # public anyway
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3", "10.1.2.4", 443, False),
        ("127.0.0.1:8081", "127.0.0.1", 8081, True),
        ("127.0.0.1:8081", "127.0.0.1", 8082, False),
        ("[::1]:8081", "::1", 8081, True),
        ("fd00::/8", "fd12::1", 80, True),
        ("fe80::/10", "fe80::1%lo", 80, True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", 80, False),
    ],
)
def test_what_the_operator_lists(entry: str, address: str, port: int, allowed: bool) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    info = (family, socket.SOCK_STREAM, 0, "", (address, port))
    if allowed:
        Guard([entry]).socket(info).close()
    else:
        with pytest.raises(PermissionError):
            Guard([entry]).socket(info)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.167.1.1",
        "192.88.98.1",
        "223.255.255.254",
        "2606:4700::1111",
        "2a00:1450::1",
        "2001:4860:4860::8888",
    ],
)
def test_public_addresses_are_open(address: str) -> None:
    assert refusal(ip_address(address)) == ""


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff0e::1", "multicast"),
        ("100.64.0.1", "not a public"),
        ("fd00::1", "not a public"),
        ("4000::1", "not a public"),
        ("::ffff:8.8.8.8", "IPv4-mapped"),
        ("64:ff9b::8.8.8.8", "NAT64"),
        ("2002:808:808::1", "6to4"),
        ("192.88.99.1", "6to4 relay"),
        ("2001:0:808:808::1", "Teredo"),
        ("3fff::1", "documentation"),
    ],
)
def test_other_addresses_are_refused_by_name(address: str, word: str) -> None:
    assert word in refusal(ip_address(address))


def test_a_plain_url_is_taken() -> None:
    assert checked_url("https://graph.facebook.com/v25.0/1/messages?a=b").host == "graph.facebook.com"
