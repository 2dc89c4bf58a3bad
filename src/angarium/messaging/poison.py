"""One bad item fails alone: a batch that breaks is done one by one, and what breaks alone is given up.

A message, a callback or an outcome that makes our own code raise must neither stop its neighbours nor be
forgotten. It has three tries; then whoever owns it says what becomes of it (`lost`), in the plainest way
there is, and the log has the stack.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from angarium.core.clock import Clock
from angarium.core.problems import Problem
from angarium.core.service import Seldom
from angarium.messaging.store.owners import Fenced

log = structlog.get_logger()

T = TypeVar("T")

TRIES = 3
AGAIN_S = 0.05  # between the tries of one
AWAY_S = 0.5  # the database could not take it
UNAVAILABLE = 503


async def apart(
    clock: Clock,
    items: Sequence[T],
    work: Callable[[Sequence[T]], Awaitable[object]],
    lost: Callable[[T, str], Awaitable[object]],
    what: str,
    tried: int = 0,
) -> None:
    """Do the work on all of them, however long the database cannot; `lost` is told of each that breaks it.

    `tried`: how often they have broken it already. Fenced goes up: it is no item's fault.
    """
    seldom = Seldom(clock)
    while items:
        try:
            await work(items)
            return
        except Fenced:
            raise
        except Exception as error:
            if is_away(error):
                if seldom.now(what):
                    log.warning("the database cannot take it; trying again", what=what, items=len(items))
                await clock.sleep(AWAY_S)
                continue
            tried += 1
            log.exception("a batch broke", what=what, items=len(items), tries=tried)
            if len(items) > 1:
                for item in items:
                    await apart(clock, [item], work, lost, what, tried)
                return
            if tried >= TRIES:
                await _give_up(clock, items[0], words(error), lost, what)
                return
            await clock.sleep(AGAIN_S)


def is_away(error: Exception) -> bool:
    """Whether the database cannot take it now, whatever it is."""
    return isinstance(error, Problem) and error.status == UNAVAILABLE


def words(error: Exception) -> str:
    """An error in a word, without its text: that may have a code in it."""
    return f"it cannot be worked through ({type(error).__name__}): a fault of ours, the log has it"


async def _give_up(
    clock: Clock, item: T, why: str, lost: Callable[[T, str], Awaitable[object]], what: str
) -> None:
    while True:
        try:
            await lost(item, why)
            return
        except Exception as error:
            if not is_away(error):
                log.exception("what broke could not even be given up", what=what)
                return
            await clock.sleep(AWAY_S)
