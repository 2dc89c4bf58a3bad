"""E-mail through Amazon SES: its two tables, with payloads of the vendor's pages; SNS and its signatures."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from email import message_from_bytes
from email.policy import default
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from angarium.channels import kit
from angarium.channels.amazon_ses_email import BOUNCES, CHANNEL, ERRORS, attach, profile
from angarium.core.ports import (
    Accepted,
    Allowance,
    Event,
    Inbound,
    Profile,
    Raw,
    Receipt,
    Refused,
    Unreadable,
)
from angarium.core.problems import Problem
from angarium.core.values import Content, Reason, ReceiptStatus
from angarium.processes import free_port
from angarium.simulators.faces.amazon_ses_email import OPERATOR, TOPIC, Ses
from angarium.simulators.stage import Stage
from support.dkim_peer import verified
from support.http_line import CallbackCase, SendCase, provider, run_send_case, submission, tools, unsure
from support.http_line import line as live_line

ID = "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000"
SETTINGS: dict[str, Any] = {
    "access_key_id": "AKIDEXAMPLE",
    "secret_access_key": "secret",
    "region": "eu-west-1",
    "sender_address": "shop@shop.example",
    "sender_name": "Магазин",
    "configuration_set": "angarium",
    "topic_arns": f"arn:aws:sns:eu-west-1:123456789012:inbound, {TOPIC}",
}
WORDS = Content(
    subject="Order 1234", text="Your order is ready", params={"unsubscribe_url": "https://shop.example/u/1"}
)
KEY = (
    generate_private_key(65_537, 2048)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)


def mail(**changes: Any) -> Any:
    return submission(address="anna@example.org", content=WORDS, **changes)


def refused(name: str, reason: Reason, message: str = "No", status: int = 400) -> SendCase:
    headers = {"x-amzn-ErrorType": f"{name}:http://internal.amazon.com/coral/"}
    outcome = Refused(reason, name, message)
    return SendCase(
        f"{name} {message}", outcome, mail(), status=status, answer={"message": message}, headers=headers
    )


SEND_CASES = [
    SendCase("an order", Accepted((ID,)), mail(), answer={"MessageId": ID}),
    SendCase(
        "an address that would break out",
        Refused(Reason.BAD_ADDRESS, detail="recipient: has characters before the @ that may not stand there"),
        submission(address="a,b@example.org", content=WORDS),
    ),
    *(refused(name, reason) for name, reason in ERRORS.items() if reason is not Reason.THROTTLED),
    refused("NewException", Reason.REJECTED),
    refused(
        "MessageRejected",
        Reason.SENDER_INVALID,
        "Email address is not verified. The following identities failed the check in region EU-WEST-1: a@b.c",
    ),
    refused("BadRequestException", Reason.BAD_ADDRESS, "Missing final '@domain'"),
    refused("TooManyRequestsException", Reason.NO_CREDIT, "Daily message quota exceeded.", 429),
    SendCase(
        "slow down",
        Refused(Reason.THROTTLED, "TooManyRequestsException", "Maximum sending rate exceeded.", 3.0),
        mail(),
        status=429,
        answer={"message": "Maximum sending rate exceeded."},
        headers={"x-amzn-ErrorType": "TooManyRequestsException", "Retry-After": "3"},
    ),
    SendCase("their trouble", unsure({"message": "x"}, 500), mail(), status=500, answer={"message": "x"}),
    SendCase("no id", unsure({}), mail(), answer={}),
    SendCase("not JSON", unsure(b"ok"), mail(), answer=b"ok"),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/v2/email/outbound-emails"
        assert "/eu-west-1/ses/aws4_request" in request.headers["authorization"]
        raw = request.document.pop("Content")
        assert request.document == {
            "FromEmailAddress": "shop@shop.example",
            "Destination": {"ToAddresses": ["anna@example.org"]},
            "EmailTags": [{"Name": "client_ref", "Value": "att_0000000000007"}],
            "ConfigurationSetName": "angarium",
        }
        sent = message_from_bytes(b64decode(raw["Raw"]["Data"]), policy=default)
        assert (sent["from"], sent["subject"]) == ("Магазин <shop@shop.example>", "Order 1234")
        assert sent["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
        assert sent["dkim-signature"] is None
        assert sent.get_content().strip() == "Your order is ready"


async def test_our_signature_outlives_what_ses_writes_anew() -> None:
    keys = {"dkim_selector": "r1", "dkim_key": KEY}
    async with provider(200, {"MessageId": ID}, {}) as (url, asked), tools("127.0.0.1") as given:
        settings = kit.decode_settings(CHANNEL, {**SETTINGS, **keys, "base_url": url})
        await kit.deliver(given, CHANNEL, settings, mail())
    async with provider(200, {}, {}) as (url, _), tools("127.0.0.1") as given:
        told = await profile(given, msgspec.structs.replace(settings, base_url=url))
    assert isinstance(told, Profile)
    records = {name: value for name, value in told.details.items() if "_domainkey" in name}
    sent = b64decode(asked[0].document["Content"]["Raw"]["Data"])
    anew = sent.replace(b"Message-ID: <att_0000000000007@shop.example>", b"Message-ID: <1@amazonses.com>")
    assert anew != sent
    assert verified(anew, records, 1) == [True]
    assert verified(anew.replace(b"Order 1234", b"Order 1235"), records, 1) == [False]


async def test_the_account_tells_how_it_stands() -> None:
    answer = {
        "EnforcementStatus": "PROBATION",
        "ProductionAccessEnabled": True,
        "SendingEnabled": False,
        "SendQuota": {"Max24HourSend": 50000.0, "MaxSendRate": 14.5, "SentLast24Hours": 12.0},
    }
    async with provider(200, answer, {}) as (url, asked), tools("127.0.0.1") as given:
        told = await profile(given, kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": url}))
    assert told == Profile(
        "shop@shop.example",
        "PROBATION",
        limit="50000 a day, 14.5 a second",
        details={"SendingEnabled": "false", "ProductionAccessEnabled": "true", "SentLast24Hours": "12"},
    )
    assert asked[0].path == "/v2/email/account"


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────

AT = 1_453_906_784_101_000  # 2016-01-27T14:59:44.101Z
ABOUT = {
    "timestamp": "2016-01-27T14:59:38.237Z",
    "source": "shop@shop.example",
    "sourceArn": "arn:aws:ses:us-west-2:888888888888:identity/example.com",
    "sendingAccountId": "123456789012",
    "messageId": ID,
    "destination": ["anna@example.org"],
    "headersTruncated": False,
    "tags": {"ses:configuration-set": ["ConfigSet"], "client_ref": ["att_0000000000007"]},
}
ENVELOPE = {
    "Type": "Notification",
    "MessageId": "19ba9823-d7f2-53c1-860e-cb10e0d13dfc",
    "TopicArn": TOPIC,
    "Subject": "Amazon SES Email Event Notification",
    "Timestamp": "2018-03-26T17:58:59.675Z",
    "SignatureVersion": "1",
    "Signature": "EXAMPLE-SIGNATURE==",
    "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-12345abcde.pem",
}


def posted(message: Any, **more: Any) -> Raw:
    text = message if isinstance(message, str) else json.dumps(message) + "\n"
    return Raw(json.dumps({**ENVELOPE, "Message": text, **more}).encode())


def event(kind: str, name: str = "eventType", **about: Any) -> Raw:
    return posted({name: kind, "mail": ABOUT, **about})


def receipt(status: ReceiptStatus, reason: Reason | None = None, code: str = "", at: int = AT) -> Event:
    return Receipt(status, ID, "att_0000000000007", "anna@example.org", reason, code, at)


TIME = "2016-01-27T14:59:44.101Z"
SENT_AT = 1_453_906_778_237_000


def bounce(kind: str, sub_type: str, status: str = "", words: str = "") -> Raw:
    person = {
        "emailAddress": "anna@example.org",
        "status": status,
        "diagnosticCode": words,
        "action": "failed",
    }
    about = {"bounceType": kind, "bounceSubType": sub_type, "bouncedRecipients": [person], "timestamp": TIME}
    return event("Bounce", bounce={**about, "feedbackId": "1", "reportingMTA": "dns; x"})


def complaint(**about: Any) -> Raw:
    people = [{"emailAddress": "anna@example.org"}]
    return event("Complaint", complaint={"complainedRecipients": people, "timestamp": TIME, **about})


SAID = [
    ("5.1.1", "smtp; 550 5.1.1 <anna@example.org>... User unknown", Reason.BAD_ADDRESS, "5.1.1"),
    ("5.0.0", "smtp; 550 no", Reason.BAD_ADDRESS, "5.0.0"),
    ("", "", Reason.BAD_ADDRESS, "Permanent/General"),
    ("5.7.1", "smtp; 554 5.7.1 blocked", Reason.UNDELIVERED, "5.7.1"),
    ("5.7.26", "", Reason.SENDER_INVALID, "5.7.26"),
    ("5.2.2", "", Reason.UNREACHABLE, "5.2.2"),
]
LETTER = (
    b"From: Anna <anna@example.org>\r\nTo: shop@shop.example\r\nMessage-ID: <m@x>\r\nSubject: Re: Order\r\n"
    + (f"In-Reply-To: <{ID}@eu-west-1.amazonses.com>\r\n\r\nThank you\r\n".encode())
)
ANSWER = Inbound("m@x", "anna@example.org", "shop@shop.example", "Thank you", context_ref=ID)


def received(content: str | None, encoding: str = "UTF8") -> Raw:
    took = {
        "recipients": ["shop@shop.example"],
        "action": {"type": "SNS", "topicArn": TOPIC, "encoding": encoding},
    }
    told = {"notificationType": "Received", "mail": ABOUT, "receipt": took}
    return posted(told if content is None else {**told, "content": content})


def lost(raw: Raw, detail: str) -> list[Event]:
    return [Unreadable(detail, json.loads(raw.body)["Message"])]


NEW, ODD, ELSEWHERE = bounce("Permanent", "New"), complaint(complaintFeedbackType="not-spam"), received(None)
BYE, NOT_SES = posted("bye", Type="UnsubscribeConfirmation"), posted("hello")
PREFERENCES = {"unsubscribeAll": True, "topicSubscriptionStatus": []}
CALLBACK_CASES = [
    CallbackCase("send", event("Send", send={}), [receipt(ReceiptStatus.ACCEPTED, at=SENT_AT)]),
    CallbackCase(
        "delivered",
        event(
            "Delivery",
            delivery={"timestamp": TIME, "recipients": ["anna@example.org"], "smtpResponse": "250"},
        ),
        [receipt(ReceiptStatus.DELIVERED)],
    ),
    CallbackCase(
        "delivered, told by the identity and not by a configuration set",
        posted(
            {
                "notificationType": "Delivery",
                "mail": {name: value for name, value in ABOUT.items() if name != "tags"},
                "delivery": {"timestamp": TIME, "recipients": ["anna@example.org"]},
            }
        ),
        [Receipt(ReceiptStatus.DELIVERED, ID, "", "anna@example.org", None, "", AT)],
    ),
    *(
        CallbackCase(
            f"{kind}/{sub}", bounce(kind, sub), [receipt(ReceiptStatus.FAILED, reason, f"{kind}/{sub}")]
        )
        for (kind, sub), reason in BOUNCES.items()
        if reason
    ),
    *(
        CallbackCase(
            f"hard: {status} {words}",
            bounce("Permanent", "General", status, words),
            [receipt(ReceiptStatus.FAILED, reason, code)],
        )
        for status, words, reason, code in SAID
    ),
    CallbackCase("a bounce of a new kind", NEW, lost(NEW, "a bounce Permanent/New is not in our table")),
    CallbackCase(
        "abuse",
        complaint(complaintFeedbackType="abuse", userAgent="AnyCompany Feedback Loop (V0.01)"),
        [receipt(ReceiptStatus.FAILED, Reason.OPTED_OUT, "abuse")],
    ),
    CallbackCase("a complaint", complaint(), [receipt(ReceiptStatus.FAILED, Reason.OPTED_OUT, "Complaint")]),
    CallbackCase(
        "complained before",
        complaint(complaintSubType="OnAccountSuppressionList"),
        [receipt(ReceiptStatus.FAILED, Reason.SUPPRESSED, "Complaint")],
    ),
    CallbackCase("not spam", ODD, lost(ODD, "a complaint of the type 'not-spam' is not in our table")),
    CallbackCase(
        "a virus",
        event("Reject", reject={"reason": "Bad content"}),
        [receipt(ReceiptStatus.FAILED, Reason.CONTENT_REJECTED, "Reject", SENT_AT)],
    ),
    CallbackCase(
        "not rendered",
        event(
            "Rendering Failure", failure={"errorMessage": "Attribute 'x' is not present", "templateName": "t"}
        ),
        [receipt(ReceiptStatus.FAILED, Reason.CONTENT_REJECTED, "Rendering Failure", SENT_AT)],
    ),
    CallbackCase(
        "delayed",
        event(
            "DeliveryDelay",
            deliveryDelay={
                "timestamp": TIME,
                "delayType": "MailboxFull",
                "expirationTime": "2016-01-27T18:59:44.101Z",
                "delayedRecipients": [{"emailAddress": "anna@example.org", "status": "4.2.2"}],
            },
        ),
        [receipt(ReceiptStatus.ACCEPTED, None, "MailboxFull")],
    ),
    CallbackCase(
        "unsubscribed at SES",
        event("Subscription", subscription={"timestamp": TIME, "newTopicPreferences": PREFERENCES}),
        [Allowance("anna@example.org", False, str(ENVELOPE["MessageId"]), promotional_only=True, at=AT)],
    ),
    CallbackCase("opened: our own links count", event("Open", open={"timestamp": TIME}), []),
    CallbackCase("clicked", event("Click", click={"timestamp": TIME, "link": "https://shop.example"}), []),
    CallbackCase(
        "the topic works", posted("Successfully validated SNS topic for Amazon SES event publishing."), []
    ),
    CallbackCase("to be confirmed", posted("You have chosen…", Type="SubscriptionConfirmation"), []),
    CallbackCase(
        "not any more",
        BYE,
        [Unreadable("UnsubscribeConfirmation: the topic will say no more", BYE.body.decode())],
    ),
    CallbackCase("not of SES", NOT_SES, lost(NOT_SES, "a notification that is none of SES")),
    CallbackCase("an answer", received(LETTER.decode()), [ANSWER]),
    CallbackCase("an answer in base 64", received(b64encode(LETTER).decode(), "BASE64"), [ANSWER]),
    CallbackCase(
        "it lies in S3", ELSEWHERE, lost(ELSEWHERE, "a mail that SES received is not in its notification")
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_parsing(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


async def test_a_line_subscribes_itself_and_hears_of_its_mails_and_of_answers() -> None:
    """Over sockets: Subscribe is signed, SNS asks the line's address to confirm, and then speaks to it."""
    stage = Stage()
    face = Ses(stage, free_port())
    settings = OPERATOR.settings(face.url())
    async with live_line(stage, face, CHANNEL, settings) as line, tools("127.0.0.1") as given:
        decoded = kit.decode_settings(CHANNEL, settings)
        assert await attach(given, decoded, line.callback_url) is None
        assert face.confirmed == {line.callback_url}
        wrong = msgspec.structs.replace(decoded, secret_access_key="wrong")
        assert await attach(given, wrong, line.callback_url) == Refused(
            Reason.CONFIG, "InvalidSignatureException", "No"
        )
        accepted = await line.send("anna.01@example.org", content=WORDS)
        await line.heard.until_told("att_1", ["accepted", "delivered"])
        await face.send_inbound("anna.01@example.org", "Thank you")
        (answer,) = [event for event in line.heard.events if isinstance(event, Inbound)]
        assert isinstance(accepted, Accepted)
        assert (answer.text, answer.context_ref) == ("Thank you", accepted.refs[0])
        assert line.heard.forged == 0
    assert face.ledger.entries[0].details["configuration_set"] == "angarium"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sender_address", "shop"),
        ("sender_name", "a\r\nBcc: b"),
        ("region", "eu-west-1.evil.example/"),
        ("topic_arns", "arn:aws:sqs:eu-west-1:123456789012:mail"),
        ("dkim_selector", "a b"),
        ("sns_url", "ftp://a.example"),
    ],
)
def test_wrong_settings_are_named(field: str, value: str) -> None:
    with pytest.raises(Problem) as caught:
        kit.decode_settings(CHANNEL, {**SETTINGS, field: value})
    assert [found.field for found in caught.value.fields] == [field]
