"""Contacts as files: what is exported imports to the same contacts; nothing in it is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from python_calamine import CalamineWorkbook

from angarium.contacts.exports import flows, writer
from angarium.contacts.exports.table import AddressTold, Told
from angarium.contacts.exports.writer import Job, WorkbookSink
from angarium.core.clock import micros
from support.file_desk import Desk, counted
from support.server import member, whole_house

FIELDS = [
    {"name": "city", "kind": "text"},
    {"name": "points", "kind": "number"},
    {"name": "born", "kind": "date"},
    {"name": "seen", "kind": "date_time"},
    {"name": "debt", "kind": "money"},
    {"name": "member", "kind": "yes_no"},
    {"name": "plan", "kind": "choice", "choices": ["gold", "=silver"]},
]
PEOPLE: list[dict[str, Any]] = [
    {
        "external_id": "C1",
        "name": '=HYPERLINK("http://x")',
        "locale": "uk",
        "time_zone": "Europe/Kyiv",
        "fields": {
            "city": "Київ, «лівий берег»",
            "points": -12.5,
            "born": "1990-11-28",
            "seen": "2026-11-28T08:30:00.000Z",
            "debt": {"micros": -12_340_000, "currency": "UAH"},
            "member": True,
            "plan": "=silver",
        },
        "tags": ["vip", "a;b", 'said "no"', "@home"],
        "opted_out": ["promotional", "service"],
        "addresses": [
            {"kind": "phone", "value": "+380501234567", "operator_blacklist": True},
            {"kind": "phone", "value": "+380671234567", "operator_blacklist": True},
            {"kind": "email", "value": "olena@example.com"},
            {"kind": "viber", "value": "a;b=+"},
        ],
    },
    {
        "external_id": "-2+3",
        "name": "سارا احمدی",
        "fields": {"city": "'=1+1", "member": False},
        "addresses": [{"kind": "phone", "value": "+989121234567"}],
    },
    {"external_id": "'@3", "name": "王小明", "addresses": [{"kind": "email", "value": "w@example.com"}]},
    {"name": "only a phone", "addresses": [{"kind": "phone", "value": "+8613800138000"}]},
]


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """The whole house; nothing runs by itself."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        yield Desk(house, await member(nobody, house.ground, "shop"))


async def stock(desk: Desk) -> None:
    """The fields and the people."""
    for one in FIELDS:
        assert (await desk.mine.ask("POST", "/v1/contact-fields", one)).status == 201
    made = await desk.mine.ask("POST", "/v1/contacts/batch", {"contacts": PEOPLE})
    assert made.json["accepted"] == len(PEOPLE), made.json


async def exported(desk: Desk, **wanted: Any) -> tuple[dict[str, Any], bytes]:
    """An export and its file."""
    asked = await desk.mine.ask("POST", "/v1/exports", wanted)
    assert asked.status == 202, asked.body
    await desk.house.exporter.work()
    path = f"/v1/exports/{asked.json['id']}"
    one = (await desk.mine.ask("GET", path)).json
    fetched = await desk.mine.ask("GET", f"{path}/file")
    assert fetched.status == (200 if one["state"] == "done" else 409)
    return one, fetched.body


def known(contacts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a file tells of contacts."""
    ours = {"id", "created_at", "updated_at"}
    kept = ("kind", "value", "operator_blacklist")
    return sorted(
        (
            {name: value for name, value in one.items() if name not in ours}
            | {"addresses": [{name: address[name] for name in kept} for address in one["addresses"]]}
            for one in contacts
        ),
        key=lambda one: (one["external_id"] or "", one["name"]),
    )


@pytest.mark.parametrize(
    "wanted",
    [
        {"format": "csv"},
        {"format": "csv", "encoding": "utf-16", "delimiter": "\t"},
        {"format": "csv", "encoding": "gb18030", "delimiter": ";"},
        {"format": "xlsx"},
    ],
)
async def test_what_is_exported_imports_to_the_same_contacts(desk: Desk, wanted: dict[str, Any]) -> None:
    await stock(desk)
    before = (await desk.mine.ask("GET", "/v1/contacts")).json["items"]
    one, data = await exported(desk, **wanted)
    assert (one["state"], one["rows"]) == ("done", len(PEOPLE))
    for contact in before:
        assert (await desk.mine.ask("DELETE", f"/v1/contacts/{contact['id']}")).status == 204
    sent = await desk.send(data, "back")
    if wanted.get("encoding") == "gb18030":
        sent = await desk.say(sent, encoding="gb18030")
    done = await desk.do(sent, "start")
    assert counted(done) == (len(PEOPLE), 0, 0, 0), await desk.errors(sent)
    after = (await desk.mine.ask("GET", "/v1/contacts")).json["items"]
    assert known(after) == known(before)


async def test_no_cell_of_a_text_file_is_a_formula(desk: Desk) -> None:
    await stock(desk)
    _, data = await exported(desk, columns=["external_id", "name", "phone", "field:points", "field:plan"])
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["external_id", "name", "phone", "points", "plan"]
    assert rows[1] == ["C1", '\'=HYPERLINK("http://x")', "'+380501234567;+380671234567", "-12.5", "'=silver"]
    assert rows[2][:3] == ["'-2+3", "سارا احمدی", "+989121234567"]  # a phone can do nothing
    assert rows[3][0] == "''@3"


async def test_a_workbook_has_texts_and_numbers(desk: Desk, tmp_path: Path) -> None:
    await stock(desk)
    one, data = await exported(desk, format="xlsx", columns=["external_id", "name", "phone", "field:points"])
    (tmp_path / "a.xlsx").write_bytes(data)
    book = CalamineWorkbook.from_path(tmp_path / "a.xlsx")
    rows = book.get_sheet_by_index(0).to_python()
    assert rows[1] == ["C1", '=HYPERLINK("http://x")', "+380501234567;+380671234567", -12.5]
    assert (one["sheets"], book.sheet_names) == (1, ["Contacts 1"])


def test_more_rows_than_a_sheet_holds_go_on_in_another(tmp_path: Path) -> None:
    people = [Told(n, f"C{n}", f"N{n}", "", "", "", {}, (), (), (), 0, 0) for n in range(25)]
    sink = WorkbookSink(Job(str(tmp_path / "a.xlsx"), "xlsx", ("external_id",)), sheet_rows_max=11)
    sink.rows([[one.external_id or ""] for one in people], str)
    sink.close()
    book = CalamineWorkbook.from_path(tmp_path / "a.xlsx")
    sheets = [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]
    assert [len(rows) for rows in sheets] == [11, 11, 6]
    assert [rows[0] for rows in sheets] == [["external_id"]] * 3
    assert [row[0] for rows in sheets for row in rows[1:]] == [f"C{n}" for n in range(25)]


async def test_an_encoding_that_lacks_a_letter_loses_nobody(desk: Desk) -> None:
    await stock(desk)
    one, _ = await exported(desk, encoding="cp1251", columns=["external_id", "name"])
    assert one["state"] == "failed"
    assert one["reason"].startswith("cp1251 has no 'س', as con_")
    assert not list(desk.house.exports.shelf.folder.iterdir())


def test_a_cell_too_long_for_a_workbook_is_said(tmp_path: Path) -> None:
    endpoints = tuple(AddressTold("web_push", "x" * 2000, False) for _ in range(20))
    long = Told(1, "C1", "x", "", "", "", {}, (), (), endpoints, 0, 0)
    done = writer.write(
        Job(str(tmp_path / "a.xlsx"), "xlsx", ("external_id", "web_push")),
        iter([msgspec.msgpack.encode([long])]),
    )
    assert done.problem == "a cell of con_0000000000001 is too long for a workbook; take csv"


async def test_those_who_are_meant(desk: Desk) -> None:
    await stock(desk)
    rules = {"field": "member", "is": "is", "value": False}
    segment = (await desk.mine.ask("POST", "/v1/segments", {"name": "no member", "rules": rules})).json["id"]
    for audience, expected in (
        ({"tags": ["@home", "nobody's"]}, ["C1"]),
        ({"segment": segment}, ["'-2+3"]),
        ({"rules": {"any": [rules, {"tag": "vip"}]}}, ["C1", "'-2+3"]),
        ({"everybody": True}, ["C1", "'-2+3", "''@3", '""']),
    ):
        one, data = await exported(desk, audience=audience, columns=["external_id"])
        assert (one["rows"], data.decode("utf-8-sig").split()[1:]) == (len(expected), expected)
        assert one["wanted"] == {"columns": ["external_id"], "audience": audience}


async def test_who_was_meant_when_it_was_asked_for(desk: Desk) -> None:
    await stock(desk)
    segment = (await desk.mine.ask("POST", "/v1/segments", {"name": "vips", "rules": {"tag": "vip"}})).json[
        "id"
    ]
    wanted = {"audience": {"segment": segment}, "columns": ["external_id"]}
    asked = await desk.mine.ask("POST", "/v1/exports", wanted)
    assert (await desk.mine.ask("DELETE", f"/v1/segments/{segment}")).status == 204
    await desk.house.exporter.work()
    one = (await desk.mine.ask("GET", f"/v1/exports/{asked.json['id']}")).json
    assert (one["state"], one["rows"]) == ("done", 1)


async def test_nobody_at_all(desk: Desk) -> None:
    one, data = await exported(desk)
    assert (one["state"], one["rows"]) == ("done", 0)
    assert data.decode("utf-8-sig").startswith("external_id,name,phone,email")
    assert await desk.told() == [("export_ready", None)], "whoever asked for it is told, and of no asking"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"columns": ["shoe_size"]}, "columns[0]"),
        ({"columns": ["name", "name"]}, "columns[1]"),
        ({"columns": ["field:"]}, "columns[0]"),
        ({"encoding": "utf-7"}, "encoding"),
        ({"delimiter": "::"}, "delimiter"),
        ({"format": "pdf"}, "format"),
        ({"audience": {}}, "audience"),
        ({"audience": {"segment": "seg_0000000000001"}}, "audience.segment"),
        ({"audience": {"rules": {"any": [{"tag": "x"}, {"tag": ""}]}}}, "audience.rules.any[1].tag"),
    ],
)
async def test_what_cannot_be_wanted(desk: Desk, wanted: dict[str, Any], field: str) -> None:
    refused = await desk.mine.ask("POST", "/v1/exports", wanted)
    assert (refused.status, set(refused.fields)) == (422, {field})


async def test_of_exports_that_were_begun_at_one_moment_each_is_withdrawn(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stock(desk)
    (who, *_) = await desk.contacts()
    made = [(await exported(desk))[0]["id"] for _ in range(3)]
    monkeypatch.setattr(flows, "OPEN_MAX", 1)  # each had looked before the others were there
    shown = (await desk.contacts())[who]["id"]
    gone = (await desk.mine.ask("POST", f"/v1/contacts/{shown}/erase", {})).json["gone"]
    assert gone["contact_export"] == 3
    for export_id in made:
        assert (await desk.mine.ask("GET", f"/v1/exports/{export_id}/file")).status == 409


async def test_an_export_that_is_deleted_or_old_or_of_somebody_erased_has_no_file(desk: Desk) -> None:
    await stock(desk)
    one, _ = await exported(desk)
    (who, *_) = await desk.contacts()
    shown = (await desk.contacts())[who]["id"]
    gone = (await desk.mine.ask("POST", f"/v1/contacts/{shown}/erase", {})).json["gone"]
    assert gone["contact_export"] == 1
    assert (await desk.mine.ask("GET", f"/v1/exports/{one['id']}/file")).status == 409
    assert (await desk.mine.ask("DELETE", f"/v1/exports/{one['id']}")).status == 204
    one, _ = await exported(desk)
    assert len(list(desk.house.exports.shelf.folder.iterdir())) == 1
    later = desk.house.ground.clock.now() + micros(flows.KEPT_S + 1)
    await desk.house.ground.db.run(desk.house.exporter._expire, desk.mine.workspace_id, later)
    path = f"/v1/exports/{one['id']}"
    assert (await desk.mine.ask("GET", path)).json["state"] == "expired"
    assert (await desk.mine.ask("GET", f"{path}/file")).status == 409
    assert (await desk.mine.ask("DELETE", path)).status == 204
    assert (await desk.mine.ask("GET", path)).status == 404
    assert not list(desk.house.exports.shelf.folder.iterdir())
