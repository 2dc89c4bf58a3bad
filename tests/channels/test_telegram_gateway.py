"""Telegram's Gateway: its two tables, where the code is, and whose reports are believed."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from angarium.channels import code_kit, kit
from angarium.channels.telegram_gateway import CHANNEL, DIGITS, ERRORS
from angarium.core.ports import Accepted, Raw, Receipt, Refused, Unreadable
from angarium.core.values import Content, MessageClass, Price, Reason, ReceiptStatus
from angarium.protocols.signatures import gateway_signature
from angarium.simulators.faces.telegram_gateway import make
from angarium.simulators.stage import Stage
from support.http_line import CallbackCase, SendCase, line, run_send_case, submission, unsure

TOKEN = "AAEAAAEAtelegram-gateway-demo"
SETTINGS = {"token": TOKEN}
CODE = Content(text="Your code is 48215")


def otp(**changes: Any) -> Any:
    """A code to be sent."""
    return submission(**{"message_class": MessageClass.OTP, "content": CODE, **changes})


STATUS = {"request_id": "123456789", "phone_number": "+447700900100", "request_cost": 0.01}
TAKEN = {"ok": True, "result": {**STATUS, "remaining_balance": 12.5}}
TOOK = Accepted(("123456789",), Price(10_000, "USD"))
BARE = {"phone_number": "+447700900100", "code": "48215", "payload": "att_0000000000007"}


def refusal(word: str) -> dict[str, Any]:
    """An error as the Gateway has it."""
    return {"ok": False, "error": word}


def refused(word: str, reason: Reason, detail: str = "", **more: Any) -> SendCase:
    """One error and what comes out."""
    outcome = Refused(reason, word, detail or f"Telegram refused it: {word}", **more)
    return SendCase(word, outcome, otp(), answer=refusal(word))


SEND_CASES = [
    SendCase("a code", TOOK, otp(), request=BARE, answer=TAKEN),
    SendCase(
        "all that can be said",
        TOOK,
        otp(
            ttl_s=60,
            callback_url="https://me.example/c",
            content=Content(text="Code", params={"code": "0042"}),
        ),
        {"sender_username": "@shop"},
        request={
            **BARE,
            "code": "0042",
            "ttl": 60,
            "callback_url": "https://me.example/c",
            "sender_username": "shop",
        },
        answer=TAKEN,
    ),
    *(refused(word, reason) for word, reason in ERRORS.items()),
    refused("FLOOD_WAIT_7", Reason.THROTTLED, "Telegram asks to slow down", retry_after_s=7.0),
    refused("FLOOD_WAIT", Reason.THROTTLED, "Telegram asks to slow down"),
    refused("ECLIPSE", Reason.REJECTED),
    SendCase("a breakdown", unsure(TAKEN, 500), otp(), status=500, answer=TAKEN),
    SendCase(
        "nothing in it", unsure({"ok": True, "result": True}), otp(), answer={"ok": True, "result": True}
    ),
    SendCase(
        "no code",
        Refused(Reason.UNSUPPORTED, detail="text: has no code that is certain"),
        otp(content=Content(text="Your order is ready")),
        answer=TAKEN,
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for asked in await run_send_case(CHANNEL, SETTINGS, case):
        assert asked.path == "/sendVerificationMessage"
        assert asked.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("text", "params", "code"),
    [
        ("Your code is 48215", {}, "48215"),
        ("4821", {}, "4821"),
        ("48215678: not for 3 minutes", {}, "48215678"),
        ("Code 4821 until 2027", {}, ""),
        ("Code 482", {}, ""),
        ("Call +380501234567", {}, ""),
        ("Code ۴۸۲۱۵", {}, ""),
        ("Code 4821 until 2027", {"code": "4821"}, "4821"),
        ("Your code is 48215", {"code": "48-215"}, ""),
    ],
)
def test_where_the_code_is(text: str, params: dict[str, str], code: str) -> None:
    content = Content(text=text, params=params)
    assert code_kit.code_of(content, *DIGITS) == code
    assert (CHANNEL.lint(kit.decode_settings(CHANNEL, SETTINGS), content) == ()) is bool(code)


# ── reports ──────────────────────────────────────────────────────────────────────────────────────────


def report(word: str, **more: Any) -> Raw:
    """A report."""
    told = {**STATUS, "delivery_status": {"status": word, "updated_at": 1740000000}, "payload": "att_7"}
    return Raw(msgspec.json.encode({**told, **more}))


def receipt(status: ReceiptStatus, word: str, **more: Any) -> Receipt:
    """What comes out of it."""
    usual = {"ref": "123456789", "client_ref": "att_7", "address": "+447700900100", "at": 1740000000_000_000}
    return Receipt(status, code=word, **{**usual, **more})


CHECKED = Raw(msgspec.json.encode({**STATUS, "verification_status": {"status": "code_valid"}}))
STRANGE = report("teleported")
CALLBACK_CASES = [
    CallbackCase("sent", report("sent"), [receipt(ReceiptStatus.SENT, "sent")]),
    CallbackCase("delivered", report("delivered"), [receipt(ReceiptStatus.DELIVERED, "delivered")]),
    CallbackCase("read", report("read"), [receipt(ReceiptStatus.READ, "read")]),
    CallbackCase(
        "expired, and given back",
        report("expired", is_refunded=True),
        [receipt(ReceiptStatus.FAILED, "expired", reason=Reason.EXPIRED, price=Price(0, ""))],
    ),
    CallbackCase(
        "revoked",
        report("revoked"),
        [receipt(ReceiptStatus.FAILED, "revoked", reason=Reason.REJECTED)],
    ),
    CallbackCase(
        "a code that was checked",
        CHECKED,
        [Unreadable("a report without delivery_status", CHECKED.body.decode())],
    ),
    CallbackCase(
        "a word", STRANGE, [Unreadable("status 'teleported' is not in our table", STRANGE.body.decode())]
    ),
    CallbackCase("nonsense", Raw(b"{"), [Unreadable("not a report of Telegram's Gateway", "{")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_reports(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


def test_the_signature_is_that_of_openssl() -> None:
    # the key of `openssl dgst -sha256 -mac HMAC -macopt hexkey:…` is what `printf secret | sha256sum` says
    made = "7c34e9a2791b56b235d7c6b133c8210cb81abf158ea36710dae43eae538434ad"
    assert gateway_signature("secret", "1740000000", b'{"ok":1}') == made


def test_only_a_fresh_report_with_our_signature_is_believed() -> None:
    settings, now = kit.decode_settings(CHANNEL, SETTINGS), int(time.time())
    body = report("delivered").body
    for at, token, given_at, good in (
        (now, TOKEN, now, True),
        (now - 3_600, TOKEN, now - 3_600, True),
        (now - 90_000, TOKEN, now - 90_000, False),
        (now + 3_600, TOKEN, now + 3_600, False),
        (now, "other", now, False),
        (now, TOKEN, now + 1, False),
    ):
        made = gateway_signature(token, str(at), body)
        headers = {"x-request-timestamp": str(given_at), "x-request-signature": made}
        assert CHANNEL.genuine(settings, Raw(body, headers)) is good, (at, token)
    assert not CHANNEL.genuine(settings, Raw(body))


async def test_the_whole_way() -> None:
    stage = Stage()
    face = make(stage)
    fates = {
        "00": (["sent", "delivered", "read"], ["sent", "delivered", "read"]),
        "01": (["sent", "delivered"], ["sent", "delivered"]),
    }
    async with line(stage, face, CHANNEL, SETTINGS) as live:
        for place, (digits, (told, seen)) in enumerate(fates.items(), 1):
            to = f"+4477009001{digits}"
            outcome = await live.send(to, message_class=MessageClass.OTP, content=CODE)
            assert isinstance(outcome, Accepted)
            await live.heard.until_told(f"att_{place}", told)
            (entry,) = [entry for entry in face.ledger.entries if entry.recipient == to]
            assert [word for word, _ in entry.statuses] == seen
            assert entry.text == "48215"
        stranger = await live.send("+447700900102", message_class=MessageClass.OTP, content=CODE)
        assert isinstance(stranger, Refused)
        assert stranger.reason is Reason.NOT_A_USER
        assert live.heard.forged == 0
