"""A template's life over the API: review by others, terms, roll-back, recall; what is approved stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from angarium.assembly import House
from angarium.core import ids
from angarium.core.problems import Problem
from angarium.storage import facts
from support.relay import Relay
from support.server import LINE, Client, Heard, key_for, member, whole_house

WRITER = ("setup:read", "setup:write", "messages:write", "messages:read")
DECIDER = ("setup:read", "templates:decide")
TEXT = "Order {{ order }} is on its way."
MINUTE = timedelta(minutes=1)


@dataclass
class Shop:
    """A shop in which one writes, another edits, and two decide."""

    house: House
    owner: Client
    writer: Client
    editor: Client
    decider: Client
    second: Client

    async def policy(self, *rules: dict[str, Any], **more: Any) -> None:
        """What must be approved."""
        answer = await self.owner.ask("PUT", "/v1/policies/approvals", {"rules": list(rules), **more})
        assert answer.status == 200, answer

    async def write(self, text: str = TEXT, who: Client | None = None, **given: Any) -> dict[str, Any]:
        """A new template with a sample."""
        body = {"name": "shipped", "variants": [{"content": {"text": text}}], **given}
        made = await (who or self.writer).ask("POST", "/v1/templates", body)
        assert made.status == 201, made
        path = f"/v1/templates/{made.json['id']}"
        sample = {"values": {"order": "4512"}}
        assert (await self.writer.ask("PUT", f"{path}/samples/usual", sample)).status == 200
        return made.json | {"path": path}

    async def save(self, path: str, text: str, who: Client | None = None, **given: Any) -> Heard:
        """The next version."""
        body = {"name": "shipped", "variants": [{"content": {"text": text}}], **given}
        return await (who or self.writer).ask("PUT", path, body)

    async def submitted(self, text: str = TEXT) -> str:
        """A template that waits to be decided on; its path."""
        path = (await self.write(text))["path"]
        assert (await self.writer.ask("POST", f"{path}/submit", {})).status == 200
        return str(path)

    async def published(self, text: str = TEXT) -> str:
        """A template that was approved and is in force; its path."""
        path = await self.submitted(text)
        assert (await self.decider.ask("POST", f"{path}/approve", {})).status == 200
        assert (await self.writer.ask("POST", f"{path}/publish", {})).status == 200
        return path

    async def shown(self, path: str) -> dict[str, Any]:
        """A template as it is now."""
        return dict((await self.writer.ask("GET", path)).json)

    async def version(self, path: str, number: int) -> dict[str, Any]:
        """One version with its history."""
        return dict((await self.writer.ask("GET", f"{path}/versions/{number}")).json)


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """The whole house, and everybody's keys."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        owner = await member(nobody, house.ground, "shop")

        async def somebody(*scopes: str) -> Client:
            return owner.with_key(
                await key_for(house.ground, owner.workspace_id, *scopes), owner.workspace_id
            )

        everything = (*WRITER, *DECIDER)
        yield Shop(
            house,
            owner,
            await somebody(*WRITER),
            await somebody(*everything),
            await somebody(*everything),
            await somebody(*DECIDER),
        )


def instant(after: timedelta) -> str:
    """A time to come."""
    return (datetime.now(UTC) + after).isoformat()


# ── from a draft to a version in force ───────────────────────────────────────────────────────────────


async def test_without_a_policy_it_is_published_at_once(shop: Shop) -> None:
    made = await shop.write()
    assert (made["state"], made["in_force"], made["next"]) == ("published", 1, "")
    kept = await shop.save(made["path"], "again {{ order }}", publish=False)
    assert (kept.json["state"], kept.json["in_force"], kept.json["next"]) == ("draft", 1, "Publish it.")
    published = await shop.writer.ask("POST", f"{made['path']}/publish", {})
    assert (published.json["state"], published.json["in_force"]) == ("published", 2)


async def test_a_policy_makes_it_a_draft_and_says_what_is_next(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    made = await shop.write()
    assert (made["state"], made["in_force"]) == ("draft", None)
    assert made["next"] == "Submit it for review; somebody else must approve it."
    refused = await shop.writer.ask("POST", f"{made['path']}/publish", {})
    assert (refused.status, refused.json["type"].rpartition("/")[2]) == (409, "not-approved")


async def test_draft_review_approved_published(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = (await shop.write())["path"]
    submitted = await shop.writer.ask("POST", f"{path}/submit", {"note": "please"})
    assert (submitted.json["state"], submitted.json["next"]) == (
        "in_review",
        "It waits for the approval of 1 other.",
    )
    locked = await shop.save(path, "an afterthought")
    assert (locked.status, locked.json["title"]) == (409, "The template is locked")
    own = await shop.editor.ask("POST", f"{path}/approve", {})
    assert own.status == 200  # the editor did not edit this one
    assert own.json["state"] == "approved"
    published = await shop.writer.ask("POST", f"{path}/publish", {})
    assert (published.json["state"], published.json["in_force"]) == ("published", 1)
    history = (await shop.version(path, 1))["steps"]
    assert [(one["action"], one["state"], one["note"]) for one in history] == [
        ("save", "draft", ""),
        ("submit", "in_review", "please"),
        ("approve", "approved", ""),
        ("publish", "published", ""),
    ]
    assert len({one["hash"] for one in history}) == 1


async def test_whoever_wrote_or_edited_it_decides_nothing(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = (await shop.write(who=shop.editor))["path"]
    await shop.save(path, "edited by another {{ order }}", who=shop.decider)
    await shop.writer.ask("POST", f"{path}/submit", {})
    for who in (shop.editor, shop.decider):
        for deed in ("approve", "refuse", "request-changes"):
            answer = await who.ask("POST", f"{path}/{deed}", {"note": "mine"})
            assert (answer.status, answer.json["type"].rpartition("/")[2]) == (403, "own-words"), deed
    assert (await shop.writer.ask("POST", f"{path}/approve", {})).json[
        "title"
    ] != "Somebody else has to decide"
    assert (await shop.second.ask("POST", f"{path}/approve", {})).json["state"] == "approved"


async def test_without_the_scope_nobody_decides(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = await shop.submitted()
    for deed in ("approve", "refuse", "request-changes"):
        assert (await shop.writer.ask("POST", f"{path}/{deed}", {"note": "x"})).status == 403
    assert (await shop.second.ask("POST", f"{path}/publish", {})).status == 403


async def test_two_others_are_two(shop: Shop) -> None:
    await shop.policy({"approvals": 2})
    path = await shop.submitted()
    first = await shop.decider.ask("POST", f"{path}/approve", {})
    assert (first.json["state"], first.json["next"]) == ("in_review", "It waits for the approval of 1 other.")
    again = await shop.decider.ask("POST", f"{path}/approve", {})
    assert again.json["state"] == "in_review"
    assert (await shop.second.ask("POST", f"{path}/approve", {})).json["state"] == "approved"
    assert len((await shop.version(path, 1))["approved_by"]) == 2


async def test_a_policy_that_became_stricter_counts_when_it_is_published(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = await shop.submitted()
    await shop.decider.ask("POST", f"{path}/approve", {})
    await shop.policy({"approvals": 2})
    assert (await shop.writer.ask("POST", f"{path}/publish", {})).status == 409


async def test_an_approval_is_of_the_words_that_were_read(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = await shop.submitted()
    seen = (await shop.shown(path))["hash"]
    wrong = await shop.decider.ask("POST", f"{path}/approve", {"hash": "0" * 64})
    assert (wrong.status, wrong.json["type"].rpartition("/")[2]) == (409, "version-conflict")
    assert (await shop.decider.ask("POST", f"{path}/approve", {"hash": seen})).status == 200


async def test_refused_words_go_on_as_a_draft_of_the_same_editors(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = await shop.submitted()
    assert (await shop.decider.ask("POST", f"{path}/refuse", {})).status == 422  # without a reason
    refused = await shop.decider.ask("POST", f"{path}/refuse", {"note": "promotes"})
    assert (refused.json["version"], refused.json["state"]) == (2, "draft")
    first, second = await shop.version(path, 1), await shop.version(path, 2)
    assert (first["state"], first["steps"][-1]["note"]) == ("refused", "promotes")
    assert (second["hash"], second["editors"]) == (first["hash"], first["editors"])
    assert (await shop.writer.ask("POST", f"{path}/publish", {"version": 1})).status == 409


async def test_changes_are_requested_with_comments(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = await shop.submitted()
    comment = {"text": "which order?", "variant": 0, "field": "text"}
    body = {"note": "see there", "comments": [comment]}
    sent_back = await shop.decider.ask("POST", f"{path}/request-changes", body)
    assert sent_back.json["state"] == "changes_requested"
    assert (await shop.version(path, 1))["steps"][-1]["comments"] == [comment]
    saved = (await shop.save(path, "Your order {{ order }} is on its way.")).json
    assert (saved["version"], saved["state"]) == (2, "draft")
    assert (await shop.version(path, 1))["state"] == "superseded"


async def test_withdrawn_it_can_be_changed_again(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = await shop.submitted()
    assert (await shop.writer.ask("POST", f"{path}/withdraw", {})).json["state"] == "draft"
    assert (await shop.save(path, "x {{ order }}")).json["version"] == 2


async def test_errors_keep_it_from_being_submitted(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = (await shop.write("{{ order }} and {{ nobody_knows }}"))["path"]
    answer = await shop.writer.ask("POST", f"{path}/submit", {})
    assert (answer.status, answer.json["type"].rpartition("/")[2]) == (422, "lint")
    assert "nobody_knows" in answer.json["errors"][0]["problem"]
    assert answer.json["errors"][0]["remedy"]
    assert (await shop.shown(path))["state"] == "draft"


async def test_two_who_save_at_once_are_told(shop: Shop) -> None:
    path = (await shop.write())["path"]
    assert (await shop.save(path, "one {{ order }}", based_on=1)).status == 200
    late = await shop.save(path, "two {{ order }}", who=shop.editor, based_on=1)
    assert (late.status, late.json["type"].rpartition("/")[2]) == (409, "version-conflict")


async def test_the_class_is_for_life(shop: Shop) -> None:
    path = (await shop.write())["path"]
    answer = await shop.save(path, TEXT, **{"class": "promotional"})
    assert (answer.status, list(answer.fields)) == (422, ["class"])


# ── from when until when ─────────────────────────────────────────────────────────────────────────────


async def test_a_version_takes_over_at_its_instant(shop: Shop) -> None:
    path = (await shop.write())["path"]
    await shop.save(path, "winter {{ order }}", publish=False)
    scheduled = await shop.writer.ask("POST", f"{path}/publish", {"from": instant(MINUTE)})
    assert (scheduled.json["state"], scheduled.json["in_force"]) == ("published", 1)
    assert [one["version"] for one in scheduled.json["schedule"]] == [1, 2]
    assert scheduled.json["next"].startswith("It takes over at ")
    back = await shop.writer.ask("POST", f"{path}/unschedule", {})
    assert (back.json["state"], [one["version"] for one in back.json["schedule"]]) == ("draft", [1])


async def test_a_stand_in_gives_back_what_was_there(shop: Shop) -> None:
    path = (await shop.write())["path"]
    await shop.save(path, "outage {{ order }}", publish=False)
    body = {"until": instant(MINUTE)}
    stood_in = await shop.writer.ask("POST", f"{path}/publish", body)
    assert [one["version"] for one in stood_in.json["schedule"]] == [2, 1]
    assert stood_in.json["in_force"] == 2


async def test_a_hole_between_two_versions_is_refused(shop: Shop) -> None:
    path = (await shop.write(publish=False))["path"]
    assert (await shop.writer.ask("POST", f"{path}/publish", {"until": instant(MINUTE)})).status == 200
    await shop.save(path, "later {{ order }}", publish=False)
    answer = await shop.writer.ask("POST", f"{path}/publish", {"from": instant(MINUTE * 2)})
    assert (answer.status, list(answer.fields)) == (422, ["until"])
    assert "leaves nothing in force from" in answer.fields["until"]["problem"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"from": "2020-01-01T00:00:00Z"}, "from"),
        ({"until": "2020-01-01T00:00:00Z"}, "until"),
        ({"from": "2035-01-02T00:00:00Z", "until": "2035-01-01T00:00:00Z"}, "until"),
        ({"version": 9}, "version"),
    ],
)
async def test_a_term_that_cannot_be(shop: Shop, body: dict[str, Any], field: str) -> None:
    path = (await shop.write(publish=False))["path"]
    answer = await shop.writer.ask("POST", f"{path}/publish", body)
    assert answer.status in (404, 422)
    assert list(answer.fields) == [field]


# ── back, out, in an emergency ───────────────────────────────────────────────────────────────────────


async def test_back_to_what_was_approved_is_at_once(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = await shop.published()
    await shop.save(path, "worse {{ order }}")
    await shop.writer.ask("POST", f"{path}/submit", {})
    await shop.decider.ask("POST", f"{path}/approve", {})
    await shop.writer.ask("POST", f"{path}/publish", {})
    back = (await shop.writer.ask("POST", f"{path}/roll-back", {"version": 1})).json
    assert (back["version"], back["state"], back["in_force"]) == (3, "published", 3)
    assert back["variants"][0]["content"]["text"] == TEXT
    assert back["hash"] == (await shop.version(path, 1))["hash"]
    assert (await shop.version(path, 2))["state"] == "retired"


async def test_back_to_what_was_never_in_force_is_refused(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = await shop.submitted()
    await shop.decider.ask("POST", f"{path}/refuse", {"note": "no"})
    assert (await shop.writer.ask("POST", f"{path}/roll-back", {"version": 1})).status == 409


async def test_an_emergency_is_reviewed_later(shop: Shop) -> None:
    await shop.policy({"approvals": 1, "emergency": True})
    path = (await shop.write())["path"]
    assert (await shop.writer.ask("POST", f"{path}/publish", {"emergency": True})).status == 422  # why?
    body = {"emergency": True, "note": "the site is down"}
    out = (await shop.writer.ask("POST", f"{path}/publish", body)).json
    assert (out["state"], out["review_owed"], out["in_force"]) == ("published", True, 1)
    assert (await shop.editor.ask("POST", f"{path}/approve", {})).json["review_owed"] is False
    assert (await shop.second.ask("POST", f"{path}/approve", {})).status == 409  # there is nothing to decide


async def test_an_emergency_that_was_none_is_taken_out(shop: Shop) -> None:
    await shop.policy({"approvals": 1, "emergency": True})
    path = (await shop.write())["path"]
    await shop.writer.ask("POST", f"{path}/publish", {"emergency": True, "note": "now"})
    refused = (await shop.decider.ask("POST", f"{path}/refuse", {"note": "no"})).json
    assert (refused["state"], refused["in_force"]) == ("retired", None)
    assert (await shop.version(path, 1))["recalled"] is True


async def test_no_emergency_without_the_policys_word(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = (await shop.write())["path"]
    body = {"emergency": True, "note": "now"}
    assert (await shop.writer.ask("POST", f"{path}/publish", body)).status == 409


async def test_retired_it_is_taken_by_nobody(shop: Shop) -> None:
    path = (await shop.write())["path"]
    out = (await shop.writer.ask("POST", f"{path}/retire", {"note": "over"})).json
    assert (out["state"], out["in_force"]) == ("retired", None)
    again = await shop.writer.ask("POST", f"{path}/retire", {})
    assert again.status == 409


# ── what providers say ───────────────────────────────────────────────────────────────────────────────


async def test_a_providers_template_is_published_once_it_is_approved_there(shop: Shop) -> None:
    content = {"text": "Order {{ order }}", "template": "order_shipped", "template_language": "en"}
    body = {"name": "wa", "variants": [{"channel": "whatsapp_cloud", "locale": "en", "content": content}]}
    made = (await shop.writer.ask("POST", "/v1/templates", body)).json
    path = f"/v1/templates/{made['id']}"
    assert (made["state"], made["next"].partition(" ")[0]) == ("draft", "Have")
    refused = await shop.writer.ask("POST", f"{path}/publish", {})
    assert (refused.status, refused.json["type"].rpartition("/")[2]) == (409, "not-registered")
    said = {"channel": "whatsapp_cloud", "locale": "en", "status": "pending", "registrar": "Meta"}
    assert (await shop.decider.ask("PUT", f"{path}/registrations", said)).status == 200
    assert (await shop.writer.ask("POST", f"{path}/publish", {})).status == 409
    assert (
        await shop.decider.ask("PUT", f"{path}/registrations", said | {"status": "approved"})
    ).status == 200
    assert (await shop.writer.ask("POST", f"{path}/publish", {})).json["state"] == "published"
    (listed,) = (await shop.writer.ask("GET", f"{path}/registrations")).json["items"]
    assert (listed["status"], listed["versions"]) == ("approved", [1])
    changed = body["variants"][0] | {"content": content | {"text": "Your order {{ order }}"}}
    saved = (await shop.writer.ask("PUT", path, body | {"variants": [changed]})).json
    assert (saved["state"], saved["in_force"]) == ("draft", 1)  # other words, which nobody has approved


async def test_the_policy_may_ask_it_of_other_channels(shop: Shop) -> None:
    await shop.policy(registered=["viber_business"])
    variants = [{"channel": "viber_business", "content": {"text": "Order {{ order }}"}}]
    made = (await shop.writer.ask("POST", "/v1/templates", {"name": "v", "variants": variants})).json
    assert made["state"] == "draft"
    unknown = {"channel": "smpp", "status": "approved"}
    answer = await shop.decider.ask("PUT", f"/v1/templates/{made['id']}/registrations", unknown)
    assert (answer.status, list(answer.fields)) == (422, ["channel"])


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
