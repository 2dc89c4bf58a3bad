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
from angarium.config import Settings
from angarium.contacts.store import address, contact
from angarium.core import ids
from angarium.lines import flows as lines
from angarium.messaging import course
from angarium.messaging.cascade import Step
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.migrate import migrate
from angarium.web.server import Server
from bench import history
from bench.crowd import MODELS, gather
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
    "/segments",
    "/campaigns",
    "/templates",
    "/lines",
)


class Asked(msgspec.Struct, frozen=True):
    """One page: what it answered, and how long it took, in ms."""

    path: str
    status: int
    median_ms: float
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
        await gather(house.ground, workspace.id, contacts)
        known = await house.ground.db.read(_phones, workspace.id)
        told = await _history(house, workspace.id, known, contacts, messages)
        link = await house.ground.db.run(_invited, house, workspace.id)
        named = {"phone": known[0][1].replace("+", "%2B"), "contact": ids.show("contact", known[0][0])}
        load = os.getloadavg()[0]
        asked = await _ask(f"http://127.0.0.1:{server.port}", link, named)
        return Pages(contacts, told, load, asked)
    finally:
        await server.stop()
        await house.close()


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


async def _history(
    house: House, workspace_id: int, known: list[tuple[int, str]], contacts: int, messages: int
) -> int:
    """Messages to all of them, as evenly as copies go."""
    line = await lines.create(house.ground, workspace_id, sms_line(2775, 100))
    await house.world.lines.reload([workspace_id])
    version = await house.ground.db.run(_steps, house, workspace_id)
    each, copies = max(1, messages // contacts), max(1, contacts // len(known))
    apart = known[-1][0] - known[0][0] + 1
    told = 0
    for _ in range(each):
        told += await history.write(
            house.ground, workspace_id, Place(line.id, version), known, copies - 1, apart
        )
    return told


async def _steps(tx: Transaction, house: House, workspace_id: int) -> int:
    """A version of one step."""
    steps = (Step(channel="smpp", success="delivered"),)
    return await course.version(tx, house.world, workspace_id, steps, house.ground.clock.now(), {})


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
    times, status, size = [], 0, 0
    for _ in range(RUNS + 1):  # the first draws the template for the first time
        began_at = time.perf_counter()
        async with session.get(url + path, headers={"Accept": "text/html"}) as answer:
            status, size = answer.status, len(await answer.read())
        times.append((time.perf_counter() - began_at) * 1_000)
    one = Asked(path, status, median(times[1:]), max(times[1:]), size / 1_000)
    click.echo(f"  {path}: {one.status}, {one.median_ms:.0f} ms, at most {one.worst_ms:.0f}", err=True)
    return one
