"""How long the console's pages take with many contacts and messages: whole pages, over HTTP, on SQLite."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median

import aiohttp
import click
import msgspec
from sqlalchemy import select

from angarium.accounts import flows as accounts
from angarium.accounts import people
from angarium.accounts.reach import WHOLE
from angarium.accounts.roles import Role
from angarium.assembly import House, application, assemble
from angarium.campaigns import flows as campaigns
from angarium.campaigns.wanted import CampaignInput
from angarium.config import Settings
from angarium.contacts.audience import Audience
from angarium.contacts.store.tables import address, contact
from angarium.content import flows as templates
from angarium.content import review
from angarium.content.flows import Deed, TemplateInput
from angarium.content.rules import Variant
from angarium.core import ids
from angarium.core.values import Content, MessageClass
from angarium.lines import flows as lines
from angarium.messaging import course
from angarium.messaging.cascade import Step
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.migrate import migrate
from angarium.web.server import Server
from bench import history
from bench.crowd import MODELS, gather
from bench.heaps import heap
from bench.history import Place
from bench.stage import sms_line

RUNS = 15
PAGES = (
    "/home",
    "/messages",
    "/messages?state=delivered",
    "/messages?state=cancelled",  # of which there are few
    "/messages?label=campaign-7",
    "/messages?contact={phone}",
    "/messages?waiting=receipt",
    "/unknowns",
    "/contacts",
    "/contacts?q=Customer",
    "/contacts?q=customer-0000077",
    "/contacts?tag=tag-7",
    "/contacts/{contact}",
    "/contacts/doubles",
    "/contacts/fields",
    "/segments",
    "/imports",
    "/exports",
    "/campaigns",
    "/campaigns/{campaign}/recipients",
    "/campaigns/{campaign}/recipients?state=failed",
    "/campaigns/{campaign}/recipients?state=cancelled",
    "/templates",
    "/templates/reviews",
    "/parts",
    "/media",
    "/cascades",
    "/lines",
    "/lines/{line}",
    "/lines/{line}/registrations",
    "/lines/{line}/patterns",
    "/lines/tariffs",
    "/notices",
    "/settings/audit",
    "/settings/audit?action=template.published",
    "/settings/audit?action=nothing.like.it",
    "/settings/suppressions",
    "/settings/suppressions?reason=regulator",
    "/settings/people",
    "/settings/keys",
    "/developers/requests",
    "/search?q=customer",
)


class Asked(msgspec.Struct, frozen=True):
    """One page: what it answered, how long it took, and the CPU it cost (with that of asking), in ms."""

    path: str
    status: int
    median_ms: float
    cpu_ms: float
    worst_ms: float
    kilobytes: float


class Pages(msgspec.Struct, frozen=True):
    """All of them, and what stood behind."""

    contacts: int
    messages: int
    load: float  # of the machine, when asking began
    pages: list[Asked]


async def measure(folder: Path, contacts: int, messages: int) -> Pages:
    """Make the history, serve it, and look at each page."""
    settings = Settings(database=f"sqlite:///{folder / 'console.db'}", key_file=str(folder / "console.key"))
    await migrate(settings.database)
    house = assemble(settings)
    await house.open()
    server = Server(application(house), "127.0.0.1", 0)
    await server.start()
    try:
        workspace = await accounts.create_workspace(house.ground, "bench")
        click.echo(f"console: {contacts:,} contacts, {messages:,} messages", err=True)
        named = await _fill(house, workspace.id, contacts, messages)
        link = await house.ground.db.run(_invited, house, workspace.id)
        load = os.getloadavg()[0]
        asked = await _ask(f"http://127.0.0.1:{server.port}", link, named)
        return Pages(contacts, messages, load, asked)
    finally:
        await server.stop()
        await house.close()


async def _fill(house: House, workspace_id: int, contacts: int, messages: int) -> dict[str, str]:
    """Everything that the pages tell of; the names that stand in their addresses."""
    ground = house.ground
    await gather(ground, workspace_id, contacts)
    known = await ground.db.read(_phones, workspace_id)
    line = await lines.create(ground, workspace_id, sms_line(2775, 100))
    await house.world.lines.reload([workspace_id])
    place = Place(line.id, await ground.db.run(_steps, house, workspace_id))
    crowds, apart = max(1, contacts // len(known)), known[-1][0] - known[0][0] + 1
    each = max(1, messages // contacts)
    everybody = await history.write(ground, workspace_id, place, known, crowds, apart, each)
    campaign_id = await ground.db.run(_campaign, house, workspace_id, line.name)
    await heap(ground, workspace_id, campaign_id, everybody)
    return {
        "phone": known[0][1].replace("+", "%2B"),
        "contact": ids.show("contact", known[0][0]),
        "campaign": ids.show("campaign", campaign_id),
        "line": ids.show("line", line.id),
    }


async def _phones(tx: Transaction, workspace_id: int) -> list[tuple[int, str]]:
    """The models among the contacts, with their phones."""
    statement = Statement(
        select(contact.c.id, address.c.value)
        .join(
            address,
            (address.c.workspace_id == contact.c.workspace_id) & (address.c.contact_id == contact.c.id),
        )
        .where(contact.c.workspace_id == workspace_id, address.c.kind == "phone")
        .order_by(contact.c.id)
        .limit(MODELS)
    )
    return [(row[0], row[1]) for row in await tx.rows(statement)]


async def _steps(tx: Transaction, house: House, workspace_id: int) -> int:
    """A version of one step."""
    steps = (Step(channel="smpp", success="delivered"),)
    return await course.version(tx, house.world, workspace_id, steps, house.ground.clock.now(), {})


async def _campaign(tx: Transaction, house: House, workspace_id: int, line: str) -> int:
    """One to everybody, that nobody has started; its id."""
    ground, now = house.ground, house.ground.clock.now()
    wording = TemplateInput(
        "offer", (Variant(Content(text="Everything for half")),), MessageClass.PROMOTIONAL
    )
    made = await templates.create(tx, ground, workspace_id, wording, Deed("bench", now))
    await review.publish(tx, ground, made, None, review.Term(), Deed("bench", now))
    given = CampaignInput(name="Bench", audience=Audience(everybody=True), template="offer", line=line)
    return (await campaigns.create(tx, house.world, workspace_id, given, campaigns.Deed("bench", now))).id


async def _invited(tx: Transaction, house: House, workspace_id: int) -> str:
    """The token of an invitation to own the workspace."""
    _, token = await people.invite(
        tx, house.ground, workspace_id, "owner@bench.example", Role.OWNER, WHOLE, "cli"
    )
    return token


async def _ask(url: str, link: str, named: dict[str, str]) -> list[Asked]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        headers = {"Sec-Fetch-Site": "same-origin"}
        said = {"link": link, "name": "Owner", "password": "correct horse battery staple"}
        async with session.post(f"{url}/invitation", data=said, headers=headers) as entered:
            entered.raise_for_status()
        return [await _one(session, url, path.format(**named)) for path in PAGES]


async def _one(session: aiohttp.ClientSession, url: str, path: str) -> Asked:
    times, costs, status, size = [], [], 0, 0
    for _ in range(RUNS + 1):  # the first draws the template for the first time
        began_at, cost = time.perf_counter(), time.process_time()
        async with session.get(url + path, headers={"Accept": "text/html"}) as answer:
            status, size = answer.status, len(await answer.read())
        times.append((time.perf_counter() - began_at) * 1_000)
        costs.append((time.process_time() - cost) * 1_000)
    one = Asked(path, status, median(times[1:]), median(costs[1:]), max(times[1:]), size / 1_000)
    told = f"{one.median_ms:.0f} ms, {one.cpu_ms:.0f} of CPU, at most {one.worst_ms:.0f}"
    click.echo(f"  {path}: {one.status}, {told}", err=True)
    return one
