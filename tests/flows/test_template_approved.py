"""Approved words over the API: what messages take, and that nothing changes what was approved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from angarium.core import ids
from angarium.core.problems import Problem
from angarium.messaging import reconcile
from angarium.messaging.case import open_content
from angarium.messaging.claiming import claim
from angarium.storage import facts
from support.relay import Relay
from support.server import LINE, Heard
from support.writers import TEXT, Shop, a_shop


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """The whole house, and everybody's keys."""
    async with a_shop(database_url, tmp_path) as made:
        yield made


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_message_takes_its_class_from_the_template(relay: Relay) -> None:
    await relay.line("sms", "smpp", ("service", "promotional"))
    await relay.template("sale", "20% off. STOP to unsubscribe", "promotional")
    asked = {"to": {"phone": "+380501234567"}, "template": "sale", "line": "sms"}
    assert (await relay.order(asked))["class"] == "promotional"
    wrong = await relay.order(asked | {"class": "service"})
    assert isinstance(wrong, Problem)
    assert wrong.fields[0].field == "class"
    assert "promotional" in wrong.fields[0].problem
    without = await relay.order({"to": {"phone": "+380501234567"}, "text": "x", "line": "sms"})
    assert isinstance(without, Problem)
    assert [one.field for one in without.fields] == ["class"]


async def send(shop: Shop, **given: Any) -> Heard:
    """A message by the only line."""
    body = {"to": {"phone": "+380441234568"}, "channel": "viber_business", **given}
    return await shop.writer.ask("POST", "/v1/messages", body)


async def open_line(shop: Shop) -> None:
    """A line that everything may go by."""
    assert (await shop.owner.ask("POST", "/v1/lines", LINE)).status == 201
    await shop.house.world.lines.reload([shop.owner.workspace_id])


async def test_what_nobody_has_read_is_refused_where_somebody_must(shop: Shop) -> None:
    await open_line(shop)
    await shop.policy({"approvals": 1})
    path = await shop.published()
    for own in ({"text": "hello"}, {"variants": [{"content": {"text": "hello"}}]}):
        answer = await send(shop, **own, **{"class": "service"})
        assert (answer.status, answer.json["reason"]) == (202, "not_approved"), own
        told = (await shop.writer.ask("GET", f"/v1/messages/{answer.json['id']}")).json
        assert told["finished"] is True
        preview = await shop.writer.ask(
            "POST",
            "/v1/messages/preview",
            {"to": {"phone": "+380441234568"}, "channel": "viber_business", "class": "service", **own},
        )
        (step,) = preview.json["steps"]
        assert (step["goes"], step["rule"], step["set_at"]) == (False, "approval", "/v1/policies/approvals")
    good = await send(shop, template="shipped", variables={"order": "1"})
    assert (good.status, good.json["state"]) == (202, "queued")
    await shop.save(path, "a draft {{ order }}")
    again = await send(shop, template="shipped", variables={"order": "1"})
    assert again.status == 202


async def test_a_template_without_a_version_in_force_is_refused(shop: Shop) -> None:
    await open_line(shop)
    await shop.policy({"approvals": 1})
    await shop.write()
    answer = await send(shop, template="shipped", variables={"order": "1"})
    assert (answer.status, list(answer.fields)) == (422, ["template"])
    assert "publish" in answer.fields["template"]["remedy"]


async def test_each_step_is_a_fact(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = await shop.published()
    template_id = ids.read("template", path.rpartition("/")[2])
    found = await shop.house.ground.db.read(facts.of_subject, shop.owner.workspace_id, template_id, 50)
    assert [one.kind for one in found] == [
        "template.save",
        "template.submit",
        "template.approve",
        "template.publish",
    ]


# ── what was approved ────────────────────────────────────────────────────────────────────────────────

DEEDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "save": ("PUT", "", {"name": "shipped", "variants": [{"content": {"text": "other {{ order }}"}}]}),
    "save the same": ("PUT", "", {"name": "shipped", "variants": [{"content": {"text": TEXT}}]}),
    "rename": ("PUT", "", {"name": "renamed", "variants": [{"content": {"text": "r {{ order }}"}}]}),
    "default locale": (
        "PUT",
        "",
        {"name": "shipped", "default_locale": "uk", "variants": [{"content": {"text": TEXT}}]},
    ),
    "submit": ("POST", "/submit", {}),
    "withdraw": ("POST", "/withdraw", {}),
    "approve": ("POST", "/approve", {}),
    "refuse": ("POST", "/refuse", {"note": "no"}),
    "request changes": ("POST", "/request-changes", {"note": "change"}),
    "publish": ("POST", "/publish", {}),
    "publish in an emergency": ("POST", "/publish", {"emergency": True, "note": "now"}),
    "schedule": ("POST", "/publish", {"from": "2035-01-01T00:00:00Z"}),
    "unschedule": ("POST", "/unschedule", {}),
    "roll back": ("POST", "/roll-back", {"version": 1}),
    "retire": ("POST", "/retire", {}),
    "sample": ("PUT", "/samples/usual", {"values": {"order": "9"}}),
}


async def approved_words(shop: Shop, path: str) -> dict[str, Any]:
    """Every version's words by its number, and which hashes others approved."""
    listed = (await shop.writer.ask("GET", f"{path}/versions?limit=1000")).json["items"]
    return {
        one["version"]: (one["variants"], one["default_locale"], one["hash"], one["author"]) for one in listed
    }


async def check(shop: Shop, path: str, before: dict[str, Any], done: list[str]) -> dict[str, Any]:
    """What was written has not changed, and what is in force others have approved."""
    after = await approved_words(shop, path)
    assert {number: after[number] for number in before} == before, done
    shown = await shop.shown(path)
    for period in shown["schedule"]:
        if period["version"] is not None:
            told = await shop.version(path, period["version"])
            mine = {told["author"], *told["editors"]}
            assert told["approved_by"], (done, period)
            assert not mine & set(told["approved_by"]), done
            approvals = [one for one in told["steps"] if one["action"] == "approve"]
            assert all(one["actor"] not in mine and one["hash"] == told["hash"] for one in approvals), done
    return after


@pytest.mark.parametrize("seed", range(8))
async def test_nothing_changes_what_was_approved_in_any_order(shop: Shop, seed: int) -> None:
    """Whatever anybody does in whatever order after others published a version."""
    await shop.policy({"approvals": 1})
    dice, path = Random(seed), await shop.published()
    before = await approved_words(shop, path)
    done: list[str] = []
    for _ in range(25):
        who = dice.choice(["owner", "writer", "editor", "decider", "second"])
        deed = dice.choice(list(DEEDS))
        method, tail, body = DEEDS[deed]
        answer = await getattr(shop, who).ask(method, path + tail, body)
        assert answer.status < 500, (done, answer)
        done.append(f"{who}: {deed} {answer.status}")
        before = await check(shop, path, before, done)
    assert len(before) > 1, done


async def claimed(shop: Shop) -> list[str]:
    """What the sender of the only line would hand over now, by its texts."""
    world = shop.house.world
    (line,) = world.lines.of(shop.owner.workspace_id)
    await reconcile.take_over(world, line, 1)
    return [open_content(world, attempt).text for attempt in (await claim(world, line, 1, 10)).attempts]


async def test_what_is_recalled_does_not_go_any_more(shop: Shop) -> None:
    await open_line(shop)
    path = (await shop.write())["path"]
    waiting = [await send(shop, template="shipped", variables={"order": str(n)}) for n in range(2)]
    await shop.save(path, "newer {{ order }}")
    newer = await send(shop, template="shipped", variables={"order": "9"})
    body = {"recall": True, "note": "wrong"}
    assert (await shop.writer.ask("POST", f"{path}/retire", body)).status == 200
    assert await claimed(shop) == []
    for one in (*waiting, newer):
        told = (await shop.writer.ask("GET", f"/v1/messages/{one.json['id']}")).json
        assert (told["finished"], told["attempts"][0]["reason"]) == (True, "not_approved")


async def test_what_is_retired_goes_with_the_words_it_began_with(shop: Shop) -> None:
    await open_line(shop)
    path = (await shop.write())["path"]
    await send(shop, template="shipped", variables={"order": "1"})
    await shop.save(path, "newer {{ order }}")
    assert (await shop.writer.ask("POST", f"{path}/retire", {})).status == 200
    assert await claimed(shop) == ["Order 1 is on its way."]


async def test_a_policy_that_came_meanwhile_stops_what_waits(shop: Shop) -> None:
    await open_line(shop)
    assert (await send(shop, text="hello", **{"class": "service"})).json["state"] == "queued"
    await shop.write()
    await send(shop, template="shipped", variables={"order": "1"})
    await shop.policy({"approvals": 1})
    assert await claimed(shop) == ["Order 1 is on its way."]


async def test_where_a_template_is_used(shop: Shop) -> None:
    await open_line(shop)
    path = (await shop.write())["path"]
    for number in range(3):
        await send(shop, template="shipped", variables={"order": str(number)})
    await shop.save(path, "newer {{ order }}")
    await shop.save(path, "newest {{ order }}")
    uses = (await shop.writer.ask("GET", f"{path}/uses")).json["items"]
    assert [(one["version"], one["in_force"], one["waiting"], one["recent"]) for one in uses] == [
        (1, False, 3, 3),
        (3, True, 0, 0),
    ]
    assert uses[0]["last_at"] is not None
