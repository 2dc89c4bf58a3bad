"""What people send as a file of contacts: text in any encoding, workbooks that are none."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import msgspec
import xlsxwriter

from angarium.contacts.imports import worker
from angarium.contacts.imports.mapping import Mapping, reading
from angarium.contacts.imports.worker import Batch, Found, Job
from fuzz.harness import Target, simple
from fuzz.mutations import lines, octets

ROWS = 'id,name,phone,email,born,tags,no ads\nC1,Олена,+380501234567,o@example.com,28.11.1990,"a;b",так\n'
WORDS = [
    b'"',
    b"\t",
    b"\r",
    b"\0",
    b"9.89E+11",
    b"'=1+1",
    "\u200f\u06f1\u06f2".encode(),
    b"\xff\xfe",
    b"2026-99-99",
    b";" * 40,
]
SEEDS = [
    ROWS.encode(),
    ROWS.encode("utf-16"),
    ROWS.replace(",", ";").encode("cp1251"),
    "نام;موبایل\nسارا;۰۹۱۲۱۲۳۴۵۶۷\n".encode(),
]


def workbook() -> bytes:
    """A small one."""
    sink = io.BytesIO()
    book = xlsxwriter.Workbook(sink, {"in_memory": True})
    sheet = book.add_worksheet()
    for row, cells in enumerate((["id", "phone"], ["C1", 989121234567], ["C2", True])):
        sheet.write_row(row, 0, cells)
    book.close()
    return sink.getvalue()


def unfolding(data: bytes) -> bytes:
    """Octets as the sheet of a workbook whose other parts are whole."""
    source, sink = zipfile.ZipFile(io.BytesIO(workbook())), io.BytesIO()
    with zipfile.ZipFile(sink, "w") as parts:
        for name in source.namelist():
            parts.writestr(name, data if name.endswith("sheet1.xml") else source.read(name))
    return sink.getvalue()


def with_variables(guess: Mapping) -> Mapping:
    """The same mapping, with what goes into fields of contacts onto a list instead."""
    columns = [
        msgspec.structs.replace(one, to="variable") if one.to == "field" else one for one in guess.columns
    ]
    return msgspec.structs.replace(guess, columns=tuple(columns))


def try_file(data: bytes) -> None:
    """A file is looked at, mapped as it is guessed and read to its end, or refused in words."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        Path(file.name).write_bytes(data)
        (found,) = worker.frames(Job(path=file.name, mapping=Mapping()))
        if not isinstance(found, Found):
            return
        look, guess = found.seen.look, found.seen.guess
        if len(data) % 2:
            guess = with_variables(guess)
        job = Job(path=file.name, mapping=guess, reading=reading(look, guess), heads=look.heads)
        rows = 0
        for frame in worker.frames(job):
            body = msgspec.msgpack.encode(frame)
            assert msgspec.msgpack.decode(body, type=worker.Frame) == frame
            if isinstance(frame, Batch):
                newcomers = len(frame.newcomers or ())
                assert len(frame.newcomer_variables) in (0, newcomers)
                held = newcomers + len(frame.drafts) + len(frame.failed) + frame.skipped
                rows += held
                assert frame.rows == held
                assert len(frame.drafts_of_newcomers()) == newcomers


def try_sheet(data: bytes) -> None:
    """The same for a workbook with such a sheet."""
    try_file(unfolding(data))


SHEET_WORDS = [b"<c", b't="s"', b"<v>99999999</v>", b"1e999"]
SHEET = zipfile.ZipFile(io.BytesIO(workbook())).read("xl/worksheets/sheet1.xml")
STEPS = (2_000_000, 5_000)  # columns are guessed by trying
TARGETS = [
    Target("files", simple(try_file), [*SEEDS, workbook()], WORDS, lines, STEPS, in_tests=40),
    Target("sheets", simple(try_sheet), [SHEET], SHEET_WORDS, octets, STEPS, in_tests=40),
]
