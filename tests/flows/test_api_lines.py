"""Lines and channels over the API: round trips, what is refused and how, and secrets that never come out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest

from angarium.channels import load
from angarium.channels.kit import decode_settings
from angarium.core.ports import secret_fields
from angarium.core.problems import Problem
from angarium.lines import flows
from angarium.lines.api import HANDLERS, LineShown
from angarium.storage.database import Database
from angarium.storage.ground import Ground
from support.server import Client, everything_in, ground_on, member, serving

SECRET = "hunter2-marker"
CHOICE = {"tariff", "weight", "only_to", "never_to"}  # what lines are chosen and priced by
LINE: dict[str, Any] = {
    "name": "viber-main",
    "channel": "viber_business",
    "settings": {"api_key": SECRET, "sender": "Shop"},
    "classes": ["service", "otp"],
    "registration": "approved",
    "speed_per_s": 12.5,
    "window": 20,
    "hours": {"from": "09:00", "until": "20:30", "zone": "Asia/Tehran", "classes": ["promotional"]},
    "price": "0.0385",
    "price_per": "part",
    "currency": "UAH",
}


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[tuple[Ground, Client]]:
    """The routes of lines; a client with every right."""
    ground = ground_on(database)
    async with serving(ground, HANDLERS) as nobody:
        yield ground, await member(nobody, ground, "shop")


async def test_there_and_back(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    made = await mine.ask("POST", "/v1/lines", LINE)
    assert made.status == 201
    line = made.json
    path = f"/v1/lines/{line['id']}"
    shown = LINE | {
        "settings": {"api_key": flows.MASK, "sender": "Shop"},
        "classes": ["otp", "service"],
        "hours": LINE["hours"],
        "enabled": True,
        "state": "not connected on this machine",
        "requirement": "viber-sender",
        "approved": ["otp", "service"],
        "patterned": [],
        "version": 1,
    }
    assert {name: line[name] for name in shown} == shown
    ours = {"id", "callback_path", "created_at", "updated_at", "recorded_until"} | CHOICE
    assert line.keys() - shown.keys() == ours
    assert line["callback_path"].startswith("/callbacks/")
    assert (await mine.ask("GET", path)).json == line
    assert (await mine.ask("GET", "/v1/lines")).json == {"items": [line], "next": None}

    changed = await mine.ask("PUT", path, LINE | {"name": "viber-2", "enabled": False, "hours": None})
    assert changed.status == 200
    differs = {name for name in line if changed.json[name] != line[name]}
    assert differs == {"name", "enabled", "hours", "state", "version", "updated_at"}
    assert changed.json["state"] == "off: it is not enabled"
    assert (await mine.ask("GET", path)).json == changed.json

    gone = await mine.ask("DELETE", path)
    assert (gone.status, gone.body) == (204, b"")
    for method in ("GET", "DELETE"):
        assert (await mine.ask(method, path)).status == 404
    assert (await mine.ask("PUT", path, LINE)).status == 404
    assert (await mine.ask("GET", "/v1/lines")).json["items"] == []


async def test_whoever_watches_the_lines_is_woken(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    ear = ground.fabric.listen(flows.TOPIC)
    line = (await mine.ask("POST", "/v1/lines", LINE)).json
    assert await ear.wait(5)
    await mine.ask("PUT", f"/v1/lines/{line['id']}", LINE)
    assert await ear.wait(5)
    await mine.ask("DELETE", f"/v1/lines/{line['id']}")
    assert await ear.wait(5)


async def test_how_its_connection_is(database: Database) -> None:
    ground = ground_on(database)
    states: dict[int, str] = {}
    async with serving(ground, HANDLERS, services={"line_states": lambda: states}) as nobody:
        mine = await member(nobody, ground, "shop")
        line = (await mine.ask("POST", "/v1/lines", LINE)).json
        (kept,) = await flows.everything(ground, mine.workspace_id)
        states[kept.id] = "connecting: refused, retry in 10 s"
        assert (await mine.ask("GET", f"/v1/lines/{line['id']}")).json["state"] == states[kept.id]
        draft = (await mine.ask("POST", "/v1/lines", LINE | {"name": "b", "registration": "draft"})).json
        assert draft["state"] == "off: its registration is draft"


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_secret_stays_until_it_is_changed(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    line = (await mine.ask("POST", "/v1/lines", LINE)).json
    kept_by: list[dict[str, str]] = [{"sender": "A"}, {"sender": "B", "api_key": flows.MASK}]
    for settings in kept_by:
        await mine.ask("PUT", f"/v1/lines/{line['id']}", LINE | {"settings": settings})
        (kept,) = await flows.everything(ground, mine.workspace_id)
        assert flows.opened_settings(ground, kept).api_key == SECRET
        assert flows.opened_settings(ground, kept).sender == settings["sender"]
    await mine.ask("PUT", f"/v1/lines/{line['id']}", LINE | {"settings": {"sender": "C", "api_key": "new"}})
    (kept,) = await flows.everything(ground, mine.workspace_id)
    assert flows.opened_settings(ground, kept).api_key == "new"


WITH_A_SECRET: list[tuple[str, Any]] = [
    ("good", LINE),
    ("wrong elsewhere", LINE | {"name": "b", "price": "free"}),
    ("a wrong name of a setting", LINE | {"name": "b", "settings": {"api_kye": SECRET, "sender": "S"}}),
    ("in place of the settings", LINE | {"name": "b", "settings": SECRET}),
    ("of a wrong type", LINE | {"name": "b", "settings": {"api_key": [SECRET], "sender": "S"}}),
    ("in an unknown field", LINE | {"name": "b", "password": SECRET}),
    ("with U+0000", LINE | {"name": "b", "settings": {"api_key": SECRET + "\0", "sender": "S"}}),
]


async def test_a_secret_is_in_no_answer_no_log_and_no_cell(
    shop: tuple[Ground, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    ground, mine = shop
    for name, body in WITH_A_SECRET:
        answer = await mine.ask("POST", "/v1/lines", body, Idempotency_Key="".join(name.split()))
        assert answer.status == (201 if name == "good" else 422), (name, answer)
    broken = msgspec.json.encode(LINE).replace(b'"viber-main"', b"")
    assert (await mine.ask("POST", "/v1/lines", data=broken)).status == 400
    await mine.ask("GET", "/v1/lines")
    assert all(SECRET not in heard.body.decode() for heard in mine.heard)
    captured = capsys.readouterr()
    assert SECRET not in captured.out + captured.err
    assert SECRET not in repr(await everything_in(ground.db))


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────

WRONG: list[tuple[dict[str, Any], str, str, str]] = [
    # what is different, field, value, beginning of the remedy
    ({"name": "Main Line"}, "name", "Main Line", "lower-case letters"),
    ({"name": ""}, "name", "", "lower-case letters"),
    ({"name": "x" * 65}, "name", "x" * 65, "lower-case letters"),
    ({"name": "x" * 1_000}, "name", "x" * 79 + "…", "lower-case letters"),
    ({"name": None}, "name", "null", "text"),
    ({"channel": "fax"}, "channel", "fax", "one of "),
    ({"settings": {}}, "settings.api_key", "", "The access key"),
    ({"settings": {"api_key": "k", "sender": "x" * 21}}, "settings.sender", "x" * 21, "The registered name"),
    (
        {"settings": {"api_key": "k", "sender": "S", "tls": 1}},
        "settings.tls",
        "",
        "settings of viber_business",
    ),
    ({"classes": ["gossip"]}, "classes[0]", "gossip", "one of otp, "),
    ({"classes": []}, "classes", "", "name the classes"),
    ({"registration": "perhaps"}, "registration", "perhaps", "one of draft, approved, refused"),
    ({"enabled": "yes"}, "enabled", "yes", "true or false"),
    ({"speed_per_s": -1}, "speed_per_s", "-1.0", "0 (no limit) to"),
    ({"speed_per_s": 1e6}, "speed_per_s", "1000000.0", "0 (no limit) to"),
    ({"window": 0}, "window", "0", "1 to 10000"),
    ({"window": 10**30}, "window", str(10**30), "1 to 10000"),
    ({"hours": {"from": "25:00"}}, "hours.from", "25:00", "HH:MM"),
    ({"hours": {"days": [0]}}, "hours.days", "0", "1 (Monday)"),
    ({"hours": {"zone": "Mars"}}, "hours.zone", "Mars", "contact, or"),
    ({"hours": {"to": "1"}}, "hours.to", "", "the fields from, until"),
    ({"price": "-1"}, "price", "-1", "a decimal number"),
    ({"price": "0,05"}, "price", "0,05", "a decimal number"),
    ({"price": 0.05}, "price", "0.05", "text"),
    ({"price_per": "page"}, "price_per", "page", "part or message"),
    ({"currency": "euro"}, "currency", "euro", "three letters"),
    ({"colour": "red"}, "colour", "", "the fields name, channel"),
]


async def test_what_is_wrong_is_named(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    line = (await mine.ask("POST", "/v1/lines", LINE)).json
    before = await everything_in(ground.db)
    for method, path in (("POST", "/v1/lines"), ("PUT", f"/v1/lines/{line['id']}")):
        for different, field, value, remedy in WRONG:
            if method == "PUT" and "settings.api_key" in field:
                continue  # it is kept
            answer = await mine.ask(method, path, LINE | {"name": "other"} | different)
            assert answer.status == 422, (different, answer)
            error = answer.fields[field]
            assert error.get("value", "") == value, (different, error)
            if method == "POST" or field != "channel":
                assert error["remedy"].startswith(remedy), (different, error)
    assert await everything_in(ground.db) == before


async def test_everything_wrong_is_said_at_once(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    wrong = {"name": "A B", "price": "x", "window": 0, "settings": {"sender": ""}}
    answer = await mine.ask("POST", "/v1/lines", LINE | wrong)
    assert answer.fields.keys() == {"name", "price", "window", "settings.api_key", "settings.sender"}


async def test_a_name_is_taken_once(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    first = (await mine.ask("POST", "/v1/lines", LINE)).json
    second = (await mine.ask("POST", "/v1/lines", LINE | {"name": "second"})).json
    for method, path, body in (
        ("POST", "/v1/lines", LINE),
        ("PUT", f"/v1/lines/{second['id']}", LINE),
    ):
        answer = await mine.ask(method, path, body)
        assert (answer.status, answer.fields["name"]["value"]) == (422, "viber-main")
    assert (await mine.ask("PUT", f"/v1/lines/{first['id']}", LINE)).status == 200
    moved = await mine.ask("PUT", f"/v1/lines/{first['id']}", LINE | {"channel": "smpp"})
    assert moved.fields["channel"]["remedy"] == "create another line"


async def test_pages_of_a_list(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    names = [f"line-{number}" for number in range(5)]
    for name in names:
        await mine.ask("POST", "/v1/lines", LINE | {"name": name})
    seen: list[str] = []
    following = ""
    while following is not None:
        page = (await mine.ask("GET", f"/v1/lines?limit=2&cursor={following}")).json
        assert len(page["items"]) <= 2
        seen += [line["name"] for line in page["items"]]
        following = page["next"]
    assert seen == names
    for cursor in ("x", "AAAA", "//////////8", "_" * 11):
        answer = await mine.ask("GET", f"/v1/lines?cursor={cursor}")
        assert (answer.status, answer.fields["cursor"]["value"]) == (422, cursor)


async def test_ids_that_are_none(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    for text in ("1", "lin_1", "lin_zzzzzzzzzzzzz", "con_0000000000001", "lin_000000000000u", "%00", "п"):
        answer = await mine.ask("GET", f"/v1/lines/{text}")
        assert (answer.status, answer.json["type"].rpartition("/")[2]) == (404, "not-found"), text


# ── channels ─────────────────────────────────────────────────────────────────────────────────────────


async def test_each_channel_tells_what_a_line_needs(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    shown = {channel["kind"]: channel for channel in (await mine.ask("GET", "/v1/channels")).json["items"]}
    assert shown.keys() == load().keys()
    for kind, channel in load().items():
        schema = shown[kind]["settings"]
        assert (shown[kind]["title"], shown[kind]["address_kind"]) == (channel.title, channel.address_kind)
        refs = re.findall(r'"\$ref":"([^"]+)"', msgspec.json.encode(schema).decode())
        assert {ref.removeprefix("#/$defs/") for ref in refs} == schema.get("$defs", {}).keys()
        secrets = {name for name, field in schema["properties"].items() if field.get("writeOnly")}
        assert secrets == secret_fields(channel.settings)
        assert schema["additionalProperties"] is False
        for name, field in schema["properties"].items():
            told = field if "title" in field else field.get("anyOf", [{}])[0]
            assert told.get("title"), (kind, name, field)
            assert told.get("description"), (kind, name, field)
        required = set(schema.get("required", []))
        with pytest.raises(Problem) if required else nullcontext() as caught:
            decode_settings(channel, {})
        assert not caught or {wrong.field for wrong in caught.value.fields} == required


async def test_a_line_is_shown_in_the_shape_that_is_promised(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    line = await mine.ask("POST", "/v1/lines", LINE)
    shown = msgspec.json.decode(line.body, type=LineShown)
    assert msgspec.json.encode(shown) == line.body
