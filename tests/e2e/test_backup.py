"""A backup of a running server, put back: the operator's ledger shows nothing twice until one says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from angarium import keeping
from angarium.core.clock import SystemClock
from angarium.core.problems import Problem
from angarium.messaging.held import EVER
from angarium.messaging.states import PAUSED
from angarium.simulators.behaviour import Faults, Script
from angarium.storage.backup import destination
from angarium.storage.sqlite import connect
from support.databases import PostgresServer
from support.everybody import asked, over, written
from support.process import Shop

pytestmark = pytest.mark.timeout(400)  # many processes, one after the other

# Neither an answer nor a receipt comes: a receipt would be evidence, before the backup or after the restore.
MUTE, WITHOUT_RECEIPT = Script(faults={"smpp": Faults(silent_share=1)}), "+380501234506"


MEMBERS = 400


async def send(served: Shop, count: int, **given: object) -> list[str]:
    """So many messages; their ids."""
    heard = await asyncio.gather(*(served.send(**given) for _ in range(count)))
    assert {one.status for one in heard} == {202}, heard[0]
    return [one.json["id"] for one in heard]


def named_now(place: Path) -> Path:
    """The file that a backup would be written to now."""
    return destination(place, ".db", SystemClock().now())


async def state_of(served: Shop, message_id: str) -> str:
    return str((await served.message(message_id))["state"])


async def before_and_after(served: Shop, place: Path) -> tuple[list[str], list[str]]:
    """Ids of what a backup shows as waiting, and of what was accepted after it; all of it has gone out."""
    await served.start()
    waiting = await send(served, 25)  # the operator is not there yet
    await keeping.back_up(served.settings, place, 0)
    await served.start_operator()
    late = await send(served, 5)
    await served.until(lambda: len(served.taken()) == 30)
    return waiting, late


async def refused(served: Shop, place: Path) -> str:
    """What is said of a restore that is not to be."""
    with pytest.raises(Problem) as caught:
        await keeping.put_back(served.settings, place, replace=False)
    return caught.value.detail


@pytest.mark.sqlite
@pytest.mark.turns(2, 0)
async def test_what_a_backup_shows_as_waiting_is_held_until_a_person_lets_it_go(tmp_path: Path) -> None:
    folder, place = tmp_path / "shop", tmp_path / "backup.db"
    folder.mkdir()
    async with Shop(folder) as served:
        waiting, late = await before_and_after(served, place)
        assert "Another server runs on this place" in await refused(served, place)
        await served.stop()
        assert "With --replace it is put aside" in await refused(served, place)
        status, said = await served.command("restore", str(place), "--replace")
        assert (status, "25 messages are held" in said) == (0, True), said

        await served.start()
        assert "restored from a backup" in served.said()
        new = await send(served, 3)
        await served.until(lambda: len(served.taken()) == 33)  # sent as usual
        for message_id in late:
            assert (await served.client.ask("GET", f"/v1/messages/{message_id}")).status == 404
        told = await served.message(waiting[0])
        assert (told["reason"], told["waiting"]["for"]) == ("restored", "release")
        assert [share.what.messages for share in await keeping.shares(served.settings)] == [25]
        _, said = await served.command("doctor")
        assert "25 messages are held" in said

        _, said = await served.command("held", "release")
        assert said == "Released: 25."
        await served.until(lambda: len(served.taken()) == 58)
        assert {await state_of(served, one) for one in new} <= {"sent", "delivered"}
        assert await served.stop() == 0


@pytest.mark.sqlite
async def test_an_intent_in_a_backup_is_not_sent_again(tmp_path: Path) -> None:
    """The backup shows it as being submitted; it went out, and only the operator knows."""
    folder, place = tmp_path / "shop", tmp_path / "backup.db"
    folder.mkdir()
    async with Shop(folder) as served:
        await served.start_operator(MUTE)
        await served.start()
        silent = await served.send(to={"phone": WITHOUT_RECEIPT}, **{"class": "otp"})
        await served.until(lambda: len(served.taken()) == 1)
        await keeping.back_up(served.settings, place, 0)
        await served.kill()
        assert (await keeping.put_back(served.settings, place, replace=True)).held == 1
        await served.start()

        async def waits_for_a_person() -> bool:
            told = await served.message(silent.json["id"])
            return told["state"] == "unknown" and "held" in str(told["timeline"])

        await served.until(waits_for_a_person)  # where a code would have been sent once more
        assert len(served.taken()) == 1
        assert await keeping.decide(served.settings, "", release=False, from_=0, until=0) == 0
        assert await keeping.decide(served.settings, "", release=False, from_=0, until=EVER) == 1
        assert await keeping.shares(served.settings) == []
        await served.stop()
        assert len(served.taken()) == 1


@pytest.mark.sqlite
async def test_a_restore_says_that_the_key_file_is_another_one(tmp_path: Path) -> None:
    """A backup from before the keys were rotated: no server starts on it with the key of now."""
    folder, place = tmp_path / "shop", tmp_path / "backup.db"
    folder.mkdir()
    served = Shop(folder)
    for arguments in (
        ("keys", "create", "--workspace", "main", "--new"),
        ("backup", str(place)),
        ("keys", "rotate"),
        ("keys", "rotate", "--retire"),
    ):
        status, said = await served.command(*arguments)
        assert status == 0, said
    status, said = await served.command("restore", "--replace", str(place))
    assert (status, "No server starts on it" in said) == (0, True), said
    assert "Put back the key file that belongs to this database" in said
    assert "The key does not open" in (await served.command("serve"))[1]


@pytest.mark.sqlite
@pytest.mark.turns(2, 1)
async def test_a_backup_is_whole_or_not_there(tmp_path: Path) -> None:
    folder, place = tmp_path / "shop", tmp_path / "backups"
    folder.mkdir()
    place.mkdir()
    async with Shop(folder) as served:
        await served.start()
        for kept in (1, 2, 2):
            await send(served, 50)
            await served.until(lambda: not named_now(place).exists())  # it is named for its second
            await keeping.back_up(served.settings, place, 2)
            assert len(list(place.iterdir())) == kept
        await served.stop()
        newest = max(place.iterdir())
        content = bytearray(newest.read_bytes())
        content[8 * 4096 : 8 * 4096 + 64] = bytes(64)
        newest.write_bytes(content)
        assert "is damaged" in await refused(served, newest)
        served.file.unlink()
        status, said = await served.command("serve")
        assert (status, f"The newest backup is {newest}" in said) == (1, True), said
        await keeping.put_back(served.settings, min(place.iterdir()), replace=False)
        await served.start()
        assert await served.stop() == 0


async def test_what_postgresql_lacks_is_said(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Problem, match="database away"):
        await keeping.back_up(shop.settings, tmp_path / "x.dump", 0)


@pytest.mark.turns(2, 1)
async def test_a_dump_of_postgresql_holds_the_same(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", postgres_server.programs(), prepend=":")
    folder, place = tmp_path / "shop", tmp_path / "backup.dump"
    folder.mkdir()
    async with Shop(folder, await postgres_server.empty_database()) as served:
        await before_and_after(served, place)
        await served.stop()
        served.database = await postgres_server.empty_database()
        assert (await keeping.put_back(served.settings, place, replace=False)).held == 25
        await served.start()
        await send(served, 3)
        await served.until(lambda: len(served.taken()) == 33)
        assert await keeping.decide(served.settings, "", release=True, from_=0, until=EVER) == 25
        await served.until(lambda: len(served.taken()) == 58)
        await served.stop()


def advertiser(tmp_path: Path) -> Shop:
    """A shop that can be told of while it still tells people."""
    folder = tmp_path / "shop"
    folder.mkdir()
    return Shop(folder, classes=["promotional"], window=10, speed_per_s=50.0)


async def telling(served: Shop) -> str:
    """A campaign that has told some of its members, and not all; its address."""
    await served.start_operator()
    await served.start()
    campaign = await written(served, MEMBERS)
    assert (await served.client.ask("POST", f"{campaign}/start")).status == 202
    await served.until(lambda: len(served.taken()) > 20)
    return campaign


@pytest.mark.sqlite
@pytest.mark.turns(2, 1)
async def test_a_campaign_in_a_backup_tells_nobody_again_by_itself(tmp_path: Path) -> None:
    """It goes on after the backup; whom it has told by then only the operator knows."""
    place = tmp_path / "backup.db"
    async with advertiser(tmp_path) as served:
        campaign = await telling(served)
        await keeping.back_up(served.settings, place, 0)
        await served.until(lambda: over(served, campaign))
        await served.stop()

        assert (await keeping.put_back(served.settings, place, replace=True)).campaigns == 1
        await served.start()
        told = (await served.client.ask("GET", campaign)).json
        assert (told["state"], told["reason"]) == ("paused", "restored")
        await send(served, 1, **{"class": "promotional"})  # what is accepted now is sent as ever
        await served.until(lambda: len(served.taken()) == MEMBERS + 1)
        await asked(served, f"{campaign}/resume")  # a person decides so, and what is held stays held
        held = (await keeping.shares(served.settings))[0].what.messages
        told_again = MEMBERS - told["told"]
        await served.until(lambda: len(served.taken()) == MEMBERS + 1 + told_again)
        assert (await keeping.shares(served.settings))[0].what.messages == held
        await served.stop()


@pytest.mark.sqlite
@pytest.mark.turns(2, 1)
async def test_what_is_held_of_a_campaign_stays_so_when_that_goes_on(tmp_path: Path) -> None:
    """It was paused before the backup: what had been kept back of it by that is not let go by `resume`."""
    place = tmp_path / "backup.db"
    async with advertiser(tmp_path) as served:
        campaign = await telling(served)
        await asked(served, f"{campaign}/pause")
        await served.until(lambda: kept_back(served.file) > 9)
        await served.stop()
        await keeping.back_up(served.settings, place, 0)
        assert (await keeping.put_back(served.settings, place, replace=True)).campaigns == 0
        await served.start()
        (share,) = [one.what for one in await keeping.shares(served.settings) if one.what.state == "queued"]
        told = (await served.client.ask("GET", campaign)).json["told"]
        gone = len(served.taken())
        await asked(served, f"{campaign}/resume")
        await served.until(lambda: len(served.taken()) >= gone + MEMBERS - told)
        assert len(served.taken()) == gone + MEMBERS - told
        await keeping.decide(served.settings, "", release=True, from_=0, until=EVER)
        await served.until(lambda: len(served.taken()) == MEMBERS)
        assert share.messages == MEMBERS - gone - (MEMBERS - told)
        await served.stop()


def kept_back(file: Path) -> int:
    """How many attempts wait for a label that is halted."""
    reading = connect(str(file), read_only=True)
    try:
        asked_for = "SELECT count(*) FROM attempt WHERE state = 'queued' AND detail = ?"
        return int(reading.execute(asked_for, (PAUSED,)).fetchall()[0][0])
    finally:
        reading.close()
