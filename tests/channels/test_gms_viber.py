"""Viber through GMS: its two tables, with the payloads of the vendor's chapters."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.gms_viber import CHANNEL
from angarium.core.ports import Accepted, Inbound, Raw, Receipt, Refused, Unreadable
from angarium.core.values import Button, Content, MessageClass, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

SETTINGS = {"client_id": "2157", "login": "shop", "password": "secret"}
REF = "9f60ac8f-e721-5027-b838-e6fcb95fcd7a"
TAKEN = {"message_id": REF}
RICH = Content(
    text="Text for Viber",
    image_url="https://example.com/image.png",
    buttons=(Button("Click the button", "https://example.com"),),
)


def wanted(viber: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The whole request."""
    return {
        "phone_number": 447700900100,
        "extra_id": "att_0000000000007",
        "channels": ["viber"],
        "channel_options": {"viber": viber},
        **more,
    }


SEND_CASES = [
    SendCase(
        "a text, for as long as Viber keeps it",
        Accepted((REF,)),
        submission(callback_url="https://send-dr-here.com"),
        request=wanted(
            {"text": "Your order is ready", "ttl": 86_400}, callback_url="https://send-dr-here.com"
        ),
        answer=TAKEN,
    ),
    SendCase(
        "text, picture and button, from another service, to phones",
        Accepted((REF,)),
        submission(message_class=MessageClass.PROMOTIONAL, content=RICH, ttl_s=60),
        {"sender": "GMSU", "phones_only": True},
        wanted(
            {
                "text": "Text for Viber",
                "ttl": 60,
                "device": "phone",
                "alpha_name": "GMSU",
                "img": "https://example.com/image.png",
                "caption": "Click the button",
                "action": "https://example.com",
            }
        ),
        answer=TAKEN,
    ),
    SendCase(
        "a button in a service message needs the contract's word",
        Refused(
            Reason.UNSUPPORTED,
            detail="a picture or a button makes it promotional; "
            "switch on rich_service if your contract allows it",
        ),
        submission(content=RICH),
    ),
    SendCase(
        "a bad number",
        Refused(Reason.BAD_ADDRESS, "36024", "Phone number incorrect"),
        answer={"error_code": 36024, "error_text": "Phone number incorrect"},
    ),
    SendCase(
        "a code nobody told us of",
        Refused(Reason.REJECTED, "36099", "New"),
        status=400,
        answer={"error_code": 36099, "error_text": "New"},
    ),
    SendCase(
        "a wrong password",
        Refused(Reason.AUTH, "401", "the provider does not accept these credentials"),
        status=401,
        answer=b"",
    ),
    SendCase("their trouble", unsure({"error_code": 1}, 500), status=500, answer={"error_code": 1}),
    SendCase("no id", unsure({"message_id": ""}), answer={"message_id": ""}),
    SendCase("not JSON", unsure(b"ok"), answer=b"ok"),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert (request.path, request.headers["authorization"]) == ("/2157", "Basic c2hvcDpzZWNyZXQ=")


def report(status: int, substatus: int, hyber_status: int) -> Raw:
    """A report of chapter 8."""
    return Raw(
        f'{{"number":380961111111,"time":1477417294667,"status":{status},"substatus":{substatus},'
        f'"hyber_status":{hyber_status},"message_id":"{REF}","extra_id":"AD-6640-7006","sent_via":"viber"}}'.encode()
    )


def receipt(status: ReceiptStatus, code: str, reason: Reason | None = None) -> Receipt:
    """What comes out of it."""
    return Receipt(status, REF, "AD-6640-7006", "+380961111111", reason, code, 1_477_417_294_667_000)


CALLBACK_CASES = [
    CallbackCase("under way", report(1, 12, 12011), [receipt(ReceiptStatus.ACCEPTED, "12011")]),
    CallbackCase("delivered", report(2, 23, 23011), [receipt(ReceiptStatus.DELIVERED, "23011")]),
    CallbackCase("too late", report(3, 26, 26011), [receipt(ReceiptStatus.FAILED, "26011", Reason.EXPIRED)]),
    CallbackCase("failed", report(3, 36, 0), [receipt(ReceiptStatus.FAILED, "36", Reason.UNDELIVERED)]),
    CallbackCase(
        "another status",
        Raw(b'{"status":4,"message_id":"1"}'),
        [Unreadable("status 4 is not in our table", '{"status":4,"message_id":"1"}')],
    ),
    CallbackCase(
        "of no message",
        Raw(b'{"status":2}'),
        [Unreadable("a report without message_id and extra_id", '{"status":2}')],
    ),
    CallbackCase(
        "what a person answers",
        Raw(f'{{"phone":380961111111,"message_id":"{REF}","text_from_subscriber":"stop"}}'.encode()),
        [Inbound("62a28ba99a96288f9cc12e8eec2656de", "+380961111111", "", "stop", context_ref=REF)],
    ),
    CallbackCase(
        "a file that a person sends, without a text (chapter 6)",
        Raw(b'{"phone":"380951234567","channel":"viber","file_name":"a.docx","media":"https://e.example/f"}'),
        [
            Inbound(
                "42d6de7bff0ee1386f5a017c5edf29a3",
                "+380951234567",
                "",
                "[file] a.docx",
                media_url="https://e.example/f",
            )
        ],
    ),
    CallbackCase(
        "a place",
        Raw(b'{"phone":"380951234567","channel":"viber","location":{"latitude":50,"longitude":30}}'),
        [Inbound("2b0fab7bcfb16f31a512cac07bb18082", "+380951234567", "", "[location]")],
    ),
    CallbackCase("not JSON", Raw(b"ok"), [Unreadable("neither a report nor an answer", "ok")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


def test_addresses_are_short() -> None:
    far = "https://a.example/" + "x" * 240
    content = Content(text="x", image_url=far, buttons=(Button("a", far),))
    assert [each.field for each in CHANNEL.lint(None, content)] == ["image_url", "buttons.0.url"]
