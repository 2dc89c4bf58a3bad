"""Files beside words over the API: brought, listed, put into templates, sent, fetched, deleted."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from angarium import keeping
from angarium.assembly import prepare
from angarium.config import Settings
from angarium.content.media import flows, tidying
from angarium.core.clock import micros
from angarium.simulators.stage import Stage
from angarium.simulators.viber import ViberFace
from angarium.storage import mirror
from support.running import until
from support.server import LINE, PDF, Client, key_for
from support.writers import Shop, a_shop

PUBLIC = "https://angarium.example"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
TEXT = {"text": "Your parcel {{ order }}"}


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop that can be reached from outside."""
    settings = {"public_url": PUBLIC, "allow_private": ("127.0.0.0/8",), "media_max_bytes": 4_096}
    async with a_shop(database_url, tmp_path, **settings) as made:
        yield made


async def bring(shop: Shop, data: bytes = PNG, name: str = "parcel.jpg", **headers: str) -> dict[str, Any]:
    """A file, brought."""
    made = await shop.owner.ask("POST", f"/v1/media?file_name={name}", data=data, **headers)
    assert made.status == 201, made
    return dict(made.json)


def stranger(shop: Shop) -> Client:
    """Somebody who knows an address and nothing else."""
    return shop.owner.with_key("")


def path_of(one: dict[str, Any]) -> str:
    """The path of its public address."""
    return urlsplit(one["url"]).path


def lying(shop: Shop) -> list[str]:
    """The files on the shelf."""
    folder = shop.house.media.shelf.folder
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# ── bringing and fetching ────────────────────────────────────────────────────────────────────────────


async def test_a_file_is_brought_looked_at_and_fetched_by_anybody_who_has_its_address(shop: Shop) -> None:
    one = await bring(shop)
    assert (one["name"], one["type"], one["kind"]) == ("parcel.png", "image/png", "image")
    assert (one["size_bytes"], one["sha256"]) == (len(PNG), hashlib.sha256(PNG).hexdigest())
    assert one["url"].startswith(f"{PUBLIC}/m/")
    told = await shop.owner.ask("GET", f"/v1/media/{one['id']}")
    assert told.json == one | {"used_in": []}
    heard = await stranger(shop).ask("GET", path_of(one))
    assert (heard.status, heard.body) == (200, PNG)
    headers = {
        "content-type": "image/png",
        "x-content-type-options": "nosniff",
        "content-disposition": 'inline; filename="parcel.png"',
        "cache-control": "public, max-age=604800, immutable",
        "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
        "etag": f'"{one["sha256"]}"',
    }
    assert {name: heard.headers.get(name) for name in headers} == headers
    assert "set-cookie" not in heard.headers
    document = await stranger(shop).ask("GET", path_of(await bring(shop, PDF, "bill.exe")))
    assert document.headers["content-disposition"] == 'attachment; filename="bill.pdf"'


async def test_a_phone_asks_for_a_piece_a_head_or_what_is_new(shop: Shop) -> None:
    one = await bring(shop)
    anybody, path, tag = stranger(shop), path_of(one), f'"{one["sha256"]}"'
    piece = await anybody.ask("GET", path, Range="bytes=8-15")
    assert (piece.status, piece.body, piece.headers["content-range"]) == (
        206,
        PNG[8:16],
        f"bytes 8-15/{len(PNG)}",
    )
    beyond = await anybody.ask("GET", path, Range="bytes=9999-")
    assert (beyond.status, beyond.body) == (416, b"")
    changed = await anybody.ask("GET", path, Range="bytes=8-15", If_Range='"other"')
    assert (changed.status, changed.body) == (200, PNG)
    head = await anybody.ask("HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(PNG)))
    same = await anybody.ask("GET", path, If_None_Match=tag)
    assert (same.status, same.body) == (304, b"")


async def test_the_same_bytes_are_the_same_file_also_at_once(shop: Shop) -> None:
    first = await bring(shop)
    both = await asyncio.gather(bring(shop, name="again.png"), bring(shop, name="once-more.png"))
    assert [one["id"] for one in both] == [first["id"]] * 2
    keyed = [await bring(shop, PDF, "bill.pdf", Idempotency_Key="k") for _ in range(2)]
    assert keyed[0] == keyed[1]
    assert len(lying(shop)) == 2
    other = await shop.owner.ask("POST", "/v1/media?file_name=bill.pdf", data=PNG, Idempotency_Key="k")
    assert other.json["type"].endswith("idempotency-mismatch")


async def test_what_is_no_such_file_or_too_much_leaves_nothing(shop: Shop) -> None:
    ask = shop.owner.ask
    page = await ask("POST", "/v1/media?file_name=a.png", data=b"<html><script>", Content_Type="image/png")
    assert (page.status, page.fields["body"]["value"]) == (422, "3c 68 74 6d 6c 3e 3c 73")
    assert (await ask("POST", "/v1/media", data=b"")).status == 422
    assert (await ask("POST", "/v1/media", data=PNG + bytes(4_096))).status == 413
    room = shop.house.media
    object.__setattr__(room, "workspace_max_bytes", 10)
    await bring(shop)
    full = await ask("POST", "/v1/media", data=PDF)
    assert (full.status, full.json["type"].rpartition("/")[2]) == (409, "too-much-media")
    assert len(lying(shop)) == 1


async def test_an_address_is_right_to_its_last_character(shop: Shop) -> None:
    one = await bring(shop)
    token = path_of(one).rpartition("/")[2]
    for wrong in (token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), "A" * 43, "x", one["id"]):
        heard = await stranger(shop).ask("GET", f"/m/{wrong}")
        assert heard.status == 404, wrong
    assert (await stranger(shop).ask("GET", f"/v1/media/{one['id']}")).status == 401
    reader = shop.owner.with_key(
        await key_for(shop.house.ground, shop.owner.workspace_id, "setup:read"), shop.owner.workspace_id
    )
    assert (await reader.ask("DELETE", f"/v1/media/{one['id']}")).status == 403


async def test_they_are_listed_by_their_kind_the_newest_first(shop: Shop) -> None:
    picture, bill = await bring(shop), await bring(shop, PDF, "bill")
    listed = (await shop.owner.ask("GET", "/v1/media?limit=1")).json
    assert [one["id"] for one in listed["items"]] == [bill["id"]]
    rest = (await shop.owner.ask("GET", f"/v1/media?limit=1&cursor={listed['next']}")).json
    assert ([one["id"] for one in rest["items"]], rest["next"]) == ([picture["id"]], None)
    pictures = (await shop.owner.ask("GET", "/v1/media?kind=image")).json["items"]
    assert [one["id"] for one in pictures] == [picture["id"]]
    assert (await shop.owner.ask("GET", "/v1/media?kind=gif")).status == 422


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────


async def save(shop: Shop, *contents: dict[str, Any], channel: str = "*") -> dict[str, Any]:
    """A template with a wording of these fields."""
    variants = [{"channel": channel, "content": content} for content in contents]
    made = await shop.owner.ask("POST", "/v1/templates", {"name": "parcel", "variants": variants})
    assert made.status == 201, made
    return dict(made.json)


async def test_a_picture_reaches_the_phone_by_its_address(shop: Shop) -> None:
    one, face = await bring(shop), ViberFace(Stage())
    await face.start()
    try:
        settings = LINE["settings"] | {
            "base_url": f"{face.url()}/v1/api",
            "rich_service": True,
            "api_key": "viber-demo-key",
        }
        line = LINE | {"settings": settings}
        assert (await shop.owner.ask("POST", "/v1/lines", line)).status == 201
        await save(shop, TEXT | {"media": {"id": one["id"]}}, channel="viber_business")
        await shop.house.engine.start()
        body = {"to": {"phone": "+380500000060"}, "template": "parcel", "variables": {"order": "7"}}
        sent = await shop.owner.ask("POST", "/v1/messages", body | {"channel": "viber_business"})
        assert sent.status == 202, sent
        await until(lambda: face.ledger.entries)
    finally:
        await shop.house.engine.stop()
        await face.stop()
    (entry,) = face.ledger.entries
    assert (entry.text, entry.image_url) == ("Your parcel 7", one["url"])
    assert (await stranger(shop).ask("GET", urlsplit(entry.image_url).path)).body == PNG


async def test_what_is_kept_of_a_file_comes_from_the_file(shop: Shop) -> None:
    one = await bring(shop)
    lies = {"id": one["id"], "type": "video/mp4", "size_bytes": 1, "url": "https://evil.example/x"}
    made = await save(shop, TEXT | {"media": lies})
    (kept,) = [variant["content"]["media"] for variant in made["variants"]]
    assert (kept["type"], kept["size_bytes"], kept["name"]) == ("image/png", len(PNG), "parcel.png")
    assert "url" not in kept
    variants = [{"content": TEXT | {"media": {"id": name}}} for name in ("media_0000000000000", "x")]
    wrong = await shop.owner.ask("POST", "/v1/templates", {"name": "other", "variants": variants})
    assert (wrong.status, set(wrong.fields)) == (
        422,
        {f"variants[{place}].content.media.id" for place in (0, 1)},
    )


async def test_the_own_words_of_messages_name_files_too(shop: Shop) -> None:
    assert (await shop.owner.ask("POST", "/v1/lines", LINE)).status == 201
    await shop.house.world.lines.reload([shop.owner.workspace_id])
    one = await bring(shop, PDF, "bill.pdf")
    usual = {"to": {"phone": "+380500000060"}, "class": "service", "channel": "viber_business"}

    def saying(media_id: str) -> dict[str, Any]:
        return usual | {"variants": [{"content": {"text": "Bill", "media": {"id": media_id}}}]}

    own, strange = saying(one["id"]), saying("media_0000000000000")
    heard = await shop.owner.ask("POST", "/v1/messages/batch", {"messages": [own, strange, usual]})
    good, *bad = heard.json["results"]
    assert [result["problem"]["errors"][0]["field"] for result in bad] == [
        "variants[0].content.media.id",
        "text",
    ]
    (attempt,) = (await shop.owner.ask("GET", f"/v1/messages/{good['id']}")).json["attempts"]
    assert attempt["content"]["text"] == f"Bill\n{one['url']}"
    shown = await shop.owner.ask("POST", "/v1/messages/preview", own)
    assert one["url"] in shown.body.decode()
    for path in ("/v1/messages", "/v1/messages/preview"):
        refused = await shop.owner.ask("POST", path, strange)
        assert (refused.status, list(refused.fields)) == (422, ["variants[0].content.media.id"]), path


async def test_the_author_is_told_which_channel_cannot_carry_it(shop: Shop) -> None:
    bill = await bring(shop, PDF, "bill.pdf")
    given = TEXT | {"media": {"id": bill["id"]}}

    async def found(channel: str) -> set[tuple[str, str]]:
        body = {"variants": [{"channel": channel, "content": given}]}
        heard = await shop.owner.ask("POST", "/v1/templates/lint", body)
        assert heard.status == 200, heard
        return {(one["kind"], one["level"]) for one in heard.json["items"] if one.get("field") == "media"}

    assert await found("viber_business") == {("channel-limit", "error")}
    assert await found("whatsapp_cloud") == set()
    assert await found("*") == {("media-as-link", "note")}
    body = {"variants": [{"content": given}], "samples": [{"name": "usual", "values": {"order": "7"}}]}
    rows = (await shop.owner.ask("POST", "/v1/templates/preview", body)).json["items"]
    by_channel = {row["channel"]: row for row in rows}
    assert by_channel["smpp"]["content"]["text"] == f"Your parcel 7\n{bill['url']}"
    assert {"kind": "document", "text": "bill.pdf", "url": bill["url"]} in by_channel["whatsapp_cloud"][
        "blocks"
    ]


# ── deleting ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_file_that_is_used_stays_and_the_answer_says_where(shop: Shop) -> None:
    one = await bring(shop)
    made = await save(shop, TEXT | {"media": {"id": one["id"]}})
    part = {"source": f'<img src="{one["url"]}" alt="">{{{{ content }}}}'}
    assert (await shop.owner.ask("PUT", "/v1/parts/frame", part)).status == 200
    told = (await shop.owner.ask("GET", f"/v1/media/{one['id']}")).json["used_in"]
    assert told == [
        {"name": "parcel", "version": 1, "state": "published"},
        {"name": "frame", "version": 1, "state": "part"},
    ]
    refused = await shop.owner.ask("DELETE", f"/v1/media/{one['id']}")
    assert (refused.status, refused.json["type"].rpartition("/")[2]) == (409, "media-in-use")
    assert "parcel (published, version 1), frame (part, version 1)" in refused.json["detail"]
    assert (await shop.owner.ask("DELETE", f"/v1/templates/{made['id']}")).status == 204
    assert (await shop.owner.ask("DELETE", "/v1/parts/frame")).status == 204
    assert (await shop.owner.ask("DELETE", f"/v1/media/{one['id']}")).status == 204


async def test_a_deleted_file_is_fetched_for_a_week_and_one_deleted_at_once_never_again(shop: Shop) -> None:
    one, bill = await bring(shop), await bring(shop, PDF, "bill")
    tidier, ground, anybody = shop.house.tidier, shop.house.ground, stranger(shop)
    assert (await shop.owner.ask("DELETE", f"/v1/media/{bill['id']}?at_once=true")).status == 204
    assert (await anybody.ask("GET", path_of(bill))).status == 404
    assert (await shop.owner.ask("DELETE", f"/v1/media/{one['id']}")).status == 204
    assert (await shop.owner.ask("GET", f"/v1/media/{one['id']}")).status == 404
    assert (await shop.owner.ask("GET", "/v1/media")).json["items"] == []
    assert (await anybody.ask("GET", path_of(one))).body == PNG
    again = await bring(shop)
    assert again["id"] != one["id"]
    assert (await shop.owner.ask("DELETE", f"/v1/media/{again['id']}?at_once=true")).status == 204
    assert await tidier.work() == 0, "its week is not over"
    later = ground.clock.now() + micros(flows.GOES_ON_S) + 1
    assert await ground.db.run(flows.tidy, shop.owner.workspace_id, later) == []
    assert (await anybody.ask("GET", path_of(one))).status == 404
    (file,) = shop.house.media.shelf.folder.iterdir()
    assert shop.house.media.shelf.sweep([], later - micros(tidying.EVERY_S)) == 1
    assert not file.exists()


# ── copies ───────────────────────────────────────────────────────────────────────────────────────────


def test_copies_go_with_the_backups_that_need_them(tmp_path: Path) -> None:
    shelf, copies = tmp_path / "media", mirror.beside(tmp_path / "backups" / "angarium.db")
    assert mirror.copy(shelf, copies, 1_000_000) == 0
    shelf.mkdir()
    for name in ("a", "b"):
        (shelf / name).write_bytes(name.encode())
    (shelf / "c.part").write_bytes(b"half")
    assert mirror.copy(shelf, copies, 1_000_000) == 2
    (shelf / "a").unlink()
    assert mirror.copy(shelf, copies, 2_000_000) == 1
    assert mirror.let_go(copies, 1_000_000) == 0, "the first backup needs it"
    assert mirror.put_back(copies, shelf) == 1
    assert (shelf / "a").read_bytes() == b"a"
    assert mirror.let_go(copies, 2_000_000) == 1
    assert [path.name for path in copies.iterdir()] == ["b"]


@pytest.mark.sqlite  # its backup is a file; e2e/test_backup.py puts back a dump of PostgreSQL
async def test_a_restored_server_has_its_files_again(tmp_path: Path) -> None:
    settings = Settings(
        database=f"sqlite:///{tmp_path}/a.db", key_file=f"{tmp_path}/vault.key", public_url=PUBLIC
    )
    backups = tmp_path / "backups"
    backups.mkdir()
    await prepare(settings)
    async with a_shop(settings.database, tmp_path, public_url=PUBLIC) as shop:
        one = await bring(shop)
        made = await keeping.back_up(settings, backups, keep=3)
        assert made.files == 1
        assert (await shop.owner.ask("DELETE", f"/v1/media/{one['id']}?at_once=true")).status == 204
        assert lying(shop) == []
    await keeping.put_back(settings, made.file, replace=True)
    async with a_shop(settings.database, tmp_path, public_url=PUBLIC, name="other") as shop:
        assert (await stranger(shop).ask("GET", path_of(one))).body == PNG
