"""kill -9 in the middle of an import, again and again: every row of the file is a contact, and none is two.

The verdict is who is there: by external id, with what the last row said; and whom the list of the import
names, each with the variables of the last row. Meanwhile messages are taken.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from support.process import Shop

ROWS = 48_000
KILLS = 3
NAMES = ("Олена Шевченко", "سارا احمدی", "王小明")
IN = {"utf-8": NAMES, "utf-16": NAMES, "utf-16-be": NAMES, "cp1251": NAMES[:1]}


def file_of(encoding: str, rows: int) -> bytes:
    """A file; every hundredth row is somebody of before with another name, one of a thousand is wrong."""
    names = IN[encoding]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "name", "phone", "email", "city", "row"])
    for n in range(rows):
        who = n - 50 if n % 100 == 99 else n
        phone = "12" if n % 1000 == 7 else f"+98912{who:07}"
        writer.writerow([f"C{who}", f"{names[n % len(names)]} {n}", phone, f"u{who}@example.com", "Київ", n])
    return text.getvalue().encode(encoding)


def expected(encoding: str, rows: int) -> dict[str, str]:
    """Who is there in the end, and their names."""
    names = IN[encoding]
    found: dict[str, str] = {}
    for n in range(rows):
        if n % 1000 != 7:
            found[f"C{n - 50 if n % 100 == 99 else n}"] = f"{names[n % len(names)]} {n}"
    return found


async def look(shop: Shop, path: str) -> dict[str, Any]:
    """What the server says."""
    found: dict[str, Any] = (await shop.client.ask("GET", path)).json
    return found


async def pages(shop: Shop, path: str) -> list[dict[str, Any]]:
    """All that there is to page through."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await look(shop, f"{path}?limit=1000&cursor={cursor}")
        found += page["items"]
        if not page["next"]:
            return found
        cursor = page["next"]


async def everybody(shop: Shop) -> list[tuple[str, str]]:
    """External id and name of everybody."""
    return [(one["external_id"], one["name"]) for one in await pages(shop, "/v1/contacts")]


@pytest.mark.timeout(600)
@pytest.mark.turns(2, 0)
async def test_every_row_is_written_once(shop: Shop) -> None:
    await shop.start()
    data = io.BytesIO(file_of("utf-16", ROWS))
    sent = await shop.client.ask("POST", "/v1/imports?file_name=people.csv", data=data)
    assert sent.status == 201, sent.body
    path = f"/v1/imports/{sent.json['id']}"
    columns = [one for one in sent.json["guess"] if one["column"] != "row"]
    columns.append({"column": "row", "to": "variable", "name": "row"})
    assert (await shop.client.ask("PUT", f"{path}/mapping", {"columns": columns})).status == 200
    assert (await shop.client.ask("POST", f"{path}/start")).status == 202
    seen, kills = 0, 0
    while kills < KILLS:

        async def came_further(seen: int = seen) -> bool:
            one = await look(shop, path)
            return one["progress"]["rows_done"] > seen or one["state"] != "running"

        await shop.until(came_further)
        one = await look(shop, path)
        assert one["state"] == "running", one["reason"]
        assert (await shop.send()).status == 202  # what is asked for meanwhile is taken
        await shop.kill()
        kills, seen = kills + 1, one["progress"]["rows_done"]
        await shop.start()

    async def is_done() -> bool:
        return bool((await look(shop, path))["state"] != "running")

    await shop.until(is_done)
    one = await look(shop, path)
    assert one["state"] == "done", one["reason"]
    contacts = await pages(shop, "/v1/contacts")
    there = [(one["external_id"], one["name"]) for one in contacts if one["external_id"]]
    assert dict(there) == expected("utf-16", ROWS)
    assert len(there) == len(dict(there))
    named = {one["id"]: one["name"] for one in contacts if one["external_id"]}
    listed = {one["contact"]: one["variables"]["row"] for one in await pages(shop, f"{path}/members")}
    assert listed == {contact: name.rpartition(" ")[2] for contact, name in named.items()}
    progress = one["progress"]
    counts = [progress[name] for name in ("created", "changed", "skipped", "failed")]
    assert sum(counts) == ROWS
    assert counts[3] == ROWS // 1000
    assert not list((shop.folder / "angarium.files" / "imports").iterdir())


async def bring(shop: Shop, encoding: str) -> dict[str, str]:
    """A file of 600 rows is brought by the command; what another command needs to ask the server."""
    await shop.start()
    file = shop.folder / "people.csv"
    file.write_bytes(file_of(encoding, 600))
    asking = {"ANGARIUM_URL": shop.url, "ANGARIUM_API_KEY": shop.key}
    status, printed = await shop.command(
        "import", str(file), "--map", "city=field:town", "--map", "row=variable:row", "--tag", "new", **asking
    )
    assert (status, "593 created, 6 changed, 0 skipped, 1 failed" in printed) == (1, True), printed
    return asking


@pytest.mark.parametrize("encoding", sorted(IN))
@pytest.mark.parts(2)
async def test_a_file_in_each_encoding_by_the_command(shop: Shop, encoding: str) -> None:
    await bring(shop, encoding)
    assert dict(await everybody(shop)) == expected(encoding, 600)
    (one,) = (await look(shop, "/v1/imports"))["items"]
    assert len(await pages(shop, f"/v1/imports/{one['id']}/members")) == 593


@pytest.mark.turns(2, 0)
async def test_what_was_wrong_is_mended_and_all_comes_out_again_by_the_command(shop: Shop) -> None:
    asking = await bring(shop, "utf-16")
    errors = (shop.folder / "people-errors.csv").read_text("utf-8-sig").splitlines()
    assert errors[1].startswith("C7,")
    mended = shop.folder / "mended.csv"
    mended.write_text("\n".join(errors).replace(",12,", ",+989120000007,"))
    status, printed = await shop.command("import", str(mended), "--map", "city=field:town", **asking)
    assert (status, "1 created, 0 changed, 0 skipped, 0 failed" in printed) == (0, True), printed
    status, printed = await shop.command("export", str(shop.folder / "all.xlsx"), "--tag", "new", **asking)
    assert (status, "593 contacts in" in printed) == (0, True), printed
    status, printed = await shop.command("import", str(shop.folder / "all.xlsx"), "--check", **asking)
    assert (status, "0 created, 0 changed, 593 skipped" in printed) == (0, True), printed
