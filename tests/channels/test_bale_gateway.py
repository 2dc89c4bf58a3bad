"""Bale's gateway for codes: its two tables, and the token that is kept for as long as it lives."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.bale_gateway import CHANNEL, judge
from angarium.core.ports import Accepted, Raw, Refused, Unreadable
from angarium.core.values import Content, MessageClass, Reason
from angarium.protocols.answers import Answer
from angarium.simulators.faces.bale_gateway import OPERATOR, BaleGateway
from angarium.simulators.stage import Stage
from support.http_line import CallbackCase, SendCase, run_send_case, submission, tools, unsure

SETTINGS = {"client_id": "shop", "client_secret": "hush"}
TO = "+989121234567"
CODE = Content(text="Your code is 48215")
FORM = {"grant_type": "client_credentials", "client_id": "shop", "client_secret": "hush", "scope": "read"}
ASKED = {"phone": "989121234567", "otp": 48215}


def otp(**changes: Any) -> Any:
    """A code to be sent."""
    return submission(**{"address": TO, "message_class": MessageClass.OTP, "content": CODE, **changes})


def answer(**more: Any) -> dict[str, Any]:
    """What both addresses answer: the token, and what became of the code."""
    return {"access_token": "jwt", "expires_in": 3600, "scope": "read", "token_type": "Bearer", **more}


def refused(code: int, reason: Reason) -> SendCase:
    """One error and what comes out."""
    told = answer(code=code, message="why")
    return SendCase(f"error {code}", Refused(reason, str(code), "why"), otp(), answer=told)


NOTHING = answer()
SEND_CASES = [
    SendCase("a code", Accepted(), otp(), answer=answer(balance=990)),
    refused(2, Reason.TEMPORARY),
    refused(8, Reason.BAD_ADDRESS),
    refused(17, Reason.NOT_A_USER),
    refused(18, Reason.THROTTLED),
    refused(20, Reason.NO_CREDIT),
    refused(99, Reason.REJECTED),
    SendCase("nothing in it", unsure(NOTHING), otp(), answer=NOTHING),
    SendCase(
        "wrong secrets",
        Refused(Reason.AUTH, "401", "Bale gave no token (HTTP 401)"),
        otp(),
        status=401,
        answer={"error": "invalid_client"},
    ),
    SendCase(
        "no token: nothing has left",
        Refused(Reason.TEMPORARY, "500", "Bale gave no token (HTTP 500)"),
        otp(),
        status=500,
        answer={},
    ),
    SendCase(
        "another country",
        Refused(Reason.BAD_ADDRESS, detail="Bale's gateway reaches phones of Iran only"),
        otp(address="+447700900100"),
        answer=answer(balance=990),
    ),
    SendCase(
        "a code that would lose its 0",
        Refused(Reason.UNSUPPORTED, detail="text: has a code that begins with 0"),
        otp(content=Content(text="Your code is 0482")),
        answer=answer(balance=990),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    asked = await run_send_case(CHANNEL, SETTINGS, case)
    assert [one.path for one in asked] == ["/auth/token", "/send_otp"][: len(asked)]
    assert [one.document for one in asked] == [FORM, ASKED][: len(asked)]
    assert all(one.headers["authorization"] == "Bearer jwt" for one in asked[1:])


def test_a_breakdown_says_nothing_certain() -> None:
    for status in (500, 502):
        assert judge(Answer(status, {}, b'{"code":2}')) is None
    assert judge(Answer(400, {}, b'{"code":17,"message":""}')) == Refused(
        Reason.NOT_A_USER, "17", "Bale refused it with 17"
    )


CALLBACK_CASES = [
    CallbackCase(
        "anything", Raw(b"{}"), [Unreadable("Bale's gateway posts nothing that is documented", "{}")]
    )
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_nothing_is_believed(case: CallbackCase) -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    assert CHANNEL.parse(settings, case.raw) == case.events
    assert not CHANNEL.genuine(settings, case.raw)


async def test_a_token_is_kept_until_it_opens_no_door() -> None:
    counter = BaleGateway(Stage(), 0)
    face = counter.office
    await face.start()
    try:
        settings = kit.decode_settings(CHANNEL, OPERATOR.settings(face.url()))
        async with tools("127.0.0.1") as given:
            both = [kit.deliver(given, CHANNEL, settings, otp(address="+989121234501")) for _ in range(2)]
            assert await asyncio.gather(*both) == [Accepted()] * 2
            assert len(counter.tokens) == 1
            async with tools("127.0.0.1") as other:  # another server
                await kit.deliver(other, CHANNEL, settings, otp(address="+989121234502"))
            assert len(counter.tokens) == 2
            counter.tokens.clear()
            lost = await kit.deliver(given, CHANNEL, settings, otp(address="+989121234501"))
            assert isinstance(lost, Refused)
            assert lost.reason is Reason.TEMPORARY
            assert await kit.deliver(given, CHANNEL, settings, otp(address="+989121234501")) == Accepted()
            stranger = await kit.deliver(given, CHANNEL, settings, otp(address="+989121234502"))
            assert stranger == Refused(Reason.NOT_A_USER, "17", "user not found")
            wrong = msgspec.structs.replace(settings, client_secret="no")
            assert "no token" in str(await kit.deliver(given, CHANNEL, wrong, otp()))
        assert [entry.text for entry in face.ledger.entries] == ["48215"] * 3
    finally:
        await face.stop()
