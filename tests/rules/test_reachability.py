"""What is remembered of reaching somebody, learnt from attempts in any order, and what follows from it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import msgspec
import pytest

from angarium.contacts.reachability import (
    BLOCKS_MAX,
    HOURS,
    Block,
    Known,
    Tried,
    learn,
    usual_hour,
)
from angarium.core.clock import from_datetime
from angarium.core.values import MessageClass, Reason, Standing
from angarium.messaging.cascade import Finish, Run, Send, Skip, Step, Try, decide
from angarium.messaging.gate import reachability as rule
from angarium.messaging.gate.documents import PeoplePolicies, Reachability
from angarium.messaging.gate.facts import Facts, LineRules, Remembered
from angarium.messaging.gate.verdicts import ALLOW, Allow, InVain
from angarium.messaging.states import AttemptState

NOBODY = Known(1, "viber_business", "+380501234567")
KYIV = "Europe/Kyiv"


def at(day: int, hour: int = 12, minute: int = 0) -> int:
    """An instant in November 2026, UTC."""
    return from_datetime(datetime(2026, 11, day, hour, minute, tzinfo=UTC))


def delivered(number: int, when: int, line_id: int = 7, read_at: int = 0) -> Tried:
    return Tried(number, line_id, accepted_at=when - 1, delivered_at=when, read_at=read_at)


def refused(number: int, when: int, reason: Reason = Reason.NOT_A_USER, line_id: int = 7) -> Tried:
    return Tried(number, line_id, reason, ended_at=when)


def silent(number: int, when: int) -> Tried:
    return Tried(number, 7, accepted_at=when, silent=True)


CASES: list[tuple[str, list[Tried], dict[str, Any]]] = [
    ("nothing that says anything", [Tried(1, 7, Reason.THROTTLED, ended_at=at(2))], {}),
    ("not a user", [refused(1, at(2))], {"not_a_user_at": at(2)}),
    ("the first of a day is enough", [refused(1, at(2)), refused(2, at(2, 15))], {"not_a_user_at": at(2)}),
    ("and the next day again", [refused(1, at(2)), refused(2, at(3))], {"not_a_user_at": at(3)}),
    ("blocked by line", [refused(1, at(2), Reason.BLOCKED_BY_USER)], {"blocked": (Block(7, at(2)),)}),
    (
        "twice in silence",
        [silent(1, at(2)), silent(2, at(3))],
        {"unheard": 2, "silent_at": at(3), "last_id": 2},
    ),
    (
        "silence is over when something is delivered",
        [silent(1, at(2)), delivered(2, at(3))],
        {"last_delivered_at": at(3), "unheard": 0, "silent_at": at(2), "last_id": 2},
    ),
    (
        "silence that was heard of late is none",
        [delivered(1, at(3)), silent(2, at(2))],
        {"last_delivered_at": at(3), "last_id": 1},
    ),
    (
        "delivered lifts a block of its line alone",
        [
            refused(1, at(2), Reason.BLOCKED_BY_USER),
            refused(2, at(2), Reason.BLOCKED_BY_USER, line_id=8),
            delivered(3, at(3)),
        ],
        {"blocked": (Block(8, at(2)),), "last_delivered_at": at(3), "last_id": 3},
    ),
]


@pytest.mark.parametrize(("tried", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_learnt(tried: list[Tried], expected: dict[str, Any]) -> None:
    known = learn(NOBODY, tried, KYIV)
    assert msgspec.structs.replace(known, hours=b"") == msgspec.structs.replace(NOBODY, **expected)


def test_once_more_is_nothing_new_and_not_written() -> None:
    tried = [refused(1, at(1)), delivered(2, at(2), read_at=at(2, 13)), silent(3, at(3)), silent(4, at(4))]
    known = learn(NOBODY, tried, KYIV)
    assert learn(known, tried, KYIV) is known
    assert all(learn(known, [one], KYIV) is known for one in tried)


def test_one_after_the_other_in_any_order_it_is_the_same_verdict() -> None:
    tried = [refused(1, at(1)), delivered(2, at(2)), refused(3, at(4)), silent(4, at(5))]
    for order in permutations(tried):
        known = NOBODY
        for one in order:
            known = learn(known, [one], KYIV)
        assert known.not_a_user
        assert (known.not_a_user_at, known.last_delivered_at, known.unheard) == (at(4), at(2), 1)


def test_good_news_of_a_day_is_written_once_unless_it_lifts_something() -> None:
    known = learn(NOBODY, [delivered(1, at(2, 8))], KYIV)
    assert learn(known, [delivered(2, at(2, 10))], KYIV) is known
    lost = learn(known, [refused(3, at(2, 11))], KYIV)
    assert lost.not_a_user
    found = learn(lost, [delivered(4, at(2, 12))], KYIV)
    assert not found.not_a_user
    assert sum(found.hours) == 1  # an hour of a day counts once


def test_the_day_is_the_contacts_own() -> None:
    late, early = delivered(1, at(2, 21, 30)), delivered(2, at(2, 22, 30))  # 23:30 and 00:30 in Kyiv
    known = learn(NOBODY, [late, early], KYIV)
    assert (known.last_delivered_at, known.hours[23], known.hours[0]) == (at(2, 22, 30), 1, 1)
    assert learn(NOBODY, [late, early], "UTC").last_delivered_at == at(2, 21, 30)


def test_what_was_forgotten_is_not_learnt_again() -> None:
    forgotten = msgspec.structs.replace(NOBODY, forgotten_at=at(5))
    old = [
        refused(1, at(1)),
        refused(2, at(2), Reason.BLOCKED_BY_USER),
        silent(3, at(3)),
        delivered(4, at(4)),
    ]
    assert learn(forgotten, old, KYIV) is forgotten
    assert learn(forgotten, [refused(5, at(6))], KYIV).not_a_user


def test_it_does_not_grow() -> None:
    blocks = [refused(n, at(n), Reason.BLOCKED_BY_USER, line_id=n) for n in range(1, 10)]
    known = learn(NOBODY, blocks, KYIV)
    assert [block.line_id for block in known.blocked] == list(range(9, 9 - BLOCKS_MAX, -1))
    full = msgspec.structs.replace(NOBODY, hours=bytes([255] * HOURS))
    halved = learn(full, [delivered(1, at(2, 10))], "UTC").hours
    assert (halved[10], halved[11]) == (128, 127)


def hours(**counts: int) -> Known:
    return msgspec.structs.replace(NOBODY, hours=bytes(counts.get(f"h{hour}", 0) for hour in range(HOURS)))


@pytest.mark.parametrize(
    ("memories", "expected"),
    [
        ([], None),
        ([NOBODY], None),
        ([hours(h9=4)], None),  # too little
        ([hours(h9=5)], 9),
        ([hours(h9=3, h20=2), hours(h20=2)], 20),  # over all channels
        ([hours(h9=4, h10=4, h15=5)], 9),  # neighbours speak for one another
        ([hours(h23=3, h0=4, h12=5)], 0),  # around midnight too
        ([hours(h8=5, h18=5)], 8),  # of those that are alike the earliest
    ],
)
def test_the_usual_hour(memories: list[Known], expected: int | None) -> None:
    assert usual_hour(memories) == expected


# ── what follows from it ─────────────────────────────────────────────────────────────────────────────

SERVICE, PROMOTIONAL, OTP = MessageClass.SERVICE, MessageClass.PROMOTIONAL, MessageClass.OTP
LOST = msgspec.structs.replace(NOBODY, not_a_user_at=at(1))
BLOCKED = msgspec.structs.replace(NOBODY, blocked=(Block(7, at(1)),))
SILENT = msgspec.structs.replace(NOBODY, unheard=3, silent_at=at(1))
VIBER = Step(channel="viber_business", success="delivered")


def judged(
    known: Known,
    now: int,
    message_class: MessageClass = SERVICE,
    step: Step = VIBER,
    line_id: int = 7,
    **policy: Any,
) -> Allow | InVain:
    """What the rule says of a step."""
    facts = Facts(
        message_class,
        Standing(),
        LineRules("v", frozenset(MessageClass), True, line_id=line_id, channel="viber_business"),
        at(30),
        policies=PeoplePolicies(reachability=Reachability(**{"enabled": True, **policy})),
        remembered=Remembered(known, "Viber", rule.believed(step, message_class)),
    )
    return rule.in_vain(facts, now)


PASSED_OVER: list[tuple[Known, dict[str, Any], str]] = [
    (LOST, {}, "Not a user of Viber, heard on 2026-11-01."),
    (LOST, {"enabled": False}, ""),
    (LOST, {"message_class": OTP}, ""),  # whoever waits for a code gets it in every way there is
    (LOST, {"message_class": OTP, "classes": (OTP,)}, "Not a user of Viber, heard on 2026-11-01."),
    (LOST, {"not_a_user_days": 2}, "Not a user of Viber, heard on 2026-11-01."),
    (LOST, {"not_a_user_days": 1}, ""),
    (LOST, {"not_a_user_days": 0}, ""),
    (msgspec.structs.replace(LOST, last_delivered_at=at(2)), {}, ""),
    (LOST, {"step": msgspec.structs.replace(VIBER, on={"not_a_user": "stop"})}, ""),
    (BLOCKED, {}, "The person has blocked the line v of Viber, heard on 2026-11-01."),
    (BLOCKED, {"blocked_days": 1}, ""),
    (BLOCKED, {"line_id": 8}, ""),  # another sender
    (BLOCKED, {"message_class": PROMOTIONAL}, ""),  # advertising is not carried past a block
    (SILENT, {}, ""),
    (SILENT, {"silent_after": 4}, ""),
    (
        SILENT,
        {"silent_after": 3},
        "Viber took 3 messages in a row and delivered none, the last on 2026-11-01",
    ),
    (
        SILENT,
        {"silent_after": 3, "message_class": PROMOTIONAL},
        "Viber took 3 messages in a row and",
    ),
    (SILENT, {"silent_after": 3, "silent_days": 1}, ""),
    (SILENT, {"silent_after": 3, "step": msgspec.structs.replace(VIBER, on={"expired": "stop"})}, ""),
    (SILENT, {"silent_after": 3, "step": msgspec.structs.replace(VIBER, on={"no_receipt": "stop"})}, ""),
]


@pytest.mark.parametrize(("known", "given", "said"), PASSED_OVER)
def test_whether_a_step_is_passed_over(known: Known, given: dict[str, Any], said: str) -> None:
    verdict = judged(known, at(2, 13), **given)
    if not said:
        assert verdict == ALLOW
        return
    assert isinstance(verdict, InVain)
    assert verdict.detail.startswith(said)
    assert (verdict.rule, verdict.set_at) == ("reachability", "/v1/policies/reachability")
    assert (verdict.heard_at, verdict.channel) == (at(1), "viber_business")


REMEMBERED = Skip(0, Reason.NOT_A_USER, remembered=True)
NO_ADDRESS = Skip(1, Reason.NO_ADDRESS)


def tried(step: int, state: AttemptState, reason: Reason | None = None) -> Try:
    return Try(step, state, at(1), 7, reason, at(1) if state is AttemptState.ACCEPTED else None, at(1))


NEXT = [  # what was passed over and tried of two steps, and what is done
    ((REMEMBERED,), (), 1, False),
    ((REMEMBERED, NO_ADDRESS), (), 0, True),
    ((REMEMBERED,), (tried(1, AttemptState.REFUSED, Reason.BAD_ADDRESS),), 0, True),
    ((REMEMBERED,), (tried(1, AttemptState.FAILED, Reason.UNDELIVERED),), 0, True),
    ((NO_ADDRESS,), (tried(0, AttemptState.REFUSED, Reason.NOT_A_USER),), None, False),
    ((REMEMBERED,), (tried(1, AttemptState.ACCEPTED),), None, False),  # it went out: not twice
    ((REMEMBERED,), (tried(1, AttemptState.REFUSED, Reason.OPTED_OUT),), None, False),
]


@pytest.mark.parametrize(("skips", "tries", "step", "regardless"), NEXT)
def test_a_step_in_vain_is_tried_after_all_when_nothing_else_is_left(
    skips: tuple[Skip, ...], tries: tuple[Try, ...], step: int | None, regardless: bool
) -> None:
    steps = (VIBER, Step(channel="smpp", success="delivered", wait_s=60))
    decision = decide(Run(SERVICE, steps, at(30), tries, skips), at(2))
    if step is None:
        assert isinstance(decision, Finish)
    else:
        assert isinstance(decision, Send)
        assert (decision.step, decision.regardless) == (step, regardless)


def test_after_it_failed_too_nothing_is_tried_twice() -> None:
    steps = (VIBER, Step(channel="smpp", success="delivered", wait_s=60))
    tries = (
        tried(1, AttemptState.REFUSED, Reason.BAD_ADDRESS),
        tried(0, AttemptState.REFUSED, Reason.NOT_A_USER),
    )
    assert isinstance(decide(Run(SERVICE, steps, at(30), tries), at(2)), Finish)
