"""Instagram: what is otherwise than on a Page."""

from __future__ import annotations

import pytest

from angarium.channels import kit
from angarium.channels.instagram import CHANNEL
from angarium.core.clock import MICROS, SystemClock
from angarium.core.ports import Accepted, Inbound, Raw, Receipt, Refused, Unreadable
from angarium.core.values import Button, Content, Reason, ReceiptStatus
from channels.test_messenger import AT_US, LATE, TO, refusal, webhook
from support.http_line import CallbackCase, SendCase, run_send_case, submission

SETTINGS = {"account_id": "208", "access_token": "token", "app_secret": "s", "verify_token": "our word"}
NOW = SystemClock().now()
SENT = submission(address=TO, heard_at=NOW)
SEND_CASES = [
    SendCase(
        "a text",
        Accepted(("m_A",)),
        SENT,
        request={"recipient": {"id": TO}, "message": {"text": "Your order is ready"}},
        answer={"recipient_id": TO, "message_id": "m_A"},
    ),
    SendCase(
        "what a person writes, within a week",
        Accepted(("m_A",)),
        submission(address=TO, heard_at=NOW - 2 * 86_400 * MICROS),
        settings={"late": "human_agent"},
        request={
            "recipient": {"id": TO},
            "message": {"text": "Your order is ready"},
            "messaging_type": "MESSAGE_TAG",
            "tag": "HUMAN_AGENT",
        },
        answer={"recipient_id": TO, "message_id": "m_A"},
    ),
    SendCase("too late", Refused(Reason.WINDOW_CLOSED, detail=LATE), submission(address=TO)),
    SendCase(
        "too late, as Meta has it",
        Refused(Reason.WINDOW_CLOSED, "10/2534022", "outside"),
        SENT,
        status=400,
        answer=refusal(10, 2534022, "outside"),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/v25.0/208/messages"


CALLBACK_CASES = [
    CallbackCase(
        "a text",
        webhook({"message": {"mid": "aWd1", "text": "Hi"}}, thing="instagram"),
        [Inbound("aWd1", TO, "208", "Hi", at=AT_US)],
    ),
    CallbackCase(
        "seen",
        webhook({"read": {"mid": "m_A"}}, thing="instagram"),
        [Receipt(ReceiptStatus.READ, "m_A", address=TO, code="read", at=AT_US)],
    ),
    CallbackCase(
        "of a page",
        Raw(b'{"object":"page","entry":[]}'),
        [Unreadable("not a webhook of instagram", '{"object":"page","entry":[]}')],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_webhooks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (Content(text="я" * 500), []),
        (Content(text="я" * 501), ["1002 bytes, at most 1000"]),
        (Content(text="x", buttons=(Button("Open", "https://a.example"),)), ["no such buttons here"]),
    ],
)
def test_lint(content: Content, problems: list[str]) -> None:
    assert [each.problem for each in CHANNEL.lint(None, content)] == problems
