"""Files of contacts over the API: sent, looked at, mapped, checked, written, mended, taken back."""

from __future__ import annotations

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter

from angarium.accounts import flows as accounts
from angarium.contacts.imports import flows, store
from angarium.core.clock import micros
from support.file_desk import Desk, counted
from support.server import everything_in, member, whole_house

HEAD = ["id", "name", "phone", "email", "city", "tags"]
PEOPLE = [
    ["C1", "Олена Шевченко", "+380501234567", "olena@example.com", "Київ", "vip;gold"],
    ["C2", "سارا احمدی", "+989121234567", "", "تهران", "vip"],
    ["C3", "王小明", "+8613800138000", "wang@example.com", "上海", ""],
]


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """The whole house; nothing runs by itself."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        yield Desk(house, await member(nobody, house.ground, "shop"))


def table(*rows: list[str], head: list[str] = HEAD, delimiter: str = ",") -> bytes:
    """A CSV file."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([head, *rows])
    return text.getvalue().encode()


# ── from the file to the contacts ────────────────────────────────────────────────────────────────────


async def test_a_file_becomes_contacts(desk: Desk) -> None:
    one = await desk.send(table(*PEOPLE))
    assert (one["state"], one["heads"], one["encoding_is_certain"]) == ("uploaded", HEAD, True)
    assert one["rows"] == PEOPLE
    assert [column["to"] for column in one["guess"]] == [
        "external_id",
        "name",
        "address",
        "address",
        "field",
        "tags",
    ]
    done = await desk.do(one, "start")
    assert (done["state"], counted(done)) == ("done", (3, 0, 0, 0))
    assert done["progress"]["percent"] == 100.0
    there = await desk.contacts()
    assert there["C1"]["name"] == "Олена Шевченко"
    assert [a["value"] for a in there["C1"]["addresses"]] == ["+380501234567", "olena@example.com"]
    assert (there["C1"]["fields"], there["C1"]["tags"]) == ({"city": "Київ"}, ["vip", "gold"])
    assert (there["C2"]["time_zone"], there["C2"]["country"]) == ("Asia/Tehran", "IR")
    assert there["C2"]["locale_is_guess"]
    assert not list(desk.house.imports.shelf.folder.iterdir()), "the file is personal data, and not needed"


async def test_a_title_over_the_table_is_passed_over(desk: Desk) -> None:
    bad = ["C4", "Bad", "123", "", "", ""]
    above = b"Customers of the spring club,,,,,\r\n,,,,,\r\nas of,30.11.2026,,,,\r\n"
    one = await desk.send(above + table(*PEOPLE, bad))
    assert (one["above"], one["heads"]) == (3, HEAD)
    done = await desk.do(one, "start")
    assert counted(done) == (3, 0, 0, 1)
    assert set(await desk.contacts()) == {"C1", "C2", "C3"}
    assert [row["angarium_row"] for row in await desk.errors(one)] == ["8"]  # as the file counts them


async def test_a_check_writes_nothing_and_counts_the_same(desk: Desk) -> None:
    await desk.do(await desk.send(table(PEOPLE[0])), "start")
    changed = [PEOPLE[0][0], "Olena", *PEOPLE[0][2:]]
    data = table(changed, PEOPLE[1], ["C4", "Bad", "123", "", "", ""], PEOPLE[2], PEOPLE[2])
    one = await desk.send(data)
    before = await desk.contacts()
    checked = await desk.do(one, "check")
    assert (checked["state"], counted(checked)) == ("checked", (2, 1, 1, 1))
    assert await desk.contacts() == before
    assert [row["angarium_row"] for row in await desk.errors(one)] == ["4"]
    done = await desk.do(one, "start")
    assert counted(done) == (2, 1, 1, 1)
    assert [row["angarium_row"] for row in await desk.errors(one)] == ["4"]


async def test_a_file_brings_the_consent_of_those_who_have_not_refused(desk: Desk) -> None:
    for name, refused in (("C1", ["promotional@smpp"]), ("C2", [])):
        given = {"external_id": name, "opted_out": refused}
        assert (await desk.mine.ask("POST", "/v1/contacts", given)).status == 200
    rows = (["C1", "no"], ["C2", "no"], ["C3", "no"], ["C4", "yes"])
    one = await desk.send(table(*rows, head=["id", "unsubscribed"]))
    await desk.say(one, agreed={"source": "paper form", "wording": "v3", "note": "folder 12"})
    await desk.do(one, "start")
    told = (await desk.mine.ask("GET", "/v1/consents?state=granted")).json["items"]
    there = await desk.contacts()
    assert {entry["contact"] for entry in told} == {there["C2"]["id"], there["C3"]["id"]}
    proof = {"file": "people.csv", "sha256": one["sha256"], "note": "folder 12"}
    assert {(entry["purpose"], entry["source"], entry["wording"]) for entry in told} == {
        ("promotional", "paper form", "v3")
    }
    assert all(entry["proof"] == proof for entry in told)
    undone = await desk.do(one, "undo")  # a yes is no change of the contact
    assert undone["progress"]["undone"] == 2


async def test_how_a_consent_is_known_must_be_said(desk: Desk) -> None:
    one = await desk.send(table(["C1"], head=["id"]))
    said = {"agreed": {"source": "", "channel": "No"}}
    refused = await desk.mine.ask("PUT", f"/v1/imports/{one['id']}/mapping", said)
    assert (refused.status, set(refused.fields)) == (422, {"agreed.source", "agreed.channel"})


@pytest.mark.parametrize(
    ("duplicates", "counts", "name"),
    [
        ("update", (1, 1, 0, 0), "Olena"),
        ("skip", (1, 0, 1, 0), "Олена Шевченко"),
        ("fail", (1, 0, 0, 1), "Олена Шевченко"),
    ],
)
async def test_who_is_there_already(desk: Desk, duplicates: str, counts: tuple[int, ...], name: str) -> None:
    await desk.do(await desk.send(table(PEOPLE[0])), "start")
    one = await desk.send(table([PEOPLE[0][0], "Olena", "", "", "", "new"], PEOPLE[1]))
    await desk.say(one, duplicates=duplicates)
    done = await desk.do(one, "start")
    assert counted(done) == counts
    olena = (await desk.contacts())["C1"]
    assert olena["name"] == name
    assert [a["value"] for a in olena["addresses"]] == ["+380501234567", "olena@example.com"]
    assert olena["fields"] == {"city": "Київ"}
    assert olena["tags"] == (["vip", "gold", "new"] if duplicates == "update" else ["vip", "gold"])


async def test_empty_cells_may_clear(desk: Desk) -> None:
    await desk.do(await desk.send(table(PEOPLE[0])), "start")
    one = await desk.send(table(["C1", "", "+380501234567", "", "", ""]))
    await desk.say(one, empty="clear", tags="replace")
    assert counted(await desk.do(one, "start")) == (0, 1, 0, 0)
    olena = (await desk.contacts())["C1"]
    assert (olena["name"], olena["fields"], olena["tags"]) == ("", {}, [])
    assert [a["value"] for a in olena["addresses"]] == ["+380501234567"]


async def test_a_file_takes_no_refusal_back(desk: Desk) -> None:
    contact = {"external_id": "C1", "opted_out": ["promotional"]}
    assert (await desk.mine.ask("POST", "/v1/contacts", contact)).status == 200
    one = await desk.send(table(["C1", "no", "yes"], head=["id", "unsubscribed", "do not contact"]))
    done = await desk.do(one, "start")
    assert counted(done) == (0, 1, 0, 0)
    assert (await desk.contacts())["C1"]["opted_out"] == ["all", "promotional"]


@pytest.mark.parametrize(
    ("taken", "counts", "owner"),
    [("fail", (0, 0, 0, 1), "C1"), ("leave", (1, 0, 0, 0), "C1"), ("move", (1, 0, 0, 0), "C9")],
)
async def test_a_phone_of_somebody_else(desk: Desk, taken: str, counts: tuple[int, ...], owner: str) -> None:
    await desk.do(await desk.send(table(PEOPLE[0])), "start")
    one = await desk.send(table(["C9", "Taras", PEOPLE[0][2], "", "", ""]))
    await desk.say(one, taken=taken)
    assert counted(await desk.do(one, "start")) == counts
    found = (await desk.mine.ask("GET", "/v1/contacts?phone=%2B380501234567")).json["items"]
    assert [contact["external_id"] for contact in found] == [owner]


async def test_a_contact_known_by_its_phone_gets_its_id(desk: Desk) -> None:
    address = {"kind": "phone", "value": PEOPLE[0][2]}
    made = await desk.mine.ask("POST", "/v1/contacts", {"name": "?", "addresses": [address]})
    assert counted(await desk.do(await desk.send(table(PEOPLE[0])), "start")) == (0, 1, 0, 0)
    assert (await desk.contacts())["C1"]["id"] == made.json["id"]


async def test_what_is_there_as_the_file_says_is_left_alone(desk: Desk) -> None:
    await desk.do(await desk.send(table(*PEOPLE)), "start")
    before = await desk.contacts()
    again = await desk.do(await desk.send(table(*PEOPLE)), "start")
    assert counted(again) == (0, 0, 3, 0)
    assert await desk.contacts() == before


# ── rows in error ────────────────────────────────────────────────────────────────────────────────────


async def test_rows_in_error_are_mended_and_come_again(desk: Desk) -> None:
    wrong = ["C4", 'Ali, "Reza"', "0912", "ali@", "تهران", ""]
    one = await desk.do(await desk.send(table(PEOPLE[0], wrong)), "start")
    assert counted(one) == (1, 0, 0, 1)
    (row,) = await desk.errors(one)
    assert [row[name] for name in HEAD] == wrong
    assert (row["angarium_row"], row["angarium_column"]) == ("3", "phone | email")
    assert row["angarium_value"] == "0912 | ali@"
    assert "country code" in row["angarium_problem"]
    assert row["angarium_remedy"]
    heard = await desk.mine.ask("GET", f"/v1/imports/{one['id']}/errors")
    mended = heard.body.replace(b",0912,ali@,", b",+989121234567,ali@example.com,")
    again = await desk.send(mended, "errors.csv")
    assert [column["to"] for column in again["guess"]][6:] == ["ignore"] * 5
    assert counted(await desk.do(again, "start")) == (1, 0, 0, 0)
    assert (await desk.contacts())["C4"]["name"] == 'Ali, "Reza"'


async def test_too_many_errors_pause_it(desk: Desk) -> None:
    rows = [[f"C{n}", "x", "12", "", "", ""] for n in range(2_200)]
    one = await desk.send(table(*rows, PEOPLE[0]))
    await desk.say(one, errors_max=100)
    paused = await desk.do(one, "start")
    assert paused["state"] == "paused"
    assert "999 rows are in error" in paused["reason"]
    assert await desk.told() == [("import_paused", "people.csv")]


# ── how files are ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
async def test_names_in_every_encoding(desk: Desk, encoding: str) -> None:
    data = table(*PEOPLE, delimiter="\t").decode().encode(encoding)
    one = await desk.send(data)
    if encoding == "gb18030":  # three scripts in one file of bytes: nobody can be sure
        await desk.say(one, encoding="gb18030")
    assert counted(await desk.do(one, "start")) == (3, 0, 0, 0)
    assert {contact["name"] for contact in (await desk.contacts()).values()} == {row[1] for row in PEOPLE}


async def test_an_ambiguous_file_shows_how_it_reads_and_asks(desk: Desk) -> None:
    data = table(["C1", "Ol\xe9na", "+380501234567", "", "", ""]).decode().encode("latin-1")
    one = await desk.send(data)
    assert not one["encoding_is_certain"]
    shown = {sample["encoding"]: sample["rows"][1][1] for sample in one["encodings"]}
    assert len(shown) >= 1
    refused = await desk.mine.ask("POST", f"/v1/imports/{one['id']}/start")
    assert (refused.status, set(refused.fields)) == (422, {"encoding"})
    said = await desk.say(one, encoding="cp1252")
    assert said["rows"][0][1] == "Oléna"
    assert counted(await desk.do(one, "start")) == (1, 0, 0, 0)


def workbook(path: Path, *, from_1904: bool = False) -> bytes:
    """A workbook as people make them: numbers where text should be, dates, formulas, a second sheet."""
    book = xlsxwriter.Workbook(str(path), {"date_1904": from_1904})
    sheet = book.add_worksheet("Notes")
    sheet.write(0, 0, "nothing here")
    sheet = book.add_worksheet("People")
    sheet.write_row(1, 1, ["id", "name", "phone", "born", "no ads", "points", "whole"])
    days = book.add_format({"num_format": "dd/mm/yyyy"})
    sheet.write_number(2, 1, 7)
    sheet.write_string(2, 2, "سارا")
    sheet.write_number(2, 3, 989121234567)
    sheet.write_datetime(2, 4, date(1990, 11, 28), days)  # type: ignore[arg-type]  # a date is taken too
    sheet.write_boolean(2, 5, True)
    sheet.write_number(2, 6, 12.5)
    sheet.write_formula(2, 7, "=G3*2", None, 25)
    sheet.write_row(3, 1, ["8", "علی", "09121234568"])
    book.close()
    return path.read_bytes()


@pytest.mark.parametrize("from_1904", [False, True])
async def test_a_workbook(desk: Desk, tmp_path: Path, from_1904: bool) -> None:
    one = await desk.send(workbook(tmp_path / "a.xlsx", from_1904=from_1904), "a.xlsx", country="IR")
    assert (one["format"], one["sheets"], one["heads"]) == ("workbook", ["Notes", "People"], [""])
    columns = [
        {"column": "id", "to": "external_id"},
        {"column": "name", "to": "name"},
        {"column": "phone", "to": "address", "kind": "phone"},
        {"column": "born", "to": "field", "name": "born", "kind": "date", "define": True},
        {"column": "no ads", "to": "opt_out", "message_class": "promotional"},
        {"column": "points", "to": "field", "name": "points", "kind": "number"},
        {"column": "whole", "to": "field", "name": "whole", "kind": "number"},
    ]
    said = await desk.say(one, sheet="People", country="IR", columns=columns)
    assert said["rows"][0][1:] == ["7", "سارا", "989121234567", "1990-11-28", "yes", "12.5", "25"]
    done = await desk.do(one, "start")
    assert counted(done) == (2, 0, 0, 0), await desk.errors(one)
    there = await desk.contacts()
    assert there["7"]["addresses"][0]["value"] == "+989121234567"
    assert there["7"]["fields"] == {"born": "1990-11-28", "points": 12.5, "whole": 25}
    assert there["7"]["opted_out"] == ["promotional"]
    assert there["8"]["addresses"][0]["value"] == "+989121234568"
    defined = (await desk.mine.ask("GET", "/v1/contact-fields")).json["items"]
    assert [(field["name"], field["kind"], field["label"]) for field in defined] == [("born", "date", "born")]


def of_tomorrow() -> bytes:
    """A workbook packed by a version of zip that nobody reads yet: 9.9, in the directory at its end."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as parts:
        parts.writestr("xl/workbook.xml", "<workbook/>")
    data = bytearray(packed.getvalue())
    data[data.index(b"PK\x01\x02") + 6] = 99  # "version needed to extract" (APPNOTE.TXT, 4.3.12)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"%PDF-1.7 ...", "is a PDF"),
        (of_tomorrow(), "is damaged: zip file version 9.9"),
        (b"\x89PNG\r\n", "is a picture"),
        (b" \n ", "is empty"),
        (b"PK\x03\x04 no zip at all", "is damaged"),
        (bytes(range(32)) * 100, "is no text"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600, "is no workbook"),
    ],
)
async def test_what_is_no_table(desk: Desk, data: bytes, problem: str) -> None:
    sent = await desk.mine.ask("POST", "/v1/imports?file_name=x", data=data)
    assert sent.status == 422
    assert problem in sent.fields["file"]["problem"]
    assert not list(desk.house.imports.shelf.folder.iterdir())


async def test_a_file_that_is_too_large(desk: Desk) -> None:
    object.__setattr__(
        desk.house.imports, "shelf", type(desk.house.imports.shelf)(desk.house.imports.shelf.folder, 1000)
    )
    known = await desk.mine.ask("POST", "/v1/imports", data=b"x" * 1001)
    assert known.status == 413

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"a,b\n" * 25

    told = await desk.mine.ask("POST", "/v1/imports", data=slowly())
    assert told.status == 413
    assert not list(desk.house.imports.shelf.folder.iterdir())


# ── its life ─────────────────────────────────────────────────────────────────────────────────────────


async def test_pause_go_on_and_undo(desk: Desk) -> None:
    theirs = {"external_id": "C0", "name": "was here"}
    await desk.mine.ask("POST", "/v1/contacts", theirs)
    rows = [[f"C{n}", f"N{n}", f"+98912{n:07}", "", "", ""] for n in range(2_300)]
    one = await desk.send(table(*rows))
    await desk.say(one, add_tags=["spring"])
    assert (await desk.mine.ask("POST", f"/v1/imports/{one['id']}/start")).status == 202
    paused = (await desk.mine.ask("POST", f"/v1/imports/{one['id']}/pause")).json
    assert paused["state"] == "paused"
    await desk.house.importer.work()
    assert (await desk.look(one))["progress"]["rows_done"] == 0
    done = await desk.do(one, "start")
    assert (done["state"], counted(done)) == ("done", (2_299, 1, 0, 0))
    await desk.mine.ask("POST", "/v1/contacts", {"external_id": "C5", "name": "changed since"})
    undone = await desk.do(one, "undo")
    assert (undone["state"], undone["progress"]["undone"]) == ("undone", 2_298)
    rules = {"property": "name", "is": "starts_with", "value": "N"}
    counted_now = (await desk.mine.ask("POST", "/v1/segments/count", {"rules": rules})).json
    assert counted_now["count"] == 1, "who was taken back is in no segment any more"
    assert {name: contact["name"] for name, contact in (await desk.contacts()).items()} == {
        "C0": "N0",
        "C5": "changed since",
    }


async def test_what_cannot_be_done_now(desk: Desk) -> None:
    one = await desk.do(await desk.send(table(*PEOPLE)), "start")
    for verb in ("start", "check", "pause", "cancel"):
        refused = await desk.mine.ask("POST", f"/v1/imports/{one['id']}/{verb}")
        assert (refused.status, refused.json["detail"].split(",")[0]) == (409, "It is done")
    mapped = await desk.mine.ask("PUT", f"/v1/imports/{one['id']}/mapping", {})
    assert mapped.status == 409
    assert (await desk.mine.ask("DELETE", f"/v1/imports/{one['id']}")).status == 204
    assert (await desk.mine.ask("GET", f"/v1/imports/{one['id']}")).status == 404
    assert len(await desk.contacts()) == 3
    assert not (await everything_in(desk.house.ground.db))["import_contact"]


async def test_cancel_lets_go_of_the_file(desk: Desk) -> None:
    one = await desk.send(table(*PEOPLE))
    assert list(desk.house.imports.shelf.folder.iterdir())
    cancelled = await desk.mine.ask("POST", f"/v1/imports/{one['id']}/cancel")
    assert cancelled.json["state"] == "cancelled"
    assert not list(desk.house.imports.shelf.folder.iterdir())


async def test_a_file_that_is_gone_is_said_to_be(desk: Desk) -> None:
    one = await desk.send(table(*PEOPLE))
    for path in desk.house.imports.shelf.folder.iterdir():
        path.unlink()
    failed = await desk.do(one, "start")
    assert (failed["state"], failed["reason"]) == ("failed", "the file is gone; bring it again")


async def test_a_batch_is_written_once_by_whoever_comes_first(desk: Desk) -> None:
    """Two runners with the same import: one of them finds it elsewhere, and nothing is written twice."""
    rows = [[f"C{n}", f"N{n}", "", "", "", ""] for n in range(3_800)]
    one = await desk.send(table(*rows))
    await desk.mine.ask("POST", f"/v1/imports/{one['id']}/start")
    (import_id,) = await desk.house.ground.db.read(
        store.jobs.in_states, desk.mine.workspace_id, flows.BUSY, 9
    )
    works = [desk.house.importer._work_on(desk.mine.workspace_id, import_id) for _ in range(2)]
    await asyncio.gather(*works)
    await desk.house.importer.work()
    done = await desk.look(one)
    assert (done["state"], counted(done)) == ("done", (3_800, 0, 0, 0))


async def test_files_that_nobody_starts_expire(desk: Desk) -> None:
    one = await desk.send(table(*PEOPLE))
    later = desk.house.ground.clock.now() + micros(flows.EXPIRES_AFTER_S + 1)
    await desk.house.ground.db.run(desk.house.importer._expire, desk.mine.workspace_id, later)
    assert (await desk.look(one))["state"] == "expired"
    (path,) = desk.house.imports.shelf.folder.iterdir()
    assert desk.house.imports.shelf.sweep([int(path.name, 16)], later) == 0
    assert desk.house.imports.shelf.sweep([], 0) == 0, "it may be one that is coming in just now"
    assert desk.house.imports.shelf.sweep([], later) == 1


async def test_a_key_that_may_only_read(desk: Desk) -> None:
    one = await desk.send(table(*PEOPLE))
    key = await accounts.create_key(
        desk.house.ground, desk.mine.workspace_id, "r", frozenset({"contacts:read"})
    )
    reader = desk.mine.with_key(key)
    assert (await reader.ask("GET", f"/v1/imports/{one['id']}")).status == 200
    assert (await reader.ask("GET", f"/v1/imports/{one['id']}/errors")).status == 403
    assert (await reader.ask("POST", f"/v1/imports/{one['id']}/start")).status == 403


async def test_who_did_it_is_written_down(desk: Desk) -> None:
    one = await desk.do(await desk.send(table(*PEOPLE)), "start")
    entries = (await desk.mine.ask("GET", f"/v1/audit?subject={one['id']}")).json["items"]
    assert [entry["action"] for entry in entries] == ["import.started"]
