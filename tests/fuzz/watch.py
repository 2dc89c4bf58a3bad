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
    """A tracer for one thread. Lines are counted in the packages that read what strangers write."""

    def __init__(self) -> None:
        self.steps = 0
        self.most = sys.maxsize
        self.places: set[tuple[CodeType, int]] = set()
        self._known: dict[CodeType, Any] = {}

    @contextmanager
    def over(self, most: int) -> Iterator[None]:
        """Count the lines run within, from 0; Hang beyond `most`, or beyond CPU_S_MAX of processor time."""
        self.steps, self.most = 0, most
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S_MAX)
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(None)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _called(self, frame: FrameType, _event: str, _argument: object) -> Callable[..., Any] | None:
        code = frame.f_code
        if code not in self._known:
            self._known[code] = self._line if any(name in code.co_filename for name in OURS) else None
        found: Callable[..., Any] | None = self._known[code]
        return found

    def _line(self, frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
        if event == "line":
            self.steps += 1
            self.places.add((frame.f_code, frame.f_lineno))
            if self.steps > self.most:
                raise Hang(f"more than {self.most} lines of Python")
        return self._line


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
