"""Templates made of parts, MJML and buttons, over the API: what is kept, shown, and said to people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from angarium.assembly import House
from support.relay import SETTINGS
from support.server import Client, member, whole_house

FOOTER = "<mj-section><mj-column><mj-text>Shop, {{ city }}</mj-text></mj-column></mj-section>"
LAYOUT = '<mjml><mj-body>{{ content }}{% render "footer" %}</mj-body></mjml>'
WORDS = "{{ total | money }} due {{ due | day }}"
LETTER = f"<mj-section><mj-column><mj-text>{WORDS}</mj-text></mj-column></mj-section>"
VALUES = {"city": "Kyiv", "total": {"micros": 12_500_000, "currency": "UAH"}, "due": "2026-12-01"}
MAIL = {"channel": "smtp", "content": {"subject": "Invoice"}, "origin": {"mjml": LETTER, "layout": "brand"}}
ANYWHERE = {
    "content": {
        "subject": "On its way",
        "text": "Order {{ n }}",
        "buttons": [
            {"label": "Track", "url": "https://shop.example/{{ n }}"},
            {"label": "Call", "url": "tel:+380441234567", "kind": "call"},
        ],
    }
}


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """A house with lines for mail and SMS, and the parts of a letter; a client with every right."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        client = await member(nobody, house.ground, "shop")
        for name, channel in (("mail", "smtp"), ("sms", "smpp")):
            line = {"name": name, "channel": channel, "settings": SETTINGS[channel], "classes": ["service"]}
            made = await client.ask("POST", "/v1/lines", {**line, "registration": "approved"})
            assert made.status == 201, made.body
        for name, source in (("footer", FOOTER), ("brand", LAYOUT)):
            assert (await client.ask("PUT", f"/v1/parts/{name}", {"source": source})).status == 200
        await house.world.lines.reload([client.workspace_id])
        yield house, client


async def template(client: Client, name: str, *variants: dict[str, Any]) -> Any:
    made = await client.ask("POST", "/v1/templates", {"name": name, "variants": variants})
    assert made.status == 201, made.body
    return made.json


async def shown(client: Client, name: str, whom: dict[str, str], **message: Any) -> Any:
    """The one step of a message of this template, as it is foretold."""
    asked = {"to": whom, "class": "service", "template": name, **message}
    answer = await client.ask("POST", "/v1/messages/preview", asked)
    assert answer.status == 200, answer.body
    (step,) = answer.json["steps"]
    assert step["goes"], step
    return step["content"]


async def test_a_letter_is_kept_whole(shop: tuple[House, Client]) -> None:
    _, client = shop
    made = await template(client, "invoice", {**MAIL, "locale": "uk"})
    (variant,) = made["variants"]
    assert "Shop, {{ city }}" in variant["content"]["html"]
    assert variant["content"]["text"].startswith("{{ total | money }} due {{ due | day }}")
    assert variant["origin"] == {"mjml": LETTER, "layout": "brand", "parts": {"brand": 1, "footer": 1}}
    content = await shown(
        client, "invoice", {"email": "a@b.example"}, channel="smtp", variables=VALUES, locale="uk"
    )
    assert content["text"].startswith("12,50 ₴ due 1 грудня 2026 р.")
    assert "12,50 ₴ due 1 грудня 2026 р." in content["html"]


async def test_a_part_that_changes_changes_what_is_saved_afterwards(shop: tuple[House, Client]) -> None:
    _, client = shop
    made = await template(client, "invoice", MAIL)
    await client.ask("PUT", "/v1/parts/footer", {"source": FOOTER.replace("Shop", "The shop")})
    again = (await client.ask("GET", f"/v1/templates/{made['id']}")).json
    assert again["variants"] == made["variants"]
    used = (await client.ask("GET", "/v1/parts/footer")).json
    assert (used["version"], used["used_in"]) == (
        2,
        [{"template": "invoice", "version": 1, "part_version": 1}],
    )
    saved = await client.ask(
        "PUT", f"/v1/templates/{made['id']}", {"name": "invoice", "variants": again["variants"]}
    )
    assert saved.status == 200, saved.body
    (variant,) = saved.json["variants"]
    assert "The shop, {{ city }}" in variant["content"]["html"]
    assert variant["origin"]["parts"] == {"brand": 1, "footer": 2}
    past = (await client.ask("GET", "/v1/parts/footer/versions")).json["items"]
    assert [one["version"] for one in past] == [1, 2]


async def test_what_is_deleted_stays_in_what_was_made_of_it(shop: tuple[House, Client]) -> None:
    _, client = shop
    made = await template(client, "invoice", MAIL)
    assert (await client.ask("DELETE", "/v1/parts/footer")).status == 204
    assert (await client.ask("GET", "/v1/parts/footer")).status == 404
    found = (await client.ask("GET", f"/v1/templates/{made['id']}")).json
    assert "Shop, {{ city }}" in found["variants"][0]["content"]["html"]
    refused = await client.ask("POST", "/v1/templates", {"name": "other", "variants": [MAIL]})
    assert (refused.status, list(refused.fields)) == (422, ["variants[0].origin.mjml"])


async def test_buttons_become_lines_where_there_are_none(shop: tuple[House, Client]) -> None:
    _, client = shop
    await template(client, "order", ANYWHERE)
    phone, mail = {"phone": "+380501234567"}, {"email": "a@b.example"}
    sms = await shown(client, "order", phone, channel="smpp", variables={"n": "7"})
    assert sms["text"] == "On its way\nOrder 7\nTrack: https://shop.example/7\nCall: +380441234567"
    assert "buttons" not in sms
    letter = await shown(client, "order", mail, channel="smtp", variables={"n": "7"})
    assert (letter["text"], len(letter["buttons"])) == ("Order 7", 2)


async def test_wording_for_one_channel_has_to_fit_it(shop: tuple[House, Client]) -> None:
    _, client = shop
    await template(client, "order", {**ANYWHERE, "channel": "smpp"})
    asked = {"to": {"phone": "+380501234567"}, "class": "service", "template": "order", "channel": "smpp"}
    answer = await client.ask("POST", "/v1/messages/preview", {**asked, "variables": {"n": "7"}})
    assert answer.json["steps"][0]["reason"] == "unsupported"


async def test_a_preview_of_what_is_typed_has_its_parts(shop: tuple[House, Client]) -> None:
    _, client = shop
    asked = {"variants": [MAIL], "channels": ["smtp"], "samples": [{"name": "usual", "values": VALUES}]}
    (row,) = (await client.ask("POST", "/v1/templates/preview", asked)).json["items"]
    assert "Shop, Kyiv" in row["content"]["html"]


@pytest.mark.parametrize(
    ("name", "source", "field"),
    [("Big Name", "x", "name"), ("footer", " ", "source"), ("footer", "x" * 50_001, "source")],
)
async def test_a_part_that_is_wrong_is_refused(
    shop: tuple[House, Client], name: str, source: str, field: str
) -> None:
    _, client = shop
    refused = await client.ask("PUT", f"/v1/parts/{name}", {"source": source})
    assert (refused.status, list(refused.fields)) == (422, [field])
