"""The log: nobody is named in it, nothing that was said stands in it, and no stranger writes a line of it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from angarium.accounts.rules import compose
from angarium.core.clock import SystemChance
from angarium.logs import API_KEY, Discretion, one_line
from angarium.processes import free_port
from angarium.storage.vault import Vault
from support.program import Program, running

PHONE = "+380661234577"
MAIL = "olena.marker@shop-marker.example"
TEXT = "marker-text-6f21 of a message"
SECRET, PASSWORD = "marker-secret-91ab", "mk-91ab7"
FORGED = "2026-01-01T00:00:00Z [info     ] serving"
VAULT = Vault([bytes(range(32))], SystemChance())

# Provoke errors of every kind, as the log of the process sees them.
SHOUT = f"""
import logging, sys
import structlog
from angarium import logs
from angarium.core.clock import SystemChance
from angarium.storage.vault import Vault

logs.set_up("debug", sys.argv[1], Vault([bytes(range(32))], SystemChance()).keyed_hash)
log = structlog.get_logger()
nasty = "{PHONE}\\r\\n{FORGED}\\x1b[2K {MAIL}\\u2028{FORGED}\\x85{FORGED}"
log.info(nasty)
log.info("event", value=nasty, deep={{"a": [nasty, {{"b": nasty}}]}}, error=ValueError(nasty), pair=(nasty,))
log.bind(bound=nasty).warning("bound")
try:
    raise RuntimeError(nasty)
except RuntimeError:
    log.exception("broke", why=nasty)
    logging.getLogger("library").exception("library broke: %s", nasty)
logging.getLogger("library").warning("library said %s", nasty)
"""


def shout(style: str) -> str:
    """What a process logs to which nasty things happen."""
    done = subprocess.run(
        [sys.executable, "-c", SHOUT, style], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stderr


@pytest.mark.parametrize("style", ["json", "text"])
def test_nobody_is_named(style: str) -> None:
    logged = shout(style)
    for named in (PHONE, PHONE[1:], MAIL, "olena"):
        assert named not in logged
    hashed = VAULT.keyed_hash(PHONE[1:].encode(), "log/phone").hex()[:10]
    assert logged.count(f"phone:{hashed}") >= 10  # the same person is the same word
    assert "mail:" in logged


def test_no_line_is_forged_in_json() -> None:
    for line in shout("json").splitlines():
        assert json.loads(line)["level"] in {"info", "warning", "error"}


def test_no_line_is_forged_in_text() -> None:
    lines = shout("text").split("\n")
    begin = re.compile(r"(\x1b\[\d+m)*20\d\d-\d\d-\d\d[T ]")
    events = [line for line in lines if begin.match(line)]
    assert len(events) == 6
    assert not [line for line in lines if line and not begin.match(line) and not line.startswith("    | ")]
    assert not [
        line for line in lines if re.search("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029]", line)
    ]
    assert "\x1b[2K" not in "".join(lines)


NAMED: list[tuple[str, str]] = [
    ("called +380661234577 twice", "called phone:{} twice"),
    ("called +380 66 123-45-77.", "called phone:{}."),
    ("from 380661234577 to 30007", "from phone:{} to 30007"),
    ("'380661234577'", "'phone:{}'"),
]
NOT_NAMED = [
    "192433292243369984",  # an id
    "1795826544222909",  # an instant
    "msg_05a581yz00002",
    "2026-11-28T01:10:40.750Z",
    "http://127.0.0.1:8080",
    "a1234567890123f",
    "0.1234567890123",
    "seq 12345",
]


def test_what_a_phone_looks_like() -> None:
    clear = Discretion(VAULT.keyed_hash).text
    hashed = VAULT.keyed_hash(b"380661234577", "log/phone").hex()[:10]
    for said, cleared in NAMED:
        assert clear(said) == cleared.format(hashed)
    for said in NOT_NAMED:
        assert clear(said) == said


def test_a_key_is_not_logged() -> None:
    key = compose(7, bytes(range(32)))
    assert re.fullmatch(API_KEY, key)
    assert Discretion(VAULT.keyed_hash).text(f"Bearer {key} is not good") == "Bearer ang_… is not good"


def test_a_hash_needs_the_key() -> None:
    other = Vault([bytes(32)], SystemChance())
    assert Discretion(VAULT.keyed_hash).text(PHONE) != Discretion(other.keyed_hash).text(PHONE)
    newer = Vault([bytes(32), bytes(range(32))], SystemChance())  # a new key in front changes nothing
    assert Discretion(VAULT.keyed_hash).text(PHONE) == Discretion(newer.keyed_hash).text(PHONE)


def test_numbers_and_names_of_an_event_stay() -> None:
    event = {"event": "x", "attempt": 192433292243369984, "ratio": 0.5, "nothing": None, "yes": True}
    assert one_line(None, "", Discretion(VAULT.keyed_hash)(None, "", event)) == event


# ── the real server ──────────────────────────────────────────────────────────────────────────────────

TO_PHONE: dict[str, Any] = {"to": {"phone": PHONE}, "class": "service", "text": TEXT, "line": "sms"}
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    # method, path, what is sent: all of it goes wrong, or soon will
    ("POST", "/v1/messages", {"body": TO_PHONE}),
    ("POST", "/v1/messages", {"body": TO_PHONE | {"to": {"email": MAIL}, "line": "none"}}),
    ("POST", "/v1/messages", {"body": TO_PHONE | {"to": {"phone": PHONE + "\r\nx"}, "class": TEXT}}),
    ("POST", "/v1/messages", {"data": json.dumps(TO_PHONE).encode()[:-9]}),
    ("POST", "/v1/contacts", {"body": {"addresses": [{"kind": "phone", "value": PHONE}], "name": TEXT}}),
    ("POST", "/v1/contacts", {"body": {"addresses": [{"kind": "email", "value": MAIL + "\r\n"}]}}),
    ("GET", f"/v1/contacts?phone={PHONE.replace('+', '%2B')}", {}),
    ("GET", f"/v1/contacts/{PHONE}", {}),
    ("GET", f"/messages?contact={MAIL}", {}),
    ("GET", f"/{TEXT.replace(' ', '%20')}%0d%0a{FORGED.replace(' ', '%20')}", {}),
    ("POST", f"/callbacks/1/{SECRET}", {"body": {"phone": PHONE, "text": TEXT}}),
]


@pytest.mark.timeout(180)
@pytest.mark.turns(2, 0)
async def test_a_run_with_errors_names_nobody(tmp_path: Path) -> None:
    async with running(tmp_path, log_level="debug") as program:
        await go_wrong(program)
        await until_said(program, "SMPP link down")
    said = program.said()
    for one in (
        PHONE,
        PHONE[1:],
        MAIL,
        TEXT,
        SECRET,
        PASSWORD,
        FORGED,
        program.client.key.rpartition("_")[2],
    ):
        assert one not in said
    for line in said.splitlines():
        json.loads(line)


async def until_said(program: Program, words: str) -> None:
    """Wait until something stands in the log."""
    for _ in range(600):
        if words in program.said():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"it does not say {words}")


async def go_wrong(program: Program) -> None:
    """Ask for all kinds of things that go wrong, of a server whose operator is not there."""
    client = program.client
    smpp = {
        "host": "127.0.0.1",
        "port": free_port(),
        "system_id": "x",
        "password": SECRET[:8],
        "source": "Shop",
    }
    line = {"name": "sms", "channel": "smpp", "settings": smpp, "classes": ["service", "otp"]}
    assert (await client.ask("POST", "/v1/lines", line | {"registration": "approved"})).status == 201
    for method, path, sent in ASKED:
        answer = await client.ask(method, path, **sent)
        assert answer.status < 500, (path, answer)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))
    writer.write(f"GET /{PHONE} {TEXT}\r\n{FORGED}\r\n\r\n".encode())
    await reader.read()
    writer.close()


def test_libraries_log_no_more_than_warnings() -> None:
    logged = shout("json")
    assert '"logger": "library"' in logged
    assert logging.WARNING == 30
