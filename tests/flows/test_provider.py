"""What a line asks of its provider beside sending, over sockets: where to post, who we are, its templates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from angarium.content.store import provider_templates
from angarium.core.problems import Problem
from angarium.messaging import provider
from angarium.simulators.faces.whatsapp_cloud import OPERATOR
from angarium.simulators.stage import Stage
from angarium.simulators.whatsapp import ACCESS_TOKEN, ACCOUNT_ID, WhatsappFace
from angarium.storage.database import Database
from flows.test_every_operator import doorman
from support.running import Running, running

ACTOR = "per_test"


@asynccontextmanager
async def whatsapp(database: Database, **changes: Any) -> AsyncIterator[tuple[Running, WhatsappFace]]:
    """A shop with a line to a simulated Meta."""
    face = WhatsappFace(Stage(), 0)
    await face.start()
    try:
        async with running(database) as shop:
            settings = {**OPERATOR.settings(face.url()), "business_account_id": ACCOUNT_ID, **changes}
            async with doorman(shop, "whatsapp_cloud", settings) as (url, _):
                shop.world.public_url = url
                await shop.line("line", "whatsapp_cloud", ("service",), settings=settings)
                yield shop, face
    finally:
        await face.stop()


async def hand_in(face: WhatsappFace, *names: str) -> None:
    """Templates at Meta, as a person hands them in there."""
    async with aiohttp.ClientSession(face.url(), headers={"Authorization": f"Bearer {ACCESS_TOKEN}"}) as meta:
        for name in names:
            components = [{"type": "BODY", "text": "Your order is ready"}]
            given = {"name": name, "language": "en", "category": "UTILITY", "components": components}
            async with meta.post(f"/v25.0/{ACCOUNT_ID}/message_templates", json=given) as answer:
                assert answer.status == 200, await answer.text()


async def test_it_posts_where_the_line_says(database: Database) -> None:
    async with whatsapp(database) as (shop, face):
        url = await provider.attach(shop.world, shop.lines["line"], ACTOR)
        assert face._stage.webhooks["whatsapp"].url == url == shop.world.callback_url(shop.lines["line"])


async def test_it_does_not_where_the_word_is_another(database: Database) -> None:
    async with whatsapp(database, verify_token="another") as (shop, face):
        shop.world.public_url = face.url()  # it answers anything but our word
        with pytest.raises(Problem) as caught:
            await provider.attach(shop.world, shop.lines["line"], ACTOR)
        assert (caught.value.slug, caught.value.detail) == (
            "provider-did-not",
            "(#2200) Callback verification failed",
        )
        shop.world.public_url = ""
        with pytest.raises(Problem) as caught:
            await provider.attach(shop.world, shop.lines["line"], ACTOR)
        assert caught.value.slug == "public-url-wanted"


async def test_who_we_are_there(database: Database) -> None:
    async with whatsapp(database) as (shop, _):
        told = await provider.profile(shop.world, shop.lines["line"])
        assert (told.name, told.quality, told.limit) == ("Demo Shop", "GREEN", "TIER_1K")


async def test_all_templates_are_heard_page_by_page(database: Database) -> None:
    async with whatsapp(database) as (shop, face):
        names = [f"order_{number:03}" for number in range(103)]
        await hand_in(face, *names)
        face.desk.decide(names[0], "en", "APPROVED")
        told = await provider.fetch_templates(shop.world, shop.lines["line"], ACTOR)
        assert provider.approved(told) == 1
        known = await shop.ground.db.read(provider_templates.named, shop.workspace_id, set(names))
        states = {one.name: one.status for one in known if one.about == "status"}
        assert states == {names[0]: "approved"} | dict.fromkeys(names[1:], "pending")


async def test_a_channel_without_such_an_interface_says_so(database: Database) -> None:
    async with running(database) as shop:
        await shop.line("viber", "viber_business")
        with pytest.raises(Problem) as caught:
            await provider.profile(shop.world, shop.lines["viber"])
        assert caught.value.fields[0].problem == "Viber (Decision Telecom) tells nothing of a sender"
        assert provider.able(shop.world, shop.lines["viber"]) == frozenset()
