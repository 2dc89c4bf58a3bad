"""What LibreOffice makes of our files: every script and every phone as it was, and no cell that runs."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import msgspec
import pytest
from python_calamine import CalamineWorkbook

from angarium.campaigns.recipients import COLUMNS
from angarium.contacts.exports.writer import Job, write

AS_TEXT = "CSV:44,34,76,1"  # comma, double quotes, UTF-8: what its dialog proposes for our byte-order mark
PHONE = "+989121234567"
NAMES = (
    "سارا احمدی",
    "王小明",
    "Олена Шевченко",
    "نیم‌فاصله",
    '=HYPERLINK("http://x.example","y")',
    "@SUM(1)",
    "-2+3",
    "\t=1",
)
ADDRESS = COLUMNS.index("address")


@pytest.mark.peers("soffice")
@pytest.mark.timeout(180)
@pytest.mark.turns(2, 0)
def test_a_file_of_recipients_is_opened_as_it_was_meant(tmp_path: Path) -> None:
    for kind in ("xlsx", "csv"):
        path = tmp_path / f"ours.{kind}"
        job = Job(str(path), kind, COLUMNS, title="Recipients", is_table=True)
        assert write(job, iter([msgspec.msgpack.encode([row(name) for name in NAMES])])).problem == ""
        rows = opened(path, tmp_path / kind)
        assert [line[0] for line in rows[1:]] == [f"con_{place}" for place in range(len(NAMES))]
        names = [str(line[2]) for line in rows[1:]]
        assert names[:4] == list(NAMES[:4])
        if kind == "xlsx":  # in a text file every spreadsheet takes a phone for a number
            assert names == list(NAMES)
            assert {line[ADDRESS] for line in rows[1:]} == {PHONE}
        else:
            assert names[4:] == [f"'{name}" for name in NAMES[4:]]


def row(name: str) -> list[str | int]:
    """A recipient of that name."""
    cells: list[str | int] = ["" for _ in COLUMNS]
    cells[0], cells[2], cells[ADDRESS] = f"con_{NAMES.index(name)}", name, PHONE
    cells[COLUMNS.index("cost")] = "0.03"
    return cells


def opened(path: Path, folder: Path) -> list[list[object]]:
    """The cells of a file as LibreOffice saves it again; AssertionError when one of them is a formula."""
    command = [
        "soffice",
        f"-env:UserInstallation=file://{folder}/profile",
        "--headless",
        "--convert-to",
        "xlsx",
    ]
    if path.suffix == ".csv":
        command.append(f"--infilter={AS_TEXT}")
    done = subprocess.run([*command, "--outdir", folder, path], capture_output=True, timeout=120, check=False)
    again = folder / f"{path.stem}.xlsx"
    assert again.exists(), done.stderr
    with zipfile.ZipFile(again) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        assert sheets
        assert not any(b"<f" in archive.read(name).replace(b"<formatCode", b"") for name in sheets)
    return list(CalamineWorkbook.from_path(again).get_sheet_by_index(0).to_python(skip_empty_area=False))
