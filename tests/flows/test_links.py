"""Links that are counted, from the message that carries them to whoever follows them."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections import Counter
from typing import Any

import msgspec
import pytest

from angarium.accounts import flows
from angarium.contacts.activity import Event
from angarium.contacts.store import activity
from angarium.core import ids
from angarium.core.ports import Accepted
from angarium.core.problems import Problem
from angarium.core.values import MessageClass
from angarium.lines import patterns_flows
from angarium.lines.patterns_flows import DECIDE, PatternInput
from angarium.messaging import (
    chronicle,
    erasing,
    link_pages,
    links_api,
    pages,
    reconcile,
    report,
    telling,
    visits,
)
from angarium.messaging.api import Desk
from angarium.messaging.case import open_content
from angarium.messaging.robots import Visitor
from angarium.messaging.store import links as store
from angarium.messaging.store import messages as message_store
from angarium.messaging.straight import Straight
from angarium.messaging.telling import Person, Telling
from angarium.messaging.timeline import Names, timeline
from angarium.messaging.tracking import names
from angarium.messaging.visits import Visits
from angarium.messaging.words import plain
from angarium.messaging.workers import Engine
from angarium.storage.database import Transaction
from support.relay import Relay
from support.server import Client, everything_in, key_for, serving

BASE = "https://go.shop.example"
BROWSER = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36"
SHOP, OTHER = "https://firm.example/orders/7", "https://firm.example/terms"
TEXT = f"Order 7: {SHOP} Terms: {OTHER}"
SHORT = re.compile(rf"{BASE}/([lo])/([0-9A-Za-z]{{11}})")
BOTH = ("service", "promotional", "otp")


async def tracking(relay: Relay, **given: Any) -> None:
    """Clicks and opens of service messages are counted."""
    usual = {"track_clicks": ["service"], "track_opens": ["service"], "base_url": BASE}
    await relay.policy("links", **usual | given)


async def said(relay: Relay, message_id: int, attempt: int = 0) -> str:
    """What stood in an attempt: its text, or its HTML."""
    content = (await relay.told(message_id))["attempts"][attempt]["content"]
    return content.get("html") or content["text"]


async def tokens(relay: Relay, message_id: int, attempt: int = 0) -> list[str]:
    """The tokens in it."""
    return [found[2] for found in SHORT.finditer(await said(relay, message_id, attempt))]


class Street:
    """Whoever follows links, over HTTP."""

    def __init__(self, relay: Relay, client: Client, engine: Engine) -> None:
        self.relay, self.client, self.engine = relay, client, engine

    async def follow(self, token: str, agent: str = BROWSER, method: str = "GET", **headers: str) -> Any:
        """Follow a link."""
        return await self.client.ask(method, f"/l/{token}", User_Agent=agent, **headers)

    async def counted(self, seconds: float = 5.0) -> None:
        """Time passes, and what came is written."""
        self.relay.clock.advance(seconds)
        await self.engine.visits.write(self.relay.clock.now())

    async def links(self, label: str) -> Any:
        """What the API tells of a label."""
        return (await self.client.ask("GET", f"/v1/links?label={label}")).json


@pytest.fixture
async def street(relay: Relay) -> Any:
    """A shop that counts, and its server on a real socket."""
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1", addresses=[
        {"kind": "phone", "value": "+380501234567"}, {"kind": "email", "value": "anna@example.com"}
    ])  # fmt: skip
    await tracking(relay)

    async def workspaces() -> list[int]:
        return [relay.workspace_id]

    engine = Engine(relay.world, workspaces)
    desk = Desk(relay.world, engine)
    handlers = [*link_pages.HANDLERS, *links_api.HANDLERS, *pages.HANDLERS]
    async with serving(relay.ground, handlers, services={"messages": desk}) as client:
        client.key = await key_for(relay.ground, relay.workspace_id)
        yield Street(relay, client, engine)


async def test_a_person_is_led_on_and_counted_once_as_a_person(street: Street) -> None:
    relay = street.relay
    message = await relay.send(channel="smpp", text=TEXT, label="autumn")
    await relay.take("sms")
    first, second = await tokens(relay, message)
    relay.clock.advance(60)
    answer = await street.follow(first)
    assert (answer.status, answer.headers["location"], answer.body) == (302, SHOP, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers
    await street.follow(first)
    await street.counted()
    await street.follow(first, "WhatsApp/2.24")
    head = await street.follow(first, method="HEAD")
    assert (head.status, head.headers["location"]) == (302, SHOP)
    await street.follow(first, Sec_Purpose="prefetch")
    await street.follow(second, "curl/8.5")
    await street.counted()

    told = await relay.told(message)
    assert [(one["kind"], one["url"], one["times"], one["robots"]) for one in told["links"]] == [
        ("click", SHOP, 2, {"head": 1, "prefetch": 1, "preview": 1}),
        ("click", OTHER, 0, {"program": 1}),
    ]
    clicked = [event for event in told["timeline"] if event["event"] == "clicked"]
    assert [(one["url"], one["channel"], one["line"]) for one in clicked] == [(SHOP, "smpp", "sms")]
    assert told["state"] == "sent"
    events = timeline(told, Names({"smpp": "SMS"}, {"sms": "smpp"})).events
    assert plain(events[-1].said) == f"The person followed a link: {SHOP}"

    ticket = flows.ticket(relay.ground, relay.workspace_id)
    page = await street.client.with_key("").ask(
        "GET", f"/messages/{told['id']}", Cookie=f"angarium_session={ticket}", Accept="text/html"
    )
    shown = re.sub(r"<[^>]+>", "", page.body.decode())
    assert f"{SHOP} by the person: 2 · by programs: 3" in shown
    assert f"{OTHER} by the person: 0 · by programs: 1" in shown

    answer = await street.links("autumn")
    assert [(one["url"], one["people"], one["clicks"], one["robots"]) for one in answer["items"]] == [
        (SHOP, 1, 2, {"head": 1, "prefetch": 1, "preview": 1}),
        (OTHER, 0, 0, {"program": 1}),
    ]
    assert (answer["next"], answer["opens"]) == (None, None)
    first_one = (await street.client.ask("GET", "/v1/links?label=autumn&limit=1")).json
    further = f"/v1/links?label=autumn&limit=1&cursor={first_one['next']}"
    rest = (await street.client.ask("GET", further)).json
    assert [one["url"] for one in first_one["items"] + rest["items"]] == [SHOP, OTHER]
    (of_class,) = (
        await street.client.ask("GET", "/v1/links/classes?created_from=2000-01-01T00:00:00Z")
    ).json["items"]
    assert (of_class["class"], of_class["clicked"], of_class["clicks"]) == ("service", 1, 2)
    assert sum(of_class["robots"].values()) == 4
    while (await relay.ground.db.run(chronicle.follow, relay.workspace_id, 100)).facts:
        pass
    contact_id = (await relay.contact(external_id="c1")).id
    done = await relay.ground.db.read(activity.of_contact, relay.workspace_id, contact_id)
    clicked_too = [one.channel for one in done if one.event is Event.CLICKED and not one.topic.label]
    assert clicked_too == ["smpp"]


async def test_haste_is_no_person(street: Street) -> None:
    relay = street.relay
    early = await relay.send(channel="smpp", text=TEXT)
    await relay.take("sms")
    await street.follow((await tokens(relay, early))[0])
    scanned = await relay.send(channel="smpp", text=TEXT)
    await relay.take("sms")
    relay.clock.advance(60)
    for token in await tokens(relay, scanned):
        await street.follow(token)
        relay.clock.advance(0.5)
    await street.counted()
    robots = [one["robots"] for one in (await relay.told(early))["links"]]
    assert robots == [{"early": 1}, {}]
    told = await relay.told(scanned)
    assert [(one["times"], one["robots"]) for one in told["links"]] == [(0, {"burst": 1})] * 2
    assert not [event for event in told["timeline"] if event["event"] == "clicked"]
    await street.follow((await tokens(relay, scanned))[0])  # a minute later the person comes
    await street.counted()
    assert (await relay.told(scanned))["links"][0]["times"] == 1


async def test_mail_that_is_opened(street: Street) -> None:
    relay = street.relay
    await relay.line("mail", "smtp")
    html = f'<html><body><a href="{SHOP}">Autumn</a></body></html>'
    variants = [{"content": {"subject": "Autumn", "text": f"See {SHOP}", "html": html}}]
    words = {"text": "", "variants": variants, "label": "autumn"}
    message = await relay.send(to={"email": "anna@example.com"}, channel="smtp", **words)
    await relay.take("mail")
    page = await said(relay, message)
    (kind, link), (other, picture) = SHORT.findall(page)
    assert (kind, other) == ("l", "o")
    text = (await relay.told(message))["attempts"][0]["content"]["text"]
    assert text == f"See {BASE}/l/{link}"  # one token in both
    relay.clock.advance(60)
    for agent in (BROWSER, "Mozilla/5.0", "Firefox/11.0 (via ggpht.com GoogleImageProxy)"):
        answer = await street.client.ask("GET", f"/o/{picture}.gif", User_Agent=agent)
        assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
        assert (answer.headers["cache-control"], answer.body[:6]) == ("no-store", b"GIF89a")
    assert (await street.client.ask("GET", f"/o/{link}.gif")).status == 404
    assert (await street.follow(picture)).status == 404
    await street.counted()
    told = await relay.told(message)
    machines = {"apple_privacy": 1, "google_proxy": 1}
    assert [(one["kind"], one["times"], one["robots"]) for one in told["links"]] == [
        ("open", 1, machines),
        ("click", 0, {}),
    ]
    assert "opened" in [event["event"] for event in told["timeline"]]
    opens = (await street.links("autumn"))["opens"]
    assert (opens["people"], opens["opens"], opens["machines"]) == (1, 1, machines)


async def test_one_token_over_all_steps_and_what_counts_is_what_is_sent(street: Street) -> None:
    relay = street.relay
    await relay.line("viber", "viber_business", classes=BOTH)
    content = {"text": "Autumn", "buttons": [{"label": "Go", "url": SHOP}]}
    steps = [{"channel": "viber_business", "wait_s": 60}, {"channel": "smpp"}]
    message = await relay.send(steps=steps, text="", variants=[{"content": content}])
    await relay.take("viber")
    await relay.wait(61)
    (claimed,) = await relay.claim("sms")
    first, second = (await relay.told(message))["attempts"]
    button = first["content"]["buttons"][0]["url"]
    assert second["content"]["text"] == f"Autumn\nGo: {button}"
    assert SHORT.fullmatch(button)
    assert open_content(relay.world, claimed).text == second["content"]["text"]
    assert len((await everything_in(relay.ground.db))["link"]) == 1
    long = "x" * 120 + " https://firm.example/" + "y" * 60  # two parts as written, one as sent
    await relay.send(channel="smpp", text=long)
    (short,) = await relay.claim("sms")
    assert short.parts == 1


async def test_nothing_is_written_where_nothing_is_counted(street: Street) -> None:
    relay = street.relay
    await relay.policy("links", base_url=BASE)
    await relay.send(channel="smpp", text=TEXT)
    await tracking(relay)
    await relay.send(channel="smpp", text=TEXT, track=False)
    code = await relay.send(channel="smpp", text=f"7001 {SHOP}", **{"class": "otp"})
    await relay.send(channel="smpp", text="no link")
    for attempt in await relay.claim("sms"):
        assert BASE not in open_content(relay.world, attempt).text, attempt.message_id == code
    assert not (await everything_in(relay.ground.db))["link"]
    await relay.policy("links", base_url=BASE)
    asked = await relay.send(channel="smpp", text=TEXT, track=True)
    assert len(await tokens(relay, asked)) == 2


@pytest.mark.parametrize(("base_url", "message_class"), [("", "service"), (BASE, "otp")])
async def test_what_asks_to_be_counted_and_cannot_be(
    street: Street, base_url: str, message_class: str
) -> None:
    relay = street.relay
    await relay.policy("links", base_url=base_url)
    body = {"to": {"phone": "+380501234567"}, "class": message_class, "text": TEXT, "channel": "smpp"}
    refused = await relay.order(body | {"track": True})
    assert isinstance(refused, Problem)
    assert [one.field for one in refused.fields] == ["track"]


async def test_tokens_that_are_none_of_ours(street: Street) -> None:
    for token in ("AAAAAAAAAAA", "zzzzzzzzzzz", "x", "..", "%00", "a" * 5_000):
        answer = await street.client.ask("GET", f"/l/{token}", Accept_Language="fa-IR,fa;q=0.9,en;q=0.8")
        assert answer.status == 404, token
    page = await street.client.ask("GET", "/l/AAAAAAAAAAA", Accept_Language="fa-IR,fa;q=0.9,en;q=0.8")
    assert 'dir="rtl"' in page.body.decode()
    assert page.headers["content-type"].startswith("text/html")
    answers = [await street.client.ask("GET", "/l/AAAAAAAAAAA") for _ in range(70)]
    assert answers[-1].status == 429
    assert not len(street.engine.visits)


async def test_an_address_of_one_person_goes_with_them_and_old_links_lead_nowhere(street: Street) -> None:
    relay = street.relay
    other = await relay.contact(external_id="c2", addresses=[{"kind": "phone", "value": "+380501234599"}])
    own, shared = "https://firm.example/me?who=anna", SHOP
    mine = [await relay.send(channel="smpp", text=f"{own} {shared}", label="x") for _ in range(2)]
    theirs = await relay.send(to={"contact": ids.show("contact", other.id)}, channel="smpp", text=shared)
    for attempt in await relay.claim("sms"):
        await relay.answer(attempt, Accepted((str(attempt.id),)))
    relay.clock.advance(60)
    token, _ = await tokens(relay, mine[0])
    await street.follow(token)
    await street.counted()
    contact_id = (await relay.contact(external_id="c1")).id
    assert own in [one["url"] for one in (await street.links("x"))["items"]]
    await erasing.erase(relay.world, relay.workspace_id, contact_id, "key_test")
    rows = await everything_in(relay.ground.db)
    assert [row[3] for row in rows["link"]] == [shared]
    assert not any("anna" in str(row) for table in rows for row in rows[table])
    assert (await street.follow(token)).status == 404
    (left,) = (await street.links("x"))["items"]
    assert (left["url"], left["people"], left["clicks"]) == ("", 1, 1)
    assert own not in msgspec.json.encode(await relay.told(mine[0])).decode()
    (kept,) = await tokens(relay, theirs)
    assert (await street.follow(kept)).status == 302
    await tracking(relay, keep_days=30)
    relay.clock.advance(29 * 86_400.0)
    await reconcile.tidy(relay.world, relay.workspace_id)
    assert (await street.follow(kept)).status == 302
    relay.clock.advance(4 * 86_400.0)
    await reconcile.tidy(relay.world, relay.workspace_id)
    assert (await street.follow(kept)).status == 404
    assert not (await everything_in(relay.ground.db))["link"]


REGISTERED = [  # what the operator registered, and how the text goes out
    (f"Dear {{0}}, look: {SHOP}", f"Dear Anna, look: {SHOP}"),
    ("Dear {0}, look: {1}", None),
]


@pytest.mark.parametrize(("pattern", "goes"), REGISTERED)
async def test_a_registered_link_stays_as_it_is(street: Street, pattern: str, goes: str | None) -> None:
    relay = street.relay
    await relay.line("registered", "smpp", classes=BOTH, patterned=["service"])
    described = {"name": "look", "class": "service", "syntax": "braces", "text": pattern}
    given = msgspec.convert(described | {"external_id": "1", "state": "approved"}, PatternInput)

    async def work(tx: Transaction) -> None:
        place = (relay.workspace_id, relay.lines["registered"].id)
        await patterns_flows.create(tx, relay.ground, *place, given, "key_test", {DECIDE})

    await relay.ground.db.run(work)
    await relay.world.lines.reload([relay.workspace_id])
    message = await relay.send(line="registered", text=f"Dear Anna, look: {SHOP}")
    await relay.take("registered")
    text = await said(relay, message)
    assert text == goes or (goes is None and SHORT.search(text))
    assert bool((await everything_in(relay.ground.db))["link"]) is (goes is None)


async def test_those_above_the_bound_are_led_on_and_not_counted(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, gathered = street.relay, street.engine.visits
    monkeypatch.setattr(visits, "WAITING_MAX", 2)
    message = await relay.send(channel="smpp", text=TEXT)
    await relay.take("sms")
    relay.clock.advance(60)
    (token, _) = await tokens(relay, message)
    assert [(await street.follow(token)).status for _ in range(3)] == [302] * 3
    assert (len(gathered), gathered.lost) == (2, 1)
    await street.counted()
    assert len(gathered) == 0
    assert (await relay.told(message))["links"][0]["times"] == 2


async def test_two_servers_that_see_the_same_link_at_once_tell_of_it_once(street: Street) -> None:
    relay = street.relay
    message = await relay.send(channel="smpp", text=TEXT, label="x")
    await relay.take("sms")
    relay.clock.advance(60)
    link_id = names(relay.ground).read((await tokens(relay, message))[0])
    assert link_id is not None
    found = await relay.ground.db.read(store.by_id, link_id)
    assert found is not None
    servers = [Visits(relay.world, Counter()) for _ in range(4)]
    for _ in range(3):
        for server in servers:
            server.add(found, Visitor.PERSON)
        await asyncio.gather(*(server.write() for server in servers))
    told = await relay.told(message)
    assert [event["event"] for event in told["timeline"]].count("clicked") == 1
    assert [one["times"] for one in told["links"]] == [12, 0]


async def test_the_report_and_the_export_of_a_label_have_them(street: Street) -> None:
    relay = street.relay
    messages = [await relay.send(channel="smpp", text=TEXT, label="x") for _ in range(3)]
    for attempt in await relay.claim("sms"):
        await relay.answer(attempt, Accepted((str(attempt.id),)))
    relay.clock.advance(60)
    await street.follow((await tokens(relay, messages[0]))[0])
    await street.follow((await tokens(relay, messages[1]))[0], "curl/8")
    await street.counted()
    summed = await relay.ground.db.read(report.report, relay.world, relay.workspace_id, "x")
    assert (summed["total"], summed["opened"], summed["clicked"]) == (3, 0, 1)
    pieces = [piece async for piece in report.export(relay.world, relay.workspace_id, "x")]
    rows = list(csv.DictReader(io.StringIO("".join(pieces))))
    clicked = {row["message"] for row in rows if row["clicked_at"]}
    assert clicked == {ids.show("message", messages[0])}


async def test_those_who_are_told_by_the_thousand_have_links_of_their_own(street: Street) -> None:
    relay = street.relay
    await relay.template("sale", f"Order {{{{ contact.name }}}}: {SHOP}")
    people = [
        await relay.contact(
            external_id=f"m{n}", name=f"N{n}", addresses=[{"kind": "phone", "value": f"+38050{n:07}"}]
        )
        for n in range(5)
    ]
    before = await relay.send(template="sale", text="", channel="smpp", track=False)
    (made,) = await relay.ground.db.read(message_store.by_ids, relay.workspace_id, [before])
    versions = (made.template_version_id, made.cascade_version_id)
    await relay.claim("sms")

    async def tell(tx: Transaction, track: bool | None) -> None:
        one = Telling(MessageClass.SERVICE, *versions, "sale", 3_600.0, track=track)
        everybody = [Person(each.id) for each in people]
        await telling.tell(
            tx, Straight(relay.world), relay.world, relay.workspace_id, one, everybody, relay.clock.now()
        )

    await relay.ground.db.run(tell, None)
    texts = {open_content(relay.world, attempt).text for attempt in await relay.claim("sms")}
    links = {found[2] for text in texts for found in SHORT.finditer(text)}
    assert len(texts) == len(links) == len(people)
    assert len((await everything_in(relay.ground.db))["link"]) == len(people)
    await relay.ground.db.run(tell, False)
    assert {SHOP in open_content(relay.world, attempt).text for attempt in await relay.claim("sms")} == {True}
