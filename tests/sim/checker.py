"""What must hold after every commit, at every submission, and once all is quiet.

The checker reads the tables with statements of its own, and the providers' ledgers; it believes nothing that
the flows say of themselves. A message is known by its text, which the shop made and the provider saw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple, TypeVar

import apsw
import msgspec

from angarium.core.ports import Submission
from angarium.core.values import MessageClass, ReceiptStatus
from angarium.messaging.cascade import RESENDS
from angarium.messaging.states import (
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

ARRIVED = (M.DELIVERED, M.READ)
CERTAINLY_NOT = (M.FAILED, M.REFUSED, M.EXPIRED)


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
    finished_at: int | None


class AttemptRow(NamedTuple):
    """An attempt as it stands in the database."""

    id: int
    message_id: int
    step: int
    line_id: int
    state: AttemptState
    tries: int
    address: str
    cost_micros: int


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


class Checker:
    """Looks at the database after every change. What is wrong is gathered: loops swallow exceptions."""

    def __init__(self, connection: apsw.Connection, clock: VirtualClock, note: Callable[[str], None]) -> None:
        self.wrong: list[str] = []
        self.messages: dict[int, MessageRow] = {}
        self.attempts: dict[int, AttemptRow] = {}
        self._connection = connection
        self._clock = clock
        self._note = note
        self._changes = connection.total_changes()
        self._opted_out: dict[int, frozenset[str]] = {}

    def blame(self, what: str) -> None:
        """Something that must not be."""
        self._note(f"WRONG {what}")
        self.wrong.append(what)

    # ── after every change ───────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """Compare what is there with what was there; called at the end of each transaction."""
        changes = self._connection.total_changes()
        if changes == self._changes:
            return
        self._changes = changes
        messages, attempts, opted_out = self._read()
        open_of = Counter(one.message_id for one in attempts.values() if one.state in OPEN_ATTEMPT)
        for message in messages.values():
            if message != (before := self.messages.get(message.id)):
                self._look_at_message(before, message)
        for attempt in attempts.values():
            if attempt != (old := self.attempts.get(attempt.id)):
                self._look_at_attempt(old, attempt, messages[attempt.message_id])
        for message_id, count in open_of.items():
            if count > 1:
                self.blame(f"{messages[message_id].reference} has {count} open attempts")
        self.messages, self.attempts, self._opted_out = messages, attempts, opted_out

    def _read(self) -> tuple[dict[int, MessageRow], dict[int, AttemptRow], dict[int, frozenset[str]]]:
        rows = self._connection.execute(
            "SELECT id, contact_id, state, reason, reference, class, cost_micros, expires_at, finished_at"
            " FROM message"
        )
        messages = {
            row[0]: MessageRow(
                row[0], row[1], M(row[2]), row[3], row[4], MessageClass(row[5]), row[6], row[7], row[8]
            )
            for row in rows
        }
        rows = self._connection.execute(
            "SELECT id, message_id, step, line_id, state, tries, address, cost_micros FROM attempt"
        )
        attempts = {
            row[0]: AttemptRow(row[0], row[1], row[2], row[3], A(row[4]), row[5], row[6], row[7])
            for row in rows
        }
        rows = self._connection.execute("SELECT id, opted_out FROM contact WHERE opted_out <> '[]'")
        return messages, attempts, {row[0]: frozenset(msgspec.json.decode(row[1])) for row in rows}

    def _look_at_message(self, before: MessageRow | None, now: MessageRow) -> None:
        self._note(f"{now.reference} is {now.state} {now.reason}{' ended' if now.finished_at else ''}")
        if before is None:
            return
        if now.state is not before.state and now.state not in MESSAGE_REACH[before.state]:
            self.blame(f"{now.reference} went from {before.state} to {now.state}")
        if before.finished_at is None:
            return
        if now.finished_at != before.finished_at:
            self.blame(f"{now.reference} ended twice")
        if now.state is not before.state and now.state not in GOOD_NEWS:
            self.blame(f"{now.reference} had ended as {before.state} and became {now.state}")

    def _look_at_attempt(self, before: AttemptRow | None, now: AttemptRow, message: MessageRow) -> None:
        self._note(f"{message.reference} step {now.step} line {now.line_id % 997} {now.state} {now.tries}")
        if message.finished_at is not None and now.state is A.QUEUED:
            self.blame(f"{message.reference} has ended and an attempt of it is queued")
        if before is None:
            return
        if now.state is not before.state and now.state not in ATTEMPT_REACH[before.state]:
            self.blame(f"an attempt of {message.reference} went from {before.state} to {now.state}")
        if now.tries != before.tries and now.state is A.SUBMITTING:
            self._look_at_intent(before, now, message)

    def _look_at_intent(self, before: AttemptRow, now: AttemptRow, message: MessageRow) -> None:
        """An intent may be written only of what was queued, is not ended, and is allowed by the person."""
        known = self.messages[message.id]
        if before.state is not A.QUEUED or now.tries != before.tries + 1:
            self.blame(f"{message.reference}: an intent was written twice")
        if known.finished_at is not None:
            self.blame(f"{message.reference} had ended as {known.state}, and an intent was written")
        if message.message_class in self._opted_out.get(message.contact_id, ()):
            self.blame(f"{message.reference}: an intent was written after the opt-out")

    # ── at every submission ──────────────────────────────────────────────────────────────────────────

    def submitted(self, submission: Submission, texts: Mapping[str, str], earlier: Iterable[Copy]) -> None:
        """A submission has reached the wire; `earlier` is what had reached this provider before."""
        attempt = self.attempts.get(submission.attempt_id)
        if attempt is None:
            self.blame(f"{submission.content.text} was submitted without an attempt")
            return
        message = self.messages[attempt.message_id]
        if attempt.state is not A.SUBMITTING:
            self.blame(f"{message.reference} was submitted while its attempt was {attempt.state}")
        copies = 1 + sum(copy.attempt_id == submission.attempt_id for copy in earlier)
        if copies > attempt.tries:
            self.blame(f"{message.reference} was submitted {copies} times on {attempt.tries} intents")
        if self._clock.now() >= message.expires_at:
            self.blame(f"{message.reference} was submitted after its deadline")
        if submission.content.text != texts.get(message.reference) or submission.address != attempt.address:
            self.blame(f"{message.reference} was submitted with other words or to another address")

    # ── once all is quiet ────────────────────────────────────────────────────────────────────────────

    def verdict(self, attempted: set[str], acked: set[str], ledger: list[Copy]) -> None:
        """Nothing accepted is lost or silent, nothing is unexpected, nothing is doubled beyond its class."""
        there = Counter(message.reference for message in self.messages.values())
        for reference in acked - there.keys():
            self.blame(f"{reference} was accepted and is gone")
        for reference in there.keys() - attempted:
            self.blame(f"{reference} was never asked for")
        for reference, count in there.items():
            if count > 1:
                self.blame(f"{reference} was accepted {count} times")
        copies: dict[int, list[Copy]] = {message_id: [] for message_id in self.messages}
        for copy in ledger:
            copies[self.attempts[copy.attempt_id].message_id].append(copy)
        for message in self.messages.values():
            self._judge_end(message, copies[message.id])
            self._judge_copies(message, copies[message.id])
        self._judge_receipts(ledger)

    def _judge_end(self, message: MessageRow, copies: list[Copy]) -> None:
        own = [one for one in self.attempts.values() if one.message_id == message.id]
        if message.finished_at is None:
            self.blame(f"{message.reference} never ended: {message.state}")
        if message.state not in ARRIVED and message.state is not M.SENT and not message.reason:
            self.blame(f"{message.reference} is {message.state} without a reason")
        for one in own:
            if one.state in OPEN_ATTEMPT:
                self.blame(f"{message.reference}: an attempt stayed {one.state}")
        if message.cost_micros != sum(one.cost_micros for one in own):
            self.blame(f"{message.reference} costs other than its attempts")
        if message.state in ARRIVED and not any(
            copy.heard & {ReceiptStatus.DELIVERED, ReceiptStatus.READ} for copy in copies
        ):
            self.blame(f"{message.reference} is {message.state}, and no provider said so of it")
        if message.state in CERTAINLY_NOT:
            out = [copy for copy in copies if copy.taken and ReceiptStatus.FAILED not in copy.heard]
            if out:
                self.blame(f"{message.reference} is {message.state}, and {out[0].line} has it")

    def _judge_copies(self, message: MessageRow, copies: list[Copy]) -> None:
        """Copies that may have reached the person: taken, and not reported as failed."""
        by_step = Counter(
            self.attempts[copy.attempt_id].step
            for copy in copies
            if copy.taken and ReceiptStatus.FAILED not in copy.heard
        )
        allowed = 1 + RESENDS[message.message_class]
        for step, count in by_step.items():
            if count > allowed:
                self.blame(f"{message.reference} went out {count} times in step {step}")

    def _judge_receipts(self, ledger: list[Copy]) -> None:
        """What was acknowledged was applied, or is parked and visible."""
        new = self._connection.execute("SELECT count(*) FROM journal WHERE state <> 'done'").fetchall()[0][0]
        if new:
            self.blame(f"{new} callbacks were journalled and not worked through")
        stuck = self._connection.execute(
            "SELECT count(*) FROM parked_receipt p JOIN part USING (workspace_id, line_id, ref)"
        ).fetchall()[0][0]
        if stuck:
            self.blame(f"{stuck} receipts are parked although their reference is known")
        for copy in ledger:
            for receipt in copy.said:
                if receipt.status is ReceiptStatus.DELIVERED and not self._knows(copy, receipt.ref):
                    self.blame(f"{copy.text} was reported as delivered on {copy.line}, and nobody knows")

    def _knows(self, copy: Copy, ref: str) -> bool:
        """Whether a delivery is written down: of the attempt, of its part, or parked."""
        if self.attempts[copy.attempt_id].state in (A.DELIVERED, A.READ):
            return True
        line_id = self.attempts[copy.attempt_id].line_id
        return bool(
            self._connection.execute(
                "SELECT 1 FROM part WHERE line_id = ?1 AND ref = ?2 AND total > 1"
                " AND state IN ('delivered', 'read') UNION ALL"
                " SELECT 1 FROM parked_receipt WHERE line_id = ?1 AND ref = ?2",
                (line_id, ref),
            ).fetchall()
        )
