"""The loop: take an input that is known, change it, run it, keep what reached a new line of code.

Rules:
- Everything follows from the seed, but for how far it comes in its seconds.
- An input is a failure when it raises what its parser does not document, runs more lines than its length is
  worth, or lets the parser's own check fail.
- Memory: what the process holds is looked at after the warm-up and at the end.
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from random import Random
from traceback import format_exception

from fuzz.mutations import Mutate, octets
from fuzz.watch import Hang, Watch, alarmed

CORPUS_MAX = 3_000  # inputs kept
WARM_UP = 0.3  # of a run
GROWTH_MAX_BYTES = 24 << 20  # between the end of the warm-up and the end
FAILURES_MAX = 20  # of one run; after them it is stopped

Try = Callable[[bytes], None]  # raises when something is wrong with the parser, not with the input


@dataclass(frozen=True)
class Target:
    """One parser: what it is fed, and how its inputs are changed."""

    name: str
    opened: Callable[[], AbstractContextManager[Try]]  # what tries one input
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()
    mutate: Mutate = octets
    steps: tuple[int, int] = (20_000, 200)  # lines of Python: for any input, and for each of its bytes
    longest: int = 2_000  # bytes of an input; longer ones tell nothing that shorter ones do not
    in_tests: int = 400  # inputs of `make long`, about a second's worth; half of them in `make test`


def simple(attempt: Try) -> Callable[[], AbstractContextManager[Try]]:
    """A parser that needs nothing to be open."""
    return lambda: nullcontext(attempt)


@dataclass(frozen=True)
class Failure:
    """An input that its parser does not bear."""

    data: bytes
    said: str
    place: str  # one failure is told for each

    def __str__(self) -> str:
        return f"{self.said}\n  {self.data!r}"


@dataclass(frozen=True)
class Report:
    """What a run came to."""

    name: str
    executions: int
    seconds: float
    corpus: int
    lines: int
    rss_warm: int
    rss_end: int
    failures: tuple[Failure, ...]

    @property
    def growth(self) -> int:
        """Bytes held at the end that were not after the warm-up."""
        return self.rss_end - self.rss_warm

    def __str__(self) -> str:
        warm, end = self.rss_warm / 2**20, self.rss_end / 2**20
        return (
            f"{self.name:<12} {self.executions:>8} inputs  {self.seconds:6.1f} s  {self.corpus:>5} kept  "
            f"{self.lines:>5} lines  RSS {warm:6.1f} -> {end:6.1f} MiB  {len(self.failures)} failures"
        )


def fuzz(target: Target, seed: int, *, executions: int = 0, seconds: float = 0.0) -> Report:
    """Run one parser for so many inputs, or for so long."""
    run = _Run(target, seed)
    began, warm = time.monotonic(), 0

    def done() -> float:
        return run.executions / executions if executions else (time.monotonic() - began) / seconds

    with alarmed(), target.opened() as attempt:
        for data in target.seeds:
            run.try_one(attempt, data)
        while done() < 1 and len(run.failures) < FAILURES_MAX:
            run.try_one(attempt, run.another())
            if not warm and done() > WARM_UP:
                warm = resident()
        return Report(
            target.name,
            run.executions,
            time.monotonic() - began,
            len(run.corpus),
            len(run.watch.places),
            warm or resident(),
            resident(),
            tuple(run.failures.values()),
        )


class _Run:
    def __init__(self, target: Target, seed: int) -> None:
        self.target = target
        self.roll = Random(f"{target.name} {seed}")
        self.watch = Watch(remembers=True)
        self.corpus: list[bytes] = list(target.seeds)
        self.failures: dict[str, Failure] = {}
        self.executions = 0

    def another(self) -> bytes:
        """A new input: one that is known, changed once or twice, perhaps spliced with a second."""
        # New inputs are more promising than old ones.
        data = self.corpus[-1 - int(len(self.corpus) * self.roll.random() ** 2)]
        if self.roll.random() < 0.05:
            other = self.roll.choice(self.corpus)
            data = data[: self.roll.randrange(len(data) + 1)] + other[self.roll.randrange(len(other) + 1) :]
        for _ in range(self.roll.choice((1, 1, 1, 2, 4))):
            data = self.target.mutate(self.roll, data, self.target.words)
        return data[: self.target.longest]

    def try_one(self, attempt: Try, data: bytes) -> None:
        """Run it; keep it when it reached what nothing reached before, or failed."""
        self.executions += 1
        before = len(self.watch.places)
        base, each = self.target.steps
        try:
            with self.watch.over(base + each * len(data)):
                attempt(data)
        except (Exception, Hang) as error:
            place = _place(error)
            self.failures.setdefault(place, Failure(data, f"{type(error).__name__}: {error}{place}", place))
        if len(self.watch.places) > before and len(self.corpus) < CORPUS_MAX:
            self.corpus.append(data)


def _place(error: BaseException) -> str:
    """Where it was raised."""
    return "".join(format_exception(error)[-3:-1]).rstrip().removesuffix("\n").join(("\n", ""))


def resident() -> int:
    """Bytes this process holds in memory. What is free is given back first, or growth would go there."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
