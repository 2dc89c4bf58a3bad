"""Numbers as people write them, in whatever digits."""

from __future__ import annotations

import pytest

from angarium.core.numerals import number_of

PLAIN = [
    ("", ""),
    ("1000", "1000"),
    (" ۱۰۰۰ ", "1000"),
    ("٢٥٠", "250"),
    ("۱٬۵۰۰٫۵", "1500.5"),
    ("1,500", "1500"),
    ("12 500", "12500"),
    ("12\u202f500,5", "12500.5"),
    ("۲,۵", "2.5"),
    ("0,125", "0.125"),
    ("\u200e−۳\u200e", "-3"),
]
NO_NUMBERS = ["many", "۱۲ نفر", "1,2,3", "1.5.2", "+", "1e9", "۱۴۰۵/۰۹/۰۷"]


@pytest.mark.parametrize(("text", "number"), PLAIN)
def test_a_number_is_read_whatever_its_digits(text: str, number: str) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_none_stays_as_it_was_typed(text: str) -> None:
    assert number_of(text) == text
