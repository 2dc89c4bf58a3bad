"""What a message waits for, from its rows and its line alone; `tests/flows/test_waiting.py` has the rest."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.core.clock import micros, to_datetime
from angarium.core.values import MessageClass, Reason
from angarium.messaging.cascade import Finish, Send, Step
from angarium.messaging.case import Case
from angarium.messaging.states import AttemptState, MessageState
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.messages import Message
from angarium.messaging.waiting import For, LineNow, Wait, document, sentence, waiting
from angarium.messaging.words import plain

START = micros(1_800_000_000)
STEPS = (
    Step(channel="viber_business", success="read", wait_s=60.0),
    Step(channel="smpp", success="delivered"),
)
LINE = LineNow("main", answers_within_s=10.0)


def at(second: float) -> int:
    """An instant after the message came."""
    return START + micros(second)


def message(**given: Any) -> Message:
    """A message of one hour."""
    usual: dict[str, Any] = {
        **dict.fromkeys(("reason", "label", "reference", "locale", "currency"), ""),
        **dict.fromkeys(("template_version_id", "cascade_version_id", "cost_micros"), 0),
        "workspace_id": 1,
        "id": 1,
        "contact_id": 1,
        "message_class": MessageClass.SERVICE,
        "state": MessageState.QUEUED,
        "words": b"",
        "skips": (),
        "expires_at": at(3600),
        "decide_at": at(3600),
        "created_at": START,
        "finished_at": None,
    }
    return Message(**usual | given)


def attempt(state: str, **given: Any) -> Attempt:
    """Its attempt on line 7, planned at second 1."""
    usual: dict[str, Any] = {
        **dict.fromkeys(("address", "currency", "reason", "code", "detail"), ""),
        **dict.fromkeys(("price_micros", "cost_micros", "late", "tries", "epoch", "step"), 0),
        **dict.fromkeys(("workspace_id", "id", "message_id", "contact_id", "number", "parts"), 1),
        "line_id": 7,
        "channel": "viber_business",
        "message_class": MessageClass.SERVICE,
        "priority": 2,
        "content": b"",
        "state": AttemptState(state),
        "ttl_s": None,
        "due_at": at(1),
        "planned_at": at(1),
        "expires_at": at(3600),
    }
    return Attempt(**usual | given)


def waits(line: LineNow, *attempts: Attempt, **given: Any) -> Wait:
    """What a message with these attempts waits for at second 20."""
    found = waiting(Case(message(**given), list(attempts), STEPS), {7: line}, at(20))
    assert found is not None
    return found


def said(wait: Wait) -> str:
    """Its sentence, times as seconds after the beginning."""
    name, values = sentence(wait, STEPS)
    text = plain((name, values))
    for second in (1, 10, 20, 25, 60, 70, 3600):
        moment = f"{to_datetime(at(second)):%Y-%m-%d %H:%M:%S} UTC"
        text = text.replace(moment, f"{second} s")
    return text


QUEUED = attempt("queued")
ON_ITS_LINE = [
    (LINE, For.TURN, 3600, "its turn on the line main. If that has not come by 3600 s, it ends as expired."),
    (LineNow("main", connected=False), For.CONNECTION, 3600, "The line main is not connected."),
    (LineNow("main", on=False), For.SWITCH, 3600, "Its line main is switched off, not approved, or gone."),
    (LineNow("main", held="it fails", until=at(25)), For.REST, 25, "held back until 25 s: it fails."),
    (LineNow("main", on=False, connected=False, held="it fails"), For.SWITCH, 3600, "switched off"),
]


@pytest.mark.parametrize(("line", "what", "until", "words"), ON_ITS_LINE)
def test_what_is_due_waits_for_its_line(line: LineNow, what: For, until: float, words: str) -> None:
    wait = waits(line, QUEUED)
    assert (wait.what, wait.since, wait.until) == (what, at(1), at(until))
    assert words in said(wait)


def test_a_line_that_is_held_back_without_an_end_lets_it_wait_until_its_deadline() -> None:
    wait = waits(LineNow("main", held="the provider asks to slow down"), QUEUED)
    assert (wait.what, wait.until) == (For.REST, at(3600))
    assert said(wait) == "The line main is held back until 3600 s: the provider asks to slow down."


def test_a_line_that_is_not_there_any_more() -> None:
    found = waiting(Case(message(), [QUEUED], STEPS), {}, at(20))
    assert found is not None
    assert found.what is For.SWITCH


def test_an_answer_is_awaited_for_as_long_as_the_line_says() -> None:
    on_its_way = attempt("submitting", submitted_at=at(10))
    wait = waits(LINE, on_its_way)
    assert (wait.what, wait.since, wait.until) == (For.ANSWER, at(10), at(20))
    assert document(wait, STEPS)["then"]["do"] == "wait"
    wait = waits(LineNow("main"), on_its_way)
    assert wait.until is None
    assert said(wait) == "It was handed over on the line main at 10 s, and the answer is awaited."


def test_a_receipt_is_awaited_and_then_the_next_step_follows() -> None:
    wait = waits(LINE, attempt("accepted", accepted_at=at(10)), state=MessageState.SENT)
    assert (wait.what, wait.since, wait.until) == (For.RECEIPT, at(10), at(70))
    assert wait.then == Send(1, "not read within 60 s")
    assert said(wait) == (
        "The line main took it at 10 s. Word that it is read is awaited until 70 s; "
        "without it, step 2 follows, by smpp."
    )
    assert document(wait, STEPS)["then"] == {"do": "send", "step": 2, "again": False, "channel": "smpp"}


def test_what_was_never_answered_is_held_and_then_its_class_decides() -> None:
    silent = attempt("unknown", reason="no_answer", ended_at=at(10))
    wait = waits(LINE, silent, state=MessageState.UNKNOWN)
    assert (wait.what, wait.until) == (For.EVIDENCE, at(70))
    assert said(wait).endswith("without any, it is sent once more, by another line if there is one.")
    promotional = waits(LINE, silent, message_class=MessageClass.PROMOTIONAL)
    assert isinstance(promotional.then, Finish)
    assert said(promotional).endswith("it stays unknown, and a person decides.")


def test_what_is_being_decided_says_so() -> None:
    wait = waits(LINE, attempt("refused", reason="not_a_user", ended_at=at(10)))
    assert wait.what is For.DECISION
    assert said(wait) == "What follows is being decided."


@pytest.mark.parametrize(
    ("state", "reason", "waits_for_a_person"),
    [("unknown", "no_answer", True), ("unknown", "left", False), ("sent", "no_receipt", False)],
)
def test_a_person_is_waited_for_until_one_has_decided(
    state: str, reason: str, waits_for_a_person: bool
) -> None:
    ended = message(state=MessageState(state), reason=reason, finished_at=at(15), decide_at=None)
    silent = attempt("unknown", reason="no_answer", ended_at=at(10))
    found = waiting(Case(ended, [silent], STEPS), {7: LINE}, at(20))
    assert (found is not None) is waits_for_a_person
    if found is not None:
        assert (found.what, found.since, found.until) == (For.PERSON, at(10), None)


def test_a_retry_says_why_by_the_word_of_its_reason() -> None:
    again = attempt("queued", reason=Reason.THROTTLED.value, due_at=at(25), submitted_at=at(10))
    wait = waits(LINE, again)
    assert (wait.what, wait.until) == (For.RETRY, at(25))
    assert "the provider asks to slow down. It is tried again at 25 s." in said(wait)


def test_every_sentence_is_there() -> None:
    for wait in (
        Wait(what=what, since=START, until=until, ahead=ahead, speed_per_s=speed)
        for what in For
        for until in (None, at(1))
        for ahead, speed in ((None, 0.0), (3, 0.0), (3, 50.0))
    ):
        assert plain(sentence(wait, STEPS))
