"""SMS through Kavenegar: its two tables, and what it keeps to itself."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.kavenegar_sms import CHANNEL, ERRORS
from angarium.core.ports import Accepted, Inbound, Outcome, Raw, Receipt, Refused, Unknown, Unreadable
from angarium.core.values import Content, MessageClass, Price, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, provider, run_send_case, submission, tools, unsure

KEY = "613472435563797A37677331D"  # of the vendor's page
SETTINGS = {"api_key": KEY, "sender": "10004346"}
CODE = Content(text="کد: 852596", template="myverification", params={"token": "852596"})


def said(status: int, message: str, entries: Any = None) -> dict[str, Any]:
    """The vendor's envelope."""
    return {"return": {"status": status, "message": message}, "entries": entries}


def record(status: int = 1, text: str = "در صف ارسال") -> dict[str, Any]:
    """The record of a message, as the vendor's page has it."""
    return {
        "messageid": 8792343,
        "message": "خدمات پیام کوتاه کاوه نگار",
        "status": status,
        "statustext": text,
        "sender": "10004346",
        "receptor": "09*********",
        "date": 1356619709,
        "cost": 120,
    }


TAKEN = said(200, "تایید شد", [record()])
ACCEPTED = Accepted(("8792343",), Price(120_000_000, "IRR"))
IRAN = submission(address="+989121234567")

SEND_CASES = [
    SendCase(
        "a plain text has our id",
        ACCEPTED,
        submission(address="+989121234567", message_class=MessageClass.PROMOTIONAL),
        request={
            "receptor": "00989121234567",
            "message": "Your order is ready",
            "sender": "10004346",
            "localid": "7",
        },
        answer=TAKEN,
    ),
    SendCase(
        "a template by its name is a lookup, abroad too",
        ACCEPTED,
        submission(address="+974211234565", message_class=MessageClass.OTP, content=CODE),
        request={"receptor": "00974211234565", "template": "myverification", "token": "852596"},
        answer=TAKEN,
    ),
    SendCase(
        "a text that fits a pattern is a lookup with its values",
        ACCEPTED,
        submission(pattern="shipped", pattern_values={"token": "17", "token10": "علی رضایی"}),
        request={"receptor": "00447700900100", "template": "shipped", "token": "17", "token10": "علی رضایی"},
        answer=TAKEN,
    ),
    SendCase(
        "values that no token can hold",
        Refused(Reason.TEMPLATE_INVALID, detail="params.0: no such token; params.token: is required"),
        submission(pattern="shipped", pattern_values={"0": "17"}),
    ),
    SendCase(
        "a plain text on a line without a number",
        Refused(
            Reason.CONFIG, detail="this line has no number of its own: it sends registered templates only"
        ),
        settings={"sender": ""},
    ),
    SendCase(
        "the same id again: the first has been blocked meanwhile",
        Refused(Reason.OPERATOR_BLACKLIST, "14", "بلاک شده است"),
        answer=said(200, "تایید شد", [record(14, "بلاک شده است")]),
    ),
    SendCase(
        "two records for one", unsure(said(200, "", [record()] * 2)), answer=said(200, "", [record()] * 2)
    ),
    SendCase("no record", unsure(said(200, "")), answer=said(200, "")),
    SendCase("not JSON", unsure(b"<html>"), answer=b"<html>"),
    SendCase("their trouble", unsure(said(500, "x"), 500), status=500, answer=said(500, "x")),
    SendCase(
        "a code nobody told us of", Refused(Reason.REJECTED, "499", "؟"), status=499, answer=said(499, "؟")
    ),
    SendCase(
        "the key is in nothing that is told",
        Refused(Reason.AUTH, "403", "/v1/…/sms/send.json"),
        status=403,
        answer=said(403, f"/v1/{KEY}/sms/send.json"),
    ),
    *(
        SendCase(f"code {code}", Refused(reason, str(code), "متن"), status=code, answer=said(code, "متن"))
        for code, reason in ERRORS.items()
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    method = "verify/lookup" if case.submission.content.template or case.submission.pattern else "sms/send"
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == f"/v1/{KEY}/{method}.json"


ACTIONS = {  # what channels.md of the vendor's codes says they are
    418: Reason.NO_CREDIT,
    424: Reason.TEMPLATE_INVALID,
    411: Reason.BAD_ADDRESS,
    412: Reason.SENDER_INVALID,
    420: Reason.CONTENT_REJECTED,
    409: Reason.TEMPORARY,
    451: Reason.THROTTLED,
    403: Reason.AUTH,
}


def test_what_the_codes_mean() -> None:
    assert {code: ERRORS[code] for code in ACTIONS} == ACTIONS


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (
            said(200, "تایید شد", {"remaincredit": 1500000, "expiredate": 13548889}),
            Price(1_500_000_000_000, "IRR"),
        ),
        (said(200, "تایید شد", []), Unknown("an answer without entries.remaincredit")),
    ],
)
async def test_the_balance(answer: Any, outcome: Price | Outcome) -> None:
    async with provider(200, answer, {}) as (url, asked), tools("127.0.0.1") as given:
        assert CHANNEL.balance is not None
        settings = kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": url})
        assert await CHANNEL.balance(given, settings) == outcome
    assert [each.path for each in asked] == [f"/v1/{KEY}/account/info.json"]


def test_a_lookup_has_no_key_of_ours() -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    assert CHANNEL.capabilities.idempotent
    assert CHANNEL.keyed(settings, submission())
    assert not CHANNEL.keyed(settings, submission(content=CODE))
    assert not CHANNEL.keyed(settings, submission(pattern="shipped"))


def status(word: str) -> Raw:
    """A status as it may be posted."""
    return Raw(f"messageid=85463238&status={word}".encode())


def receipt(state: ReceiptStatus, code: str, reason: Reason | None = None, **more: Any) -> Receipt:
    """What comes out of it."""
    return Receipt(state, ref="85463238", reason=reason, code=code, **more)


FREE = Price(0, "")

CALLBACK_CASES = [
    CallbackCase("queued", status("1"), [receipt(ReceiptStatus.ACCEPTED, "1")]),
    CallbackCase("scheduled", status("2"), [receipt(ReceiptStatus.ACCEPTED, "2")]),
    CallbackCase("handed over", status("4"), [receipt(ReceiptStatus.SENT, "4")]),
    CallbackCase("handed over, too", status("5"), [receipt(ReceiptStatus.SENT, "5")]),
    CallbackCase("failed", status("6"), [receipt(ReceiptStatus.FAILED, "6", Reason.UNDELIVERED)]),
    CallbackCase("delivered", status("10"), [receipt(ReceiptStatus.DELIVERED, "10")]),
    CallbackCase("switched off", status("11"), [receipt(ReceiptStatus.FAILED, "11", Reason.UNREACHABLE)]),
    CallbackCase(
        "cancelled", status("13"), [receipt(ReceiptStatus.FAILED, "13", Reason.REJECTED, price=FREE)]
    ),
    CallbackCase(
        "the operator's blacklist",
        status("14"),
        [receipt(ReceiptStatus.FAILED, "14", Reason.OPERATOR_BLACKLIST, price=FREE)],
    ),
    CallbackCase(
        "an id they do not know",
        status("100"),
        [Unreadable("status '100' is not in our table", "messageid=85463238&status=100")],
    ),
    CallbackCase(
        "as JSON, in a batch",
        Raw(b'[{"messageid":85463238,"status":10,"statustext":"x"},{"status":4}]'),
        [receipt(ReceiptStatus.DELIVERED, "10"), Unreadable("a status without messageid", '{"status":4}')],
    ),
    CallbackCase(
        "in the query",
        Raw(b"", query={"messageid": "85463238", "status": "10"}),
        [receipt(ReceiptStatus.DELIVERED, "10")],
    ),
    CallbackCase(
        "what a person wrote, with the names of sms/receive",
        Raw(
            '{"messageid":35850015,"message":"لغو","sender":"09121234567","receptor":"3000202030",'
            '"date":1357206241}'.encode()
        ),
        [Inbound("35850015", "+989121234567", "3000202030", "لغو", 1_357_206_241_000_000)],
    ),
    CallbackCase(
        "and with those of others' adapters",
        Raw(b"messageid=1&from=989121234567&to=10004346&message=11"),
        [Inbound("1", "+989121234567", "10004346", "11")],
    ),
    CallbackCase(
        "a message of nobody",
        Raw(b"messageid=1&message=11"),
        [Unreadable("a message without messageid or sender", "messageid=1&message=11")],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


LINT = [
    (Content(text="x" * 900), []),
    (Content(text="x" * 901), ["text"]),
    (Content(), ["text"]),
    (CODE, []),
    (Content(template="t"), ["params.token"]),
    (Content(template="t", params={"token": "a b"}), ["params.token"]),
    (
        Content(
            template="t", params={"token": "a", "token10": "a b c d e f", "token20": "1 2 3 4 5 6 7 8 9"}
        ),
        [],
    ),
    (Content(template="t", params={"token": "a", "token10": "1 2 3 4 5 6 7"}), ["params.token10"]),
    (Content(template="t", params={"token": "x" * 101, "token4": "a"}), ["params.token4", "params.token"]),
]


@pytest.mark.parametrize(("content", "wrong"), LINT)
def test_lint(content: Content, wrong: list[str]) -> None:
    assert [each.field for each in CHANNEL.lint(None, content)] == wrong


def test_persian_is_counted_in_parts() -> None:
    measure = CHANNEL.measure(None, Content(text="س" * 71))
    assert (measure.parts, measure.encoding) == (2, "ucs2")
