"""SMS through Sinch: its two tables and its signature."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.sinch_sms import CHANNEL, document
from angarium.core.ports import Accepted, Inbound, Raw, Receipt, Refused, Unreadable
from angarium.core.values import Content, Reason, ReceiptStatus
from angarium.protocols.signatures import sinch_signature
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

SETTINGS: dict[str, Any] = {"service_plan_id": "plan", "api_token": "token", "sender": "+12017777777"}
REF = "att_0000000000007"
CALLBACK = "https://me.example/cb/s3cret"
BATCH = "01FC66621XXXXX119Z8PMV1QPQ"
USUAL = {
    "type": "mt_text",
    "to": ["447700900100"],
    "from": "12017777777",
    "body": "Your order is ready",
    "delivery_report": "per_recipient",
    "client_reference": REF,
}
TAKEN = {**USUAL, "id": BATCH, "canceled": False, "created_at": "2022-08-30T08:16:08.930Z"}


def error(code: str, text: str = "to: an illegal MSISDN") -> dict[str, str]:
    """Sinch's error document."""
    return {"code": code, "text": text}


SEND_CASES = [
    SendCase(
        "a text, and where its reports go",
        Accepted((BATCH,)),
        submission(callback_url=CALLBACK),
        request={**USUAL, "callback_url": CALLBACK},
        status=201,
        answer=TAKEN,
    ),
    SendCase(
        "a bad number",
        Refused(
            Reason.BAD_ADDRESS,
            "syntax_invalid_parameter_format",
            "syntax_invalid_parameter_format: to: an illegal MSISDN",
        ),
        status=400,
        answer=error("syntax_invalid_parameter_format"),
    ),
    SendCase(
        "anything else is our fault",
        Refused(Reason.CONFIG, "syntax_constraint_violation", "syntax_constraint_violation: body: empty"),
        status=400,
        answer=error("syntax_constraint_violation", "body: empty"),
    ),
    SendCase(
        "a blocked account",
        Refused(Reason.AUTH, "blocked_account", "blocked_account: x"),
        status=403,
        answer=error("blocked_account", "x"),
    ),
    SendCase(
        "a wrong token",
        Refused(Reason.AUTH, "401", "the provider does not accept these credentials"),
        status=401,
        answer=b"",
    ),
    SendCase(
        "slow down",
        Refused(Reason.THROTTLED, "429", "the provider asks to slow down", retry_after_s=1),
        status=429,
        headers={"Retry-After": "1"},
        answer=error("x"),
    ),
    SendCase("their trouble", unsure(error("x"), 500), status=500, answer=error("x")),
    SendCase("no id", unsure({"id": ""}, 201), status=201, answer={"id": ""}),
    SendCase("nonsense", unsure(b"<html>"), answer=b"<html>"),
    SendCase(
        "a template",
        Refused(Reason.UNSUPPORTED, detail="template: no templates here"),
        submission(content=Content("x", template="a")),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/xms/v1/plan/batches"
        assert request.headers["authorization"] == "Bearer token"


def test_the_time_to_live_is_an_instant() -> None:
    given = kit.decode_settings(CHANNEL, SETTINGS)
    written = document(given, submission(ttl_s=600), 1_661_847_368_930_000)
    assert written["expire_at"] == "2022-08-30T08:26:08.930Z"


def report(status: str, code: int, **more: Any) -> Raw:
    """A report, as sinch-sdk-python's tests have it."""
    usual = {
        "at": "2022-08-30T08:16:08.930Z",
        "batch_id": BATCH,
        "code": code,
        "recipient": "+44231235674",
        "status": status,
        "type": "recipient_delivery_report_sms",
        "client_reference": "att_1",
    }
    return Raw(msgspec.json.encode({**usual, **more}))


def receipt(status: ReceiptStatus, code: str, reason: Reason | None = None) -> Receipt:
    """What comes out of it."""
    at = 1_661_847_368_930_000
    return Receipt(
        status, ref=BATCH, client_ref="att_1", address="+44231235674", reason=reason, code=code, at=at
    )


FAILED = ReceiptStatus.FAILED
MO = {
    "type": "mo_text",
    "id": "01W4FFL35P4NC4K35SMSBATCH8",
    "from": "12015555555",
    "to": "12017777777",
    "body": "Hello John! 👋",
    "operator_id": "311071",
    "received_at": "2024-06-06T07:52:37.386Z",
}
HEARD_AT = 1_717_660_357_386_000
MMS = {
    **MO,
    "type": "mo_media",
    "body": {
        "message": "Look",
        "media": [
            {"url": "https://x/a", "content_type": "image/png", "status": "Uploaded", "code": 0},
            {"url": "https://x/b", "content_type": "image/png", "status": "Uploaded", "code": 0},
        ],
    },
}
WHOLE = b'{"type":"delivery_report_sms","batch_id":"1","statuses":[],"total_message_count":1}'
CALLBACK_CASES = [
    CallbackCase("queued", report("Queued", 400), [receipt(ReceiptStatus.ACCEPTED, "Queued")]),
    CallbackCase("dispatched", report("Dispatched", 401), [receipt(ReceiptStatus.SENT, "Dispatched")]),
    CallbackCase(
        "delivered, in capitals, and when the network says",
        report("DELIVERED", 0, operator_status_at="2022-08-30T08:16:08.930Z", at="2022-08-30T09:00:00Z"),
        [receipt(ReceiptStatus.DELIVERED, "DELIVERED")],
    ),
    CallbackCase("no route", report("Aborted", 402), [receipt(FAILED, "402", Reason.REJECTED)]),
    CallbackCase("for now", report("Aborted", 404), [receipt(FAILED, "404", Reason.TEMPORARY)]),
    CallbackCase("its time", report("Expired", 406), [receipt(FAILED, "406", Reason.EXPIRED)]),
    CallbackCase("no sender", report("Aborted", 410), [receipt(FAILED, "410", Reason.SENDER_INVALID)]),
    CallbackCase("a region", report("Aborted", 412), [receipt(FAILED, "412", Reason.CONFIG)]),
    CallbackCase("the network's own", report("Failed", 61), [receipt(FAILED, "61", Reason.UNDELIVERED)]),
    CallbackCase("nothing is known", report("Unknown", 0), [receipt(ReceiptStatus.ACCEPTED, "Unknown")]),
    CallbackCase(
        "a person writes",
        Raw(msgspec.json.encode(MO)),
        [Inbound(MO["id"], "+12015555555", "+12017777777", "Hello John! 👋", HEARD_AT)],
    ),
    CallbackCase(
        "with two pictures",
        Raw(msgspec.json.encode(MMS)),
        [
            Inbound(MO["id"], "+12015555555", "+12017777777", "Look", HEARD_AT, media_url="https://x/a"),
            Inbound(f"{MO['id']}/1", "+12015555555", "+12017777777", "", HEARD_AT, media_url="https://x/b"),
        ],
    ),
    CallbackCase(
        "about a whole batch",
        Raw(WHOLE),
        [Unreadable("a callback of type 'delivery_report_sms'", WHOLE.decode())],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


@pytest.mark.parametrize(
    ("secret", "signed_with", "good"),
    [("", "", True), ("s", "s", True), ("s", "t", False), ("s", "", False)],
)
def test_a_signature_counts_where_there_is_a_secret(secret: str, signed_with: str, good: bool) -> None:
    given = kit.decode_settings(CHANNEL, {**SETTINGS, "webhook_secret": secret})
    nonce, at = "01FJA8B4A7BM43YGWSG9GBV067", "1634579353"
    headers = {"x-sinch-webhook-signature-nonce": nonce, "x-sinch-webhook-signature-timestamp": at}
    if signed_with:
        headers["x-sinch-webhook-signature"] = sinch_signature(signed_with, b"{}", nonce, at)
    assert CHANNEL.genuine(given, Raw(b"{}", headers)) is good
