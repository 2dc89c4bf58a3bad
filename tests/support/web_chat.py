"""A shop with a web chat behind a real server, and visitors who speak to it as pages do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import bindparam, select

from angarium.content.media import api as media_api
from angarium.content.media.flows import MediaRoom
from angarium.doors.webchat import api
from angarium.doors.webchat.flows import Outbox
from angarium.doors.webchat.room import WebChatRoom
from angarium.messaging.store.tables import inbound
from angarium.protocols.signatures import hmac_sha256
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction
from angarium.storage.shelf import Shelf
from support.running import Running, running
from support.server import Client, Heard, serving

SECRET = "0123456789abcdef"
MEDIA_MAX_BYTES = 4 << 20
SITE, ELSEWHERE = "https://shop.example", "https://evil.example"
SETTINGS = {"origins": SITE, "identity_secret": SECRET}

_inbound = Statement(
    select(inbound.c.sender, inbound.c.text, inbound.c.context_ref)
    .where(inbound.c.workspace_id == bindparam("workspace_id"))
    .order_by(inbound.c.id)
)


@dataclass
class Page:
    """A page that somebody has open."""

    client: Client
    path: str
    token: str = ""
    visitor: str = ""
    origin: str = SITE

    async def ask(
        self, method: str, where: str, body: Any = None, *, data: Any = None, **headers: str
    ) -> Heard:
        """A request of the page: JSON, or a file."""
        named = {"Origin": self.origin, **headers} if self.origin else headers
        if self.token:
            named.setdefault("Authorization", f"Bearer {self.token}")
        return await self.client.ask(method, f"{self.path}/{where}", body, data=data, **named)

    async def open(self, user: str = "", **given: Any) -> Page:
        """Open the chat: as nobody, or as the site's user."""
        known = {"user": user, "hash": hmac_sha256(SECRET, user.encode())} if user else {}
        heard = await self.ask("POST", "session", {**known, **given})
        assert heard.status == 201, heard
        self.token, self.visitor = heard.json["token"], heard.json["visitor"]
        return self

    async def say(self, text: str, ref: str = "1", **more: Any) -> int:
        """Write; the number of the entry."""
        heard = await self.ask("POST", "messages", {"id": ref, "text": text, **more})
        assert heard.status == 201, heard
        return int(heard.json["number"])

    async def entries(self, query: str = "") -> list[dict[str, Any]]:
        """What the page sees."""
        heard = await self.ask("GET", f"messages{query}")
        assert heard.status == 200, heard
        return list(heard.json["items"])

    async def texts(self, query: str = "") -> list[str]:
        """The words of it."""
        return [one["text"] for one in await self.entries(query)]

    async def mark(self, **upto: int) -> None:
        """Say how far it has come."""
        assert (await self.ask("POST", "marks", upto)).status == 204


@dataclass
class Place:
    """Everything together."""

    shop: Running
    room: WebChatRoom
    client: Client
    media: MediaRoom

    def page(self, line: str = "chat", origin: str = SITE) -> Page:
        """A page that has not opened the chat."""
        where = self.shop.lines[line].callback_path.replace("/callbacks/", "/chat/")
        return Page(self.client, where, origin=origin)

    async def send(self, to: str, text: str, **more: Any) -> int:
        """Something is sent to a visitor; its id."""
        address = {"kind": "web_chat", "value": to}
        return await self.shop.send(
            **{"to": {"address": address}, "class": "service", "text": text, "channel": "web_chat", **more}
        )

    async def heard(self) -> list[tuple[str, str, str]]:
        """What customers wrote: sender, text, what it answers."""
        return await self.shop.ground.db.read(_heard, self.shop.workspace_id)


async def _heard(tx: Transaction, workspace_id: int) -> list[tuple[str, str, str]]:
    return [(row[0], row[1], row[2]) for row in await tx.rows(_inbound, workspace_id=workspace_id)]


@asynccontextmanager
async def chat_place(database: Database, folder: Path | None = None, **settings: Any) -> AsyncIterator[Place]:
    """A shop whose engine runs, with one line of the web chat, and a folder for files."""
    async with running(database) as shop:
        shop.world.keeper = Outbox(shop.ground).of
        shelf = Shelf((folder or Path("/nowhere")) / "media", MEDIA_MAX_BYTES)
        media = MediaRoom(shop.ground, shelf, 10 * MEDIA_MAX_BYTES)
        room = WebChatRoom(shop.world, shop.engine.heard, shop._workspaces, media if folder else None)
        classes = ("service", "promotional")
        await shop.line("chat", "web_chat", classes, settings={**SETTINGS, **settings})
        await shop.engine.start()
        await room.start()
        try:
            services = {"web_chat": room, "media": media}
            handlers = [*api.HANDLERS, *media_api.HANDLERS]
            async with serving(shop.ground, handlers, services=services) as client:
                yield Place(shop, room, client, media)
                await room.stop()
        finally:
            await room.stop()


def events_in(stream: bytes) -> list[tuple[int, dict[str, Any]]]:
    """The entries of a stream of events: id and data."""
    found = []
    for event in stream.decode().split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in event.split("\n") if not line.startswith(":"))
        if "data" in fields:
            found.append((int(fields["id"]), msgspec.json.decode(fields["data"])))
    return found
