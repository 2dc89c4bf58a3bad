"""A live SMPP line: submissions in, outcomes out, and what the operator says into the journal.

Rules:
- The window counts messages at the operator. A submission of several parts may take the last free slot with
  its first part; the others wait in a queue that goes before any new submission.
- Nothing is written but while the ears say that the line is ours; answers are heard until it is closed.
- Each submission ends in exactly one outcome. What was written and not answered is Unknown; what was not yet
  written is Refused.
- When a text ends as Unknown though parts of it were accepted, and when an answer comes after its time, the
  answering PDU is journalled with our reference: evidence that outlives this process.
- What the operator sends is journalled in the order it came, in one piece for all that came while the last
  piece was written, and answered after the commit; with RX_T_APPN, which asks for it again, if that failed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from angarium.core.clock import Clock
from angarium.core.ports import Accepted, Ears, Outcome, Raw, Refused, Submission, Tools, Unknown
from angarium.core.problems import Problem
from angarium.core.values import Reason
from angarium.protocols.smpp_link import BindLink, Login
from angarium.protocols.smpp_numbers import Command, Status
from angarium.protocols.smpp_pdu import Frame
from angarium.protocols.smpp_session import Event, Request, Response, Session, Timeout
from angarium.protocols.smpp_text import Alphabet
from angarium.protocols.smpp_traffic import Attempt, Easing, Part, Repeats

log = structlog.get_logger()

CLIENT_REF, PART, BIND, ORIGIN = "client-ref", "part", "bind", "origin"  # headers in the journal

REFERENCES_MAX = 50_000  # recipients whose last reference number is remembered
TRIES_MAX = 5  # how often a part is written while the operator asks to slow down
WAITING_MAX = 5_000  # messages of the operator that wait for the journal before we stop reading
PIECE_MAX = 500  # of them in one piece of the journal
LOST = "what an operator sent could not be journalled"  # it is asked to send it again
JOURNAL_RETRY_S, JOURNAL_CLOSE_S = 1.0, 1.0

LINK_LOST = Refused(Reason.TEMPORARY, detail="not sent: the connection was lost before", untried=True)
CLOSED = Refused(Reason.TEMPORARY, detail="not sent: the line was closed before", untried=True)


@dataclass(frozen=True)
class Dealings:
    """What the operator's account says about messages: both functions are pure."""

    compose: Callable[
        [Submission, int], list[bytes] | Refused
    ]  # bodies of submit_sm; the int joins the parts
    verdict: Callable[[Frame], Outcome]  # of the answer to one
    alphabet: Alphabet = "gsm7"  # of data_coding 0


class SmppConnection:
    """A line as `core.ports.Connection` has it; the first of `logins` submits."""

    def __init__(self, tools: Tools, logins: Sequence[Login], dealings: Dealings, ears: Ears) -> None:
        self._clock = tools.clock
        self._ears = ears
        self._dealings = dealings
        self._links = [BindLink(login, tools.clock, tools.chance, self) for login in logins]
        self._sender = self._links[0]
        self._attempts: dict[int, Attempt] = {}
        self._queue: deque[Part] = deque()  # to be written
        self._references = References(round(tools.chance.roll() * 0xFFFF))
        self._easing = Easing()
        self._eased = False
        self._journal = Journal(tools.clock, ears)
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False

    # ── the connection's port ────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Begin to bind; goes on until closed."""
        for link in self._links:
            link.open()

    def up(self) -> bool:
        """Whether the bind that submits is there."""
        return self._sender.bound

    def free(self) -> int:
        """How many more submissions may begin."""
        if self._closing or self._easing.left_s(self._clock.monotonic()):
            return 0
        return max(0, self._sender.session.room() - len(self._queue))

    def submit(self, batch: Sequence[Submission]) -> None:
        """Write what fits in the window, all in one write; queue the rest."""
        for submission in batch:
            composed = self._composed(submission)
            if isinstance(composed, Refused):
                self._ears.outcome(submission.attempt_id, composed)
                continue
            alphabet = self._dealings.alphabet
            attempt = Attempt(submission.attempt_id, submission.client_ref, composed, alphabet)
            self._attempts[attempt.attempt_id] = attempt
            self._queue.extend(attempt.parts)
            self._idle.clear()
        if self._closing or not self._sender.bound:
            self._refuse_queue(CLOSED if self._closing else LINK_LOST)
        self._pump()

    def _composed(self, submission: Submission) -> list[bytes] | Refused:
        """Its bodies; of one that breaks the encoder, that it cannot be carried: its neighbours can."""
        reference = self._references.next(submission.address)
        try:
            bodies = self._dealings.compose(submission, reference)
        except Exception as error:
            log.exception("a submission could not be composed", attempt=submission.attempt_id)
            return Refused(Reason.FAULT, detail=f"it could not be composed: {type(error).__name__}")
        if not isinstance(bodies, Refused) and len(bodies) > 1:
            self._references.used(submission.address, reference)
        return bodies

    async def close(self, grace_s: float) -> None:
        """Wait for answers, and for the journal; report the rest and leave."""
        self._closing = True
        await within(self._clock, grace_s, self._quiet())
        self._refuse_queue(CLOSED)
        for attempt in list(self._attempts.values()):
            for part in attempt.parts:
                if part.end is None:
                    self._end(part, Unknown("the line was closed before the answer came"))
        await self._journal.close()
        await asyncio.gather(*(link.close() for link in self._links))

    def state(self) -> str:
        """The state of each bind; "bound, easing off for 4 s"."""
        left_s = self._easing.left_s(self._clock.monotonic())
        easing = f", easing off for {left_s:.0f} s" if left_s else ""
        return "; ".join(dict.fromkeys(link.state for link in self._links)) + easing

    # ── what the links say ───────────────────────────────────────────────────────────────────────────

    def bound(self, _link: BindLink) -> None:
        """There is room."""
        self._ears.room()

    def heard(self, link: BindLink, events: list[Event]) -> None:
        """All of one read: outcomes, messages for the journal, and then the window is filled again."""
        now = self._clock.monotonic()
        frames = []
        for event in events:
            if isinstance(event, Response):
                self._answered(event, now)
            elif isinstance(event, Request):
                frames.append(event.frame)
        if frames:
            self._journal.take(link, frames, now)
        self._pump()
        self._ears.room()

    def passed(self, _link: BindLink, expired: list[Timeout]) -> None:
        """Time makes messages unknown, and ends a pause."""
        for timeout in expired:
            self._end(timeout.token, Unknown("no answer came in time"))
        resumed = self._eased and not self._easing.left_s(self._clock.monotonic())
        if resumed:
            self._eased = False
        if expired or resumed:
            self._pump()
            self._ears.room()

    def lost(self, link: BindLink, unanswered: list[Timeout]) -> None:
        """What was written is unknown, what was not is refused."""
        for timeout in unanswered:
            self._end(timeout.token, Unknown("the connection was lost before the answer came"))
        if link is self._sender:
            self._refuse_queue(LINK_LOST)
        self._ears.room()

    # ── within ───────────────────────────────────────────────────────────────────────────────────────

    def _pump(self) -> None:
        """Write from the queue what the window takes, as long as the line is ours."""
        now = self._clock.monotonic()
        if not self._queue:
            return
        if not self._ears.may_submit():
            self._refuse_queue(CLOSED)
            return
        if self._easing.left_s(now):
            return
        session = self._sender.session
        room = session.room()
        while self._queue and room:
            part = self._queue.popleft()
            if part.end is not None:
                continue
            part.written_at = now
            part.tries += 1
            part.sequence = session.request(Command.SUBMIT_SM, part.body, part, now)
            part.heard = part.heard_at = None
            room -= 1
        self._sender.flush_soon()

    def _answered(self, event: Response, now: float) -> None:
        part: Part = event.token
        if event.late:
            self._journal.evidence(part, event.frame)
            return
        part.heard, part.heard_at = event.frame, now
        verdict = self._dealings.verdict(event.frame)
        written_at = part.written_at if part.written_at is not None else now
        if isinstance(verdict, Accepted):
            self._easing.accepted(written_at)
            part.answer = event.frame
        elif isinstance(verdict, Refused) and verdict.reason is Reason.THROTTLED:
            pause_s = self._easing.throttled(written_at, now)
            self._eased = True
            if self._written_again(part):
                return
            verdict = Refused(verdict.reason, verdict.code, verdict.detail, pause_s)
        self._end(part, verdict)

    def _written_again(self, part: Part) -> bool:
        """Whether a part goes back to the queue, because others of its text are out already."""
        part.written_at = None
        if part.tries >= TRIES_MAX or not part.attempt.wants_the_rest():
            return False
        self._queue.appendleft(part)
        return True

    def _end(self, part: Part, end: Outcome) -> None:
        if part.end is not None:  # reported already, when the line was closed
            return
        attempt = part.attempt
        outcome = attempt.ended(part, end)
        if outcome is None:
            return
        del self._attempts[attempt.attempt_id]
        if not self._attempts:
            self._idle.set()
        self._ears.outcome(attempt.attempt_id, outcome, attempt)
        if isinstance(outcome, Unknown):
            for accepted in attempt.parts:
                if accepted.answer is not None:
                    self._journal.evidence(accepted, accepted.answer)
        else:  # of an unknown one an answer may still come, late
            attempt.let_go()

    def _refuse_queue(self, why: Refused) -> None:
        while self._queue:
            part = self._queue.popleft()
            if part.end is None:
                self._end(part, why)

    async def _quiet(self) -> None:
        """Return when every answer has come and everything is journalled."""
        await self._idle.wait()
        await self._journal.drained()


async def within(clock: Clock, seconds: float, waited: Coroutine[Any, Any, None]) -> None:
    """Wait for it, but no longer."""
    waits = [asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(waited)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


class References:
    """Reference numbers for texts of several parts.

    A phone joins parts of one sender by the number alone, so it must not come again soon for one recipient.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._last: dict[str, int] = {}

    def next(self, address: str) -> int:
        """The next number for this recipient, of 16 bits."""
        return self._last.get(address, self._first) + 1 & 0xFFFF

    def used(self, address: str, number: int) -> None:
        """It joins the parts of a text. Most texts have one, and nothing is remembered of those."""
        if len(self._last) >= REFERENCES_MAX:
            self._last.clear()
            self._first += 1  # whoever was forgotten begins elsewhere
        self._last[address] = number


@dataclass
class _Piece:
    """PDUs for the journal: those of one session, to be answered, or evidence, which is not."""

    headers: dict[str, str]
    frames: list[Frame]
    link: BindLink | None = None
    session: Session | None = None


class Journal:
    """Hands what arrives to the ears in order, one piece at a time, and answers the operator after each."""

    def __init__(self, clock: Clock, ears: Ears) -> None:
        self._clock = clock
        self._ears = ears
        self._repeats = Repeats()
        self._waiting: deque[_Piece] = deque()
        self._unanswered = 0
        self._deaf: set[BindLink] = set()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def take(self, link: BindLink, frames: Sequence[Frame], now: float) -> None:
        """Messages of one read; they join those of their session that wait already."""
        if self._closed:
            return
        own = {BIND: link.name}
        for frame in frames:
            origin = self._repeats.origin(frame, link.name, now)
            self._add(link, {ORIGIN: origin} if origin else own, frame)
        self._unanswered += len(frames)
        if self._unanswered > WAITING_MAX:
            self._deaf.add(link)
            link.listen(False)
        self._begin()

    def evidence(self, part: Part, frame: Frame) -> None:
        """An answer that says what became of an attempt which has ended."""
        headers = {CLIENT_REF: part.attempt.client_ref, PART: part.place()}
        self._waiting.append(_Piece(headers, [frame]))
        self._begin()

    async def drained(self) -> None:
        """Return when everything is journalled."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Take no more; give up what cannot be journalled: without an answer it will be sent again."""
        self._closed = True
        await within(self._clock, JOURNAL_CLOSE_S, self.drained())
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _add(self, link: BindLink, headers: dict[str, str], frame: Frame) -> None:
        last = self._waiting[-1] if self._waiting else None
        if last and last.session is link.session and last.headers == headers and len(last.frames) < PIECE_MAX:
            last.frames.append(frame)
        else:
            self._waiting.append(_Piece(headers, [frame], link, link.session))

    def _begin(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._one(self._waiting.popleft())
        finally:
            self._task = None

    async def _one(self, piece: _Piece) -> None:
        status = Status.ROK
        try:
            await self._ears.arrived(Raw(b"".join([frame.data for frame in piece.frames]), piece.headers))
        except Problem as problem:  # such as a full disk, which forty lines of traceback each would fill more
            log.warning(LOST, messages=len(piece.frames), why=problem.detail)
            status = Status.RX_T_APPN
        except Exception:
            log.exception(LOST, messages=len(piece.frames))
            status = Status.RX_T_APPN
        if piece.link is not None and piece.session is not None:
            self._answer(piece.link, piece.session, piece.frames, status)
        elif status != Status.ROK:  # nobody will send this again
            await self._clock.sleep(JOURNAL_RETRY_S)
            self._waiting.append(piece)

    def _answer(self, link: BindLink, session: Session, frames: Sequence[Frame], status: Status) -> None:
        self._unanswered -= len(frames)
        if link.answer(session, frames, status):
            now = self._clock.monotonic()
            for frame in frames:
                self._repeats.answered(frame, now)
        if self._deaf and self._unanswered <= WAITING_MAX // 2:
            for deaf in self._deaf:
                deaf.listen(True)
            self._deaf.clear()
