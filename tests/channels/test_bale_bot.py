"""Bale by a bot: what of Telegram's methods it uses, and what it believes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.bale_bot import CHANNEL, listen
from angarium.core.ports import Accepted, Inbound, Profile, Raw, Refused, Unreadable
from angarium.core.values import Button, ButtonKind, Content, Reason
from angarium.simulators.faces.bale_bot import OPERATOR, BaleFace
from angarium.simulators.stage import Stage
from support.http_line import CallbackCase, SendCase, run_send_case, submission, tools

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
SETTINGS = {"token": TOKEN}
TO = "5550001"
CHAT = {"id": 5550001, "type": "private", "first_name": "Anna"}
TAKEN = {"ok": True, "result": {"message_id": 5, "date": 1754119029, "chat": CHAT, "text": "x"}}
GONE = {"ok": False, "error_code": 403, "description": "Forbidden: permission_denied"}

SEND_CASES = [
    SendCase(
        "a text, with an answer to press",
        Accepted(("5550001/5",)),
        submission(address=TO, content=Content("?", buttons=(Button("Yes", kind=ButtonKind.REPLY),))),
        request={
            "chat_id": TO,
            "text": "?",
            "reply_markup": {"inline_keyboard": [[{"text": "Yes", "callback_data": "Yes"}]]},
        },
        answer=TAKEN,
    ),
    SendCase(
        "refused in words of its own",
        Refused(Reason.BLOCKED_BY_USER, "403", "Forbidden: permission_denied"),
        submission(address=TO),
        status=403,
        answer=GONE,
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for asked in await run_send_case(CHANNEL, SETTINGS, case):
        assert asked.path == f"/bot{TOKEN}/sendMessage"


def update(**what: Any) -> Raw:
    """One update."""
    return Raw(msgspec.json.encode({"update_id": 9, **what}))


CALLBACK_CASES = [
    CallbackCase(
        "a text",
        update(message={"message_id": 5, "date": 1754119029, "chat": CHAT, "text": "Salam"}),
        [Inbound("5550001/5", TO, "110201543", "Salam", at=1754119029_000_000, name="Anna")],
    ),
    CallbackCase("nonsense", Raw(b"{"), [Unreadable("not an update of Telegram", "{")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_updates(case: CallbackCase) -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    assert CHANNEL.parse(settings, case.raw) == case.events
    assert not CHANNEL.genuine(settings, case.raw)


class Enough(Exception):
    """All that a test wants to hear."""


async def test_what_is_asked_for_is_heard() -> None:
    face = BaleFace(Stage(), 0)
    await face.start()
    try:
        async with tools("127.0.0.1") as given:
            settings = kit.decode_settings(CHANNEL, OPERATOR.settings(face.url()))

            async def hear(raw: Raw) -> None:
                assert [type(one) for one in CHANNEL.parse(settings, raw)] == [Inbound]
                raise Enough

            await face.send_inbound(TO, "Salam")
            with pytest.raises(Enough):
                await listen(given, settings, hear)
            assert CHANNEL.profile is not None
            told = await CHANNEL.profile(given, settings)
    finally:
        await face.stop()
    assert told == Profile("Demo Shop", details={"username": "@demo_shop_bot"})
