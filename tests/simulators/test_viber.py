"""Viber's simulated operator, over a live line of its channel."""

from __future__ import annotations

from pathlib import Path

import pytest

from angarium.channels.viber_business import CHANNEL
from angarium.core.ports import Accepted, Outcome, Refused, Unknown
from angarium.core.values import Button, Content, MessageClass, Reason
from angarium.simulators import http_face
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.stage import Stage
from angarium.simulators.viber import API_KEY, ViberFace
from support.http_line import line, run_fates

LIVE = {"api_key": API_KEY, "sender": "Bazaar"}

RICH = Content(
    text="Новинки весни",
    image_url="https://shop.example/spring.jpg",
    buttons=(Button("Дивитися", "https://shop.example/spring"),),
)


def stage(**faults: float) -> Stage:
    """A stage that does not dawdle."""
    script = Script(faults={"viber": Faults(**{"receipt_delay_s": 0.01, "read_delay_s": 0.01, **faults})})
    return Stage(script)


# last digits: the statuses that come back, and those the phone saw
FATES = {
    "00": (["sent", "delivered"], ["sent", "delivered", "read"]),
    "01": (["sent", "delivered"], ["sent", "delivered"]),
    "02": (["failed"], ["not_a_user"]),
    "03": (["failed"], ["blocked"]),
    "04": (["sent", "failed"], ["sent", "expired"]),
    "05": (["sent", "delivered"], ["sent", "delivered"]),
    "06": ([], []),
    "09": (["delivered", "sent", "delivered", "sent"], ["sent", "delivered", "read"]),
    "10": (["sent", "delivered"], ["sent", "delivered"]),
    "11": (["sent", "delivered"], ["sent", "delivered"]),
    "12": (["sent", "failed"], ["sent", "undelivered"]),
}


async def test_every_fate_ends_as_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_face, "DEFAULT_TTL_S", 0.2)
    monkeypatch.setattr(http_face, "LATE_BY_S", 0.2)
    face = ViberFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, path="/v1/api") as live:
        await run_fates(live, face, FATES)
    assert face.ledger.totals().doubled == 0


async def test_a_message_expires_at_the_time_it_names() -> None:
    face = ViberFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, path="/v1/api") as live:
        await live.send("+447700900104", ttl_s=1)
        await live.heard.until_told("att_1", ["sent", "failed"])
    (entry,) = face.ledger.entries
    assert 1.0 <= entry.statuses[1][1] - entry.at < 5.0


async def test_the_ledger_shows_what_the_phone_shows() -> None:
    face = ViberFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, path="/v1/api") as live:
        await live.send("+447700900199", content=RICH, message_class=MessageClass.PROMOTIONAL)
    (entry,) = face.ledger.entries
    assert (entry.recipient, entry.sender, entry.text) == ("+447700900199", "Bazaar", "Новинки весни")
    assert entry.image_url == "https://shop.example/spring.jpg"
    assert entry.buttons == [{"label": "Дивитися", "url": "https://shop.example/spring"}]


async def test_a_slowed_message_goes_the_third_time() -> None:
    face = ViberFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, path="/v1/api") as live:
        outcomes: list[Outcome] = [await live.send("+447700900107") for _ in range(3)]
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [Reason.THROTTLED] * 2 + [None]
    assert len(face.ledger.entries) == 1


async def test_a_lost_answer_is_unknown_and_its_receipt_finds_it() -> None:
    face = ViberFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, path="/v1/api") as live:
        assert isinstance(await live.send("+447700900108"), Unknown)
        await live.heard.until_told("att_1", ["sent", "delivered"])
    assert len(face.ledger.entries) == 1


async def test_a_wrong_key_is_refused() -> None:
    face = ViberFace(playing := stage())
    async with line(playing, face, CHANNEL, {**LIVE, "api_key": "wrong"}, path="/v1/api") as live:
        outcome = await live.send("+447700900101")
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.AUTH


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({"garbage_share": 1.0}, Unknown),
        ({"silent_share": 1.0}, Unknown),
        ({"drop_every": 1}, Unknown),
        ({"error_share": 1.0}, Unknown),
        ({"late_share": 1.0, "late_s": 0.05}, Accepted),
        ({"slow_body_s": 0.05}, Accepted),
        ({"throttle_per_s": 0.5}, Refused),
        ({"answer_delay_s": 0.05}, Accepted),
    ],
    ids=str,
)
async def test_a_face_that_misbehaves(faults: dict[str, float], expected: type[Outcome]) -> None:
    face = ViberFace(playing := stage(**faults))
    async with line(playing, face, CHANNEL, LIVE, path="/v1/api") as live:
        await live.send("+447700900101")
        outcome = await live.send("+447700900101")
    assert isinstance(outcome, expected)


@pytest.mark.parametrize(("faults", "answers"), [({}, 1), ({"silent_share": 1.0}, 0), ({"drop_every": 1}, 0)])
async def test_what_was_cut_off_is_not_written_down_as_answered(
    tmp_path: Path, faults: dict[str, float], answers: int
) -> None:
    face = ViberFace(playing := Stage(Script(faults={"viber": Faults(**faults)}), tmp_path))
    async with line(playing, face, CHANNEL, LIVE, path="/v1/api") as live:
        await live.send("+447700900101")
    face.ledger.close()
    assert (tmp_path / "viber.jsonl").read_text().count('"answered"') == answers


async def test_an_operator_goes_away_and_comes_back() -> None:
    face = ViberFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, path="/v1/api") as live:
        assert isinstance(await live.send("+447700900101"), Accepted)
        playing.script = Script(faults={"viber": Faults(away=True)})
        await face.heed()
        await live.send("+447700900101")  # may go into a connection that was kept open, and is unknown
        assert isinstance(await live.send("+447700900101"), Refused), "nobody listens: certainly not taken"
        playing.script = Script()
        await face.heed()
        assert isinstance(await live.send("+447700900101"), Accepted)
    assert len(face.ledger.entries) == 2


async def test_a_receipt_may_come_before_the_answer() -> None:
    face = ViberFace(playing := stage(reorder_share=1.0))
    async with line(playing, face, CHANNEL, LIVE, path="/v1/api") as live:
        outcome = await live.send("+447700900101")
        assert isinstance(outcome, Accepted)
        assert live.heard.statuses("att_1")[0] == "sent"


async def test_a_callback_is_repeated_until_it_is_taken() -> None:
    face = ViberFace(playing := stage())
    async with line(playing, face, CHANNEL, LIVE, path="/v1/api") as live:
        live.refuse_callbacks = 2
        await live.send("+447700900102")
        await live.heard.until_told("att_1", ["failed"])
    assert live.refuse_callbacks == 0


async def test_all_callbacks_come_twice_when_told_so() -> None:
    face = ViberFace(playing := stage(double_share=1.0))
    async with line(playing, face, CHANNEL, LIVE, path="/v1/api") as live:
        await live.send("+447700900102")
        await live.heard.until_told("att_1", ["failed", "failed"])
    assert face.ledger.totals().by_status == {"not_a_user": 1}
