"""Providers in memory, one behind each line. They outlive our processes and keep a ledger of what came.

What one does is drawn from the seed: it takes a submission and says so, or its answer is lost, late or said
twice, or the submission never arrives; it refuses, throttles, drops the session, is out for a while; its
receipts come early, late, twice, in any order, of nobody, or not at all. What it says of a message is true,
except that it may say FAILED before or after DELIVERED.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

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
THROTTLED = Refused(Reason.THROTTLED, "58")
BUSY = (THROTTLED, Refused(Reason.THROTTLED, "58", retry_after_s=6.0), Refused(Reason.TEMPORARY, "8"))
OUT = Refused(Reason.TEMPORARY, "503")
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
FATE_WORDS, FATE_WEIGHTS = list(FATES), list(FATES.values())


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


class Gate(Protocol):
    """What a connection sees of our process."""

    alive: bool

    @property
    def still(self) -> bool:
        """Whether it is stopped for a while."""

    def step(self) -> bool:
        """One more thing is about to be written; False when the process falls before it is."""

    def run(self, work: Callable[[], None]) -> None:
        """Do something in the process, later when it stands still, never when it is gone."""


@dataclass(frozen=True)
class Kind:
    """What kind of provider it is."""

    statuses: frozenset[ReceiptStatus]
    echoes: bool = False  # its receipts carry our reference; those of the others carry the address
    part_chars: int | None = None  # a longer text has two references; None: one for any text
    keyed: bool = False  # it knows a submission by our reference and takes it once
    answers_late: bool = False  # an answer after the time-out still comes, as evidence


class Provider:
    """One provider. Once `calm`, nothing more goes wrong by itself."""

    def __init__(
        self,
        name: str,
        kind: Kind,
        chance: random.Random,
        clock: VirtualClock,
        note: Callable[[str], None],
        lost: float,
    ) -> None:
        self.name = name
        self.ledger: list[Copy] = []
        self.link: Link | None = None
        self.calm = False
        self.out: tuple[float, float] = (0.0, 0.0)  # from when to when it takes nothing
        self._kind = kind
        self._chance = chance
        self._clock = clock
        self._note = note
        self._lost = lost  # share of good answers that do not come
        self._refs = 0
        self._answers: dict[str, Outcome] = {}  # by key

    def take(self, link: Link, submission: Submission) -> None:
        """A submission has arrived, or has been lost on its way."""
        fate = self._chance.random() * 100
        if submission.client_ref in self._answers:
            self._note(f"{self.name}: knows {_name(submission)}")
            link.answer_in(self._answer_s(), submission.attempt_id, self._answers[submission.client_ref])
        elif fate < 5:
            self._note(f"{self.name}: never arrived {_name(submission)}")
            link.answer_in(NO_ANSWER_S, submission.attempt_id, Unknown("no answer"))
        elif self.out[0] <= self._clock.monotonic() < self.out[1]:
            self._refuse(link, submission, OUT)
        elif fate < 12:
            self._refuse(link, submission, self._chance.choice(BUSY))
        elif fate < 24:
            self._refuse(link, submission, self._chance.choice(REFUSALS))
        else:
            self._accept(link, submission, lost=self._chance.random() < self._lost)
        if not self.calm and self._chance.random() < 0.02:
            link.drop(self._chance.uniform(0.0, 3.0), self._chance.uniform(0.5, 30.0))

    def greets_in_s(self) -> float:
        """How long it takes to be connected."""
        return self._chance.choice((0.0, 0.05, 2.0, 12.0)) if not self.calm else 0.0

    def say_of_nobody(self) -> None:
        """A receipt for something that was never ours."""
        self._later(
            0.0, Copy(self.name, 0, "nobody", taken=False), Receipt(F, self._next_ref(), address="+1")
        )

    def _refuse(self, link: Link, submission: Submission, refused: Refused) -> None:
        self._note(f"{self.name}: {refused.reason} {_name(submission)}")
        self.ledger.append(Copy(self.name, submission.attempt_id, _name(submission), taken=False))
        if self._kind.answers_late and self._chance.random() < 0.1:
            late = Receipt(F, client_ref=submission.client_ref, reason=refused.reason)
            self._answer_late(link, submission, late)
        else:
            link.answer_in(self._answer_s(), submission.attempt_id, refused)

    def _accept(self, link: Link, submission: Submission, lost: bool) -> None:
        copy = Copy(self.name, submission.attempt_id, _name(submission), taken=True)
        self.ledger.append(copy)
        refs = tuple(self._next_ref() for _ in range(self._parts(submission)))
        fate = self._chance.choices(FATE_WORDS, FATE_WEIGHTS)[0]
        self._note(f"{self.name}: took {copy.text} lost={lost} {','.join(fate)}")
        if self._kind.keyed:
            self._answers[submission.client_ref] = Accepted(refs)
        if not lost:
            self._answer(link, submission.attempt_id, Accepted(refs))
        elif self._kind.answers_late and len(refs) == 1 and self._chance.random() < 0.5:
            late = Receipt(ReceiptStatus.ACCEPTED, refs[0], client_ref=submission.client_ref)
            self._answer_late(link, submission, late)
        else:
            link.answer_in(NO_ANSWER_S, submission.attempt_id, Unknown("no answer"))
        for ref in refs:
            self._foretell(copy, submission, ref, fate)

    def _answer(self, link: Link, attempt_id: int, outcome: Outcome) -> None:
        """Mostly once."""
        seconds = self._answer_s()
        link.answer_in(seconds, attempt_id, outcome)
        if self._chance.random() < 0.05:
            link.answer_in(seconds + 0.3, attempt_id, outcome)

    def _answer_late(self, link: Link, submission: Submission, late: Receipt) -> None:
        """No answer in time; it comes, while this session lasts, as evidence."""
        link.answer_in(NO_ANSWER_S, submission.attempt_id, Unknown("no answer"))
        copy = Copy(self.name, submission.attempt_id, _name(submission), taken=False)
        seconds = NO_ANSWER_S + self._chance.choice((0.001, 1.0, 12.0, 70.0))
        for _ in range(self._chance.choice((1, 1, 2))):
            asyncio.get_running_loop().call_later(seconds, self._say_on, link, copy, late)

    def _say_on(self, link: Link, copy: Copy, receipt: Receipt) -> None:
        if link is self.link and link.up():
            self._say(copy, receipt, again=False)

    def _foretell(
        self, copy: Copy, submission: Submission, ref: str, fate: tuple[ReceiptStatus, ...]
    ) -> None:
        """Receipts of one part: mostly in order, sometimes not; some twice, some never."""
        delay_s = self._chance.choice((0.0, 0.5, 5.0, 30.0))
        for status in fate:
            if status not in self._kind.statuses or self._chance.random() < 0.05:
                continue
            delay_s += self._chance.choice((0.001, 0.3, 2.0, 20.0))
            said_in_s = self._chance.uniform(0.0, delay_s) if self._chance.random() < 0.15 else delay_s
            receipt = Receipt(
                status,
                ref,
                client_ref=submission.client_ref if self._kind.echoes else "",
                address="" if self._kind.echoes else submission.address,
                reason=self._chance.choice((Reason.UNDELIVERED, Reason.NO_CREDIT, Reason.UNREACHABLE))
                if status is F
                else None,
            )
            for _ in range(self._chance.choice((1, 1, 1, 1, 2))):
                self._later(said_in_s, copy, receipt)
                said_in_s += self._chance.uniform(0.0, 10.0)

    def _later(self, seconds: float, copy: Copy, receipt: Receipt) -> None:
        asyncio.get_running_loop().call_later(seconds, self._say, copy, receipt)

    def _say(self, copy: Copy, receipt: Receipt, again: bool = True) -> None:
        """Tell our side; what is not acknowledged is said again."""
        link = self.link
        if link is None or not link.up():
            if again:
                self._later(REPEAT_S, copy, receipt)
            return
        told = link.tell(Raw(msgspec.json.encode(receipt)))

        def acknowledged(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception() is None:
                copy.said.append(receipt)
                self._note(f"{self.name}: said {receipt.status} {receipt.ref} of {copy.text}")
            elif again:
                self._later(REPEAT_S, copy, receipt)

        told.add_done_callback(acknowledged)

    def _parts(self, submission: Submission) -> int:
        chars = self._kind.part_chars
        return 2 if chars is not None and len(submission.content.text) > chars else 1

    def _next_ref(self) -> str:
        self._refs += 1
        return f"{self.name}-{self._refs}"

    def _answer_s(self) -> float:
        return self._chance.choice((0.0, 0.02, 0.02, 0.2, 1.0, 9.0))


def _name(submission: Submission) -> str:
    """A message in the trace: its text begins with its reference."""
    return submission.content.text.partition(" ")[0]


class Link:
    """One connection of one of our processes to a provider: `core.ports.Connection`."""

    def __init__(
        self, provider: Provider, clock: VirtualClock, ears: Ears, window: int, process: Gate
    ) -> None:
        self.ears = ears
        self._provider = provider
        self._clock = clock
        self._window = window
        self._process = process
        self._open = False
        self._under_way: dict[int, int] = {}  # attempt -> which submission of this link it was
        self._submissions = 0

    def up(self) -> bool:
        """Whether both ends are there."""
        return self._open and self._process.alive and not self._process.still

    def tell(self, raw: Raw) -> asyncio.Task[None]:
        """Bytes of the provider arrive in our process; done when they are acknowledged."""
        told: list[asyncio.Task[None]] = []
        self._process.run(lambda: told.append(asyncio.get_running_loop().create_task(_hear(self.ears, raw))))
        return told[0]

    async def open(self) -> None:
        self._provider.link = self
        asyncio.get_running_loop().call_later(self._provider.greets_in_s(), self._turn, True)

    def free(self) -> int:
        return max(0, self._window - len(self._under_way)) if self._open else 0

    def submit(self, batch: Sequence[Submission]) -> None:
        for one in batch:
            self._submissions += 1
            self._under_way[one.attempt_id] = self._submissions
            if self._process.step():
                self.write(one)

    def write(self, submission: Submission) -> None:
        """Its bytes leave."""
        self._provider.take(self, submission)

    async def close(self, grace_s: float) -> None:
        until = self._clock.monotonic() + grace_s
        while self._process.alive and self._under_way and self._clock.monotonic() < until:
            await self._clock.sleep(0.25)
        self._open = False
        self._lose("the line was closed")
        self._under_way.clear()  # what a server that stands still did not hear, its line says itself

    def state(self) -> str:
        return "up" if self._open else "down"

    def answer_in(self, seconds: float, attempt_id: int, outcome: Outcome) -> None:
        """The provider's answer, unless the session has ended by then."""
        number = self._under_way[attempt_id]
        asyncio.get_running_loop().call_later(seconds, self._answer, attempt_id, number, outcome)

    def drop(self, in_s: float, for_s: float) -> None:
        """The session is lost, and comes back."""
        loop = asyncio.get_running_loop()
        loop.call_later(in_s, self._turn, False)
        loop.call_later(in_s + for_s, self._turn, True)

    def _turn(self, there: bool) -> None:
        if self._provider.link is self:
            self._process.run(lambda: self._now(there))

    def _now(self, there: bool) -> None:
        self._open = there
        if not there:
            self._lose("the session was lost")
        self.ears.room()

    def _lose(self, why: str) -> None:
        for attempt_id, number in list(self._under_way.items()):
            self._answer(attempt_id, number, Unknown(why))

    def _answer(self, attempt_id: int, number: int, outcome: Outcome) -> None:
        self._process.run(lambda: self._hear_answer(attempt_id, number, outcome))

    def _hear_answer(self, attempt_id: int, number: int, outcome: Outcome) -> None:
        if self._under_way.get(attempt_id) == number:
            del self._under_way[attempt_id]
            self.ears.outcome(attempt_id, outcome)
            self.ears.room()


async def _hear(ears: Ears, raw: Raw) -> None:
    await ears.arrived(raw)
