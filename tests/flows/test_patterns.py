"""Patterns on a line: what fits none does not go, when accepted and when claimed; kept over the API."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from angarium.assembly import HANDLERS
from angarium.core.problems import Problem
from angarium.core.values import MessageClass
from angarium.lines import flows as lines
from angarium.lines import patterns_flows, registration_flows
from angarium.lines.patterns_flows import DECIDE, PatternInput
from angarium.lines.registration_flows import Decision
from angarium.messaging import preview, send
from angarium.messaging.accept import MessageInput
from angarium.storage.database import Database
from angarium.storage.ground import Ground
from support.registering import asked
from support.relay import Relay
from support.server import Client, everything_in, ground_on, key_for, member, serving

SHIPPED: dict[str, Any] = {
    "name": "shipped",
    "class": "service",
    "syntax": "braces",
    "text": "Dear {0}, your order {1} is on its way.",
    "external_id": "48151",
    "state": "approved",
}
GOOD = "Dear Olena, your order 42 is on its way."
OTHER = "Dear Olena, your parcel 42 has left us this morning."
ME = "key_tester"


async def pattern(relay: Relay, line: str = "sms", **given: Any) -> int:
    """A pattern of a line; its id."""

    async def work(tx: Any) -> int:
        described = msgspec.convert(SHIPPED | given, PatternInput)
        made = await patterns_flows.create(
            tx, relay.ground, relay.workspace_id, relay.lines[line].id, described, ME, {DECIDE}
        )
        return made.id

    made = await relay.ground.db.run(work)
    await relay.world.lines.reload([relay.workspace_id])
    return made


async def refusal(relay: Relay, text: str, **given: Any) -> tuple[str, str, str]:
    """Why a message would not go: rule, reason, detail; empty when it would."""
    message = {"to": {"phone": "+380501234567"}, "class": "service", "text": text, "channel": "smpp", **given}
    asked_ = [msgspec.convert(message, MessageInput)]
    work, now = preview.preview, relay.clock.now()
    (told,) = await relay.ground.db.run(work, relay.world, relay.workspace_id, asked_, now)
    assert not isinstance(told, Problem), told
    step = told["steps"][0]
    if not step["goes"]:
        return step["rule"], step["reason"], step["detail"]
    assert step["pattern"] is None or step["pattern"]["external_id"] == "48151"
    return "", "", ""


# ── on its way ───────────────────────────────────────────────────────────────────────────────────────


async def test_only_what_fits_goes_and_the_nearest_is_told(relay: Relay) -> None:
    await relay.line("sms", "smpp", patterned=("service",))
    assert "has no approved pattern for service" in (await refusal(relay, GOOD))[2]
    await pattern(relay)
    assert await refusal(relay, GOOD) == ("", "", "")
    rule, reason, detail = await refusal(relay, OTHER)
    assert (rule, reason) == ("pattern", "template_invalid")
    assert "The nearest is shipped" in detail
    assert "“parcel” stands where “order” is registered" in detail
    assert await refusal(relay, OTHER, **{"class": "transactional"}) == ("", "", "")  # that class is free
    message = await relay.send(channel="smpp", text=OTHER)
    assert await relay.state(message) == ("failed", "template_invalid", True)
    good = await relay.send(channel="smpp", text=GOOD)
    (claimed,) = await relay.claim("sms")
    assert claimed.message_id == good
    line = relay.world.lines.get(claimed.line_id)
    assert line is not None
    assert send.submission(relay.world, line, claimed, relay.clock.now()).pattern == "48151"


async def test_the_code_of_a_refused_text_is_not_told(relay: Relay) -> None:
    await relay.line("sms", "smpp", patterned=("otp",))
    await pattern(relay, text="Your code: {0}", **{"class": "otp"})
    message = await relay.send(channel="smpp", text="Code 471100 is yours", **{"class": "otp"})
    assert (await relay.state(message))[1] == "template_invalid"
    assert "471100" not in str(await relay.told(message))


STATES = ["draft", "submitted", "refused", "expired"]


@pytest.mark.parametrize("state", STATES)
async def test_a_pattern_that_counts_no_more_stops_what_is_queued(relay: Relay, state: str) -> None:
    await relay.line("sms", "smpp", patterned=("service",))
    pattern_id = await pattern(relay)
    message = await relay.send(channel="smpp", text=GOOD)
    changed = msgspec.convert(SHIPPED | {"state": state, "reason": "withdrawn"}, PatternInput)
    await patterns_flows.change(
        relay.ground, relay.workspace_id, relay.lines["sms"].id, pattern_id, changed, ME, {DECIDE}
    )  # and nobody has read the lines again
    assert await relay.claim("sms") == []
    assert await relay.state(message) == ("failed", "template_invalid", True)


async def test_a_deleted_pattern_stops_what_is_queued(relay: Relay) -> None:
    await relay.line("sms", "smpp", patterned=("service",))
    pattern_id = await pattern(relay)
    message = await relay.send(channel="smpp", text=GOOD)
    await patterns_flows.delete(relay.ground, relay.workspace_id, relay.lines["sms"].id, pattern_id, ME)
    assert await relay.claim("sms") == []
    assert (await relay.state(message))[1] == "template_invalid"


async def test_patterns_are_those_of_one_line_and_class(relay: Relay) -> None:
    await relay.line("other", "smpp", patterned=("service",), price="9")
    await pattern(relay, "other")
    await relay.line("sms", "smpp", patterned=("service",))
    await pattern(relay, text="{0}: something else", name="x")
    await pattern(relay, text="Dear {0}, hello.", name="y", **{"class": "transactional"})
    assert (await refusal(relay, GOOD, channel="", line="sms"))[0] == "pattern"
    assert (await refusal(relay, "Dear Olena, hello.", channel="", line="sms"))[0] == "pattern"
    assert await refusal(relay, GOOD) == ("", "", "")  # by the dearer line, whose pattern it fits


async def test_the_owners_patterns_and_registrations_count_for_a_guest(relay: Relay) -> None:
    from angarium.accounts import flows as accounts

    line = await relay.line("sms", "smpp", patterned=("service",))
    await pattern(relay)
    guest = Relay.__new__(Relay)
    guest.__dict__ |= relay.__dict__ | {"lines": {}}
    guest.workspace_id = (await accounts.create_workspace(relay.ground, "club")).id
    await lines.lend(relay.ground, relay.workspace_id, line.id, guest.workspace_id)
    await lines.take(relay.ground, guest.workspace_id, line.id)
    await relay.world.lines.reload([relay.workspace_id, guest.workspace_id])
    assert await refusal(guest, GOOD) == ("", "", "")
    assert (await refusal(guest, OTHER))[0] == "pattern"
    message = await guest.send(channel="smpp", text=GOOD)
    await suspend(relay)
    assert await relay.claim("sms") == []
    assert (await guest.state(message))[1] == "no_line"
    told = str(await guest.told(message))
    assert "is suspended: complaints" in told


# ── a registration that ends while something is queued ───────────────────────────────────────────────


async def suspend(relay: Relay, name: str = "sms") -> None:
    """Suspend the only registration of a line; nobody reads the lines again."""
    line = relay.lines[name]
    (whole,) = await registration_flows.of_line(relay.ground, relay.workspace_id, line.id)
    given = Decision(reason="complaints")
    await registration_flows.decide(
        relay.ground, relay.workspace_id, line.id, whole.registration.id, "suspend", given, "key_reviewer"
    )


async def test_a_suspension_stops_what_is_queued_on_every_server_at_once(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp")
    await suspend(relay)
    known = relay.world.lines.get(relay.lines["sms"].id)
    assert known is not None
    assert known.approved  # as this server has read it
    assert await relay.claim("sms") == []
    assert await relay.state(message) == ("failed", "no_line", True)
    assert "is suspended: complaints" in str(await relay.told(message))
    assert isinstance(await relay.order(TO_SMPP), Problem)


TO_SMPP = {"to": {"phone": "+380501234567"}, "class": "service", "text": "x", "channel": "smpp"}


async def test_an_approval_that_runs_out_stops_what_is_queued_by_the_clock_alone(relay: Relay) -> None:
    line = await relay.line("sms", "smpp", registration="")
    under = relay.ground, relay.workspace_id, line.id
    draft = await relay.ground.db.run(_draft, relay, line.id)
    for verb, actor in (("submit", "key_owner"), ("review", "key_reviewer")):
        await registration_flows.decide(*under, draft, verb, Decision(), actor)
    until = Decision(valid_until=relay.clock.now() + 60_000_000)
    await registration_flows.decide(*under, draft, "approve", until, "key_reviewer")
    await relay.world.lines.reload([relay.workspace_id])
    first, second = await relay.send(channel="smpp"), await relay.send(channel="smpp")
    relay.clock.advance(59)
    assert [one.message_id for one in await relay.claim("sms", limit=1)] == [first]
    relay.clock.advance(1)
    assert await relay.claim("sms") == []
    assert (await relay.state(second))[1] == "no_line"
    assert "expired on" in str(await relay.told(second))
    assert await relay.ground.db.run(registration_flows.mature, relay.workspace_id, relay.clock.now()) == 1


async def _draft(tx: Any, relay: Relay, line_id: int) -> int:
    given = registration_flows.Told(classes=(MessageClass.SERVICE,))
    made = await registration_flows.create(tx, relay.ground, relay.workspace_id, line_id, given, "key_owner")
    return made.registration.id


async def test_a_line_that_is_gone_claims_nothing(relay: Relay) -> None:
    line = await relay.line("sms", "smpp")
    await relay.send(channel="smpp")
    await lines.delete(relay.ground, relay.workspace_id, line.id)
    assert await relay.claim("sms") == []


# ── over the API ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[tuple[Ground, Client, str]]:
    """Somebody who may do everything, and the address of the patterns of a line."""
    ground = ground_on(database)
    async with serving(ground, HANDLERS) as nobody:
        mine = await member(nobody, ground, "shop")
        settings = {"host": "127.0.0.1", "port": 2775, "system_id": "s", "password": "p", "source": "1"}
        body = {"name": "sms", "channel": "smpp", "settings": settings, "classes": ["service"]}
        line = await asked(mine, "POST", "/v1/lines", body, status=201)
        yield ground, mine, f"/v1/lines/{line['id']}/patterns"


async def test_there_and_back(desk: tuple[Ground, Client, str]) -> None:
    _, mine, under = desk
    made = await asked(mine, "POST", under, SHIPPED, status=201)
    path = f"{under}/{made['id']}"
    assert {name: made[name] for name in SHIPPED} == SHIPPED
    assert await asked(mine, "GET", path) == made
    assert (await asked(mine, "GET", f"{under}?state=approved&class=service"))["items"] == [made]
    assert (await asked(mine, "GET", f"{under}?state=draft"))["items"] == []
    changed = await asked(mine, "PUT", path, SHIPPED | {"text": "Order {0}.", "state": "submitted"})
    assert (changed["version"], changed["text"]) == (2, "Order {0}.")
    assert (await mine.ask("POST", under, SHIPPED)).fields["name"]["value"] == "shipped"
    await asked(mine, "DELETE", path, status=204)
    assert (await mine.ask("GET", path)).status == 404


async def test_what_counts_is_decided_by_those_who_may(desk: tuple[Ground, Client, str]) -> None:
    ground, mine, under = desk
    writer = mine.with_key(await key_for(ground, mine.workspace_id, "setup:write"), mine.workspace_id)
    assert (await writer.ask("POST", under, SHIPPED)).status == 403
    draft = await asked(writer, "POST", under, SHIPPED | {"state": "submitted"}, status=201)
    path = f"{under}/{draft['id']}"
    assert (await writer.ask("PUT", path, SHIPPED)).status == 403
    await asked(mine, "PUT", path, SHIPPED)
    assert (await writer.ask("PUT", path, SHIPPED | {"text": "{0} free!"})).status == 403
    rows = [SHIPPED | {"name": "a"}, SHIPPED | {"name": "b", "state": "draft"}]
    done = await asked(writer, "POST", f"{under}/import", {"patterns": rows})
    assert (done["created"], [row["row"] for row in done["wrong"]]) == (1, [1])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"syntax": "jinja"}, "syntax"),
    ({"text": "{0}"}, "text"),
    ({"text": ""}, "text"),
    ({"limits": {"9": {}}}, "text"),
    ({"limits": {"0": {"chars": "x"}}}, "limits[*].chars"),
    ({"state": "expired"}, "state"),
    ({"state": "refused"}, "reason"),
    ({"class": "gossip"}, "class"),
    ({"external_id": "x" * 101}, "external_id"),
]


async def test_what_is_wrong_is_named(desk: tuple[Ground, Client, str]) -> None:
    ground, mine, under = desk
    before = await everything_in(ground.db)
    for different, field in WRONG:
        heard = await mine.ask("POST", under, SHIPPED | different)
        assert (heard.status, list(heard.fields)) == (422, [field]), (different, heard)
        assert heard.fields[field]["remedy"]
    assert await everything_in(ground.db) == before


async def test_many_at_once_from_a_file(desk: tuple[Ground, Client, str]) -> None:
    _, mine, under = desk
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";")
    writer.writerow(["name", "class", "syntax", "text", "external_id", "state", "limits"])
    writer.writerow(["ok", "service", "braces", "Order {0}; ready", "1", "approved", '{"0": {"chars": 9}}'])
    writer.writerow(["bad", "service", "braces", "{0}", "2", "approved", ""])
    writer.writerow(["ok", "service", "braces", "twice {0}", "3", "approved", ""])
    writer.writerow(["cut", "service"])
    writer.writerow(["js", "service", "braces", "a {0}", "", "", "{"])
    body = ("\ufeff" + file.getvalue()).encode()
    for dry, total in (("?dry_run=true", 0), ("", 1)):
        heard = await mine.ask("POST", f"{under}/import{dry}", data=body, Content_Type="text/csv")
        assert heard.status == 200, heard
        told = heard.json
        assert (told["created"], told["changed"], told["dry_run"]) == (1, 0, dry != "")
        wrong = {row["row"]: row["errors"][0]["field"] for row in told["wrong"]}
        assert wrong == {2: "text", 3: "name", 4: "row", 5: "limits"}
        assert len((await asked(mine, "GET", under))["items"]) == total
    again = await mine.ask("POST", f"{under}/import", data=body, Content_Type="text/csv")
    assert (again.json["created"], again.json["same"]) == (0, 1)
    for body in (b"\xff\xfe", b"colour;name\nred;x\n", b'name\n"open', b""):
        heard = await mine.ask("POST", f"{under}/import", data=body, Content_Type="text/csv")
        assert (heard.status, heard.json["errors"][0]["field"]) == (422, "body"), body


async def test_a_text_is_tried(desk: tuple[Ground, Client, str]) -> None:
    _, mine, under = desk
    nothing = await asked(mine, "POST", f"{under}/match", {"class": "service", "text": GOOD})
    assert (nothing["fits"], nothing["nearest"]) == (None, None)
    await asked(mine, "POST", under, SHIPPED, status=201)
    fitting = await asked(mine, "POST", f"{under}/match", {"class": "service", "text": GOOD})
    assert fitting["fits"]["external_id"] == "48151"
    near = await asked(mine, "POST", f"{under}/match", {"class": "service", "text": GOOD[:-1] + " now."})
    assert (near["nearest"]["name"], near["edits"]) == ("shipped", 2)
    assert near["pieces"]
    assert "braces" in [one["key"] for one in (await asked(mine, "GET", "/v1/pattern-syntaxes"))["items"]]
