"""Random runs of a cascade, driven to their end as the planner drives them: what holds at each decision."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from angarium.core.clock import micros
from angarium.core.values import MessageClass, Reason
from angarium.messaging.cascade import (
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
from angarium.messaging.retry import NO_TO_ADVERTISING, Action
from angarium.messaging.states import (
    ATTEMPT_TRANSITIONS,
    OPEN_ATTEMPT,
    AttemptState,
    MessageState,
    may_become,
)

START = micros(1_800_000_000)
LINES = (1, 2, 3)
EVENTS_MAX = 12
QUEUED, SUBMITTING, UNKNOWN = AttemptState.QUEUED, AttemptState.SUBMITTING, AttemptState.UNKNOWN

# What the planner can find in the way of a step.
IN_THE_WAY = (Reason.NO_LINE, Reason.NO_ADDRESS, Reason.NO_WORDING, Reason.HOURS, Reason.OPTED_OUT)
own_tables = st.dictionaries(
    st.sampled_from([reason.value for reason in Reason]), st.sampled_from(list(Action)), max_size=4
)
steps = st.builds(
    Step,
    channel=st.just("smpp"),
    success=st.sampled_from(["accepted", "delivered", "read"]),
    wait_s=st.sampled_from([1.0, 60.0, 3600.0]),
    start_within_s=st.sampled_from([None, 1.0, 30.0]),
    on=own_tables,
)


@dataclass(frozen=True)
class Happening:
    """Something that happens to one of the attempts, a share of the waiting time after the last decision."""

    share: float
    attempt: int
    state: int
    reason: Reason


@dataclass(frozen=True)
class World:
    """A message, its cascade, and what will happen to it."""

    message_class: MessageClass
    steps: tuple[Step, ...]
    life_s: float
    happenings: list[Happening]
    in_the_way: list[Reason | None]  # of the plans in their order; nothing is in the way of later ones


happenings = st.builds(
    Happening,
    share=st.floats(0, 1),
    attempt=st.integers(0, 9),
    state=st.integers(0, 9),
    reason=st.sampled_from(Reason),
)
worlds = st.builds(
    World,
    message_class=st.sampled_from(MessageClass),
    steps=st.lists(steps, min_size=1, max_size=3).map(tuple),
    life_s=st.sampled_from([0.0, 5.0, 120.0, 86_400.0]),
    happenings=st.lists(happenings, max_size=EVENTS_MAX),
    in_the_way=st.lists(st.none() | st.sampled_from(IN_THE_WAY), max_size=6),
)


@dataclass
class Drive:
    """The planner and the lines, as far as a cascade sees them."""

    world: World
    run: Run
    now: int = START
    state: MessageState = MessageState.QUEUED
    decided: list[tuple[Run, int, Decision]] = field(default_factory=list)

    def to_the_end(self) -> Finish:
        """Decide and let things happen until the run has ended."""
        happenings, in_the_way = iter(self.world.happenings), iter(self.world.in_the_way)
        while len(self.decided) < 500:
            decision = decide(self.run, self.now)
            self.decided.append((self.run, self.now, decision))
            match decision:
                case Send():
                    self._plan(decision, next(in_the_way, None))
                case TakeBack():
                    self._take_back()
                case WaitUntil():
                    self._set_state(best_state(self.run))
                    self._wait(decision, next(happenings, None))
                case Finish():
                    return decision
        raise AssertionError("it never ends")

    def _plan(self, send: Send, in_the_way: Reason | None) -> None:
        """As `plan.py` does: take back what is queued, then add an attempt or say why there is none."""
        tries = [
            msgspec.structs.replace(
                t, state=AttemptState.CANCELLED, reason=Reason.NOT_STARTED, ended_at=self.now
            )
            if t.state is QUEUED
            else t
            for t in self.run.tries
        ]
        free = [line for line in LINES if line not in send.exclude]
        if in_the_way is None and free:
            line = min(free, key=lambda line: (line in send.avoid, line))
            tries.append(Try(send.step, QUEUED, self.now, line))
            self.run = msgspec.structs.replace(self.run, tries=tuple(tries))
        else:
            skip = Skip(send.step, in_the_way or Reason.NO_LINE)
            self.run = msgspec.structs.replace(self.run, tries=tuple(tries), skips=(*self.run.skips, skip))

    def _take_back(self) -> None:
        """As `plan.py` does: what is taken back is no try any more."""
        tries = tuple(t for t in self.run.tries if t.state is not QUEUED)
        self.run = msgspec.structs.replace(self.run, tries=tries)

    def _wait(self, wait: WaitUntil, happening: Happening | None) -> None:
        """Let something happen before the time is over, or the time pass: then an answer is given up."""
        open_try = next((i for i, t in enumerate(self.run.tries) if t.state in OPEN_ATTEMPT), None)
        if happening is None:
            self.now = wait.at
            if open_try is not None and self.run.tries[open_try].state is SUBMITTING:
                self._become(open_try, UNKNOWN, Reason.NO_ANSWER)
            return
        self.now += int((wait.at - self.now) * happening.share)
        place = happening.attempt % len(self.run.tries)
        following = sorted(ATTEMPT_TRANSITIONS[self.run.tries[place].state])
        if following:
            self._become(place, following[happening.state % len(following)], happening.reason)

    def _become(self, place: int, state: AttemptState, reason: Reason) -> None:
        before = self.run.tries[place]
        went_out = state in (AttemptState.ACCEPTED, AttemptState.DELIVERED, AttemptState.READ)
        after = msgspec.structs.replace(
            before,
            state=state,
            reason=None if went_out else reason,
            accepted_at=(before.accepted_at or self.now) if went_out else before.accepted_at,
            ended_at=before.ended_at if went_out or state in OPEN_ATTEMPT else self.now,
        )
        tries = (*self.run.tries[:place], after, *self.run.tries[place + 1 :])
        self.run = msgspec.structs.replace(self.run, tries=tries)

    def _set_state(self, state: MessageState) -> None:
        if may_become(self.state, state):
            self.state = state


def driven(world: World) -> tuple[Drive, Finish]:
    """A world driven to its end."""
    run = Run(world.message_class, world.steps, START + micros(world.life_s))
    drive = Drive(world, run)
    return drive, drive.to_the_end()


@given(worlds)
def test_every_run_ends_and_soon(world: World) -> None:
    drive, _ = driven(world)
    attempts = len(world.steps) * (len(LINES) + 2)  # each line once, one resend, one that is passed over
    assert len(drive.decided) <= 4 * (attempts + EVENTS_MAX)


@given(worlds)
def test_the_same_question_has_the_same_answer(world: World) -> None:
    drive, _ = driven(world)
    assert all(decide(run, now) == decision for run, now, decision in drive.decided)


@given(worlds)
def test_a_wait_has_an_end_that_is_still_to_come(world: World) -> None:
    drive, _ = driven(world)
    assert all(decision.at > now for _, now, decision in drive.decided if isinstance(decision, WaitUntil))


def sent(drive: Drive) -> list[tuple[Run, int, Send]]:
    """The decisions to send."""
    return [(run, now, decision) for run, now, decision in drive.decided if isinstance(decision, Send)]


@given(worlds)
def test_nothing_is_begun_at_the_deadline_or_later(world: World) -> None:
    drive, _ = driven(world)
    assert all(now < run.expires_at for run, now, _ in sent(drive))


@given(worlds)
def test_nothing_is_begun_after_success(world: World) -> None:
    drive, _ = driven(world)
    for run, _, _ in sent(drive):
        assert not any(succeeds(t.state, run.steps[t.step].success) for t in run.tries)


@given(worlds)
def test_nothing_is_begun_beside_one_that_was_taken_and_has_its_time(world: World) -> None:
    drive, _ = driven(world)
    for run, now, _ in sent(drive):
        for one in run.tries:
            if one.state in (AttemptState.ACCEPTED, AttemptState.DELIVERED):
                assert one.accepted_at is not None
                assert now >= one.accepted_at + micros(run.steps[one.step].wait_s)


@given(worlds)
def test_one_attempt_at_a_time(world: World) -> None:
    drive, _ = driven(world)
    for run, now, _ in sent(drive):
        for one in run.tries:
            assert one.state is not SUBMITTING
            if one.state is QUEUED:  # its line has let the time pass
                start_within_s = run.steps[one.step].start_within_s
                assert start_within_s is not None
                assert now >= one.planned_at + micros(start_within_s)


@given(worlds)
def test_no_step_is_gone_back_to(world: World) -> None:
    drive, _ = driven(world)
    for run, _, send in sent(drive):
        assert send.step >= max((t.step for t in run.tries), default=0)
        assert send.step not in {skip.step for skip in run.skips}
        assert not send.exclude & send.avoid


@given(worlds)
def test_a_step_is_doubled_no_oftener_than_its_class_allows(world: World) -> None:
    """More unanswered ones only where the step itself says `line` to unanswered ones."""
    drive, _ = driven(world)
    for place, step in enumerate(world.steps):
        unanswered = sum(t.step == place and t.state is UNKNOWN for t in drive.run.tries)
        if step.on.get(Reason.NO_ANSWER) != Action.LINE:
            assert unanswered <= 1 + RESENDS[world.message_class]


@given(worlds)
@example(
    World(
        MessageClass.PROMOTIONAL,
        tuple(Step(channel="smpp", success=word, wait_s=1.0) for word in ("accepted", "read", "accepted")),
        5.0,
        [  # one that was cancelled was delivered after all, while another has no answer
            Happening(0.0, 0, 6, Reason.NOT_A_USER),
            Happening(0.0, 0, 2, Reason.NOT_A_USER),
            Happening(0.0, 1, 1, Reason.NO_CREDIT),
            Happening(0.0, 2, 7, Reason.NOT_A_USER),
            Happening(0.0, 1, 0, Reason.NOT_A_USER),
        ],
        [],
    )
)
def test_advertising_is_never_sent_again_and_never_past_a_no(world: World) -> None:
    drive, _ = driven(dataclasses.replace(world, message_class=MessageClass.PROMOTIONAL))
    for run, _, _ in sent(drive):
        assert not any(t.state is UNKNOWN for t in run.tries)
        assert run.tries[-1:] == () or run.tries[-1].reason not in NO_TO_ADVERTISING


@given(worlds)
@settings(max_examples=200)
def test_the_end_is_one_that_the_message_may_take(world: World) -> None:
    drive, finish = driven(world)
    assert may_become(drive.state, finish.state), f"{drive.state} -> {finish.state}"
    known = best_state(drive.run)
    if known is MessageState.QUEUED:
        assert finish.state in (MessageState.FAILED, MessageState.REFUSED, MessageState.EXPIRED)
        assert finish.reason is not None
    else:
        assert finish.state is known
