"""What must hold after every commit and at every submission.

The checker reads the tables with statements of its own, and the providers' ledgers; it believes nothing that
the flows say of themselves. A message is known by its reference, which the shop made; the text that the
provider sees begins with it. What must hold once all is quiet is in `verdict.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple, TypeVar

import apsw
import msgspec

from angarium.core.clock import micros
from angarium.core.ports import Submission
from angarium.core.values import MessageClass
from angarium.messaging.cascade import HOLD_S, RANK_WANTED, Step
from angarium.messaging.states import (
    ATTEMPT_SUCCESS,
    ATTEMPT_TRANSITIONS,
    MESSAGE_TRANSITIONS,
    OPEN_ATTEMPT,
    AttemptState,
    MessageState,
)
from sim.loop import VirtualClock
from sim.provider import Copy

A, M = AttemptState, MessageState
S = TypeVar("S", bound=StrEnum)


class Rule(StrEnum):
    """What must hold. The promises (P…) are those of docs/reliability.md."""

    OWNER = "one owner"  # P17
    TABLE = "no state outside the table"
    BACK = "no state goes back"  # P8
    ENDED = "what has ended stays ended"  # P8
    OPEN = "one open attempt of a message"
    TIMED = "what waits has a time at which it is looked at"
    PROMPT = "what is due is decided soon"  # P11
    KEPT = "what was accepted stays"  # P1
    INTENT = "no byte before its intent is committed"  # P4
    EXPIRY = "nothing is submitted after its deadline"  # P10
    WORDS = "the same words to the same address, each time"  # P10
    OPT_OUT = "nothing is claimed after the opt-out"
    SUCCESS = "nothing is claimed after success"  # P12
    EARLY = "nothing is claimed while an earlier try is hoped for"  # P11
    UNKNOWN = "what is unknown is not sent again where that must not be"  # P6
    LOST = "nothing is lost"  # P1
    UNEXPECTED = "nothing is unexpected"  # P7
    DOUBLED = "nothing is doubled beyond its class"  # P5
    SILENT = "everything ends, and says why"  # P3
    HONEST = "what is said of a message is so"
    HEARD = "every receipt is applied or parked"  # P9
    COST = "a message costs what its attempts cost"
    LOG = "no alarm in the log"


class Wrong(NamedTuple):
    """A rule that did not hold."""

    rule: Rule
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


class MessageRow(NamedTuple):
    """A message as it stands in the database."""

    id: int
    contact_id: int
    state: MessageState
    reason: str
    reference: str
    message_class: MessageClass
    cost_micros: int
    expires_at: int
    decide_at: int | None
    finished_at: int | None
    cascade_version_id: int


class AttemptRow(NamedTuple):
    """An attempt as it stands in the database."""

    id: int
    message_id: int
    step: int
    line_id: int
    state: AttemptState
    tries: int
    epoch: int
    address: str
    cost_micros: int
    planned_at: int
    accepted_at: int | None
    ended_at: int | None


MESSAGES = (
    "SELECT id, contact_id, state, reason, reference, class, cost_micros, expires_at, decide_at, finished_at,"
    " cascade_version_id FROM message"
)
ATTEMPTS = (
    "SELECT id, message_id, step, line_id, state, tries, epoch, address, cost_micros, planned_at,"
    " accepted_at, ended_at FROM attempt"
)
OPT_OUTS = "SELECT id, opted_out FROM contact WHERE opted_out <> '[]'"
OWNERS = "SELECT line_id, epoch FROM line_owner"


def reach(table: Mapping[S, frozenset[S]]) -> dict[S, frozenset[S]]:
    """Where each state may come to within one transaction, which may take several steps."""
    reached = {state: set(nexts) for state, nexts in table.items()}
    for _ in table:
        for nexts in reached.values():
            nexts |= {further for state in nexts for further in reached[state]}
    return {state: frozenset(nexts) for state, nexts in reached.items()}


MESSAGE_REACH, ATTEMPT_REACH = reach(MESSAGE_TRANSITIONS), reach(ATTEMPT_TRANSITIONS)
# Once a message has ended: nothing but the single steps that good news takes.
GOOD_NEWS = frozenset({M.SENT, M.DELIVERED, M.READ})
MESSAGE_RANK = {M.SENT: 1, M.DELIVERED: 2, M.READ: 3}


class Checker:
    """Looks at the database after every change. What is wrong is gathered: loops swallow exceptions.

    `late_s` is how late a decision may come while a server runs.
    """

    def __init__(
        self, connection: apsw.Connection, clock: VirtualClock, note: Callable[[str], None], late_s: float
    ) -> None:
        self.wrong: list[Wrong] = []
        self.messages: dict[int, MessageRow] = {}
        self.attempts: dict[int, AttemptRow] = {}
        self.doubted: set[int] = set()  # attempts that were unknown at some time
        self.up_since: float | None = None  # since when a server has been running without a fault
        self._connection = connection
        self._clock = clock
        self._note = note
        self._late_s = late_s
        self._changes = connection.total_changes()
        self._raw: dict[int, tuple[object, ...]] = {}  # rows as they were read last, of both tables
        self._of_message: dict[int, set[int]] = {}  # attempts of each message
        self._opted_out: dict[int, frozenset[str]] = {}
        self._owners: dict[int, int] = {}
        self._steps: dict[int, tuple[Step, ...]] = {}

    def blame(self, rule: Rule, what: str) -> None:
        """Something that must not be."""
        self._note(f"WRONG {rule}: {what}")
        self.wrong.append(Wrong(rule, what))

    def attempts_of(self, message_id: int) -> list[AttemptRow]:
        """The attempts of a message, oldest first."""
        return [self.attempts[one] for one in sorted(self._of_message.get(message_id, ()))]

    def steps_of(self, message: MessageRow) -> tuple[Step, ...]:
        """The steps of its cascade, as they were settled."""
        version = message.cascade_version_id
        if version not in self._steps:
            found = self._connection.execute("SELECT steps FROM cascade_version WHERE id = ?", (version,))
            self._steps[version] = msgspec.json.decode(found.fetchall()[0][0], type=tuple[Step, ...])
        return self._steps[version]

    # ── after every change ───────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """Compare what is there with what was there; called at the end of each transaction."""
        changes = self._connection.total_changes()
        if changes == self._changes:
            return
        self._changes = changes
        self._look_at_owners()
        touched = self._look_at_attempts()
        count = 0
        for row in self._connection.execute(MESSAGES):
            count += 1
            if self._raw.get(row[0]) != row:
                self._raw[row[0]] = row
                self._look_at_message(_message(row))
        if count < len(self.messages):
            self.blame(Rule.KEPT, f"{len(self.messages) - count} messages are gone")
        for attempt_id in touched:
            self._look_at_whole(self.messages[self.attempts[attempt_id].message_id])
        opted_out = self._connection.execute(OPT_OUTS)
        self._opted_out = {row[0]: frozenset(msgspec.json.decode(row[1])) for row in opted_out}

    def _look_at_owners(self) -> None:
        for line_id, epoch in self._connection.execute(OWNERS):
            if epoch < self._owners.get(line_id, 0):
                self.blame(Rule.OWNER, f"line {line_id % 997} went back to an older owner")
            self._owners[line_id] = epoch

    def _look_at_attempts(self) -> list[int]:
        """The attempts that have changed."""
        changed = [row for row in self._connection.execute(ATTEMPTS) if self._raw.get(row[0]) != row]
        before = {row[0]: self.attempts.get(row[0]) for row in changed}
        for row in changed:  # a claim is judged by what was known before it
            if row[4] == A.SUBMITTING and (old := before[row[0]]) is not None and row[5] != old.tries:
                self._look_at_intent(old, _attempt(row))
        for row in changed:
            self._raw[row[0]] = row
            now = self.attempts[row[0]] = _attempt(row)
            self._of_message.setdefault(now.message_id, set()).add(now.id)
            if now.state is A.UNKNOWN:
                self.doubted.add(now.id)
            if (old := before[now.id]) is not None:
                self._look_at_change(old, now)
        return [row[0] for row in changed]

    def _look_at_message(self, now: MessageRow) -> None:
        before = self.messages.get(now.id)
        self.messages[now.id] = now
        self._note(f"{now.reference} is {now.state} {now.reason}{' ended' if now.finished_at else ''}")
        if now.finished_at is None and now.decide_at is None:
            self.blame(Rule.TIMED, f"{now.reference} is {now.state} and nobody will look at it again")
        if before is None:
            return
        if now.state is not before.state:
            self._look_at_states(now.reference, before.state, now.state, MESSAGE_RANK, MESSAGE_REACH)
        if before.finished_at is None:
            self._look_at_time(before, now)
            return
        if now.finished_at != before.finished_at:
            self.blame(Rule.ENDED, f"{now.reference} ended twice")
        if now.state is not before.state and now.state not in GOOD_NEWS:
            self.blame(Rule.ENDED, f"{now.reference} had ended as {before.state} and became {now.state}")

    def _look_at_states(
        self, whose: str, old: S, new: S, rank: Mapping[S, int], reached: Mapping[S, frozenset[S]]
    ) -> None:
        if rank.get(new, 9) < rank.get(old, 0):
            self.blame(Rule.BACK, f"{whose} went from {old} back to {new}")
        elif new not in reached[old]:
            self.blame(Rule.TABLE, f"{whose} went from {old} to {new}")

    def _look_at_time(self, before: MessageRow, now: MessageRow) -> None:
        """A decision that was due while a server ran."""
        if before.decide_at is None or now.decide_at == before.decide_at or self.up_since is None:
            return
        up_s = self._clock.monotonic() - self.up_since
        late_s = (self._clock.now() - before.decide_at) / 1_000_000
        if min(late_s, up_s) > self._late_s:
            self.blame(Rule.PROMPT, f"{now.reference} was decided {late_s:.1f} s late")

    def _look_at_change(self, before: AttemptRow, now: AttemptRow) -> None:
        whose = f"an attempt of {self.messages[now.message_id].reference}"
        if now.state is not before.state:
            self._look_at_states(whose, before.state, now.state, ATTEMPT_SUCCESS, ATTEMPT_REACH)

    def _look_at_whole(self, message: MessageRow) -> None:
        own = self.attempts_of(message.id)
        last = own[-1]
        self._note(
            f"{message.reference} step {last.step} line {last.line_id % 997} {last.state} {last.tries}"
        )
        still_open = [one for one in own if one.state in OPEN_ATTEMPT]
        if len(still_open) > 1:
            self.blame(Rule.OPEN, f"{message.reference} has {len(still_open)} open attempts")
        if message.finished_at is not None and any(one.state is A.QUEUED for one in own):
            self.blame(Rule.ENDED, f"{message.reference} has ended and an attempt of it is queued")

    # ── at every claim ───────────────────────────────────────────────────────────────────────────────

    def _look_at_intent(self, before: AttemptRow, now: AttemptRow) -> None:
        """An intent may be written only of what was queued, has not ended, and is allowed by the person."""
        message = self.messages[now.message_id]
        if before.state is not A.QUEUED or now.tries != before.tries + 1:
            self.blame(Rule.INTENT, f"{message.reference}: an intent was written twice")
        if now.epoch != self._owners.get(now.line_id):
            self.blame(Rule.OWNER, f"{message.reference} was claimed by a server that had lost the line")
        if message.finished_at is not None:
            self.blame(Rule.ENDED, f"{message.reference} had ended as {message.state}, and was claimed")
        if message.message_class in self._opted_out.get(message.contact_id, ()):
            self.blame(Rule.OPT_OUT, f"{message.reference} was claimed after the opt-out")
        steps = self.steps_of(message)
        for other in self.attempts_of(message.id):
            if other.id != now.id:
                self._look_at_earlier(message, steps[other.step], other)

    def _look_at_earlier(self, message: MessageRow, step: Step, other: AttemptRow) -> None:
        """What was committed of another attempt of the message before this one was claimed."""
        rank, now = ATTEMPT_SUCCESS.get(other.state, 0), self._clock.now()
        if rank >= RANK_WANTED[step.success]:
            self.blame(Rule.SUCCESS, f"{message.reference} was claimed after step {other.step} succeeded")
        elif rank and now < (other.accepted_at or 0) + micros(step.wait_s):
            self.blame(Rule.EARLY, f"{message.reference} was claimed before step {other.step} had its time")
        elif other.state is A.UNKNOWN:
            if message.message_class is MessageClass.PROMOTIONAL:
                self.blame(
                    Rule.UNKNOWN, f"{message.reference} was claimed though step {other.step} is unknown"
                )
            elif now < (other.ended_at or 0) + micros(
                HOLD_S[message.message_class]
            ) and not self._another_stands_for(other):
                self.blame(Rule.EARLY, f"{message.reference} was claimed while evidence was awaited")

    def _another_stands_for(self, unknown: AttemptRow) -> bool:
        """Whether an earlier try of its step was heard to have been taken since it was planned: that one is
        waited for, and no evidence of this one (`cascade.py`, rule 6)."""
        return any(
            one.step == unknown.step
            and one.state in ATTEMPT_SUCCESS
            and (one.accepted_at or 0) >= unknown.planned_at
            for one in self.attempts_of(unknown.message_id)
        )

    # ── at every submission ──────────────────────────────────────────────────────────────────────────

    def submitted(self, submission: Submission, texts: Mapping[str, str], earlier: Iterable[Copy]) -> None:
        """A submission has reached the wire; `earlier` is what had reached this provider before."""
        attempt = self.attempts.get(submission.attempt_id)
        if attempt is None:
            self.blame(Rule.INTENT, f"{submission.content.text} was submitted without an attempt")
            return
        message = self.messages[attempt.message_id]
        if attempt.state is not A.SUBMITTING:
            self.blame(Rule.INTENT, f"{message.reference} was submitted while it was {attempt.state}")
        copies = 1 + sum(copy.attempt_id == submission.attempt_id for copy in earlier)
        if copies > attempt.tries:
            self.blame(
                Rule.INTENT, f"{message.reference} was submitted {copies} times: {attempt.tries} intents"
            )
        if self._clock.now() >= message.expires_at:
            self.blame(Rule.EXPIRY, f"{message.reference} was submitted after its deadline")
        if submission.content.text != texts.get(message.reference) or submission.address != attempt.address:
            self.blame(Rule.WORDS, f"{message.reference} was submitted with other words or elsewhere")


def _message(row: tuple[object, ...]) -> MessageRow:
    values = list(row)
    values[2], values[5] = M(row[2]), MessageClass(row[5])
    return MessageRow(*values)  # type: ignore[arg-type]


def _attempt(row: tuple[object, ...]) -> AttemptRow:
    values = list(row)
    values[4] = A(row[4])
    return AttemptRow(*values)  # type: ignore[arg-type]
