"""PostgreSQL that goes away, ends connections, or commits and does not say so: under the real server."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from angarium.simulators.behaviour import Faults, Script
from support.cutter import Cutter
from support.databases import PostgresServer, postgres_of_its_own
from support.everybody import over, told_once, written
from support.process import PHONE, Shop
from support.server import Heard
from support.turns import by_turns

RECEIPTS = Script(faults={"smpp": Faults(receipt_delay_s=0.05)})
# What each sends to the database, by which it is known; whoever accepts has the text.
VERBS = {
    "to be accepted": b"to be accepted",
    "claim": b"WITH due_otp",
    "record": b"INSERT INTO part ",
    "receipt": b"INSERT INTO journal",
    "apply": b"UPDATE journal",
}
MEMBERS = 40
LAUNCHING = (
    (b"INSERT INTO campaign_member", "before"),
    (b"UPDATE campaign_member", "after"),
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def cutter(postgres_server: PostgresServer) -> AsyncIterator[Cutter]:
    made = Cutter(await postgres_server.empty_database())
    await made.listen()
    yield made
    await made.go_away()


@pytest.fixture
async def served(tmp_path: Path, cutter: Cutter) -> AsyncIterator[Shop]:
    async with Shop(tmp_path, cutter.url) as made:
        await made.start_operator()
        await made.start()
        yield made


async def surely(served: Shop, number: int) -> Heard:
    """One message, offered under its key until it is accepted: what was refused may have been done."""
    given = {"text": f"surely {number}", "to": {"phone": f"+3805012{number:03}77"}}
    while True:
        heard = await served.send(key=f"surely-{number}", **given)
        if heard.status == 202:
            return heard
        assert heard.status == 503, heard


async def goes_on(served: Shop, accepted: list[Heard]) -> None:
    """Ready again without a restart; what was accepted is at the operator, each once, and nothing else."""
    await served.until(served.is_ready)
    accepted.append(await served.send())
    assert accepted[-1].status == 202
    await served.until(lambda: len(set(served.taken())) == len(accepted))
    assert len(served.taken()) == len(accepted)


@pytest.mark.turns(2, 1)
async def test_a_server_that_goes_away_and_comes_back(served: Shop, cutter: Cutter) -> None:
    accepted = [await served.send() for _ in range(20)]
    await served.until(lambda: len(served.taken()) == 20)
    await cutter.go_away()
    refused = [await served.send() for _ in range(5)]
    assert {one.status for one in refused} == {503}
    assert all(one.json["detail"].startswith("database away") for one in refused)
    assert all("retry-after" in one.headers for one in refused)
    assert (await served.client.ask("GET", "/health/live")).status == 200
    assert (await served.readiness()).status == 503
    await cutter.listen()
    await goes_on(served, accepted)
    assert await served.stop() == 0


@pytest.mark.turns(2, 0)
async def test_a_server_that_is_stopped_at_once_and_started_again(tmp_path: Path) -> None:
    """SIGQUIT is its immediate shutdown: what is under way is lost, and its log is replayed at the start."""
    with postgres_of_its_own() as postgres:
        async with Shop(tmp_path, postgres.get_uri()) as served:
            await served.start_operator()
            await served.start()
            accepted = [await served.send() for _ in range(20)]
            pid = postgres.get_pid()
            os.kill(pid, signal.SIGQUIT)
            while (under_way := await served.send()).status == 202:  # until it has gone
                accepted.append(under_way)
            assert under_way.status == 503
            assert under_way.json["detail"].startswith("database away")
            await served.until(lambda: not Path(f"/proc/{pid}").exists())  # it refuses before it has ended
            await asyncio.to_thread(postgres.start)
            await goes_on(served, accepted)


@pytest.mark.turns(2, 0)
async def test_connections_that_are_ended(served: Shop, cutter: Cutter) -> None:
    admin = await asyncpg.connect(cutter.url)
    accepted = []
    for number in range(10):
        accepted.append(await surely(served, number))
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"  # an autovacuum worker is nobody's to end
        )
    await admin.close()
    await goes_on(served, accepted)


@pytest.mark.parametrize("when", by_turns(["before", "after"]))
async def test_a_connection_that_is_cut_at_a_commit(tmp_path: Path, cutter: Cutter, when: str) -> None:
    """Each verb of a message's life in turn: what was committed is done, what was not is done again."""
    async with Shop(tmp_path, cutter.spoken_url) as served:
        await served.start_operator(RECEIPTS)
        await served.start()
        accepted: list[Heard] = []
        for verb, marker in VERBS.items():
            cutter.cut(marker, when)
            body = {"to": {"phone": PHONE.format(len(accepted) + 100)}, "class": "service", "text": verb}
            accepted.append(await served.client.ask("POST", "/v1/messages", {**body, "channel": "smpp"}))
            assert accepted[-1].status == 202, accepted[-1]
            await served.until(lambda: cutter.was_cut)
        key = {"key": "k", "text": "with a key", "to": {"phone": PHONE.format(99)}}
        cutter.cut(b"with a key", when)
        accepted.append(await served.send(**key))
        assert (await served.send(**key)).json == accepted[-1].json
        found = await served.drained(lambda one: one["state"] == "delivered")
        assert sorted(one["id"] for one in found) == sorted(one.json["id"] for one in accepted)
        assert sorted(served.taken()) == sorted([*VERBS, "with a key"])
        assert cutter.cuts == len(VERBS) + 1
        assert await served.stop() == 0, served.said()


@pytest.mark.turns(2, 0)
async def test_a_campaign_that_is_cut_at_its_commits(tmp_path: Path, cutter: Cutter) -> None:
    async with Shop(tmp_path, cutter.spoken_url, classes=["promotional"]) as served:
        await served.start_operator(RECEIPTS)
        await served.start()
        campaign = await written(served, MEMBERS)
        for marker, when in LAUNCHING:
            cutter.cut(marker, when)
            if not cutter.cuts:
                assert (await served.client.ask("POST", f"{campaign}/start")).status == 202
            await served.until(lambda: cutter.was_cut)
        await served.until(lambda: over(served, campaign))
        states = await told_once(served, campaign, MEMBERS)
        assert set(states.values()) == {"delivered"}


@pytest.mark.turns(2, 1)
async def test_a_commit_of_which_nobody_can_be_asked(served: Shop, cutter: Cutter) -> None:
    cutter.goes_away = True
    cutter.cut(b"nobody knows", "after")
    first = await served.send(key="k", text="nobody knows", to={"phone": PHONE.format(999)})
    assert first.status == 503
    assert first.json["detail"].startswith("not known whether it was kept")
    await cutter.listen()
    again = await surely(served, 1)
    known = await served.send(key="k", text="nobody knows", to={"phone": PHONE.format(999)})
    assert known.status == 202
    await goes_on(served, [again, known])
