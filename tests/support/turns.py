"""Which day it is, for tests that take turns: `ANGARIUM_TEST_DAY=n` repeats a day.

Marked `turns(every, first)` are those that take long, wait for much and see what others see in part; marked
`parts(days)` those that look at much of one kind, of which each day sees a part.

The first process of a run says it to the others, so that it is one day for all of them, also at midnight.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

TODAY = int(os.environ.setdefault("ANGARIUM_TEST_DAY", str(datetime.now(UTC).toordinal())))
DATABASES = ("sqlite", "postgresql")
NEVER = "would be on one database for ever: those have their turns on two days"


def database_turn(name: str, today: int = TODAY) -> str:
    """On which database a test runs today that could run on both: one day on one, the next on the other."""
    return DATABASES[(zlib.crc32(name.encode()) + today) % 2]


def all_at_once(config: pytest.Config) -> bool:
    """Whether nothing waits for its turn: all databases are asked for, or tests by name."""
    return os.environ.get("ANGARIUM_TEST_DATABASES") == "all" or bool(config.option.keyword)


def resting(config: pytest.Config, items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Those marked `turns` whose day it is not; who names a file or a test wants to see it run."""
    if all_at_once(config) or any(".py" in one for one in config.args):
        return set()
    return {item for item in items if _rests(item)} | _other_parts(items)


def _rests(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("turns")
    return mark is not None and not is_the_day(*mark.args)


def _other_parts(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Of what is seen in parts, those of other days."""
    seen: Counter[str] = Counter()
    resting = set()
    for item in items:
        if (mark := item.get_closest_marker("parts")) is not None:
            name, (days,) = item.nodeid.partition("[")[0], mark.args
            if not is_the_day(days, day_of(seen[name], days)):
                resting.add(item)
            seen[name] += 1
    return resting


def day_of(place: int, days: int) -> int:
    """On which of so many days the parameter at this place is seen: the next one a day later."""
    return place % days


def is_the_day(every: int, first: int, today: int = TODAY) -> bool:
    """Whether it is one of the days; `first` (from 0) tells apart what need not be on the same day."""
    return today % every == first


def by_turns(values: Iterable[Any]) -> list[Any]:
    """Parameters of a test, one a day."""
    given = list(values)
    return [pytest.param(one, marks=pytest.mark.turns(len(given), day)) for day, one in enumerate(given)]


def spread(values: Iterable[tuple[Any, ...]], days: int) -> list[Any]:
    """Several parameters of a test each, so many a day that all have had their turn after some days."""
    return [
        pytest.param(*one, marks=pytest.mark.turns(days, place % days)) for place, one in enumerate(values)
    ]


def leave_out(config: pytest.Config, items: list[pytest.Item], resting: set[pytest.Item]) -> None:
    """Have them rest; the summary says how many."""
    if resting:
        config.hook.pytest_deselected(items=[one for one in items if one in resting])
        items[:] = [one for one in items if one not in resting]


def on_the_other_database(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Those that run today on the other of the two databases."""
    names = {item.nodeid for item in items}
    both = [item for item in items if _twin(item) in names]
    for item in both:
        marks = [mark for name in ("turns", "parts") for mark in item.iter_markers(name)]
        assert all(mark.args[0] % 2 for mark in marks), f"{item.nodeid} {NEVER}"
    return {item for item in both if _database(item) != _turn_of(item)}


def _turn_of(item: pytest.Item) -> str:
    return database_turn(item.nodeid.partition("[")[0])


def _twin(item: pytest.Item) -> str:
    """The same test on the other database; "" where it runs on none."""
    database = _database(item)
    if database not in DATABASES:
        return ""
    other = DATABASES[1 - DATABASES.index(database)]
    name, _, given = item.nodeid.partition("[")
    return f"{name}[{given.replace(database, other, 1)}"


def _database(item: pytest.Item) -> str:
    given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return next((value for value in given.values() if isinstance(value, str) and value in DATABASES), "")
