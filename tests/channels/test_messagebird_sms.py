"""SMS through Bird, once MessageBird: its two tables and its signature."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.messagebird_sms import CHANNEL
from angarium.core.ports import Accepted, Inbound, Raw, Receipt, Refused, Unknown, Unreadable
from angarium.core.values import Content, MessageClass, Price, Reason, ReceiptStatus
from angarium.protocols.signatures import standard_signature
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

SECRET, OLD = ("whsec_" + b64encode(word).decode() for word in (b"now", b"before"))
SETTINGS: dict[str, Any] = {"api_key": "bk_eu1_key", "webhook_secret": SECRET, "sender": "+15557654321"}
REF = "att_0000000000007"
SMS = "sms_01krdgeqcxet5s7t44vh8rt9mg"
USUAL = {
    "to": "+447700900100",
    "from": "+15557654321",
    "metadata": {"ref": REF},
    "text": "Your order is ready",
    "category": "service",
}
# the fields of messagebird-sdk's SMSMessage that are always there
TAKEN = {
    "id": SMS,
    "direction": "outbound",
    "status": "accepted",
    "to": "+447700900100",
    "from": "+15557654321",
    "requested_language": None,
    "resolved_language": None,
    "template_id": None,
    "template_version_id": None,
    "template_content_hash": None,
    "segments": {"count": 1, "encoding": "GSM_7BIT", "characters": 19},
    "created_at": "2026-05-21T12:00:00Z",
}
FAILURE = {"code": "insufficient_balance", "description": "The wallet is empty", "occurred_at": "x"}


def error(kind: str, name: str = "", **more: Any) -> dict[str, Any]:
    """The API's error, as the SDK reads it."""
    return {"error": {"type": kind, "code": "E01001", "name": name or None, "message": "No", **more}}


SEND_CASES = [
    SendCase(
        "a text, with what it is",
        Accepted((SMS,)),
        request=USUAL,
        status=202,
        answer=TAKEN,
    ),
    SendCase(
        "an advertisement, with plain characters",
        Accepted((SMS,)),
        submission(message_class=MessageClass.PROMOTIONAL),
        settings={"smart": True},
        request={**USUAL, "category": "marketing", "options": {"smart_encoding": True}},
        status=202,
        answer=TAKEN,
    ),
    SendCase(
        "a template by its slug",
        Accepted((SMS,)),
        submission(
            content=Content("1234", template="bird_otp", template_language="fr", params={"code": "1234"})
        ),
        request={
            **{name: USUAL[name] for name in ("to", "from", "metadata")},
            "template": {"slug": "bird_otp", "language": "fr", "parameters": {"code": "1234"}},
        },
        status=202,
        answer=TAKEN,
    ),
    SendCase(
        "a template by its id",
        Accepted((SMS,)),
        submission(content=Content(template="smt_01krdgeqcxet5s7t44vh8rt9mg")),
        request={
            **{name: USUAL[name] for name in ("to", "from", "metadata")},
            "template": {"id": "smt_01krdgeqcxet5s7t44vh8rt9mg"},
        },
        status=202,
        answer=TAKEN,
    ),
    SendCase(
        "rejected at once",
        Refused(Reason.NO_CREDIT, "insufficient_balance", "The wallet is empty"),
        status=202,
        answer={**TAKEN, "status": "rejected", "last_error": FAILURE},
    ),
    SendCase(
        "a bad number, by the name of the error",
        Refused(Reason.BAD_ADDRESS, "SMSInvalidRecipient", "No; to: cannot be routed"),
        status=422,
        answer=error(
            "validation_error",
            "SMSInvalidRecipient",
            details=[{"param": "to", "message": "cannot be routed"}],
        ),
    ),
    SendCase(
        "a bad sender, by the parameter",
        Refused(Reason.SENDER_INVALID, "E01001", "No"),
        status=422,
        answer=error("validation_error", param="from"),
    ),
    SendCase(
        "a wrong key",
        Refused(Reason.AUTH, "E01001", "No"),
        status=401,
        answer=error("auth_error"),
    ),
    SendCase(
        "no money",
        Refused(Reason.NO_CREDIT, "E01001", "No"),
        status=402,
        answer=error("billing_error"),
    ),
    SendCase(
        "slow down",
        Refused(Reason.THROTTLED, "E01001", "No", retry_after_s=4),
        status=429,
        headers={"Retry-After": "4"},
        answer=error("rate_limit_error"),
    ),
    SendCase(
        "a type nobody told us of",
        Refused(Reason.REJECTED, "E01001", "No"),
        status=400,
        answer=error("new_error"),
    ),
    SendCase(
        "the same key at the same time",
        Unknown("an earlier try under the same key is still under way"),
        status=409,
        answer=error("conflict_error"),
    ),
    SendCase("their trouble", unsure(error("x"), 500), status=500, answer=error("x")),
    SendCase("no id", unsure({"id": "", "status": "x"}, 202), status=202, answer={"id": "", "status": "x"}),
    SendCase("nonsense", unsure(b"<html>"), answer=b"<html>"),
    SendCase(
        "more parts than they take",
        Refused(Reason.UNSUPPORTED, detail="text: 13 parts, at most 12"),
        submission(content=Content("x" * 1_837)),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/v1/sms/messages"
        assert request.headers["authorization"] == "Bearer bk_eu1_key"
        assert request.headers["idempotency-key"] == REF


def event(kind: str, **more: Any) -> Raw:
    """An event, as messagebird-sdk reads it."""
    data = {"sms_id": SMS, "to": "+15551234567", "from": "+15557654321", "metadata": {"ref": "att_1"}}
    return Raw(
        msgspec.json.encode({"type": kind, "timestamp": "2026-05-21T12:00:00Z", "data": {**data, **more}})
    )


AT = 1_779_364_800_000_000


def receipt(status: ReceiptStatus, code: str, reason: Reason | None = None, **more: Any) -> Receipt:
    """What comes out of it."""
    usual = {"ref": SMS, "client_ref": "att_1", "address": "+15551234567", "at": AT}
    return Receipt(status, **usual, reason=reason, code=code, **more)


def failed(code: str) -> dict[str, Any]:
    """The error of an event."""
    return {"error": {"code": code, "description": "x", "carrier_error_code": None, "occurred_at": "x"}}


FAILED = ReceiptStatus.FAILED
COST = {
    "amount": "0.00990",
    "currency_code": "EUR",
    "transaction_amount": "0.00790",
    "passthrough_amount": "0.00200",
}
LISTED = {
    "invalid_destination": Reason.BAD_ADDRESS,
    "unreachable": Reason.UNREACHABLE,
    "blocked_by_carrier": Reason.CONTENT_REJECTED,
    "blocked_by_fraud_protection": Reason.REJECTED,
    "blocked_by_recipient": Reason.BLOCKED_BY_USER,
    "landline_unreachable": Reason.BAD_ADDRESS,
    "content_rejected": Reason.CONTENT_REJECTED,
    "sender_unregistered": Reason.SENDER_INVALID,
    "recipient_opted_out": Reason.OPTED_OUT,
    "provider_unavailable": Reason.TEMPORARY,
    "insufficient_balance": Reason.NO_CREDIT,
}
CALLBACK_CASES = [
    CallbackCase("accepted", event("sms.accepted"), [receipt(ReceiptStatus.ACCEPTED, "accepted")]),
    CallbackCase(
        "sent, with its price",
        event("sms.sent", cost=COST),
        [receipt(ReceiptStatus.SENT, "sent", price=Price(9_900, "EUR"))],
    ),
    CallbackCase("delivered", event("sms.delivered"), [receipt(ReceiptStatus.DELIVERED, "delivered")]),
    CallbackCase("expired", event("sms.expired"), [receipt(FAILED, "expired", Reason.EXPIRED)]),
    *(
        CallbackCase(code, event("sms.undelivered", **failed(code)), [receipt(FAILED, code, reason)])
        for code, reason in LISTED.items()
    ),
    CallbackCase(
        "not classified",
        event("sms.failed", **failed("unknown")),
        [receipt(FAILED, "unknown", Reason.UNDELIVERED)],
    ),
    CallbackCase(
        "a person answers",
        event("sms.received", metadata=None, text="STOP", in_reply_to_message={"id": "sms_1"}),
        [Inbound(SMS, "+15557654321", "+15551234567", "STOP", AT, context_ref="sms_1")],
    ),
    CallbackCase(
        "an event nobody told us of",
        Raw(b'{"type":"sms.lost","data":{"sms_id":"1","from":"a","to":"b"}}'),
        [
            Unreadable(
                "an event of type 'sms.lost'", '{"type":"sms.lost","data":{"sms_id":"1","from":"a","to":"b"}}'
            )
        ],
    ),
    CallbackCase(
        "about something else",
        Raw(b'{"type":"email.sent","data":{}}'),
        [Unreadable("not an event about an SMS", '{"type":"email.sent","data":{}}')],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


SIGNED = standard_signature(SECRET, "evt_1", "1779364800", b"{}")


def test_the_signature_is_that_of_the_standard() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    made = standard_signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("signature", "good"),
    [
        (SIGNED, True),
        (f"v1,AAAA {SIGNED}", True),
        (standard_signature(OLD, "evt_1", "1779364800", b"{}"), True),
        (standard_signature(SECRET, "evt_1", "1779364801", b"{}"), False),
        (SIGNED.replace("v1,", "v2,"), False),
        ("", False),
    ],
)
def test_a_signature_is_checked_over_the_body(signature: str, good: bool) -> None:
    given = kit.decode_settings(CHANNEL, {**SETTINGS, "webhook_secret_before": OLD})
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1779364800", "webhook-signature": signature}
    assert CHANNEL.genuine(given, Raw(b"{}", headers)) is good


@pytest.mark.parametrize(
    ("given", "api"),
    [
        ({}, "https://eu1.platform.bird.com"),
        ({"api_key": "bm_us1_key"}, "https://us1.platform.bird.com"),
        ({"api_key": "key", "base_url": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
    ],
)
def test_a_key_tells_its_region(given: dict[str, Any], api: str) -> None:
    assert kit.decode_settings(CHANNEL, {**SETTINGS, **given}).api == api


@pytest.mark.parametrize("wrong", [{"api_key": "key"}, {"webhook_secret": "whsec_$"}])
def test_settings_that_cannot_be_used(wrong: dict[str, Any]) -> None:
    with pytest.raises(kit.Problem):
        kit.decode_settings(CHANNEL, {**SETTINGS, **wrong})
