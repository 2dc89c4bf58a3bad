"""WhatsApp's simulated operator, over a live line of its channel."""

from __future__ import annotations

import pytest

from angarium.channels.whatsapp_cloud import CHANNEL
from angarium.core.ports import Accepted, Inbound, Receipt, Refused, Unknown
from angarium.core.values import Button, Content, Reason
from angarium.simulators import http_face
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.stage import Stage
from angarium.simulators.whatsapp import ACCESS_TOKEN, PHONE_NUMBER_ID, WhatsappFace
from support.http_line import line, run_fates

LIVE = {
    "phone_number_id": PHONE_NUMBER_ID,
    "access_token": ACCESS_TOKEN,
    "app_secret": "app-secret",
    "verify_token": "our word",
}


def stage(**faults: float) -> Stage:
    """A stage that does not dawdle."""
    script = Script(faults={"whatsapp": Faults(**{"receipt_delay_s": 0.01, "read_delay_s": 0.01, **faults})})
    return Stage(script)


FATES = {
    "00": (["sent", "delivered", "read"], ["sent", "delivered", "read"]),
    "01": (["sent", "delivered"], ["sent", "delivered"]),
    "02": (["failed"], ["not_a_user"]),
    "03": (["failed"], ["blocked"]),
    "04": (["sent"], ["sent", "expired"]),
    "05": (["sent", "delivered"], ["sent", "delivered"]),
    "06": ([], []),
    "09": (["read", "delivered", "sent"] * 2, ["sent", "delivered", "read"]),
    "10": (["sent", "delivered"], ["sent", "delivered"]),
    "11": (["failed"], ["window_closed"]),
    "12": (["sent", "failed"], ["sent", "undelivered"]),
}


async def test_every_fate_ends_as_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_face, "DEFAULT_TTL_S", 0.2)
    monkeypatch.setattr(http_face, "LATE_BY_S", 0.2)
    face = WhatsappFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, secret="app-secret") as live:
        await run_fates(live, face, FATES)
    assert live.heard.forged == 0


async def test_callbacks_may_be_about_strangers() -> None:
    face = WhatsappFace(playing := stage(stray_share=1.0))
    async with line(playing, face, CHANNEL, LIVE, secret="app-secret") as live:
        await live.send("+447700900101")
        await live.heard.until(lambda: len(live.heard.events) == 4)
    told = [event.ref for event in live.heard.events if isinstance(event, Receipt)]
    assert (told.count(face.ledger.entries[0].ref), len(set(told)), len(told)) == (2, 2, 4)


async def test_a_template_needs_no_window_and_may_be_paused() -> None:
    face = WhatsappFace(playing := stage(), templates={"ready": "{{1}}, order {{2}} is ready"})
    template = Content(template="ready", template_language="en", params={"name": "Ali", "number": "17"})
    async with line(playing, face, CHANNEL, LIVE, secret="app-secret") as live:
        assert isinstance(await live.send("+447700900111", content=template), Accepted)
        await live.heard.until_told("att_1", ["sent", "delivered"])
        paused = await live.send("+447700900110", content=template)
    assert paused == Refused(Reason.TEMPLATE_INVALID, "132015", "(#132015) Template is paused")
    (entry,) = face.ledger.entries
    assert (entry.recipient, entry.text, entry.client_ref) == (
        "+447700900111",
        "Ali, order 17 is ready",
        "att_1",
    )


async def test_a_signature_with_another_secret_is_not_taken() -> None:
    face = WhatsappFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, secret="somebody else's") as live:
        await live.send("+447700900101")
        await live.heard.until(lambda: live.heard.forged)
    assert live.heard.events == []


async def test_a_person_writes_and_answers() -> None:
    face = WhatsappFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, secret="app-secret") as live:
        ref = await face.send_inbound("+447700900101", "Wo ist mein Paket?", context_ref="wamid.A")
    (event,) = live.heard.events
    assert isinstance(event, Inbound)
    assert (event.ref, event.sender, event.text) == (ref, "+447700900101", "Wo ist mein Paket?")
    assert (event.recipient, event.context_ref) == ("+15550783881", "wamid.A")


async def test_the_operator_verifies_the_address() -> None:
    face = WhatsappFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, secret="app-secret"):
        assert await face.verify("our word")
        assert not await face.verify("another word")


async def test_a_slowed_message_goes_the_third_time() -> None:
    face = WhatsappFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, secret="app-secret") as live:
        outcomes = [await live.send("+447700900107") for _ in range(3)]
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [Reason.THROTTLED] * 2 + [None]


async def test_a_lost_answer_is_unknown_and_its_receipt_finds_it() -> None:
    face = WhatsappFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, secret="app-secret") as live:
        assert isinstance(await live.send("+447700900108"), Unknown)
        await live.heard.until_told("att_1", ["sent", "delivered"])


@pytest.mark.parametrize(
    ("content", "text", "image_url", "buttons"),
    [
        (Content(text="Hi"), "Hi", "", []),
        (Content(text="Look", image_url="https://a.example/x.png"), "Look", "https://a.example/x.png", []),
        (
            Content(text="Pay", buttons=(Button("Pay now", "https://pay.example"),)),
            "Pay",
            "",
            [{"label": "Pay now", "url": "https://pay.example"}],
        ),
    ],
)
async def test_the_ledger_shows_what_the_phone_shows(
    content: Content, text: str, image_url: str, buttons: list[dict[str, str]]
) -> None:
    face = WhatsappFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, secret="app-secret") as live:
        await live.send("+447700900199", content=content)
    (entry,) = face.ledger.entries
    assert (entry.text, entry.image_url, entry.buttons) == (text, image_url, buttons)
