"""SMS through Africa's Talking: its two tables."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from angarium.channels import kit
from angarium.channels.africastalking_sms import CHANNEL
from angarium.core.clock import MICROS
from angarium.core.ports import Accepted, Allowance, Inbound, Raw, Receipt, Refused, Unknown, Unreadable
from angarium.core.values import Content, Price, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, provider, run_send_case, submission, tools, unsure

SETTINGS: dict[str, Any] = {"username": "shop", "api_key": "key", "sender": "2020"}
USUAL = {
    "username": "shop",
    "to": "+447700900100",
    "message": "Your order is ready",
    "bulkSMSMode": "1",
    "from": "2020",
}
ID = "ATXid_03cb5ecf11ce748794c0f9a85c276259"


def told(code: int, status: str = "Success", name: str = ID) -> dict[str, Any]:
    """The answer about one person, as the vendor's help has it."""
    one = {"statusCode": code, "number": "+254705336634", "cost": "KES 0.8000", "status": status}
    message = "Sent to 1/1 Total Cost: KES 0.8000"
    return {"SMSMessageData": {"Message": message, "Recipients": [{**one, "messageId": name}]}}


NOBODY = {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}}
CODES = {
    401: ("RiskHold", Reason.REJECTED),
    402: ("InvalidSenderId", Reason.SENDER_INVALID),
    403: ("InvalidPhoneNumber", Reason.BAD_ADDRESS),
    404: ("UnsupportedNumberType", Reason.BAD_ADDRESS),
    405: ("InsufficientBalance", Reason.NO_CREDIT),
    406: ("UserInBlacklist", Reason.OPTED_OUT),
    407: ("CouldNotRoute", Reason.CONFIG),
    409: ("DoNotDisturbRejection", Reason.OPERATOR_BLACKLIST),
    502: ("RejectedByGateway", Reason.REJECTED),
    599: ("New", Reason.REJECTED),
}

SEND_CASES = [
    SendCase(
        "a text, and what it costs",
        Accepted((ID,), Price(800_000, "KES")),
        request=USUAL,
        status=201,
        answer=told(101),
    ),
    SendCase(
        "by the shared sender, queued",
        Accepted((ID,), Price(800_000, "KES")),
        settings={"sender": "", "enqueue": True},
        request={**{name: value for name, value in USUAL.items() if name != "from"}, "enqueue": "1"},
        status=201,
        answer=told(102),
    ),
    *(
        SendCase(
            status, Refused(reason, str(code), status), status=201, answer=told(code, status, name="None")
        )
        for code, (status, reason) in CODES.items()
    ),
    SendCase(
        "the gateway broke",
        Unknown("501 GatewayError: the gateway broke, and the message may have left"),
        status=201,
        answer=told(501, "GatewayError"),
    ),
    SendCase(
        "a sender that is not ours",
        Refused(Reason.SENDER_INVALID, "InvalidSenderId", "InvalidSenderId"),
        status=201,
        answer=NOBODY,
    ),
    SendCase("taken, without an id", unsure(told(101, name=""), 201), status=201, answer=told(101, name="")),
    SendCase(
        "a wrong key",
        Refused(Reason.AUTH, "401", "the provider does not accept these credentials"),
        status=401,
        answer=b"The supplied authentication is invalid",
    ),
    SendCase("their trouble", unsure(told(101), 500), status=500, answer=told(101)),
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
        assert request.path == "/version1/messaging"
        assert request.headers["apikey"] == "key"


@pytest.mark.parametrize(
    ("answer", "price"),
    [({"UserData": {"balance": "KES 1785.5000"}}, Price(1_785_500_000, "KES")), ({"UserData": {}}, None)],
)
async def test_the_balance(answer: dict[str, Any], price: Price | None) -> None:
    async with provider(200, answer, {}) as (url, asked), tools("127.0.0.1") as given:
        assert CHANNEL.balance is not None
        found = await CHANNEL.balance(given, kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": url}))
    assert found == price or price is None
    assert isinstance(found, Price) is (price is not None)
    assert [request.path for request in asked] == ["/version1/user?username=shop"]


def report(status: str, failure: str = "") -> Raw:
    """A delivery report."""
    fields = {"id": ID, "status": status, "phoneNumber": "+254711000000", "networkCode": "63902"}
    return Raw(urlencode(fields | ({"failureReason": failure} if failure else {})).encode())


def receipt(status: ReceiptStatus, code: str, reason: Reason | None = None) -> Receipt:
    """What comes out of it."""
    return Receipt(status, ref=ID, address="+254711000000", reason=reason, code=code)


# nyaruka/courier handlers/africastalking/handler_test.go
HEARD = (
    b"linkId=03090445075804249226&text=Msg&to=21512&id=ec9adc86-51d5-4bc8-8eb0-d8ab0bb53dc3"
    b"&date=2017-05-03T06%3A04%3A45Z&from=%2B254791541111"
)
SAID = Inbound(
    "ec9adc86-51d5-4bc8-8eb0-d8ab0bb53dc3", "+254791541111", "21512", "Msg", 1_493_791_485 * MICROS
)
OPTED_OUT = b"senderId=2020&phoneNumber=%2B254711000000"
FAILED = ReceiptStatus.FAILED

CALLBACK_CASES = [
    CallbackCase("sent", report("Sent"), [receipt(ReceiptStatus.ACCEPTED, "Sent")]),
    CallbackCase("submitted", report("Submitted"), [receipt(ReceiptStatus.SENT, "Submitted")]),
    CallbackCase("buffered", report("Buffered"), [receipt(ReceiptStatus.SENT, "Buffered")]),
    CallbackCase("success", report("Success"), [receipt(ReceiptStatus.DELIVERED, "Success")]),
    CallbackCase("expired", report("Expired"), [receipt(FAILED, "Expired", Reason.EXPIRED)]),
    CallbackCase("rejected", report("Rejected"), [receipt(FAILED, "Rejected", Reason.REJECTED)]),
    CallbackCase(
        "on a blacklist",
        report("Rejected", "UserInBlackList"),
        [receipt(FAILED, "UserInBlackList", Reason.OPTED_OUT)],
    ),
    CallbackCase(
        "no such person",
        report("Failed", "UserDoesNotExist"),
        [receipt(FAILED, "UserDoesNotExist", Reason.BAD_ADDRESS)],
    ),
    CallbackCase(
        "a reason nobody told us of", report("Failed", "New"), [receipt(FAILED, "New", Reason.UNDELIVERED)]
    ),
    CallbackCase("a person writes", Raw(HEARD), [SAID]),
    CallbackCase(
        "with a date of another shape",
        Raw(HEARD.replace(b"2017-05-03T06%3A04%3A45Z", b"2017-05-03+06%3A04%3A45")),
        [SAID],
    ),
    CallbackCase(
        "a word nobody told us of",
        Raw(b"id=1&status=Borked"),
        [Unreadable("status 'Borked' is not in our table", "id=1&status=Borked")],
    ),
    CallbackCase(
        "an opt-out of a name",
        Raw(OPTED_OUT),
        [Allowance("+254711000000", allowed=False, ref="2020/+254711000000")],
    ),
    CallbackCase(
        "an opt-out of another name",
        Raw(ANOTHER := OPTED_OUT.replace(b"2020", b"SHOP")),
        [Unreadable("an opt-out of 'SHOP', not this line's sender", ANOTHER.decode())],
    ),
    CallbackCase(
        "nothing that we know",
        Raw(b"id=1"),
        [Unreadable("neither a report, a message nor an opt-out", "id=1")],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events
