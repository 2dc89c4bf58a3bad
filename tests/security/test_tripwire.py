"""No statement without its workspace: each that is declared, and each that is run, on both databases.

PostgreSQL's policies on rows stand beside it (tests/contracts/test_row_security.py): decisions 0009 and 0036.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import text as sql

from angarium.accounts import flows
from angarium.accounts.edge import NAME_IN_PATH
from angarium.assembly import HANDLERS, House
from angarium.core.values import ReceiptStatus
from angarium.messaging import reconcile
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, open_database
from angarium.storage.revise import load_tables
from angarium.web.app import operations_of
from support.browsing import story
from support.databases import DIALECTS
from support.relay import NO_ANSWER, Relay
from support.server import Client, furnish, member, operations, whole_house
from support.tripwire import of_the_rooms, strays, tenant_tables, wired

load_tables()

ALLOWED = {  # a statement of no workspace: why it is none's
    "SELECT workspace.workspace_id, workspace.name": "the list by which all of them are served",
    "FROM identity_provider WHERE identity_provider.enabled = 1": "the ways in, as the door shows them",
    "FROM member WHERE member.person_id =": "the workspaces of whoever signs in, who names none",
    "= line.workspace_id WHERE line_guest.guest_id =": "what is lent to the workspace that asks, the guest",
    "WHERE link.id =": "whoever follows a link that is counted names no workspace",
    "SELECT max(line_owner.epoch)": "the numbers of leases go on where those of all lines ended",
    "SELECT max(fact.tx)": "the log of all is moved as a whole after a restore into a younger cluster",
    "SELECT fact.tx FROM fact ORDER BY": "the same",
    "SELECT max(fact_cursor.tx)": "the same",
    "UPDATE fact SET tx=": "the same",
    "UPDATE fact_cursor SET tx=": "the same",
}


def unexcused(texts: list[str]) -> dict[str, list[str]]:
    """Statements that stray and may not, with the tables they touch."""
    flat = {" ".join(text.split()) for text in texts}
    return {one: strays(one) for one in flat if strays(one) and not any(excuse in one for excuse in ALLOWED)}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement that is run in this test; at its end none has strayed."""
    with wired(monkeypatch) as texts:
        yield texts
    assert unexcused(texts) == {}
    touched = {table for table in tenant_tables() for one in texts if table in one}
    assert len(touched) > 10, touched  # or the wire hangs on nothing


# ── what is declared ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_no_statement_that_is_declared_strays(dialect: str) -> None:
    texts = [one.text(dialect) for one in of_the_rooms() if "sample" not in one.text(dialect)]
    assert len(texts) > 100
    assert unexcused(texts) == {}


def test_every_excuse_is_used() -> None:
    flat = [" ".join(one.text("postgresql").split()) for one in of_the_rooms()]
    assert [excuse for excuse in ALLOWED if not any(excuse in one for one in flat)] == []


STRAY = [
    ("SELECT message.id FROM message", ["message"]),
    ("SELECT id FROM message WHERE id = ?", ["message"]),
    ("SELECT message.id FROM message WHERE message.workspace_id = $1", []),
    ("DELETE FROM attempt WHERE attempt.id IN (SELECT id FROM attempt WHERE attempt.workspace_id = ?)", []),
    (
        "SELECT a.id FROM attempt AS a JOIN message AS m ON m.id = a.message_id WHERE a.workspace_id = $1",
        ["message"],
    ),
    (
        "SELECT 1 FROM attempt, message WHERE attempt.workspace_id = ? AND message.id = attempt.message_id",
        ["message"],
    ),
    (
        "SELECT 1 FROM attempt, message WHERE attempt.workspace_id = message.workspace_id",
        ["attempt", "message"],
    ),
    (
        "SELECT 1 FROM part, line WHERE part.workspace_id = ? AND line.workspace_id = part.workspace_id",
        [],
    ),
    ("INSERT INTO message (id) VALUES (?)", ["message"]),
    ("INSERT INTO message (workspace_id, id) VALUES (?, ?)", []),
    ("INSERT OR FAIL INTO message (id) VALUES (?)", ["message"]),
    ("INSERT OR FAIL INTO message (workspace_id, id) VALUES (?, ?)", []),
    ("UPDATE OR FAIL message SET state = ? WHERE id = ?", ["message"]),
    ("UPDATE message SET state = ? WHERE id = ?", ["message"]),
    ("UPDATE message SET state = ? WHERE workspace_id = ? AND id = ?", []),
    ("SELECT 1 FROM alembic_version", []),
    ("SELECT message.id FROM message WHERE message.workspace_id = ? FOR UPDATE SKIP LOCKED", []),
]


@pytest.mark.parametrize(("text", "tables"), STRAY)
def test_what_strays(text: str, tables: list[str]) -> None:
    assert strays(text) == tables


# ── what is run ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_wire_is_on_both_databases(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Statement(sql("SELECT id FROM message"))
    with wired(monkeypatch) as texts:
        opened = open_database(database_url)
        await opened.start()
        await opened.read(lambda tx: tx.rows(planted))
        await opened.run(lambda tx: tx.rows(planted))
        await opened.stop()
    assert unexcused(texts) == {"SELECT id FROM message": ["message"]}
    assert sum("FROM message" in one for one in texts) == 2


@pytest.fixture
async def house(run: list[str], database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """The whole API and its pages, on a wire."""
    async with whole_house(database_url, tmp_path) as made:
        yield made


async def test_no_route_strays(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    has = await furnish(mine, made)
    asked = 0
    for method, path, told in sorted(await operations(mine), key=lambda one: one[0] == "DELETE"):
        content = told.get("requestBody", {}).get("content", {}).get("application/json", {})
        where = NAME_IN_PATH.sub(lambda match: has.get(match[1], "x"), path)
        named = [one["name"] for one in told["parameters"] if one["in"] == "query"]
        known = {"label": "x", "channel": "viber_business", "phone": "+380441234567", "external_id": "c-1"}
        query = urlencode({name: known[name] for name in named if name in known})
        answer = await mine.ask(method, f"{where}?{query}", content.get("example"))
        assert answer.status < 500, (path, answer)
        asked += 1
    assert asked > 40


async def test_no_page_strays(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    has = await furnish(mine, made)
    looking = nobody.with_key("")
    ticket = flows.ticket(made.ground, mine.workspace_id)
    looking.usual = {"Cookie": f"angarium_session={ticket}", "Accept": "text/html", "Sec-Fetch-Site": "none"}
    pages = [path for method, path, one in operations_of(HANDLERS) if one.page and method == "GET"]
    for path in pages:
        where = NAME_IN_PATH.sub(lambda match: has.get(match[1], "x"), path)
        assert (await looking.ask("GET", f"{where}?ref=x" if path == "/find" else where)).status < 500, path
    for sought in ("c-1", "%2B380441234567", has["contact_id"]):
        assert (await looking.ask("GET", f"/messages?contact={sought}")).status == 200


async def test_no_step_of_a_message_strays(run: list[str], database: Database) -> None:
    relay = await Relay(database).open()
    await story(relay)
    await relay.template("hello", "Hello {{ name }}")
    await relay.send(template="hello", text="", variables={"name": "x"}, line="sms")
    await relay.take("sms", NO_ANSWER)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="nobody-knows")
    await relay.send(line="sms")
    await relay.claim("sms")
    await relay.restart("sms", epoch=2)
    await relay.wait(3_600)
    await reconcile.work_through_journal(relay.world, relay.workspace_id)
    await reconcile.tidy(relay.world, relay.workspace_id)
