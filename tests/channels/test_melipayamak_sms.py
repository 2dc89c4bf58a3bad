"""SMS through Melipayamak: its two tables."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.melipayamak_sms import CHANNEL, ERRORS
from angarium.core.ports import Accepted, Raw, Refused, Unreadable
from angarium.core.values import Content, Reason
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

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
