"""What a cascade does next, as rows: what happened, at which second it is asked, what is decided.

`1 accepted 90` is step 1, accepted at second 90 after the message came; `1/2 refused auth` was on line 2; a
queued one names the second it is due; `1 skipped no_address` was passed over by the rules. `send 1 not 1` is
step 1 on any line but line 1, `send 1 avoid 1` on another if there is one. A table of five columns has
what a step's own table says in its second. The deadline is at second 1000.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from angarium.core.clock import micros
from angarium.core.values import MessageClass, Reason
from angarium.messaging.cascade import (
    HOLD_S,
    RESENDS,
    Decision,
    Finish,
    Run,
    Send,
    Skip,
    Step,
    TakeBack,
    Try,
    WaitUntil,
    best_state,
    decide,
    succeeds,
)
from angarium.messaging.states import OPEN_ATTEMPT, AttemptState, MessageState

OTP, TRANSACTIONAL, SERVICE, PROMOTIONAL = MessageClass
ENDED = {AttemptState.REFUSED, AttemptState.FAILED, AttemptState.UNKNOWN, AttemptState.CANCELLED}

VIBER = Step(channel="viber_business", success="read", wait_s=60)
SMS = Step(channel="smpp", success="delivered", wait_s=300)
MAIL = Step(channel="smtp", success="accepted", wait_s=600)
SOON = msgspec.structs.replace(VIBER, start_within_s=30)  # a line must take it within 30 s


def rows(message_class: MessageClass, *steps: Step, table: str) -> Iterator[object]:
    """The rows of a table for one class and one cascade."""
    for line in table.strip().splitlines():
        title, *own, happened, second, decision = (cell.strip() for cell in line.split("|"))
        run = run_of(message_class, _with_tables(steps, *own), happened)
        yield pytest.param(run, at(float(second)), _decision(*decision.split()), id=title)


def _with_tables(steps: tuple[Step, ...], own: str = "") -> tuple[Step, ...]:
    tables: list[dict[str, str]] = [{} for _ in steps]
    for place, reason, action in (entry.split() for entry in own.split(",") if entry):
        tables[int(place) - 1][reason] = action
    return tuple(msgspec.structs.replace(step, on=on) for step, on in zip(steps, tables, strict=True))


def run_of(message_class: MessageClass, steps: tuple[Step, ...], happened: str) -> Run:
    """A run to which these things happened."""
    events = [event.split() for event in happened.split(",") if event]
    skips = [Skip(int(where) - 1, Reason(what[0])) for where, word, *what in events if word == "skipped"]
    tries = [_try(where, AttemptState(word), *what) for where, word, *what in events if word != "skipped"]
    return Run(message_class, steps, at(1000), tuple(tries), tuple(skips))


def at(second: float) -> int:
    """An instant of the tables."""
    return micros(1_800_000_000 + second)


def _try(where: str, state: AttemptState, *what: str) -> Try:
    step, _, line = where.partition("/")
    when = at(next((float(word) for word in what if word.isdigit()), 0))
    return Try(
        step=int(step) - 1,
        state=state,
        planned_at=when if state in OPEN_ATTEMPT else at(0),
        line_id=int(line or 1),
        reason=next((Reason(word) for word in what if not word.isdigit()), None),
        accepted_at=None if state in ENDED or state in OPEN_ATTEMPT else when,
        ended_at=when if state in ENDED else None,
    )


def _decision(word: str, what: str, *more: str) -> Decision:
    match word, *more:
        case ("send",):
            return Send(int(what) - 1, "")
        case ("send", "avoid", line):
            return Send(int(what) - 1, "", avoid=frozenset({int(line)}))
        case ("send", "not", lines):
            return Send(int(what) - 1, "", exclude=frozenset(map(int, lines.split("+"))))
        case ("take",):
            return TakeBack("")
        case ("wait",):
            return WaitUntil(at(float(what)), "")
        case ("end", *reason):
            return Finish(MessageState(what), Reason(reason[0]) if reason else None, "")
    raise AssertionError(f"not a decision: {word} {what} {more}")


BEGINNING = """
nothing yet                      |                                         |     0 | send 1
nothing yet, before the deadline |                                         | 999.9 | send 1
nothing yet, at the deadline     |                                         |  1000 | end expired deadline
the first passed over            | 1 skipped no_address                    |     0 | send 2
passed over, at the deadline     | 1 skipped no_address                    |  1000 | end expired deadline
both passed over                 | 1 skipped no_address, 2 skipped no_line |     0 | end failed no_line
the person's no                  | 1 skipped opted_out                     |     0 | end refused opted_out
a no found at the second         | 1 skipped no_line, 2 skipped opted_out  |     0 | end refused opted_out
the blacklist does not end it    | 1 skipped operator_blacklist            |     0 | send 2
closed hours do not end it       | 1 skipped hours                         |     0 | send 2
"""
OPEN = """
queued, until the deadline        | 1 queued                       |   10 | wait 1000
queued, at the deadline           | 1 queued                       | 1000 | end expired deadline
queued for later                  | 1 queued 500                   |   10 | wait 1000
deadline, the first refused       | 1 refused not_a_user, 2 queued | 1000 | end expired deadline
deadline, the first failed        | 1 failed expired, 2 queued     | 1000 | end failed deadline
deadline, the first silent        | 1 accepted, 2 queued 60        | 1000 | end sent no_receipt
deadline, the first unknown       | 1 unknown, 2 queued 60         | 1000 | end unknown no_answer
on its way                        | 1 submitting                   |   10 | wait 1000
on its way, no end without answer | 1 submitting                   | 1000 | wait 1060
"""
STARTING = """
its line has 30 s        | 1 queued                                 | 29.9 | wait 30
no line took it in 30 s  | 1 queued                                 |   30 | send 2
30 s from when it is due | 1 queued 25                              |   40 | wait 55
the deadline comes first | 1 queued 990                             |  995 | wait 1000
on its way is started    | 1 submitting                             |   31 | wait 1000
taken back, no second    | 1 cancelled not_started, 2 skipped hours |   30 | end failed not_started
"""
ACCEPTED = """
the clock starts at acceptance  | 1 accepted 90                    |  140 | wait 150
silent to the last moment       | 1 accepted                       | 59.9 | wait 60
silent past its time            | 1 accepted                       |   60 | send 2
delivered is not read           | 1 delivered                      | 59.9 | wait 60
delivered, not read in its time | 1 delivered                      |   60 | send 2
silent, too late for the second | 1 accepted 940                   | 1000 | end sent no_receipt
unread, too late for the second | 1 delivered 940                  | 1000 | end delivered
a receipt after the deadline    | 1 accepted 990                   | 1000 | wait 1050
silent, no way for the second   | 1 accepted, 2 skipped no_address |   60 | end sent no_receipt
silent, and then a no           | 1 accepted, 2 skipped opted_out  |   60 | end sent no_receipt
both silent                     | 1 accepted, 2 accepted 60        |  360 | end sent no_receipt
delivered, the second silent    | 1 delivered, 2 accepted 60       |  360 | end delivered
read                            | 1 read                           |    5 | end read
read after the deadline         | 1 read                           | 2000 | end read
the second delivered            | 1 accepted, 2 delivered 60       |   70 | end delivered
"""
LATE = """
read while the second is queued   | 1 read, 2 queued 60                    |  70 | end read
read, the second is on its way    | 1 read, 2 submitting 60                |  70 | end read
read after the second was sent    | 1 read, 2 accepted 65                  |  70 | end read
read, the second delivered        | 1 read, 2 delivered 65                 |  70 | end read
delivered late is no success here | 1 delivered, 2 accepted 65             |  70 | wait 365
delivered late, second queued     | 1 delivered, 2 queued 60               |  70 | wait 1000
failed after it was left          | 1 failed 66 undelivered, 2 accepted 65 |  70 | wait 365
accepted after it was left        | 1 accepted 66, 2 accepted 65           | 365 | end sent no_receipt
accepted after the second failed  | 1 accepted 80, 2 failed 70 expired     |  80 | wait 140
and then silent                   | 1 accepted 80, 2 failed 70 expired     | 140 | end sent no_receipt
accepted while another is queued  | 1 accepted 80, 2 queued 60             |  80 | take back
accepted, another on its way      | 1 accepted 80, 2 submitting 60         |  80 | wait 1000
both taken: the longest wait      | 1 accepted 90, 2 failed 70 expired     | 149 | wait 150
"""
REFUSED = """
not on this channel              | 1 refused not_a_user                     |    1 | send 2
a receipt says that it failed    | 1 failed 9 expired                       |    9 | send 2
refused without a reason         | 1 refused                                |    1 | send 2
its retries are used up          | 1 refused temporary                      |    1 | send 2
blocked there: service goes on   | 1 refused blocked_by_user                |    1 | send 2
both refused: the last reason    | 1 refused not_a_user, 2 refused too_long |    2 | end failed too_long
both failed                      | 1 failed expired, 2 failed undelivered   |   10 | end failed undelivered
silent, the second refused       | 1 accepted, 2 refused bad_address        |   70 | end sent no_receipt
no way for the second            | 1 refused not_a_user, 2 skipped hours    |    1 | end failed not_a_user
too late for the second          | 1 refused 999 not_a_user                 | 1000 | end expired deadline
failed, too late for the second  | 1 failed 999 expired                     | 1000 | end failed deadline
stopped at the deadline          | 1 refused 1000 deadline                  | 1000 | end expired deadline
the provider knows of an opt-out | 1 refused opted_out                      |    1 | end refused opted_out
a no after one was taken         | 1 failed expired, 2 refused opted_out    |    2 | end failed opted_out
a no after one without answer    | 1 unknown, 2 refused 99 opted_out        |   99 | end unknown no_answer
"""
LINES = """
credentials refused: another line | 1/1 refused auth                        |    1 | send 1 not 1
and another                       | 1/1 refused auth, 1/2 refused no_credit |    2 | send 1 not 1+2
blacklisted at this operator      | 1/1 refused operator_blacklist          |    1 | send 1 not 1
a receipt speaks of the sender    | 1/1 failed 9 sender_invalid             |    9 | send 1 not 1
there is no other line            | 1/1 refused auth, 1 skipped no_line     |    1 | send 2
nor another step                  | 2/2 refused auth, 2 skipped no_line     |    2 | end failed auth
too late for another line         | 1/1 refused 999 auth                    | 1000 | end expired deadline
the person said no meanwhile      | 1/1 refused auth, 1 skipped opted_out   |    1 | end refused opted_out
lines of another step are free    | 1/1 accepted, 2/2 refused auth          |   61 | send 2 not 2
"""
ADVERTISING = """
opted out there          | 1 refused opted_out           | 1 | end refused opted_out
blocked there            | 1 refused blocked_by_user     | 1 | end refused blocked_by_user
the operator's blacklist | 1 refused operator_blacklist  | 1 | end refused operator_blacklist
said by a receipt        | 1 failed 9 operator_blacklist | 9 | end failed operator_blacklist
found by our rules       | 1 skipped operator_blacklist  | 0 | end refused operator_blacklist
another reason           | 1 refused not_a_user          | 1 | send 2
"""
ADVERTISING_OWN = """
past a block | 1 blocked_by_user next    | 1 refused blocked_by_user    |   1 | end refused blocked_by_user
past a list  | 1 operator_blacklist line | 1 skipped operator_blacklist |   0 | end refused operator_blacklist
resent       | 1 no_answer retry         | 1 unknown 10                 | 100 | end unknown no_answer
sent on      | 1 no_answer next          | 1 unknown 10                 | 100 | end unknown no_answer
"""
OWN_TABLES = """
a refusal ends it          | 1 not_a_user stop  | 1 refused not_a_user |  1 | end failed not_a_user
not another step's table   | 2 not_a_user stop  | 1 refused not_a_user |  1 | send 2
without an address         | 1 no_address stop  | 1 skipped no_address |  0 | end failed no_address
a line's trouble           | 1 auth next        | 1/1 refused auth     |  1 | send 2
another line               | 1 rejected line    | 1/1 refused rejected |  1 | send 1 not 1
silence does not go on     | 1 no_receipt stop  | 1 accepted           | 60 | end sent no_receipt
silence, another line      | 1 no_receipt line  | 1/1 accepted         | 60 | send 1 not 1
a late start ends it       | 1 not_started stop | 1 queued             | 30 | end failed not_started
a late start, another line | 1 not_started line | 1/1 queued           | 30 | send 1 not 1
unknown: not again         | 1 no_answer next   | 1 unknown            | 60 | send 2
unknown: the end           | 1 no_answer stop   | 1 unknown            | 60 | end unknown no_answer
a no that is passed on     | 1 opted_out next   | 1 skipped opted_out  |  0 | send 2
a no at the last step      | 2 opted_out next   | 2 skipped opted_out  |  0 | end refused opted_out
"""
ONE_STEP = """
accepted is enough | 1 accepted                                 |  1 | end sent
read is more       | 1 read                                     |  1 | end read
never started      | 1 cancelled not_started, 1 skipped no_line | 30 | end failed not_started
"""
OTP_UNKNOWN = """
held for evidence               | 1/1 unknown 10                              | 17.9 | wait 18
then again, another line first  | 1/1 unknown 10                              |   18 | send 1 avoid 1
the second is held too          | 1/1 unknown 10, 1/2 unknown 20              | 27.9 | wait 28
then on                         | 1/1 unknown 10, 1/2 unknown 20              |   28 | send 2
never after its life            | 1/1 unknown 990                             | 1000 | end unknown no_answer
no way to send it again         | 1/1 unknown 10, 1 skipped no_line           |   18 | send 2
no way for anything             | 1 unknown, 1 skipped hours, 2 skipped hours |   18 | end unknown no_answer
again, and certainly not taken  | 1/1 unknown 10, 1/2 refused rejected        |   20 | send 2
again, and the line is at fault | 1/1 unknown 10, 1/2 refused auth            |   20 | send 1 not 1+2
again, and taken                | 1/1 unknown 10, 1/2 accepted 20             |   70 | wait 80
taken, and the second is queued | 1/1 accepted 19, 1/2 queued 18              |   19 | take back
taken, the second on its way    | 1/1 accepted 19, 1/2 submitting 18          |   19 | wait 1000
delivered, and it wants read    | 1/1 delivered 19, 1/2 queued 18             |   19 | take back
failed, and the second stays    | 1/1 failed 19 undelivered, 1/2 queued 18    |   19 | wait 1000
taken, the second unanswered    | 1/1 accepted 21, 1/2 unknown 20             |   30 | wait 81
taken and silent, not once more | 1/1 accepted 21, 1/2 unknown 20             |   81 | send 2
taken, the second refused       | 1/1 accepted 21, 1/2 refused 20 auth        |   81 | send 2
evidence that it was taken      | 1/1 accepted 10                             |   18 | wait 70
evidence that it was not taken  | 1/1 refused not_a_user                      |   12 | send 2
each step has its own           | 1 unknown, 1 unknown 9, 2/3 unknown 20      |   28 | send 2 avoid 3
unknown to the end              | 2 unknown 20, 2 unknown 30                  |   38 | end unknown no_answer
"""
SERVICE_UNKNOWN = """
held longer | 1/1 unknown 10                 | 69.9 | wait 70
then again  | 1/1 unknown 10                 |   70 | send 1 avoid 1
then on     | 1/1 unknown 10, 1/2 unknown 80 |  140 | send 2
"""
PROMOTIONAL_UNKNOWN = """
held longest                   | 1/1 unknown 10         | 99.9 | wait 100
then a person decides          | 1/1 unknown 10         |  100 | end unknown no_answer
evidence that it was not taken | 1/1 refused not_a_user |   50 | send 2
"""

CASES = [
    *rows(SERVICE, VIBER, SMS, table=BEGINNING),
    *rows(SERVICE, VIBER, SMS, table=OPEN),
    *rows(SERVICE, SOON, SMS, table=STARTING),
    *rows(SERVICE, VIBER, SMS, table=ACCEPTED),
    *rows(SERVICE, VIBER, SMS, table=LATE),
    *rows(SERVICE, VIBER, SMS, table=REFUSED),
    *rows(SERVICE, VIBER, SMS, table=LINES),
    *rows(SERVICE, SOON, SMS, table=OWN_TABLES),
    *rows(PROMOTIONAL, VIBER, SMS, table=ADVERTISING),
    *rows(PROMOTIONAL, VIBER, SMS, table=ADVERTISING_OWN),
    *rows(SERVICE, MAIL, table=ONE_STEP),
    *rows(OTP, VIBER, SMS, table=OTP_UNKNOWN),
    *rows(TRANSACTIONAL, VIBER, SMS, table=SERVICE_UNKNOWN),
    *rows(SERVICE, VIBER, SMS, table=SERVICE_UNKNOWN),
    *rows(PROMOTIONAL, VIBER, SMS, table=PROMOTIONAL_UNKNOWN),
]


@pytest.mark.parametrize(("run", "now", "expected"), CASES)
def test_decisions(run: Run, now: int, expected: Decision) -> None:
    decided = decide(run, now)
    assert decided.why
    assert msgspec.structs.replace(decided, why="") == expected


REASONS_WHY = [  # what happened, the second; the sentence of the timeline, steps counted from 1
    ("", 0, "first step"),
    ("", 1000, "first step, but its deadline has passed"),
    ("1 skipped no_address", 0, "step 1 passed over: no_address"),
    ("1 skipped opted_out", 0, "the rules end it: opted_out"),
    ("1 queued", 30, "no line took it within 30 s"),
    ("1 accepted", 5, "waiting for read"),
    ("1 accepted", 60, "not read within 60 s"),
    ("1 refused", 1, "step 1 refused: rejected"),
    ("1 refused opted_out", 1, "step 1 refused: opted_out; that ends it"),
    ("2 failed auth", 1, "step 2 failed: auth; another line"),
    ("1 unknown", 60, "no answer and no evidence; once more"),
    ("2 delivered", 1, "step 2 is delivered"),
]


@pytest.mark.parametrize(("happened", "second", "why"), REASONS_WHY)
def test_why(happened: str, second: float, why: str) -> None:
    assert decide(run_of(SERVICE, (SOON, SMS), happened), at(second)).why == why


def test_a_refusal_without_a_reason_is_a_rejection() -> None:
    decided = decide(run_of(SERVICE, (SMS,), "1 refused"), at(1))
    assert decided == Finish(MessageState.FAILED, Reason.REJECTED, "step 1 refused: rejected")


def test_a_cascade_without_steps_ends_at_once() -> None:
    decided = decide(Run(SERVICE, (), at(1000)), at(0))
    assert (decided.state, decided.reason) == (MessageState.FAILED, Reason.NOT_STARTED)


BEST = [  # what the attempts are; what is known of the message; the same in any order
    ("", "queued"),
    ("1 queued", "queued"),
    ("1 submitting", "queued"),
    ("1 refused, 1 cancelled, 1 failed", "queued"),
    ("1 refused, 1 unknown, 1 failed", "unknown"),
    ("1 unknown, 1 accepted", "sent"),
    ("1 accepted, 1 delivered, 1 failed", "delivered"),
    ("1 delivered, 1 read, 1 unknown", "read"),
]


@pytest.mark.parametrize(("happened", "state"), BEST)
def test_the_best_that_is_known(happened: str, state: str) -> None:
    events = happened.split(",")
    for order in (events, events[::-1]):
        assert best_state(run_of(SERVICE, (SMS,), ",".join(order))) == state


SUCCESS = {  # what a step wants: the states that are it
    "accepted": {AttemptState.ACCEPTED, AttemptState.DELIVERED, AttemptState.READ},
    "delivered": {AttemptState.DELIVERED, AttemptState.READ},
    "read": {AttemptState.READ},
}


@pytest.mark.parametrize("success", SUCCESS)
def test_what_success_is(success: str) -> None:
    assert {state for state in AttemptState if succeeds(state, success)} == SUCCESS[success]


def test_each_class_has_its_hold_and_its_resends() -> None:
    assert HOLD_S == {OTP: 8, TRANSACTIONAL: 60, SERVICE: 60, PROMOTIONAL: 90}
    assert RESENDS == {OTP: 1, TRANSACTIONAL: 1, SERVICE: 1, PROMOTIONAL: 0}
