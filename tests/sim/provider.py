"""Providers in memory, one behind each line. They outlive our process and keep a ledger of what reached them.

What one does is drawn from the seed: it takes a submission and says so, or its answer is lost, or the
submission never arrives; it refuses, throttles, drops the session; its receipts come early, late, twice,
in any order, or not at all. What it says of a message is true, except that it may say FAILED before or after
DELIVERED.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from angarium.core.ports import Accepted, Ears, Outcome, Raw, Receipt, Refused, Submission, Unknown
from angarium.core.values import Reason, ReceiptStatus
from sim.loop import VirtualClock

D, F, S, R = ReceiptStatus.DELIVERED, ReceiptStatus.FAILED, ReceiptStatus.SENT, ReceiptStatus.READ

NO_ANSWER_S = 10.0  # how long a line waits for an answer
REPEAT_S = 4.0  # a receipt that was not acknowledged is said again
REFUSALS = (
    Refused(Reason.NOT_A_USER, "11"),
    Refused(Reason.BAD_ADDRESS, "12"),
    Refused(Reason.BLOCKED_BY_USER, "13"),
    Refused(Reason.OPERATOR_BLACKLIST, "14"),
    Refused(Reason.CONTENT_REJECTED, "15"),
    Refused(Reason.NO_CREDIT, "16"),
    Refused(Reason.UNREACHABLE, "17"),
)
BUSY = (
    Refused(Reason.THROTTLED, "58"),
    Refused(Reason.THROTTLED, "58", retry_after_s=6.0),
    Refused(Reason.TEMPORARY, "8"),
)
# What becomes of a message that was taken, and how often out of a hundred.
FATES: dict[tuple[ReceiptStatus, ...], int] = {
    (): 15,
    (S,): 5,
    (D,): 30,
    (S, D): 20,
    (S, D, R): 10,
    (F,): 12,
    (S, F): 4,
    (F, D): 4,
}


@dataclass
class Copy:
    """One submission that reached a provider."""

    line: str
    attempt_id: int
    text: str
    taken: bool
    said: list[Receipt] = field(default_factory=list)  # receipts that we acknowledged

    @property
    def heard(self) -> set[ReceiptStatus]:
        """What we know of it, if we remember."""
        return {receipt.status for receipt in self.said}


class Provider:
    """One provider; `speaks_of` says how its receipts name a message beside their own reference."""

    def __init__(
        self,
        name: str,
        statuses: frozenset[ReceiptStatus],
        echoes: bool,
        part_chars: int | None,
        chance: random.Random,
        clock: VirtualClock,
        note: Callable[[str], None],
    ) -> None:
        self.name = name
        self.ledger: list[Copy] = []
        self.link: Link | None = None
        self._statuses = statuses
        self._echoes = echoes  # whether receipts carry our reference; the others carry the address
        self._part_chars = part_chars  # a longer text has two references; None: one for any text
        self._chance = chance
        self._clock = clock
        self._note = note
        self._refs = 0
        self.calm = False  # once calm, nothing more goes wrong by itself

    def take(self, link: Link, submission: Submission) -> None:
        """A submission has arrived, or has been lost on its way."""
        fate = self._chance.random() * 100
        if fate < 5:
            self._note(f"{self.name}: never arrived {_name(submission)}")
            link.answer_in(NO_ANSWER_S, submission.attempt_id, Unknown("no answer"))
        elif fate < 12:
            self._refuse(link, submission, self._chance.choice(BUSY))
        elif fate < 24:
            self._refuse(link, submission, self._chance.choice(REFUSALS))
        else:
            self._accept(link, submission, answer_lost=fate < 34)
        if not self.calm and self._chance.random() < 0.02:
            link.drop(self._chance.uniform(0.0, 3.0), self._chance.uniform(0.5, 30.0))

    def _refuse(self, link: Link, submission: Submission, refused: Refused) -> None:
        self._note(f"{self.name}: {refused.reason} {_name(submission)}")
        self.ledger.append(Copy(self.name, submission.attempt_id, _name(submission), taken=False))
        link.answer_in(self._answer_s(), submission.attempt_id, refused)

    def _accept(self, link: Link, submission: Submission, answer_lost: bool) -> None:
        copy = Copy(self.name, submission.attempt_id, _name(submission), taken=True)
        self.ledger.append(copy)
        refs = tuple(self._next_ref() for _ in range(self._parts(submission)))
        fate = self._chance.choices(list(FATES), list(FATES.values()))[0]
        self._note(f"{self.name}: took {copy.text} lost={answer_lost} {','.join(fate)}")
        outcome: Outcome = Unknown("no answer") if answer_lost else Accepted(refs)
        link.answer_in(NO_ANSWER_S if answer_lost else self._answer_s(), submission.attempt_id, outcome)
        for ref in refs:
            self._foretell(copy, submission, ref, fate)

    def _foretell(
        self, copy: Copy, submission: Submission, ref: str, fate: tuple[ReceiptStatus, ...]
    ) -> None:
        """Receipts of one part: mostly in order, sometimes not; some twice, some never."""
        delay_s = self._chance.choice((0.0, 0.5, 5.0, 30.0))
        for status in fate:
            if status not in self._statuses or self._chance.random() < 0.05:
                continue
            delay_s += self._chance.choice((0.001, 0.3, 2.0, 20.0))
            said_in_s = self._chance.uniform(0.0, delay_s) if self._chance.random() < 0.15 else delay_s
            receipt = Receipt(
                status,
                ref,
                client_ref=submission.client_ref if self._echoes else "",
                address="" if self._echoes else submission.address,
                reason=self._chance.choice((Reason.UNDELIVERED, Reason.NO_CREDIT, Reason.UNREACHABLE))
                if status is F
                else None,
            )
            for _ in range(self._chance.choice((1, 1, 1, 1, 2))):
                self._later(said_in_s, copy, receipt)
                said_in_s += self._chance.uniform(0.0, 10.0)

    def _later(self, seconds: float, copy: Copy, receipt: Receipt) -> None:
        asyncio.get_running_loop().call_later(seconds, self._say, copy, receipt)

    def _say(self, copy: Copy, receipt: Receipt) -> None:
        """Tell our side; what is not acknowledged is said again."""
        if self.link is None or not self.link.up():
            self._later(REPEAT_S, copy, receipt)
            return
        raw = Raw(msgspec.json.encode(receipt))
        told = asyncio.get_running_loop().create_task(self.link.ears.arrived(raw), name="receipt")

        def acknowledged(task: asyncio.Task[None]) -> None:
            if task.cancelled() or task.exception() is not None:
                self._later(REPEAT_S, copy, receipt)
            else:
                copy.said.append(receipt)
                self._note(f"{self.name}: said {receipt.status} {receipt.ref} of {copy.text}")

        told.add_done_callback(acknowledged)

    def _parts(self, submission: Submission) -> int:
        return 2 if self._part_chars is not None and len(submission.content.text) > self._part_chars else 1

    def _next_ref(self) -> str:
        self._refs += 1
        return f"{self.name}-{self._refs}"

    def _answer_s(self) -> float:
        return self._chance.choice((0.0, 0.02, 0.02, 0.2, 1.0, 9.0))


def _name(submission: Submission) -> str:
    """A message in the trace: its text begins with its reference."""
    return submission.content.text.partition(" ")[0]


class Link:
    """One connection to a provider: `core.ports.Connection`. `alive` says whether our process still lives."""

    def __init__(
        self, provider: Provider, clock: VirtualClock, ears: Ears, window: int, alive: Callable[[], bool]
    ) -> None:
        self.ears = ears
        self._provider = provider
        self._clock = clock
        self._window = window
        self._alive = alive
        self._open = False
        self._under_way: set[int] = set()

    def up(self) -> bool:
        """Whether both ends are there."""
        return self._open and self._alive()

    async def open(self) -> None:
        self._provider.link = self
        self._turn(True)

    def free(self) -> int:
        return max(0, self._window - len(self._under_way)) if self._open else 0

    def submit(self, batch: Sequence[Submission]) -> None:
        for one in batch:
            self._under_way.add(one.attempt_id)
            self._provider.take(self, one)

    async def close(self, grace_s: float) -> None:
        if not self._alive():
            return
        until = self._clock.monotonic() + grace_s
        while self._under_way and self._clock.monotonic() < until:
            await self._clock.sleep(0.25)
        self._open = False
        self._lose("the line was closed")

    def state(self) -> str:
        return "up" if self._open else "down"

    def answer_in(self, seconds: float, attempt_id: int, outcome: Outcome) -> None:
        """The provider's answer, unless the session has ended by then."""
        asyncio.get_running_loop().call_later(seconds, self._answer, attempt_id, outcome)

    def drop(self, in_s: float, for_s: float) -> None:
        """The session is lost, and comes back."""
        loop = asyncio.get_running_loop()
        loop.call_later(in_s, self._turn, False)
        loop.call_later(in_s + for_s, self._turn, True)

    def _turn(self, there: bool) -> None:
        if not self._alive() or self._provider.link is not self:
            return
        self._open = there
        if not there:
            self._lose("the session was lost")
        self.ears.room()

    def _lose(self, why: str) -> None:
        for attempt_id in sorted(self._under_way):
            self._answer(attempt_id, Unknown(why))

    def _answer(self, attempt_id: int, outcome: Outcome) -> None:
        if self._alive() and attempt_id in self._under_way:
            self._under_way.discard(attempt_id)
            self.ears.outcome(attempt_id, outcome)
            self.ears.room()
