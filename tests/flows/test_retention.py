"""What has passed goes when the workspace says so, with all that hangs on it; what was counted stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, bindparam, func, select, text

from angarium.campaigns import letting_go
from angarium.campaigns.report import Reports
from angarium.campaigns.store import campaigns as campaign_store
from angarium.campaigns.store import members as member_store
from angarium.core.problems import Problem
from angarium.core.values import ReceiptStatus
from angarium.messaging import forgetting, report
from angarium.messaging.store import past
from angarium.messaging.store.tables import inbound, message
from angarium.storage import facts
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction, open_database
from angarium.storage.revise import load_tables
from angarium.storage.schema import metadata
from support.databases import create_schema
from support.marketer import Marketer
from support.relay import Relay
from support.still import StillClock

load_tables()

DAY_S = 86_400.0
MONTHS_S = 36 * DAY_S
_pages = Statement(text("PRAGMA page_count"))


class Resting(StillClock):
    """Who rests between two batches need not be waited for."""

    async def sleep(self, seconds: float) -> None:
        assert seconds == forgetting.REST_S


@pytest.fixture
async def relay(database: Database) -> Relay:
    made = await Relay(database, clock=Resting()).open()
    await made.line("sms", "smpp")
    return made


async def delivered(relay: Relay, **given: Any) -> int:
    message_id = await relay.send(line="sms", **given)
    await relay.take("sms")
    await relay.receipt("sms", ReceiptStatus.DELIVERED)
    return message_id


async def count(relay: Relay, of: Table = message) -> int:
    """How many there are in the workspace."""
    counted = Statement(select(func.count()).where(of.c.workspace_id == bindparam("workspace_id")))
    (row,) = await relay.ground.db.read(lambda tx: tx.rows(counted, workspace_id=relay.workspace_id))
    return int(row[0])


async def reported(relay: Relay, label: str) -> dict[str, Any]:
    return await relay.ground.db.read(report.report, relay.world, relay.workspace_id, label)


async def test_messages_go_with_all_that_hangs_on_them_and_their_report_stays(relay: Relay) -> None:
    old = [
        await delivered(relay, label="orders"),
        await delivered(relay, label="orders"),
        await delivered(relay),
    ]
    waiting = await relay.send(line="sms", label="orders")
    before = await reported(relay, "orders")
    assert before["by_state"] == {"delivered": 2, "queued": 1}
    relay.clock.advance(MONTHS_S)
    await forgetting.let_go(relay.world, relay.workspace_id)
    assert await count(relay) == 4  # nobody has said so
    await relay.policy("retention", messages_days=35)
    await forgetting.let_go(relay.world, relay.workspace_id)
    for message_id in old:
        with pytest.raises(Problem, match="not-found"):
            await relay.told(message_id)
    assert (await relay.state(waiting))[0] == "queued"
    assert await reported(relay, "orders") == before

    async def left(tx: Transaction) -> dict[str, int]:
        found = {}
        for name, (table, key) in past.GOES.items():
            hangs = select(func.count()).where(
                table.c.workspace_id == bindparam("workspace_id"), table.c[key] != bindparam("kept")
            )
            kept = waiting if key != "attempt_id" else 0
            (row,) = await tx.rows(Statement(hangs), workspace_id=relay.workspace_id, kept=kept)
            found[name] = row[0]
        for message_id in old:
            found["fact"] = len(await facts.of_subject(tx, relay.workspace_id, message_id))
        return {name: count for name, count in found.items() if count}

    assert await relay.ground.db.read(left) == {}
    await relay.policy("retention", messages_days=35)
    await delivered(relay, label="orders")
    assert (await reported(relay, "orders"))["total"] == before["total"] + 1


async def test_nothing_goes_that_somebody_has_not_read(relay: Relay) -> None:
    await delivered(relay)
    await relay.policy("retention", messages_days=35)
    await relay.ground.db.run(facts.position_of, relay.workspace_id, "slow")
    relay.clock.advance(MONTHS_S)
    await forgetting.let_go(relay.world, relay.workspace_id)
    assert await count(relay) == 1
    await relay.ground.db.run(facts.begin_at_end, relay.workspace_id, "slow")
    await forgetting.let_go(relay.world, relay.workspace_id)
    assert await count(relay) == 0


async def test_what_customers_sent_goes_by_its_own_rule(relay: Relay) -> None:
    await relay.hear("sms", "Hello")
    relay.clock.advance(MONTHS_S)
    await relay.policy("retention", messages_days=35)
    await forgetting.let_go(relay.world, relay.workspace_id)
    assert await count(relay, inbound) == 1
    await relay.policy("retention", inbound_days=35)
    await forgetting.let_go(relay.world, relay.workspace_id)
    assert await count(relay, inbound) == 0


async def test_a_campaign_goes_as_a_whole_and_its_report_stays(database: Database) -> None:
    relay = await Relay(database, clock=Resting()).open()
    marketer = await Marketer(relay).open()
    campaign_id = await marketer.begin()
    await marketer.run(campaign_id)
    for attempt in await relay.claim("sms"):
        await relay.answer(attempt, relay.accepted())
        await relay.receipt("sms", ReceiptStatus.DELIVERED)
    one = await database.read(campaign_store.by_id, relay.workspace_id, campaign_id)
    assert one is not None

    async def told() -> tuple[dict[str, Any], Any]:
        fresh = Reports(relay.world)
        outlines = await fresh.outlines(relay.workspace_id, [one], 1e9)
        return await fresh.of(relay.workspace_id, campaign_id), outlines[campaign_id]

    before, outline = await told()
    assert before["reached"] == outline.reached > 0
    await relay.policy("retention", messages_days=35)
    await letting_go.let_go(relay.world, relay.workspace_id)
    assert (await told())[0]["steps"] == before["steps"]
    relay.clock.advance(MONTHS_S)
    await forgetting.let_go(relay.world, relay.workspace_id)
    assert await count(relay) == before["members"]["told"]  # they do not go one by one
    await letting_go.let_go(relay.world, relay.workspace_id)
    after = await told()
    assert (after[0] | {"as_of": "", "pace": ""}, after[1]) == (before | {"as_of": "", "pace": ""}, outline)
    assert await database.read(member_store.page, relay.workspace_id, campaign_id, 0, 10) == []
    assert await count(relay) == 0


def test_every_table_that_hangs_on_a_message_is_named() -> None:
    hanging = {
        table.name
        for table in metadata.sorted_tables
        if {"message_id", "attempt_id"} & set(table.columns.keys())
    }
    assert hanging == (past.GOES.keys() | past.STAYS) - {"message"}


@pytest.mark.sqlite
async def test_the_file_stops_growing(tmp_path: Path) -> None:
    """Room that is let go of is used again."""
    database = open_database(f"sqlite:///{tmp_path}/angarium.db")
    await database.start()
    await create_schema(database)
    relay = await Relay(database, clock=Resting()).open()
    await relay.line("sms", "smpp")
    await relay.policy("retention", messages_days=35)
    pages = []
    for _ in range(4):
        for _ in range(60):
            await delivered(relay)
        pages.append((await database.read(lambda tx: tx.rows(_pages)))[0][0])
        relay.clock.advance(MONTHS_S)
        await forgetting.let_go(relay.world, relay.workspace_id)
    await database.stop()
    assert pages[3] - pages[1] <= (pages[1] - pages[0]) // 4 + 8, pages
