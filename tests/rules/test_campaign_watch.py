"""When a campaign pauses by itself."""

from __future__ import annotations

import pytest

from angarium.campaigns.watch import FAILING, LEAVING, PauseWhen, Seen, verdict

USUAL = PauseWhen()


@pytest.mark.parametrize(
    ("limits", "seen", "why"),
    [
        (USUAL, Seen(), ""),
        (USUAL, Seen(went=0, failed=199), ""),  # too little is known
        (USUAL, Seen(went=0, failed=200), FAILING),
        (USUAL, Seen(went=100, failed=100), FAILING),
        (USUAL, Seen(went=101, failed=99), ""),
        (USUAL, Seen(told=199, left=100), ""),
        (USUAL, Seen(told=200, left=9), ""),
        (USUAL, Seen(told=200, left=10), LEAVING),
        (USUAL, Seen(went=0, failed=500, told=1000, left=500), FAILING),
        (PauseWhen(failed_percent=None), Seen(failed=2_000), ""),
        (PauseWhen(left_percent=None), Seen(told=2_000, left=2_000), ""),
        (PauseWhen(failed_percent=0.5, known=20), Seen(went=198, failed=1), FAILING),
        (PauseWhen(failed_percent=0.5, known=20), Seen(went=300, failed=1), ""),
    ],
)
def test_verdicts(limits: PauseWhen, seen: Seen, why: str) -> None:
    assert verdict(limits, seen) == why
