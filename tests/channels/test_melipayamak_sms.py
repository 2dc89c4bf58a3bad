"""SMS through Melipayamak: its two tables."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.melipayamak_sms import CHANNEL, ERRORS
from angarium.core.ports import Accepted, Inquiry, Raw, Receipt, Refused, Unknown, Unreadable
from angarium.core.values import Content, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, provider, run_send_case, submission, tools, unsure

SETTINGS = {"username": "shop", "password": "secret", "sender": "50001234"}
WHO = {"username": "shop", "password": "secret"}
REC_ID = "4711834915226418342"
CODE = Content(text="کد 12345", template="48151", params={"1": "علی", "0": "12345"})


def said(status: int, value: Any, word: str = "Ok") -> dict[str, Any]:
    """The vendor's answer."""
    return {"Value": value, "RetStatus": status, "StrRetStatus": word}


TAKEN = said(1, REC_ID)

SEND_CASES = [
    SendCase(
        "a plain text",
        Accepted((REC_ID,)),
        submission(address="+989123456789"),
        request={
            **WHO,
            "to": "09123456789",
            "from": "50001234",
            "text": "Your order is ready",
            "isFlash": "false",
        },
        answer=TAKEN,
    ),
    SendCase(
        "a template by its number, its values in the order of their places",
        Accepted((REC_ID,)),
        submission(address="+989123456789", content=CODE),
        request={**WHO, "to": "09123456789", "bodyId": "48151", "text": "12345;علی"},
        answer=TAKEN,
    ),
    SendCase(
        "a text that fits a pattern",
        Accepted((REC_ID,)),
        submission(pattern="48151", pattern_values={"0": "Olena", "1": "42"}),
        request={**WHO, "to": "00447700900100", "bodyId": "48151", "text": "Olena;42"},
        answer=TAKEN,
    ),
    SendCase(
        "a value with what stands between values",
        Refused(Reason.TEMPLATE_INVALID, detail="params.0: has a semicolon"),
        submission(pattern="48151", pattern_values={"0": "a;b"}),
    ),
    SendCase(
        "a plain text on a line without a number",
        Refused(
            Reason.CONFIG, detail="this line has no number of its own: it sends registered templates only"
        ),
        settings={"sender": ""},
    ),
    SendCase(
        "what went wrong stands where the id would",
        Refused(Reason.TEMPLATE_INVALID, "-5", "Ok"),
        answer=said(1, "-5"),
    ),
    SendCase("an id as a number", Accepted((REC_ID,)), answer=said(1, int(REC_ID))),
    SendCase("taken, and no id", unsure(said(1, "")), answer=said(1, "")),
    SendCase("not JSON", unsure(b"ok"), answer=b"ok"),
    SendCase("their trouble", unsure(TAKEN, 500), status=500, answer=TAKEN),
    SendCase("a code nobody told us of", Refused(Reason.REJECTED, "77", "?"), answer=said(77, None, "?")),
    *(
        SendCase(
            f"code {code}", Refused(reason, str(code), "InvalidData"), answer=said(code, "", "InvalidData")
        )
        for code, reason in ERRORS.items()
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    patterned = case.submission.content.template or case.submission.pattern
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == ("/BaseServiceNumber" if patterned else "/SendSMS")


CALLBACK_CASES = [
    CallbackCase(
        "whatever comes is kept",
        Raw(b"from=0912&to=5000&text=a"),
        [Unreadable("Melipayamak is not known to post anything", "from=0912&to=5000&text=a")],
    )
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (CODE, []),
        (Content(template="1"), []),
        (Content(), ["text"]),
        (Content(template="code"), ["template"]),
        (Content(template="1", params={"0": ";"}), ["params.0"]),
    ],
)
def test_lint(content: Content, wrong: list[str]) -> None:
    assert [each.field for each in CHANNEL.lint(None, content)] == wrong


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (200, said(1, "1"), Receipt(ReceiptStatus.DELIVERED, ref="7", code="1")),
        (200, said(1, 2), Receipt(ReceiptStatus.FAILED, ref="7", reason=Reason.UNDELIVERED, code="2")),
        (200, said(1, "8"), Receipt(ReceiptStatus.SENT, ref="7", code="8")),
        (200, said(1, "35"), Receipt(ReceiptStatus.FAILED, "7", reason=Reason.OPERATOR_BLACKLIST, code="35")),
        (200, said(1, "100"), Receipt(ReceiptStatus.ACCEPTED, ref="7", code="100")),
        (200, said(1, "999"), "delivery 999"),
        (200, said(1, None), "delivery "),
        (200, "busy", "no status"),
        (200, said(0, "", "InvalidData"), Unknown("Melipayamak says 0 InvalidData")),
        (500, said(1, "1"), Unknown("the provider answered with HTTP 500")),
    ],
)
async def test_what_became_of_it(status: int, answer: Any, expected: Receipt | Unknown | str) -> None:
    asks, inquiry = CHANNEL.asks, Inquiry("att_1", ("7",), "+989123456789", 0)
    assert asks is not None
    async with provider(status, answer, {}) as (server, seen), tools("127.0.0.0/8") as made:
        settings = kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": server})
        said = await asks.ask(made, settings, [inquiry])
    if isinstance(expected, Unknown):
        assert said == expected
    else:
        assert isinstance(said, list)
        [event] = said
        assert event == expected or getattr(event, "detail", "") == expected
    assert "7" in str(seen)
