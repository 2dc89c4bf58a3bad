"""What was delivered and read, by the hours of the workspace's clocks."""

from __future__ import annotations

from datetime import datetime

import pytest

from angarium.campaigns.report import by_hour
from angarium.core.clock import from_datetime

AT = ("2026-10-25T00:00Z", "2026-10-25T00:30Z", "2026-10-25T00:45Z", "2026-10-25T01:15Z")


@pytest.mark.parametrize(
    ("zone", "found"),
    [
        ("UTC", {"2026-10-25T00:00:00.000Z": (7, 3), "2026-10-25T01:00:00.000Z": (8, 0)}),
        (
            "Asia/Tehran",  # half an hour off
            {"2026-10-25T03:00:00.000+03:30": (1, 1), "2026-10-25T04:00:00.000+03:30": (14, 2)},
        ),
        (
            "Europe/London",  # where this hour comes twice in that night
            {"2026-10-25T01:00:00.000+01:00": (7, 3), "2026-10-25T01:00:00.000Z": (8, 0)},
        ),
        (
            "Asia/Kathmandu",
            {
                "2026-10-25T05:00:00.000+05:45": (1, 1),
                "2026-10-25T06:00:00.000+05:45": (6, 2),
                "2026-10-25T07:00:00.000+05:45": (8, 0),
            },
        ),
    ],
)
def test_hours_are_those_of_the_zone(zone: str, found: dict[str, tuple[int, int]]) -> None:
    counts = [(1, 1), (2, 2), (4, 0), (8, 0)]
    quarters = {from_datetime(datetime.fromisoformat(at)): one for at, one in zip(AT, counts, strict=True)}
    shown = {one["hour"]: (one["delivered"], one["read"]) for one in by_hour(quarters, zone)}
    assert shown == found
