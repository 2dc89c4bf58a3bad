"""A database with many messages behind it: is it as fast as an empty one, and are its pages as quick?

The first messages are real: the server sends them and records their receipts. Then their rows are copied by
the database itself into the year before: messages, attempts, references of the operator, and what happened.
A copy has other ids, other references and other times; each person has as many messages as any other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import aiohttp
import click
import msgspec
from sqlalchemy import Table, text

from angarium.accounts import flows as accounts
from angarium.core import ids
from angarium.core.clock import MICROS
from angarium.core.ids import NODE_BITS, SEQUENCE_BITS
from angarium.messaging.store.tables import attempt, message, part
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.facts import fact
from angarium.storage.facts_common import fact_common
from bench import scenarios
from bench.history import tell
from bench.processes import server
from bench.scenarios import SCENARIOS, Mismatch, Run, until_ready
from bench.stage import Seed, database_bytes, ground_of, invitation, set_up
from bench.viewers import OWNER

BATCHES = SCENARIOS[0]
MODELS = 10_000  # real messages, that the others are copies of
AT_ONCE = 10  # copies of all models in a transaction
PAGES_KIB = 1 << 19  # of the database at hand while they are made
YEAR_MS = 365 * 86_400_000
LABEL = "history"
LOOKS = 15
TIMES = {
    "message": ("expires_at", "created_at", "finished_at"),
    "attempt": (
        *("due_at", "expires_at", "planned_at", "submitted_at"),
        *("accepted_at", "delivered_at", "read_at", "ended_at", "billed_at"),
    ),
    "part": (),
    "fact": ("at",),
    "fact_common": (),
}
OWN_IDS = {
    "message": ("id",),
    "attempt": ("id", "message_id"),
    "part": ("attempt_id",),
    "fact": ("subject_id",),
    "fact_common": (),
}
NUMBERED = {  # by the database itself; copies are numbered backwards from the first
    ("fact", "seq"): "seq - CAST(:back AS BIGINT)",
    ("fact", "common_id"): "CASE common_id WHEN 0 THEN 0 ELSE common_id - CAST(:back AS BIGINT) END",
    ("fact_common", "id"): "id - CAST(:back AS BIGINT)",
}
BACK = 1 << 24  # more than models have facts
COPIED = ((message, "id"), (attempt, "id"), (part, "attempt_id"), (fact, "subject_id"), (fact_common, "id"))
PAGES = (  # of the console, as somebody who is signed in sees them; and of the API
    "/home",
    "/messages",
    "/messages?state=delivered",
    "/messages?state=failed",  # of which there are none
    f"/messages?label={LABEL}",
    "/messages?contact={phone}",
    "/messages/{message}",
    "/contacts/{contact}",
    "/v1/messages?limit=100",
    "/v1/messages?limit=100&created_until={middle}",
    "/v1/messages?limit=100&contact={contact}",
    "/v1/messages/{message}",
)


class Span(msgspec.Struct, frozen=True):
    """The ids of the models: the first and last minted one, and the last of what their facts say alike."""

    first: int
    last: int
    last_common: int


class Looked(msgspec.Struct, frozen=True):
    """One page, in ms."""

    path: str
    status: int
    median_ms: float
    most_ms: float


class Aged(msgspec.Struct, frozen=True):
    """What it came to."""

    messages: int  # of history
    people: int  # whom they were sent to
    database_bytes: int
    seconds: float  # to make them
    empty: list[Run]
    aged: list[Run]
    empty_per_s: float
    aged_per_s: float
    share: float  # of the speed that is left
    pages: list[Looked]


async def measure(
    seed: Seed, folder: Path, history: int, messages: int, phones: int, window: int, runs: int
) -> Aged:
    """Batches on the empty database and on the one with a history in turn, then its pages."""
    click.echo(f"history: {history:,} messages to {phones:,} people", err=True)
    began_at = time.monotonic()
    old = await age(seed, folder / "history", history, phones, window)
    seconds, size = time.monotonic() - began_at, database_bytes(old.folder)
    empty, aged = [], []
    for number in range(runs):
        where = folder / f"history-empty-{number}"
        empty.append(await scenarios.run(seed, where, BATCHES, messages, phones, window))
        aged.append(await scenarios.run(old, old.folder, BATCHES, messages, phones, window))
        await _forget_what_was_asked(old)
        click.echo(f"  empty {empty[-1].per_s:,.0f}/s, {aged[-1].per_s:,.0f}/s with a history", err=True)
    one, other = (median(run.per_s for run in some) for some in (empty, aged))
    pages = await look(old)
    return Aged(history, phones, size, seconds, empty, aged, one, other, other / one, pages)


# ── making it ────────────────────────────────────────────────────────────────────────────────────────


async def age(seed: Seed, folder: Path, history: int, phones: int, window: int) -> Seed:
    """A seed like another, in a folder that runs happen in, with that many messages behind it."""
    models = min(history, MODELS)
    await scenarios.run(seed, folder, BATCHES, models, phones, window)
    old = msgspec.structs.replace(seed, folder=folder)
    await _forget_what_was_asked(old)
    copies = history // models
    async with ground_of(old, folder) as ground:
        workspace = await accounts.workspace_named(ground, "bench")
        span = await ground.db.read(_span)
        if (span.last - span.first) >> (NODE_BITS + SEQUENCE_BITS) >= YEAR_MS // copies:
            raise Mismatch(f"{models} messages took longer than a year has room for {copies} times")
        oldest_first = range(copies - 1, 0, -1)  # so that rows come in the order of keys
        for begin in range(0, len(oldest_first), AT_ONCE):
            await ground.db.run(_copy_all, workspace.id, span, oldest_first[begin : begin + AT_ONCE], copies)
            tell("messages", begin + AT_ONCE, models)
    return old


async def _forget_what_was_asked(seed: Seed) -> None:
    """The next client says the same words with the same keys, and counts what has its label; and the next
    operator begins to number where it likes."""
    async with ground_of(seed, seed.folder) as ground:
        workspace = await accounts.workspace_named(ground, "bench")

        async def work(tx: Transaction) -> None:
            for statement in FORGET:
                await tx.execute(Statement(text(statement)), workspace_id=workspace.id)

        await ground.db.run(work)


COUNTED = "workspace_id = :workspace_id AND label = 'bench' AND label <> ''"  # as its partial index has it
FORGET = (
    "DELETE FROM idempotency WHERE workspace_id = :workspace_id",
    (
        "UPDATE part SET ref = 'h' || attempt_id WHERE workspace_id = :workspace_id AND attempt_id IN "
        "(SELECT id FROM attempt WHERE workspace_id = :workspace_id AND message_id IN "
        f"(SELECT id FROM message WHERE {COUNTED}))"
    ),
    f"UPDATE message SET label = '{LABEL}' WHERE {COUNTED}",
)


async def _span(tx: Transaction) -> Span:
    """Between which ids all lie."""
    asked = "SELECT min(id), max(id) FROM {}"
    minted = [(await tx.rows(Statement(text(asked.format(name)))))[0] for name in ("message", "attempt")]
    (last_common,) = (await tx.rows(Statement(text("SELECT max(id) FROM fact_common"))))[0]
    return Span(min(one[0] for one in minted), max(one[1] for one in minted), last_common or 0)


async def _copy_all(tx: Transaction, workspace_id: int, span: Span, some: Sequence[int], copies: int) -> None:
    """Some copies of all models. Each person's newest message stands on a page of its own in an index, which
    a commit writes: so several of them are written by one, and the pages stay at hand."""
    if tx.dialect == "sqlite":
        await tx.rows(Statement(text(f"PRAGMA cache_size = -{PAGES_KIB}")))
    for copy in some:
        await _copy(tx, workspace_id, span, copy * YEAR_MS // copies, copy)


async def _copy(tx: Transaction, workspace_id: int, span: Span, ago_ms: int, copy: int) -> None:
    """All models once more, so long ago."""
    for table, found_by in COPIED:
        first, last = (1, span.last_common) if table is fact_common else (span.first, span.last)
        await tx.execute(
            Statement(text(copying(table, found_by))),
            workspace_id=workspace_id,
            first=first,
            last=last,
            **given(table, ago_ms, copy),
        )


def given(table: Table, ago_ms: int, copy: int) -> dict[str, int]:
    """What the statement of a table is told beside the span."""
    bound = {"shift": ago_ms << (NODE_BITS + SEQUENCE_BITS), "ago": ago_ms * 1_000}
    back = {"back": copy * BACK}
    if table is fact_common:
        return back
    if table is fact:
        return bound | back
    return bound if TIMES[table.name] else {"shift": bound["shift"]}


def copying(table: Table, found_by: str) -> str:
    """The statement that copies rows of a table."""
    columns = [column.name for column in table.columns]
    listed = ", ".join(f'"{name}"' for name in columns)
    values = ", ".join(_values(table.name, columns))
    return (
        f"INSERT INTO {table.name} ({listed}) SELECT {values} FROM {table.name} "
        f"WHERE workspace_id = :workspace_id AND {found_by} BETWEEN :first AND :last ORDER BY {found_by}"
    )


def _values(table: str, columns: list[str]) -> Iterator[str]:
    for name in columns:
        if name in OWN_IDS[table]:
            yield f'"{name}" - CAST(:shift AS BIGINT)'
        elif name in TIMES[table]:
            yield f'"{name}" - CAST(:ago AS BIGINT)'
        elif (table, name) == ("part", "ref"):
            yield "'h' || (attempt_id - CAST(:shift AS BIGINT))"
        elif (table, name) in NUMBERED:
            yield NUMBERED[table, name]
        else:
            yield f'"{name}"'


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────


async def look(seed: Seed) -> list[Looked]:
    """Each page some times, as the owner and by the API."""
    link, names = await invitation(seed, seed.folder), await _names(seed)
    url = f"http://127.0.0.1:{seed.server_port}"
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        server(set_up(seed, seed.folder), seed.folder / "server.log"),
        aiohttp.ClientSession(cookie_jar=jar) as session,
    ):
        await until_ready(seed.server_port)
        form, headers = {**OWNER, "link": link}, {"Sec-Fetch-Site": "same-origin"}
        async with session.post(f"{url}/invitation", data=form, headers=headers) as entered:
            entered.raise_for_status()
        return [await _one(session, url + path.format(**names), path, seed.key) for path in PAGES]


async def _names(seed: Seed) -> dict[str, str]:
    """Somebody, and their oldest message."""
    asked = text(
        "SELECT m.id, m.contact_id, a.address FROM message m JOIN attempt a "
        "ON a.workspace_id = m.workspace_id AND a.message_id = m.id ORDER BY m.workspace_id, m.id LIMIT 1"
    )

    async def work(tx: Transaction) -> tuple[int, int, str]:
        found = (await tx.rows(Statement(asked)))[0]
        return found[0], found[1], found[2]

    async with ground_of(seed, seed.folder) as ground:
        message_id, contact_id, phone = await ground.db.read(work)
        half = time.gmtime(ground.clock.now() / MICROS - YEAR_MS / 2_000)
    return {
        "message": ids.show("message", message_id),
        "contact": ids.show("contact", contact_id),
        "phone": phone.replace("+", "%2B"),
        "middle": time.strftime("%Y-%m-%dT%H:%M:%SZ", half),
    }


async def _one(session: aiohttp.ClientSession, url: str, path: str, key: str) -> Looked:
    api = path.startswith("/v1/")
    headers = {"Authorization": f"Bearer {key}"} if api else {"Accept": "text/html"}
    took, status = [], 0
    for _ in range(LOOKS + 1):  # the first draws the template for the first time
        began_at = time.perf_counter()
        async with session.get(url, headers=headers) as answer:
            await answer.read()
            status = answer.status
        took.append((time.perf_counter() - began_at) * 1_000)
    click.echo(f"  {path}: {status}, {median(took[1:]):.0f} ms", err=True)
    return Looked(path, status, median(took[1:]), max(took[1:]))
