"""The registration of a line over the API: papers, review by somebody else, suspension, evidence."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from angarium.accounts import audit
from angarium.assembly import HANDLERS
from angarium.lines import flows as lines
from angarium.lines import registration_flows
from angarium.lines.requirements import requirements
from angarium.storage import facts
from angarium.storage.database import Database
from angarium.storage.facts import START
from angarium.storage.ground import Ground
from support.registering import IRANIAN, PAPERS, PNG, SIGNED, asked, hand_in, in_review
from support.server import PDF, Client, everything_in, ground_on, key_for, member, serving

SMPP = {"host": "127.0.0.1", "port": 2775, "system_id": "shop", "password": "secret", "source": "30007"}
IRAN: dict[str, Any] = {
    "name": "service",
    "channel": "smpp",
    "settings": SMPP,
    "classes": ["service", "otp"],
    "requirement": "ir-service-line",
}


@pytest.fixture
async def office(database: Database) -> AsyncIterator[tuple[Ground, Client, Client, str]]:
    """An owner, a reviewer of the same workspace, and an Iranian service line."""
    ground = ground_on(database)
    async with serving(ground, HANDLERS) as nobody:
        owner = await member(nobody, ground, "shop")
        reviewer = owner.with_key(await key_for(ground, owner.workspace_id), owner.workspace_id)
        line = (await asked(owner, "POST", "/v1/lines", IRAN, status=201))["id"]
        yield ground, owner, reviewer, line


async def test_the_whole_way_of_a_registration(office: tuple[Ground, Client, Client, str]) -> None:
    _, owner, reviewer, line = office
    under = f"/v1/lines/{line}/registrations"
    assert (await asked(owner, "GET", under))["items"] == []
    draft = await asked(owner, "POST", under, {}, status=201)
    path = f"{under}/{draft['id']}"
    assert draft["classes"] == ["otp", "service"]  # those of the line
    everything = [f"fields.{name}" for name in IRANIAN["fields"]]
    everything += ["undertakings.service-only", *(f"documents.{name}" for name in PAPERS)]
    assert draft["missing"] == everything
    refused = await owner.ask("POST", f"{path}/submit", {})
    assert (refused.status, list(refused.fields)) == (422, everything)
    assert refused.fields["documents.customer-list"]["remedy"] == "List of the company's own customers"

    await asked(owner, "PUT", path, IRANIAN)
    for number, (document, body) in enumerate(PAPERS.items(), 1):
        kept = await hand_in(owner, path, document, body, f"{document}.bin")
        assert (kept.status, kept.json["document"]) == (201, document)
        assert len((await asked(owner, "GET", path))["documents"]) == number
    assert (await asked(owner, "GET", path))["missing"] == []
    submitted = await asked(owner, "POST", f"{path}/submit", {"note": "complete"})
    assert (submitted["state"], submitted["can"]) == ("submitted", ["withdraw", "review"])
    assert (await owner.ask("PUT", path, IRANIAN)).status == 409  # it lies on somebody's desk
    assert (await hand_in(owner, path, "promissory-note", PDF)).status == 409

    for verb in ("review", "approve", "refuse"):
        own = await owner.ask("POST", f"{path}/{verb}", {"reason": "x"} if verb == "refuse" else {})
        assert own.status in (403, 409), verb
    await asked(reviewer, "POST", f"{path}/review", {})
    assert (await owner.ask("POST", f"{path}/approve", {})).status == 403  # never whoever submitted it
    more = await reviewer.ask("POST", f"{path}/approve", {"classes": ["transactional"]})
    assert more.fields["classes"]["value"] == "transactional"
    approved = await asked(
        reviewer, "POST", f"{path}/approve", {"classes": ["service"], "external_id": "L-1"}
    )
    assert (approved["state"], approved["granted"]) == ("approved", ["service"])
    assert approved["valid_until"] is not None  # a year, as the requirement has it
    shown = await asked(owner, "GET", f"/v1/lines/{line}")
    assert (shown["approved"], shown["registration"]) == (["service"], "approved")
    told = (await asked(owner, "GET", f"{path}/history"))["items"]
    assert [(step["verb"], step["to"]) for step in told][-3:] == [
        ("submit", "submitted"),
        ("review", "in_review"),
        ("approve", "approved"),
    ]
    assert told[-3]["by"] != told[-1]["by"]
    assert all(step["by"].startswith("key_") for step in told)


async def test_a_refusal_has_a_reason_and_can_be_mended(office: tuple[Ground, Client, Client, str]) -> None:
    _, owner, reviewer, line = office
    path = await in_review(owner, reviewer, line)
    for nothing in ({}, {"reason": ""}):
        assert (await reviewer.ask("POST", f"{path}/refuse", nothing)).status == 422
    refused = await asked(reviewer, "POST", f"{path}/refuse", {"reason": "The note is not signed."})
    assert (refused["state"], refused["reason"]) == ("refused", "The note is not signed.")
    again = await asked(owner, "POST", f"{path}/reopen", {})
    assert (again["state"], len(again["documents"])) == ("draft", len(PAPERS))
    note = again["documents"][3]["id"]
    await asked(owner, "DELETE", f"{path}/documents/{note}", status=204)
    assert (await asked(owner, "GET", path))["missing"] == ["documents.promissory-note"]
    assert (await hand_in(owner, path, "promissory-note", PDF)).status == 201
    await asked(owner, "POST", f"{path}/submit", {})


async def test_suspended_and_reinstated(office: tuple[Ground, Client, Client, str]) -> None:
    ground, owner, reviewer, line = office
    path = await in_review(owner, reviewer, line)
    await asked(reviewer, "POST", f"{path}/approve", {})
    ear = ground.fabric.listen(lines.TOPIC)
    suspended = await asked(reviewer, "POST", f"{path}/suspend", {"reason": "Complaints at the operator."})
    assert suspended["state"] == "suspended"
    assert await ear.wait(5)
    shown = await asked(owner, "GET", f"/v1/lines/{line}")
    assert (shown["approved"], shown["registration"]) == ([], "suspended")
    assert shown["state"] == "off: its registration is suspended"
    assert (await asked(reviewer, "POST", f"{path}/reinstate", {}))["state"] == "approved"
    assert (await asked(owner, "GET", f"/v1/lines/{line}"))["approved"] == ["otp", "service"]


async def test_a_line_that_demands_papers_cannot_be_declared(
    office: tuple[Ground, Client, Client, str],
) -> None:
    ground, owner, reviewer, line = office
    before = await everything_in(ground.db)
    for method, path in (("POST", "/v1/lines"), ("PUT", f"/v1/lines/{line}")):
        body = IRAN | {"registration": "approved"} | ({"name": "other"} if method == "POST" else {})
        answer = await owner.ask(method, path, body)
        assert answer.status == 422
        assert "demands documents" in answer.fields["registration"]["remedy"]
    assert await everything_in(ground.db) == before
    path = await in_review(owner, reviewer, line)
    await asked(reviewer, "POST", f"{path}/approve", {})
    shown = await asked(owner, "GET", f"/v1/lines/{line}")
    back = {name: shown[name] for name in ("name", "channel", "settings", "classes", "requirement")}
    same = await asked(owner, "PUT", f"/v1/lines/{line}", back | {"registration": shown["registration"]})
    assert same["approved"] == ["otp", "service"]  # what is shown can be sent back
    wider = await owner.ask(
        "PUT",
        f"/v1/lines/{line}",
        back | {"classes": ["otp", "service", "transactional"], "registration": "approved"},
    )
    assert wider.status == 422
    refused = await owner.ask("PUT", f"/v1/lines/{line}", back | {"registration": "draft"})
    assert "suspend it" in refused.fields["registration"]["remedy"]


async def test_what_an_owner_declares_is_kept_with_who_and_when(
    office: tuple[Ground, Client, Client, str],
) -> None:
    ground, owner, reviewer, _ = office
    plain = IRAN | {"name": "plain", "requirement": "plain", "classes": ["service"]}
    line = await asked(owner, "POST", "/v1/lines", plain | {"registration": "approved"}, status=201)
    assert (line["approved"], line["registration"]) == (["service"], "approved")
    under = f"/v1/lines/{line['id']}/registrations"
    (declared,) = (await asked(owner, "GET", under))["items"]
    assert (declared["declared"], declared["state"]) == (True, "approved")
    assert declared["submitted_by"].startswith("key_")
    wider = plain | {"classes": ["service", "promotional"]}
    assert (await asked(owner, "PUT", f"/v1/lines/{line['id']}", wider))["approved"] == ["service"]
    wider |= {"registration": "approved"}
    answer = await asked(owner, "PUT", f"/v1/lines/{line['id']}", wider)
    assert answer["approved"] == ["promotional", "service"]
    path = f"{under}/{declared['id']}"
    await asked(reviewer, "POST", f"{path}/suspend", {"reason": "Complaints."})
    refused = await owner.ask("PUT", f"/v1/lines/{line['id']}", wider)
    assert "reinstate" in refused.fields["registration"]["remedy"]  # its owner cannot lift that
    moved = await owner.ask("PUT", f"/v1/lines/{line['id']}", wider | {"requirement": "ua-sender-name"})
    assert "requirement" in moved.fields
    await asked(reviewer, "POST", f"{path}/reinstate", {})
    taken_back = await asked(owner, "PUT", f"/v1/lines/{line['id']}", wider | {"registration": "draft"})
    assert taken_back["approved"] == []
    found, _ = await ground.db.read(facts.after, owner.workspace_id, START, 100)
    verbs = [msgspec.json.decode(one.body)["verb"] for one in found if "registration" in one.kind]
    assert verbs == ["declare", "declare", "suspend", "reinstate", "retract"]


async def test_another_kind_of_line_begins_anew(office: tuple[Ground, Client, Client, str]) -> None:
    _, owner, _, _ = office
    plain = IRAN | {"name": "plain", "requirement": "plain", "registration": "approved"}
    line = (await asked(owner, "POST", "/v1/lines", plain, status=201))["id"]
    changed = plain | {"requirement": "ir-service-line", "registration": ""}
    assert (await asked(owner, "PUT", f"/v1/lines/{line}", changed))["approved"] == []


# ── files ────────────────────────────────────────────────────────────────────────────────────────────

BAD_FILES = [  # document, body, status, field
    ("company-notice", b"MZ\x90\0", 422, "body"),
    ("company-notice", b"<html><script>alert(1)</script></html>", 422, "body"),
    ("company-notice", b"", 422, "body"),
    ("customer-list", PDF, 422, "body"),
    ("diary", PDF, 422, "document"),
    ("company-notice", PDF + b"\0" * 5_000_000, 413, ""),
]


async def test_what_is_no_paper_is_refused(office: tuple[Ground, Client, Client, str]) -> None:
    ground, owner, _, line = office
    draft = await asked(owner, "POST", f"/v1/lines/{line}/registrations", {}, status=201)
    path = f"/v1/lines/{line}/registrations/{draft['id']}"
    before = await everything_in(ground.db)
    for document, body, status, field in BAD_FILES:
        heard = await hand_in(owner, path, document, body)
        assert heard.status == status, (document, body[:9], heard)
        if field:
            assert heard.fields[field]["remedy"]
    assert await everything_in(ground.db) == before


async def test_a_file_is_kept_sealed_and_only_ever_saved(office: tuple[Ground, Client, Client, str]) -> None:
    ground, owner, _, line = office
    draft = await asked(owner, "POST", f"/v1/lines/{line}/registrations", {}, status=201)
    path = f"/v1/lines/{line}/registrations/{draft['id']}"
    marked = PDF + b"marker-of-the-file"
    kept = (await hand_in(owner, path, "company-notice", marked, "..%2F..%2Fетикетка%22.exe")).json
    assert kept["name"] == "етикетка_.pdf"
    assert b"marker-of-the-file" not in repr(await everything_in(ground.db)).encode()
    heard = await owner.ask("GET", f"{path}/documents/{kept['id']}")
    assert (heard.status, heard.body) == (200, marked)
    assert heard.headers["content-disposition"].startswith("attachment; filename=")
    assert heard.headers["x-content-type-options"] == "nosniff"
    assert heard.headers["content-type"] == "application/pdf"
    reader = owner.with_key(await key_for(ground, owner.workspace_id, "messages:read"))
    assert (await reader.ask("GET", f"{path}/documents/{kept['id']}")).status == 403
    other = await member(owner, ground, "other")
    assert (await other.ask("GET", f"{path}/documents/{kept['id']}")).status == 404


async def test_the_evidence_is_whole(office: tuple[Ground, Client, Client, str]) -> None:
    _, owner, reviewer, line = office
    path = await in_review(owner, reviewer, line)
    await asked(reviewer, "POST", f"{path}/approve", {})
    heard = await owner.ask("GET", f"{path}/evidence")
    assert heard.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(heard.body)) as packed:
        assert packed.testzip() is None
        about = msgspec.json.decode(packed.read("registration.json"))
        files = [packed.read(name) for name in packed.namelist() if name.startswith("documents/")]
    assert files == list(PAPERS.values())
    assert about["registration"]["undertakings"] == {"service-only": SIGNED}
    assert about["requirement"]["key"] == "ir-service-line"
    assert [step["verb"] for step in about["history"]][-1] == "approve"
    assert len(about["documents"]) == len(PAPERS)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────

WRONG: list[tuple[dict[str, Any], str]] = [  # what is told, the field that is wrong
    ({"classes": ["promotional"]}, "classes"),
    ({"classes": ["transactional"]}, "classes"),  # not one of the line's
    ({"operator": "mts"}, "operator"),
    ({"fields": {"national_id": "10380284791"}}, "fields.national_id"),
    ({"fields": {"colour": "red"}}, "fields.colour"),
    ({"undertakings": {"none": SIGNED}}, "undertakings.none"),
    (
        {"undertakings": {"service-only": SIGNED | {"signed_on": "yesterday"}}},
        "undertakings.service-only.signed_on",
    ),
]


async def test_what_is_wrong_is_named(office: tuple[Ground, Client, Client, str]) -> None:
    ground, owner, _, line = office
    before = await everything_in(ground.db)
    for told, field in WRONG:
        heard = await owner.ask("POST", f"/v1/lines/{line}/registrations", told)
        assert (heard.status, field in heard.fields) == (422, True), (told, heard)
        assert heard.fields[field]["remedy"]
    assert await everything_in(ground.db) == before


async def test_who_may_not_decide(office: tuple[Ground, Client, Client, str]) -> None:
    ground, owner, reviewer, line = office
    path = await in_review(owner, reviewer, line)
    marketer = owner.with_key(await key_for(ground, owner.workspace_id, "setup:write", "setup:read"))
    for verb, body in (("approve", {}), ("refuse", {"reason": "x"}), ("suspend", {"reason": "x"})):
        assert (await marketer.ask("POST", f"{path}/{verb}", body)).status == 403, verb


async def test_a_draft_can_be_deleted_and_evidence_cannot(office: tuple[Ground, Client, Client, str]) -> None:
    ground, owner, reviewer, line = office
    draft = await asked(owner, "POST", f"/v1/lines/{line}/registrations", {}, status=201)
    path = f"/v1/lines/{line}/registrations/{draft['id']}"
    await hand_in(owner, path, "company-notice", PNG)
    await asked(owner, "DELETE", path, status=204)
    assert (await owner.ask("GET", path)).status == 404
    kept = await in_review(owner, reviewer, line)
    assert (await owner.ask("DELETE", kept)).status == 409
    await asked(owner, "DELETE", f"/v1/lines/{line}", status=204)
    rows = await everything_in(ground.db)
    assert rows["registration"] == rows["registration_document"] == []


async def test_a_retry_creates_one(office: tuple[Ground, Client, Client, str]) -> None:
    _, owner, _, line = office
    under = f"/v1/lines/{line}/registrations"
    first, second = [await owner.ask("POST", under, IRANIAN, Idempotency_Key="one") for _ in range(2)]
    assert first.json["id"] == second.json["id"]
    assert len((await asked(owner, "GET", under))["items"]) == 1


async def test_what_is_needed_is_told(office: tuple[Ground, Client, Client, str]) -> None:
    _, owner, _, _ = office
    told = (await asked(owner, "GET", "/v1/registration-requirements"))["items"]
    assert [one["key"] for one in told] == list(requirements())
    assert "متعهد" in str(told)


async def test_deeds_are_in_the_audit_log(office: tuple[Ground, Client, Client, str]) -> None:
    _, owner, reviewer, line = office
    path = await in_review(owner, reviewer, line)
    await asked(reviewer, "POST", f"{path}/approve", {})
    subject = path.rpartition("/")[2]
    told = (await asked(owner, "GET", f"/v1/audit?subject={subject}"))["items"]
    deeds = {one["action"] for one in told}
    assert deeds >= {"registration.create", "registration.submit", "registration.approve"}


async def test_the_clock_is_written_down(office: tuple[Ground, Client, Client, str]) -> None:
    """Expiring, then expired: a state and a fact each, made once."""
    ground, owner, reviewer, line = office
    path = await in_review(owner, reviewer, line)
    approved = await asked(reviewer, "POST", f"{path}/approve", {"valid_until": "2036-01-31T00:00:00Z"})
    assert approved["state"] == "approved"
    from datetime import UTC, datetime

    from angarium.core.clock import from_datetime

    async def mature(*day: int) -> int:
        at = from_datetime(datetime(*day, tzinfo=UTC))  # type: ignore[arg-type]
        return await ground.db.run(registration_flows.mature, owner.workspace_id, at)

    assert await mature(2035, 12, 31) == 0
    assert [await mature(2036, 1, 2), await mature(2036, 1, 2)] == [1, 0]
    assert (await asked(owner, "GET", path))["state"] == "expiring"
    assert (await asked(owner, "GET", f"/v1/lines/{line}"))["approved"] == ["otp", "service"]
    assert [await mature(2036, 1, 31), await mature(2036, 1, 31)] == [1, 0]
    shown = await asked(owner, "GET", path)
    assert (shown["state"], shown["can"]) == ("expired", ["reopen"])
    steps = (await asked(owner, "GET", f"{path}/history"))["items"]
    assert [(step["verb"], step["by"]) for step in steps][-2:] == [
        ("warn", audit.SYSTEM),
        ("expire", audit.SYSTEM),
    ]
