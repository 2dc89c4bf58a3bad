"""The demo from the first process to the report."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.console import Console
from rich.live import Live

from angarium.client import Api
from angarium.core.clock import SystemClock
from angarium.core.problems import Problem
from angarium.demo import cast, report
from angarium.demo.cast import ANNOUNCEMENTS, Announcement
from angarium.demo.stage import Stage

BATCH = 250  # messages a request
LOOK_EVERY_S = 0.5
QUIET_S = 3.0  # so long must ledgers and report stand still before the sums are drawn
SETTLE_MAX_S = 60.0
LOG_WIDTH = 120  # columns, where the report goes into a file
EXAMPLES = Path(__file__).parents[3] / "examples"

Document = dict[str, Any]


class Options(msgspec.Struct, frozen=True):
    """What the command line asks for."""

    leave: bool
    json_file: Path | None
    csv_file: Path | None
    folder: Path
    contacts: Path | None
    port: int
    patience: float = 1.0  # stretches or shortens the time that steps wait
    empty: bool = False  # nobody has set the server up: that is what is to be tried


async def run(options: Options) -> None:
    """Play the demo; Problem when something of it cannot be started."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    clock = SystemClock()
    contacts = options.contacts or EXAMPLES / "contacts.csv"
    script = EXAMPLES / "demo_script.json"
    for needed in (contacts, script):
        if not needed.exists():
            raise Problem(
                "demo", f"There is no {needed}", detail="Run the demo from a checkout of the source."
            )
    stage = Stage(options.folder, options.port, clock, empty=options.empty)
    try:
        with console.status("Starting the simulated operators and the server …"):
            await stage.set_up(script)
        if options.empty:
            await _keep_new(console, stage, leave=options.leave)
            return
        began = clock.monotonic()
        async with Api(stage.url, stage.key, clock) as api:
            await _set_up_shop(api, stage, contacts, console, options.patience)
            await _announce_all(api, contacts, console, clock)
            ledgers = await _settled_ledgers(api, stage, console, clock)
            drawn = await report.draw(api, ledgers, clock.monotonic() - began)
        _hand_out(options, drawn, console, stage)
        report.show(console, drawn)
        if not options.leave:
            await _keep_running(console, stage)
    finally:
        with console.status("Stopping …"):
            await stage.strike()


# ── the shop ─────────────────────────────────────────────────────────────────────────────────────────


async def _set_up_shop(api: Api, stage: Stage, contacts: Path, console: Console, patience: float) -> None:
    for line in cast.lines(stage.operators.faces):
        await api.call("POST", "/v1/lines", cast.finished(line))
    for template in cast.templates():
        await api.call("POST", "/v1/templates", template)
    for cascade in cast.cascades(patience):
        await api.call("POST", "/v1/cascades", cascade)
    given = list(cast.contacts(contacts))
    for start in range(0, len(given), BATCH):
        answer = await api.surely(
            "POST", "/v1/contacts/batch", {"contacts": given[start : start + BATCH]}, f"contacts-{start}"
        )
        _must_be_whole(answer)
    console.print(f"Imported {len(given)} customers from {contacts.name}; 4 lines, 2 templates, 2 cascades.")


def _must_be_whole(answer: Document) -> None:
    wrong = [result for result in answer["results"] if "problem" in result]
    if wrong:
        raise Problem("demo", f"{len(wrong)} items were not accepted", detail=str(wrong[0]["problem"]))


# ── the announcements ────────────────────────────────────────────────────────────────────────────────


async def _announce_all(api: Api, contacts: Path, console: Console, clock: SystemClock) -> None:
    """Offer every message, and look on until all of them have ended."""
    people = [contact["external_id"] for contact in cast.contacts(contacts)]
    offering = asyncio.gather(*(_announce(api, announcement, people) for announcement in ANNOUNCEMENTS))
    began = clock.monotonic()
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            reports = [await _report(api, announcement) for announcement in ANNOUNCEMENTS]
            live.update(report.progress(reports, len(people), clock.monotonic() - began))
            if offering.done() and all(r["finished"] == r["total"] == len(people) for r in reports):
                break
            await clock.sleep(LOOK_EVERY_S)
    await offering


async def _announce(api: Api, announcement: Announcement, people: Sequence[str]) -> None:
    for start in range(0, len(people), BATCH):
        messages = [cast.message(announcement, person) for person in people[start : start + BATCH]]
        # The key makes it safe to offer a batch again when the server was away and its answer is not known.
        key = f"{announcement.name}-{start}"
        _must_be_whole(await api.surely("POST", "/v1/messages/batch", {"messages": messages}, key))


async def _report(api: Api, announcement: Announcement) -> Document:
    return await api.surely("GET", f"/v1/messages/report?label={announcement.name}")


async def _settled_ledgers(api: Api, stage: Stage, console: Console, clock: SystemClock) -> Document:
    """The operators' ledgers, once neither they nor our report have moved for a while."""
    with console.status("Waiting for late receipts …"):
        seen: object = None
        quiet_since = began = clock.monotonic()
        while clock.monotonic() - began < SETTLE_MAX_S:
            ledgers = await _ledgers(stage)
            now = (ledgers, [await _report(api, announcement) for announcement in ANNOUNCEMENTS])
            if now != seen:
                seen, quiet_since = now, clock.monotonic()
            elif clock.monotonic() - quiet_since >= QUIET_S:
                break
            await clock.sleep(LOOK_EVERY_S)
        return await _ledgers(stage)


async def _ledgers(stage: Stage) -> Document:
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.get(f"{stage.operators.admin}/ledger") as got,
    ):
        document: Document = msgspec.json.decode(await got.read())
        return document


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────


def _hand_out(options: Options, drawn: report.Report, console: Console, stage: Stage) -> None:
    csv_file = options.csv_file or stage.folder / "who-got-it.csv"
    csv_file.write_text(drawn.csv, encoding="utf-8-sig")  # the mark makes Excel read it as UTF-8
    console.print(f"Who got it, by which channel, when, at what price: {csv_file}")
    if options.json_file is not None:
        options.json_file.write_bytes(msgspec.json.format(msgspec.json.encode(drawn.document())) + b"\n")
        console.print(f"The report as JSON: {options.json_file}")


async def _keep_new(console: Console, stage: Stage, *, leave: bool) -> None:
    console.print("A new server, beside simulated operators. Set it up in a browser:")
    console.print(stage.first_link, soft_wrap=True, highlight=False)
    if leave:
        return
    console.print("Ctrl-C ends everything.")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        console.print("Goodbye.")


async def _keep_running(console: Console, stage: Stage) -> None:
    console.print(f"\nThe phones: [bold]{stage.operators.admin}/[/]  (each message links to its timeline)")
    console.print(f"The API: {stage.url}/openapi.json   its key:")
    console.print(stage.key, soft_wrap=True, highlight=False)
    console.print(f"The server runs on {stage.config}. Ctrl-C ends everything.")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        console.print("Goodbye.")
