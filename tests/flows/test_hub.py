"""The simulator process: many faces, one address to steer them, and the page of phones."""

from __future__ import annotations

import asyncio
import json
import signal
import smtplib
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from angarium.simulators.behaviour import Behaviour, Rule, Script
from angarium.simulators.faces import operators
from angarium.simulators.handset import reads_from_the_right
from angarium.simulators.hub import Hub
from angarium.simulators.ledger import Entry, Ledger
from angarium.simulators.mail import MailHost
from angarium.simulators.people import phone_key
from angarium.simulators.stage import Stage
from angarium.simulators.whatsapp import ACCESS_TOKEN, ACCOUNT_ID, WhatsappFace
from support.mail_peers import until

TIMELINE = "http://127.0.0.1:8080/find?ref={ref}&recipient={recipient}"
EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


@dataclass
class FakeFace:
    """A face without a wire: a ledger that tests write into."""

    name: str
    ledger: Ledger
    heeded: int = 0

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def heed(self) -> None:
        self.heeded += 1

    def waiting(self) -> int:
        return 3

    def url(self) -> str:
        return f"fake://{self.name}"


@dataclass
class Opened:
    """A running hub and a client to it."""

    hub: Hub
    stage: Stage
    ledgers: dict[str, Ledger]
    client: aiohttp.ClientSession

    def took(
        self, face: str, recipient: str, text: str, *statuses: str, at: float = 1_000.0, **more: Any
    ) -> Entry:
        """A message that reached a face."""
        ledger = self.ledgers[face]
        entry = Entry(face=face, ref=f"r{len(ledger.entries)}", recipient=recipient, text=text, at=at, **more)
        ledger.took(entry)
        for status in statuses:
            ledger.reported(entry, status, at + 1)
        return entry

    async def page(self, path: str) -> str:
        async with self.client.get(self.hub.url() + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def json(self, method: str, path: str, document: object = None, status: int = 200) -> Any:
        async with self.client.request(method, self.hub.url() + path, json=document) as answer:
            assert answer.status == status, await answer.text()
            return json.loads(await answer.text())


@asynccontextmanager
async def opened(*, timeline_url: str = TIMELINE) -> AsyncIterator[Opened]:
    stage = Stage()
    faces = {name: FakeFace(name, stage.ledger(name)) for name in ("smpp", "viber", "vk", "whatsapp")}
    mail = MailHost(stage)
    hub = Hub(stage, {**faces, "smtp": mail}, timeline_url=timeline_url)
    await hub.start()
    ledgers = {name: face.ledger for name, face in faces.items()} | {"smtp": mail.ledger}
    try:
        async with aiohttp.ClientSession() as client:
            yield Opened(hub, stage, ledgers, client)
    finally:
        await hub.stop()


# ── steering ─────────────────────────────────────────────────────────────────────────────────────────


async def test_where_the_faces_are() -> None:
    async with opened() as on:
        faces = await on.json("GET", "/faces")
    assert faces["smpp"] == "fake://smpp"
    assert faces["smtp"].startswith("smtp://127.0.0.1:")


async def test_the_ledgers_in_sum_and_in_full() -> None:
    async with opened() as on:
        for number in range(5):
            on.took("smpp", f"+44770090010{number % 3}", "Hello", "sent", "delivered")
        on.ledgers["smpp"].refused["throttled"] += 2
        sums = await on.json("GET", "/ledger")
        assert sums["smpp"] == {
            "received": 5,
            "unique_phones": 3,
            "doubled": 2,
            "by_status": {"sent": 5, "delivered": 5},
            "refused": {"throttled": 2},
            "waiting": 3,
        }
        assert sums["vk"]["received"] == 0
        page = await on.json("GET", "/ledger/smpp?offset=3&limit=1")
        assert (page["total"], [entry["ref"] for entry in page["entries"]]) == (5, ["r3"])
        found = await on.json("GET", "/ledger/smpp?recipient=%2B447700900101")
        assert [entry["ref"] for entry in found["entries"]] == ["r1", "r4"]


async def test_the_script_is_replaced_whole() -> None:
    script = {"rules": [{"behaviour": "silent", "face": "smpp", "suffix": "7"}], "otherwise": {"*": "read"}}
    async with opened() as on:
        assert await on.json("GET", "/script") == {"rules": [], "faults": {}, "otherwise": {}}
        await on.json("PUT", "/script", script)
        assert on.stage.script == Script((Rule(Behaviour.SILENT, "smpp", "7"),), {}, {"*": Behaviour.READ})
        wrong = await on.json("PUT", "/script", {"rules": [{"behaviour": "dance"}]}, status=400)
        assert "$.rules[0].behaviour" in wrong["error"]
        assert on.stage.script.rules


async def test_webhooks_and_what_people_write() -> None:
    async with opened() as on:
        await on.json("PUT", "/webhooks/viber", {"url": "http://127.0.0.1:9/hook", "secret": "s"})
        assert (on.stage.webhooks["viber"].url, on.stage.webhooks["viber"].secret) == (
            "http://127.0.0.1:9/hook",
            "s",
        )
        written = {"sender": "anna@example.org", "recipient": "shop@shop.example", "text": "Hello"}
        await on.json("POST", "/inbound/viber", written, status=501)
        await on.json("POST", "/inbound/pigeon", written, status=404)
        await on.json("POST", "/inbound/smtp", {"sender": "anna@example.org"}, status=400)
        nobody = await on.json("POST", "/inbound/smtp", written, status=409)
        assert "nobody to write to" in nobody["error"]


async def test_an_operator_that_keeps_templates_decides_on_them() -> None:
    stage = Stage()
    face = WhatsappFace(stage)
    hub = Hub(stage, {"whatsapp": face, "viber": FakeFace("viber", stage.ledger("viber"))})
    await hub.start()
    try:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {ACCESS_TOKEN}"}) as client:
            on = Opened(hub, stage, {}, client)
            given = {"name": "ready", "language": "uk", "event": "APPROVED"}
            await on.json("POST", "/reviews/viber", given, status=501)
            await on.json("POST", "/reviews/whatsapp", given, status=404)
            body = {"category": "UTILITY", "components": [{"type": "BODY", "text": "Ready"}]}
            path = f"{face.url()}/v25.0/{ACCOUNT_ID}/message_templates"
            for status in (200, 400):  # there is one already
                async with client.post(path, json={**body, "name": "ready", "language": "uk"}) as answer:
                    assert answer.status == status
            nobody = await on.json("POST", "/reviews/whatsapp", given, status=409)
            assert "nobody to tell" in nobody["error"]
    finally:
        await hub.stop()


@pytest.mark.parametrize("query", ["offset=-1", "limit=x", "limit=99999999999"])
async def test_nonsense_numbers_are_refused(query: str) -> None:
    async with opened() as on:
        assert "is not a number" in (await on.json("GET", f"/ledger/smpp?{query}", status=400))["error"]


async def test_no_page_on_the_web_can_steer_it() -> None:
    async with opened() as on:
        for path in ("/", "/ledger"):
            async with on.client.get(on.hub.url() + path, headers={"Host": "rebound.example"}) as answer:
                assert answer.status == 403
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        async with on.client.put(on.hub.url() + "/script", data=b"{}", headers=form) as answer:
            assert answer.status == 415


# ── phones ───────────────────────────────────────────────────────────────────────────────────────────


async def test_an_empty_gallery_says_so() -> None:
    async with opened() as on:
        assert "No messages yet" in await on.page("/")
        assert "No messages yet" in await on.page("/phones/+447700900101")


async def test_a_phone_gathers_all_channels_in_order_of_time() -> None:
    async with opened() as on:
        on.took("viber", "+989121234500", "سلام", "sent", "delivered", "read", at=3_000, sender="بازار")
        on.took("smpp", "989121234500", "One", "delivered", at=1_000)
        on.took("vk", "+98 912 123 4500", "Two", "not_a_user", at=2_000)
        page = await on.page("/phones/+989121234500")
        articles = page.split("<article")[1:]
        assert articles == (await on.page("/phones/989121234500")).split("<article")[1:]
    assert [part.partition('class="bubble ')[2].partition('"')[0] for part in articles] == [
        "smpp",
        "vk unshown",
        "viber",
    ]
    assert "not on this channel" in articles[1]
    assert 'class="ticks read"' in articles[2]
    assert '<p class="words" dir="auto">سلام</p>' in articles[2]
    assert 'href="http://127.0.0.1:8080/find?ref=r0&amp;recipient=%2B989121234500"' in articles[2]


async def test_without_a_timeline_there_is_no_link_to_it() -> None:
    async with opened(timeline_url="") as on:
        on.took("smpp", "+447700900101", "One", "delivered")
        assert "timeline" not in await on.page("/phones/+447700900101")


async def test_what_is_written_is_text_everywhere() -> None:
    async with opened() as on:
        on.took(
            "whatsapp",
            "+447700900101",
            EVIL,
            "delivered",
            sender=EVIL,
            subject=EVIL,
            image_url=f"https://x.example/{EVIL}",
            buttons=[
                {"label": EVIL, "url": "javascript:alert(3)"},
                {"label": "ok", "url": f"https://x/{EVIL}"},
            ],
        )
        on.took("smpp", EVIL, EVIL, EVIL)
        gallery, phone = await on.page("/"), await on.page("/phones/+447700900101")
        async with on.client.get(on.hub.url() + "/") as answer:
            policy = answer.headers["Content-Security-Policy"]
    for page in (gallery, phone):
        assert "<script>" not in page
        assert "<img src=x" not in page
        assert "javascript:" not in page
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_links_in_a_text_can_be_followed_and_quotes_stay_outside() -> None:
    async with opened() as on:
        on.took("smpp", "+447700900101", 'See https://shop.example/t?a=1&b="x". Bye', "delivered")
        page = await on.page("/phones/+447700900101")
    assert (
        '<a href="https://shop.example/t?a=1&amp;b=">https://shop.example/t?a=1&amp;b=</a>&#34;x&#34;. Bye'
        in page
    )


async def test_the_html_of_a_mail_has_a_frame_and_a_policy_of_its_own() -> None:
    async with opened() as on:
        on.took("smtp", "anna.01@example.org", "x", "delivered", subject="Hello", html="<p>Hello</p>" + EVIL)
        assert '<iframe class="mail" src="/mail/smtp/0" sandbox=' in await on.page(
            "/phones/anna.01@example.org"
        )
        async with on.client.get(on.hub.url() + "/mail/smtp/0") as answer:
            assert (answer.status, await answer.text()) == (200, "<p>Hello</p>" + EVIL)
            policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "sandbox allow-popups" in policy
        assert "script-src" not in policy
        for path in ("/mail/smtp/1", "/mail/smtp/-1", "/mail/pigeon/0", "/mail/smtp/x"):
            async with on.client.get(on.hub.url() + path) as answer:
                assert answer.status == 404


GALLERY = [
    # query → phones that are shown, the last one rung first
    ("", ["anna@example.org", "+989121234500", "+447700900102", "+447700900101"]),
    ("?q=0900", ["+447700900102", "+447700900101"]),
    ("?q=%2B4477 0090 0102", ["+447700900102"]),
    ("?q=۹۸۹۱۲", ["+989121234500"]),
    ("?q=HELLO", ["+447700900102", "+447700900101"]),
    ("?q=سفارش", ["+989121234500"]),
    ("?q=invoice", ["anna@example.org"]),
    ("?q=nobody", []),
    ("?face=viber", ["+989121234500", "+447700900102"]),
    ("?rtl=1", ["+989121234500"]),
    ("?rtl=1&face=smpp", []),
    ("?page=2", []),
    ("?page=x", ["anna@example.org", "+989121234500", "+447700900102", "+447700900101"]),
]


@pytest.mark.parametrize(("query", "phones"), GALLERY)
async def test_the_gallery_is_searched_and_filtered(query: str, phones: list[str]) -> None:
    async with opened() as on:
        on.took("smpp", "+447700900101", "Hello", at=1)
        on.took("viber", "+447700900102", "Hello there", at=2)
        on.took("viber", "+989121234500", "سفارش شما 12 (DHL)", at=3)
        on.took("smtp", "anna@example.org", "x", at=4, subject="Your invoice")
        page = await on.page("/" + query)
    assert [part.partition('"')[0] for part in page.split('<li id="p-')[1:]] == phones


async def test_the_gallery_has_pages() -> None:
    async with opened() as on:
        for number in range(50):
            on.took("smpp", f"+4477009{number:05}", "Hello", at=number)
        first, third = await on.page("/"), await on.page("/?page=3")
    assert (first.count("<li id="), third.count("<li id=")) == (24, 2)
    assert "1 of 3" in first
    assert 'rel="next" href="?page=2"' in first
    assert 'rel="next"' not in third


async def test_the_changing_part_is_sent_only_when_it_has_changed() -> None:
    async with opened() as on:
        entry = on.took("smpp", "+447700900101", "Hello", "sent")
        url = on.hub.url() + "/phones/+447700900101?live=1"
        async with on.client.get(url) as answer:
            tag = answer.headers["ETag"]
            assert "<html" not in await answer.text()
        async with on.client.get(url, headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
        on.ledgers["smpp"].reported(entry, "delivered", 1_002)
        async with on.client.get(url, headers={"If-None-Match": tag}) as answer:
            assert answer.status == 200
            assert 'class="ticks delivered"' in await answer.text()


@pytest.mark.parametrize(
    ("text", "rtl"),
    [
        ("سلام", True),
        ("שלום", True),
        ("1234 سلام Hello", True),
        ("Hello سلام", False),
        ("1234", False),
        ("", False),
    ],
)
def test_direction_is_that_of_the_first_strong_letter(text: str, rtl: bool) -> None:
    assert reads_from_the_right(text) is rtl


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("+98 912 123-45-00", "+989121234500"),
        ("989121234500", "+989121234500"),
        ("Anna@Example.org", "anna@example.org"),
        ("club1", "+1"),
        ("nobody", "nobody"),
    ],
)
def test_one_number_is_one_phone(written: str, key: str) -> None:
    assert phone_key(written) == key


# ── the process ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The simulators as a process of their own, and where they said they are."""
    script = tmp_path / "script.json"
    script.write_text('{"rules": [{"behaviour": "not_a_user", "suffix": "gone"}]}')
    command = [sys.executable, "-m", "angarium.simulators", "--ports", "smpp=0"]
    options = ["--ledger-folder", str(tmp_path / "ledgers"), "--script", str(script)]
    started = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    try:
        yield started, json.loads(started.stdout.readline())
    finally:
        started.kill()
        started.communicate()


def says(url: str, recipient: str) -> int:
    """smtplib brings a mail; the code of the answer."""
    with smtplib.SMTP("127.0.0.1", int(url.rpartition(":")[2]), "peer.example", timeout=10) as client:
        try:
            client.sendmail(
                "a@peer.example", [recipient], b"Subject: x\r\nMessage-ID: <1@peer>\r\n\r\nHello\r\n"
            )
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients[recipient][0]
    return 250


def die_in_the_middle(url: str) -> None:
    """A client that is killed while it talks: the kernel resets its connection."""
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as client:
        client.recv(100)
        client.sendall(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def test_the_process_from_start_to_stop(
    process: tuple[subprocess.Popen[str], dict[str, Any]], tmp_path: Path
) -> None:
    running, where = process
    assert set(where["faces"]) == {"smpp", "smtp", *(one.name for one in operators().values())}
    mail = where["faces"]["smtp"]
    await asyncio.to_thread(die_in_the_middle, mail)
    assert await asyncio.to_thread(says, mail, "anna.01@example.org") == 250
    assert await asyncio.to_thread(says, mail, "anna.gone@example.org") == 550
    async with aiohttp.ClientSession() as client, client.get(where["admin"] + "/ledger") as answer:
        sums = json.loads(await answer.text())
    assert (sums["smtp"]["received"], sums["smtp"]["refused"]) == (1, {"not_a_user": 1})
    running.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(running.wait, 10) == 0
    assert running.stderr is not None
    assert running.stderr.read() == ""
    assert '"recipient":"anna.01@example.org"' in (tmp_path / "ledgers" / "smtp.jsonl").read_text()


def test_a_file_is_announced_whole(tmp_path: Path) -> None:
    file = tmp_path / "where.json"
    command = [sys.executable, "-m", "angarium.simulators", "--faces", "smtp", "--announce", str(file)]
    started = subprocess.Popen(command)
    try:
        asyncio.run(until(file.exists, 20))
        assert set(json.loads(file.read_text())) == {"admin", "faces"}
    finally:
        started.send_signal(signal.SIGINT)
        assert started.wait(10) == 0


@pytest.mark.parametrize(
    "wrong", [["--faces", "pigeon"], ["--ports", "smtp=x"], ["--ports", "pigeon=1"], ["--faces", ""]]
)
@pytest.mark.parts(2)
def test_wrong_options_are_named(wrong: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "angarium.simulators", *wrong],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert wrong[0] in done.stderr


@pytest.mark.browser
async def test_a_browser_draws_it_and_runs_nothing_it_was_sent() -> None:
    async with opened() as on:
        on.took("viber", "+989121234500", "سلام " + EVIL, "sent", "delivered")
        dom = await drawn(on.hub.url() + "/phones/+989121234500")
    assert dom.count("<article") == 1
    assert "سلام &lt;script&gt;alert(1)" in dom
    assert 'src="x"' not in dom


async def drawn(url: str) -> str:
    """The page after its script has looked at the server some times."""
    running = await asyncio.create_subprocess_exec(
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--virtual-time-budget=4000",
        "--dump-dom",
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await asyncio.wait_for(running.communicate(), 60)
    return out.decode()
