"""Every simulated operator of the folder: a line to it sends, and hears what became of it, over sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import bindparam, select

from angarium import channels
from angarium.channels import kit
from angarium.core.ports import Raw, Unknown
from angarium.doors.webchat import api as web_chat
from angarium.doors.webchat.flows import Outbox
from angarium.doors.webchat.room import WebChatRoom
from angarium.messaging import receive
from angarium.messaging.store.tables import inbound
from angarium.simulators.faces import Operator, operators
from angarium.simulators.stage import Face, Stage, Webhook
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction
from support.running import Running, running, until
from support.server import serving

_WROTE = Statement(select(inbound.c.sender).where(inbound.c.workspace_id == bindparam("workspace_id")))
SENDS = ("service", "otp")  # the first that a channel carries


@asynccontextmanager
async def doorman(
    shop: Running, kind: str, settings: dict[str, Any]
) -> AsyncIterator[tuple[str, Counter[int]]]:
    """Takes callbacks for the one line of a shop as the server does: where, and what it answered."""
    channel, answered = channels.load()[kind], Counter[int]()
    decoded = kit.decode_settings(channel, settings)

    async def called(request: web.Request) -> web.Response:
        names = {name.lower(): value for name, value in request.headers.items()}
        body, query = await request.read(), dict(request.query)
        raw = Raw(body, names, query, str(request.remote), str(request.url))
        said = channel.challenge(decoded, raw)
        if said is None:
            believed = await channel.believes(shop.world.tools, decoded, raw)
            if believed is not True:
                refusal = 503 if isinstance(believed, Unknown) else 401
                answered[refusal] += 1
                return web.Response(status=refusal)
            entry = receive.entry(shop.world, shop.lines["line"], raw)
            await receive.journal(shop.world, [entry])
            await receive.work_through(shop.world, [entry])
            said = channel.reply(decoded, raw)
        answered[said.status] += 1
        return web.Response(status=said.status, text=said.body, content_type=said.media_type)

    app = web.Application()
    app.router.add_route("*", "/callbacks/{path:.*}", called)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", answered
    finally:
        await runner.cleanup()


@asynccontextmanager
async def own_door(shop: Running) -> AsyncIterator[tuple[str, Counter[int]]]:
    """The door of visitors: of the web chat there is no operator but this server."""
    shop.world.keeper = Outbox(shop.ground).of
    room = WebChatRoom(shop.world, shop.engine.heard, shop._workspaces)
    async with serving(shop.ground, web_chat.HANDLERS, services={"web_chat": room}) as client:
        yield client.url, Counter()
        await room.stop()


@asynccontextmanager
async def connected(
    shop: Running, stage: Stage, face: Face, kind: str, operator: Operator
) -> AsyncIterator[Counter[int]]:
    """A line to an operator, with its callbacks."""
    settings = operator.settings(face.url())
    door = own_door(shop) if kind == "web_chat" else doorman(shop, kind, settings)
    async with door as (url, answered):
        shop.world.public_url = url
        classes = tuple(sorted(channels.load()[kind].capabilities.classes))
        await shop.line("line", kind, classes, settings=settings)
        stage.webhooks[face.name] = Webhook(shop.world.callback_url(shop.lines["line"]), operator.secret)
        yield answered


async def a_person_answers(shop: Running, face: Face, person: str) -> None:
    """Whoever got a message writes, and is heard."""
    send: Callable[..., Awaitable[object]] = face.send_inbound  # type: ignore[attr-defined]  # of two-way ones
    await send(sender=person, text="Hello")

    async def heard() -> bool:
        found = await shop.ground.db.read(_people_who_wrote, shop.workspace_id)
        return found == [person]

    await until(heard)


async def _people_who_wrote(tx: Transaction, workspace_id: int) -> list[str]:
    return [row[0] for row in await tx.rows(_WROTE, workspace_id=workspace_id)]


@pytest.mark.parametrize("kind", operators())
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_sent_arrives_and_is_told(database: Database, kind: str) -> None:
    operator, stage, channel = operators()[kind], Stage(), channels.load()[kind]
    face = operator.make(stage, 0)
    await face.start()
    try:
        async with running(database) as shop, connected(shop, stage, face, kind, operator) as answered:
            await shop.engine.start()
            described = {
                "to": {"address": {"kind": channel.address_kind.value, "value": operator.recipient}},
                "class": next(one for one in SENDS if one in channel.capabilities.classes),
                "channel": kind,
                **(operator.content or {}),
            }
            if operator.begins:
                await shop.contact(addresses=[described["to"]["address"]])
                await face.send_inbound(operator.recipient, "Hello")
            message = await shop.send(**described)
            await until(lambda: shop.is_in(message, operator.ends))
            assert [entry.recipient for entry in face.ledger.entries] == [operator.recipient]
            if channel.capabilities.two_way and not operator.begins:
                await a_person_answers(shop, face, operator.recipient)
            assert set(answered) <= {200, 202, 204}
            assert await shop.unread() == []
    finally:
        await face.stop()
