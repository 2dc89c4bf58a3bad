"""Files of visitors: kept as what they are and nothing else, shown in the conversation, served so that they
harm nobody, and bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import bindparam, select

from angarium.content.media import flows
from angarium.core import ids
from angarium.core.clock import MICROS
from angarium.doors.webchat import room as rooms
from angarium.messaging import erasing
from angarium.messaging.store.tables import inbound
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction
from support.running import until
from support.server import PDF, Heard
from support.web_chat import ELSEWHERE, Page, Place, chat_place

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
_CAME = Statement(
    select(inbound.c.sender, inbound.c.text, inbound.c.media_url)
    .where(inbound.c.workspace_id == bindparam("workspace_id"))
    .order_by(inbound.c.id)
)


@pytest.fixture
async def place(database: Database, tmp_path: Path) -> AsyncIterator[Place]:
    """A shop whose visitors may send files of one megabyte."""
    async with chat_place(database, tmp_path, visitor_files_mb=1) as made:
        yield made


async def sent(
    page: Page, data: bytes | BytesIO, name: str = "parcel.jpg", ref: str = "1", text: str = ""
) -> Heard:
    """What a visitor is told who sends a file."""
    return await page.ask("POST", f"files?id={ref}&file_name={quote(name)}&text={quote(text)}", data=data)


async def came(place: Place) -> list[tuple[Any, ...]]:
    """What the shop heard: sender, text and address of a file."""

    async def work(tx: Transaction) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await tx.rows(_CAME, workspace_id=place.shop.workspace_id)]

    return await place.shop.ground.db.read(work)


def lying(place: Place) -> int:
    """How many files are on the shelf."""
    folder = place.media.shelf.folder
    return len(list(folder.iterdir())) if folder.exists() else 0


async def test_a_picture_is_kept_shown_to_both_and_served_by_what_it_is(place: Place) -> None:
    page = await place.page().open("42")
    heard = await sent(page, PNG, "../../party.html", text="Look")
    assert heard.status == 201, heard
    assert (heard.json["from"], heard.json["text"]) == ("visitor", "Look")
    url = heard.json["image_url"]
    assert [one["image_url"] for one in await page.entries()] == [url]
    await until(lambda: came(place))
    assert await came(place) == [("user:42", "Look", url)]
    served = await place.client.with_key("").ask("GET", url)
    assert (served.status, served.body) == (200, PNG)
    assert served.headers["content-type"] == "image/png"
    assert served.headers["content-security-policy"].startswith("default-src 'none'; sandbox")
    assert served.headers["content-disposition"] == 'inline; filename="party.png"'


async def test_a_paper_is_a_link_named_by_what_it_is_and_is_saved_and_not_shown(place: Place) -> None:
    page = await place.page().open("42")
    file = (await sent(page, PDF, "bill.exe")).json["file"]
    assert (file["name"], file["type"], file["size_bytes"]) == ("bill.pdf", "application/pdf", len(PDF))
    await until(lambda: came(place))
    assert await came(place) == [("user:42", "[application] bill.pdf", file["url"])]
    served = await place.client.with_key("").ask("GET", file["url"])
    assert served.headers["content-disposition"] == 'attachment; filename="bill.pdf"'


HOSTILE = {
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "HTML that says it is a picture": b"GIF<script>alert(1)</script>",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "SVG behind a declaration": b"<?xml version='1.0'?><svg onload='alert(1)'/>",
    "XML with a stylesheet": b"<?xml-stylesheet href='javascript:alert(1)'?><a/>",
    "JavaScript": b"alert(1)",
    "a program": b"MZ\x90\x00\x03",
    "another": b"\x7fELF\x02\x01\x01",
    "a shell script": b"#!/bin/sh\nrm -rf /\n",
    "an archive": b"PK\x03\x04" + bytes(60),
    "macros": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "a PDF that begins late": b"\n\n%PDF-1.7",
    "nothing": b"",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_is_none_of_the_kinds_is_refused_whatever_it_is_called(place: Place, data: bytes) -> None:
    page = await place.page().open("42")
    heard = await sent(page, data, "picture.png", text="<b>Look</b>")
    assert heard.status == 422, heard
    assert (await page.entries(), await came(place), lying(place)) == ([], [], 0)


async def test_a_picture_with_a_page_in_it_is_a_picture(place: Place) -> None:
    page = await place.page().open("42")
    url = (await sent(page, b"GIF89a/*<script>alert(1)</script>*/", "x.html")).json["image_url"]
    served = await place.client.with_key("").ask("GET", url)
    assert served.headers["content-type"] == "image/gif"
    assert "sandbox" in served.headers["content-security-policy"]
    assert served.headers["content-disposition"] == 'inline; filename="x.gif"'


async def test_sent_twice_it_is_sent_once_and_the_same_bytes_lie_once(place: Place) -> None:
    page = await place.page().open("42")
    first, again = await sent(page, PNG), await sent(page, PDF)
    assert first.json == again.json
    other = await sent(page, PNG, ref="2")
    assert other.json["image_url"] == first.json["image_url"]
    assert (len(await page.entries()), lying(place)) == (2, 1)


async def test_it_is_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    page = await place.page().open("42")
    too_large = await sent(page, BytesIO(PNG + bytes(1 << 20)))
    assert too_large.status == 413
    assert lying(place) == 0
    monkeypatch.setattr(flows, "COUNT_MAX", 4)  # of which visitors may fill the half
    assert [(await sent(page, PNG + bytes([n]), ref=str(n))).status for n in range(3)] == [201, 201, 409]
    for _ in range(rooms.FILES_PER_HOUR - 4):
        await sent(page, b"x", ref="x")
    last = await sent(page, b"x", ref="x")
    assert (last.status, int(last.headers["retry-after"]) > 60) == (429, True)


async def test_who_may_not_send_sends_nothing(place: Place, database: Database, tmp_path: Path) -> None:
    assert (await sent(place.page(), PNG)).status == 401
    stranger = place.page(origin=ELSEWHERE)
    assert (await sent(stranger, PNG)).status == 403
    before = await place.page().ask("OPTIONS", "files", Access_Control_Request_Method="POST")
    assert (before.status, before.headers["access-control-allow-origin"]) == (204, "https://shop.example")
    settings = {**place.shop.lines["chat"].settings, "visitor_files_mb": 0}
    await place.shop.line("still", "web_chat", ("service",), settings=settings)
    page = await place.page("still").open()
    refused = await sent(page, PNG)
    assert (refused.status, refused.json["type"].rpartition("/")[2]) == (403, "no-files")
    assert lying(place) == 0


async def test_who_is_erased_leaves_no_file(place: Place) -> None:
    shop, urls = place.shop, []
    contact = await shop.contact(addresses=[{"kind": "web_chat", "value": "user:42"}])
    for user, data in (("42", PNG), ("43", PDF)):
        page = await place.page().open(user)
        told = (await sent(page, data, f"{user}.bin", text=f"of {user}")).json
        urls.append(told.get("image_url") or told["file"]["url"])
    await until(lambda: heard_of(place, 2))
    erased = await erasing.erase(shop.world, shop.workspace_id, contact.id, "key_1")
    assert erased.gone["content_media"] == 1
    anybody = place.client.with_key("")
    assert [(await anybody.ask("GET", url)).status for url in urls] == [404, 200]


async def heard_of(place: Place, number: int) -> bool:
    """Whether so many have come."""
    return len(await came(place)) == number


async def test_a_file_goes_with_the_history(place: Place) -> None:
    page = await place.page().open("42")
    url = (await sent(page, PNG)).json["image_url"]
    [kept] = await place.shop.ground.db.read(flows.store.page, place.shop.workspace_id, "", 1 << 62, 9)
    assert kept.actor == ids.show("line", place.shop.lines["chat"].id)
    await place.room.tidy()
    assert (await place.client.with_key("").ask("GET", url)).status == 200
    clock = place.shop.ground.clock
    monkey = clock.now
    clock.now = lambda: monkey() + 366 * 86_400 * MICROS  # type: ignore[method-assign]  # a year later
    await place.room.tidy()
    clock.now = lambda: monkey() + 374 * 86_400 * MICROS  # type: ignore[method-assign]  # and another week
    assert await place.shop.ground.db.run(flows.tidy, place.shop.workspace_id, clock.now()) == []
