"""What is remembered of a submission is what went over the wire, as the other end has it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from angarium.channels import kit, load
from angarium.core.ports import Accepted, Exchange, Refused, Tape, Unknown
from angarium.core.values import Content
from angarium.lines.flows import secrets_of
from angarium.messaging.masking import MASK, Masks, side, written
from angarium.protocols.smpp_numbers import Command, Status
from support import http_line, mail_line, smpp_line
from support.http_line import Heard, provider, tools
from support.mail_peers import HANG_UP, SILENCE, scripted

HTTP: dict[str, dict[str, Any]] = {
    "viber_business": {"api_key": "key/with+signs", "sender": "Bazaar"},
    "vk_notify": {
        "api_key": "key/with+signs",
        "service": "shop",
        "text_template": "t",
        "text_variable": "text",
    },
    "whatsapp_cloud": {
        "phone_number_id": "1234567890",
        "access_token": "key/with+signs",
        "app_secret": "secret-of-the-app",
        "verify_token": "word",
    },
}


class Owned(msgspec.Struct):
    """As much of a line as its secrets need."""

    channel: str
    callback_token: str = "tok3n-of-callbacks"


def taped(tape: Tape | None) -> Sequence[Exchange]:
    """What was remembered."""
    assert tape is not None
    return tape.exchanges()


@pytest.mark.parametrize("kind", HTTP)
async def test_a_request_is_what_the_provider_got_but_for_the_mask(kind: str) -> None:
    channel, heard = load()[kind], Heard()
    callback_url = "https://me.example/callbacks/1/tok3n-of-callbacks"
    says = provider(403, {"error": "no key/with+signs here"}, {"Set-Cookie": "sid=1"})
    async with says as (url, asked), tools("127.0.0.1") as given:
        settings = kit.decode_settings(channel, {**HTTP[kind], "base_url": url})
        connection = kit.connect(channel, given, settings, 2, heard)
        await connection.open()
        connection.submit([http_line.submission(callback_url=callback_url)])
        await heard.until(lambda: heard.outcomes)
        await connection.close(1.0)
    (got,) = asked
    (one,) = taped(heard.tapes[0])
    assert (one.protocol, one.asked.head) == ("http", f"POST {url}{got.path}")
    assert {name.lower(): value for name, value in one.asked.fields} == got.headers
    assert msgspec.json.decode(one.asked.body) == got.document
    assert one.answered is not None
    assert (one.answered.head, msgspec.json.decode(one.answered.body)) == (
        "HTTP 403",
        {"error": "no key/with+signs here"},
    )
    assert one.answered_at is not None
    assert one.answered_at >= one.asked_at > 0
    masks = Masks(secrets_of(Owned(kind), settings))  # type: ignore[arg-type]
    told = written(side(one.asked, masks)) + written(side(one.answered, masks))
    for secret in ("key/with+signs", b64encode(b"key/with+signs").decode(), "tok3n-of-callbacks", "sid=1"):
        assert secret not in told, told
    clear = {name: value for name, value in got.headers.items() if name != "authorization"}
    shown = {name.lower(): value for name, value in side(one.asked, masks).fields}
    assert MASK in shown.pop("authorization")
    assert shown == clear
    assert side(one.asked, masks).body == one.asked.body.decode().replace("tok3n-of-callbacks", MASK)


async def test_what_could_not_be_sent_is_told_too() -> None:
    channel, heard = load()["viber_business"], Heard()
    async with tools() as given:  # nothing on this machine may be reached
        settings = kit.decode_settings(channel, {**HTTP["viber_business"], "base_url": "http://127.0.0.1:9"})
        connection = kit.connect(channel, given, settings, 2, heard)
        await connection.open()
        connection.submit([http_line.submission()])
        await heard.until(lambda: heard.outcomes)
        await connection.close(1.0)
    (one,) = taped(heard.tapes[0])
    assert one.answered is None
    assert "loopback" in one.trouble


async def test_of_what_is_not_asked_nothing_is_told() -> None:
    channel, heard = load()["viber_business"], Heard()
    async with tools() as given:
        settings = kit.decode_settings(channel, {**HTTP["viber_business"], "base_url": "http://127.0.0.1:9"})
        connection = kit.connect(channel, given, settings, 2, heard)
        await connection.open()
        connection.submit([http_line.submission(content=Content(text="x" * 2_000))])
        await heard.until(lambda: heard.outcomes)
        await connection.close(1.0)
    assert list(taped(heard.tapes[0])) == []


# ── SMPP ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_submit_sm_is_what_the_centre_got_to_the_octet() -> None:
    async with smpp_line.a_centre() as centre, smpp_line.a_line(centre.port) as live:
        await smpp_line.until(live.connection.free)
        live.connection.submit([smpp_line.submission("Ціна 5 €" * 12)])
        frames = await centre.came(Command.SUBMIT_SM, 2)
        centre.accept(frames[0], "4F01")
        centre.refuse(frames[1], Status.RINVDSTADR)
        assert isinstance(await live.outcome(7), Unknown)
    said = taped(live.heard.tapes[7])
    assert [one.asked.body for one in said] == [frame.data for frame in frames]
    assert [one.asked.head for one in said] == ["submit_sm 1/2", "submit_sm 2/2"]
    assert "".join(one.asked.words for one in said) == "Ціна 5 €" * 12
    fields = dict(said[0].asked.fields)
    assert (fields["source_addr"], fields["destination_addr"]) == ("Shop", "989120000001")
    assert (fields["data_coding"], fields["esm_class"]) == ("0x08", "0x40")
    assert fields["sequence_number"] == str(frames[0].sequence)
    first, second = (one.answered for one in said)
    assert first is not None
    assert second is not None
    assert dict(first.fields)["message_id"] == "4F01"
    assert dict(second.fields)["command_status"].startswith("RINVDSTADR (0x0000000b)")
    assert (first.head, second.head) == ("submit_sm_resp: ROK", "submit_sm_resp: RINVDSTADR")
    assert first.binary


async def test_what_the_centre_never_answered_says_so() -> None:
    async with smpp_line.a_centre() as centre, smpp_line.a_line(centre.port) as live:
        await smpp_line.until(live.connection.free)
        live.connection.submit([smpp_line.submission()])
        await centre.came(Command.SUBMIT_SM)
        centre.drop()
        assert isinstance(await live.outcome(7), Unknown)
        (one,) = taped(live.heard.tapes[7])
        assert (one.answered, one.answered_at) == (None, None)
        assert "connection was lost" in one.trouble


async def test_callbacks_of_a_centre_are_taken_apart_and_read() -> None:
    channel, settings = load()["smpp"], smpp_line.settings_of()
    receipts = [
        smpp_line.delivered(f"id:{number} stat:DELIVRD err:000 text:".encode(), number, esm_class=4)
        for number in (1, 2)
    ]
    raw = smpp_line.Raw(b"".join(receipts), {"bind": "1"})
    pieces = channel.pieces(settings, raw)
    assert [piece.body for piece in pieces] == receipts
    assert [len(channel.parse(settings, piece)) for piece in pieces] == [1, 1]
    told = channel.told(settings, pieces[1])
    assert (told.head, told.words, told.body) == (
        "deliver_sm",
        "id:2 stat:DELIVRD err:000 text:",
        receipts[1],
    )
    assert channel.told(settings, smpp_line.Raw(b"\x00\x01")).body == b"\x00\x01"


# ── mail ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answers", "outcome", "heard"),
    [
        ({}, Accepted, ["250 ok", "250 ok", "354 go on", "250 ok"]),
        ({"RCPT": "550 5.1.1 unknown"}, Refused, ["250 ok", "550 5.1.1 unknown"]),
        ({"dot": "554 5.6.0 spam"}, Refused, ["250 ok", "250 ok", "354 go on", "554 5.6.0 spam"]),
        ({"dot": HANG_UP}, Unknown, ["250 ok", "250 ok", "354 go on"]),
        ({"DATA": HANG_UP}, Refused, ["250 ok", "250 ok"]),
    ],
)
async def test_a_dialogue_is_what_the_server_heard_and_said(
    answers: dict[str, str], outcome: type, heard: list[str]
) -> None:
    settings = {"bounce_domain": "b.shop.example"}
    async with scripted(**answers) as peer, mail_line.line(port=peer.port, **settings) as (connection, ears):
        ended = await mail_line.sent(connection, ears)
    assert isinstance(ended, outcome)
    (one,) = taped(ears.tapes[7])
    said = [f"{verb} {rest}".strip() for verb, rest in one.asked.fields if verb != "."]
    assert said == [line for line in peer.said if line.split()[0] in ("MAIL", "RCPT", "DATA")]
    assert one.answered is not None
    assert [text for _, text in one.answered.fields] == heard
    assert one.asked.head == f"127.0.0.1:{peer.port} (none)"
    assert b"Subject: Order 1234" in one.asked.body
    assert b"Your order is ready" not in one.asked.body
    if peer.mails:
        assert peer.mails[0].startswith(one.asked.body)
    assert bool(one.trouble) is (outcome is not Accepted)


async def test_a_server_that_cannot_be_reached_is_told() -> None:
    answers = {"greeting": ["220 mx", "421 4.3.2 busy"], "dot": SILENCE}
    async with scripted(**answers) as peer, mail_line.line(2, port=peer.port) as (connection, ears):
        connection_is_there = mail_line.submission(attempt_id=1)
        second = mail_line.submission(attempt_id=2)
        await mail_line.until(connection.free)
        connection.submit([connection_is_there, second])
        await mail_line.until(lambda: 2 in ears.outcomes)
        (one,) = taped(ears.tapes[2])
        assert (one.answered, one.asked.fields) == (None, ())
        assert "421" in one.trouble
