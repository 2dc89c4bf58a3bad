"""SMS through Vonage's Messages API: its two tables, its tokens."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from angarium.channels import kit
from angarium.channels.vonage_sms import CHANNEL
from angarium.core.clock import MICROS
from angarium.core.ports import Accepted, Inbound, Raw, Receipt, Refused, Unreadable
from angarium.core.values import Content, Price, Reason, ReceiptStatus
from angarium.protocols.signatures import jwt_claims, jwt_signed
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

APPLICATION = "78d335fa-323d-0114-9c3d-d6f0d48968cf"
KEY = RSAKey.generate_key(2048)
SETTINGS: dict[str, Any] = {
    "application_id": APPLICATION,
    "private_key": KEY.as_pem(private=True).decode(),
    "signature_secret": "b" * 32,
    "sender": "+447700900001",
}
REF = "att_0000000000007"
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
CALLBACK = "https://me.example/cb/s3cret"
USUAL = {
    "channel": "sms",
    "message_type": "text",
    "to": "447700900100",
    "from": "447700900001",
    "text": "Your order is ready",
    "client_ref": REF,
}
ERRORS = "https://developer.vonage.com/api-errors/messages"
# vonage-python-sdk messages/tests/data
INVALID = {
    "type": f"{ERRORS}#1150",
    "title": "Invalid params",
    "detail": "The value of one or more parameters is invalid.",
    "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
    "invalid_parameters": [{"name": "messenger.tag", "reason": "invalid value"}],
}
LOW = {
    "type": "https://developer.nexmo.com/api-errors/#low-balance",
    "title": "Low balance",
    "detail": "This request could not be performed due to your account balance being low.",
    "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
}

SEND_CASES = [
    SendCase(
        "a text with all that may be beside it",
        Accepted((UUID,)),
        submission(ttl_s=600, callback_url=CALLBACK),
        request={**USUAL, "ttl": 600, "webhook_url": CALLBACK, "webhook_version": "v1"},
        status=202,
        answer={"message_uuid": UUID},
    ),
    SendCase(
        "by the ids of a country's registry",
        Accepted((UUID,)),
        submission(pattern="1107457532145798767"),
        settings={"entity_id": "1101456324675322134", "content_id": "1"},
        request={**USUAL, "sms": {"entity_id": "1101456324675322134", "content_id": "1107457532145798767"}},
        status=202,
        answer={"message_uuid": UUID},
    ),
    SendCase(
        "a wrong parameter",
        Refused(
            Reason.CONFIG,
            "1150",
            "Invalid params; The value of one or more parameters is invalid.; messenger.tag: invalid value",
        ),
        status=422,
        answer=INVALID,
    ),
    SendCase(
        "no credit, by a word for a number",
        Refused(Reason.NO_CREDIT, "low-balance", f"Low balance; {LOW['detail']}"),
        status=402,
        answer=LOW,
    ),
    SendCase(
        "slow down",
        Refused(Reason.THROTTLED, "1000", "Throttled; ", retry_after_s=1),
        status=429,
        headers={"Retry-After": "1"},
        answer={"type": f"{ERRORS}#1000", "title": "Throttled"},
    ),
    SendCase(
        "an error nobody told us of",
        Refused(Reason.REJECTED, "9999", "New; "),
        status=400,
        answer={"type": f"{ERRORS}#9999", "title": "New"},
    ),
    SendCase(
        "a wrong token",
        Refused(Reason.AUTH, "401", "Unauthorized; "),
        status=401,
        answer={"type": "https://x", "title": "Unauthorized"},
    ),
    SendCase("their trouble", unsure(INVALID, 500), status=500, answer=INVALID),
    SendCase("no id", unsure({"message_uuid": ""}, 202), status=202, answer={"message_uuid": ""}),
    SendCase("nonsense", unsure(b"<html>"), answer=b"<html>"),
    SendCase(
        "a template without an entity",
        Refused(Reason.UNSUPPORTED, detail="template: no template ids here"),
        submission(content=Content("x", template="1107")),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/v1/messages"
        given = request.headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(given, KEY, algorithms=["RS256"]).claims
        assert claims["application_id"] == APPLICATION
        assert claims["exp"] - claims["iat"] == 300


def status(word: str, **more: Any) -> Raw:
    """A status webhook of version 1."""
    usual = {"channel": "sms", "message_uuid": UUID, "to": "447700900100", "from": "447700900001"}
    when = {"timestamp": "2023-05-01T14:00:00.000Z", "status": word, "client_ref": "att_1"}
    return Raw(msgspec.json.encode({**usual, **when, **more}))


def receipt(status: ReceiptStatus, code: str, reason: Reason | None = None, **more: Any) -> Receipt:
    """What comes out of it."""
    at = 1_682_949_600 * MICROS
    usual = {"ref": UUID, "client_ref": "att_1", "address": "+447700900100", "at": at}
    return Receipt(status, **usual, reason=reason, code=code, **more)


def failed(code: int) -> dict[str, Any]:
    """The error of a status."""
    return {"error": {"type": f"{ERRORS}#{code}", "title": "x", "detail": "x", "instance": "x"}}


HEARD = {
    "channel": "sms",
    "message_uuid": UUID,
    "to": "447700900001",
    "from": "447700900100",
    "timestamp": "2023-05-01T14:00:00.000Z",
    "text": "Hello",
    "sms": {"num_messages": "1", "keyword": "HELLO"},
    "message_type": "text",
}
FAILED = ReceiptStatus.FAILED
CALLBACK_CASES = [
    CallbackCase(
        "submitted, with its price",
        status("submitted", usage={"currency": "EUR", "price": "0.0333"}, sms={"num_messages": "1"}),
        [receipt(ReceiptStatus.SENT, "submitted", price=Price(33_300, "EUR"))],
    ),
    CallbackCase("delivered", status("delivered"), [receipt(ReceiptStatus.DELIVERED, "delivered")]),
    CallbackCase("a STOP", status("rejected", **failed(1240)), [receipt(FAILED, "1240", Reason.OPTED_OUT)]),
    CallbackCase("off", status("rejected", **failed(1180)), [receipt(FAILED, "1180", Reason.UNREACHABLE)]),
    CallbackCase("its time", status("rejected", **failed(1360)), [receipt(FAILED, "1360", Reason.EXPIRED)]),
    CallbackCase("a new error", status("rejected", **failed(9)), [receipt(FAILED, "9", Reason.REJECTED)]),
    CallbackCase(
        "no way out", status("undeliverable"), [receipt(FAILED, "undeliverable", Reason.UNDELIVERED)]
    ),
    CallbackCase(
        "a person writes",
        Raw(msgspec.json.encode(HEARD)),
        [Inbound(UUID, "+447700900100", "+447700900001", "Hello", 1_682_949_600 * MICROS)],
    ),
    CallbackCase(
        "on another channel",
        Raw(b'{"channel":"mms","message_uuid":"1","from":"1","message_type":"image"}'),
        [
            Unreadable(
                "neither a status nor a text by SMS",
                '{"channel":"mms","message_uuid":"1","from":"1","message_type":"image"}',
            )
        ],
    ),
    CallbackCase(
        "a word nobody told us of",
        Raw(b'{"message_uuid":"1","status":"gone"}'),
        [Unreadable("status 'gone' is not in our table", '{"message_uuid":"1","status":"gone"}')],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


BODY = b'{"status":"delivered"}'
GOOD = {"iss": "Vonage", "payload_hash": sha256(BODY).hexdigest()}


@pytest.mark.parametrize(
    ("token", "good"),
    [
        (jwt_signed("b" * 32, GOOD), True),
        (jwt_signed("a" * 32, GOOD), True),  # the one before
        (jwt_signed("c" * 32, GOOD), False),
        (jwt_signed("b" * 32, {**GOOD, "payload_hash": sha256(b"{}").hexdigest()}), False),
        (jwt_signed("b" * 32, {"iss": "Vonage"}), False),
        ("e30.e30.", False),
        ("", False),
    ],
)
def test_a_callback_is_believed_for_its_token(token: str, good: bool) -> None:
    given = kit.decode_settings(CHANNEL, {**SETTINGS, "signature_secret_before": "a" * 32})
    assert CHANNEL.genuine(given, Raw(BODY, {"authorization": f"Bearer {token}"})) is good


def test_a_token_of_another_algorithm_has_no_claims() -> None:
    head, _, rest = jwt_signed("s", GOOD).partition(".")
    assert jwt_claims(f"{head}.{rest}", ["s"]) == GOOD
    assert jwt_claims("eyJhbGciOiJub25lIn0." + rest, ["s"]) is None


def test_a_key_that_is_none_is_told_of_and_not_quoted() -> None:
    with pytest.raises(kit.Problem) as problem:
        kit.decode_settings(CHANNEL, {**SETTINGS, "private_key": "hunter2"})
    assert [field.field for field in problem.value.fields] == ["private_key"]
    assert "hunter2" not in str(problem.value.document())
