"""A template's life over the API: review by others, terms, roll-back, recall; what is approved stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from angarium.insight import needs
from support.writers import TEXT, Shop, a_shop

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """The whole house, and everybody's keys."""
    async with a_shop(database_url, tmp_path) as made:
        yield made


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


async def test_what_waits_for_a_review_is_counted_once(shop: Shop) -> None:
    await shop.policy({"approvals": 1, "emergency": True})
    submitted = (await shop.write())["path"]
    await shop.writer.ask("POST", f"{submitted}/submit", {})
    db, workspace_id = shop.house.ground.db, shop.writer.workspace_id
    assert await db.read(needs.templates_to_review, workspace_id) == 1
    published = (await shop.write(name="closed"))["path"]
    emergency = {"emergency": True, "note": "the shop is on fire"}
    answer = await shop.decider.ask("POST", f"{published}/publish", emergency)
    assert answer.status == 200, answer.json
    assert await db.read(needs.templates_to_review, workspace_id) == 2


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


# ── at the same moment ───────────────────────────────────────────────────────────────────────────────


async def test_two_who_approve_at_once_are_both_counted(shop: Shop) -> None:
    await shop.policy({"approvals": 2})
    path = await shop.submitted()
    both = await asyncio.gather(
        *(who.ask("POST", f"{path}/approve", {}) for who in (shop.decider, shop.second))
    )
    assert [one.status for one in both] == [200, 200]
    assert (await shop.shown(path))["state"] == "approved"


async def test_of_two_who_decide_at_once_differently_one_is_first(shop: Shop) -> None:
    await shop.policy({"approvals": 1})
    path = await shop.submitted()
    both = await asyncio.gather(
        shop.decider.ask("POST", f"{path}/approve", {"version": 1}),
        shop.second.ask("POST", f"{path}/refuse", {"version": 1, "note": "no"}),
    )
    assert sorted(one.status for one in both) == [200, 409]


async def test_who_save_at_once_leave_one_draft(shop: Shop) -> None:
    path = (await shop.write(publish=False))["path"]
    saved = await asyncio.gather(
        *(shop.save(path, f"{number} {{{{ order }}}}", publish=False) for number in range(5))
    )
    assert sorted(one.json["version"] for one in saved) == [2, 3, 4, 5, 6]
    listed = (await shop.writer.ask("GET", f"{path}/versions")).json["items"]
    assert [one["state"] for one in listed] == ["superseded"] * 5 + ["draft"]
