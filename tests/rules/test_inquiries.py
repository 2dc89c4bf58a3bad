"""When a provider is asked what became of a message, and when no more."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.core.clock import micros
from angarium.core.ports import Accepted, Asks, Refused, Unknown
from angarium.core.values import Reason
from angarium.messaging.inquiries import JITTER, is_over, next_at, wants
from angarium.messaging.states import AttemptState
from angarium.messaging.store.inquiries import Due


async def nobody(*_: Any) -> Unknown:
    return Unknown("")


@pytest.mark.parametrize(
    ("asked", "pause_s"),
    [(0, 10), (1, 30), (2, 120), (3, 600), (4, 3_600), (5, 21_600), (6, 21_600), (90, 21_600)],
)
def test_ever_more_seldom(asked: int, pause_s: float) -> None:
    assert next_at(asked, 5, 0.0) == 5 + micros(pause_s)
    assert next_at(asked, 5, 1.0) == 5 + micros(pause_s * (1 + JITTER))


@pytest.mark.parametrize(
    ("asks", "outcome", "wanted"),
    [
        (None, Accepted(("7",)), False),
        (Asks(nobody), Accepted(("7",)), True),
        (Asks(nobody), Accepted(()), False),  # it cannot be named
        (Asks(nobody, unanswered=True), Accepted(()), True),  # it can, by our own reference
        (Asks(nobody), Unknown("silence"), False),
        (Asks(nobody, unanswered=True), Unknown("silence"), True),
        (Asks(nobody, taken=False, unanswered=True), Accepted(("7",)), False),  # it tells by itself
        (Asks(nobody, unanswered=True), Refused(Reason.BAD_ADDRESS), False),
    ],
)
def test_who_is_asked_about(asks: Asks | None, outcome: Any, wanted: bool) -> None:
    assert wants(asks, outcome) is wanted


@pytest.mark.parametrize("state", AttemptState)
def test_until_there_is_a_verdict(state: AttemptState) -> None:
    one = Due(1, 0, until=100, state=state, address="+1", submitted_at=1)
    open_ = state in (AttemptState.ACCEPTED, AttemptState.UNKNOWN)
    assert is_over(one, 99) is not open_
    assert is_over(one, 100)
