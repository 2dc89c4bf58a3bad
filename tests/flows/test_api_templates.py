"""Templates and cascades over the API: versions, what is refused and where, what an author should know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from angarium.channels import load
from angarium.content import api as templates
from angarium.content import proof_api, review_api
from angarium.content.shown import TemplateSaved
from angarium.content.store import versions as template_store
from angarium.core import ids
from angarium.lines import api as lines
from angarium.messaging import cascades_api as cascades
from angarium.messaging import steps
from angarium.messaging.cascade import Step
from angarium.messaging.cascades_api import CascadeShown
from angarium.messaging.store import cascades as cascade_store
from angarium.storage.database import Database
from angarium.storage.ground import Ground
from support.server import LINE, Client, everything_in, ground_on, member, serving

HANDLERS = [
    *lines.HANDLERS,
    *templates.HANDLERS,
    *review_api.HANDLERS,
    *proof_api.HANDLERS,
    *cascades.HANDLERS,
]


def variant(text: str, **different: Any) -> dict[str, Any]:
    """A wording for everybody, and what is different about it."""
    return {"content": {"text": text}, "channel": "*", "locale": "*"} | different


TEMPLATE: dict[str, Any] = {"name": "shipped", "variants": [variant("{{ order }} is on its way")]}


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[tuple[Ground, Client]]:
    """The routes of lines, templates and cascades; a client with every right."""
    ground = ground_on(database)
    async with serving(ground, HANDLERS, services={"channels": load()}) as nobody:
        yield ground, await member(nobody, ground, "shop")


# ── templates ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_template_there_and_back(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    made = await mine.ask("POST", "/v1/templates", TEMPLATE)
    assert made.status == 201
    template = made.json
    path = f"/v1/templates/{template['id']}"
    assert {
        name: template[name] for name in ("name", "class", "version", "state", "in_force", "variables")
    } == {
        "name": "shipped",
        "class": "service",
        "version": 1,
        "state": "published",
        "in_force": 1,
        "variables": ["order"],
    }
    assert template["variants"] == TEMPLATE["variants"]
    assert [one["kind"] for one in template["findings"]] == ["variable-without-sample"]
    assert msgspec.json.encode(msgspec.json.decode(made.body, type=TemplateSaved)) == made.body
    looked = (await mine.ask("GET", path)).json
    assert looked == {name: value for name, value in template.items() if name != "findings"} | {
        "schedule": looked["schedule"]  # from now on, and now is later
    }
    (listed,) = (await mine.ask("GET", "/v1/templates")).json["items"]
    assert listed == {name: value for name, value in looked.items() if name != "next"} | {
        "schedule": listed["schedule"]
    }
    assert (await mine.ask("DELETE", path)).status == 204
    for method, where in (("GET", path), ("DELETE", path), ("GET", f"{path}/versions")):
        assert (await mine.ask(method, where)).status == 404
    assert (await mine.ask("PUT", path, TEMPLATE)).status == 404


async def test_each_change_is_a_version(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    template = (await mine.ask("POST", "/v1/templates", TEMPLATE)).json
    path = f"/v1/templates/{template['id']}"
    for number in range(2, 6):
        given = {"name": f"shipped-{number}", "variants": [variant(f"text {number} {{{{ x }}}}")]}
        changed = (await mine.ask("PUT", path, given)).json
        assert (changed["version"], changed["name"], changed["variables"]) == (number, given["name"], ["x"])
        assert (changed["in_force"], changed["created_at"]) == (number, template["created_at"])
    versions = (await mine.ask("GET", f"{path}/versions")).json["items"]
    texts = [one["variants"][0]["content"]["text"] for one in versions]
    assert texts == [
        TEMPLATE["variants"][0]["content"]["text"],
        *(f"text {n} {{{{ x }}}}" for n in range(2, 6)),
    ]
    assert [one["version"] for one in versions] == [1, 2, 3, 4, 5]
    assert versions[0]["created_at"] == template["created_at"]
    first = (await mine.ask("GET", f"{path}/versions?limit=2")).json
    rest = (await mine.ask("GET", f"{path}/versions?cursor={first['next']}")).json
    assert first["items"] + rest["items"] == versions
    template_id = ids.read("template", template["id"])
    kept = await ground.db.read(template_store.versions, mine.workspace_id, template_id)
    assert [one.number for one in kept] == [1, 2, 3, 4, 5]


WRONG_TEMPLATES: list[tuple[dict[str, Any], str, str, str]] = [
    # what is different, field, problem, value
    ({"name": "Shipped!"}, "name", "is not a name", "Shipped!"),
    ({"variants": []}, "variants", "are none or too many", "0"),
    ({"variants": [variant("x")] * 201}, "variants", "are none or too many", "201"),
    ({"variants": [variant("x"), variant("y")]}, "variants[1]", "is for the same channel and locale", "*, *"),
    (
        {"variants": [variant("x", locale="uk-UA"), variant("y", locale="uk_ua")]},
        "variants[1]",
        "is for the same channel and locale as variants[0]",
        "*, uk_ua",
    ),
    ({"variants": [variant("x", channel="fax")]}, "variants[0].channel", "there is no such channel", "fax"),
    ({"variants": [variant("x", locale="?")]}, "variants[0].locale", "is not a locale", "?"),
    ({"variants": [variant("")]}, "variants[0].content.text", "is empty", ""),
    ({"variants": [variant("Hi\n {{ name")]}, "variants[0].content.text", "line 2", "{{ name"),
    ({"variants": [variant("x"), variant("{% if", locale="fa")]}, "variants[1].content.text", "line 1", ""),
    ({"variants": [variant("{{ a | shout }}")]}, "variants[0].content.text", "shout", "shout }}"),
    ({"variants": [variant("x" * 200_001)]}, "variants[0].content.text", "is too long", ""),
    (
        {"variants": [{"content": {"text": "x", "buttons": [{"label": "", "url": "javascript:alert(1)"}]}}]},
        "variants[0].content.buttons[0].url",
        "is not an http or https address",
        "javascript:alert(1)",
    ),
    (
        {"variants": [{"content": {"text": "x", "subject": "a\nb"}}]},
        "variants[0].content.subject",
        "has a line end at character 2",
        "a",
    ),
    ({"variants": [{"content": {"txt": "x"}}]}, "variants[0].content.txt", "is not a field", ""),
    ({"variants": [{"locale": "fa"}]}, "variants[0].content", "is missing", ""),
    ({"variants": "x"}, "variants", "is text", "x"),
]  # fmt: skip


async def test_what_is_wrong_with_a_template_is_named(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    template = (await mine.ask("POST", "/v1/templates", TEMPLATE)).json
    before = await everything_in(ground.db)
    for method, path in (("POST", "/v1/templates"), ("PUT", f"/v1/templates/{template['id']}")):
        for different, field, problem, value in WRONG_TEMPLATES:
            answer = await mine.ask(method, path, TEMPLATE | {"name": "other"} | different)
            assert answer.status == 422, (different, answer)
            assert field in answer.fields, (different, answer.fields)
            error = answer.fields[field]
            assert problem in error["problem"], (different, error)
            assert value in error.get("value", ""), (different, error)
            assert error.get("remedy"), (different, error)
    assert await everything_in(ground.db) == before


async def test_the_name_of_a_template_is_taken_once(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    await mine.ask("POST", "/v1/templates", TEMPLATE)
    other = (await mine.ask("POST", "/v1/templates", TEMPLATE | {"name": "other"})).json
    for method, path in (("POST", "/v1/templates"), ("PUT", f"/v1/templates/{other['id']}")):
        answer = await mine.ask(method, path, TEMPLATE)
        assert (answer.status, answer.fields["name"]["value"]) == (422, "shipped")


# ── cascades ─────────────────────────────────────────────────────────────────────────────────────────

CASCADE: dict[str, Any] = {
    "name": "quick",
    "steps": [{"line": "viber", "wait_s": 60}, {"channel": "smpp", "on": {"expired": "stop"}}],
}


async def test_a_cascade_there_and_back(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    await mine.ask("POST", "/v1/lines", LINE)
    made = await mine.ask("POST", "/v1/cascades", CASCADE)
    assert made.status == 201
    cascade = made.json
    path = f"/v1/cascades/{cascade['id']}"
    settled = [
        {"line": "viber", "success": "delivered", "wait_s": 60.0},
        {"channel": "smpp", "success": "delivered", "on": {"expired": "stop"}},
    ]
    assert cascade["steps"] == settled
    assert cascade["digest"] == steps.digest(msgspec.convert(settled, tuple[Step, ...]))
    assert (await mine.ask("GET", path)).json == cascade
    assert (await mine.ask("GET", "/v1/cascades")).json == {"items": [cascade], "next": None}
    assert msgspec.json.encode(msgspec.json.decode(made.body, type=CascadeShown)) == made.body

    changed = (await mine.ask("PUT", path, CASCADE | {"steps": settled[:1]})).json
    assert changed["steps"] == settled[:1]
    assert changed["digest"] != cascade["digest"]
    back = (await mine.ask("PUT", path, CASCADE | {"name": "quicker"})).json
    assert (back["name"], back["digest"]) == ("quicker", cascade["digest"])
    rows = await everything_in(ground.db)
    assert len(rows["cascade_version"]) == 2  # the same steps are the same version
    version_id = rows["cascade"][0][3]
    kept = await ground.db.read(cascade_store.steps, mine.workspace_id, {version_id})
    assert msgspec.to_builtins(kept[version_id]) == tuple(settled)

    assert (await mine.ask("DELETE", path)).status == 204
    assert (await mine.ask("GET", path)).status == 404
    assert (await mine.ask("DELETE", path)).status == 404
    assert (await mine.ask("PUT", path, CASCADE)).status == 404


WRONG_CASCADES: list[tuple[dict[str, Any], str, str]] = [
    # what is different, field, value
    ({"name": "Quick one"}, "name", "Quick one"),
    ({"steps": []}, "steps", "0"),
    ({"steps": [{"channel": "smpp"}] * 11}, "steps", "11"),
    ({"steps": [{}]}, "steps[0].channel", ""),
    ({"steps": [{"channel": "smpp", "line": "viber"}]}, "steps[0].line", "viber"),
    ({"steps": [{"channel": "smpp"}, {"channel": "fax"}]}, "steps[1].channel", "fax"),
    ({"steps": [{"line": "sms-main"}]}, "steps[0].line", "sms-main"),
    ({"steps": [{"channel": "smpp", "success": "read"}]}, "steps[0].success", "read"),
    ({"steps": [{"channel": "smpp", "success": "seen"}]}, "steps[0].success", "seen"),
    ({"steps": [{"channel": "smpp", "wait_s": 0}]}, "steps[0].wait_s", "0"),
    ({"steps": [{"channel": "smpp", "wait_s": "60"}]}, "steps[0].wait_s", "60"),
    ({"steps": [{"channel": "smpp", "start_within_s": 604_801}]}, "steps[0].start_within_s", "604801"),
    ({"steps": [{"channel": "smpp", "on": {"bored": "next"}}]}, "steps[0].on", "bored"),
    ({"steps": [{"channel": "smpp", "on": {"expired": "shout"}}]}, "steps[0].on.expired", "shout"),
    ({"steps": [{"channel": "smpp", "wait": 60}]}, "steps[0].wait", ""),
]


async def test_what_is_wrong_with_a_cascade_is_named(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    await mine.ask("POST", "/v1/lines", LINE)
    cascade = (await mine.ask("POST", "/v1/cascades", CASCADE)).json
    before = await everything_in(ground.db)
    for method, path in (("POST", "/v1/cascades"), ("PUT", f"/v1/cascades/{cascade['id']}")):
        for different, field, value in WRONG_CASCADES:
            answer = await mine.ask(method, path, CASCADE | {"name": "other"} | different)
            assert answer.status == 422, (different, answer)
            assert list(answer.fields) == [field], (different, answer.fields)
            error = answer.fields[field]
            assert error.get("value", "") == value, (different, error)
            assert error["remedy"], (different, error)
    assert await everything_in(ground.db) == before


async def test_an_author_is_told_what_may_come_late(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    late = {"name": "late", "steps": [{"channel": "smtp"}, {"channel": "smpp"}]}
    made = (await mine.ask("POST", "/v1/cascades", late)).json
    (warning,) = made["warnings"]
    assert warning["field"] == "steps[0]"
    assert "may still be delivered" in warning["problem"]
    assert (await mine.ask("GET", f"/v1/cascades/{made['id']}")).json["warnings"] == made["warnings"]
    short = {"name": "short", "steps": [{"channel": "smpp", "wait_s": 30}, {"channel": "smtp"}]}
    (warning,) = (await mine.ask("POST", "/v1/cascades", short)).json["warnings"]
    assert warning["value"] == "30"


async def test_the_name_of_a_cascade_is_taken_once(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    await mine.ask("POST", "/v1/lines", LINE)
    await mine.ask("POST", "/v1/cascades", CASCADE)
    other = (await mine.ask("POST", "/v1/cascades", CASCADE | {"name": "other"})).json
    for method, path in (("POST", "/v1/cascades"), ("PUT", f"/v1/cascades/{other['id']}")):
        answer = await mine.ask(method, path, CASCADE)
        assert (answer.status, answer.fields["name"]["value"]) == (422, "quick")


async def test_a_cascade_outlives_its_line(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    line = (await mine.ask("POST", "/v1/lines", LINE)).json
    cascade = (await mine.ask("POST", "/v1/cascades", CASCADE)).json
    await mine.ask("DELETE", f"/v1/lines/{line['id']}")
    assert (await mine.ask("GET", f"/v1/cascades/{cascade['id']}")).json["steps"] == cascade["steps"]
    answer = await mine.ask("PUT", f"/v1/cascades/{cascade['id']}", CASCADE)
    assert answer.fields["steps[0].line"]["remedy"] == "create the line first"
