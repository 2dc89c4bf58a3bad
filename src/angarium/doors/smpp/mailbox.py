"""The letters of one account on their way to its binds: each until it was taken, the oldest first.

The rows are the truth; what is here is the part of them that is under way. A deliver_sm without an answer
goes again, by whichever bind is there; one that its client refuses for good was heard, and is let go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from angarium.doors.smpp.following import Written
from angarium.doors.smpp.store import Account
from angarium.protocols.smpp_numbers import Status

AT_ONCE = 500  # letters that are read together
AGAIN_S = 30.0  # after a client could not take one
REFUSED = {Status.RX_P_APPN, Status.RX_R_APPN}  # the words of a client that does not want it (§5.1.3)


class Letter:
    """A letter, and how many of its deliver_sm have not been taken."""

    __slots__ = ("id", "left")

    def __init__(self, letter_id: int, left: int) -> None:
        self.id = letter_id
        self.left = left


class Piece:
    """One deliver_sm of a letter."""

    __slots__ = ("body", "letter")

    def __init__(self, letter: Letter, body: bytes) -> None:
        self.letter = letter
        self.body = body


class Hearer(Protocol):
    """A bind that letters can be delivered to."""

    def room(self) -> int:
        """How many more it takes now."""

    def deliver(self, piece: Piece) -> None:
        """Send one; what becomes of it is told to the mailbox."""


class Mailbox:
    """What waits for an account. `done` is told the ids of letters that were taken."""

    def __init__(self, account: Account, done: Callable[[int], None]) -> None:
        self.account = account
        self.hearers: list[Hearer] = []
        self.after = 0  # the last letter that was read
        self.more = True  # there may be others behind it
        self._done = done
        self._pieces: deque[Piece] = deque()
        self._later: deque[tuple[float, Piece]] = deque()

    def __len__(self) -> int:
        return len(self._pieces) + len(self._later)

    def is_short(self) -> bool:
        """Whether letters should be read: somebody listens, and few are at hand."""
        return bool(self.hearers) and self.more and len(self) < AT_ONCE

    def add(self, written: Sequence[Written]) -> None:
        """Letters that were read behind the last one."""
        for one in written:
            letter = Letter(one.id, len(one.bodies))
            self._pieces.extend(Piece(letter, body) for body in one.bodies)
            if not one.bodies:  # nothing is left to be told: the person was erased
                self._done(one.id)
        if written:
            self.after = written[-1].id
        self.more = self.more or len(written) == AT_ONCE

    def pump(self, now: float) -> None:
        """Hand out what the windows take, evenly."""
        while self._later and self._later[0][0] <= now:
            self._pieces.appendleft(self._later.popleft()[1])
        hearing = [one for one in self.hearers if one.room() > 0]
        while self._pieces and hearing:
            for one in hearing[: len(self._pieces)]:
                one.deliver(self._pieces.popleft())
            hearing = [one for one in hearing if one.room() > 0]

    def taken(self, piece: Piece) -> None:
        """Its client has it."""
        piece.letter.left -= 1
        if piece.letter.left == 0:
            self._done(piece.letter.id)

    def refused(self, piece: Piece, status: int, now: float) -> None:
        """Its client did not take it."""
        if status in REFUSED:
            self.taken(piece)
        else:
            self._later.append((now + AGAIN_S, piece))

    def again(self, pieces: Sequence[Piece]) -> None:
        """Nobody has answered these."""
        self._pieces.extendleft(reversed(pieces))
