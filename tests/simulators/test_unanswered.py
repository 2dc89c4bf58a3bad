"""What was taken and never answered for is found by our own name for it, where a provider knows that."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from angarium import channels
from angarium.channels import kit
from angarium.core.clock import SystemClock
from angarium.core.ports import Inquiry, Receipt, Unknown
from angarium.core.values import Content
from angarium.simulators.faces import operators
from angarium.simulators.stage import Stage
from support.http_line import submission, tools

MAIL = Content(subject="Order 1234", text="Your order is ready")
CASES = {
    "sinch_sms": ("+447700900108", Content("Hi")),
    "smsc_ru_sms": ("+79161234508", Content("Hi")),
    "mailgun_email": ("anna.08@example.org", MAIL),
    "postmark_email": ("anna.08@example.org", MAIL),
}


def test_these_are_all_that_are_asked_about_what_they_never_answered_for() -> None:
    asked = {kind for kind, one in channels.load().items() if one.asks is not None and one.asks.unanswered}
    assert asked == CASES.keys()


@pytest.mark.parametrize("kind", CASES)
async def test_a_lost_answer_is_found_by_our_name(kind: str) -> None:
    operator, channel, (address, content) = operators()[kind], channels.load()[kind], CASES[kind]
    face = operator.make(Stage(), 0)
    await face.start()
    try:
        settings = kit.decode_settings(channel, operator.settings(face.url()))
        async with tools("127.0.0.1") as given:
            sent = submission(client_ref="att_0000000000009", address=address, content=content)
            assert isinstance(await kit.deliver(given, channel, settings, sent), Unknown)
            asked = Inquiry("att_0000000000009", (), address, SystemClock().now())
            found = await ask(channel, given, settings, [asked])
            other = await ask(channel, given, settings, [msgspec.structs.replace(asked, client_ref="att_8")])
        [entry] = face.ledger.entries
        assert {(one.ref, one.client_ref) for one in found} == {(entry.ref, sent.client_ref)}
        assert other == []  # it may be on its way yet: that says nothing
    finally:
        await face.stop()


async def ask(channel: Any, given: Any, settings: Any, inquiries: list[Inquiry]) -> list[Receipt]:
    """What the provider says: receipts alone."""
    said = await channel.asks.ask(given, settings, inquiries)
    assert isinstance(said, list)
    assert all(isinstance(one, Receipt) for one in said), said
    return said
