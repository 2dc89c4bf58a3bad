"""What has gone through: facts as sums in half hours."""

from __future__ import annotations

from collections import Counter

import pytest

from angarium.contacts.activity import Event
from angarium.core.values import MessageClass
from angarium.messaging.traffic import Billed, Key, Said, Traffic, by, sums


def said(kind: str, **more: object) -> Said:
    """A fact about a service message in the third half hour."""
    given = {
        "slot": 2,
        "message_class": MessageClass.SERVICE,
        "channel": "smpp",
        "ended": "",
        "billed": (),
        "fresh": (),
    }
    return Said(kind=f"message.{kind}", **{**given, **more})  # type: ignore[arg-type]


MESSAGE, SMS = Key(2, "service"), Key(2, "service", "smpp")
EUROS = Key(2, "service", "smpp", "EUR")


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (said("accepted", channel=""), {MESSAGE: Traffic(asked=1)}),
        (
            said("accepted", channel="", ended="refused"),
            {MESSAGE: Traffic(asked=1, refused=1)},
        ),
        (said("sent", fresh=(Event.SENT,)), {SMS: Traffic(sent=1)}),
        (said("sent"), {}),  # it had been told before
        (
            said("read", fresh=(Event.DELIVERED, Event.READ), ended="read"),
            {MESSAGE: Traffic(reached=1), SMS: Traffic(delivered=1, read=1)},
        ),
        (said("failed", ended="failed"), {MESSAGE: Traffic(unreached=1)}),
        (said("cancelled", ended="cancelled"), {}),
        (
            said("sent", billed=(Billed("0.019", "EUR"), Billed("0.023", "EUR"))),
            {EUROS: Traffic(cost_micros=42_000)},
        ),
    ],
)
def test_what_a_fact_comes_to(one: Said, found: dict[Key, Traffic]) -> None:
    assert sums({one: 1}) == found
    thrice = {key: Traffic() for key in found}
    for key, once in found.items():
        for _ in range(3):
            thrice[key].add(once)
    assert sums({one: 3}) == thrice


def test_sums_can_be_put_together() -> None:
    facts = [said("accepted", channel=""), said("accepted", channel="", message_class=MessageClass.OTP)]
    facts += [said("sent", fresh=(Event.SENT,)), said("sent", fresh=(Event.SENT,), channel="vk_notify")]
    whole = sums(Counter(facts))
    assert by(whole, "message_class") == {"service": Traffic(asked=1, sent=2), "otp": Traffic(asked=1)}
    assert by(whole, "slot") == {2: Traffic(asked=2, sent=2)}
