"""Counts the lines that a call runs, remembers which are new, and stops what does not end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

CPU_S_MAX = 5.0  # processor time of one input; only code in C runs so long without a line of Python
OURS = ("/angarium/", "/email/", "/liquid/", "/flufl/")


class Hang(BaseException):
    """More work than the input is worth. No `except Exception` on the way can hide it."""


class Watch:
    """A tracer for one thread. Lines are counted in the packages that read what strangers write.

    It remembers them where `remembers`; to count alone takes half as long.
    """

    def __init__(self, *, remembers: bool = False) -> None:
        self.steps = 0
        self.places: set[tuple[CodeType, int]] = set()
        self._remembers = remembers
        self._ours: dict[CodeType, bool] = {}

    @contextmanager
    def over(self, most: int) -> Iterator[None]:
        """Count the lines run within, from 0; Hang beyond `most`, or beyond CPU_S_MAX of processor time."""
        self.steps = 0
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S_MAX)
        sys.settrace(self._tracer(most))
        try:
            yield
        finally:
            sys.settrace(None)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _tracer(self, most: int) -> Callable[..., Any]:
        """What is called for each line: everything it needs is near, since it is called a million times."""
        seen, remembers, ours = self.places.add, self._remembers, self._ours

        def line(frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
            if event == "line":
                self.steps += 1
                if remembers:
                    seen((frame.f_code, frame.f_lineno))
                if self.steps > most:
                    raise Hang(f"more than {most} lines of Python")
            return line

        def called(frame: FrameType, _event: str, _argument: object) -> Callable[..., Any] | None:
            code = frame.f_code
            if code not in ours:
                ours[code] = any(name in code.co_filename for name in OURS)
            return line if ours[code] else None

        return called


@contextmanager
def alarmed() -> Iterator[None]:
    """Where the processor's alarm is heard."""

    def rang(*_args: object) -> None:
        raise Hang(f"more than {CPU_S_MAX:g} s of the processor")

    before = signal.signal(signal.SIGVTALRM, rang)
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, before)
