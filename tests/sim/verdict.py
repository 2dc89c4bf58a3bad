"""Once all is quiet: what the providers' ledgers say of what the shop asked for.

After the checker of Jepsen (total-queue): attempted, acknowledged and delivered are compared as bags, and
only after a full drain.
"""

from __future__ import annotations

from collections import Counter

import apsw

from angarium.core.values import ReceiptStatus
from angarium.messaging.cascade import RESENDS
from angarium.messaging.states import OPEN_ATTEMPT, AttemptState, MessageState
from sim.checker import Checker, MessageRow, Rule
from sim.provider import Copy

A, M = AttemptState, MessageState

ARRIVED = (M.DELIVERED, M.READ)
CERTAINLY_NOT = (M.FAILED, M.REFUSED, M.EXPIRED)


class Verdict:
    """Judges the whole run; what is wrong is told to the checker."""

    def __init__(self, checker: Checker, connection: apsw.Connection, ledger: list[Copy]) -> None:
        self._checker = checker
        self._connection = connection
        self._ledger = ledger

    def judge(self, attempted: set[str], acked: set[str]) -> None:
        """Nothing accepted is lost or silent, nothing is unexpected, nothing is doubled beyond its class."""
        self._judge_orders(attempted, acked)
        copies: dict[int, list[Copy]] = {message_id: [] for message_id in self._checker.messages}
        for copy in self._ledger:
            copies[self._checker.attempts[copy.attempt_id].message_id].append(copy)
        for message in self._checker.messages.values():
            self._judge_end(message)
            self._judge_truth(message, copies[message.id])
            self._judge_copies(message, copies[message.id])
        self._judge_receipts()

    def _judge_orders(self, attempted: set[str], acked: set[str]) -> None:
        there = Counter(message.reference for message in self._checker.messages.values())
        for reference in sorted(acked - there.keys()):
            self._checker.blame(Rule.LOST, f"{reference} was accepted and is gone")
        for reference in sorted(there.keys() - attempted):
            self._checker.blame(Rule.UNEXPECTED, f"{reference} was never asked for")
        for reference, count in there.items():
            if count > 1:
                self._checker.blame(Rule.UNEXPECTED, f"{reference} was accepted {count} times")

    def _judge_end(self, message: MessageRow) -> None:
        own = self._checker.attempts_of(message.id)
        if message.finished_at is None:
            self._checker.blame(Rule.SILENT, f"{message.reference} never ended: {message.state}")
        if message.state not in ARRIVED and message.state is not M.SENT and not message.reason:
            self._checker.blame(Rule.SILENT, f"{message.reference} is {message.state} without a reason")
        for one in own:
            if one.state in OPEN_ATTEMPT:
                self._checker.blame(Rule.SILENT, f"{message.reference}: an attempt stayed {one.state}")
        if message.cost_micros != sum(one.cost_micros for one in own):
            self._checker.blame(Rule.COST, f"{message.reference} costs other than its attempts")

    def _judge_truth(self, message: MessageRow, copies: list[Copy]) -> None:
        if message.state in ARRIVED and not any(
            copy.heard & {ReceiptStatus.DELIVERED, ReceiptStatus.READ} for copy in copies
        ):
            self._checker.blame(
                Rule.HONEST, f"{message.reference} is {message.state}, and no provider said so of it"
            )
        if message.state in CERTAINLY_NOT and (out := _out(copies)):
            self._checker.blame(
                Rule.HONEST, f"{message.reference} is {message.state}, and {out[0].line} has it"
            )

    def _judge_copies(self, message: MessageRow, copies: list[Copy]) -> None:
        """Copies that may have reached the person: never more than attempts in doubt allow in this class."""
        own = self._checker.attempts_of(message.id)
        step_of = {one.id: one.step for one in own}
        for step, count in Counter(step_of[copy.attempt_id] for copy in _out(copies)).items():
            doubted = sum(one.step == step and one.id in self._checker.doubted for one in own)
            allowed = 1 + min(RESENDS[message.message_class], doubted)
            if count > allowed:
                self._checker.blame(
                    Rule.DOUBLED, f"{message.reference} went out {count} times in step {step}"
                )

    def _judge_receipts(self) -> None:
        """What was acknowledged was applied, or is parked and visible."""
        new = self._count("SELECT count(*) FROM journal WHERE state = 'new'")
        if new:
            self._checker.blame(Rule.HEARD, f"{new} callbacks were journalled and not worked through")
        stuck = self._count(
            "SELECT count(*) FROM parked_receipt p JOIN part USING (workspace_id, line_id, ref)"
        )
        if stuck:
            self._checker.blame(Rule.HEARD, f"{stuck} receipts are parked although their reference is known")
        for copy in self._ledger:
            for receipt in copy.said:
                if receipt.status is ReceiptStatus.DELIVERED and not self._knows(copy, receipt.ref):
                    what = f"{copy.text} was reported as delivered on {copy.line}, and nobody knows"
                    self._checker.blame(Rule.HEARD, what)

    def _count(self, statement: str) -> int:
        found = self._connection.execute(statement).fetchall()[0][0]
        assert isinstance(found, int)
        return found

    def _knows(self, copy: Copy, ref: str) -> bool:
        """Whether a delivery is written down: of the attempt, of its part, or parked."""
        attempt = self._checker.attempts[copy.attempt_id]
        if attempt.state in (A.DELIVERED, A.READ):
            return True
        return bool(
            self._connection.execute(
                "SELECT 1 FROM part WHERE line_id = ?1 AND ref = ?2 AND total > 1"
                " AND state IN ('delivered', 'read') UNION ALL"
                " SELECT 1 FROM parked_receipt WHERE line_id = ?1 AND ref = ?2",
                (attempt.line_id, ref),
            ).fetchall()
        )


def _out(copies: list[Copy]) -> list[Copy]:
    """Those that were taken, and not reported as failed."""
    return [copy for copy in copies if copy.taken and ReceiptStatus.FAILED not in copy.heard]
