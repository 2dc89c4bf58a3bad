"""What a piece of work costs, counted while it runs among others on one event loop."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


def counted(work: Awaitable[T], note: Callable[[float], None]) -> Awaitable[T]:
    """The same work; `note` is told of each step how many seconds of CPU it took of this thread."""
    return _Counted(work, note)


class _Counted(Generic[T]):
    def __init__(self, work: Awaitable[T], note: Callable[[float], None]) -> None:
        self._work = work
        self._note = note

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._work.__await__()
        thrown: BaseException | None = None
        while True:
            began = time.thread_time()
            try:
                wanted = steps.send(None) if thrown is None else steps.throw(thrown)
            except StopIteration as ended:
                return cast("T", ended.value)
            finally:
                self._note(time.thread_time() - began)
            thrown = None
            try:
                yield wanted
            except BaseException as error:  # the task is cancelled
                thrown = error
