"""From facts to notices: each is told once, whoever is killed; to whom it matters, until it is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from angarium.accounts.flows import Caller
from angarium.accounts.rules import SCOPES
from angarium.campaigns import flows as campaigns
from angarium.content import flows as templates
from angarium.content import review as wording
from angarium.content.flows import Deed, TemplateInput
from angarium.content.rules import Variant
from angarium.core import ids
from angarium.core.values import Content
from angarium.messaging import outages, unknowns
from angarium.messaging.outages import STILL_S, Heard, Outages
from angarium.messaging.unknowns import Order, Ruling
from angarium.notices import api, flows
from angarium.notices.runner import Teller
from angarium.notices.store import Shown, Wanted
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from support.marketer import Marketer
from support.relay import NO_ANSWER, Relay
from support.server import Client, everything_in, key_for, serving

AUTUMN, WINTER = 501, 502  # campaigns, as far as the log tells


async def happen(relay: Relay, kind: str, subject_id: int, **body: Any) -> None:
    """Something is written into the log."""
    told = Fact(relay.workspace_id, kind, subject_id, relay.clock.now(), msgspec.json.encode(body))
    await relay.ground.db.run(facts.append, [told])


async def pause(relay: Relay, campaign_id: int = AUTUMN, name: str = "Autumn") -> None:
    """A campaign pauses by itself."""
    await happen(relay, "campaign.paused", campaign_id, name=name, by="", reason="failing")


async def tell(relay: Relay, limit: int = 2) -> None:
    """All that is new is told, and what is counted is looked at."""
    given = (relay.world, relay.workspace_id)
    while await relay.ground.db.run(flows.follow, *given, limit, relay.clock.now()):
        pass
    await relay.ground.db.run(flows.look, *given, relay.clock.now())


def person(relay: Relay, number: int = 1, *scopes: str) -> Caller:
    """Somebody who may see all, or what these scopes let them."""
    return Caller(relay.workspace_id, 0, frozenset(scopes or SCOPES), person_id=number)


async def shown(relay: Relay, caller: Caller, only: str = "", kind: str = "") -> list[Shown]:
    """What somebody sees."""
    return await flows.page(relay.ground, caller, Wanted(only), kind, 100)


async def kinds(relay: Relay, caller: Caller, only: str = "") -> list[str]:
    """The kinds of it."""
    return [one.notice.kind for one in await shown(relay, caller, only)]


async def test_each_thing_is_told_once_whoever_is_killed_and_however_many_tell(relay: Relay) -> None:
    class Killed(Exception):
        pass

    async def killed(tx: Transaction) -> None:
        assert await flows.follow(tx, relay.world, relay.workspace_id, 100, relay.clock.now()) == 3
        raise Killed

    await pause(relay)
    await pause(relay, WINTER, "Winter")
    await pause(relay)
    with pytest.raises(Killed):
        await relay.ground.db.run(killed)
    assert await shown(relay, person(relay)) == []
    given = (relay.world, relay.workspace_id, 2, relay.clock.now())
    await asyncio.gather(*(relay.ground.db.run(flows.follow, *given) for _ in range(4)))
    await tell(relay)
    told = {one.notice.about: one.notice.count for one in await shown(relay, person(relay))}
    assert told == {ids.show("campaign", AUTUMN): 2, ids.show("campaign", WINTER): 1}
    log, _ = await relay.ground.db.read(facts.seldom_after, relay.workspace_id, facts.START, 100)
    assert flows.TOLD in {one.kind for one in log}, "open pages hear of it"


async def test_what_goes_on_needs_nobody_and_calls_again_when_it_stops_again(relay: Relay) -> None:
    olena = person(relay)
    await pause(relay)
    await tell(relay)
    assert await kinds(relay, olena, "person") == ["campaign_paused"]
    await happen(relay, "campaign.resumed", AUTUMN, name="Autumn", by="per_x")
    await tell(relay)
    assert await kinds(relay, olena, "person") == []
    assert await flows.unread(relay.ground, olena) == 0
    relay.clock.advance(60)
    await pause(relay)
    await tell(relay)
    (one,) = await shown(relay, olena, "unread")
    assert (one.notice.count, one.notice.settled_at, one.read) == (2, None, False)


async def test_what_two_people_read_and_do_not_want_is_their_own(relay: Relay) -> None:
    olena, narges = person(relay, 1), person(relay, 2)
    await pause(relay)
    await pause(relay, WINTER)
    await happen(relay, "campaign.done", AUTUMN, name="Autumn", by="")
    await tell(relay)
    assert await kinds(relay, olena) == ["campaign_done", "campaign_paused", "campaign_paused"]
    newest, other, _ = await shown(relay, olena)
    await flows.read(relay.ground, olena, [other.notice.id, 1], None)
    assert await flows.unread(relay.ground, olena) == 1, "one is settled, one is read"
    assert await flows.unread(relay.ground, narges) == 2
    await flows.read(relay.ground, olena, [], newest.notice.id)
    assert await kinds(relay, olena, "unread") == []
    await flows.mute(relay.ground, narges, ["campaign_paused"])
    assert await kinds(relay, narges) == ["campaign_done"]
    assert await flows.unread(relay.ground, narges) == 1
    assert len(await shown(relay, narges, kind="campaign_paused")) == 2, "who asks for them is shown them"
    relay.clock.advance(1)
    await pause(relay, WINTER)
    await tell(relay)
    assert await kinds(relay, olena, "unread") == ["campaign_paused"], "it called again"


async def test_whoever_lacks_the_scope_or_did_it_themselves_is_not_told(relay: Relay) -> None:
    author, reviewer = person(relay, 1), person(relay, 2, "templates:decide")
    await happen(relay, "template.submit", 9, name="shipped", actor=author.actor, state="in_review")
    await happen(relay, "export.done", 10, by=author.actor, source="", rows=3)
    await tell(relay)
    assert await kinds(relay, reviewer) == ["template_submitted"]
    assert await kinds(relay, author) == ["export_ready"]
    assert await kinds(relay, person(relay, 3)) == ["template_submitted"]
    assert await kinds(relay, person(relay, 4, "messages:read")) == []


async def silent(relay: Relay) -> int:
    """A message that was never answered, and about which nothing follows by itself."""
    message_id = await relay.send(**{"class": "promotional"}, line="sms")
    await relay.take("sms", NO_ANSWER)
    await relay.wait(90)
    return message_id


async def test_many_unknown_messages_are_one_notice_of_their_line(relay: Relay) -> None:
    olena = person(relay)
    await relay.line("sms", "smpp", classes=("promotional",))
    messages = [await silent(relay) for _ in range(2)]
    await tell(relay)
    (one,) = await shown(relay, olena, "unread")
    assert (one.notice.kind, one.notice.count, one.notice.says["name"]) == ("unknown", 2, "sms")
    messages.append(await silent(relay))
    await tell(relay)
    (same,) = await shown(relay, olena)
    assert (same.notice.id, same.notice.count) == (one.notice.id, 3), "it does not call for each"
    orders = [Order(message, Ruling.SENT, "asked", "per_1") for message in messages]
    given = (relay.world, relay.workspace_id, orders, relay.clock.now())
    await relay.ground.db.run(unknowns.decide, *given)
    await tell(relay)
    assert await kinds(relay, olena, "person") == []


async def test_nothing_is_told_of_what_happens_to_messages(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.contact()
    await relay.send(line="sms")
    await relay.take("sms")
    await tell(relay)
    assert await shown(relay, person(relay)) == []
    log, _ = await relay.ground.db.read(facts.seldom_after, relay.workspace_id, facts.START, 100)
    assert {one.kind.partition(".")[0] for one in log} == {"line"}


async def test_a_line_that_stops_and_works_again(relay: Relay) -> None:
    line, watch = await relay.line("sms", "smpp"), Outages(relay.world)
    away, well = {line.id: Heard(False, "connecting: refused")}, {line.id: Heard(True, "connected")}
    for heard in (away, away, {line.id: Heard(None)}, away):
        await watch.look(heard)
        relay.clock.advance(STILL_S)
    await watch.look(away)
    await tell(relay)
    (one,) = await shown(relay, person(relay), "person")
    assert (one.notice.kind, one.notice.says["why"]) == ("line_stopped", "connecting: refused")
    after = Outages(relay.world)  # the server was started anew
    await after.look(well)
    await tell(relay)
    assert await kinds(relay, person(relay), "unread") == ["line_works"]
    await after.look(well)
    found = await relay.ground.db.read(
        facts.earlier, relay.workspace_id, [line.id], (outages.STOPPED, outages.WORKS), outages.END
    )
    assert sorted(one.kind for one in found) == ["line.stopped", "line.works"]


async def test_a_line_that_is_switched_off_or_deleted_needs_nobody(relay: Relay) -> None:
    line, watch = await relay.line("sms", "smpp"), Outages(relay.world)
    for _ in range(2):
        await watch.look({line.id: Heard(False, "refused")})
        relay.clock.advance(STILL_S)
    await relay.world.lines.reload([])  # as after it was deleted
    await watch.look({})
    await tell(relay)
    (one,) = await shown(relay, person(relay))
    assert one.notice.settled_at is not None


async def test_what_the_rooms_write_is_understood(relay: Relay) -> None:
    """The facts of deeds as they are really done: a wording reviewed, a campaign that pauses and goes on."""
    ground, author, reviewer = relay.ground, person(relay, 1), person(relay, 2)

    async def review(tx: Transaction) -> None:
        given = TemplateInput("shipped", (Variant(Content(text="on its way")),), publish=False)
        done = [Deed(one.actor, relay.clock.now(), "shorter, please") for one in (author, reviewer)]
        found = await templates.create(tx, ground, relay.workspace_id, given, done[0])
        await wording.submit(tx, ground, found, None, [], done[0])
        await wording.request_changes(tx, ground, found, None, done[1])

    async def campaign(tx: Transaction) -> None:
        await campaigns.pause(
            tx, relay.workspace_id, campaign_id, campaigns.Deed("", relay.clock.now()), "failing"
        )

    marketer = await Marketer(relay).open(people=1)
    campaign_id = await marketer.write()
    await ground.db.run(review)
    await ground.db.run(
        campaigns.start,
        relay.world,
        relay.workspace_id,
        campaign_id,
        campaigns.Deed(author.actor, relay.clock.now()),
    )
    await ground.db.run(campaign)
    await tell(relay)
    told = [
        (one.notice.kind, one.notice.says.get("note") or one.notice.says.get("reason"))
        for one in await shown(relay, author, "unread")
    ]
    assert told == [("campaign_paused", "failing"), ("template_changes", "shorter, please")]
    assert await kinds(relay, reviewer, "person") == ["campaign_paused"], "what they decided is settled"


async def test_what_was_kept_long_enough_goes(relay: Relay) -> None:
    async def workspaces() -> list[int]:
        return [relay.workspace_id]

    teller, olena = Teller(relay.world, workspaces), person(relay)
    await pause(relay)
    await teller.work()
    (one,) = await shown(relay, olena)
    await flows.read(relay.ground, olena, [one.notice.id], None)
    relay.clock.advance(flows.UNREAD_S + 1)
    await pause(relay, WINTER)
    await teller.work()
    relay.clock.advance(flows.KEPT_S - flows.UNREAD_S)
    assert await flows.unread(relay.ground, olena) == 0, "what is older than a month counts as read"
    await teller.work()
    assert [one.notice.about for one in await shown(relay, olena)] == [ids.show("campaign", WINTER)]
    assert (await everything_in(relay.ground.db))["notice_read"] == []


# ── the API ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def client(relay: Relay) -> AsyncIterator[Client]:
    """Somebody whose key may see lines and messages, and write campaigns."""
    async with serving(relay.ground, api.HANDLERS) as nobody:
        key = await key_for(relay.ground, relay.workspace_id, "setup:read", "messages:read", "messages:write")
        yield nobody.with_key(key, relay.workspace_id)


async def test_the_api_lists_counts_and_marks(relay: Relay, client: Client) -> None:
    for campaign_id in range(1, 4):
        await pause(relay, campaign_id, f"C{campaign_id}")
    await happen(relay, "campaign.done", 4, name="C4", by="")
    await tell(relay)
    first = (await client.ask("GET", "/v1/notices?limit=3")).json
    rest = (await client.ask("GET", f"/v1/notices?limit=3&cursor={first['next']}")).json
    assert [one["says"]["name"] for one in first["items"] + rest["items"]] == ["C4", "C3", "C2", "C1"]
    assert rest["next"] is None
    paused = first["items"][1]
    assert (paused["path"], paused["weight"]) == (f"/campaigns/{ids.show('campaign', 3)}", "person")
    assert (await client.ask("GET", "/v1/notices/unread")).json == {"unread": 4, "more": False}
    marked = await client.ask("POST", "/v1/notices/read", {"ids": [paused["id"]]})
    assert marked.json["unread"] == 3
    left = (await client.ask("GET", "/v1/notices?only=person")).json["items"]
    assert [(one["says"]["name"], one["read"]) for one in left] == [
        ("C3", True),
        ("C2", False),
        ("C1", False),
    ]
    muted = await client.ask("PUT", "/v1/notices/kinds", {"muted": ["campaign_paused"]})
    assert [one["kind"] for one in muted.json["items"] if one["muted"]] == ["campaign_paused"]
    assert "template_submitted" not in {one["kind"] for one in muted.json["items"]}
    assert len((await client.ask("GET", "/v1/notices")).json["items"]) == 1
    all_read = await client.ask("POST", "/v1/notices/read", {"until": first["items"][0]["id"]})
    assert all_read.json == {"unread": 0, "more": False}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/v1/notices/read", {"ids": ["msg_05a58xarj0000"]}, "ids[0]"),
        ("POST", "/v1/notices/read", {"until": "x"}, "until"),
        ("PUT", "/v1/notices/kinds", {"muted": ["weather"]}, "muted[0]"),
        ("GET", "/v1/notices?kind=weather", None, "kind"),
        ("GET", "/v1/notices?only=mine", None, "only"),
    ],
)
async def test_what_cannot_be_is_named(client: Client, method: str, path: str, body: Any, field: str) -> None:
    answer = await client.ask(method, path, body)
    assert (answer.status, list(answer.fields)) == (422, [field])


async def test_more_than_are_counted(relay: Relay, client: Client) -> None:
    for number in range(1, 121):
        await pause(relay, number)
    await tell(relay, 500)
    assert (await client.ask("GET", "/v1/notices/unread")).json == {"unread": 99, "more": True}
