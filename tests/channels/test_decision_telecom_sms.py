"""SMS through Decision Telecom: its two tables."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.decision_telecom_sms import CHANNEL
from angarium.core.ports import Accepted, Inquiry, Raw, Receipt, Refused, Unknown, Unreadable
from angarium.core.values import Content, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, provider, run_send_case, submission, tools, unsure

SETTINGS = {"api_key": "key", "sender": "InfoItd"}
TEXT = {"phone": 447700900100, "sender": "InfoItd", "text": "Your order is ready"}


def taken(*parts: tuple[int, str]) -> dict[str, Any]:
    """The vendor's answer."""
    return {
        "message_data": [
            {"message_id": ref, "phone": 447700900100, "part_count": 1, "concat_part": 1, "status": status}
            for ref, status in parts
        ]
    }


def error(name: str, status: int, message: str = "") -> dict[str, object]:
    """The error document of the same vendor's Viber."""
    return {"name": name, "message": message, "code": 0, "status": status}


SEND_CASES = [
    SendCase("a text", Accepted(("26348338",)), request=TEXT, answer=taken((26348338, "ACCEPTD"))),
    SendCase(
        "for two minutes and a bit",
        Accepted(("26348338",)),
        submission(ttl_s=121),
        request={**TEXT, "validity_period": 3},
        answer=taken((26348338, "ACCEPTD")),
    ),
    SendCase("two parts", Accepted(("1", "2")), answer=taken((1, "ACCEPTD"), (2, "ENROUTE"))),
    SendCase(
        "rejected at once",
        Refused(Reason.REJECTED, "REJECTD", "Decision Telecom took it as REJECTD"),
        answer=taken((1, "REJECTD")),
    ),
    SendCase(
        "a bad number",
        Refused(Reason.BAD_ADDRESS, "400 phone", "Invalid Parameter: phone: x"),
        answer=error("Invalid Parameter: phone", 400, "x"),
    ),
    SendCase("no money", Refused(Reason.NO_CREDIT, "402", "Topup: "), status=402, answer=error("Topup", 402)),
    SendCase(
        "a wrong key",
        Refused(Reason.AUTH, "401", "Unauthorized: "),
        status=401,
        answer=error("Unauthorized", 401),
    ),
    SendCase(
        "their trouble may come after they took it",
        Unknown("Internal server error:  (the message may have been taken before it failed)"),
        answer=error("Internal server error", 500),
    ),
    SendCase("no ids", unsure(taken((0, ""))), answer=taken((0, ""))),
    SendCase("nothing", unsure(taken()), answer=taken()),
    SendCase("not JSON", unsure(b"ok"), answer=b"ok"),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert (request.path, request.headers["authorization"]) == ("/send-sms", "Basic a2V5")


CALLBACK_CASES = [
    CallbackCase(
        "whatever comes is kept",
        Raw(b'{"message_id":26348265,"status":"DELIVRD"}'),
        [
            Unreadable(
                "Decision Telecom is not known to post anything of SMS",
                '{"message_id":26348265,"status":"DELIVRD"}',
            )
        ],
    )
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


def test_templates_have_no_names() -> None:
    assert [each.field for each in CHANNEL.lint(None, Content(text="x", template="t"))] == ["template"]


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (200, {"message_id": 7, "status": "DELIVRD"}, Receipt(ReceiptStatus.DELIVERED, "7", code="DELIVRD")),
        (200, {"message_id": 7, "status": "ENROUTE"}, Receipt(ReceiptStatus.SENT, "7", code="ENROUTE")),
        (
            200,
            {"message_id": 7, "status": "UNDELIV"},
            Receipt(ReceiptStatus.FAILED, "7", reason=Reason.UNDELIVERED, code="UNDELIV"),
        ),
        (200, {"message_id": 7, "status": "GONE"}, "status GONE"),
        (200, [], "no status"),
        (
            200,
            {"name": "Invalid Parameter: message_id", "message": "", "code": 0, "status": 400},
            Unknown("Decision Telecom says Invalid Parameter: message_id (400)"),
        ),
        (502, {"status": "DELIVRD"}, Unknown("the provider answered with HTTP 502")),
    ],
)
async def test_what_became_of_it(status: int, answer: Any, expected: Receipt | Unknown | str) -> None:
    asks, inquiry = CHANNEL.asks, Inquiry("att_1", ("7",), "+989123456789", 0)
    assert asks is not None
    async with provider(status, answer, {}) as (server, seen), tools("127.0.0.0/8") as made:
        settings = kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": server})
        said = await asks.ask(made, settings, [inquiry])
    if isinstance(expected, Unknown):
        assert said == expected
    else:
        assert isinstance(said, list)
        [event] = said
        assert event == expected or getattr(event, "detail", "") == expected
    assert "7" in str(seen)
