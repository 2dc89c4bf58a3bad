"""A text file is known by its bytes: its encoding, its delimiter, its head; and it is said when it is not."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angarium.contacts.imports import columns, sniffing
from angarium.contacts.imports.looking import look_at, sampled
from angarium.contacts.imports.mapping import Mapping
from angarium.contacts.imports.sniffing import Dialect

NAMES = {
    "uk": "Олена Шевченко|Тарас Бондаренко|Ярослава Кравчук|Їжакевич Єва|Ґалаґан Андрій|Наталія Мельник",
    "ru": "Иван Петров|Мария Кузнецова|Алексей Смирнов|Екатерина Щербакова|Юрий Цой|Ольга Жукова",
    "ar": "محمد عبد الله|فاطمة الزهراء|أحمد حسن|خديجة منصور|يوسف إبراهيم|عائشة صالح|مريم الخطيب",
    "fa": "سارا احمدی|علی رضایی|زهرا کریمی|محمد حسینی|پریسا گلشیری|رضا ژاله",
    "zh": "王小明|李娜|张伟|刘洋|陈静|杨帆|赵敏|黄磊|周杰|吴倩",
    "en": "Anna Schmidt|John O'Neil|Zoë Ward|Renée Dupont|Peter Brown|Lucía Peña",
}
CITIES = {
    "uk": "Київ|Львів|Одеса|Запоріжжя",
    "ru": "Москва|Казань|Новосибирск|Тверь",
    "ar": "القاهرة|الرياض|بغداد|دمشق",
    "fa": "تهران|شیراز|اصفهان|مشهد",
    "zh": "上海|北京|广州|深圳",
    "en": "Berlin|London|Cork|Leeds",
}
IN_ONE_BYTE = {"uk": "cp1251", "ru": "cp1251", "ar": "cp1256"}
WIDE = ("utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-16")
PLAIN = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}


def file_of(language: str, picks: list[tuple[int, int, int]], delimiter: str = ",") -> str:
    """A file of customers in a language."""
    names, cities = NAMES[language].split("|"), CITIES[language].split("|")
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["id", "name", "phone", "city"])
    for name, city, number in picks:
        phone = f"+98912{number:07}"
        writer.writerow([f"C{number}", names[name % len(names)], phone, cities[city % len(cities)]])
    return text.getvalue()


picks = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 9_999_999)), min_size=3, max_size=40
)


@given(picks, st.sampled_from(sorted(NAMES)), st.sampled_from(WIDE))
@settings(max_examples=150, deadline=None)
def test_unicode_is_certain_in_every_language(
    rows: list[tuple[int, int, int]], language: str, encoding: str
) -> None:
    sample = file_of(language, rows).encode(encoding)
    guesses = sniffing.encodings(sample, utf_8=encoding.startswith("utf-8"))
    assert [one.encoding for one in guesses] == [PLAIN.get(encoding, encoding)]
    assert sniffing.certain(guesses)


@given(picks, st.sampled_from(sorted(IN_ONE_BYTE)))
@settings(max_examples=200, deadline=None)
def test_cyrillic_and_arabic_in_one_byte_are_told_apart(
    rows: list[tuple[int, int, int]], language: str
) -> None:
    encoding = IN_ONE_BYTE[language]
    guesses = sniffing.encodings(file_of(language, rows).encode(encoding), utf_8=False)
    assert guesses[0].encoding == encoding
    assert {one.encoding for one in guesses} & {"cp1251", "cp1256"} == {encoding}


def test_chinese_as_windows_writes_it() -> None:
    sample = file_of("zh", [(n, n, n) for n in range(20)]).encode("gb18030")
    assert sniffing.encodings(sample, utf_8=False)[0].encoding == "gb18030"


def test_persian_has_no_place_in_cp1256() -> None:
    with pytest.raises(UnicodeEncodeError):
        file_of("fa", [(0, 0, 0)]).encode("cp1256")


@pytest.mark.parametrize("text", ["name\nJos\xe9\n", "name\nB\xf8rge\nS\xf8ren\n"])
def test_what_is_not_sure_is_said_to_be(text: str) -> None:
    guesses = sniffing.encodings(text.encode("latin-1"), utf_8=False)
    assert not sniffing.certain(guesses)


@given(picks, st.sampled_from(sorted(NAMES)), st.sampled_from(sniffing.DELIMITERS))
@settings(max_examples=150, deadline=None)
def test_the_delimiter_is_found(rows: list[tuple[int, int, int]], language: str, delimiter: str) -> None:
    assert sniffing.dialect(file_of(language, rows, delimiter)) == Dialect(delimiter)


def test_delimiters_inside_cells() -> None:
    text = 'id;name;note\n1;"Ward, Zoë, Dr.";"a;b"\n2;"O\'Neil, John";"said ""no"""\n'
    form = sniffing.dialect(text)
    assert form == Dialect(";")
    rows = list(sniffing.rows(text.splitlines(keepends=True), form))
    assert rows[1] == ["1", "Ward, Zoë, Dr.", "a;b"]
    assert rows[2][2] == 'said "no"'


def test_a_name_far_down_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "late.csv"
    plain = "".join(f"C{n},Anna {n},+4915112345678\n" for n in range(40_000))
    file.write_bytes(
        b"id,name,phone\n" + plain.encode() + "C1,Олена Шевченко,+380501234567\n".encode("cp1251")
    )
    sample, utf_8 = sampled(file)
    assert not utf_8
    assert sniffing.encodings(sample, utf_8=utf_8)[0].encoding == "cp1251"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251"])
def test_the_first_rows_read_alike_in_each_encoding(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "names.csv"
    file.write_bytes(file_of("uk", [(n, n, n) for n in range(12)], ";").encode(encoding))
    seen = look_at(file)
    assert seen.look.heads == ("id", "name", "phone", "city")
    assert seen.look.header
    assert seen.look.dialect == Dialect(";")
    assert seen.encodings[0].rows[1] == ("C0", "Олена Шевченко", "+989120000000", "Київ")


@pytest.mark.parametrize(
    ("rows", "head"),
    [
        ([["id", "name"], ["1", "Anna"]], True),
        ([["ПІБ", "Телефон"], ["Олена", "+380501234567"]], True),
        ([["نام", "موبایل"], ["سارا", "09121234567"]], True),
        ([["姓名", "手机号"], ["王小明", "13800138000"]], True),
        ([["Colour", "Size"], ["red", "12"]], True),  # words unknown, and the rows below are no words
        ([["C1", "+380501234567"], ["C2", "+380501234568"]], False),
        ([["Anna", "anna@example.com"], ["Ben", "ben@example.com"]], False),
        ([["red", "blue"], ["green", "red"]], False),
        ([["", ""], ["a", "b"]], False),
    ],
)
def test_whether_the_first_row_names_the_columns(rows: list[list[str]], head: bool) -> None:
    assert columns.is_head(rows[0], rows[1:]) is head


ROWS = [
    ["No", "Who", "Mobile", "Points"],
    ["1", "Ann", "+380501234567", "5"],
    ["2", "Bo", "+380501234568", ""],
]


@pytest.mark.parametrize(
    ("above", "count"),
    [
        ([], 0),
        ([["Customers of the spring club, 2026", "", "", ""]], 1),
        ([["Customers"], [], ["of 30.11.2026"]], 3),
        ([[], []], 0),  # what is empty is passed over in any case
        ([["", "", "+380501234569", ""]], 0),  # somebody of whom nothing else is known
        ([["phone", "", "", ""]], 0),  # a name of a column
        ([["Ours", "Theirs", "", ""]], 0),  # half of it is filled: it may be of the table
    ],
)
def test_a_title_over_a_table_is_not_its_head(above: list[list[str]], count: int, tmp_path: Path) -> None:
    assert columns.rows_above([*above, *ROWS]) == count
    file = tmp_path / "file.csv"
    with file.open("w", newline="") as text:
        csv.writer(text).writerows([*above, *ROWS])
    look = look_at(file).look
    assert look.above == count
    if not above or not any(map(any, above)) or count:
        assert (look.heads, look.header, len(look.examples)) == (tuple(ROWS[0]), True, 2)


def test_nobody_is_taken_for_a_title() -> None:
    assert columns.rows_above([["C1", "", ""], *[row[:3] for row in ROWS[1:]]]) == 0
    assert columns.rows_above([["Ann", ""], ["Bo", "Kyiv"], ["Cy", "Lviv"]]) == 0
    assert columns.rows_above([["", ""], ["", ""]]) == 0


def test_what_stands_over_a_table_may_be_said(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    with file.open("w", newline="") as text:
        csv.writer(text).writerows([["Ours", "Theirs", "", ""], *ROWS])
    seen = look_at(file, Mapping(above=1))
    assert (seen.look.heads, seen.look.above) == (tuple(ROWS[0]), 1)
    assert [(one.to, one.kind) for one in seen.guess.columns][2] == ("address", "phone")
