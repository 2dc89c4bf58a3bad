"""Numbers, money and times as the readers of each language write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from angarium.web import figures
from angarium.web.languages import LANGUAGES, chosen

AT = datetime(2026, 3, 20, 21, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 sec"),
        (0.04, "0 sec"),
        (0.25, "0.2 sec"),
        (15.2, "15.2 sec"),
        (59.94, "59.9 sec"),
        (59.96, "1 min"),
        (60, "1 min"),
        (125, "2 min 5 sec"),
        (11_520, "3 hr 12 min"),
        (187_200, "2 days 4 hr"),
    ],
)
def test_how_long_something_lasted(seconds: float, words: str) -> None:
    assert figures.duration(LANGUAGES["en"], timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("code", "number", "money", "moment"),
    [
        ("en", "1,234,567.5", "€0.045", "Mar 20, 2026, 21:05:09"),
        ("fa", "۱٬۲۳۴٬۵۶۷٫۵", "\u200e€\xa0۰٫۰۴۵", "۲۹ اسفند ۱۴۰۴، ۲۱:۰۵:۰۹"),
        ("uk", "1\xa0234\xa0567,5", "0,045\xa0EUR", "20 бер. 2026\u202fр., 21:05:09"),
        ("ru", "1\xa0234\xa0567,5", "0,045\xa0€", "20 мар. 2026\u202fг., 21:05:09"),
        ("zh", "1,234,567.5", "€0.045", "2026年3月20日, 21:05:09"),
    ],
)
def test_each_language_has_its_own_way(code: str, number: str, money: str, moment: str) -> None:
    language = LANGUAGES[code]
    assert figures.number(language, 1234567.5) == number
    assert figures.money(language, "0.045", "EUR") == money
    assert figures.moment(language, AT, seconds=True) == moment


def test_what_many_came_to_is_told_without_the_fractions_of_a_cent() -> None:
    english = LANGUAGES["en"]
    assert figures.whole_sum(english, "40.153555", "EUR") == "€40.15"
    assert figures.whole_sum(english, "-40.155", "EUR") == "-€40.16"
    assert figures.whole_sum(english, "0.0385", "EUR") == "€0.0385", "of one message they are most of it"


@pytest.mark.parametrize(
    ("code", "share", "kilo", "giga", "date"),
    [
        ("en", "12.5%", "1.5 kB", "1 GB", "Mar 20, 2026"),
        ("fa", "۱۲٫۵٪", "۱٫۵ کیلوبایت", "۱ گیگابایت", "۲۹ اسفند ۱۴۰۴"),
        ("uk", "12,5%", "1,5 кБ", "1 ГБ", "20 бер. 2026\u202fр."),
    ],
)
def test_shares_sizes_and_dates_that_are_kept_as_text(
    code: str, share: str, kilo: str, giga: str, date: str
) -> None:
    language = LANGUAGES[code]
    assert figures.percent(language, 0.125) == share
    assert figures.size(language, 1536).replace("\xa0", " ") == kilo
    assert figures.size(language, 1 << 30).replace("\xa0", " ") == giga
    assert figures.dated(language, "2026-03-20") == date
    assert figures.dated(language, "soon") == "soon"


def test_the_year_turns_in_the_zone_of_whoever_reads() -> None:
    """Nowruz: in Tehran it is already the first day of 1405."""
    assert figures.day(LANGUAGES["fa"], AT, ZoneInfo("Asia/Tehran")) == "۱ فروردین ۱۴۰۵"


@pytest.mark.parametrize(
    ("wanted", "accepted", "code"),
    [
        ("uk", "fa", "uk"),
        ("", "fa-IR,fa;q=0.9,en;q=0.1", "fa"),
        ("", "en;q=0.2, ar;q=0.7", "ar"),
        ("", "de, zh-CN;q=0.5", "zh"),
        ("xx", "", "en"),
        ("", "fa;q=x, ;;;, ru;q=0", "en"),
    ],
)
def test_the_language_of_a_page(wanted: str, accepted: str, code: str) -> None:
    assert chosen(wanted, accepted).code == code


@pytest.mark.parametrize(
    ("code", "shown"), [("en", "-20"), ("ru", "-20"), ("fa", "\u200e-۲۰"), ("ar", "\u200e-20")]
)
def test_a_sign_stays_to_the_left_of_its_number(code: str, shown: str) -> None:
    language = LANGUAGES[code]
    assert figures.number(language, -20) == shown
    assert figures.signed(language, "+" + figures.number(language, 20)) == shown.replace("-", "+")
    assert figures.signed(language, figures.number(language, 20)) == figures.number(language, 20)


@pytest.mark.parametrize(
    ("code", "first"), [("en", 1), ("uk", 1), ("ru", 1), ("zh", 1), ("fa", 6), ("ar", 6)]
)
def test_a_week_begins_as_where_the_language_is_spoken(code: str, first: int) -> None:
    week = LANGUAGES[code].week
    assert week[0] == first
    assert all(after == before % 7 + 1 for before, after in pairwise(week))
    assert len(week) == 7
