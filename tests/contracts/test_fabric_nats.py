"""What NATS itself may do: be missing, be unfit, lose its leader, lose everything that it kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from angarium.core.clock import SystemClock
from angarium.core.fabric import ENTRY_MAX_BYTES, Backlog, Entry, Lease
from angarium.core.ids import IdMint
from angarium.core.problems import Problem
from angarium.fabric import holding, nats, nats_link, sight
from angarium.fabric.members import preferred
from angarium.fabric.nats import NatsFabric
from angarium.fabric.nats_keys import token
from angarium.fabric.nats_link import Link
from angarium.fabric.opening import look_at_log
from angarium.fabric.place import Nats, Place
from angarium.storage.revise import load_tables
from support.cutter import Cutter
from support.databases import PostgresServer
from support.mail_peers import certificate
from support.nats_servers import NatsServer, new_prefix, servers
from support.running import PATIENCE_S, until

ENTRIES, SOME_BYTES = 1_500, 8 * 1024
_ids = IdMint(SystemClock())
load_tables()


@pytest.fixture
async def ledger(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database that gives out numbers."""
    async with postgres_server.lent() as url:
        yield url


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that are quick to tell that another is gone."""
    for module, name, value in (
        (holding, "TTL_S", 2.0),
        (holding, "MARGIN_S", 0.5),
        (holding, "AFTER_S", 0.3),
        (nats, "RENEW_S", 0.1),
        (nats, "TICK_S", 0.02),
    ):
        monkeypatch.setattr(module, name, value)


def fabric_at(ledger: str, *urls: str, prefix: str = "", **given: Any) -> NatsFabric:
    """A server's part in what is there."""
    place = Nats(urls, prefix or new_prefix(), **given)
    return NatsFabric(place, ledger, SystemClock(), _ids.mint(), "a server")


async def had(fabric: NatsFabric, key: str) -> Lease:
    """The lease, as soon as it can be had."""
    await until(lambda: fabric.lease(key))
    lease = await fabric.lease(key)
    assert lease is not None
    return lease


# ── NATS that is not there, or not fit ───────────────────────────────────────────────────────────────


async def test_that_nobody_answers_is_said_with_where_it_was_looked(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_link, "CONNECT_S", 0.5)
    with pytest.raises(Problem) as told:
        await fabric_at(ledger, "nats://127.0.0.1:1").start()
    assert told.value.slug == "nats-away"
    assert "nats://127.0.0.1:1" in told.value.detail


async def test_whoever_only_looks_is_told_soon_of_each_address(
    ledger: str, unanswered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three machines that are away, one of which swallows what is sent to it: asked at once, not in turn."""
    monkeypatch.setattr(nats_link, "CONNECT_S", 60.0)  # the patience of who starts
    nobody = [f"nats://127.0.0.1:{port}" for port in (1, 2)]
    place = Place("nats", ledger, "a doctor", Nats((unanswered, *nobody), new_prefix()))
    async with asyncio.timeout(3.0):
        with capture_logs() as said, pytest.raises(Problem) as told:
            await look_at_log(place, "receipts", SystemClock())
    assert told.value.slug == "nats-away"
    assert all(f"{one}: nobody listens there" in told.value.detail for one in nobody)
    assert f"{unanswered}: no answer in time" in told.value.detail
    assert said == []  # what a command prints is its answer


@pytest.fixture
async def unanswered() -> AsyncIterator[str]:
    """An address where somebody listens and says nothing."""
    kept: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: kept.append(writer), "127.0.0.1", 0)
    yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for writer in kept:
        writer.close()
    server.close()


async def test_of_nats_that_is_away_each_thing_is_said_once(quick: None, ledger: str) -> None:
    """It is asked many times a second, and may be away for a night."""
    asked, prefix = Counter[str](), new_prefix()
    with servers(["alone"]) as [one], capture_logs() as said:
        fabric = fabric_at(ledger, one.url, prefix=prefix)
        await fabric.start()
        beat = fabric._beat

        async def counted() -> None:
            asked["beat"] += 1
            await beat()

        fabric._tasks.append(asyncio.create_task(fabric._kept_up(counted)))
        one.kill()
        await until(lambda: asked["beat"] >= 30)
        await fabric.stop()
    assert len(said) < 20
    assert max(Counter(str(line) for line in said).values()) <= 2  # by two loops of the same


async def test_that_the_connection_broke_is_said_where_it_did_and_not_where_we_leave(ledger: str) -> None:
    with servers(["alone"]) as [one], capture_logs() as said:
        fabric = fabric_at(ledger, one.url)
        await fabric.start()
        await fabric.stop()
        assert said == []
        fabric = fabric_at(ledger, one.url)
        await fabric.start()
        assert not fabric.apart
        one.kill()
        await until(lambda: any("is broken" in line["event"] for line in said))
        assert fabric.apart
        assert not fabric.leaderless  # nobody answers: that is all that can be told
        await fabric.stop()


async def test_who_only_looks_whether_somebody_answers_is_no_connection_that_breaks(
    nats_server: NatsServer,
) -> None:
    """At its start a server asks all addresses at once, and leaves those that it does not need."""
    link = Link(Nats((nats_server.url,)))
    await link.open("a server")
    with capture_logs() as said:
        assert await link.look_round("a server", 5.0) == {nats_server.url: ""}
        await link.heard()
    await link.close()
    assert said == []


async def test_a_server_without_jetstream_is_refused(ledger: str) -> None:
    with servers(["bare"], more="") as [bare], pytest.raises(Problem) as told:
        await fabric_at(ledger, bare.url).start()
    assert told.value.slug == "nats-unfit"
    assert "no JetStream" in told.value.detail


async def test_whoever_has_the_password_is_let_in_over_tls(
    ledger: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "localhost.pem"
    file.write_bytes(certificate())
    more = f"""
        jetstream
        authorization {{ user: shop, password: "let me in" }}
        tls {{ cert_file: "{file}", key_file: "{file}" }}
    """
    with servers(["closed"], more) as [closed]:
        url = f"tls://localhost:{closed.port}"
        fabric = fabric_at(ledger, url, user="shop", password="let me in", ca_file=str(file))
        with caplog.at_level("WARNING", logger="asyncio"):
            await fabric.start()
            assert await fabric.lease("line/1")
            await fabric.stop()
        assert caplog.messages == []
        with pytest.raises(Problem) as told:
            await fabric_at(ledger, url, user="shop", password="guessed", ca_file=str(file)).start()
    assert told.value.slug == "nats-away"
    assert "Authorization" in told.value.detail
    assert "nats_password" in told.value.detail
    assert "guessed" not in told.value.detail


async def test_two_shops_share_a_nats_by_prefixes(quick: None, ledger: str, nats_server: NatsServer) -> None:
    one, other = (fabric_at(ledger, nats_server.url) for _ in range(2))
    for fabric in (one, other):
        await fabric.start()
    assert await one.lease("line/1")
    assert await other.lease("line/1")
    await one.log("receipts").append([Entry("a", b"")])
    assert await other.log("receipts").read(9, 0) == []
    for fabric in (one, other):
        await fabric.stop()


async def test_an_entry_that_is_too_large_is_refused(ledger: str, nats_server: NatsServer) -> None:
    log = fabric_at(ledger, nats_server.url).log("receipts")
    with pytest.raises(Problem) as told:
        await log.append([Entry("a", bytes(ENTRY_MAX_BYTES + 1))])
    assert told.value.slug == "body-too-large"


async def test_a_log_that_is_full_takes_nothing_while_leases_live_on(
    ledger: str, nats_server: NatsServer
) -> None:
    prefix = new_prefix()
    fabric = fabric_at(ledger, nats_server.url, prefix=prefix, log_max_bytes=64 * 1024)
    await fabric.start()
    lease, log = await had(fabric, "line/1"), fabric.log("receipts")
    with pytest.raises(Problem) as told:
        await log.append([Entry(str(number), bytes(SOME_BYTES)) for number in range(20)])
    assert (told.value.slug, told.value.status) == ("log-full", 503)
    backlog = await log.waiting()
    kept = backlog.entries
    assert 0 < kept * SOME_BYTES < backlog.bytes <= backlog.max_bytes == 64 * 1024
    await log.append([Entry("0", bytes(SOME_BYTES))])  # it is there already
    assert fabric.held(lease)
    assert await had(fabric, "line/2")
    other = fabric_at(ledger, nats_server.url, prefix=prefix, log_max_bytes=128 * 1024)
    await other.start()  # its setting is another: then so is the log
    assert len(await other.log("receipts").read(20, PATIENCE_S)) == kept
    assert (await log.waiting()).max_bytes == 128 * 1024
    await log.append([Entry("more", bytes(SOME_BYTES))])
    for one in (fabric, other):
        await one.stop()


@pytest.mark.parametrize(
    ("text", "token_"),
    [("line/1", "line/1"), ("turn/audit seals", "turn/audit=20seals"), ("a.*=", "a=2E=2A=3D")],
)
def test_any_text_is_one_token(text: str, token_: str) -> None:
    assert token(text) == token_


# ── NATS that forgets ────────────────────────────────────────────────────────────────────────────────


async def test_what_nats_has_forgotten_is_taken_again_when_nobody_believes_in_it(
    quick: None, ledger: str, nats_server: NatsServer
) -> None:
    prefix = new_prefix()
    first, second = (fabric_at(ledger, nats_server.url, prefix=prefix) for _ in range(2))
    numbers = [await one.start() for one in (first, second)]
    lease = await had(first, "line/1")
    losing = asyncio.create_task(first.lost(lease))
    log = first.log("receipts")
    await log.append([Entry("a", b"")])
    for stream in (f"KV_{prefix}_fabric", f"{prefix}_log_receipts"):
        await first._link.api(f"STREAM.DELETE.{stream}")
    await first.stop()  # whoever is left makes what is missing
    taken = await had(second, "line/1")
    assert not first.held(lease)
    async with asyncio.timeout(PATIENCE_S):
        await losing
    assert taken.epoch > lease.epoch
    await second.log("receipts").append([Entry("b", b"")])
    assert [one.id for one in await second.log("receipts").read(9, 0)] == ["b"]
    third = fabric_at(ledger, nats_server.url, prefix=prefix)
    assert await third.start() not in numbers[1:]
    await third.stop()
    await second.stop()


async def test_epochs_begin_behind_those_of_another_fabric(
    quick: None, ledger: str, nats_server: NatsServer
) -> None:
    prefix = new_prefix()
    first = fabric_at(ledger, nats_server.url, prefix=prefix)
    await first.start()
    early = await had(first, "line/1")
    await first.stop()
    second = fabric_at(ledger, nats_server.url, prefix=prefix)
    second.begin_after(early.epoch + 10**9)  # they met by PostgreSQL for a while
    await second.start()
    assert await second.lease("line/1") is None  # whoever has another may not know yet
    assert (await had(second, "line/1")).epoch > early.epoch + 10**9
    await second.stop()


# ── the ledger ───────────────────────────────────────────────────────────────────────────────────────


async def test_who_does_not_reach_the_ledger_leaves_its_leases_to_who_does(
    ledger: str, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ((nats, "RENEW_S"), (nats, "SEEN_S"), (sight, "BLIND_S"), (sight, "BEHIND_S"))
    for module, name in quick:
        monkeypatch.setattr(module, name, 0.1)
    way, prefix = Cutter(ledger), new_prefix()
    await way.listen()
    first, second = (fabric_at(url, nats_server.url, prefix=prefix) for url in (way.url, ledger))
    for one in (first, second):
        await one.start()
    keys = (f"line/{number}" for number in range(100))
    key = next(one for one in keys if preferred(one, [first._server, second._server]) == first._server)
    lease = await had(first, key)
    assert await second.lease(key) is None
    await way.go_away()
    await until(lambda: not first.held(lease))
    assert first.ours(lease)  # what is under way on it ends first
    assert await second.lease(key) is None
    await first.release(lease)
    taken = await had(second, key)
    assert taken.epoch > lease.epoch
    assert await first.lease(key) is None
    await way.listen()
    await until(lambda: not second.held(taken))  # it comes back to who is preferred
    for one in (first, second):
        await one.stop()
    await way.go_away()


# ── a cluster ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.turns(2, 1)
async def test_a_cluster_loses_its_leader_and_then_everything(quick: None, ledger: str) -> None:
    with servers(["a", "b", "c"]) as there:
        urls = [one.url for one in there]
        prefix = new_prefix()
        first, second = (fabric_at(ledger, *urls, prefix=prefix) for _ in range(2))
        await first.start()
        await second.start()
        await _nothing_is_lost_when_the_leader_goes(first, second, there)
        await _leases_are_taken_again_after_the_loss_of_everything(first, second, there)
        await first.stop()
        await second.stop()


@pytest.mark.turns(2, 0)
async def test_a_cluster_without_a_leader_answers_and_does_nothing(quick: None, ledger: str) -> None:
    """Two of three are away: the one that is left lets everybody in."""
    with servers(["a", "b", "c"]) as there, capture_logs() as said:
        urls, prefix = tuple(one.url for one in there), new_prefix()
        fabric = fabric_at(ledger, *urls, prefix=prefix)
        place = Place("nats", ledger, "a doctor", Nats(urls, prefix))
        await fabric.start()
        await fabric.log("receipts").append([Entry("a", b"")])
        there[0].kill()
        looked = await _once_it_answers(place)
        assert looked[0].entries == 1
        assert looked[1] == [f"{urls[0]}: nobody listens there"]
        await until(lambda: not fabric.apart)  # it may have been with the one that went
        there[1].kill()
        await until(lambda: fabric._link.up and fabric.apart)  # it is with the one that is left
        await until(lambda: fabric.leaderless)
        await until(partial(_says_that_it_has_no_leader, place, urls))
        there[1].start()
        await until(lambda: not fabric.apart)
        assert not fabric.leaderless
        assert await had(fabric, "line/1")
        await until(lambda: any(line["event"] == "NATS does what is asked again" for line in said))
        await fabric.stop()


async def _once_it_answers(place: Place) -> tuple[Backlog, list[str]]:
    """What is seen there, once there is a leader again."""
    while True:
        with suppress(Problem):
            found = await look_at_log(place, "receipts", SystemClock())
            assert found is not None
            return found


async def _says_that_it_has_no_leader(place: Place, urls: Sequence[str]) -> bool:
    try:
        await look_at_log(place, "receipts", SystemClock())
    except Problem as told:
        return told.title == "NATS does nothing: it has no leader" and f"{urls[2]}: answers" in told.detail
    return False


async def _nothing_is_lost_when_the_leader_goes(
    first: NatsFabric, second: NatsFabric, there: list[NatsServer]
) -> None:
    log, acked = first.log("receipts"), Counter[str]()

    async def append(begin: int) -> None:
        entries = [Entry(f"smsc/{number}", b"as it came") for number in range(begin, begin + 100)]
        await log.append(entries)
        acked.update(one.id for one in entries)

    appending = [asyncio.create_task(append(begin)) for begin in range(0, ENTRIES, 100)]
    await until(lambda: len(acked) >= ENTRIES // 5)
    info = await second._link.api(f"STREAM.INFO.{log._stream}")  # type: ignore[attr-defined]
    assert info["config"]["num_replicas"] == 3
    leader = next(one for one in there if one.name == info["cluster"]["leader"])
    leader.kill()
    await asyncio.gather(*appending)
    reader, found = second.log("receipts"), Counter[str]()

    async def all_read() -> bool:
        with suppress(Problem):  # it has no leader yet, or we have not found another server
            read = await reader.read(1_000, PATIENCE_S)
            await reader.done()
            found.update(one.id for one in read)
        return found.total() >= ENTRIES

    await until(all_read)
    assert found == acked
    leader.start()


async def _leases_are_taken_again_after_the_loss_of_everything(
    first: NatsFabric, second: NatsFabric, there: list[NatsServer]
) -> None:
    lease = await had(first, "line/1")
    losing = asyncio.create_task(first.lost(lease))
    for one in there:
        one.kill(wipe=True)
    assert await losing > 0, "nobody takes any in the new bucket so soon"
    for one in there:
        one.start()
    taken: list[Lease] = []

    async def either() -> bool:
        taken.extend([found for one in (first, second) if (found := await one.lease("line/1"))])
        return bool(taken)

    await until(either)
    assert len(taken) == 1
    assert taken[0].epoch > lease.epoch
    await until(lambda: len(first.members) == 2)
    await second.log("receipts").append([Entry("afterwards", b"")])
    assert [one.id for one in await second.log("receipts").read(9, PATIENCE_S)] == ["afterwards"]
