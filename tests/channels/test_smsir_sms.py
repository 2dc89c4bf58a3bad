"""SMS through SMS.ir: its two tables, and how it looks for news."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.smsir_sms import CHANNEL, ERRORS, STATES, listen
from angarium.core.ports import Accepted, Inbound, Raw, Receipt, Refused, Unreadable
from angarium.core.values import Content, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, provider, run_send_case, submission, tools, unsure

SETTINGS = {"api_key": "key", "line": "30004505000027"}
CODE = Content(text="کد 12345", template="200000", params={"CODE": "12345"})


def said(status: int, data: Any = None, message: str = "موفق") -> dict[str, Any]:
    """The vendor's envelope."""
    return {"status": status, "message": message, "data": data}


PACK = "86D96B0E-FD89-4C19-B303-C0B4D3874063"
BULK = said(1, {"packId": PACK, "messageIds": [89545112], "cost": 1.0})
VERIFY = said(1, {"messageId": 89545112, "cost": 1.0})

SEND_CASES = [
    SendCase(
        "a plain text",
        Accepted(("89545112",)),
        submission(address="+989120000000"),
        request={
            "lineNumber": 30004505000027,
            "messageText": "Your order is ready",
            "mobiles": ["9120000000"],
            "sendDateTime": None,
        },
        answer=BULK,
    ),
    SendCase(
        "a template by its number",
        Accepted(("89545112",)),
        submission(address="+989120000000", content=CODE),
        request={
            "mobile": "9120000000",
            "templateId": 200000,
            "parameters": [{"name": "CODE", "value": "12345"}],
        },
        answer=VERIFY,
    ),
    SendCase(
        "a text that fits a pattern",
        Accepted(("89545112",)),
        submission(address="+989120000000", pattern="100000", pattern_values={"NAME": "علی", "NO": "17"}),
        request={
            "mobile": "9120000000",
            "templateId": 100000,
            "parameters": [{"name": "NAME", "value": "علی"}, {"name": "NO", "value": "17"}],
        },
        answer=VERIFY,
    ),
    SendCase(
        "a pattern with a value that is too long",
        Refused(Reason.TEMPLATE_INVALID, detail="params.NAME: 26 characters, at most 25"),
        submission(pattern="100000", pattern_values={"NAME": "x" * 26}),
    ),
    SendCase(
        "a plain text on a line without a number",
        Refused(
            Reason.CONFIG, detail="this line has no number of its own: it sends registered templates only"
        ),
        settings={"line": ""},
    ),
    SendCase(
        "a number that is refused has no id",
        Refused(Reason.REJECTED, "null", "SMS.ir gave the number no id: it does not send to it"),
        answer=said(1, {"packId": PACK, "messageIds": [None], "cost": 0}),
    ),
    SendCase("no ids", unsure(said(1, {})), answer=said(1, {})),
    SendCase("not JSON", unsure(b"<html>"), answer=b"<html>"),
    SendCase("their trouble", unsure(said(0), 500), status=500, answer=said(0)),
    SendCase(
        "a code nobody told us of",
        Refused(Reason.REJECTED, "999", "؟"),
        status=400,
        answer=said(999, None, "؟"),
    ),
    SendCase(
        "slow down",
        Refused(Reason.THROTTLED, "20", "موفق", retry_after_s=3),
        status=429,
        headers={"Retry-After": "3"},
        answer=said(20),
    ),
    *(
        SendCase(
            f"code {code}", Refused(reason, str(code), "متن"), status=400, answer=said(code, None, "متن")
        )
        for code, reason in ERRORS.items()
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    method = "verify" if case.submission.content.template or case.submission.pattern else "bulk"
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert (request.path, request.headers["x-api-key"]) == (f"/send/{method}", "key")


REPORT = (
    '{"messageId":89545112,"lineNumber":30004505000027,"mobile":989120000000,"messageText":"x",'
    '"sendDateTime":1704094200,"deliveryState":%s,"deliveryDateTime":1704094205,"cost":1.0}'
)


def listed(*items: str) -> Raw:
    """A page of `send/live`."""
    return Raw(f'{{"data":[{",".join(items)}]}}'.encode())


CALLBACK_CASES = [
    *(
        CallbackCase(
            f"state {state}",
            listed(REPORT % state),
            [Receipt(status, "89545112", "", "+989120000000", reason, str(state), 1_704_094_205_000_000)],
        )
        for state, (status, reason) in STATES.items()
    ),
    CallbackCase("nothing yet", listed(REPORT % "null"), [Receipt(ReceiptStatus.ACCEPTED, ref="89545112")]),
    CallbackCase(
        "a state nobody told us of",
        listed('{"messageId":1,"deliveryState":9}'),
        [Unreadable("deliveryState 9 is not in our table", '{"messageId":1,"deliveryState":9}')],
    ),
    CallbackCase(
        "what a person wrote",
        listed(
            '{"receiveReturnId":7,"messageText":"لغو","number":30004505000027,"mobile":9120000000,'
            '"receivedDateTime":1704094200}'
        ),
        [Inbound("7", "+989120000000", "30004505000027", "لغو", 1_704_094_200_000_000)],
    ),
    CallbackCase("not a list", Raw(b"ok"), [Unreadable("no list of messages", "ok")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_news(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


class Enough(Exception):
    """Two looks are enough."""


async def test_only_what_has_changed_is_heard() -> None:
    heard: list[Raw] = []
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise Enough

    async def hear(raw: Raw) -> None:
        heard.append(raw)

    answer = said(1, [{"messageId": 1, "deliveryState": 3}])
    async with provider(200, answer, {}) as (url, asked), tools("127.0.0.1") as given:
        given.clock.sleep = pause  # type: ignore[method-assign]
        settings = kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": url})
        with pytest.raises(Enough):
            await listen(given, settings, hear)
    assert [each.path for each in asked] == [
        f"/{kind}/live?pageNumber=1&pageSize=100" for kind in ("send", "receive") * 2
    ]
    assert [raw.body for raw in heard] == [
        b'{"data":[{"messageId":1,"deliveryState":3}]}'
    ] * 2  # one of each kind


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (CODE, []),
        (Content(text="x"), []),
        (Content(), ["text"]),
        (Content(template="code", params={"A": "1"}), ["template"]),
        (Content(template="1"), ["params"]),
        (Content(template="1", params={"A": "x" * 26}), ["params.A"]),
    ],
)
def test_lint(content: Content, wrong: list[str]) -> None:
    assert [each.field for each in CHANNEL.lint(None, content)] == wrong
