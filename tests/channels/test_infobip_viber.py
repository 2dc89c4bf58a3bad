"""Viber through Infobip: its two tables, with the payloads of the vendor's SDK's tests."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.infobip_viber import CHANNEL
from angarium.core.ports import Accepted, Inbound, Raw, Receipt, Refused, Unreadable
from angarium.core.values import Button, Content, MessageClass, Price, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

SETTINGS = {"api_key": "key", "sender": "441134960000"}
OURS = "att_0000000000007"
REF = "a28dd97c-1ffb-4fcf-99f1-0b557ed381da"
RICH = Content(
    text="Some text",
    image_url="https://www.example.com/image.jpg",
    buttons=(Button("Button title", "https://www.example.com/action"),),
)


def said(group: int, group_name: str, code: int, name: str) -> dict[str, Any]:
    """The answer about the one message."""
    status = {"groupId": group, "groupName": group_name, "id": code, "name": name, "description": "Words"}
    message = {"messageId": REF, "status": status, "destination": "441134960001"}
    return {"bulkId": "a28dd97c-2222-4fcf-99f1-0b557ed381da", "messages": [message]}


TAKEN = said(1, "PENDING", 7, "PENDING_ENROUTE")


def wanted(content: dict[str, Any], options: dict[str, Any], **webhooks: Any) -> dict[str, Any]:
    """The whole request."""
    return {
        "messages": [
            {
                "sender": "441134960000",
                "destinations": [{"to": "447700900100", "messageId": OURS}],
                "content": content,
                "options": options,
                "webhooks": {"callbackData": OURS, **webhooks},
            }
        ]
    }


SEND_CASES = [
    SendCase(
        "a service text is transactional",
        Accepted((REF,)),
        submission(ttl_s=60, callback_url="https://me.example/cb"),
        {"phones_only": True},
        wanted(
            {"type": "TEXT", "text": "Your order is ready"},
            {
                "label": "TRANSACTIONAL",
                "toPrimaryDeviceOnly": True,
                "validityPeriod": {"amount": 60, "timeUnit": "SECONDS"},
            },
            delivery={"url": "https://me.example/cb", "intermediateReport": True},
            seen={"url": "https://me.example/cb"},
            contentType="application/json",
        ),
        answer=TAKEN,
    ),
    SendCase(
        "text, picture and button",
        Accepted((REF,)),
        submission(message_class=MessageClass.PROMOTIONAL, content=RICH),
        request=wanted(
            {
                "type": "IMAGE",
                "text": "Some text",
                "mediaUrl": "https://www.example.com/image.jpg",
                "button": {"title": "Button title", "action": "https://www.example.com/action"},
            },
            {"label": "PROMOTIONAL"},
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
        "no money",
        Refused(Reason.NO_CREDIT, "12", "REJECTED_NOT_ENOUGH_CREDITS: Words"),
        answer=said(5, "REJECTED", 12, "REJECTED_NOT_ENOUGH_CREDITS"),
    ),
    SendCase(
        "rejected for what is not in our table",
        Refused(Reason.REJECTED, "7777", "REJECTED_NEW: Words"),
        answer=said(5, "REJECTED", 7777, "REJECTED_NEW"),
    ),
    SendCase(
        "a property that is wrong",
        Refused(Reason.BAD_ADDRESS, "E400", "messages[0].destinations[0].to: must not be blank"),
        status=400,
        answer={
            "errorCode": "E400",
            "description": "Request cannot be processed.",
            "violations": [{"property": "messages[0].destinations[0].to", "violation": "must not be blank"}],
        },
    ),
    SendCase(
        "a wrong key",
        Refused(Reason.AUTH, "401", "the provider does not accept these credentials"),
        status=401,
        answer={"errorCode": "E401", "description": "x"},
    ),
    SendCase("their trouble", unsure(TAKEN, 500), status=500, answer=TAKEN),
    SendCase("nobody", unsure({"messages": []}), answer={"messages": []}),
    SendCase("not JSON", unsure(b"ok"), answer=b"ok"),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert (request.path, request.headers["authorization"]) == ("/viber/2/messages", "App key")


def report(group: str, code: int, name: str, error: tuple[int, str] = (0, "NO_ERROR")) -> Raw:
    """A delivery report of the SDK's tests."""
    return Raw(
        f'{{"results":[{{"bulkId":"b","price":{{"pricePerMessage":0.015,"currency":"EUR"}},"status":{{"groupId":3,'
        f'"groupName":"{group}","id":{code},"name":"{name}","description":"x"}},"error":{{"groupId":0,'
        f'"groupName":"OK","id":{error[0]},"name":"{error[1]}","description":"x","permanent":false}},'
        f'"messageId":"2250be2d4219","to":"441134960001","sender":"441134960000",'
        f'"sentAt":"2019-04-09T16:00:58.000-0300","doneAt":"2019-04-09T16:01:56.000-0300","messageCount":1,'
        f'"mccMnc":"22801","callbackData":"{OURS}"}}]}}'.encode()
    )


def receipt(status: ReceiptStatus, code: str, reason: Reason | None = None) -> Receipt:
    """What comes out of it."""
    at = 1_554_836_516_000_000
    price = Price(15_000, "EUR")
    return Receipt(status, "2250be2d4219", OURS, "+441134960001", reason, code, at, price)


CALLBACK_CASES = [
    CallbackCase(
        "delivered",
        report("DELIVERED", 5, "DELIVERED_TO_HANDSET"),
        [receipt(ReceiptStatus.DELIVERED, "DELIVERED_TO_HANDSET")],
    ),
    CallbackCase(
        "on its way",
        report("PENDING", 7, "PENDING_ENROUTE"),
        [receipt(ReceiptStatus.SENT, "PENDING_ENROUTE")],
    ),
    CallbackCase(
        "undeliverable, for what is not in our table",
        report("UNDELIVERABLE", 9, "UNDELIVERABLE_NOT_DELIVERED", (7777, "EC_NEW")),
        [receipt(ReceiptStatus.FAILED, "EC_NEW", Reason.UNDELIVERED)],
    ),
    CallbackCase(
        "expired",
        report("EXPIRED", 15, "EXPIRED_EXPIRED"),
        [receipt(ReceiptStatus.FAILED, "EXPIRED_EXPIRED", Reason.EXPIRED)],
    ),
    CallbackCase(
        "seen",
        Raw(
            b'{"results":[{"messageId":"1215f543ab19","from":"385919998888","to":"41793026731",'
            b'"sentAt":"2023-04-05T11:21:57.793+0000","seenAt":"2023-04-05T11:22:10.251+0000"}]}'
        ),
        [
            Receipt(
                ReceiptStatus.READ, "1215f543ab19", "", "+41793026731", None, "SEEN", 1_680_693_730_251_000
            )
        ],
    ),
    CallbackCase(
        "what a person writes",
        Raw(
            b'{"results":[{"sender":"441134960001","to":"441134960000","integrationType":"VIBER","receivedAt":'
            b'"2020-04-01T11:02:43.594+0000","messageId":"1234567890123456789","pairedMessageId":"98765",'
            b'"callbackData":"d","message":{"text":"givenText","trackingData":"t","type":"TEXT"}}],'
            b'"messageCount":1,"pendingMessageCount":0}'
        ),
        [
            Inbound(
                "1234567890123456789",
                "+441134960001",
                "441134960000",
                "givenText",
                1_585_738_963_594_000,
                "98765",
            )
        ],
    ),
    CallbackCase(
        "something else",
        Raw(b'{"results":[{"a":1}]}'),
        [Unreadable("neither a report nor a message", '{"a":1}')],
    ),
    CallbackCase("nothing", Raw(b"{}"), [Unreadable("a callback without results", "{}")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events
