"""The bookkeeping of a bind: what parts come to, how it eases off, what an operator repeats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.ports import Accepted, Outcome, Refused, Unknown
from angarium.core.values import Reason
from angarium.protocols import smpp_line, smpp_traffic
from angarium.protocols.smpp_line import References
from angarium.protocols.smpp_numbers import Command
from angarium.protocols.smpp_pdu import Frame, pack
from angarium.protocols.smpp_traffic import NOT_WRITTEN, Attempt, Easing, Repeats, whole

TAKEN = Accepted(("a",))
NO = Refused(Reason.BAD_ADDRESS, "RINVDSTADR", "the number is wrong")
SLOW = Refused(Reason.THROTTLED, "RTHROTTLED", "too fast", 2.0)
LOST = Unknown("no answer")

# ── the parts of a text ──────────────────────────────────────────────────────────────────────────────

WHOLES: list[tuple[list[Outcome], Outcome]] = [
    ([TAKEN, Accepted(("b",))], Accepted(("a", "b"))),
    ([TAKEN, Accepted(())], Accepted(("a",))),
    ([NO, NO], NO),
    ([NOT_WRITTEN, NO], NO),
    ([SLOW, NOT_WRITTEN], SLOW),
    ([LOST, LOST], Unknown("part 1 of 2 unknown: no answer; part 2 of 2 unknown: no answer")),
    ([TAKEN, NO], Unknown("part 1 of 2 accepted; part 2 of 2 refused: RINVDSTADR, the number is wrong")),
    (
        [NO, LOST],
        Unknown("part 1 of 2 refused: RINVDSTADR, the number is wrong; part 2 of 2 unknown: no answer"),
    ),
    ([LOST, TAKEN], Unknown("part 1 of 2 unknown: no answer; part 2 of 2 accepted")),
]


@pytest.mark.parametrize(("ends", "outcome"), WHOLES)
def test_what_the_parts_come_to(ends: list[Outcome], outcome: Outcome) -> None:
    assert whole(ends) == outcome


@given(st.lists(st.sampled_from([TAKEN, NO, LOST, SLOW]), min_size=2, max_size=5))
def test_a_text_is_repeated_only_if_no_part_can_have_arrived(ends: list[Outcome]) -> None:
    outcome = whole(ends)
    assert isinstance(outcome, Refused) == all(isinstance(end, Refused) for end in ends)
    assert isinstance(outcome, Accepted) == all(isinstance(end, Accepted) for end in ends)


def test_one_part_ends_as_it_ends() -> None:
    for end in (TAKEN, NO, LOST, SLOW):
        attempt = Attempt(7, "att_7", [b"x"])
        assert attempt.ended(attempt.parts[0], end) is end


def test_a_failure_ends_the_parts_that_were_not_written() -> None:
    attempt = Attempt(7, "att_7", [b"1", b"2", b"3"])
    first, second, third = attempt.parts
    first.written_at = second.written_at = 0.0
    assert attempt.ended(first, NO) is None
    assert third.end is NOT_WRITTEN
    assert attempt.ended(second, TAKEN) == Unknown(
        "part 1 of 3 refused: RINVDSTADR, the number is wrong; part 2 of 3 accepted; "
        "part 3 of 3 refused: not sent: another part of the text was not accepted"
    )
    assert second.place() == "2/3"


def test_a_part_that_was_turned_away_is_wanted_only_beside_others() -> None:
    attempt = Attempt(7, "att_7", [b"1", b"2"])
    second = attempt.parts[1]
    assert not attempt.wants_the_rest()
    second.written_at = 0.0
    assert attempt.wants_the_rest()
    attempt.ended(second, TAKEN)
    assert attempt.wants_the_rest()
    failed = Attempt(8, "att_8", [b"1", b"2"])
    failed.parts[0].written_at = failed.parts[1].written_at = 0.0
    failed.ended(failed.parts[0], LOST)
    assert not failed.wants_the_rest()


# ── easing off ───────────────────────────────────────────────────────────────────────────────────────


def test_a_pause_doubles_while_it_was_too_short() -> None:
    easing = Easing()
    now = 100.0
    pauses = []
    for _ in range(9):
        pauses.append(easing.throttled(now, now))
        assert easing.throttled(now - 0.1, now) == pauses[-1], "written before the pause: nothing new"
        now = easing.until
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_message_that_is_taken_after_the_pause_ends_the_doubling() -> None:
    easing = Easing()
    assert easing.left_s(0.0) == 0
    easing.throttled(0.0, 0.0)
    easing.accepted(-1.0)  # its answer was on the way
    assert easing.left_s(0.4) == pytest.approx(0.6)
    assert easing.throttled(1.0, 1.0) == 2
    easing.accepted(3.0)
    assert easing.throttled(4.0, 4.0) == 1


# ── what an operator repeats ─────────────────────────────────────────────────────────────────────────


def a_message(text: bytes, sequence: int) -> Frame:
    """Something from the operator."""
    return Frame(Command.DELIVER_SM, 0, sequence, pack(Command.DELIVER_SM, sequence, text))


def test_a_person_who_writes_the_same_again_is_not_the_operator() -> None:
    repeats = Repeats()
    assert repeats.origin(a_message(b"1", 1), "A", 0.0) == ""
    assert repeats.origin(a_message(b"1", 2), "A", 0.0) == "", "two in one burst"
    repeats.answered(a_message(b"1", 1), 0.1)
    assert repeats.origin(a_message(b"1", 3), "A", 0.2) == ""
    repeats.answered(a_message(b"1", 3), 0.3)
    assert repeats.origin(a_message(b"1", 4), "A", 60.0) == ""


def test_what_had_no_answer_is_known_when_it_comes_again() -> None:
    repeats = Repeats()
    assert repeats.origin(a_message(b"1", 1), "A", 0.0) == ""
    assert repeats.origin(a_message(b"1", 2), "A", 30.0) == "A.1", "nobody repeats sooner"
    assert repeats.origin(a_message(b"1", 1), "B", 30.1) == "A.1", "on another bind at once"
    assert repeats.origin(a_message(b"2", 2), "B", 30.1) == ""
    repeats.answered(a_message(b"1", 1), 30.2)
    assert repeats.origin(a_message(b"1", 3), "B", 40.0) == "", "it has its answer now"


def test_of_a_long_message_as_much_is_known_as_of_a_short_one() -> None:
    repeats, long = Repeats(), b"1" * smpp_traffic.NAME_MAX
    assert repeats.origin(a_message(long + b"a", 1), "A", 0.0) == ""
    assert repeats.origin(a_message(long + b"b", 2), "A", 30.0) == "", "another end is another message"
    assert repeats.origin(a_message(long + b"a", 3), "B", 30.0) == "A.1"
    assert all(len(name) <= smpp_traffic.NAME_MAX for name in repeats._doubts)


def test_what_was_answered_late_may_have_been_repeated_already() -> None:
    repeats = Repeats()
    repeats.origin(a_message(b"1", 1), "A", 0.0)
    repeats.answered(a_message(b"1", 1), 31.0)
    assert repeats.origin(a_message(b"1", 2), "A", 31.1) == "A.1"


def test_doubts_end_after_a_day_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_traffic, "DOUBTS_MAX", 2)
    repeats = Repeats()
    repeats.origin(a_message(b"1", 1), "A", 0.0)
    assert repeats.origin(a_message(b"1", 2), "B", 86_401.0) == ""
    for text in (b"2", b"3", b"4"):
        repeats.origin(a_message(text, 3), "B", 86_402.0)
    assert repeats.origin(a_message(b"2", 4), "C", 86_403.0) == "", "forgotten for the newer"
    assert repeats.origin(a_message(b"4", 5), "C", 86_403.0) == "B.3"


# ── reference numbers ────────────────────────────────────────────────────────────────────────────────


def test_a_recipient_does_not_see_a_number_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_line, "REFERENCES_MAX", 1000)
    references = References(65_530)

    def taken(address: str) -> int:
        number = references.next(address)
        references.used(address, number)
        return number

    mine = [taken("+989120000001") for _ in range(300)]
    assert len({number & 0xFF for number in mine[:255]}) == 255
    assert max(mine) <= 0xFFFF
    before = taken("+989120000002")
    for number in range(1000):
        taken(f"+98{number}")
    assert references.next("+989120000002") != before, "even if it was forgotten"
