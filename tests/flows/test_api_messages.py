"""The routes of messages over real HTTP: bad input is named and stores nothing; the same twice is one."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from angarium.assembly import House
from angarium.messaging.accept import MESSAGES_MAX
from angarium.protocols.signatures import twilio_signature
from support.relay import SETTINGS
from support.server import Client, Heard, member, whole_house

GOOD = {"to": {"phone": "+380501234567"}, "class": "service", "text": "Hello", "channel": "smpp"}


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """A house with one workspace, one approved line and one draft; a client with every right."""
    async with whole_house(database_url, tmp_path) as (house, client):
        owner = await member(client, house.ground, "shop")
        for name, registration in (("sms", "approved"), ("draft", "draft")):
            line = {
                "name": name,
                "channel": "smpp",
                "settings": SETTINGS["smpp"],
                "classes": ["service", "otp"],
            }
            answer = await owner.ask("POST", "/v1/lines", {**line, "registration": registration})
            assert answer.status == 201, answer.body
        template = {"name": "order", "variants": [{"content": {"text": "Order {{ number }}"}}]}
        assert (await owner.ask("POST", "/v1/templates", template)).status == 201
        await house.world.lines.reload([owner.workspace_id])
        yield house, owner


async def stored(client: Client) -> int:
    return len((await client.ask("GET", "/v1/messages?limit=1000")).json["items"])


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("unknown field", {"colour": "red"}, "colour"),
    ("unknown field inside", {"to": {"phon": "+380501234567"}}, "to.phon"),
    ("wrong type", {"text": 7}, "text"),
    ("wrong class", {"class": "advert"}, "class"),
    ("bad phone", {"to": {"phone": "12"}}, "to.phone"),
    ("missing variable", {"text": "", "template": "order"}, "text"),
    ("unapproved line", {"channel": "", "line": "draft"}, "line"),
    ("unknown template", {"text": "", "template": "nothing"}, "template"),
    ("bad time", {"send_at": "tomorrow"}, "send_at"),
    ("time without zone", {"send_at": "2026-12-01T10:00:00"}, "send_at"),
]


@pytest.mark.parametrize(("change", "field"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_bad_input_names_field_value_and_remedy(
    shop: tuple[House, Client], change: dict[str, Any], field: str
) -> None:
    _, client = shop
    answer = await client.ask("POST", "/v1/messages", {**GOOD, **change}, Idempotency_Key="k")
    assert answer.status == 422, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in answer.fields, answer.json
    assert answer.fields[field]["problem"]
    assert await stored(client) == 0
    assert (await client.ask("POST", "/v1/messages", GOOD, Idempotency_Key="k")).status == 202


async def test_where_there_is_no_line_it_says_to_create_one(shop: tuple[House, Client]) -> None:
    _, client = shop
    answer = await client.ask("POST", "/v1/messages", {**GOOD, "channel": "vk_notify"})
    (error,) = answer.json["errors"]
    assert (answer.status, error["problem"]) == (422, "There is no such line yet.")
    assert error["remedy"] == "create the line first"


UNREADABLE: list[tuple[str, bytes, int]] = [
    ("not JSON", b"{", 400),
    ("invalid UTF-8", b'{"text":"\xff\xfe"}', 400),
    ("too deep", b"[" * 10_000, 400),
    ("empty", b"", 400),
    ("a list", b"[]", 422),
]


@pytest.mark.parametrize("route", ["/v1/messages", "/v1/messages/batch", "/v1/messages/preview"])
@pytest.mark.parametrize(("body", "status"), [row[1:] for row in UNREADABLE], ids=[r[0] for r in UNREADABLE])
async def test_what_cannot_be_read(shop: tuple[House, Client], route: str, body: bytes, status: int) -> None:
    _, client = shop
    answer = await client.ask("POST", route, data=body)
    assert answer.status == status, answer.body
    assert answer.json["type"].startswith("https://")
    assert await stored(client) == 0


async def test_an_oversized_body(shop: tuple[House, Client]) -> None:
    house, client = shop
    answer = await client.ask(
        "POST", "/v1/messages/batch", data=io.BytesIO(b" " * (house.settings.body_max_bytes + 1))
    )
    assert answer.status == 413
    assert (await client.ask("POST", "/v1/messages", {**GOOD, "text": "x" * 300_000})).status == 413
    assert await stored(client) == 0


async def test_more_items_than_a_batch_holds(shop: tuple[House, Client]) -> None:
    _, client = shop
    answer = await client.ask("POST", "/v1/messages/batch", {"messages": [GOOD] * (MESSAGES_MAX + 1)})
    assert answer.status == 422
    assert "messages" in answer.fields
    assert "1000" in answer.fields["messages"]["remedy"]
    assert await stored(client) == 0


async def test_a_batch_has_a_result_for_every_item(shop: tuple[House, Client]) -> None:
    _, client = shop
    items = [GOOD, {**GOOD, "to": {"phone": "x"}}, {**GOOD, "colour": 1}, GOOD]
    answer = await client.ask("POST", "/v1/messages/batch", {"messages": items})
    assert answer.status == 202
    results = answer.json["results"]
    assert [("id" in result, result["index"]) for result in results] == [
        (True, 0),
        (False, 1),
        (False, 2),
        (True, 3),
    ]
    assert results[2]["problem"]["errors"][0]["field"] == "messages[2].colour"
    assert await stored(client) == 2


async def test_a_full_batch_is_accepted(shop: tuple[House, Client]) -> None:
    _, client = shop
    items = [{**GOOD, "to": {"phone": f"+3805012{number:05}"}} for number in range(MESSAGES_MAX)]
    answer = await client.ask("POST", "/v1/messages/batch", {"messages": items}, Idempotency_Key="b")
    assert answer.json["accepted"] == MESSAGES_MAX
    again = await client.ask("POST", "/v1/messages/batch", {"messages": items}, Idempotency_Key="b")
    assert again.body == answer.body


async def test_the_same_key(shop: tuple[House, Client]) -> None:
    _, client = shop
    answers = await asyncio.gather(
        *(client.ask("POST", "/v1/messages", GOOD, Idempotency_Key="k") for _ in range(20))
    )
    assert {(a.status, a.body) for a in answers} == {(202, answers[0].body)}
    other = await client.ask("POST", "/v1/messages", {**GOOD, "text": "Bye"}, Idempotency_Key="k")
    assert other.status == 422
    assert other.json["type"].endswith("idempotency-mismatch")
    assert await stored(client) == 1


async def test_the_same_key_after_a_restart(database_url: str, tmp_path: Path) -> None:
    async with whole_house(database_url, tmp_path) as (house, client):
        owner = await member(client, house.ground, "shop")
        line = {"name": "sms", "channel": "smpp", "settings": SETTINGS["smpp"], "classes": ["service"]}
        await owner.ask("POST", "/v1/lines", {**line, "registration": "approved"})
        await house.world.lines.reload([owner.workspace_id])
        first = await owner.ask("POST", "/v1/messages", GOOD, Idempotency_Key="k")
    async with whole_house(database_url, tmp_path) as (house, client):
        await house.world.lines.reload([owner.workspace_id])
        again = client.with_key(owner.key, owner.workspace_id)
        assert (await again.ask("POST", "/v1/messages", GOOD, Idempotency_Key="k")).body == first.body
        assert await stored(again) == 1


async def test_a_message_tells_itself(shop: tuple[House, Client]) -> None:
    _, client = shop
    message = (await client.ask("POST", "/v1/messages", GOOD)).json
    told = (await client.ask("GET", f"/v1/messages/{message['id']}")).json
    assert told["state"] == "queued"
    assert told["attempts"][0]["content"]["text"] == "Hello"
    assert told["timeline"][0]["decisions"][0]["do"] == "send"
    listed = (await client.ask("GET", "/v1/messages?state=queued&class=service")).json["items"]
    assert [item["id"] for item in listed] == [message["id"]]
    assert (await client.ask("GET", "/v1/messages?state=delivered")).json["items"] == []


async def test_a_word_that_no_list_knows_is_refused(shop: tuple[House, Client]) -> None:
    """An empty list would tell whoever mistyped it that there are none."""
    _, client = shop
    for path, field in (
        ("messages", "state"),
        ("messages", "class"),
        ("costs", "class"),
        ("costs/export", "class"),
        ("templates", "state"),
        ("templates", "class"),
    ):
        answer = await client.ask("GET", f"/v1/{path}?{field}=deliverd")
        (error,) = answer.json["errors"]
        assert (answer.status, error["field"], error["value"]) == (422, field, "deliverd"), path
        assert error["remedy"].startswith("one of ")


@pytest.mark.parametrize("field", ["created_from", "created_until"])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-12:00"])
async def test_a_time_that_no_calendar_has_is_refused(
    field: str, at: str, shop: tuple[House, Client]
) -> None:
    _, client = shop
    listed = await client.ask("GET", f"/v1/messages?{field}={at}")
    assert (listed.status, list(listed.fields)) == (422, [field])


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
async def test_a_message_of_a_time_out_of_range_spoils_no_other(at: str, shop: tuple[House, Client]) -> None:
    _, client = shop
    answer = await client.ask("POST", "/v1/messages/batch", {"messages": [GOOD, {**GOOD, "send_at": at}]})
    assert (answer.status, answer.json["accepted"]) == (202, 1), answer.body
    alone = await client.ask("POST", "/v1/messages", {**GOOD, "send_at": at})
    assert (alone.status, list(alone.fields)) == (422, ["send_at"])


async def test_pages_of_a_list_meet(shop: tuple[House, Client]) -> None:
    _, client = shop
    await client.ask("POST", "/v1/messages/batch", {"messages": [GOOD] * 7})
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await client.ask("GET", f"/v1/messages?limit=3&cursor={cursor}")).json
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen, reverse=True)


async def test_cancel(shop: tuple[House, Client]) -> None:
    _, client = shop
    message = (await client.ask("POST", "/v1/messages", GOOD)).json
    cancelled = await client.ask("POST", f"/v1/messages/{message['id']}/cancel", {}, Idempotency_Key="c")
    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
    replay = await client.ask("POST", f"/v1/messages/{message['id']}/cancel", {}, Idempotency_Key="c")
    assert replay.body == cancelled.body
    again = await client.ask("POST", f"/v1/messages/{message['id']}/cancel", {})
    assert again.status == 409
    unknown = await client.ask("POST", "/v1/messages/msg_0000000000001/cancel", {})
    assert unknown.status == 404


async def test_preview_shows_and_stores_nothing(shop: tuple[House, Client]) -> None:
    _, client = shop
    answer = await client.ask("POST", "/v1/messages/preview", {**GOOD, "text": "Довге " * 20})
    step = answer.json["steps"][0]
    assert (step["goes"], step["line"]) == (True, "sms")
    assert step["measure"]["parts"] == 2
    assert step["measure"]["encoding"] == "ucs2"
    assert answer.json["contact"] is None
    assert {check["verdict"] for check in step["checks"] if check["line"] == "sms"} == {"allow"}
    assert await stored(client) == 0
    assert (await client.ask("GET", "/v1/contacts")).json["items"] == []


async def test_preview_tells_every_rule_in_the_way_and_where_it_is_set(shop: tuple[House, Client]) -> None:
    _, client = shop
    nobody = {"opted_out": ["service"], "addresses": [{"kind": "phone", "value": "+380501234567"}]}
    contact = (await client.ask("POST", "/v1/contacts", nobody)).json
    ways = {"channel": "", "steps": [{"line": "sms"}, {"line": "draft"}]}
    answer = await client.ask("POST", "/v1/messages/preview", {**GOOD, **ways})
    sms, draft = answer.json["steps"]
    assert (sms["goes"], sms["rule"]) == (False, "opt-out")
    assert sms["set_at"] == f"/v1/contacts/{contact['id']}"
    refused = [check["rule"] for check in draft["checks"] if check["verdict"] == "refuse"]
    assert refused == ["opt-out", "registration"]


async def test_a_code_is_not_shown(shop: tuple[House, Client]) -> None:
    house, client = shop
    message = (await client.ask("POST", "/v1/messages", {**GOOD, "class": "otp", "text": "Code 471100"})).json
    shown = await client.ask("GET", f"/v1/messages/{message['id']}")
    preview = await client.ask(
        "POST", "/v1/messages/preview", {**GOOD, "class": "otp", "text": "Code 471100"}
    )
    assert b"471100" not in shown.body + preview.body
    assert house.ground.db.dialect in ("sqlite", "postgresql")


async def test_callbacks_need_the_token_of_the_line(shop: tuple[House, Client]) -> None:
    house, client = shop
    line = house.world.lines.of(client.workspace_id)[0]
    nobody = client.with_key("")
    for path in (f"/callbacks/{line.id:x}/wrong", "/callbacks/0/x", "/callbacks/zz/x"):
        answer: Heard = await nobody.ask("POST", path, data=b"{}")
        assert answer.status == 404, path
    good = await nobody.ask("POST", f"/callbacks/{line.id:x}/{line.callback_token}", data=b"nonsense")
    assert good.status == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_signature_over_the_address_is_checked_over_the_public_one(
    shop: tuple[House, Client],
) -> None:
    house, client = shop
    account = "AC" + "0" * 32
    settings = {"account_sid": account, "auth_token": "token", "sender": "+15005550006"}
    given = {"name": "twilio", "channel": "twilio_sms", "classes": ["service"], "settings": settings}
    made = await client.ask("POST", "/v1/lines", {**given, "registration": "approved"})
    assert made.status == 201, made.body
    await house.world.lines.reload([client.workspace_id])
    body, nobody = b"MessageSid=SM1&MessageStatus=delivered", client.with_key("")
    path = made.json["callback_path"] + "?ref=att_1"

    async def posted(signed: str) -> int:
        answer = await nobody.ask(
            "POST", path, data=body, X_Twilio_Signature=twilio_signature("token", signed, body)
        )
        return answer.status

    assert await posted(client.url + path) == 401, "nobody knows the public address yet"
    house.world.public_url = "https://msg.example.com"
    assert await posted(f"https://msg.example.com{path}") == 200
    assert await posted(client.url + path) == 401, "a proxy's own address was not what Twilio was told"
    assert await posted(f"https://msg.example.com{path}&x=1") == 401


async def test_the_report_and_the_export_of_a_label(shop: tuple[House, Client]) -> None:
    _, client = shop
    await client.ask(
        "POST",
        "/v1/contacts",
        {"external_id": "c1", "name": "=cmd()", "addresses": [{"kind": "phone", "value": "+380501234567"}]},
    )
    labelled = {**GOOD, "label": "x", "to": {"external_id": "c1"}}
    await client.ask("POST", "/v1/messages/batch", {"messages": [labelled, labelled]})
    report = (await client.ask("GET", "/v1/messages/report?label=x")).json
    assert (report["total"], report["by_state"]) == (2, {"queued": 2})
    export = await client.ask("GET", "/v1/messages/export?label=x")
    lines = export.body.decode().split("\r\n")
    assert len(lines) == 4  # head, two rows, end
    assert "'=cmd()" in lines[1]
    assert msgspec.json.decode((await client.ask("GET", "/v1/messages/report?label=")).body)["status"] == 422
