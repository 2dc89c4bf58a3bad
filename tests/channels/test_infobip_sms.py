"""SMS through Infobip: its two tables and its errors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.infobip_kit import ERRORS
from angarium.channels.infobip_sms import CHANNEL
from angarium.core.clock import MICROS
from angarium.core.ports import Accepted, Inbound, Raw, Receipt, Refused, Unreadable
from angarium.core.values import Content, Price, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

SETTINGS: dict[str, Any] = {"api_key": "key", "sender": "InfoSMS"}
REF = "att_0000000000007"
CALLBACK = "https://me.example/cb/s3cret"
INDIA = {
    "india_entity_id": "1111111111111111112",
    "india_template_id": "1111111111111111111",
    "india_telemarketer_id": "111111111111",
}


def taken(group: int, name: str, code: int, status: str, description: str = "x") -> dict[str, Any]:
    """The answer to one message, as the OpenAPI's example has it."""
    word = {"groupId": group, "groupName": name, "id": code, "name": status, "description": description}
    one = {"messageId": REF, "status": word, "destination": "447700900100", "details": {"messageCount": 1}}
    return {"bulkId": "2034072219640523072", "messages": [one]}


def asked(to: str = "447700900100", **more: Any) -> dict[str, Any]:
    """What Infobip is to be asked."""
    usual = {
        "sender": "InfoSMS",
        "destinations": [{"to": to, "messageId": REF}],
        "content": {"text": "Your order is ready"},
        "webhooks": {"callbackData": REF},
    }
    return {"messages": [{**usual, **more}]}


def refused(status: int, *violations: tuple[str, str]) -> dict[str, Any]:
    """The error document of the OpenAPI."""
    listed = [{"property": name, "violation": what} for name, what in violations]
    document = {"errorCode": f"E{status}", "description": "Request cannot be processed.", "action": "Check."}
    return {**document, "violations": listed, "resources": []}


PENDING = taken(1, "PENDING", 26, "PENDING_ACCEPTED", "Message sent to next instance")

SEND_CASES = [
    SendCase(
        "a text with all that may be beside it",
        Accepted((REF,)),
        submission(ttl_s=600, callback_url=CALLBACK),
        settings={"transliteration": "TURKISH"},
        request=asked(
            content={"text": "Your order is ready", "transliteration": "TURKISH"},
            options={"validityPeriod": {"amount": 600, "timeUnit": "SECONDS"}},
            webhooks={
                "callbackData": REF,
                "delivery": {"url": CALLBACK, "intermediateReport": True},
                "contentType": "application/json",
            },
        ),
        answer=PENDING,
    ),
    SendCase(
        "to India, by the ids of its registry",
        Accepted((REF,)),
        submission(address="+919876543210"),
        settings=INDIA,
        request=asked(
            to="919876543210",
            options={
                "regional": {
                    "indiaDlt": {
                        "contentTemplateId": "1111111111111111111",
                        "principalEntityId": "1111111111111111112",
                        "telemarketerId": "111111111111",
                    }
                }
            },
        ),
        answer=PENDING,
    ),
    SendCase(
        "a registered template takes the place of the line's",
        Accepted((REF,)),
        submission(address="+919876543210", pattern="1207"),
        settings={"india_entity_id": "1101"},
        request=asked(
            to="919876543210",
            options={"regional": {"indiaDlt": {"contentTemplateId": "1207", "principalEntityId": "1101"}}},
        ),
        answer=PENDING,
    ),
    SendCase(
        "those ids are India's alone",
        Accepted((REF,)),
        settings=INDIA,
        request=asked(),
        answer=PENDING,
    ),
    SendCase(
        "the same name twice: the first was taken",
        Accepted((REF,)),
        answer=taken(5, "REJECTED", 23, "REJECTED_DUPLICATE_MESSAGE_ID"),
    ),
    SendCase(
        "no credit",
        Refused(Reason.NO_CREDIT, "12", "REJECTED_NOT_ENOUGH_CREDITS: x"),
        answer=taken(5, "REJECTED", 12, "REJECTED_NOT_ENOUGH_CREDITS"),
    ),
    SendCase(
        "their trouble spends the name",
        Refused(Reason.REJECTED, "21", "REJECTED_SYSTEM_ERROR: x"),
        answer=taken(5, "REJECTED", 21, "REJECTED_SYSTEM_ERROR"),
    ),
    SendCase(
        "a status of a group we know",
        Refused(Reason.REJECTED, "999", "REJECTED_NEW: x"),
        answer=taken(5, "REJECTED", 999, "REJECTED_NEW"),
    ),
    SendCase("of one we do not", unsure(taken(9, "ODD", 9999, "ODD")), answer=taken(9, "ODD", 9999, "ODD")),
    SendCase(
        "a bad number",
        Refused(Reason.BAD_ADDRESS, "E400", "messages[0].destinations[0].to: is invalid"),
        status=400,
        answer=refused(400, ("messages[0].destinations[0].to", "is invalid")),
    ),
    SendCase(
        "a bad sender",
        Refused(Reason.SENDER_INVALID, "E400", "messages[0].sender: too long"),
        status=400,
        answer=refused(400, ("messages[0].sender", "too long")),
    ),
    SendCase(
        "anything else is our fault",
        Refused(Reason.CONFIG, "E400", "Request cannot be processed."),
        status=400,
        answer=refused(400),
    ),
    SendCase(
        "a wrong key",
        Refused(Reason.AUTH, "401", "the provider does not accept these credentials"),
        status=401,
        answer=refused(401),
    ),
    SendCase(
        "slow down",
        Refused(Reason.THROTTLED, "429", "the provider asks to slow down", retry_after_s=2),
        status=429,
        headers={"Retry-After": "2"},
        answer=refused(429),
    ),
    SendCase("their trouble", unsure(refused(500), 500), status=500, answer=refused(500)),
    SendCase("nonsense", unsure(b"<html>"), answer=b"<html>"),
    SendCase(
        "a template outside India",
        Refused(Reason.UNSUPPORTED, detail="template: no template ids here"),
        submission(content=Content("x", template="1207")),
    ),
    SendCase(
        "more parts than they take",
        Refused(Reason.UNSUPPORTED, detail="text: 26 parts, at most 25"),
        submission(content=Content("x" * 3_900)),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/sms/3/messages"
        assert request.headers["authorization"] == "App key"


# Infobip's OpenAPI, the example of receive-outbound-sms-message-reports-v3
REPORT: dict[str, Any] = {
    "bulkId": "BULK-ID-123-xyz",
    "price": {"pricePerMessage": 0.01, "currency": "EUR"},
    "status": {
        "groupId": 3,
        "groupName": "DELIVERED",
        "id": 5,
        "name": "DELIVERED_TO_HANDSET",
        "description": "Message delivered to handset",
    },
    "error": {
        "groupId": 0,
        "groupName": "OK",
        "id": 0,
        "name": "NO_ERROR",
        "description": "No Error",
        "permanent": False,
    },
    "messageId": "MESSAGE-ID-123-xyz",
    "to": "41793026727",
    "sender": "InfoSMS",
    "sentAt": "2019-11-09T16:00:00.000+0100",
    "doneAt": "2019-11-09T16:00:00.000+0100",
    "messageCount": 2,
    "callbackData": "att_1",
    "platform": {
        "entityId": "promotional-traffic-entity",
        "applicationId": "marketing-automation-application",
    },
}
DONE = 1_573_311_600 * MICROS
# the example of receive-inbound-sms-messages
HEARD = (
    b'{"results":[{"messageId":"817790313235066447","from":"385916242493","to":"385921004026",'
    b'"text":"QUIZ Correct answer is Paris","cleanText":"Correct answer is Paris","keyword":"QUIZ",'
    b'"receivedAt":"2019-11-09T16:00:00.000+0100","smsCount":1,"price":{"pricePerMessage":0,"currency":"EUR"},'
    b'"callbackData":"callbackData"}],"messageCount":1,"pendingMessageCount":1}'
)


def report(group: str, code: int, name: str, error: int = 0, said: str = "NO_ERROR") -> dict[str, Any]:
    """A report of this status and this error."""
    word = {"groupId": 0, "groupName": group, "id": code, "name": name}
    return {**REPORT, "status": word, "error": {"id": error, "name": said}}


def batch(*reports: Any) -> Raw:
    """What Infobip posts."""
    return Raw(msgspec.json.encode({"results": reports}))


def receipt(status: ReceiptStatus, code: str, reason: Reason | None = None) -> Receipt:
    """What comes out of it."""
    return Receipt(
        status=status,
        ref="MESSAGE-ID-123-xyz",
        client_ref="att_1",
        address="+41793026727",
        reason=reason,
        code=code,
        at=DONE,
        price=Price(20_000, "EUR"),
    )


QUIZ = "QUIZ Correct answer is Paris"
FAILED = ReceiptStatus.FAILED
CALLBACK_CASES = [
    CallbackCase("delivered", batch(REPORT), [receipt(ReceiptStatus.DELIVERED, "DELIVERED_TO_HANDSET")]),
    CallbackCase(
        "to the operator only, and then a batch",
        batch(
            report("DELIVERED", 2, "DELIVERED_TO_OPERATOR"),
            report("PENDING", 7, "PENDING_ENROUTE"),
            report("PENDING", 26, "PENDING_ACCEPTED"),
            report("UNDELIVERABLE", 9, "UNDELIVERABLE_NOT_DELIVERED", 6, "EC_ABSENT_SUBSCRIBER_SM"),
            report("EXPIRED", 15, "EXPIRED_EXPIRED"),
            report("REJECTED", 10, "REJECTED_DND"),
            report("REJECTED", 999, "REJECTED_NEW"),
        ),
        [
            receipt(ReceiptStatus.SENT, "DELIVERED_TO_OPERATOR"),
            receipt(ReceiptStatus.SENT, "PENDING_ENROUTE"),
            receipt(ReceiptStatus.ACCEPTED, "PENDING_ACCEPTED"),
            receipt(FAILED, "EC_ABSENT_SUBSCRIBER_SM", Reason.UNREACHABLE),
            receipt(FAILED, "EXPIRED_EXPIRED", Reason.EXPIRED),
            receipt(FAILED, "REJECTED_DND", Reason.OPERATOR_BLACKLIST),
            receipt(FAILED, "REJECTED_NEW", Reason.REJECTED),
        ],
    ),
    CallbackCase(
        "a person writes",
        Raw(HEARD),
        [Inbound("817790313235066447", "+385916242493", "+385921004026", QUIZ, DONE)],
    ),
    CallbackCase(
        "words nobody told us of",
        Raw(b'{"results":[{"messageId":"1","status":{"id":77,"name":"GONE"}},{"a":1}]}'),
        [
            Unreadable(
                "status 77 GONE is not in our table", '{"messageId":"1","status":{"id":77,"name":"GONE"}}'
            ),
            Unreadable("neither a report nor a message", '{"a":1}'),
        ],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (1, Reason.BAD_ADDRESS),
        (27, Reason.UNREACHABLE),
        (573, Reason.BLOCKED_BY_USER),
        (607, Reason.CONTENT_REJECTED),
        (2050, Reason.SUPPRESSED),
        (4129, Reason.TEMPLATE_INVALID),
        (4122, Reason.SENDER_INVALID),
        (4116, Reason.CONFIG),
        (4101, Reason.EXPIRED),
    ],
)
def test_what_the_network_said(error: int, reason: Reason) -> None:
    assert ERRORS[error] is reason


def test_ids_of_india_go_together() -> None:
    with pytest.raises(kit.Problem) as problem:
        kit.decode_settings(CHANNEL, {**SETTINGS, "india_template_id": "1207"})
    assert [field.field for field in problem.value.fields] == ["india_entity_id"]
