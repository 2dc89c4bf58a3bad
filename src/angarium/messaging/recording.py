"""Whether what was said about a submission is kept. Pure, and no query: it is asked of every one.

What went wrong is kept, some of it each minute; test messages are; and everything on a line where a person
has switched it on for a time, up to so much a minute that the busiest line fills no disk.
"""

from __future__ import annotations

from angarium.core.clock import MICROS
from angarium.core.ports import Accepted, Outcome
from angarium.lines.store import Line

WRONG_PER_MINUTE = 20  # of a line: a provider that is down says the same every time
ALL_PER_MINUTE = 120
HOURS = (1, 24)  # for how long it can be switched on
LINE_TEST, FIRST_MESSAGE = "line-test", "first-message"  # labels of messages that try something
TESTS = frozenset({LINE_TEST, FIRST_MESSAGE})
MINUTE = 60 * MICROS


def per_minute(line: Line, label: str, outcome: Outcome, now: int) -> int:
    """How many a minute may be kept of such a submission; 0: none."""
    if now < line.recorded_until or label in TESTS:
        return ALL_PER_MINUTE
    return 0 if isinstance(outcome, Accepted) else WRONG_PER_MINUTE


class Quota:
    """What was kept of each line within the minute."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[int, int]] = {}  # line id -> minute, how many

    def take(self, line_id: int, most: int, now: int) -> bool:
        """Whether one more may be kept; it is counted then."""
        minute = now // MINUTE
        since, count = self._kept.get(line_id, (minute, 0))
        count = count if since == minute else 0
        if count >= most:
            return False
        self._kept[line_id] = (minute, count + 1)
        return True
