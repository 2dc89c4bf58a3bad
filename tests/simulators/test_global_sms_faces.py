"""The simulated SMS providers over HTTP, each over a live line of its channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from angarium import channels
from angarium.core.ports import Accepted, Inbound, Receipt, Refused, Unknown
from angarium.core.values import Reason
from angarium.simulators import http_face
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.faces import operators
from angarium.simulators.stage import Stage
from support.http_line import Line, line


@dataclass(frozen=True)
class Case:
    """Where a face differs from the others."""

    wrong: dict[str, Any]  # credentials that are not its own
    refuses: bool  # whoever wrote STOP, at once
    idempotent: bool = False


CASES = {
    "twilio_sms": Case({"auth_token": "wrong"}, refuses=True),
    "infobip_sms": Case({"api_key": "wrong"}, refuses=True, idempotent=True),
    "vonage_sms": Case({"application_id": "0" * 8 + "-0000" * 3 + "-" + "0" * 12}, refuses=False),
    "sinch_sms": Case({"api_token": "wrong"}, refuses=False),
    "messagebird_sms": Case({"api_key": "bk_eu1_wrong"}, refuses=False, idempotent=True),
    "africastalking_sms": Case({"api_key": "wrong"}, refuses=True),
}
every_face = pytest.mark.parametrize("kind", CASES)

# last digits: the statuses that come back
FATES = {
    "00": ["sent", "delivered"],
    "01": ["sent", "delivered"],
    "02": ["failed"],
    "03": ["failed"],
    "04": ["sent", "failed"],
    "05": ["sent", "delivered"],
    "06": [],
    "09": ["delivered", "sent", "delivered", "sent"],
    "12": ["sent", "failed"],
}


def stage(**faults: float) -> Stage:
    """A stage that does not dawdle."""
    return Stage(Script(faults={"*": Faults(**{"receipt_delay_s": 0.01, "read_delay_s": 0.01, **faults})}))


@asynccontextmanager
async def on_line(kind: str, playing: Stage, **otherwise: Any) -> AsyncIterator[tuple[Any, Line]]:
    """The face of a kind, and a line to it."""
    operator = operators()[kind]
    face, settings = operator.make(playing), {**operator.settings(""), **otherwise}
    async with line(playing, face, channels.load()[kind], settings) as live:
        yield face, live


def heard(live: Line, ref: str) -> list[str]:
    """What was said of a message, in the order it came."""
    receipts = [event for event in live.heard.events if isinstance(event, Receipt)]
    return [receipt.status.value for receipt in receipts if receipt.ref == ref]


@every_face
async def test_every_fate_ends_as_it_should(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_face, "DEFAULT_TTL_S", 0.2)
    monkeypatch.setattr(http_face, "LATE_BY_S", 0.2)
    async with on_line(kind, stage()) as (face, live):
        outcomes = {digits: await live.send(f"+4477009001{digits}") for digits in FATES}
        if CASES[kind].refuses:
            refused = outcomes.pop("03")
            assert isinstance(refused, Refused)
            assert refused.reason in (Reason.OPTED_OUT, Reason.SUPPRESSED)
        for digits, outcome in outcomes.items():
            assert isinstance(outcome, Accepted), (digits, outcome)
            (ref,) = outcome.refs
            await live.heard.until(lambda: len(heard(live, ref)) >= len(FATES[digits]))  # noqa: B023 - at once
            assert heard(live, ref) == FATES[digits], digits
        assert not live.heard.forged
    assert face.ledger.totals().doubled == 0
    assert face.ledger.totals().received == len(outcomes)


@every_face
async def test_a_slowed_message_goes_the_third_time(kind: str) -> None:
    async with on_line(kind, stage()) as (_, live):
        outcomes = [await live.send("+447700900107") for _ in range(3)]
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [Reason.THROTTLED] * 2 + [None]


@every_face
async def test_a_lost_answer_is_unknown_and_its_receipt_finds_it(kind: str) -> None:
    async with on_line(kind, stage()) as (face, live):
        assert isinstance(await live.send("+447700900108"), Unknown)
        (entry,) = face.ledger.entries
        await live.heard.until(lambda: len(heard(live, entry.ref)) == 2)
        if CASES[kind].idempotent:  # the same submission again is the same message
            assert await live.send("+447700900108", client_ref="att_1") == Accepted((entry.ref,))
    assert len(face.ledger.entries) == 1
    told = [event for event in live.heard.events if isinstance(event, Receipt)]
    assert {(event.client_ref, event.address) for event in told} <= {
        ("att_1", "+447700900108"),
        ("", "+447700900108"),
    }


@every_face
async def test_a_person_writes(kind: str) -> None:
    async with on_line(kind, stage()) as (face, live):
        name = await face.send_inbound("+447700900101", "سلام & hello")
        await live.heard.until(lambda: live.heard.events)
    (event,) = live.heard.events
    assert isinstance(event, Inbound)
    assert (event.ref, event.sender, event.text) == (name, "+447700900101", "سلام & hello")


@every_face
async def test_wrong_credentials_are_refused(kind: str) -> None:
    async with on_line(kind, stage(), **CASES[kind].wrong) as (face, live):
        outcome = await live.send("+447700900101")
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.AUTH
    assert not face.ledger.entries


@every_face
async def test_a_wrong_field_is_refused_by_name(kind: str) -> None:
    async with on_line(kind, stage()) as (face, live):
        outcome = await live.send("+1")
    assert isinstance(outcome, Refused)
    assert outcome.reason in (Reason.BAD_ADDRESS, Reason.CONFIG)
    assert not face.ledger.entries
