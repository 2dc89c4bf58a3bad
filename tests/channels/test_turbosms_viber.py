"""Viber through TurboSMS: what is its own; its answers and webhooks are those of SMS."""

from __future__ import annotations

import pytest

from angarium.channels import kit
from angarium.channels.turbosms_viber import CHANNEL
from angarium.core.ports import Accepted, Receipt, Refused
from angarium.core.values import Button, Content, MessageClass, Reason, ReceiptStatus
from channels.test_turbosms_sms import REF, TAKEN, event, of_one
from support.http_line import CallbackCase, SendCase, run_send_case, submission

SETTINGS = {"token": "token", "sender": "Bazaar"}
RICH = Content(
    text="Новинки весни",
    image_url="https://shop.example/spring.jpg",
    buttons=(Button("Дивитися", "https://shop.example/spring"),),
)
TO = {"recipients": ["447700900100"]}
TEXT = {"sender": "Bazaar", "text": "Your order is ready"}

SEND_CASES = [
    SendCase(
        "a service text is transactional",
        Accepted((REF,)),
        submission(ttl_s=60),
        request={**TO, "viber": {**TEXT, "ttl": 60, "is_transactional": 1}},
        answer=TAKEN,
    ),
    SendCase(
        "not from a sender that several share",
        Accepted((REF,)),
        settings={"transactional": False},
        request={**TO, "viber": TEXT},
        answer=TAKEN,
    ),
    SendCase(
        "text, picture and button",
        Accepted((REF,)),
        submission(message_class=MessageClass.PROMOTIONAL, content=RICH),
        request={
            **TO,
            "viber": {
                "sender": "Bazaar",
                "text": "Новинки весни",
                "image_url": "https://shop.example/spring.jpg",
                "caption": "Дивитися",
                "action": "https://shop.example/spring",
            },
        },
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
        "and has it",
        Accepted((REF,)),
        submission(content=RICH),
        settings={"rich_service": True},
        answer=TAKEN,
    ),
    SendCase(
        "who ignores this sender",
        Refused(Reason.BLOCKED_BY_USER, "404", "NOT_ALLOWED_NUMBER_STOPLIST"),
        answer=of_one(404, "NOT_ALLOWED_NUMBER_STOPLIST"),
    ),
    SendCase(
        "another refusal is that of SMS",
        Refused(Reason.SENDER_INVALID, "415", "NOT_ALLOWED_MESSAGE_TRANSACTION_SENDER"),
        answer=of_one(415, "NOT_ALLOWED_MESSAGE_TRANSACTION_SENDER"),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert (request.path, request.headers["authorization"]) == ("/message/send.json", "Bearer token")


CALLBACK_CASES = [CallbackCase("read", event("Read"), [Receipt(ReceiptStatus.READ, REF, code="Read")])]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events
