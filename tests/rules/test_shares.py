"""Into how many shares a line goes, and what each of them is given."""

from __future__ import annotations

import pytest

from angarium import channels
from angarium.messaging.condition import Condition
from angarium.messaging.shares import SHARES_MAX, Share, shares

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("kind", "speed_per_s", "window", "share_per_s", "number"),
    [
        ("viber_business", 500, 100, 500, 1),
        ("viber_business", 501, 100, 500, 2),
        ("viber_business", 2_000, 100, 500, 4),
        ("viber_business", 2_000, 3, 500, 3),  # each has a place at least
        ("viber_business", 10**6, 10**4, 500, SHARES_MAX),
        ("viber_business", 0, 100, 500, 1),  # without limit
        ("viber_business", 2_000, 100, 0, 1),  # none is shared out
        ("smpp", 2_000, 100, 500, 1),  # an operator counts binds
        ("telegram_bot", 2_000, 100, 500, 1),  # it is asked for what has come in
    ],
)
def test_into_how_many(kind: str, speed_per_s: float, window: int, share_per_s: float, number: int) -> None:
    assert shares(channels.load()[kind], speed_per_s, window, share_per_s) == number


@pytest.mark.parametrize(("window", "of"), [(10, 1), (10, 3), (3, 3), (64, 7)])
def test_shares_add_up_to_the_line(window: int, of: int) -> None:
    all_ = [Share(number, of) for number in range(of)]
    assert sum(one.window(window) for one in all_) == window
    assert sum(one.speed(90.0) for one in all_) == pytest.approx(90.0)
    assert len({one.key(7) for one in all_}) == of
    assert all_[0].key(7) == "line/7"


def test_who_comes_after_another_has_nothing_saved_up() -> None:
    first, newcomer = Condition(100.0), Condition(100.0)
    newcomer.begin(SECOND)
    assert first.grant(50, [], SECOND).number == 10
    assert newcomer.grant(50, [], SECOND).number == 0
    assert newcomer.grant(50, [], SECOND + SECOND // 20).number == 5
