"""Dates as people write them in a field: two calendars, digits of any script; what is none is not lost."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from angarium.core.days import (
    as_jalali,
    begins,
    day_of,
    from_jalali,
    holidays_of,
    is_yearly_in_iran,
    moment_of,
    time_of,
    yearly_in_iran,
)
from angarium.web.figures import date_typed, holidays_typed
from angarium.web.languages import LANGUAGES
from angarium.web.session import typed_kept

DAY = "2026-11-28"


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("1405/09/07", DAY),
        ("۱۴۰۵/۰۹/۰۷", DAY),
        ("١٤٠٥/٩/٧", DAY),
        (" 1405-9-7 ", DAY),
        ("1405.09.07", DAY),
        ("28.11.2026", DAY),
        ("۷.۹.۱۴۰۵", DAY),
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


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_date_is_read_as_it_is_shown_in_each_language(language: str) -> None:
    for kept in (DAY, "2027-03-01"):
        assert day_of(date_typed(LANGUAGES[language], kept)) == kept
        assert moment_of(date_typed(LANGUAGES[language], f"{kept}T09:05")) == f"{kept}T09:05"
    assert date_typed(LANGUAGES["uk"], f"{DAY}T09:05") == "28.11.2026 09:05"
    assert date_typed(LANGUAGES["en"], "soon") == "soon"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("9:05", "09:05"),
        ("۲۱:۰۰", "21:00"),
        ("21.30", "21:30"),
        ("24:00", "24:00"),
        ("late", "late"),
        ("", ""),
    ],
)
def test_a_time_of_day(written: str, kept: str) -> None:
    assert time_of(written) == kept


def test_holidays_are_of_either_calendar_and_come_back_as_they_were_written() -> None:
    kept = "jalali-01-01\n2026-11-28\n03-21"
    assert holidays_of("۰۱/۰۱\n۱۴۰۵/۰۹/۰۷\n03-21") == kept
    shown = holidays_typed(LANGUAGES["fa"], kept)
    assert shown.splitlines() == ["۰۱/۰۱", "۱۴۰۵/۰۹/۰۷", "03-21"]
    assert holidays_of(shown) == kept
    assert holidays_typed(LANGUAGES["uk"], kept) == kept


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("jalali-12-30", True),
        ("jalali-07-31", False),
        ("jalali-13-01", False),
        ("jalali-1-1", False),
        ("03-21", False),
    ],
)
def test_days_of_every_year_in_iran(text: str, *, is_one: bool) -> None:
    assert is_yearly_in_iran(text) is is_one


def test_the_first_of_farvardin_is_of_every_year() -> None:
    assert {yearly_in_iran(date(2026, 3, 21)), yearly_in_iran(date(2028, 3, 20))} == {"jalali-01-01"}


def test_a_form_says_which_of_its_fields_are_dates_and_numbers() -> None:
    form = [
        ("name", "1405/09/07"),
        ("from", "1405/09/07"),
        ("typed_moment", "from"),
        ("on", "۱۴۰۵/۰۹/۰۷"),
        ("typed_day", "on"),
        ("on", "1405/07/31"),
        ("typed_day", "nothing"),
        ("share", "۱٬۵۰۰"),
        ("share", "many"),
        ("typed_number", "share"),
    ]
    assert typed_kept(form) == [
        ("name", "1405/09/07"),
        ("from", f"{DAY}T00:00"),
        ("on", DAY),
        ("on", "1405/07/31"),
        ("share", "1500"),
        ("share", "many"),
    ]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-29", "2026-03-29T00:00:00+02:00"),  # the night in which clocks go forward there
        (" ۱۴۰۵/۰۹/۰۷ ", "2026-11-28T00:00:00+02:00"),
        ("28.11.2026", "2026-11-28T00:00:00+02:00"),
    ],
)
def test_a_day_begins_by_the_clocks_of_a_zone(text: str, at: str) -> None:
    found = begins(text, ZoneInfo("Europe/Kyiv"))
    assert found is not None
    assert found == datetime.fromisoformat(at)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "2026-11-28T10:00"])
def test_what_is_no_day_begins_never(text: str) -> None:
    assert begins(text, UTC) is None
