"""SMS through Twilio: its two tables, its errors, its signature."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from angarium.channels import kit
from angarium.channels.twilio_sms import CHANNEL, ERRORS
from angarium.core.ports import Accepted, Allowance, Inbound, Raw, Receipt, Refused, Unreadable
from angarium.core.values import Content, Media, MessageClass, Reason, ReceiptStatus
from angarium.protocols.signatures import twilio_signature
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

ACCOUNT = "AC" + "a" * 32
SETTINGS: dict[str, Any] = {"account_sid": ACCOUNT, "auth_token": "6789", "sender": "+14155552345"}
SERVICE = {"sender": "", "messaging_service_sid": "MG" + "a" * 32}
SID = "SM" + "a" * 32
CONTENT_SID = "HX" + "b" * 32
USUAL = {"To": "+447700900100", "From": "+14155552345", "Body": "Your order is ready"}
CALLBACK = "https://me.example/cb/s3cret"

# twilio-oai, the example of CreateMessage
TAKEN = {
    "account_sid": ACCOUNT,
    "api_version": "2010-04-01",
    "body": "Hello! 👍",
    "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
    "date_sent": "Thu, 24 Aug 2023 05:01:45 +0000",
    "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
    "direction": "outbound-api",
    "error_code": None,
    "error_message": None,
    "from": "+14155552345",
    "num_media": "0",
    "num_segments": "1",
    "price": None,
    "price_unit": None,
    "messaging_service_sid": None,
    "sid": SID,
    "status": "queued",
    "subresource_uris": {"media": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}/Media.json"},
    "to": "+14155552345",
    "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}.json",
}


def error(code: int, message: str = "No", status: int = 400) -> dict[str, Any]:
    """Twilio's error document."""
    return {"code": code, "message": message, "more_info": f"https://x/{code}", "status": status}


SEND_CASES = [
    SendCase(
        "a text with all that may be beside it",
        Accepted((SID,)),
        submission(ttl_s=600, callback_url=CALLBACK),
        request={**USUAL, "ValidityPeriod": "600", "StatusCallback": f"{CALLBACK}?ref=att_0000000000007"},
        status=201,
        answer=TAKEN,
    ),
    SendCase(
        "by a messaging service, with plain characters and short links",
        Accepted((SID,)),
        submission(message_class=MessageClass.PROMOTIONAL),
        settings={**SERVICE, "smart": True, "shorten_links": True},
        request={
            "To": "+447700900100",
            "MessagingServiceSid": "MG" + "a" * 32,
            "Body": "Your order is ready",
            "SmartEncoded": "true",
            "ShortenUrls": "true",
        },
        status=201,
        answer=TAKEN,
    ),
    SendCase(
        "a picture where the line sends them",
        Accepted((SID,)),
        submission(content=Content(media=Media("media_1", "image/gif", 9, url="https://me.example/m/1"))),
        settings={"mms": True},
        request={"To": "+447700900100", "From": "+14155552345", "MediaUrl": "https://me.example/m/1"},
        status=201,
        answer=TAKEN,
    ),
    SendCase(
        "a content template",
        Accepted((SID,)),
        submission(content=Content("Hi Ann", template=CONTENT_SID, params={"1": "Ann"})),
        request={
            "To": "+447700900100",
            "From": "+14155552345",
            "ContentSid": CONTENT_SID,
            "ContentVariables": '{"1":"Ann"}',
        },
        status=201,
        answer=TAKEN,
    ),
    SendCase(
        "failed at once",
        Refused(Reason.OPTED_OUT, "21610", "Attempt to send to unsubscribed recipient"),
        status=201,
        answer={
            **TAKEN,
            "status": "failed",
            "error_code": 21610,
            "error_message": "Attempt to send to unsubscribed recipient",
        },
    ),
    SendCase("a STOP", Refused(Reason.OPTED_OUT, "21610", "No"), status=400, answer=error(21610)),
    SendCase(
        "an error nobody told us of",
        Refused(Reason.REJECTED, "29999", "Twilio refused it with error 29999"),
        status=400,
        answer=error(29999, ""),
    ),
    SendCase("a wrong token", Refused(Reason.AUTH, "29998", "No"), status=401, answer=error(29998)),
    SendCase(
        "slow down",
        Refused(Reason.THROTTLED, "20429", "Too Many Requests", retry_after_s=3),
        status=429,
        headers={"Retry-After": "3"},
        answer=error(20429, "Too Many Requests", 429),
    ),
    SendCase("their trouble", unsure(error(20500), 500), status=500, answer=error(20500)),
    SendCase("no SID", unsure({"sid": ""}, 201), status=201, answer={"sid": ""}),
    SendCase("nonsense", unsure(b"<html>", 200), answer=b"<html>"),
    SendCase(
        "a picture where the line sends none",
        Refused(Reason.UNSUPPORTED, detail="image_url: this line sends no pictures"),
        submission(content=Content("x", image_url="https://me.example/x.png")),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        assert request.headers["authorization"].startswith("Basic QUNhYWFh")  # base64("ACaaa…")


async def test_an_api_key_takes_the_place_of_the_auth_token() -> None:
    case = SendCase("", Accepted((SID,)), status=201, answer=TAKEN)
    settings = {**SETTINGS, "api_sid": "SK" + "c" * 32, "api_secret": "s"}
    (request,) = await run_send_case(CHANNEL, settings, case)
    assert request.headers["authorization"].startswith("Basic U0tjY2Nj")  # base64("SKccc…")


# the reference's table of errors: each code, and what follows from it
LISTED = {
    Reason.OPTED_OUT: [21610],
    Reason.BAD_ADDRESS: [21211, 21614, 21217, 30005, 30006],
    Reason.CONFIG: [21408, 30010],
    Reason.SENDER_INVALID: [21612, 21606, 21212, 21703, 21704, 30018, 30023, 30024, 30027, 30032],
    Reason.THROTTLED: [21611, 30001, 30022, 63018, 20429],
    Reason.TOO_LONG: [21617],
    Reason.AUTH: [30002],
    Reason.UNREACHABLE: [30003],
    Reason.BLOCKED_BY_USER: [30004, 63033],
    Reason.CONTENT_REJECTED: [30007],
    Reason.UNDELIVERED: [30008],
    Reason.TEMPORARY: [30017],
    Reason.WINDOW_CLOSED: [63016],
    Reason.NOT_A_USER: [63024],
    Reason.REJECTED: [63032],
    Reason.EXPIRED: [30036],
}


@pytest.mark.parametrize("code", [code for codes in LISTED.values() for code in codes])
def test_each_listed_error_has_its_reason(code: int) -> None:
    assert code in LISTED[ERRORS[code]]


def status(word: str, code: str = "", query: str = "att_1") -> Raw:
    """A status callback, as Twilio writes it."""
    fields = {"SmsSid": SID, "SmsStatus": word, "MessageStatus": word, "To": "+447700900100"}
    extra = {"ErrorCode": code} if code else {}
    body = urlencode({**fields, "MessageSid": SID, "AccountSid": ACCOUNT, "From": "+14155552345", **extra})
    return Raw(body.encode(), query={"ref": query} if query else {})


def receipt(status: ReceiptStatus, code: str, reason: Reason | None = None) -> Receipt:
    """What comes out of it."""
    return Receipt(status, ref=SID, client_ref="att_1", address="+447700900100", reason=reason, code=code)


# nyaruka/courier handlers/twiml/handlers_test.go
CAPTURED = (
    b"ToCountry=US&ToState=District+Of+Columbia&SmsMessageSid=SMe287d7109a5a925f182f0e07fe5b223b"
    b"&NumMedia=0&ToCity=&FromZip=01022&SmsSid=SMe287d7109a5a925f182f0e07fe5b223b&FromState=MA"
    b"&SmsStatus=received&FromCity=CHICOPEE&Body=Msg&FromCountry=US&To=%2B12028831111&ToZip=&NumSegments=1"
    b"&MessageSid=SMe287d7109a5a925f182f0e07fe5b223b&From=%2B14133881111&ApiVersion=2010-04-01"
)
CAPTURED_MMS = CAPTURED.replace(b"&Body=Msg", b"").replace(b"NumMedia=0", b"NumMedia=2") + (
    b"&MediaUrl0=https%3A%2F%2Fapi.twilio.com%2Fcat.jpg&MediaUrl1=https%3A%2F%2Fapi.twilio.com%2Fdog.jpg"
)
HEARD = Inbound("SMe287d7109a5a925f182f0e07fe5b223b", "+14133881111", "+12028831111", "Msg")
CAT, DOG = "https://api.twilio.com/cat.jpg", "https://api.twilio.com/dog.jpg"
FAILED = ReceiptStatus.FAILED

CALLBACK_CASES = [
    CallbackCase("queued", status("queued"), [receipt(ReceiptStatus.ACCEPTED, "queued")]),
    CallbackCase("sent", status("sent"), [receipt(ReceiptStatus.SENT, "sent")]),
    CallbackCase("delivered", status("delivered"), [receipt(ReceiptStatus.DELIVERED, "delivered")]),
    CallbackCase("read", status("read"), [receipt(ReceiptStatus.READ, "read")]),
    CallbackCase(
        "filtered", status("undelivered", "30007"), [receipt(FAILED, "30007", Reason.CONTENT_REJECTED)]
    ),
    CallbackCase("expired", status("failed", "30036"), [receipt(FAILED, "30036", Reason.EXPIRED)]),
    CallbackCase("a new error", status("failed", "39999"), [receipt(FAILED, "39999", Reason.UNDELIVERED)]),
    CallbackCase("no error", status("canceled"), [receipt(FAILED, "canceled", Reason.UNDELIVERED)]),
    CallbackCase("no number", status("failed", "x"), [receipt(FAILED, "x", Reason.UNDELIVERED)]),
    CallbackCase(
        "a word that is not explained",
        Raw(b"MessageSid=SM1&MessageStatus=partially_delivered"),
        [
            Unreadable(
                "status 'partially_delivered' is not in our table",
                "MessageSid=SM1&MessageStatus=partially_delivered",
            )
        ],
    ),
    CallbackCase("a person writes", Raw(CAPTURED), [HEARD]),
    CallbackCase(
        "two pictures",
        Raw(CAPTURED_MMS),
        [
            Inbound(HEARD.ref, HEARD.sender, HEARD.recipient, "", media_url=CAT),
            Inbound(f"{HEARD.ref}/1", HEARD.sender, HEARD.recipient, "", media_url=DOG),
        ],
    ),
    CallbackCase(
        "a keyword that stops",
        Raw(CAPTURED + b"&OptOutType=STOP"),
        [HEARD, Allowance(HEARD.sender, allowed=False, ref=HEARD.ref)],
    ),
    CallbackCase(
        "a keyword that starts",
        Raw(CAPTURED + b"&OptOutType=START"),
        [HEARD, Allowance(HEARD.sender, allowed=True, ref=HEARD.ref)],
    ),
    CallbackCase("a keyword that asks", Raw(CAPTURED + b"&OptOutType=HELP"), [HEARD]),
    CallbackCase(
        "another channel's",
        Raw(b"MessageSid=SM1&From=whatsapp%3A%2B1&Body=x"),
        [
            Unreadable(
                "a message of another channel, or of nobody", "MessageSid=SM1&From=whatsapp%3A%2B1&Body=x"
            )
        ],
    ),
    CallbackCase(
        "another account's",
        Raw(b"MessageSid=SM1&AccountSid=AC2&MessageStatus=sent"),
        [
            Unreadable(
                "for the account 'AC2', not this line's", "MessageSid=SM1&AccountSid=AC2&MessageStatus=sent"
            )
        ],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


# twilio-python tests/unit/test_request_validator.py
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309"
TWICE = b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234"
RULED = "key=SharedKey1,algorithm=HMAC_SHA256"


@pytest.mark.parametrize(
    ("fields", "signature"), [(FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="), (TWICE, "IK+Dwps556ElfBT0I3Rgjkr1wJU=")]
)
def test_the_signature_is_that_of_the_sdk(fields: bytes, signature: str) -> None:
    assert twilio_signature("12345", URL, fields) == signature


def signed(url: str, token: str = "6789") -> str:
    """What Twilio writes into the header."""
    return twilio_signature(token, url, FORM)


@pytest.mark.parametrize(
    ("signature", "url", "settings", "good"),
    [
        (signed(URL), URL, {}, True),
        (signed("https://a.example:443/x"), "https://a.example/x", {}, True),
        (signed("https://a.example/x"), "https://a.example:8443/x", {}, True),
        (signed("https://b.example/x"), "https://a.example/x", {}, False),
        (signed(""), "", {}, False),
        (signed(URL, "old"), URL, {"auth_token_before": "old"}, True),
        (signed(URL, ""), URL, {}, False),
        ("", URL, {}, False),
    ],
)
def test_a_signature_is_checked_over_the_public_address(
    signature: str, url: str, settings: dict[str, Any], good: bool
) -> None:
    given = kit.decode_settings(CHANNEL, {**SETTINGS, **settings})
    assert CHANNEL.genuine(given, Raw(FORM, {"x-twilio-signature": signature}, url=url)) is good


@pytest.mark.parametrize(
    ("ruled", "key", "good"),
    [(RULED, "shared", True), (RULED, "", False), ("key=SharedKey1,algorithm=HMAC_MD5", "shared", False)],
)
def test_a_shared_key_signs_with_a_digest_of_its_own(ruled: str, key: str, good: bool) -> None:
    made = twilio_signature("shared", URL, FORM, "sha256")
    headers = {"x-twilio-signature": made, "x-twilio-webhooks-signature-settings": ruled}
    given = kit.decode_settings(CHANNEL, {**SETTINGS, "shared_key": key})
    assert CHANNEL.genuine(given, Raw(FORM, headers, url=URL)) is good


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (Content("x" * 1600), []),
        (Content("x" * 1601), [("text", "1601 characters, at most 1600")]),
        (Content(), [("text", "is empty")]),
        (Content("x", template="order_ready"), [("template", "is no Content SID")]),
        (
            Content("x", template=CONTENT_SID, image_url="https://me.example/x.png"),
            [
                ("image_url", "this line sends no pictures"),
                ("image_url", "not beside a template"),
            ],
        ),
    ],
)
def test_what_it_cannot_carry(content: Content, problems: list[tuple[str, str]]) -> None:
    found = CHANNEL.lint(kit.decode_settings(CHANNEL, SETTINGS), content)
    assert [(each.field, each.problem) for each in found] == problems


@pytest.mark.parametrize(
    "wrong",
    [{"sender": ""}, {"api_sid": "SK" + "c" * 32}, {"shorten_links": True}, {"account_sid": "AC1"}],
)
def test_settings_that_do_not_fit_together(wrong: dict[str, Any]) -> None:
    with pytest.raises(kit.Problem):
        kit.decode_settings(CHANNEL, {**SETTINGS, **wrong})
