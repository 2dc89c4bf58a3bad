"""What servers say to one another keeps its promises, whichever fabric they have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import msgspec
import pytest

from angarium.core.clock import Clock, SystemClock
from angarium.core.fabric import Entry, Fabric, Lease, Waiter
from angarium.core.ids import IdMint
from angarium.fabric import holding, nats, numbers, postgres, store
from angarium.fabric.ears import WAITING_MAX
from angarium.fabric.local import LocalFabric
from angarium.fabric.members import NODE_MAX, free_node, preferred
from angarium.fabric.nats import NatsFabric
from angarium.fabric.place import Nats
from angarium.fabric.postgres import PostgresFabric
from angarium.storage.database import Database, open_database
from angarium.storage.postgres import split_url
from angarium.storage.revise import load_tables
from support.cutter import Cutter
from support.databases import PostgresServer, create_schema
from support.nats_servers import NatsServer, new_prefix
from support.running import PATIENCE_S, until

QUICK = {
    holding: {"AFTER_S": 0.3},
    postgres: {"RENEW_S": 0.1, "TICK_S": 0.02},
    nats: {"RENEW_S": 0.1, "TICK_S": 0.02},
}
SEVERAL_BEATS = 500_000  # microseconds
_ids = IdMint(SystemClock())
load_tables()


class SteppedClock(SystemClock):
    """The machine's clock, which can go on while nothing else does, as for a process that was stopped."""

    skipped_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped_s


class Meeting:
    """Where servers of one kind meet, over one database; `way` can be cut for those who go by it."""

    def __init__(self, kind: str, ledger: Database, way: Cutter, nats_url: str) -> None:
        self.kind = kind
        self.way = way
        self.there: list[PostgresFabric | NatsFabric] = []
        self.numbers: list[int | None] = []  # that servers were given, as they joined
        self.nats = Nats((nats_url,), new_prefix())
        self._ledger, self._url = ledger, way.behind
        if kind == "nats":
            self.way = Cutter(nats_url)

    async def join(self, *, cut: bool = False, clock: Clock | None = None) -> PostgresFabric | NatsFabric:
        """One server more."""
        clock, server, name = clock or SystemClock(), _ids.mint(), f"server {len(self.there)}"
        one: PostgresFabric | NatsFabric
        if self.kind == "nats":
            servers = (f"nats://127.0.0.1:{self.way.port}",) if cut else self.nats.servers
            place = msgspec.structs.replace(self.nats, servers=servers)
            one = NatsFabric(place, self._url, clock, server, name)
        else:
            one = PostgresFabric(self.way.url if cut else self._url, self._ledger, clock, server, name)
        self.numbers.append(await one.start())
        self.there.append(one)
        return one

    async def end(self) -> None:
        """All leave."""
        for one in self.there:
            await one.stop()
        await self.way.go_away()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that are quick to tell that another is gone."""
    for module, values in QUICK.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that run out while one waits for it."""
    monkeypatch.setattr(holding, "TTL_S", 2.0)
    monkeypatch.setattr(holding, "MARGIN_S", 0.5)


@asynccontextmanager
async def meeting(
    kind: str, postgres_server: PostgresServer, nats_server: NatsServer
) -> AsyncIterator[Meeting]:
    """A place to meet at, with a database of its own."""
    async with postgres_server.lent() as url:
        ledger = open_database(url)
        await ledger.start()
        one = Meeting(kind, ledger, Cutter(url), nats_server.url)
        await one.way.listen()
        yield one
        await one.end()
        await ledger.stop()


@pytest.fixture(params=["postgres", "nats"])
async def several(
    request: pytest.FixtureRequest, quick: None, postgres_server: PostgresServer, nats_server: NatsServer
) -> AsyncIterator[Meeting]:
    """Each of those that several servers can have."""
    async with meeting(request.param, postgres_server, nats_server) as one:
        yield one


@pytest.fixture(params=["local", "postgres", "nats"])
async def fabric(
    request: pytest.FixtureRequest, quick: None, postgres_server: PostgresServer, nats_server: NatsServer
) -> AsyncIterator[Fabric]:
    """Each of them, where one server is alone."""
    if request.param == "local":
        database = open_database("sqlite://")
        await database.start()
        await create_schema(database)
        yield LocalFabric(SystemClock(), database)
        await database.stop()
        return
    async with meeting(request.param, postgres_server, nats_server) as one:
        yield await one.join()


async def had(fabric: Fabric, key: str) -> Lease:
    """The lease, as soon as it can be had."""
    await until(lambda: fabric.lease(key))
    lease = await fabric.lease(key)
    assert lease is not None
    return lease


# ── whichever it is ──────────────────────────────────────────────────────────────────────────────────


async def test_a_lease_is_ours_until_it_is_given_up(fabric: Fabric) -> None:
    lease = await had(fabric, "line/1")
    assert fabric.held(lease)
    assert await fabric.lease("line/1") == lease
    other = await had(fabric, "line/2")
    assert (other.key, fabric.held(other)) == ("line/2", True)
    losing = asyncio.create_task(fabric.lost(lease))
    await fabric.release(other)
    assert not losing.done()
    losing.cancel()


@pytest.mark.parts(2)
async def test_epochs_begin_behind_what_the_database_remembers(short: None, fabric: Fabric) -> None:
    fabric.begin_after(10**17)
    assert (await had(fabric, "line/1")).epoch > 10**17


async def test_whoever_listens_is_woken_once_however_often_it_was_rung(fabric: Fabric) -> None:
    ear, other = fabric.listen("line/1"), fabric.listen("line/2")
    fabric.wake("line/1")
    fabric.wake("line/1")
    assert await ear.wait(PATIENCE_S)
    assert not await other.wait(0)
    ear.close()
    fabric.wake("line/1")
    assert not await ear.wait(0)


async def test_of_several_who_listen_one_can_be_woken_alone(fabric: Fabric) -> None:
    ear, other = fabric.listen("line/1"), fabric.listen("line/1")
    ear.wake()
    assert await ear.wait(PATIENCE_S)
    assert not await other.wait(0)


async def test_what_is_told_is_heard_in_order_by_who_listens_to_it(fabric: Fabric) -> None:
    hearer, other = fabric.hear("ticket/1"), fabric.hear("ticket/2")
    for number in range(3):
        fabric.tell("ticket/1", b"%d" % number)
    assert [await hearer.next(PATIENCE_S) for _ in range(3)] == [b"0", b"1", b"2"]
    assert await hearer.next(0) is None
    assert await other.next(0) is None
    hearer.close()
    fabric.tell("ticket/1", b"3")
    assert await hearer.next(0) is None


async def test_of_too_much_that_waits_the_oldest_is_lost(fabric: Fabric) -> None:
    hearer = fabric.hear("ticket/1")
    for number in range(WAITING_MAX + 5):
        fabric.tell("ticket/1", b"%d" % number)
    assert await hearer.next(PATIENCE_S) == b"5"


async def test_what_is_appended_is_handed_out_oldest_first_until_it_is_done(fabric: Fabric) -> None:
    log, reader = fabric.log("receipts"), fabric.log("receipts")
    await log.append([Entry(f"a/{number}", b"%d" % number) for number in range(3)])
    await log.append([Entry("b", b"")])
    first = await reader.read(3, PATIENCE_S)
    assert [(one.id, one.body) for one in first] == [("a/0", b"0"), ("a/1", b"1"), ("a/2", b"2")]
    assert (await log.waiting()).entries == 4
    await reader.done()
    assert [one.id for one in await reader.read(3, PATIENCE_S)] == ["b"]
    await reader.done()
    assert await reader.read(3, 0) == []
    assert (await log.waiting()).entries == 0
    assert (await fabric.log("others").waiting()).entries == 0
    assert await fabric.log("others").read(3, 0) == []


async def test_what_was_appended_twice_is_handed_out_once_also_when_it_is_done(fabric: Fabric) -> None:
    log = fabric.log("receipts")
    entry = Entry("smsc/17/delivered", b"as it came")
    await log.append([entry, entry])
    await log.append([entry])
    assert await log.read(9, PATIENCE_S) == [entry]
    await log.done()
    await log.append([entry])
    assert await log.read(9, 0) == []


async def test_a_reader_that_was_not_done_is_handed_it_again(fabric: Fabric) -> None:
    await fabric.log("receipts").append([Entry("a", b"1")])
    reader = fabric.log("receipts")
    assert [one.id for one in await reader.read(9, PATIENCE_S)] == ["a"]
    assert [one.id for one in await reader.read(9, PATIENCE_S)] == ["a"]


async def test_what_a_reader_gives_back_is_handed_to_the_next_at_once(fabric: Fabric) -> None:
    await fabric.log("receipts").append([Entry("a", b"1"), Entry("b", b"2")])
    first, second = fabric.log("receipts"), fabric.log("receipts")
    assert [one.id for one in await first.read(9, PATIENCE_S)] == ["a", "b"]
    await first.give_back()
    assert [one.id for one in await second.read(9, PATIENCE_S)] == ["a", "b"]
    await second.done()
    await second.give_back()  # nothing is left to give back
    assert await first.read(9, 0) == []


async def test_who_waits_at_a_log_is_handed_what_comes(fabric: Fabric) -> None:
    reading = asyncio.create_task(fabric.log("receipts").read(9, PATIENCE_S))
    await asyncio.sleep(0)
    await fabric.log("receipts").append([Entry("a", b"1")])
    assert [one.id for one in await reading] == ["a"]


# ── several servers ──────────────────────────────────────────────────────────────────────────────────


async def test_one_of_several_has_it_and_another_when_it_leaves(several: Meeting) -> None:
    first, second = await several.join(), await several.join()
    for one in (first, second):  # who comes to ask for leases later than one was taken may be to have it
        await one.lease("line/0")
    asking = (first, second) * 5
    found = await asyncio.gather(*(one.lease("line/1") for one in asking))
    assert len({lease.epoch for lease in found if lease}) == 1
    [owner] = {one for one, lease in zip(asking, found, strict=True) if lease}  # whichever of its five
    other = second if owner is first else first
    lease = await had(owner, "line/1")
    losing = asyncio.create_task(owner.lost(lease))
    await owner.stop()
    assert await within_patience(losing) == 0
    taken = await had(other, "line/1")
    assert taken.epoch > lease.epoch
    assert not owner.held(lease)


async def test_who_waits_for_a_loss_is_told_of_a_lease_that_was_asked_for_twice(
    several: Meeting,
) -> None:
    one = await several.join()
    asked = [asyncio.create_task(one.lease("line/1")) for _ in range(2)]
    lease = await asked[0]
    assert lease is not None
    losing = asyncio.create_task(one.lost(lease))
    assert await asked[1] == lease
    await one.stop()
    async with asyncio.timeout(PATIENCE_S):
        await losing


async def test_a_lease_moves_to_who_is_preferred_when_it_comes_and_only_then(several: Meeting) -> None:
    first = await several.join()
    leases = [await had(first, f"line/{number}") for number in range(12)]
    second = await several.join()
    await second.lease(leases[0].key)
    moving = [one for one in leases if preferred(one.key, [first._server, second._server]) == second._server]
    assert 0 < len(moving) < len(leases)
    for lease in moving:
        await until(lambda lease=lease: not first.held(lease))  # type: ignore[misc]
        assert await second.lease(lease.key) is None  # what is under way ends first
        await first.release(lease)
        assert (await had(second, lease.key)).epoch > lease.epoch
    assert all(first.held(one) for one in leases if one not in moving)


async def test_nothing_is_left_to_one_who_is_not_ready_for_it(several: Meeting) -> None:
    """It has started, and asks for no lease yet: on a busy machine for seconds, in which nobody had what the
    others left to it."""
    first = await several.join()
    leases = [await had(first, f"line/{number}") for number in range(12)]
    second = await several.join()
    servers = [first._server, second._server]
    moving = [one for one in leases if preferred(one.key, servers) == second._server]
    new = next(f"line/{n}" for n in range(12, 99) if preferred(f"line/{n}", servers) == second._server)
    seen = first.members[0].seen_at
    await until(lambda: first.members[0].seen_at > seen + SEVERAL_BEATS)
    assert all(first.held(one) for one in leases)
    assert await first.lease(new) is not None  # at once: there is nobody for whom to wait
    await second.lease(leases[0].key)
    for lease in moving:
        await until(lambda lease=lease: not first.held(lease))  # type: ignore[misc]


async def test_who_is_not_preferred_takes_what_is_not_wanted_and_keeps_it(several: Meeting) -> None:
    first, second = await several.join(), await several.join()
    for one in (first, second):
        await one.lease("line/other")
    await until(lambda: len(first.members) == 2)
    key = next(
        f"line/{n}"
        for n in range(100)
        if preferred(f"line/{n}", [first._server, second._server]) == second._server
    )
    assert await first.lease(key) is None
    lease = await had(first, key)
    seen = {one.server: one.seen_at for one in first.members}
    await until(lambda: all(one.seen_at > seen[one.server] for one in first.members))
    assert first.held(lease)


async def test_who_is_cut_off_knows_it_before_another_may_have_it(short: None, several: Meeting) -> None:
    first, second = await several.join(cut=True), await several.join()
    lease = await had(first, "line/1")
    await several.way.go_away()
    losing = asyncio.create_task(first.lost(lease))
    assert holding.MARGIN_S - 0.2 < await within_patience(losing) <= holding.MARGIN_S
    told_at = time.monotonic()
    assert not first.held(lease)
    taken = await had(second, "line/1")
    assert time.monotonic() - told_at > 0.2, "another had it as soon as the first knew of the loss"
    assert taken.epoch > lease.epoch
    await several.way.listen()
    await until(lambda: first.members and first.members[-1].seen_at)
    assert await first.lease("line/1") is None


async def test_who_stood_still_knows_it_as_soon_as_it_goes_on(several: Meeting) -> None:
    clock = SteppedClock()
    first = await several.join(clock=clock)
    lease = await had(first, "line/1")
    losing = asyncio.create_task(first.lost(lease))
    clock.skipped_s = holding.TTL_S  # and not a renewal in between
    assert not first.held(lease)
    assert await within_patience(losing) == 0, "another may have it by now"
    assert (await had(first, "line/1")).epoch >= lease.epoch


async def within_patience(losing: asyncio.Task[float]) -> float:
    """For how long what is lost is nobody's."""
    async with asyncio.timeout(PATIENCE_S):
        return await losing


async def test_a_wake_up_is_heard_by_the_others(several: Meeting) -> None:
    first, second = await several.join(), await several.join()
    ear = second.listen("line/1")
    first.wake("line/1")
    assert await ear.wait(PATIENCE_S)
    await until(lambda: _is_rung(first, ear))


async def _is_rung(fabric: Fabric, ear: Waiter) -> bool:
    fabric.wake("line/1")
    return await ear.wait(1)


async def test_what_one_tells_the_others_hear(several: Meeting) -> None:
    first, second = await several.join(), await several.join()
    hearer, own = second.hear("ticket/1"), first.hear("ticket/1")
    first.tell("ticket/1", b"before anybody could hear")
    heard = None
    while heard is None:  # it is lossy while the ear is new
        first.tell("ticket/1", b"now")
        heard = await hearer.next(0.1)
    assert heard in (b"now", b"before anybody could hear")
    assert await own.next(PATIENCE_S) == b"before anybody could hear"


async def test_no_two_have_the_same_number(several: Meeting) -> None:
    there = await asyncio.gather(*(several.join() for _ in range(5)))
    assert sorted(number or 0 for number in several.numbers) == [0, 1, 2, 3, 4]
    left = {one.server: one.node for one in there[0].members if one.server == there[2]._server}
    await there[2].stop()
    await several.join()
    assert several.numbers[-1] == left.get(there[2]._server, several.numbers[-1])
    assert len(set(several.numbers)) == 5


async def test_who_was_believed_gone_is_told(several: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await several.join()
    monkeypatch.setattr(numbers, "GONE_S", 0.0)
    await several.join()
    async with asyncio.timeout(PATIENCE_S):
        await first.gone()


async def test_who_stands_still_in_its_turn_holds_up_nobody_for_long(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "TURN_S", 1)
    async with postgres_server.lent() as url:
        still, other = [await asyncpg.connect(split_url(url)[0]) for _ in range(2)]
        await still.execute("BEGIN")
        await store._wait_for_turn(still, store.TELLING)

        async def told() -> bool:
            with suppress(asyncpg.LockNotAvailableError):  # it waits no longer, and comes again
                await store.tell(other, 1, [("ticket/1", b"now")])
                return True
            return False

        await until(told)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await still.execute("COMMIT")
        for one in (still, other):
            one.terminate()


# ── who is preferred ─────────────────────────────────────────────────────────────────────────────────


def test_when_a_server_goes_only_what_was_its_own_moves() -> None:
    keys, servers = [f"line/{number}" for number in range(1_000)], [1, 2, 3, 4]
    before = {key: preferred(key, servers) for key in keys}
    after = {key: preferred(key, [1, 2, 4]) for key in keys}
    assert all(before[key] == after[key] for key in keys if before[key] != 3)
    shares = [list(before.values()).count(server) for server in servers]
    assert min(shares) > 200


def test_nobody_is_preferred_where_nobody_is() -> None:
    assert preferred("line/1", []) is None


def test_numbers_run_out() -> None:
    assert free_node({0, 1, 3}) == 2
    assert free_node(set(range(NODE_MAX + 1))) is None
