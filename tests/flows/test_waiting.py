"""Every message that is not final says why it waits and until when; and lists find it by that."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.core import ids
from angarium.core.clock import iso, micros
from angarium.core.values import Reason
from angarium.messaging import story
from angarium.messaging.api import NEWEST
from angarium.messaging.store.messages import Filter
from angarium.messaging.waiting import For
from support.relay import NO_ANSWER, Relay, refused
from support.still import START

CLOSED = {"from": "20:00", "until": "21:00", "zone": "UTC", "classes": ["service"]}


def at(seconds: float) -> str:
    """A time after the beginning, 16:00 UTC."""
    return iso(START + micros(seconds))


async def one_of_each(relay: Relay) -> dict[str, int]:
    """A message that waits for each thing there is, all in one workspace."""
    found = {}
    await relay.line("news", "smpp", classes=("promotional",))
    found["person"] = await relay.send(**{"class": "promotional"}, line="news")
    await relay.take("news", NO_ANSWER)
    await relay.wait(90.0)
    for what, outcome in (
        ("evidence", NO_ANSWER),
        ("receipt", None),
        ("retry", refused(Reason.TEMPORARY)),
    ):
        await relay.line(what, "smpp")
        found[what] = await relay.send(line=what)
        await relay.take(what, outcome)
    for what in ("answer", "turn", "connection", "switch"):
        await relay.line(what, "smpp", speed_per_s=50)
        found[what] = await relay.send(line=what, deadline_s=600)
    await relay.claim("answer")
    relay.world.connected[relay.lines["connection"].id] = False
    await relay.change_line("switch", enabled=False)
    await relay.line("night", "smpp", hours=CLOSED)
    found["hours"] = await relay.send(line="night")
    found["hour"] = await relay.send(line="turn", send_at="2025-11-24T18:00:00Z")
    return found


async def listed(relay: Relay, what: For | None, **wanted: Any) -> list[str]:
    """The ids of the messages that wait for this."""
    found = await relay.ground.db.read(
        story.listing, relay.world, relay.workspace_id, Filter(**wanted), NEWEST, 100, what
    )
    return [one["id"] for one in found.messages]


async def test_each_says_what_it_waits_for_and_is_found_by_it(relay: Relay) -> None:
    found = await one_of_each(relay)
    assert set(found) == set(For) - {"rest", "decision", "release", "review", "pause"}
    for what, message in found.items():
        waiting = (await relay.told(message))["waiting"]
        assert waiting["for"] == what, waiting
        assert waiting["says"].endswith("."), waiting
        assert await listed(relay, For(what)) == [ids.show("message", message)], what
    assert len(await listed(relay, None)) == len(found)
    assert await listed(relay, For.TURN, label="other") == []
    nobody = relay.ground.ids.mint()
    assert await listed(relay, For.TURN, contact_id=nobody) == []


async def test_until_when_and_what_follows(relay: Relay) -> None:
    found = await one_of_each(relay)
    again = {"do": "send", "step": 1, "again": True, "line": "evidence"}
    expired = {"do": "finish", "state": "expired", "reason": "deadline"}
    expected = {
        "person": (0, None, {"do": "nothing"}),
        "evidence": (90, 150, again),
        "receipt": (90, 390, {"do": "finish", "state": "sent", "reason": "no_receipt"}),
        "retry": (90, 95, {"do": "submit"}),
        "answer": (90, 150, {"do": "wait", "until": at(210)}),
        "turn": (90, 690, expired),
        "connection": (90, 690, expired),
        "switch": (90, 690, expired),
        "hours": (90, 4 * 3600, {"do": "submit"}),
        "hour": (90, 2 * 3600, {"do": "submit"}),
    }
    for what, (since, until, then) in expected.items():
        waiting = (await relay.told(found[what]))["waiting"]
        assert waiting["since"] == at(since), what
        assert waiting["until"] == (None if until is None else at(until)), what
        assert waiting["then"] == then, what


async def test_how_many_are_before_it(relay: Relay) -> None:
    await relay.line("sms", "smpp", speed_per_s=50)
    messages = [await relay.send(line="sms") for _ in range(3)]
    urgent = await relay.send(**{"class": "otp"}, line="sms")
    told = [(await relay.told(one))["waiting"]["ahead"] for one in (*messages, urgent)]
    assert told == [1, 2, 3, 0]
    assert "3 are before it, at 50 a second" in (await relay.told(messages[2]))["waiting"]["says"]


async def test_what_is_final_waits_for_nothing(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(line="sms", deadline_s=60)
    await relay.wait(60.0)
    told = await relay.told(message)
    assert (told["state"], told["waiting"]) == ("expired", None)


@pytest.mark.parametrize("page", ["/messages?waiting=evidence", "/messages"])
async def test_the_list_shows_it(relay: Relay, inside: Any, page: str) -> None:
    await relay.line("sms", "smpp")
    await relay.send(line="sms")
    await relay.take("sms", NO_ANSWER)
    shown = await inside.get(page)
    assert shown.says("Waits for evidence")
    assert (await inside.get("/messages?waiting=nothing")).status == 422
