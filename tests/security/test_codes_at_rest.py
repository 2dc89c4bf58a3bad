"""The text of a code is nowhere in clear, at no time: not in the database, nor in what is written ahead of
it, nor in the log; and when its message has ended it is gone, sealed or not.

The real server sends codes over three channels to simulated operators, which repeat them in their receipts.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from angarium.core.ports import Outcome, Refused, Unknown
from angarium.core.values import Reason
from angarium.messaging.store.tables import attempt, journal, message
from angarium.processes import free_port
from angarium.simulators.hub import make_face
from angarium.simulators.stage import Face, Stage, Webhook
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction, open_database
from support.program import Program, running
from support.relay import Relay
from support.rest import at_rest, in_files
from support.server import Client, everything_in

FACES = ("smpp", "viber", "smtp")
DEADLINE_S = 6.0
PATIENCE_S = 30.0
LOOK_EVERY_S = 0.1
LABEL = "codes"
PLAIN = "PLAINWORDS7001"  # of a message that is no code: proof that what is searched is where things are kept
# Who gets a code, by the last digits that tell the operators what to do: see simulators/behaviour.py.
FATES = ("01", "02", "04", "06", "08", "09", "12")


REPEATED = "The text does not fit 'Your code is 493021'."
STEM = "MKQX7781"  # with which every code begins, and nothing else


def written(plain: bytes) -> Iterator[bytes]:
    """Bytes as they may stand somewhere: as they are, in hexadecimal, within base64."""
    yield plain
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for shift in range(3):
        whole = (shift + len(plain)) // 3 * 4  # characters that do not depend on what stands behind
        yield b64encode(bytes(shift) + plain)[4 if shift else 0 : whole]


SOUGHT = [*written(STEM.encode()), *written(STEM.encode("utf-16-be"))]


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "postgresql":
        return await request.getfixturevalue("postgres_server").empty_database()
    return f"sqlite:///{tmp_path}/angarium.db"


@asynccontextmanager
async def operators() -> AsyncIterator[tuple[Stage, dict[str, Face]]]:
    """The simulated operators, with their ledgers in memory."""
    stage = Stage()
    faces = {name: make_face(name, stage, 0, {}, {}) for name in FACES}
    for face in faces.values():
        await face.start()
    try:
        yield stage, faces
    finally:
        for face in faces.values():
            await face.stop()


def address(face: Face) -> tuple[str, int]:
    """Host and port of an operator."""
    host, _, port = face.url().partition("://")[2].rpartition(":")
    return host, int(port)


async def set_up(client: Client, stage: Stage, faces: dict[str, Face]) -> None:
    """A line to each operator that may carry codes, and back."""
    bounces = f"127.0.0.1:{free_port()}"
    smpp, smtp = address(faces["smpp"]), address(faces["smtp"])
    settings: dict[str, dict[str, Any]] = {
        "smpp": {
            "host": smpp[0],
            "port": smpp[1],
            "system_id": "angarium",
            "password": "secret",
            "source": "Shop",
        },
        "viber_business": {
            "api_key": "viber-demo-key",
            "sender": "Shop",
            "base_url": f"{faces['viber'].url()}/v1/api",
        },
        "smtp": {"host": smtp[0], "port": smtp[1], "security": "none", "sender_address": "shop@example.com"}
        | {"bounce_listen": bounces, "bounce_domain": "bounces.example"},
    }
    for channel, given in settings.items():
        line = {"name": channel, "channel": channel, "settings": given, "classes": ["otp", "service"]}
        made = await client.ask("POST", "/v1/lines", line | {"registration": "approved"})
        assert made.status == 201, made
        if channel == "viber_business":
            stage.webhooks["viber"] = Webhook(client.url + made.json["callback_path"])
    stage.webhooks["smtp"] = Webhook(f"smtp://{bounces}")
    template = {"name": "code", "class": "otp", "variants": [{"content": {"text": "{{ code }} is yours"}}]}
    assert (await client.ask("POST", "/v1/templates", template)).status == 201


def asked() -> Iterator[tuple[str, dict[str, Any]]]:
    """Codes, each with the message that asks for it: on every channel, for every fate, in every wording."""
    number = 0
    for channel in ("smpp", "viber_business", "smtp"):
        for fate in FATES:
            number += 1
            code = f"{STEM}{number:02}"
            to = (
                {"phone": f"+3805012345{fate}"}
                if channel != "smtp"
                else {"email": f"a{number}.{fate}@shop.example"}
            )
            body = {"to": to, "class": "otp", "channel": channel, "label": LABEL, "deadline_s": DEADLINE_S}
            words: list[dict[str, Any]] = [
                {"text": f"{code} код" if number % 2 else f"{code} is yours"},
                {"template": "code", "variables": {"code": code}},
                {"variants": [{"content": {"text": f"{code} x"}}]},
            ]
            mail = {"variants": [{"content": {"subject": f"{code} is yours", "text": f"{code} x"}}]}
            yield code, body | (mail if channel == "smtp" else words[number % 3])


async def until_forgotten(database: Database, count: int) -> None:
    """Wait until no words of a code are kept; of those that wait for a receipt this is before their end."""
    left: list[bytes] = []
    for _ in range(int(PATIENCE_S / LOOK_EVERY_S)):
        found = await database.read(kept)
        left = [words for words in [*found["words"], *found["content"]] if words]
        if len(found["words"]) == count and not left:
            return
        await asyncio.sleep(LOOK_EVERY_S)
    raise AssertionError(f"{len(left)} are not forgotten")


async def kept(tx: Transaction) -> dict[str, list[Any]]:
    """What is kept of codes once they have ended."""
    words = await tx.rows(Statement(select(message.c.words).where(message.c["class"] == "otp")))
    content = await tx.rows(Statement(select(attempt.c.content).where(attempt.c["class"] == "otp")))
    bodies = await tx.rows(Statement(select(journal.c.body, journal.c.state)))
    return {"words": [row[0] for row in words], "content": [row[0] for row in content], "bodies": bodies}


@pytest.mark.timeout(240)
@pytest.mark.turns(3, 1)
async def test_a_code_is_nowhere_in_clear_and_gone_at_the_end(url: str, tmp_path: Path) -> None:
    async with operators() as (stage, faces):
        private = ",".join(face.url().partition("://")[2] for face in faces.values())
        settings = {"database": url, "log_level": "debug", "allow_private": private, "port": "0"}
        async with running(tmp_path, **settings) as program:
            client = program.client
            await set_up(client, stage, faces)
            looks = open_database(url)
            await looks.start()
            try:
                codes = await play(client, looks, url, program)
            finally:
                await looks.stop()
        assert await in_files(tmp_path, SOUGHT) == []
        assert await in_files(tmp_path, [b"serving"]) != []  # the log is there, too
        taken = {entry.text for face in faces.values() for entry in face.ledger.entries}
        reached = {code for code in codes if any(code in text for text in taken)}
        assert len(reached) >= len(codes) * 2 // 3  # or nothing of this was about codes


async def play(client: Client, database: Database, url: str, program: Program) -> list[str]:
    """Send every code, look while they are under way and when they have ended; the codes."""
    codes, ids = [], []
    for number, (code, body) in enumerate(asked()):
        taken = await client.ask("POST", "/v1/messages", body, Idempotency_Key=f"once-{number}")
        assert taken.status == 202, taken.body
        assert code not in taken.body.decode()
        codes.append(code)
        ids.append(taken.json["id"])
    later = {"to": {"phone": "+380501234501"}, "class": "otp", "text": f"{STEM}00", "channel": "smpp"}
    taken = await client.ask("POST", "/v1/messages", later | {"send_at": "2099-01-01T00:00:00Z"})
    assert taken.status == 422  # a year ahead at most
    assert f"{STEM}00" not in taken.body.decode()
    plain = {"to": {"phone": "+380501234501"}, "class": "service", "text": PLAIN, "channel": "smpp"}
    assert (await client.ask("POST", "/v1/messages", plain)).status == 202
    await look_until_forgotten(database, url, program.log.parent, len(ids))
    assert await at_rest(database, url, [PLAIN.encode()]) != []
    await told_nowhere(client, ids, codes)
    bodies = [body for body, _ in (await database.read(kept))["bodies"]]
    assert b"" in bodies  # receipts that repeated a code were there, and are not kept
    assert all(body == b"" or body.startswith(b"v1.") for body in bodies)
    return codes


async def look_until_forgotten(database: Database, url: str, folder: Path, count: int) -> None:
    """Look for codes over and over until all are forgotten, and once more."""
    ending, looks = asyncio.create_task(until_forgotten(database, count)), 0
    while not ending.done() or looks < 2:
        assert await at_rest(database, url, SOUGHT) == []
        assert await in_files(folder, SOUGHT) == []
        looks += 1
        await asyncio.sleep(LOOK_EVERY_S)
    await ending
    assert await at_rest(database, url, SOUGHT) == []


async def told_nowhere(client: Client, ids: list[str], codes: list[str]) -> None:
    """No answer of the API shows a code: of a message, a list, a report, an export, a preview."""
    paths = [f"/v1/messages/{one}" for one in ids]
    paths += [
        f"/v1/messages?label={LABEL}",
        f"/v1/messages/report?label={LABEL}",
        "/v1/messages/export?label=codes",
    ]
    told = [(await client.ask("GET", path)) for path in paths]
    (_, body) = next(asked())
    told.append(await client.ask("POST", "/v1/messages/preview", body, Idempotency_Key="preview"))
    assert {one.status for one in told} == {200}
    assert not any(code in one.body.decode() for one in told for code in codes)
    assert sum("••••••" in one.body.decode() for one in told) > len(ids) // 2


@pytest.mark.parametrize("outcome", [Refused(Reason.CONTENT_REJECTED, detail=REPEATED), Unknown(REPEATED)])
async def test_what_a_provider_repeats_is_not_kept(database: Database, outcome: Outcome) -> None:
    relay = await Relay(database).open()
    await relay.line("sms", "smpp")
    message_id = await relay.send(**{"class": "otp"}, text=f"{STEM} is your code 493021, 7", line="sms")
    await relay.take("sms", outcome)
    told = str(await relay.told(message_id))
    assert "493021" not in told
    assert "does not fit 'Your code is ••••••'" in told
    assert "493021" not in repr(await everything_in(database))
