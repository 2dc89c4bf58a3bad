"""Simulated operators of SMS and of Viber's partners, each over a live line of its channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from angarium import channels
from angarium.core.ports import Accepted, Outcome, Receipt, Refused
from angarium.core.values import Content, Reason
from angarium.simulators import http_face
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.faces import Operator, operators
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Face, Stage
from support.http_line import Line, line

ALL = ["kavenegar_sms", "melipayamak_sms", "smsc_ru_sms", "turbosms_sms", "decision_telecom_sms"]
VIBER = ["turbosms_viber", "gms_viber", "infobip_viber"]
OPERATORS = {kind: operator for kind, operator in operators().items() if kind in (*ALL, *VIBER)}

Told = Reason | list[str]

TAKEN: list[str] = []  # and nothing is posted
DONE = ["sent", "delivered"]
FATES: dict[str, dict[str, Told]] = {
    "kavenegar_sms": {
        "01": DONE,
        "02": Reason.BAD_ADDRESS,
        "03": ["failed:operator_blacklist"],
        "04": ["sent", "failed:unreachable"],
        "06": TAKEN,
        "12": ["sent", "failed:unreachable"],
    },
    "melipayamak_sms": {"01": TAKEN, "02": Reason.BAD_ADDRESS, "03": Reason.OPERATOR_BLACKLIST},
    "smsc_ru_sms": {
        "01": DONE,
        "02": Reason.BAD_ADDRESS,
        "03": ["failed:rejected"],
        "04": ["sent", "failed:expired"],
        "12": ["sent", "failed:unreachable"],
    },
    "turbosms_sms": {
        "01": DONE,
        "02": Reason.BAD_ADDRESS,
        "03": Reason.SUPPRESSED,
        "12": ["sent", "failed:undelivered"],
    },
    "decision_telecom_sms": {"01": TAKEN, "02": Reason.BAD_ADDRESS},
    "turbosms_viber": {
        "00": [*DONE, "read"],
        "02": ["failed:rejected"],
        "03": Reason.BLOCKED_BY_USER,
        "04": ["sent", "failed:expired"],
    },
    "infobip_viber": {
        "00": [*DONE, "read"],
        "02": ["failed:undelivered"],
        "04": ["sent", "failed:expired"],
    },
    "gms_viber": {
        "01": ["accepted", "delivered"],
        "02": ["failed:undelivered"],
        "04": ["accepted", "failed:expired"],
    },
}
TEMPLATES = {
    "kavenegar_sms": Content(text="کد 12345", template="code", params={"token": "12345"}),
    "melipayamak_sms": Content(text="کد 12345", template="200000", params={"0": "12345"}),
}


def stage(operator: Operator) -> Stage:
    """A stage that does not dawdle."""
    return Stage(Script(faults={operator.name: Faults(receipt_delay_s=0.01, read_delay_s=0.01)}))


async def told(live: Line, outcome: Outcome, expected: list[str]) -> list[str]:
    """What was said of a message that was taken, once there is as much of it as expected."""
    assert isinstance(outcome, Accepted), outcome

    def said() -> list[str]:
        receipts = [event for event in live.heard.events if isinstance(event, Receipt)]
        ours = [one for one in receipts if one.ref == outcome.refs[0]]
        return [one.status.value + (f":{one.reason.value}" if one.reason else "") for one in ours]

    await live.heard.until(lambda: len(said()) >= len(expected))
    return said()


@asynccontextmanager
async def opened(kind: str) -> AsyncIterator[tuple[Line, Face]]:
    """A live line of a channel to its operator."""
    operator = OPERATORS[kind]
    playing = stage(operator)
    face: Face = operator.make(playing, 0)
    settings = operator.settings("")
    path = settings.pop("base_url")
    async with line(playing, face, channels.load()[kind], settings, path, operator.secret) as live:
        yield live, face


def number(operator: Operator, digits: str) -> str:
    """A number of the operator's country that ends so."""
    return operator.recipient[:-2] + digits


@pytest.mark.parametrize("kind", FATES)
async def test_every_fate_ends_as_it_should(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_face, "DEFAULT_TTL_S", 0.2)
    operator = OPERATORS[kind]
    async with opened(kind) as (live, _):
        live.refuse_callbacks = 1  # they insist
        for digits, expected in FATES[kind].items():
            outcome = await live.send(number(operator, digits))
            if isinstance(expected, Reason):
                assert isinstance(outcome, Refused), digits
                assert outcome.reason is expected, digits
            else:
                assert sorted(await told(live, outcome, expected)) == sorted(expected), digits
        assert live.heard.forged == 0
        slow = [await live.send(number(operator, "07")) for _ in range(3)]
    reasons = [getattr(outcome, "reason", None) for outcome in slow]
    assert reasons in ([Reason.THROTTLED] * 2 + [None], [Reason.TEMPORARY] * 2 + [None])


@pytest.mark.parametrize("kind", TEMPLATES)
async def test_a_template_reaches_who_blocked_advertising(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = OPERATORS[kind]
    async with opened(kind) as (live, face):
        ended, note = asyncio.Event(), face.ledger.reported

        def reported(entry: Entry, status: str, at: float) -> None:
            note(entry, status, at)
            if status != "sent":
                ended.set()

        monkeypatch.setattr(face.ledger, "reported", reported)
        outcome = await live.send(number(operator, "03"), content=TEMPLATES[kind])
        await asyncio.wait_for(ended.wait(), 10)
    assert isinstance(outcome, Accepted)
    (entry,) = face.ledger.entries
    assert entry.seen()
    assert (entry.recipient, entry.text) == (number(operator, "03"), "12345")


async def test_the_same_id_again_is_the_same_message() -> None:
    to = OPERATORS["kavenegar_sms"].recipient
    async with opened("kavenegar_sms") as (live, face):
        first, second = [await live.send(to, attempt_id=7) for _ in range(2)]
    assert first == second
    assert len(face.ledger.entries) == 1
