"""VK's simulated operator, over a live line of its channel."""

from __future__ import annotations

import pytest

from angarium.channels.vk_notify import CHANNEL
from angarium.core.ports import Refused, Unknown
from angarium.core.values import Content, Reason
from angarium.simulators import http_face
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.stage import Stage
from angarium.simulators.vk import API_KEY, VkFace
from support.http_line import line, run_fates

LIVE = {"api_key": API_KEY, "service": "Базар", "text_template": "plain", "text_variable": "text"}

ORDER = Content(text="Заказ 17 собран", template="order_ready", params={"number": "17"})


def stage(**faults: float) -> Stage:
    """A stage that does not dawdle."""
    script = Script(faults={"vk": Faults(**{"receipt_delay_s": 0.01, "read_delay_s": 0.01, **faults})})
    return Stage(script)


FATES = {
    "00": (["sent", "delivered", "read"], ["sent", "delivered", "read"]),
    "01": (["sent", "delivered"], ["sent", "delivered"]),
    "04": (["sent", "failed"], ["sent", "expired"]),
    "05": (["sent", "delivered"], ["sent", "delivered"]),
    "06": ([], []),
    "09": (["read", "delivered", "sent"] * 2, ["sent", "delivered", "read"]),
    "11": (["sent", "delivered"], ["sent", "delivered"]),
    "12": (["sent", "failed"], ["sent", "undelivered"]),
}


async def test_every_fate_ends_as_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_face, "DEFAULT_TTL_S", 0.2)
    monkeypatch.setattr(http_face, "LATE_BY_S", 0.2)
    face = VkFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE) as live:
        await run_fates(live, face, FATES)


@pytest.mark.parametrize(
    ("digits", "reason"),
    [("02", Reason.NOT_A_USER), ("03", Reason.BLOCKED_BY_USER), ("10", Reason.TEMPLATE_INVALID)],
)
async def test_who_cannot_be_reached_is_refused_at_once(digits: str, reason: Reason) -> None:
    face = VkFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE) as live:
        outcome = await live.send(f"+4477009001{digits}")
    assert isinstance(outcome, Refused)
    assert outcome.reason is reason
    assert face.ledger.entries == []


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (Content(text="any words at all"), "any words at all"),
        (ORDER, "Order 17 is packed"),
        (Content(template="unknown", params={"a": "1", "b": "2"}), "1 2"),
    ],
)
async def test_the_phone_shows_the_template_filled_in(content: Content, shown: str) -> None:
    face = VkFace(playing := stage(), templates={"order_ready": "Order {number} is packed"})
    async with line(playing, face, CHANNEL, LIVE) as live:
        await live.send("+447700900199", content=content)
    (entry,) = face.ledger.entries
    assert (entry.recipient, entry.text, entry.client_ref) == ("+447700900199", shown, "att_1")


async def test_a_slowed_message_goes_the_third_time() -> None:
    face = VkFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE) as live:
        outcomes = [await live.send("+447700900107") for _ in range(3)]
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [Reason.THROTTLED] * 2 + [None]


async def test_a_lost_answer_is_unknown_and_its_receipt_finds_it() -> None:
    face = VkFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE) as live:
        assert isinstance(await live.send("+447700900108"), Unknown)
        await live.heard.until_told("att_1", ["sent", "delivered"])


async def test_the_operator_holds_to_its_times_to_live() -> None:
    face = VkFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE) as live:
        outcome = await live.send("+447700900101", ttl_s=14)
    assert outcome == Refused(Reason.REJECTED, "INVALID_TTL", "Devino refused the message: INVALID_TTL")
