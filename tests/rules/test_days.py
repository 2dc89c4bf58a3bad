"""Dates as people write them in a field: two calendars, digits of any script; what is none is not lost."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from angarium.core.days import as_jalali, day_of, from_jalali, moment_of
from angarium.web.session import dates_kept

DAY = "2026-11-28"


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("1405/09/07", DAY),
        ("۱۴۰۵/۰۹/۰۷", DAY),
        ("١٤٠٥/٩/٧", DAY),
        (" 1405-9-7 ", DAY),
        ("1405.09.07", DAY),
        ("2026-11-28", DAY),
        ("2026/11/28", DAY),
        ("۲۰۲۶/۱۱/۲۸", DAY),
        ("1403/12/30", "2025-03-20"),  # a leap year
        ("1200/01/01", "1821-03-21"),
    ],
)
def test_a_day_of_either_calendar(written: str, day: str) -> None:
    assert day_of(written) == day


@pytest.mark.parametrize(
    "written",
    [
        "",
        "1405/07/31",  # Mehr has thirty days
        "1404/12/30",
        "1405/13/01",
        "1405/0/1",
        "05/09/07",
        "7 آذر 1405",
        "1405/09/07 14:30",  # a time, where a day is wanted
        "2026-02-30",
        "2026-11-28T08:30:00Z",
        "tomorrow",
        "1405/09/07x",
        "9" * 10_000,
        " " * 100_000 + "1405",
    ],
)
def test_what_is_no_day_stays_as_it_was_written(written: str) -> None:
    assert day_of(written) == written


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("1405/09/07 14:30", f"{DAY}T14:30"),
        ("۱۴۰۵/۰۹/۰۷، ۹:۰۵", f"{DAY}T09:05"),
        ("1405-09-07T00:00:59", f"{DAY}T00:00:59"),
        ("1405/09/07", f"{DAY}T00:00"),
        ("2026-11-28T14:30", f"{DAY}T14:30"),
        ("2026-11-28T14:30:00Z", "2026-11-28T14:30:00Z"),  # with its zone it is one already
        ("1405/09/07 24:00", "1405/09/07 24:00"),
        ("", ""),
    ],
)
def test_a_day_with_its_time(written: str, moment: str) -> None:
    assert moment_of(written) == moment


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        (DAY, "1405/09/07"),
        (f"{DAY}T14:30", "1405/09/07 14:30"),
        ("1405/09/07", "1405/09/07"),
        ("soon", "soon"),
        ("", ""),
        ("0001-01-01", "0001-01-01"),  # before that calendar begins
    ],
)
def test_a_day_is_shown_in_the_calendar_of_iran(kept: str, shown: str) -> None:
    assert as_jalali(kept) == shown


def test_every_day_of_a_century_comes_back() -> None:
    first = date(1980, 1, 1)
    for ahead in range(0, 36_500, 7):
        day = (first + timedelta(ahead)).isoformat()
        assert day_of(as_jalali(day)) == day
    assert from_jalali(1405, 1, 1) == date(2026, 3, 21)


def test_a_form_says_which_of_its_fields_are_dates() -> None:
    form = [
        ("name", "1405/09/07"),
        ("from", "1405/09/07"),
        ("typed_moment", "from"),
        ("on", "۱۴۰۵/۰۹/۰۷"),
        ("typed_day", "on"),
        ("on", "1405/07/31"),
        ("typed_day", "nothing"),
    ]
    assert dates_kept(form) == [
        ("name", "1405/09/07"),
        ("from", f"{DAY}T00:00"),
        ("on", DAY),
        ("on", "1405/07/31"),
    ]
