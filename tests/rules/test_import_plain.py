"""Rows that are read many at once mean what they mean when each is read by itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angarium.contacts.comparable import fold, fold_each
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.imports.mapping import Column, Mapping
from angarium.contacts.imports.plain import Plain, Sheet
from angarium.contacts.imports.rows import Reader
from angarium.contacts.imports.worker import Taken
from angarium.contacts.likeness import as_sought, as_sought_each

HEADS = (
    "id",
    "name",
    "phone",
    "phone 2",
    "email",
    "lang",
    "zone",
    "city",
    "born",
    "paid",
    "tags",
    "no ads",
    "what",
)
COLUMNS = (
    Column(column="id", to="external_id"),
    Column(column="name", to="name"),
    Column(column="phone", to="address", kind="phone", split=";"),
    Column(column="phone 2", to="address", kind="phone"),
    Column(column="email", to="address", kind="email"),
    Column(column="lang", to="locale"),
    Column(column="zone", to="time_zone"),
    Column(column="city", to="field", name="city"),
    Column(column="born", to="field", name="born", kind="date", order="dmy"),
    Column(column="paid", to="field", name="paid"),
    Column(column="tags", to="tags", split=","),
    Column(column="no ads", to="opt_out", message_class="promotional"),
)
VARIABLE = Column(column="what", to="variable", name="what", kind="number")
PAID = FieldDefinition("paid", FieldKind.MONEY, currency="EUR")

# Of each column, cells that are plain, odd and wrong; few, so that rows name each other's.
CELLS: tuple[tuple[str, ...], ...] = (
    ("", "C1", "C2", "C3", "c1", " C4 ", "Ç\u200c5", "x" * 129, "'=1+1", "a\nb"),
    ("", "Олена  Ш", "سارا\u200cي", "Straße Ａ", "O'Neil", "e\u0301", "x" * 201, "\x00", "ﬁ\u2028"),
    ("", "+380501234567", "+989121234567", "050 123 45 67", "+380501234567;+4915112345678", '"+380501"', ";"),
    ("", "+380501234567", "+989121234568", "9.89E+11", "'+989121234567", "+1 650-253-0000", "+870773111632"),
    ("", "a@example.com", "A@Example.COM", "Ä@exämple.com", "a b@example.com", "a@b.de\nb@b.de", "b@b.de"),
    ("", "uk", "fa_IR", "Українська", "x" * 40, "en-GB"),
    ("", "Asia/Tehran", "Europe/Kyiv", "Mars/Base"),
    ("", "Київ", "Kyiv", "\u200f", "x" * 300, '"', "1\x1f2"),
    ("", "28.11.1990", "1990-02-03", "31.31.1990", "28.11.90"),
    ("", "12.50", "12.50 EUR", "1 USD", "much"),
    ("", "vip", "vip, gold,,vip", "x" * 65, '"a,b",c', "VIP\u2028"),
    ("", "", "", "no", "yes", "perhaps"),
    ("", "1", "1.5", "one", "1e3"),
)  # fmt: skip
WIDTHS = st.sampled_from([0, 1, -1, -len(HEADS)])  # cells more than there are heads


@st.composite
def rows(draw: st.DrawFn) -> list[str]:
    """A row, mostly of as many cells as there are heads."""
    cells = [draw(st.sampled_from(some)) for some in CELLS]
    more = draw(WIDTHS) if draw(st.integers(0, 9)) == 0 else 0
    return cells[: len(cells) + more] if more < 0 else [*cells, *["1", ""][:more]]


MAPPINGS: list[dict[str, Any]] = [
    {},
    {"empty": "clear", "country": "UA", "plus": True},
    {"duplicates": "skip", "taken": "leave", "add_tags": ("new", "vip")},
    {"duplicates": "fail", "taken": "move", "columns": (*COLUMNS, VARIABLE)},
    {"columns": (*COLUMNS[1:6], Column(column="id", to="name"))},
    {"columns": (*COLUMNS[:9], Column(column="paid", to="field", name="city"))},  # one field from two columns
]


def taken(mapping: Mapping, file: list[list[str]], at_once: int, plain: bool) -> list[Any]:
    """All that becomes of the rows of a file."""
    reader = Reader(mapping, HEADS, (PAID,))
    sheets, found = Plain(reader), []
    for before in range(0, len(file), at_once):
        some = file[before : before + at_once]
        sheet: Sheet = sheets.sheet(some) if plain else sheets.blank(len(some))
        one = Taken(reader, before, sheet, some)
        batch = one.batch(before + len(some), 0, 0)
        drafts = batch.drafts_of_newcomers()
        owned: dict[str, list[Any]] = {}
        for kind, *cells in one.newcomers.owned():
            owned.setdefault(kind, []).extend(zip(*cells, strict=True))
        bare = msgspec.structs.replace(batch, newcomer_rest=msgspec.Raw())
        found.append((bare, drafts, {kind: sorted(those) for kind, those in owned.items()}))
    return found


@pytest.mark.parametrize("said", MAPPINGS)
@given(file=st.lists(rows(), min_size=1, max_size=12), at_once=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
@pytest.mark.parts(2)
def test_many_rows_mean_what_each_of_them_means(
    said: dict[str, Any], file: list[list[str]], at_once: int
) -> None:
    mapping = Mapping(**{"columns": COLUMNS, **said})
    slowly = taken(mapping, file, at_once, plain=False)
    assert taken(mapping, file, at_once, plain=True) == slowly


def test_rows_as_most_are_need_no_look_of_their_own() -> None:
    row = [
        "C1",
        "Олена",
        "+380501234567",
        "",
        "o@example.com",
        "uk",
        "",
        "Київ",
        "28.11.1990",
        "12 EUR",
        "vip",
        "",
        "",
    ]
    plain = Plain(Reader(Mapping(columns=COLUMNS), HEADS, (PAID,)))
    assert plain.sheet([row, row[:-1], [*row, " "], [*row, "1"]]).odd == {3}


TEXTS = st.lists(
    st.text(max_size=30)
    | st.text(min_size=150, max_size=420)
    | st.sampled_from(["", "A\nb", "\u0301a", " ß ", "ﷺ" * 30]),
    max_size=6,
)


@given(texts=TEXTS)
@settings(max_examples=150, deadline=None)
def test_texts_are_folded_at_once_as_each_is(texts: list[str]) -> None:
    assert fold_each(texts) == [fold(text) for text in texts]
    assert as_sought_each(texts) == [as_sought(text) for text in texts]
