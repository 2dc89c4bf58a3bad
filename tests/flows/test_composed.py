"""Messages of a campaign that are made ready beside the server are those that it makes itself, once each."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from angarium import rooms  # noqa: F401  so that all tables are declared
from angarium.campaigns import ahead, flows, launch
from angarium.campaigns.ahead import Ahead, Composer
from angarium.composer import StandsOn
from angarium.contacts import merge_flows
from angarium.core.clock import SystemClock
from angarium.core.frames import LENGTH_BYTES, frame
from angarium.messaging import composer, erasing
from angarium.messaging.composer import FOUND, ComposerProcess
from angarium.messaging.composing import IDS_EACH, Asked
from angarium.messaging.store.belongings import BELONGINGS
from angarium.messaging.store.tables import attempt, message
from angarium.messaging.straight import Straight
from angarium.storage import facts
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.facts import START, fact
from support.composing import Broken, Reader
from support.marketer import PEOPLE, Marketer
from support.relay import Relay
from support.still import SeededChance

BATCH = 4
OF_SERVERS = {
    "aiohttp",
    "alembic",
    "jinja2",
    "litestar",
    "pygments",
    "uvicorn",
    "uvloop",
}  # rich brings pygments
# 81 MiB when it was measured, and 92 with aiohttp and rich; Python 3.14 takes 8 more.
PEAK_MAX_KIB = (96 if sys.version_info < (3, 14) else 104) << 10
OWN = {"id", "seq", "tx", "message_id", "subject_id", "label"}  # of one run of a campaign


@pytest.fixture
async def marketer(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Marketer:
    """With a line, a template and people, and batches of a few."""
    monkeypatch.setattr(launch, "BATCH", BATCH)
    return await Marketer(relay).open()


def composing(marketer: Marketer) -> Reader:
    """Its campaigns are made ready ahead from now on."""
    reader = Reader(marketer.relay.world)
    use(marketer, reader)
    return reader


def use(marketer: Marketer, composer_: Composer) -> None:
    """Its campaigns are made ready by this one."""
    marketer.runner._ahead = Ahead(marketer.relay.world, composer_)


async def everything(marketer: Marketer, told: str) -> list[tuple[Any, ...]]:
    """The rows of a table that campaigns made, without what two of them cannot share."""
    table = {"message": message, "attempt": attempt, "fact": fact}[told]
    names = [column.name for column in table.columns if column.name not in OWN]
    asked = select(*(table.c[name] for name in names))
    if table is fact:
        log, _ = await marketer.relay.ground.db.read(facts.after, marketer.relay.workspace_id, START, 1_000)
        return sorted((one.kind, one.at, one.body) for one in log if one.kind == "message.accepted")

    async def work(tx: Transaction) -> list[tuple[Any, ...]]:
        return sorted((tuple(map(_plain, row)) for row in await tx.rows(Statement(asked))), key=repr)

    return await marketer.relay.ground.db.read(work)


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, bytes | memoryview) else value


async def clear(marketer: Marketer) -> None:
    """Forget what campaigns made."""

    async def work(tx: Transaction) -> None:
        for table in (attempt, message, fact):
            await tx.execute(Statement(table.delete()))

    await marketer.relay.ground.db.run(work)


async def contact_of(marketer: Marketer, number: int) -> int:
    """The id of one of its people."""
    return (await marketer.relay.contact(external_id=f"c{number}", addresses=address_of(number))).id


def address_of(number: int) -> list[dict[str, str]]:
    """Where one of its people is reached."""
    return [{"kind": "phone", "value": f"+38050{number:07}"}]


async def test_they_are_what_the_server_makes_itself(marketer: Marketer) -> None:
    made = []
    await marketer.relay.contact(external_id="c3", opted_out=["promotional"])
    for reader in (None, Reader(marketer.relay.world)):
        if reader is not None:
            await clear(marketer)
            use(marketer, reader)
        campaign_id = await marketer.begin()
        assert await marketer.run(campaign_id) is None
        assert await marketer.counts(campaign_id) == ("done", PEOPLE, PEOPLE - 1, 1)
        assert await marketer.reasons(campaign_id) == {"opted_out": 1}
        made.append([await everything(marketer, told) for told in ("message", "attempt", "fact")])
    assert reader is not None
    assert reader.composed == PEOPLE // BATCH
    assert made[0] == made[1]
    assert [len(rows) for rows in made[1]] == [PEOPLE - 1] * 3


async def begun(marketer: Marketer) -> int:
    """A campaign whose first members are made ready, and not told yet."""
    campaign_id = await marketer.begin()
    while (await marketer.look(campaign_id)).state.value != "running":
        await marketer.runner.move_on(marketer.relay.workspace_id, campaign_id)
    assert marketer.runner._ahead is not None
    ready = await marketer.runner._ahead.ready(marketer.relay.workspace_id, campaign_id)
    assert ready is not None
    assert len(ready.composed.made.messages) == BATCH
    return campaign_id


@pytest.mark.parametrize("how", ["erased", "merged"])
async def test_who_is_gone_by_then_is_left_out_and_everybody_else_is_logonce(
    marketer: Marketer, how: str
) -> None:
    relay = marketer.relay
    gone, other = [await contact_of(marketer, number) for number in (0, PEOPLE - 1)]
    reader = composing(marketer)
    campaign_id = await begun(marketer)
    if how == "erased":
        await erasing.erase(relay.world, relay.workspace_id, gone, "key_marketer")
    else:
        both, belongings = (relay.workspace_id, other, gone), [*BELONGINGS.values()]
        await relay.ground.db.run(merge_flows.merge, relay.ground, *both, belongings, "key_marketer", "")
    assert await marketer.run(campaign_id) is None
    assert reader.composed > 1
    assert await marketer.sent() == [f"+38050{number:07}" for number in range(1, PEOPLE)]
    assert len(await everything(marketer, "message")) == PEOPLE - 1


async def test_who_was_told_meanwhile_is_not_told_again(marketer: Marketer) -> None:
    relay = marketer.relay
    composing(marketer)
    campaign_id = await begun(marketer)
    now = relay.clock.now()
    alone = Straight(relay.world)
    await relay.ground.db.run(launch.some, alone, relay.world, relay.workspace_id, campaign_id, now)
    assert await marketer.run(campaign_id) is None
    assert await marketer.sent() == [f"+38050{number:07}" for number in range(PEOPLE)]
    assert len(await everything(marketer, "message")) == PEOPLE


async def test_a_no_that_comes_in_between_is_heard_before_bytes_leave(marketer: Marketer) -> None:
    composing(marketer)
    campaign_id = await begun(marketer)
    await marketer.relay.contact(external_id="c1", opted_out=["promotional"], addresses=address_of(1))
    assert await marketer.run(campaign_id) is None
    assert await marketer.sent() == [f"+38050{number:07}" for number in range(PEOPLE) if number != 1]


async def test_a_pause_in_between_tells_nobody_and_all_goes_on_when_it_is_resumed(marketer: Marketer) -> None:
    composing(marketer)
    campaign_id = await begun(marketer)
    await marketer.do(flows.pause, campaign_id)
    await marketer.run(campaign_id)
    assert await marketer.sent() == []
    await marketer.resume(campaign_id)
    assert await marketer.run(campaign_id) is None
    assert len(await marketer.sent()) == PEOPLE


async def test_what_waited_too_long_for_room_is_made_anew(
    marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "AHEAD", BATCH)
    reader = composing(marketer)
    campaign_id = await marketer.begin()
    await marketer.run(campaign_id)
    assert (await marketer.look(campaign_id)).told == BATCH
    made = reader.composed
    marketer.relay.clock.advance(ahead.FRESH_S + 1)
    assert len(await marketer.sent()) == BATCH
    await marketer.run(campaign_id)
    assert (await marketer.look(campaign_id)).told == 2 * BATCH
    assert reader.composed > made


async def test_what_was_made_behind_it_is_made_anew_as_well(
    marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "AHEAD", BATCH)
    reader = Reader(marketer.relay.world)
    made = Ahead(marketer.relay.world, reader)
    campaign_id = await marketer.begin()
    await marketer.run(campaign_id)
    own = (marketer.relay.workspace_id, campaign_id)
    assert await made.ready(*own) is not None
    made.done(campaign_id)
    while reader.composed < 2:  # noqa: ASYNC110 - turns of the loop
        await asyncio.sleep(0)
    marketer.relay.clock.advance(ahead.FRESH_S + 1)
    ready = await made.ready(*own)
    assert ready is not None
    assert ready.at == marketer.relay.clock.now()
    await made.stop()


@pytest.mark.parametrize(
    "given",
    [
        {"track": True},
        {"schedule": {"per_hour": 3_600_000}},
        {"schedule": {"window": {"from": "00:00", "until": "24:00"}}},
    ],
)
async def test_what_more_has_a_say_in_is_made_by_the_server(
    marketer: Marketer, given: dict[str, Any]
) -> None:
    await marketer.relay.template("look", "Look: https://shop.example/{{ what }}", "promotional")
    marketer.relay.world.public_url = "https://l.example"
    reader = composing(marketer)
    campaign_id = await marketer.begin(template="look", **given)
    for _ in range(PEOPLE):
        await marketer.run(campaign_id)
        marketer.relay.clock.advance(1)
    assert reader.composed == 0
    assert len(await marketer.sent()) == PEOPLE


async def test_without_a_composer_that_works_the_server_does_it(marketer: Marketer) -> None:
    use(marketer, Broken())
    campaign_id = await marketer.begin()
    assert await marketer.run(campaign_id) is None
    assert len(await marketer.sent()) == PEOPLE


# ── the process ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_process_answers_dies_and_begins_again(
    marketer: Marketer,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    key = tmp_path / "angarium.key"
    key.write_text(base64.b64encode(SeededChance(0).secret(32)).decode())  # that of the relay
    stands_on = msgspec.json.encode(StandsOn(database_url, str(key), "https://a.example"))
    process = ComposerProcess("angarium.composer", stands_on, SystemClock())
    asked = await a_question(marketer)
    try:
        first = await process.compose(asked)
        assert first is not None
        assert [row[1] for row in first.made.messages] == asked.ids[:BATCH]
        assert first.made.line_ids == [marketer.relay.lines["sms"].id]
        assert process._process is not None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # as a terminal or systemd ends a group
            os.kill(process._process.pid, number)
        assert await process.compose(asked) == first
        os.kill(process._process.pid, signal.SIGSEGV)
        with pytest.raises(OSError, match="it ended"):
            await process.compose(asked)
        assert "Fatal Python error: Segmentation fault" in capfd.readouterr().err
        assert await process.compose(asked) == first
        monkeypatch.setattr(composer, "IDLE_S", 0.0)
        await process.end_if_idle()
        assert process._process is None
    finally:
        await process.stop()


async def test_it_loads_nothing_that_only_a_server_needs_and_stays_small(
    marketer: Marketer, database_url: str, tmp_path: Path
) -> None:
    key = tmp_path / "angarium.key"
    key.write_text(base64.b64encode(SeededChance(0).secret(32)).decode())
    stands_on = msgspec.json.encode(StandsOn(database_url, str(key), "https://a.example")) + b"\n"
    asked = frame(msgspec.msgpack.encode(await a_question(marketer)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-X", "importtime", "-m", "angarium.composer"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    imported = asyncio.create_task(process.stderr.read())  # else it waits for somebody to read
    process.stdin.write(stands_on + asked)
    assert await process.stdout.readexactly(LENGTH_BYTES) == bytes(LENGTH_BYTES), "it is ready"
    length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
    assert FOUND.decode(await process.stdout.readexactly(length)) is not None
    peak = peak_kib(process.pid)
    process.stdin.close()
    assert await process.wait() == 0
    lines = (await imported).decode().splitlines()
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "sqlalchemy" in names, "else nothing is seen here"
    assert names & OF_SERVERS == set()
    assert peak <= PEAK_MAX_KIB, peak


def peak_kib(pid: int) -> int:
    """The most memory that a process has had."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


async def a_question(marketer: Marketer) -> Asked:
    """What is asked for the first members of a campaign that runs."""
    relay = marketer.relay
    campaign_id = await marketer.begin()
    while (await marketer.look(campaign_id)).state.value != "running":
        await marketer.runner.move_on(relay.workspace_id, campaign_id)
    now = relay.clock.now()
    found = await relay.ground.db.read(launch.peek, relay.world, relay.workspace_id, campaign_id, now, ())
    assert found is not None
    ids = relay.ground.ids.mint_many(IDS_EACH * BATCH)
    return Asked(relay.workspace_id, found.telling, launch.persons(found.members), ids, now, {}, {})
