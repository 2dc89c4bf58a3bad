"""A row becomes what is to be known of a contact, or says which cell is wrong; doubles are seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.imports.doubles import Doubles, Person
from angarium.contacts.imports.looking import Look
from angarium.contacts.imports.mapping import Column, Mapping, Reading, check, guessed, keeps_list, known_by
from angarium.contacts.imports.rows import COUNTRY, Draft, Failed, Reader, Skipped
from angarium.contacts.imports.sniffing import Dialect
from angarium.contacts.imports.worker import Batch, End, Job, frames
from angarium.contacts.phones import regions

HEADS = ("id", "name", "phone", "email", "city", "born", "tags", "no ads")
COLUMNS = (
    Column(column="id", to="external_id"),
    Column(column="name", to="name"),
    Column(column="phone", to="address", kind="phone", split=";"),
    Column(column="email", to="address", kind="email"),
    Column(column="city", to="field", name="city"),
    Column(column="born", to="field", name="born", kind="date", order="dmy"),
    Column(column="tags", to="tags", split=","),
    Column(column="no ads", to="opt_out", message_class="promotional"),
)
CITY = Column(column="city", to="field", name="city", kind="text")  # where it is defined as a choice
BORN = Column(column="born", to="field", name="born", kind="choice", define=True)  # without choices
ROW = ["C1", "Олена", "+380501234567", "olena@Example.COM", "Київ", "28.11.1990", "vip, gold", "так"]


def reader(**said: Any) -> Reader:
    """A reader of the columns above."""
    return Reader(Mapping(columns=COLUMNS, **said), HEADS)


def look(heads: tuple[str, ...] = HEADS, rows: tuple[tuple[str, ...], ...] = ()) -> Look:
    """What was seen of a file with these heads."""
    return Look("text", "utf-8", True, Dialect(), True, (), heads, rows)


def variable(column: str, name: str = "what", **said: Any) -> Column:
    """A column that is a variable."""
    return Column(column=column, to="variable", name=name, **said)


def test_a_row_with_everything() -> None:
    draft = reader().read(2, ROW)
    assert isinstance(draft, Draft)
    assert (draft.external_id, draft.name, draft.locale, draft.row) == ("C1", "Олена", None, 2)
    assert draft.addresses == (("phone", "+380501234567", False), ("email", "olena@example.com", False))
    assert draft.fields == {"city": "Київ", "born": "1990-11-28"}
    assert draft.tags == ("vip", "gold")
    assert draft.opted_out == ("promotional",)
    assert draft.place[:1] == ("UA",)


def test_a_number_as_it_is_dialled_at_home_wants_the_country_of_the_file() -> None:
    row = [*ROW]
    row[2] = "۰۹۱۲۱۲۳۴۵۶۷"
    failed = reader().read(7, row)
    assert isinstance(failed, Failed)
    assert [one.remedy for one in failed.problems] == [COUNTRY]


def test_an_empty_row_is_none() -> None:
    assert reader().read(2, ["", " ", "\t"]) is None
    assert reader().read(2, []) is None


@pytest.mark.parametrize(
    ("at", "cell", "column", "problem"),
    [
        (2, "12345", "phone", "has no country code"),
        (2, "9.89E+11", "phone", "is in scientific notation, which loses digits"),
        (3, "olena", "email", "is not an e-mail address"),
        (5, "1990-31-31", "born", "is not a day of any calendar"),
        (7, "perhaps", "no ads", "is neither yes nor no"),
        (1, "x" * 201, "name", "is too long or has control characters"),
        (1, "Ol\ufffdna", "name", "cannot be read in this encoding"),
        (6, "x" * 65, "tags", "one is not a tag"),
    ],
)
def test_what_is_wrong_names_the_cell(at: int, cell: str, column: str, problem: str) -> None:
    row = [*ROW]
    row[at] = cell
    failed = reader().read(7, row)
    assert isinstance(failed, Failed)
    (found,) = failed.problems
    assert (failed.row, found.column, found.problem) == (7, column, problem)
    assert cell.startswith(found.value.rstrip("…"))
    assert found.remedy
    assert failed.raw.split("\x1f") == row


def test_everything_that_is_wrong_is_said_at_once() -> None:
    failed = reader().read(2, ["", "", "12", "x", "", "never", "", ""])
    assert isinstance(failed, Failed)
    assert {one.column for one in failed.problems} == {"phone", "email", "born"}


def test_a_cell_too_many_is_not_dropped() -> None:
    failed = reader().read(2, [*ROW, "more"])
    assert isinstance(failed, Failed)
    assert failed.problems[0].problem == "has more cells than there are columns"
    assert isinstance(reader().read(2, [*ROW, "", ""]), Draft)


@pytest.mark.parametrize(
    ("cell", "said", "number"),
    [
        ("0912 345 6789", {"country": "IR"}, "+989123456789"),
        ("9123456789", {"country": "IR"}, "+989123456789"),  # a workbook lost the zero
        ("989123456789", {"country": "IR"}, "+989123456789"),
        ("989123456789", {"plus": True}, "+989123456789"),  # a workbook lost the plus
        ("9.89123456789E+11", {"plus": True}, "+989123456789"),
        ("۰۹۱۲۳۴۵۶۷۸۹", {"country": "IR"}, "+989123456789"),
        ("'+989123456789", {}, "+989123456789"),  # as our own export defuses it
        ("050 123 45 67", {"country": "UA"}, "+380501234567"),
        ("13800138000", {"country": "CN"}, "+8613800138000"),
    ],
)
def test_phones_as_files_have_them(cell: str, said: dict[str, Any], number: str) -> None:
    row = [*ROW]
    row[2] = cell
    draft = reader(**said).read(2, row)
    assert isinstance(draft, Draft), draft
    assert draft.addresses[0][1] == number


def test_several_phones_in_a_cell() -> None:
    row = [*ROW]
    row[2] = "+380501234567; +380671234567"
    draft = reader().read(2, row)
    assert isinstance(draft, Draft)
    assert [value for kind, value, _ in draft.addresses if kind == "phone"] == [
        "+380501234567",
        "+380671234567",
    ]


def test_an_empty_cell_keeps_or_clears() -> None:
    row = ["C1", "", "+380501234567", "", "", "", "", ""]
    kept, cleared = reader().read(2, row), reader(empty="clear").read(2, row)
    assert isinstance(kept, Draft)
    assert isinstance(cleared, Draft)
    assert (kept.name, kept.fields, kept.tags, kept.cleared) == (None, {}, None, ())
    assert (cleared.name, cleared.fields, cleared.tags) == ("", {"city": None, "born": None}, ())
    assert cleared.cleared == ("phone", "email")
    assert cleared.locale is None  # no column speaks of it


def test_a_defined_field_takes_what_it_is_defined_to() -> None:
    defined = [FieldDefinition("city", FieldKind.CHOICE, choices=("Київ", "Львів"))]
    made = Reader(Mapping(columns=COLUMNS), HEADS, defined)
    assert isinstance(made.read(2, ROW), Draft)
    failed = made.read(3, ["C2", "", "", "", "Одеса", "", "", ""])
    assert isinstance(failed, Failed)
    assert failed.problems[0].problem == "is not one of the choices"


# ── doubles within a file ────────────────────────────────────────────────────────────────────────────


def test_the_same_person_twice() -> None:
    policies: tuple[Any, ...] = ("update", "skip", "fail")
    kinds = []
    for policy in policies:
        made = reader(duplicates=policy)
        assert isinstance(made.read(2, ROW), Draft)
        kinds.append(made.read(3, ROW))
    again, skipped, failed = kinds
    assert isinstance(again, Draft)
    assert again.again
    assert skipped == Skipped(3)
    assert isinstance(failed, Failed)
    assert failed.problems[0].problem == "is the same person as in row 2"


def test_one_phone_of_two_people() -> None:
    other = ["C2", "Taras", ROW[2], "", "", "", "", ""]
    policies: tuple[Any, ...] = ("fail", "leave", "move")
    found = []
    for policy in policies:
        made = reader(taken=policy)
        made.read(2, ROW)
        found.append(made.read(3, other))
    failed, left, moved = found
    assert isinstance(failed, Failed)
    assert failed.problems[0].problem == "is an address of the person in row 2 too"
    assert isinstance(left, Draft)
    assert left.addresses == ()
    assert isinstance(moved, Draft)
    assert moved.addresses == (("phone", "+380501234567", False),)


def test_who_has_no_id_is_whoever_has_the_address() -> None:
    doubles = Doubles()
    assert doubles.person(None, ["phone 1"], 2) == Person(2)
    assert doubles.person("A", ["phone 1"], 3) == Person(2)  # now we know the id of row 2
    assert doubles.person("B", ["phone 1"], 4) == Person(4, ((0, 2),))
    assert doubles.person(None, ["phone 9", "phone 1"], 5) == Person(2)
    assert doubles.person("A", ["phone 7"], 6) == Person(2)


@given(st.lists(st.integers(0, 400), max_size=2000), st.sampled_from([0, 100_000]))
@settings(max_examples=30, deadline=None)
def test_doubles_are_those_that_a_dictionary_finds(keys: list[int], expected: int) -> None:
    doubles, known = Doubles(expected), dict[int, int]()
    for row, key in enumerate(keys, start=1):
        assert doubles.person(str(key), [], row).row == known.setdefault(key, row)


def test_a_million_keys_stay_small() -> None:
    doubles = Doubles()
    for row in range(1, 200_000):
        doubles.add(f"= {row}", row)
    assert all(doubles.seen(f"= {row}") == row for row in range(1, 200_000, 97))
    assert not any(doubles.seen(f"= {row}") for row in range(200_000, 300_000))
    assert sum(len(table) for table in doubles._tables) * 8 < 16 << 20


def test_room_for_the_keys_that_are_expected_is_made_at_once_and_more_may_come() -> None:
    doubles = Doubles(100_000)
    (table,) = doubles._tables
    for row in range(1, 150_000):
        doubles.add(f"= {row}", row)
        assert row > 100_000 or doubles._tables == [table]
    assert len(doubles._tables) == 2
    assert all(doubles.seen(f"= {row}") == row for row in range(1, 150_000, 97))
    huge = Doubles(1 << 40)._tables[0]
    assert len(huge) * 8 == 32 << 20


def test_a_batch_ends_with_its_rows_or_when_it_holds_much(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("id,name\n" + f"C,{'x' * 100_000}\n" * 100, "utf-8")
    mapping = Mapping(columns=(Column(column=1, to="external_id"), Column(column=2, to="ignore")))
    how = Reading("text", "utf-8", Dialect(), True, "")
    job = Job(path=str(path), mapping=mapping, reading=how, heads=("id", "name"))
    *found, end = frames(job)
    assert [batch.until_row for batch in found if isinstance(batch, Batch)] == [43, 85, 101]
    assert sum(batch.rows for batch in found if isinstance(batch, Batch)) == 100
    assert end == End(101)


# ── mappings ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "heads",
    [
        ("external id", "full name", "mobile", "e-mail", "language", "tags"),
        ("код клієнта", "ПІБ", "Телефон", "Ел. пошта", "Мова", "Теги"),
        ("код клиента", "ФИО", "Номер телефона", "Электронная почта", "Язык", "Метки"),
        ("شناسه", "نام", "شماره موبایل", "ایمیل", "زبان", "برچسب‌ها"),
        # as an Arabic keyboard writes it
        ("شناسه", "نام و نام خانوادگي", "شمارهٔ موبایل", "ایمیل", "زبان", "برچسب‌ها"),
        ("رقم العميل", "الاسم الكامل", "رقم الجوال", "البريد الإلكتروني", "اللغة", "الوسوم"),
        ("客户编号", "姓名", "手机号码", "电子邮箱", "语言", "标签"),
    ],
)
def test_heads_in_six_languages(heads: tuple[str, ...]) -> None:
    mapping = guessed(look(heads, (("1", "a", "b", "c", "d", "e"),)))
    told = [(one.to, one.kind) for one in mapping.columns]
    addresses = [("address", "phone"), ("address", "email")]
    assert told == [("external_id", ""), ("name", ""), *addresses, ("locale", ""), ("tags", "")]
    assert not check(look(heads), mapping, regions(), {})


def test_columns_without_heads_are_known_by_their_look() -> None:
    rows = tuple(
        (
            f"anna{n}@example.com",
            f"98912345678{n}",
            f"{n}.12.1990",
            ("vip", "vip;gold")[n % 2],
            "uk",
            f"{n},5",
        )
        for n in range(1, 10)
    )
    mapping = guessed(look(("",) * 6, rows))
    told = [(one.column, one.to, one.kind) for one in mapping.columns]
    assert told[:3] == [(1, "address", "email"), (2, "address", "phone"), (3, "field", "date")]
    assert told[3:] == [(4, "tags", ""), (5, "locale", ""), (6, "field", "number")]
    assert mapping.plus
    assert (mapping.columns[2].order, mapping.columns[5].decimals) == ("dmy", ",")


def test_persian_dates_are_known_by_their_years() -> None:
    mapping = guessed(
        look(("موبایل", "تاریخ تولد"), (("09121234567", "۱۳۶۹/۰۹/۰۷"), ("09121234568", "1370/01/31"))), "IR"
    )
    assert (mapping.columns[1].kind, mapping.columns[1].calendar) == ("date", "jalali")


@pytest.mark.parametrize(
    ("said", "cell", "kept"),
    [
        ({}, "120.50", '{"what":"120.50"}'),
        ({}, "  ", ""),
        ({"kind": "number", "decimals": ","}, "120,5", '{"what":120.5}'),
        ({"kind": "date", "order": "dmy"}, "28.11.2026", '{"what":"2026-11-28"}'),
        ({"kind": "money", "currency": "EUR"}, "12.50", '{"what":{"micros":12500000,"currency":"EUR"}}'),
        ({"kind": "choice", "choices": ("gold",)}, "gold", '{"what":"gold"}'),
        ({"kind": "choice", "choices": ("gold",)}, "lead", None),
        ({"kind": "number"}, "many", None),
        ({}, "x" * 4_001, None),
    ],
)
def test_the_variables_of_a_row(said: dict[str, Any], cell: str, kept: str | None) -> None:
    mapping = Mapping(columns=(COLUMNS[0], variable("city", **said)))
    assert keeps_list(mapping)
    assert not check(look(), mapping, regions(), {})
    row = ["C1", "", "", "", cell, "", "", ""]
    read = Reader(mapping, HEADS).read(2, row)
    if kept is None:
        assert isinstance(read, Failed)
        assert [one.column for one in read.problems] == ["city"]
    else:
        assert isinstance(read, Draft)
        assert (read.variables, read.fields) == (kept, {})


def test_variables_that_are_too_large_together() -> None:
    heads = tuple(f"h{n}" for n in range(6))
    columns = [variable(head, f"v{head}") for head in heads[1:]]
    mapping = Mapping(columns=(Column(column="h0", to="external_id"), *columns))
    read = Reader(mapping, heads).read(2, ["C1", *["x" * 4_000] * 5])
    assert isinstance(read, Failed)
    assert [one.problem for one in read.problems] == ["has variables that are too large"]


def test_a_row_that_repeats_somebody_comes_for_the_list_alone() -> None:
    rows = [["C1", *[""] * 7], ["C1", *[""] * 7]]
    plain, listing = (reader(duplicates="skip", listed=listed) for listed in (False, True))
    assert [type(plain.read(n, row)) for n, row in enumerate(rows, 2)] == [Draft, Skipped]
    assert [type(listing.read(n, row)) for n, row in enumerate(rows, 2)] == [Draft, Draft]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"encoding": "utf-7"}, "encoding"),
        ({"delimiter": "::"}, "delimiter"),
        ({"country": "ZZ"}, "country"),
        ({"sheet": "Sheet9"}, "sheet"),
        ({"match_by": ("shoe_size",)}, "match_by"),
        ({"add_tags": ("",)}, "add_tags"),
        ({"columns": (Column(column="gone", to="name"),)}, "columns[0].column"),
        ({"columns": (Column(column="phone", to="address", kind="pigeon"),)}, "columns[0].kind"),
        ({"columns": (*COLUMNS, Column(column="id", to="ignore"))}, "columns[8]"),
        ({"columns": (Column(column="name", to="name"),)}, "columns"),
        ({"columns": (COLUMNS[0], Column(column="city", to="field", name="tags"))}, "columns[1].name"),
        ({"columns": (COLUMNS[0], CITY)}, "columns[1].kind"),
        ({"columns": (COLUMNS[0], BORN)}, "columns[1].choices"),
        ({"columns": (COLUMNS[0], Column(column="no ads", to="opt_out"))}, "columns[1].message_class"),
        ({"columns": (COLUMNS[0], Column(column="city", to="variable"))}, "columns[1].name"),
        ({"columns": (COLUMNS[0], Column(column="city", to="variable", name="contact"))}, "columns[1].name"),
        ({"columns": (COLUMNS[0], variable("city", kind="shoe"))}, "columns[1].kind"),
        ({"columns": (COLUMNS[0], variable("city", kind="choice"))}, "columns[1].choices"),
        ({"columns": (COLUMNS[0], variable("city"), variable("born"))}, "columns[2]"),
    ],
)  # fmt: skip
def test_a_mapping_that_does_not_fit(said: dict[str, Any], field: str) -> None:
    defined = {"city": FieldDefinition("city", FieldKind.CHOICE, choices=("Київ",))}
    wrong = check(look(), Mapping(**({"columns": COLUMNS} | said)), regions(), defined)
    assert field in {one.field for one in wrong}


def test_an_uncertain_encoding_must_be_named() -> None:
    unsure = Look("text", "cp1251", False, Dialect(), True, (), HEADS, ())
    assert [one.field for one in check(unsure, Mapping(columns=COLUMNS), regions(), {})] == ["encoding"]
    assert not check(unsure, Mapping(columns=COLUMNS, encoding="cp1256"), regions(), {})


def test_who_is_known_by_what() -> None:
    assert known_by(Mapping(columns=COLUMNS)) == ("external_id", "phone", "email")
    assert known_by(Mapping(columns=COLUMNS, match_by=("email",))) == ("email",)
