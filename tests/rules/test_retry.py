"""What a refusal leads to, and when it is tried again; the page that shows the table shows this one."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.clock import micros
from angarium.core.values import MessageClass, Reason
from angarium.messaging.cascade import HOLD_S, RESENDS
from angarium.messaging.retry import (
    ACTIONS,
    JITTER,
    NO_TO_ADVERTISING,
    TEMPORARY_DELAYS_S,
    THROTTLED_DELAYS_S,
    Action,
    action,
    next_try_at,
)

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "cascades.md"
OTHER_CLASSES = (MessageClass.OTP, MessageClass.TRANSACTIONAL, MessageClass.SERVICE)
NOW = micros(1_800_000_000)


# ── what it leads to ─────────────────────────────────────────────────────────────────────────────────


def test_every_reason_has_its_action() -> None:
    assert set(ACTIONS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_classes_differ_only_in_advertising(reason: Reason) -> None:
    assert {action(reason, one) for one in OTHER_CLASSES} == {ACTIONS[reason]}
    expected = Action.STOP if reason in NO_TO_ADVERTISING else ACTIONS[reason]
    assert action(reason, MessageClass.PROMOTIONAL) is expected


OVERRIDES = [  # reason, class, the step's own table, what follows
    ("not_a_user", "service", {}, "next"),
    ("not_a_user", "service", {"not_a_user": "stop"}, "stop"),
    ("not_a_user", "service", {"auth": "stop"}, "next"),
    (
        "opted_out",
        "service",
        {"opted_out": "next"},
        "next",
    ),  # the rules ask the person's own again at each step
    ("opted_out", "promotional", {"opted_out": "next"}, "stop"),
    ("blocked_by_user", "service", {"blocked_by_user": "stop"}, "stop"),
    ("blocked_by_user", "promotional", {"blocked_by_user": "next"}, "stop"),
    ("operator_blacklist", "otp", {}, "line"),
    ("operator_blacklist", "promotional", {"operator_blacklist": "line"}, "stop"),
    ("throttled", "promotional", {"throttled": "next"}, "next"),
]


@pytest.mark.parametrize(("reason", "message_class", "own", "follows"), OVERRIDES)
def test_a_step_may_have_a_table_of_its_own(
    reason: str, message_class: str, own: dict[str, str], follows: str
) -> None:
    assert action(Reason(reason), MessageClass(message_class), own) is Action(follows)


# ── when it is tried again ───────────────────────────────────────────────────────────────────────────

DELAYS = [  # reason, refusals so far, roll, what the provider asked for, the delay in seconds
    ("throttled", 1, 0.0, None, 1.0),
    ("throttled", 2, 0.0, None, 2.0),
    ("throttled", 7, 0.0, None, 60.0),
    ("throttled", 8, 0.0, None, 60.0),
    ("throttled", 10_000, 0.0, None, 60.0),
    ("throttled", 1, 0.5, None, 1.1),
    ("throttled", 1, 0.0, 30.0, 30.0),
    ("throttled", 1, 0.5, 30.0, 33.0),
    ("throttled", 6, 0.0, 3.0, 30.0),
    ("temporary", 1, 0.0, None, 5.0),
    ("temporary", 2, 0.5, None, 33.0),
    ("temporary", 4, 0.0, None, 300.0),
    ("temporary", 5, 0.0, None, None),
    ("temporary", 5, 0.0, 10.0, None),
    ("temporary", 1, 0.0, 3600.0, 3600.0),
    ("rejected", 1, 0.0, None, 5.0),  # by a step's own table
    ("rejected", 5, 0.0, None, None),
]


@pytest.mark.parametrize(("reason", "tries", "roll", "asked_s", "delay_s"), DELAYS)
def test_delays(reason: str, tries: int, roll: float, asked_s: float | None, delay_s: float | None) -> None:
    expected = None if delay_s is None else NOW + micros(delay_s)
    assert next_try_at(Reason(reason), tries, NOW, roll, asked_s) == expected


@given(
    reason=st.sampled_from([Reason.THROTTLED, Reason.TEMPORARY]),
    tries=st.integers(1, 50),
    roll=st.floats(0, 1, exclude_max=True),
    asked_s=st.none() | st.floats(0, 86_400),
)
def test_a_retry_is_later_and_no_provider_is_undercut(
    reason: Reason, tries: int, roll: float, asked_s: float | None
) -> None:
    again_at = next_try_at(reason, tries, NOW, roll, asked_s)
    if again_at is None:
        assert reason is Reason.TEMPORARY
        assert tries > len(TEMPORARY_DELAYS_S)
        return
    table = THROTTLED_DELAYS_S if reason is Reason.THROTTLED else TEMPORARY_DELAYS_S
    assert again_at - NOW >= micros(max(table[0], asked_s or 0))
    assert again_at - NOW <= micros(max(table[-1], asked_s or 0) * (1 + JITTER)) + 1


@pytest.mark.parametrize("delays", [THROTTLED_DELAYS_S, TEMPORARY_DELAYS_S])
def test_patience_grows(delays: tuple[float, ...]) -> None:
    assert all(shorter < longer for shorter, longer in pairwise(delays))


# ── what the docs show ───────────────────────────────────────────────────────────────────────────────


def shown_rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of the page, without its head and without code marks."""
    text = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+) \|$", text, re.MULTILINE)[1:]
    return [[cell.strip(" `") for cell in row.split("|")] for row in rows if not row.startswith("---")]


def test_the_page_shows_this_table() -> None:
    shown = [(reason, follows, promotional) for reason, follows, promotional, _ in shown_rows("Each reason")]
    assert shown == [
        (reason.value, ACTIONS[reason].value, action(reason, MessageClass.PROMOTIONAL).value)
        for reason in Reason
    ]


def test_the_page_shows_how_long_each_class_is_held() -> None:
    shown = {message_class: (hold, resends) for message_class, hold, resends, _ in shown_rows("Unknown")}
    assert shown == {c.value: (f"{HOLD_S[c]:g} s", str(RESENDS[c])) for c in MessageClass}


@pytest.mark.parametrize("delays", [THROTTLED_DELAYS_S, TEMPORARY_DELAYS_S])
def test_the_page_shows_the_delays(delays: tuple[float, ...]) -> None:
    assert ", ".join(f"{delay:g}" for delay in delays) in PAGE.read_text(encoding="utf-8")
