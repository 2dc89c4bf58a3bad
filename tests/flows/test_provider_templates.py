"""A template that Meta keeps: handed in, rejected with a reason, handed in again, approved, and then sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from angarium.assembly import House
from angarium.core import ids
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.stage import Stage, Webhook
from angarium.simulators.whatsapp import ACCESS_TOKEN, ACCOUNT_ID, PHONE_NUMBER_ID, WhatsappFace
from angarium.storage import facts
from support.running import until
from support.server import Client, Heard, member, whole_house

NAME, LANGUAGE = "order_ready", "uk"
CONTENT = {"template": NAME, "template_language": LANGUAGE, "params": {"order": "{{ order }}"}}
BODY = {
    "name": "ready",
    "class": "service",
    "variants": [{"channel": "whatsapp_cloud", "locale": "uk", "content": CONTENT}],
}
EXPLAINED = {"reason": "The words promote.", "recommendation": "Leave the discount out."}
STATE = "message_template_status_update"


@dataclass
class Meta:
    """A shop, its WhatsApp line, and Meta."""

    house: House
    shop: Client
    face: WhatsappFace
    line_id: int

    async def hand_in(self, text: str, template_id: str = "") -> dict[str, Any]:
        """What a person does at Meta."""
        components = [{"type": "BODY", "text": text}]
        given = {"name": NAME, "language": LANGUAGE, "category": "UTILITY", "components": components}
        path = template_id or f"{ACCOUNT_ID}/message_templates"
        headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
        async with self.shop.session.post(
            f"{self.face.url()}/v25.0/{path}", json=given, headers=headers
        ) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def known(self, path: str) -> list[dict[str, Any]]:
        """What is known of a template's wordings."""
        found: list[dict[str, Any]] = (await self.shop.ask("GET", f"{path}/registrations")).json["items"]
        return found

    async def told(self) -> list[dict[str, Any]]:
        """What Meta has said."""
        found: list[dict[str, Any]] = (await self.shop.ask("GET", "/v1/provider-templates")).json["items"]
        return found

    async def until_told(self, word: str) -> None:
        """Wait until it was worked through: the answer to a callback comes before."""

        async def is_told() -> bool:
            return word in [one["word"] for one in await self.told()]

        await until(is_told)

    async def facts(self) -> list[dict[str, Any]]:
        """The bodies of facts about wordings and providers' templates."""
        found, _ = await self.house.ground.db.read(facts.after, self.shop.workspace_id, facts.START, 100)
        kinds = ("template.registration", "line.template_unmatched")
        return [{"kind": one.kind, **msgspec.json.decode(one.body)} for one in found if one.kind in kinds]


@pytest.fixture
async def meta(database_url: str, tmp_path: Path) -> AsyncIterator[Meta]:
    """A shop that runs, on loopback with Meta."""
    stage = Stage(Script(faults={"whatsapp": Faults(receipt_delay_s=0.01, read_delay_s=0.01)}))
    face = WhatsappFace(stage)
    await face.start()
    async with whole_house(database_url, tmp_path, allow_private=["127.0.0.0/8"]) as (house, nobody):
        shop = await member(nobody, house.ground, "shop")
        settings = {
            "phone_number_id": PHONE_NUMBER_ID,
            "access_token": ACCESS_TOKEN,
            "app_secret": "app-secret",
            "verify_token": "word",
            "base_url": face.url(),
        }
        line = {"name": "wa", "channel": "whatsapp_cloud", "settings": settings, "classes": ["service"]}
        made = await shop.ask("POST", "/v1/lines", {**line, "registration": "approved"})
        assert made.status == 201, made
        stage.webhooks["whatsapp"] = Webhook(shop.url + made.json["callback_path"], "app-secret")
        await house.engine.start()
        try:
            yield Meta(house, shop, face, ids.read("line", made.json["id"]))
        finally:
            await house.engine.stop()
            await face.stop()


async def test_what_meta_rejects_is_not_published_and_what_it_approves_leaves(meta: Meta) -> None:
    handed_in = await meta.hand_in("{{order}} is ready, and 20% off")
    assert handed_in["status"] == "PENDING"
    made = await meta.shop.ask("POST", "/v1/templates", BODY)
    path = f"/v1/templates/{made.json['id']}"
    assert (made.json["state"], await meta.known(path)) == ("draft", [])
    await meta.face.review(NAME, LANGUAGE, "REJECTED", "PROMOTIONAL", EXPLAINED)
    await meta.until_told("REJECTED")
    (rejected,) = await meta.known(path)
    assert (rejected["status"], rejected["actor"], rejected["registrar"]) == ("rejected", "provider", "Meta")
    assert rejected["reason"] == "PROMOTIONAL The words promote. Leave the discount out."
    assert (rejected["versions"], rejected["external_id"]) == ([1], handed_in["id"])
    refused = await meta.shop.ask("POST", f"{path}/publish", {})
    assert (refused.status, refused.json["type"].rpartition("/")[2]) == (409, "not-registered")

    assert await meta.hand_in("{{order}} is ready", handed_in["id"]) == {"success": True}
    await meta.face.review(NAME, LANGUAGE, "APPROVED")
    await meta.until_told("APPROVED")
    (approved,) = await meta.known(path)
    assert (approved["status"], approved["reason"], approved["category"]) == ("approved", "", "UTILITY")
    published = await meta.shop.ask("POST", f"{path}/publish", {})
    assert published.json["in_force"] == 1, published
    sent = await send(meta)
    await until(
        lambda: (
            [one.text for one in meta.face.ledger.entries] == ["{{1}} is ready"] or meta.face.ledger.entries
        )
    )
    (entry,) = meta.face.ledger.entries
    assert (entry.recipient, entry.details["sent"]["name"]) == ("+380441234501", NAME)

    async def is_delivered() -> bool:
        return (await meta.shop.ask("GET", f"/v1/messages/{sent.json['id']}")).json["state"] == "delivered"

    await until(is_delivered)
    told = [(one["kind"], one["status"], one["actor"]) for one in await meta.facts()]
    assert told == [
        ("template.registration", "rejected", "provider"),
        ("template.registration", "approved", "provider"),
    ]


async def send(meta: Meta) -> Heard:
    """A message by the template."""
    body = {"to": {"phone": "+380441234501"}, "template": "ready", "channel": "whatsapp_cloud"}
    sent = await meta.shop.ask("POST", "/v1/messages", {**body, "variables": {"order": "17"}})
    assert sent.status == 202, sent
    return sent


async def test_news_of_what_nobody_asks_for_is_kept_until_somebody_does(meta: Meta) -> None:
    await meta.hand_in("{{order}} is ready")
    await meta.face.review(NAME, LANGUAGE, "APPROVED")
    await meta.until_told("APPROVED")
    (told,) = await meta.told()
    assert (told["name"], told["templates"], told["line"]) == (NAME, [], ids.show("line", meta.line_id))
    assert [one["kind"] for one in await meta.facts()] == ["line.template_unmatched"]
    made = await meta.shop.ask("POST", "/v1/templates", BODY)
    assert (made.json["state"], made.json["in_force"]) == ("published", 1)
    assert [one["templates"] for one in await meta.told()] == [[made.json["id"]]]


async def test_what_comes_twice_or_too_late_changes_nothing(meta: Meta) -> None:
    await meta.hand_in("{{order}} is ready")
    approved = meta.face.desk.decide(NAME, LANGUAGE, "APPROVED")
    rejected = {**approved, "event": "REJECTED", "reason": "SCAM"}
    for value, at_s in ((approved, 2_000), (approved, 2_000), (approved, 3_000), (rejected, 2_500)):
        await meta.face.tell(STATE, value, at_s)
    await meta.face.tell("message_template_quality_update", {**approved, "new_quality_score": "RED"}, 2_000)
    await meta.until_told("RED")
    shown = [(one["about"], one["word"], one["said_at"]) for one in await meta.told()]
    assert shown == [
        ("status", "APPROVED", "1970-01-01T00:50:00.000Z"),
        ("quality", "RED", "1970-01-01T00:33:20.000Z"),
    ]
    assert [one["word"] for one in await meta.facts()] == ["APPROVED", "RED"]
    other = await member(meta.shop, meta.house.ground, "another shop")
    assert (await other.ask("GET", "/v1/provider-templates")).json["items"] == []
