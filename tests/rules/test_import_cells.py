"""What stands in a cell means what a person meant: digits of any script, dates in any order, any yes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from angarium.contacts.imports import cells
from angarium.contacts.imports.cells import BadCell
from angarium.contacts.imports.rows import _exact, undefused

DAYS = [
    ("2026-11-28", "ymd", "gregorian", "2026-11-28"),
    ("28.11.2026", "dmy", "gregorian", "2026-11-28"),
    ("11/28/2026", "mdy", "gregorian", "2026-11-28"),
    ("5/6/2026", "dmy", "gregorian", "2026-06-05"),
    ("5/6/2026", "mdy", "gregorian", "2026-05-06"),
    ("28.11.26", "dmy", "gregorian", "2026-11-28"),
    ("28.11.75", "dmy", "gregorian", "1975-11-28"),
    ("2026/11/28 08:30", "ymd", "gregorian", "2026-11-28"),
    ("2026年11月28日", "ymd", "gregorian", "2026-11-28"),
    ("۱۴۰۵/۰۹/۰۷", "ymd", "jalali", "2026-11-28"),
    ("1405-09-07", "ymd", "jalali", "2026-11-28"),
    ("٢٠٢٦-١١-٢٨", "ymd", "gregorian", "2026-11-28"),
]
NO_DAYS = ["2026-02-30", "31.11.2026", "tomorrow", "2026", "", "28.11.2026 at noon", "0000-01-01"]
NUMBERS = [
    ("12", ".", 12),
    ("-12.50", ".", -12.5),
    ("1,234.50", ".", 1234.5),
    ("1.234,50", ",", 1234.5),
    ("1 234,50", ",", 1234.5),
    ("1\u00a0234\u00a0567", ",", 1234567),
    ("۱۲٬۳۴۵٫۶", ".", 12345.6),
    ("1e3", ".", 1000),
]
NO_NUMBERS = ["", "12,50", "1,23", "a", "1.2.3", "--1", "1e999", "9" * 41, "inf", "nan"]


@pytest.mark.parametrize(("text", "order", "calendar", "meant"), DAYS)
def test_a_day(text: str, order: Any, calendar: Any, meant: str) -> None:
    assert cells.day(text, order, calendar) == meant


@pytest.mark.parametrize("text", NO_DAYS)
def test_no_day(text: str) -> None:
    with pytest.raises(BadCell):
        cells.day(text, "dmy" if "." in text else "ymd")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-28T08:30:00Z", "2026-11-28T08:30:00.000Z"),
        ("2026-11-28 12:00+03:30", "2026-11-28T08:30:00.000Z"),
        ("2026-11-28 08:30", "2026-11-28T08:30:00.000Z"),
        ("2026-11-28", "2026-11-28T00:00:00.000Z"),
    ],
)
def test_a_moment(text: str, meant: str) -> None:
    assert cells.moment(text) == meant


@pytest.mark.parametrize("text", ["2026-11-28 25:00", "2026-11-28 08:61", "0001-01-01 00:00+14:00", "8:30"])
def test_no_moment(text: str) -> None:
    with pytest.raises(BadCell):
        cells.moment(text)


@pytest.mark.parametrize(("text", "decimals", "meant"), NUMBERS)
def test_a_number(text: str, decimals: Any, meant: float) -> None:
    assert cells.number(text, decimals) == meant
    assert type(cells.number(text, decimals)) is type(meant)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_no_number(text: str) -> None:
    with pytest.raises(BadCell):
        cells.number(text)


@pytest.mark.parametrize(
    ("text", "currency", "meant"),
    [
        ("12.50", "EUR", {"micros": 12_500_000, "currency": "EUR"}),
        ("12.50 EUR", "", {"micros": 12_500_000, "currency": "EUR"}),
        ("UAH 1,200", "", {"micros": 1_200_000_000, "currency": "UAH"}),
        ("€12.50", "EUR", {"micros": 12_500_000, "currency": "EUR"}),
        ("۱۲۰ ", "IRR", {"micros": 120_000_000, "currency": "IRR"}),
    ],
)
def test_money(text: str, currency: str, meant: dict[str, Any]) -> None:
    assert cells.money(text, currency) == meant


def test_money_in_another_currency_is_refused() -> None:
    with pytest.raises(BadCell, match="is not in EUR"):
        cells.money("12 USD", "EUR")


@pytest.mark.parametrize("text", ["yes", "Y", "TRUE", "1", "так", "да", "بله", "نعم", "是", "✓"])
def test_yes(text: str) -> None:
    assert cells.yes_no(f" {text} ") is True


@pytest.mark.parametrize("text", ["no", "N", "false", "0", "۰", "ні", "нет", "خیر", "لا", "否"])
def test_no(text: str) -> None:
    assert cells.yes_no(text) is False


def test_neither_yes_nor_no() -> None:
    with pytest.raises(BadCell):
        cells.yes_no("perhaps")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("uk", "uk"),
        ("UA", "uk"),
        ("uk_UA.UTF-8", "uk-UA"),
        ("Ukrainian", "uk"),
        ("українська", "uk"),
        ("فارسی", "fa"),
        ("العربية", "ar"),
        ("中文", "zh"),
        ("EN-gb", "en-gb"),
        ("xx", "xx"),
    ],
)
def test_a_locale(text: str, meant: str) -> None:
    assert cells.locale(text) == meant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (989121234567.0, "989121234567"),
        (9.89e11, "989000000000"),
        (12.5, "12.5"),
        (True, "yes"),
        (date(2026, 11, 28), "2026-11-28"),
        (datetime(2026, 11, 28, tzinfo=UTC), "2026-11-28"),
        (datetime(2026, 11, 28, 8, 30, tzinfo=UTC), "2026-11-28 08:30:00+00:00"),
        (None, ""),
        (1e300, "1e+300"),
    ],
)
def test_a_value_of_a_workbook_as_a_person_types_it(value: Any, text: str) -> None:
    assert cells.text_of(value) == text


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("9.89123456789E+11", "989123456789"),  # all digits are there
        ("9,89123456789E+11", "989123456789"),
        ("9.89E+11", "9.89E+11"),  # these are lost, and nobody may guess them
        ("0912", "0912"),
    ],
)
def test_a_number_that_a_spreadsheet_has_shortened(text: str, digits: str) -> None:
    assert _exact(text) == digits


@pytest.mark.parametrize(
    ("cell", "meant"), [("'=1+1", "=1+1"), ("''@x", "'@x"), ("'s Gravenhage", "'s Gravenhage"), ("'", "'")]
)
def test_an_apostrophe_before_a_formula_is_ours(cell: str, meant: str) -> None:
    assert undefused(cell) == meant
