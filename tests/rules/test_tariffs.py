"""What a message costs: which row decides, units, tiers, least and step; what is wrong with a list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.values import MessageClass
from angarium.lines import destinations, tariffs, tariffs_csv
from angarium.lines.rules import price_micros
from angarium.lines.tariffs import Changed, Row, Sold
from angarium.lines.tariffs_csv import ERRORS_MAX, write

OTP, SERVICE, PROMOTIONAL = MessageClass.OTP, MessageClass.SERVICE, MessageClass.PROMOTIONAL


def row(price: str, destination: str = "", **given: Any) -> Row:
    """A row, by the part unless it is said otherwise."""
    return Row(price=price, destination=destination, **given)


LIST = (
    row("0.05"),
    row("0.04", message_class=OTP),
    row("0.03", "UA"),
    row("0.02", "+38067"),
    row("0.015", "+38067", message_class=OTP),
    row("0.9", "+380671"),
    row("0.8", "Iran", unit="message"),
    row("0.7", "+98912", unit="message", volume_from=0),
    row("0.6", "+98912", unit="message", volume_from=100),
    row("0.5", "+98912", unit="message", volume_from=1000),
    row("0.01", "+7", unit="part", minimum="0.015"),
    row("0.0034", "+77", step="0.005"),
    row("0.1", "+86", unit="session", session_h=24),
    row("0.2", "+86", unit="session", message_class=PROMOTIONAL),
)
BOOK = tariffs.compile_rows(LIST)

ROWS = [  # about, class, address, parts, volume, in a session, micro-units, units, the row that decided
    ("everywhere", SERVICE, "+4915112345678", 1, 0, False, 50_000, 1, 0),
    ("by the part", SERVICE, "+4915112345678", 3, 0, False, 150_000, 3, 0),
    ("of a class", OTP, "+4915112345678", 1, 0, False, 40_000, 1, 1),
    ("no number", SERVICE, "a@example.com", 1, 0, False, 50_000, 1, 0),
    ("a country", SERVICE, "+380501234567", 2, 0, False, 60_000, 2, 2),
    ("a prefix before its country", SERVICE, "+380672234567", 1, 0, False, 20_000, 1, 3),
    ("the class at that prefix", OTP, "+380672234567", 1, 0, False, 15_000, 1, 4),
    ("the longest prefix before the class", OTP, "+380671234567", 1, 0, False, 900_000, 1, 5),
    (
        "of one country though a class is named for everywhere",
        OTP,
        "+380501234567",
        1,
        0,
        False,
        30_000,
        1,
        2,
    ),
    ("by the message", SERVICE, "+989331234567", 7, 0, False, 800_000, 1, 6),
    ("the first tier", SERVICE, "+989121234567", 1, 99, False, 700_000, 1, 7),
    ("the second from its threshold on", SERVICE, "+989121234567", 1, 100, False, 600_000, 1, 8),
    ("the third", SERVICE, "+989121234567", 1, 10**9, False, 500_000, 1, 9),
    ("at least", SERVICE, "+79161234567", 1, 0, False, 15_000, 1, 10),
    ("more than the least", SERVICE, "+79161234567", 2, 0, False, 20_000, 2, 10),
    ("rounded up to a step", SERVICE, "+77011234567", 1, 0, False, 5_000, 1, 11),
    ("two parts rounded once", SERVICE, "+77011234567", 2, 0, False, 10_000, 2, 11),
    ("a session opens", SERVICE, "+8613812345678", 4, 0, False, 100_000, 1, 12),
    ("within a session", SERVICE, "+8613812345678", 4, 0, True, 0, 0, 12),
    ("a session of a class", PROMOTIONAL, "+8613812345678", 1, 0, False, 200_000, 1, 13),
]


@pytest.mark.parametrize(
    ("message_class", "address", "parts", "volume", "in_session", "micros", "units", "place"),
    [one[1:] for one in ROWS],
    ids=[one[0] for one in ROWS],
)
def test_what_a_message_costs(
    message_class: MessageClass,
    address: str,
    parts: int,
    volume: int,
    in_session: bool,
    micros: int,
    units: int,
    place: int,
) -> None:
    found = tariffs.price(BOOK, Sold(message_class, address, parts, volume, in_session))
    assert found is not None
    assert (found.micros, found.units, found.row) == (micros, units, LIST[place])


def test_what_no_row_names_has_no_price() -> None:
    book = tariffs.compile_rows([row("1", "+98"), row("1", "+38", message_class=OTP)])
    assert tariffs.price(book, Sold(SERVICE, "+4915112345678", 1)) is None
    assert tariffs.price(book, Sold(SERVICE, "+380501234567", 1)) is None
    assert tariffs.price(book, Sold(OTP, "+380501234567", 1)) is not None


def test_the_words_of_a_row() -> None:
    assert row("0.0031", "+98912", message_class=OTP).words == "+98912 otp 0.0031 a part"
    assert row("0.5", volume_from=1000, unit="message").words == "everywhere from 1000 0.5 a message"


def plainly(rows: tuple[Row, ...], sold: Sold) -> tuple[int, Row] | None:
    """The same by looking at every row: the independent reading of the rules."""
    fits = [
        (len(prefix), one.message_class is not None, one.volume_from, place)
        for place, one in enumerate(rows)
        for prefix in destinations.prefixes(one.destination)
        if sold.address.startswith(prefix)
        and one.message_class in (None, sold.message_class)
        and one.volume_from <= sold.volume
    ]
    if not fits:
        return None
    one = rows[max(fits)[3]]
    per = price_micros(one.price) or 0
    amount = max(per * (sold.parts if one.unit == "part" else 1), price_micros(one.minimum) or 0)
    step = price_micros(one.step) or 1
    return (amount + step - 1) // step * step, one


prefixes = st.sampled_from(
    ["", "+3", "+38", "+380", "+3806", "+38067", "+98", "+989", "UA", "IR", "+7", "KZ"]
)
some_rows = st.lists(
    st.builds(
        Row,
        st.integers(0, 9).map(lambda n: f"0.0{n}"),
        prefixes,
        st.sampled_from([None, OTP, SERVICE]),
        st.sampled_from(["part", "message"]),
        st.just(24),
        st.sampled_from([0, 10, 100]),
        st.sampled_from(["0", "0.03"]),
        st.sampled_from(["0", "0.005", "0.02"]),
    ),
    min_size=1,
    max_size=12,
).filter(lambda rows: not list(tariffs.check(rows)))


@given(
    some_rows,
    st.sampled_from(["+380671234567", "+380501234567", "+989121234567", "+77011234567", "+12025550123"]),
    st.sampled_from([OTP, SERVICE, PROMOTIONAL]),
    st.integers(1, 6),
    st.sampled_from([0, 9, 10, 99, 100, 5_000]),
)
def test_the_compiled_list_says_what_its_rows_say(
    rows: list[Row], address: str, message_class: MessageClass, parts: int, volume: int
) -> None:
    sold = Sold(message_class, address, parts, volume)
    found = tariffs.price(tariffs.compile_rows(rows), sold)
    assert (None if found is None else (found.micros, found.row)) == plainly(tuple(rows), sold)


# ── what is wrong with a list ────────────────────────────────────────────────────────────────────────

WRONG = [  # about, rows, the place and field of each flaw
    ("nothing", [], [(0, "rows")]),
    ("a price", [row("cheap")], [(0, "price")]),
    ("seven decimals", [row("0.0000001")], [(0, "price")]),
    ("a least", [row("1", minimum="-1")], [(0, "minimum")]),
    ("a step", [row("1", step="x")], [(0, "step")]),
    ("a session", [row("1", unit="session", session_h=0)], [(0, "session_h")]),
    ("a volume", [row("1"), row("1", volume_from=-1)], [(1, "volume_from")]),
    ("a destination", [row("1", "Atlantis")], [(0, "destination")]),
    ("the same twice", [row("1", "+98"), row("2", "+98")], [(1, "destination")]),
    ("the same by another name", [row("1", "+98"), row("2", "Iran")], [(1, "destination")]),
    ("nothing below the tier", [row("1", volume_from=10)], [(0, "volume_from")]),
    ("tiers of two units", [row("1"), row("1", volume_from=9, unit="message")], [(1, "unit")]),
]


@pytest.mark.parametrize(("rows", "expected"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
def test_what_is_wrong_with_a_list(rows: list[Row], expected: list[tuple[int, str]]) -> None:
    found = list(tariffs.check(rows))
    assert [(place, flaw.field) for place, flaw in found] == expected
    assert all(flaw.problem and flaw.remedy for _, flaw in found)


def test_a_list_may_be_large_and_no_larger() -> None:
    rows = [row("1", f"+{10_000 + number}") for number in range(tariffs.ROWS_MAX + 1)]
    assert [flaw.field for _, flaw in tariffs.check(rows)] == ["rows"]
    assert not list(tariffs.check(rows[1:]))


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_read_as_it_was_written() -> None:
    rows, wrong = tariffs_csv.read(write(LIST))
    assert wrong == []
    assert tuple(rows) == LIST


FILES = [  # about, the file, its rows
    ("only prices", "price\n0.01\n", [row("0.01")]),
    ("with a byte order mark", "\ufeffprice\n0.01\n", [row("0.01")]),
    ("semicolons and decimal commas", "destination;price\nIR;0,031\n", [row("0.031", "IR")]),
    ("tabs", "Destination\tPRICE\n+98\t1\n", [row("1", "+98")]),
    ("quoted", 'destination,price\n"+98","1"\n', [row("1", "+98")]),
    ("empty lines", "price\n\n0.01\n,\n".replace(",", ""), [row("0.01")]),
    ("short lines", "price,class\n1\n", [row("1")]),
    ("Windows", "price,class\r\n1,otp\r\n", [row("1", message_class=OTP)]),
]


@pytest.mark.parametrize(("text", "expected"), [one[1:] for one in FILES], ids=[one[0] for one in FILES])
def test_files_as_people_have_them(text: str, expected: list[Row]) -> None:
    assert tariffs_csv.read(text) == (expected, [])


BAD_FILES = [  # about, the file, the fields named
    ("empty", "", ["line 1"]),
    ("no price", "destination\n+98\n", ["line 1"]),
    ("an unknown column", "price,colour\n1,red\n", ["line 1"]),
    ("a column twice", "price,price\n1,1\n", ["line 1"]),
    ("no rows", "price\n", ["rows"]),
    ("a price", "destination,price\n+1,1\n+2,cheap\n", ["line 3: price"]),
    ("no price in a row", "destination,price\n+98,\n", ["line 2: price"]),
    ("a class", "price,class\n1,advert\n", ["line 2: class"]),
    ("a unit", "price,unit\n1,word\n", ["line 2: unit"]),
    ("a number", "price,volume_from\n1,many\n", ["line 2: volume_from"]),
    ("a number of another script", "price,volume_from\n1,٣\n", ["line 2: volume_from"]),
    ("too many cells", "price\n1,2\n", ["line 2"]),
    ("a destination", "destination,price\n\n+98,1\nAtlantis,1\n", ["line 4: destination"]),
    ("twice", "destination,price\n+98,1\nIR,2\n", ["line 3: destination"]),
    ("every one of them", "price,class\nx,y\n1,z\n", ["line 2: class", "line 3: class"]),
    ("a quote that does not end", 'price\n"1' + "x" * 200_000, ["line 2"]),
    ("too long", "price\n" + "1\n" * 1_000_000, ["csv"]),
]


@pytest.mark.parametrize(
    ("text", "fields"), [one[1:] for one in BAD_FILES], ids=[one[0] for one in BAD_FILES]
)
def test_what_is_wrong_with_a_file(text: str, fields: list[str]) -> None:
    _, wrong = tariffs_csv.read(text)
    assert [flaw.field for flaw in wrong] == fields
    assert all(flaw.problem and flaw.remedy for flaw in wrong)


def test_no_more_is_told_than_a_person_reads() -> None:
    _, wrong = tariffs_csv.read("price\n" + "cheap\n" * 5_000)
    assert len(wrong) == ERRORS_MAX


@given(st.text(max_size=300))
def test_no_file_breaks_the_reader(text: str) -> None:
    rows, wrong = tariffs_csv.read("price,destination,class,unit,volume_from\n" + text)
    assert wrong or not list(tariffs.check(rows))


# ── two lists, and time ──────────────────────────────────────────────────────────────────────────────


def test_what_a_new_list_changes() -> None:
    before = (row("1"), row("2", "+98"), row("3", "+7"))
    after = (row("1"), row("2.5", "+98"), row("4", "+7", message_class=OTP))
    assert tariffs.difference(before, after) == [
        Changed(row("3", "+7"), None),
        Changed(None, row("4", "+7", message_class=OTP)),
        Changed(row("2", "+98"), row("2.5", "+98")),
    ]
    assert tariffs.difference(after, after) == []


def test_a_month_is_that_of_the_zone() -> None:
    at = tariffs.instant("2026-11-30T21:00:00Z", "UTC")
    assert tariffs.month_of(at, "UTC") == "2026-11"
    assert tariffs.month_of(at, "Asia/Tehran") == "2026-12"


@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Kathmandu", "Pacific/Chatham", "Asia/Tehran", "America/St_Johns"]
)
def test_a_month_begins_where_its_clocks_say_to_the_microsecond(zone: str) -> None:
    begins = tariffs.instant("2026-12-01T00:00", zone)
    assert [tariffs.month_of(at, zone) for at in (begins - 1, begins)] == ["2026-11", "2026-12"]


def test_an_instant_is_as_the_clocks_of_the_zone_show_it() -> None:
    tehran = tariffs.instant("2027-01-01T00:00", "Asia/Tehran")
    assert tehran == tariffs.instant("2026-12-31T20:30:00Z", "Europe/Kyiv")
    assert tehran == tariffs.instant("2027-01-01T00:00:00+03:30", "UTC")
    with pytest.raises(ValueError, match="Invalid isoformat"):
        tariffs.instant("soon", "UTC")
