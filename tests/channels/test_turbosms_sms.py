"""SMS through TurboSMS: its two tables; its webhooks are those of Viber, too."""

from __future__ import annotations

from hashlib import sha1
from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.turbosms_sms import CHANNEL
from angarium.core.ports import Accepted, Raw, Receipt, Refused, Unknown, Unreadable
from angarium.core.values import Content, Reason, ReceiptStatus
from angarium.protocols.turbosms import ERRORS, STATUSES, UNCERTAIN
from support.http_line import CallbackCase, SendCase, run_send_case, unsure

SETTINGS = {"token": "token", "sender": "Shop"}
REF = "f83f8868-5e46-c6cf-e4fb-615e5a293754"


def said(code: int, status: str, result: Any = None) -> dict[str, Any]:
    """The vendor's answer."""
    return {"response_code": code, "response_status": status, "response_result": result}


def of_one(code: int, status: str, ref: str | None = None) -> dict[str, Any]:
    """The answer for one recipient."""
    one = {"phone": "447700900100", "response_code": code, "message_id": ref, "response_status": status}
    return said(0 if ref else 803, "OK", [one])


TAKEN = of_one(0, "OK", REF)

SEND_CASES = [
    SendCase(
        "a text",
        Accepted((REF,)),
        request={"recipients": ["447700900100"], "sms": {"sender": "Shop", "text": "Your order is ready"}},
        answer=TAKEN,
    ),
    SendCase(
        "accepted, in another word",
        Accepted((REF,)),
        answer={**TAKEN, "response_code": 800, "response_status": "SUCCESS_MESSAGE_ACCEPTED"},
    ),
    SendCase(
        "refused as a whole",
        Refused(Reason.AUTH, "301", "INVALID_TOKEN"),
        answer=said(301, "INVALID_TOKEN"),
    ),
    SendCase("taken, and no id", unsure(of_one(0, "OK", "")), answer=of_one(0, "OK", "")),
    SendCase("nobody", unsure(said(0, "OK", [])), answer=said(0, "OK", [])),
    SendCase("not JSON", unsure(b"ok"), answer=b"ok"),
    SendCase("their trouble", unsure(TAKEN, 500), status=500, answer=TAKEN),
    SendCase(
        "a code nobody told us of",
        Refused(Reason.REJECTED, "450", "NEW"),
        answer=of_one(450, "NEW"),
    ),
    *(
        SendCase(f"code {code}", Refused(reason, str(code), "WORD"), answer=of_one(code, "WORD"))
        for code, reason in ERRORS.items()
    ),
    *(
        SendCase(
            f"failed at it, {code}",
            Unknown(f"{code} WORD: TurboSMS failed at it, and may have sent it before"),
            answer=of_one(code, "WORD"),
        )
        for code in sorted(UNCERTAIN)
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert (request.path, request.headers["authorization"]) == ("/message/send.json", "Bearer token")


def event(status: str) -> Raw:
    """A webhook as JSON."""
    data = f'"data":{{"message_id":"{REF}","status":"{status}","dlr_date":"2026-08-26 12:00:00"}}'
    return Raw(f'{{"id":"evt-1","signature":"x","type":"sms","date":"x","try":1,{data}}}'.encode())


CALLBACK_CASES = [
    *(
        CallbackCase(word, event(word), [Receipt(status, REF, reason=reason, code=word)])
        for word, (status, reason) in STATUSES.items()
    ),
    CallbackCase(
        "however it is spelt", event("DELIVRD"), [Receipt(ReceiptStatus.DELIVERED, REF, code="DELIVRD")]
    ),
    CallbackCase(
        "as a form",
        Raw(f"id=evt-1&signature=x&data%5Bmessage_id%5D={REF}&data%5Bstatus%5D=Read".encode()),
        [Receipt(ReceiptStatus.READ, REF, code="Read")],
    ),
    CallbackCase(
        "something else",
        Raw(b'{"id":"evt-1","type":"viber_in","data":{"text":"hi"}}'),
        [
            Unreadable(
                "no state of a message that is in our table",
                '{"id":"evt-1","type":"viber_in","data":{"text":"hi"}}',
            )
        ],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


def signed(material: str) -> str:
    """As the vendor's page says it is made."""
    return sha1(material.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (f'{{"id":"evt-1","signature":"{signed("wordevt-1")}"}}', True),
        (f'{{"id":"evt-1","signature":"{signed("evt-1word")}"}}', True),
        (f'{{"id":"evt-2","signature":"{signed("wordevt-1")}"}}', False),
        (f'{{"id":"","signature":"{signed("word")}"}}', False),
        (f"id=evt-1&signature={signed('wordevt-1')}", True),
        ('{"id":"evt-1"}', False),
        ("[]", False),
    ],
)
def test_who_signs(body: str, good: bool) -> None:
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, "webhook_secret": "word"})
    assert CHANNEL.genuine(settings, Raw(body.encode())) is good


def test_without_a_secret_nothing_is_signed() -> None:
    assert CHANNEL.genuine(kit.decode_settings(CHANNEL, SETTINGS), event("Sent"))


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (Content(text="я" * 402), []),
        (Content(text="я" * 403), ["text"]),
        (Content(), ["text"]),
        (Content(text="x", template="t"), ["template"]),
    ],
)
def test_lint(content: Content, wrong: list[str]) -> None:
    assert [each.field for each in CHANNEL.lint(None, content)] == wrong
