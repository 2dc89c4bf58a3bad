"""Previews, samples, searches and lists of templates over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from angarium.content.preview import direction
from support.server import CONTACT, LINE
from support.writers import Shop, a_shop

SMS = {
    "name": "sms",
    "channel": "smpp",
    "settings": {"host": "127.0.0.1", "system_id": "a", "password": "b", "source": "Shop"},
    "classes": ["service"],
    "registration": "approved",
    "price": "0.02",
    "price_per": "part",
}
VARIANTS = [
    {"channel": "viber_business", "locale": "fa", "content": {"text": "سفارش {{ order }} شما ارسال شد"}},
    {"channel": "*", "locale": "uk", "content": {"text": "Замовлення {{ order }} у дорозі"}},
    {"content": {"text": "Order {{ order }} is on its way"}},
]


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop with two lines."""
    async with a_shop(database_url, tmp_path) as made:
        for line in (SMS, LINE):
            assert (await made.owner.ask("POST", "/v1/lines", line)).status == 201
        await made.house.world.lines.reload([made.owner.workspace_id])
        yield made


async def template(shop: Shop, **given: Any) -> str:
    """A template in three languages, with two samples; its path."""
    body = {"name": "shipped", "variants": VARIANTS, **given}
    made = await shop.owner.ask("POST", "/v1/templates", body)
    assert made.status == 201, made
    path = f"/v1/templates/{made.json['id']}"
    for name, locale in (("fa", "fa"), ("usual", "")):
        sample = {"values": {"order": "4512"}, "locale": locale}
        assert (await shop.owner.ask("PUT", f"{path}/samples/{name}", sample)).status == 200
    return path


async def rows(shop: Shop, path: str, **body: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """A preview by channel and sample."""
    answer = await shop.owner.ask("POST", f"{path}/preview", body)
    assert answer.status == 200, answer
    return {(one["channel"], one["sample"]): one for one in answer.json["items"]}


# ── previews ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_preview_shows_each_channel_with_each_sample(shop: Shop) -> None:
    found = await rows(shop, await template(shop))
    assert set(found) == {(c, s) for c in ("smpp", "viber_business") for s in ("fa", "usual")}
    viber = found["viber_business", "fa"]
    assert (viber["line"], viber["variant"], viber["looked_for"]) == ("viber", 0, ["fa", "*"])
    assert viber["content"]["text"] == "سفارش 4512 شما ارسال شد"
    assert viber["blocks"] == [
        {"kind": "sender", "text": "Shop", "direction": "ltr"},
        {"kind": "text", "text": "سفارش 4512 شما ارسال شد", "direction": "rtl"},
    ]
    sms = found["smpp", "fa"]  # no Persian wording but Viber's: what is for everybody
    assert sms["variant"] == 2
    assert sms["measure"] == {"parts": 1, "units": 24, "encoding": "gsm7", "units_left": 136}
    assert sms["price"] == {"amount": "0.02", "currency": "EUR"}


async def test_a_preview_for_somebody_is_in_their_language(shop: Shop) -> None:
    path = await template(
        shop, variants=[{"content": {"text": "{{ contact.name }}: {{ order }}"}}, *VARIANTS[1:2]]
    )
    person = CONTACT | {"name": "Олена", "locale": "uk-UA"}
    contact = (await shop.owner.ask("POST", "/v1/contacts", person)).json["id"]
    found = await rows(shop, path, contact=contact, samples=["usual"], channels=["smpp"])
    assert found["smpp", "usual"]["content"]["text"] == "Замовлення 4512 у дорозі"
    found = await rows(shop, path, contact=contact, samples=["usual"], channels=["smpp"], locale="en")
    assert found["smpp", "usual"]["content"]["text"] == "Олена: 4512"
    unseen = await shop.writer.ask("POST", f"{path}/preview", {"contact": contact})
    assert (unseen.status, list(unseen.fields)) == (422, ["contact"])


async def test_what_does_not_render_says_so_in_its_row(shop: Shop) -> None:
    path = await template(shop, variants=[{"content": {"text": "{{ nobody }}"}}])
    row = (await rows(shop, path))["smpp", "usual"]
    assert row["content"] is None
    assert row["problems"][0]["field"] == "text"
    given = (await rows(shop, path, values={"nobody": "x"}))["smpp", "usual"]
    assert given["content"]["text"] == "x"
    wrong = await shop.owner.ask("POST", f"{path}/preview", {"samples": ["unheard-of"]})
    assert (wrong.status, wrong.fields["samples"]["value"]) == (422, "unheard-of")


async def test_words_that_are_not_saved_are_previewed_while_they_are_typed(shop: Shop) -> None:
    body = {
        "variants": [{"content": {"text": "Hi {{ a }}’s"}}],
        "samples": [{"name": "x", "values": {"a": "y"}}],
    }
    previewed = await shop.writer.ask("POST", "/v1/templates/preview", body | {"channels": ["smpp"]})
    (row,) = previewed.json["items"]
    assert row["measure"] == {"parts": 1, "units": 6, "encoding": "ucs2", "units_left": 64}
    found = (await shop.writer.ask("POST", "/v1/templates/lint", body)).json["items"]
    assert [one["kind"] for one in found if one["level"] == "warning"] == ["alphabet-surprise"]
    for route in ("preview", "lint"):
        wrong = await shop.writer.ask("POST", f"/v1/templates/{route}", body | {"variants": []})
        assert (wrong.status, list(wrong.fields)) == (422, ["variants"])
    assert (await shop.writer.ask("GET", "/v1/templates")).json["items"] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", "ltr"),
        ("سلام", "rtl"),
        ("123 سلام", "rtl"),
        ("«Привіт»", "ltr"),
        ("שלום hello", "rtl"),
        ("12", "ltr"),
    ],
)
def test_from_which_side_a_text_is_read(text: str, expected: str) -> None:
    assert direction(text) == expected


# ── samples ──────────────────────────────────────────────────────────────────────────────────────────


async def test_samples_there_and_back(shop: Shop) -> None:
    path = await template(shop)
    listed = (await shop.owner.ask("GET", f"{path}/samples")).json["items"]
    assert [(one["name"], one["locale"]) for one in listed] == [("fa", "fa"), ("usual", "")]
    assert (await shop.owner.ask("DELETE", f"{path}/samples/fa")).status == 204
    assert (await shop.owner.ask("DELETE", f"{path}/samples/fa")).status == 404
    for name, body, field in (
        ("Not a name", {"values": {}}, "name"),
        ("big", {"values": {"a": "x" * 40_000}}, "values"),
        ("x", {"values": {}, "locale": "?"}, "locale"),
    ):
        answer = await shop.owner.ask("PUT", f"{path}/samples/{name}", body)
        assert (answer.status, list(answer.fields)) == (422, [field])


async def test_what_is_missing_in_the_contacts_languages_is_told(shop: Shop) -> None:
    for number, locale in enumerate(("uk", "fa", "fa")):
        person = {"external_id": f"c{number}", "locale": locale}
        assert (await shop.owner.ask("POST", "/v1/contacts", person)).status in (200, 201)
    path = await template(shop, variants=VARIANTS[1:])
    found = (await shop.owner.ask("GET", f"{path}/findings")).json["items"]
    missing = [one for one in found if one["kind"] == "locale-missing"]
    assert {(one["channel"], one["locale"]) for one in missing} == {("smpp", "fa"), ("viber_business", "fa")}
    assert "2 contacts with the locale fa would get the wording for any locale (*)" in missing[0]["problem"]
    assert "looked for fa → *" in missing[0]["problem"]


# ── lists and searches ───────────────────────────────────────────────────────────────────────────────


async def test_lists_are_filtered(shop: Shop) -> None:
    await template(shop)
    await template(
        shop, name="sale", variants=[{"content": {"text": "20% off. STOP"}}], **{"class": "promotional"}
    )
    await template(shop, name="later", publish=False)
    for query, names in (
        ("", ["shipped", "sale", "later"]),
        ("class=promotional", ["sale"]),
        ("state=draft", ["later"]),
        ("channel=viber_business", ["shipped", "later"]),
        ("locale=uk", ["shipped", "later"]),
        ("text=20%25", ["sale"]),
        ("text=ЗАМОВЛЕННЯ", ["shipped", "later"]),
        ("state=draft&class=promotional", []),
        ("limit=1", ["shipped"]),
    ):
        listed = (await shop.writer.ask("GET", f"/v1/templates?{query}")).json
        assert [one["name"] for one in listed["items"]] == names, query
    assert listed["next"]


async def test_a_phrase_is_found_in_what_is_live(shop: Shop) -> None:
    path = await template(shop, variants=[{"content": {"text": "Terms  apply. {{ order }}"}}])
    await shop.owner.ask(
        "PUT", path, {"name": "shipped", "publish": False, "variants": [{"content": {"text": "x"}}]}
    )
    await template(shop, name="draft", publish=False, variants=[{"content": {"text": "terms apply"}}])
    found = (await shop.writer.ask("GET", "/v1/templates/search?phrase=terms%20apply")).json["items"]
    assert [(one["name"], one["place"]["version"], one["place"]["position"]) for one in found] == [
        ("shipped", 1, 1)
    ]
    assert (await shop.writer.ask("GET", "/v1/templates/search?phrase=x")).status == 422
    await shop.owner.ask("POST", f"{path}/retire", {})
    assert (await shop.writer.ask("GET", "/v1/templates/search?phrase=terms%20apply")).json["items"] == []


async def test_two_versions_are_compared(shop: Shop) -> None:
    path = await template(shop, variants=[{"content": {"text": "your tea is ready"}}])
    await shop.owner.ask(
        "PUT", path, {"name": "shipped", "variants": [{"content": {"text": "your coffee is ready"}}]}
    )
    told = (await shop.writer.ask("GET", f"{path}/diff?from=1")).json
    assert (told["from"], told["to"]) == (1, 2)
    (variant,) = told["variants"]
    assert [piece["text"] for piece in variant["fields"][0]["pieces"]] == [
        "your ",
        "tea",
        "coffee",
        " is ready",
    ]
    assert (await shop.writer.ask("GET", f"{path}/diff?from=9")).status == 404
