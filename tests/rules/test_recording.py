"""Which exchanges are kept, and how many in a minute."""

from __future__ import annotations

import msgspec
import pytest

from angarium.core.ports import Accepted, Outcome, Refused, Unknown
from angarium.core.values import Reason
from angarium.lines.store import Line
from angarium.messaging.recording import (
    ALL_PER_MINUTE,
    FIRST_MESSAGE,
    LINE_TEST,
    MINUTE,
    WRONG_PER_MINUTE,
    Quota,
    per_minute,
)

NOW = 1_000 * MINUTE
TAKEN, WRONG, UNSURE = Accepted(("1",)), Refused(Reason.AUTH), Unknown("no answer")


def line(recorded_until: int) -> Line:
    """A line that is recorded until then; nothing else of it matters."""
    names = {field.name: None for field in msgspec.structs.fields(Line) if field.required}
    return Line(**{**names, "recorded_until": recorded_until})


@pytest.mark.parametrize(
    ("until", "label", "outcome", "most"),
    [
        (0, "", TAKEN, 0),
        (0, "spring", TAKEN, 0),
        (0, "", WRONG, WRONG_PER_MINUTE),
        (0, "", UNSURE, WRONG_PER_MINUTE),
        (0, LINE_TEST, TAKEN, ALL_PER_MINUTE),
        (0, FIRST_MESSAGE, TAKEN, ALL_PER_MINUTE),
        (NOW + 1, "", TAKEN, ALL_PER_MINUTE),
        (NOW + 1, "", WRONG, ALL_PER_MINUTE),
        (NOW, "", TAKEN, 0),  # it ends by itself
    ],
)
def test_what_is_kept(until: int, label: str, outcome: Outcome, most: int) -> None:
    assert per_minute(line(until), label, outcome, NOW) == most


def test_so_many_in_a_minute_of_each_line() -> None:
    quota = Quota()
    assert [quota.take(1, 3, NOW) for _ in range(5)] == [True] * 3 + [False] * 2
    assert quota.take(2, 3, NOW)
    assert not quota.take(1, 3, NOW + MINUTE - 1)
    assert quota.take(1, 3, NOW + MINUTE)
    assert quota.take(1, 5, NOW + MINUTE)
