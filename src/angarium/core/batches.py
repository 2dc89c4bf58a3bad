"""Whatever is queued goes as one: the shape behind accepting, recording and receiving.

While one batch is being written the next gathers, so a quiet server answers at once and a busy one pays
for one commit per hundred messages. Nothing waits for a timer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Gathers items and hands them to `work` in batches, one batch at a time.

    `work` takes items that weigh at most `batch_max` together, or one that is heavier. It returns one result
    (or an exception to raise) for each, in order; when it raises, every item of that batch raises the same;
    when it is cancelled, so is all that waits.
    """

    def __init__(
        self,
        work: Callable[[list[T]], Awaitable[Sequence[R | BaseException]]],
        batch_max: int,
        weigh: Callable[[T], int] = lambda _: 1,
    ) -> None:
        self._work = work
        self._batch_max = batch_max
        self._weigh = weigh
        self._waiting: deque[tuple[T, asyncio.Future[R] | None]] = deque()
        self._under_way: list[tuple[T, asyncio.Future[R] | None]] = []
        self._running: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: T) -> asyncio.Future[R]:
        """Queue an item; the future has its result when its batch is done."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue(item, future)
        return future

    def leave(self, item: T) -> None:
        """Queue an item whose result nobody waits for; that its batch failed is logged by the event loop."""
        self._queue(item, None)

    def _queue(self, item: T, future: asyncio.Future[R] | None) -> None:
        self._waiting.append((item, future))
        if self._running is None:
            # In a context of its own: a batch is not only of whoever comes first.
            self._running = asyncio.create_task(self._drain(), context=Context())

    async def caught_up(self) -> None:
        """Return when all that is queued now has been done, or has failed; more may have come by then."""
        queue = self._waiting or self._under_way
        if not queue:
            return
        item, future = queue[-1]
        if future is None:
            future = asyncio.get_running_loop().create_future()
            queue[-1] = (item, future)
        await asyncio.wait((future,))
        if not future.cancelled():
            future.exception()  # it was told of; nobody else looks at it

    async def drained(self) -> None:
        """Return when nothing is queued or under way."""
        while self._running is not None:
            await asyncio.wait([self._running])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._one(self._next())
        finally:
            self._running = None
            self._cut_off([future for _, future in self._waiting])  # nobody is left waiting for ever
            self._waiting.clear()

    def _next(self) -> list[tuple[T, asyncio.Future[R] | None]]:
        batch = [self._waiting.popleft()]
        left = self._batch_max - self._weigh(batch[0][0])
        while self._waiting and (weight := self._weigh(self._waiting[0][0])) <= left:
            batch.append(self._waiting.popleft())
            left -= weight
        return batch

    async def _one(self, batch: list[tuple[T, asyncio.Future[R] | None]]) -> None:
        self._under_way = batch
        ended: list[tuple[tuple[T, asyncio.Future[R] | None], R | BaseException]]
        try:
            results = await self._work([item for item, _ in batch])
            ended = list(zip(batch, results, strict=True))
        except Exception as error:
            ended = [(one, error) for one in batch]
        except BaseException:
            self._cut_off([future for _, future in batch])
            raise
        finally:
            self._under_way = []
        unheard: BaseException | None = None
        for (_, future), result in ended:
            if future is None:
                unheard = result if isinstance(result, BaseException) else unheard
            elif future.done():
                continue
            elif isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
        if unheard is not None:
            told = {"message": "a batch failed whose result nobody waits for", "exception": unheard}
            asyncio.get_running_loop().call_exception_handler(told)

    def _cut_off(self, futures: Iterable[asyncio.Future[R] | None]) -> None:
        for future in futures:
            if future is not None:
                future.cancel()
