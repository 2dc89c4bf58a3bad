"""E-mail through Postmark: its two tables, with the payloads of the vendor's pages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.postmark_email import BOUNCES, CHANNEL, ERRORS
from angarium.core.ports import Accepted, Allowance, Event, Raw, Receipt, Refused, Unreadable
from angarium.core.problems import Problem
from angarium.core.values import Button, Content, MessageClass, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

SETTINGS = {
    "server_token": "server-token",
    "sender_address": "shop@shop.example",
    "sender_name": 'The "Shop"',
}
REF = "b7bc2f4a-e38e-4336-af7d-e6c392c2f817"
TAKEN = {
    "To": "anna@example.org",
    "SubmittedAt": "2010-11-26T12:01:05.1794748-05:00",
    "MessageID": REF,
    "ErrorCode": 0,
    "Message": "OK",
}
WORDS = Content(subject="Order 1234", text="Your order is ready")
OFFER = Content(
    subject="An offer",
    html="<p>New</p>",
    buttons=(Button("See", "https://shop.example"),),
    params={"unsubscribe_url": "https://shop.example/u/1"},
)


def mail(content: Content = WORDS, **changes: Any) -> Any:
    return submission(address="anna@example.org", content=content, **changes)


def wanted(**more: Any) -> dict[str, Any]:
    """The whole request."""
    return {
        "From": '"The \\"Shop\\"" <shop@shop.example>',
        "To": "anna@example.org",
        "Metadata": {"client_ref": "att_0000000000007"},
        **more,
    }


def refused(code: int, reason: Reason, message: str = "No.", status: int = 422) -> SendCase:
    answer = {"ErrorCode": code, "Message": message}
    return SendCase(
        f"{code} {message}", Refused(reason, str(code), message), mail(), status=status, answer=answer
    )


SEND_CASES = [
    SendCase(
        "an order",
        Accepted((REF,)),
        mail(),
        request=wanted(Subject="Order 1234", TextBody="Your order is ready", MessageStream="outbound"),
        answer=TAKEN,
    ),
    SendCase(
        "advertising, by its own stream, with one click",
        Accepted((REF,)),
        mail(OFFER, message_class=MessageClass.PROMOTIONAL),
        {"promotional_stream": "news"},
        wanted(
            Subject="An offer",
            HtmlBody='<p>New</p><p dir="auto"><a href="https://shop.example" style="display:inline-block;'
            "margin:0 8px 8px 0;padding:12px 20px;border-radius:8px;background:#1f4fd8;color:#ffffff;"
            'text-decoration:none;font-weight:600">See</a></p>',
            MessageStream="news",
            Headers=[
                {"Name": "List-Unsubscribe", "Value": "<https://shop.example/u/1>"},
                {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
            ],
        ),
        answer=TAKEN,
    ),
    SendCase(
        "an address that would break out",
        Refused(Reason.BAD_ADDRESS, detail="recipient: has characters before the @ that may not stand there"),
        submission(address="a,b@example.org", content=WORDS),
    ),
    *(refused(code, reason) for code, reason in ERRORS.items() if reason is not Reason.THROTTLED),
    refused(300, Reason.REJECTED, "Invalid 'From' address"),
    refused(300, Reason.BAD_ADDRESS, "Error parsing 'To': Illegal email domain"),
    refused(10, Reason.AUTH, "The Server Token you provided is not valid.", 401),
    refused(9999, Reason.REJECTED, "New"),
    SendCase(
        "slow down",
        Refused(Reason.THROTTLED, "429", "Rate limit exceeded", retry_after_s=3.0),
        mail(),
        status=429,
        answer={"ErrorCode": 429, "Message": "Rate limit exceeded"},
        headers={"Retry-After": "3"},
    ),
    SendCase("their trouble", unsure({"ErrorCode": 0}, 500), mail(), status=500, answer={"ErrorCode": 0}),
    SendCase("no id", unsure({"ErrorCode": 0}), mail(), answer={"ErrorCode": 0}),
    SendCase("not JSON", unsure(b"ok"), mail(), answer=b"ok"),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert (request.path, request.headers["x-postmark-server-token"]) == ("/email", "server-token")


def webhook(**fields: Any) -> Raw:
    """A webhook, as the vendor's page shows the fields of each."""
    return Raw(json.dumps(fields).encode())


ABOUT = {"MessageID": REF, "ServerID": 23, "Tag": "x", "Metadata": {"client_ref": "att_0000000000007"}}
AT = 1_406_913_490_273_539  # 2014-08-01T13:18:10.2735393-04:00


def receipt(status: ReceiptStatus, reason: Reason | None = None, code: str = "") -> Event:
    return Receipt(status, REF, "att_0000000000007", "john@example.com", reason, code, AT)


def bounce(kind: str, record: str = "Bounce") -> Raw:
    at = "2014-08-01T13:18:10.2735393-04:00"
    return webhook(
        RecordType=record, Type=kind, TypeCode=1, ID=42, Email="john@example.com", BouncedAt=at, **ABOUT
    )


def change(**fields: Any) -> Raw:
    return webhook(
        RecordType="SubscriptionChange",
        Recipient="john@example.com",
        ChangedAt="2014-08-01T13:18:10.2735393-04:00",
        MessageID=REF,
        **fields,
    )


def allowance(raw: Raw, *, allowed: bool) -> list[Event]:
    (event,) = CHANNEL.parse(None, raw)
    assert isinstance(event, Allowance)
    return [Allowance("john@example.com", allowed, event.ref, promotional_only=True, at=AT)]


STOPPED = change(SuppressSending=True, SuppressionReason="ManualSuppression", Origin="Recipient")
AGAIN = change(SuppressSending=False, SuppressionReason=None, Origin="Customer")
CALLBACK_CASES = [
    CallbackCase(
        "delivered",
        webhook(
            RecordType="Delivery",
            Recipient="john@example.com",
            DeliveredAt="2014-08-01T17:18:10.2735393Z",
            Details="Test delivery webhook details",
            **ABOUT,
        ),
        [receipt(ReceiptStatus.DELIVERED)],
    ),
    *(
        CallbackCase(
            kind,
            bounce(kind),
            [receipt(ReceiptStatus.FAILED if reason else ReceiptStatus.ACCEPTED, reason, kind)],
        )
        for kind, reason in BOUNCES.items()
    ),
    CallbackCase(
        "a complaint",
        bounce("SpamComplaint", "SpamComplaint"),
        [receipt(ReceiptStatus.FAILED, Reason.OPTED_OUT, "SpamComplaint")],
    ),
    CallbackCase("a person stopped it", STOPPED, allowance(STOPPED, allowed=False)),
    CallbackCase("and wants it again", AGAIN, allowance(AGAIN, allowed=True)),
    CallbackCase("a receipt told that", change(SuppressSending=True, SuppressionReason="HardBounce"), []),
    CallbackCase("opened: our own links count", webhook(RecordType="Open", **ABOUT), []),
    CallbackCase(
        "a bounce of a new kind",
        webhook(RecordType="Bounce", Type="New", MessageID=REF),
        [
            Unreadable(
                "Bounce New is not in our table",
                json.dumps({"RecordType": "Bounce", "Type": "New", "MessageID": REF}),
            )
        ],
    ),
    CallbackCase(
        "a delivery of nothing",
        webhook(RecordType="Delivery"),
        [Unreadable("Delivery without a MessageID", '{"RecordType": "Delivery"}')],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_parsing(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


@pytest.mark.parametrize(
    ("header", "password", "believed"),
    [
        ("Basic aG9vazpzZWNyZXQ=", "secret", True),
        ("Basic aG9vazpzZWNyZXS=", "secret", False),
        ("é", "secret", False),
        ("", "secret", False),
        ("", "", True),
    ],
)
def test_webhooks_have_the_password_of_the_line(header: str, password: str, believed: bool) -> None:
    changes = {"webhook_username": "hook", "webhook_password": password}
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, **changes})
    assert CHANNEL.genuine(settings, Raw(b"{}", {"authorization": header} if header else {})) is believed


@pytest.mark.parametrize(("field", "value"), [("sender_address", "shop"), ("sender_name", "a\r\nBcc: b")])
def test_wrong_settings_are_named(field: str, value: str) -> None:
    with pytest.raises(Problem) as caught:
        kit.decode_settings(CHANNEL, {**SETTINGS, field: value})
    assert [found.field for found in caught.value.fields] == [field]
