"""Batches that are made ready beside the server are those that it accepts itself, once each."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from angarium import rooms  # noqa: F401  so that all tables are declared
from angarium.composer import StandsOn
from angarium.contacts.store.tables import address, contact
from angarium.core.clock import SystemClock
from angarium.core.ports import Accepted
from angarium.core.problems import Problem
from angarium.messaging import batch, composer, erasing
from angarium.messaging.accept import Order, accept
from angarium.messaging.answering import Answer
from angarium.messaging.batch import BATCH, Batch, Beside, Offered, Unread
from angarium.messaging.composer import ComposerProcess
from angarium.messaging.store.tables import attempt, message
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.facts import fact
from angarium.storage.facts_common import fact_common
from angarium.storage.idempotency import idempotency
from support.composing import Broken, Reader
from support.relay import Relay
from support.still import SeededChance

KNOWN, NEW = "+380501234567", "+380509999999"
OWN = {
    "id",
    "contact_id",
    "message_id",
    "subject_id",
    "seq",
    "tx",
    "common_id",
    "body",
    "response",
}  # by ids that are minted
TABLES = (contact, address, message, attempt, fact, fact_common, idempotency)


@pytest.fixture
async def shop(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """With lines, a cascade, a template and a few contacts; batches are made ready from one message on."""
    monkeypatch.setattr(batch, "MESSAGES_MIN", 1)
    await relay.line("sms", "smpp", ("service", "transactional", "promotional", "otp"))
    await relay.line("viber", "viber_business", ("service", "promotional"))
    await relay.template("shipped", "{{ name }}, order {{ number }} is on its way")
    await relay.cascade("both", [{"channel": "viber_business", "wait_s": 60}, {"channel": "smpp"}])
    await relay.contact(external_id="c1", addresses=[{"kind": "phone", "value": KNOWN}])
    await relay.contact(
        external_id="no", opted_out=["promotional"], addresses=[{"kind": "phone", "value": "+380502222222"}]
    )
    return relay


def service(to: dict[str, str] | None = None, **given: Any) -> dict[str, Any]:
    """One message."""
    said = {} if "template" in given else {"text": "Your order is on its way"}
    way = {} if "cascade" in given or "steps" in given else {"channel": "smpp"}
    return {"to": to or {"phone": KNOWN}, "class": "service", **said, **way, **given}


MIXED: list[dict[str, Any]] = [
    service(),
    service({"phone": NEW}, label="l", reference="r1"),
    service({"phone": NEW}, text="Another one to somebody new"),
    service({"external_id": "c1"}, cascade="both"),
    service({"external_id": "nobody"}),
    service({"phone": "12"}),
    {"to": {"phone": KNOWN}, "colour": "red"},
    service(template="shipped", variables={"name": "Olena", "number": 7}),
    service(template="shipped"),
    service({"external_id": "no"}, **{"class": "promotional"}),
    service(send_at="2025-12-01T00:00:00Z"),
    service(deadline_s=60),
    service(text="Big sale! -50% off everything today only, buy now"),
]


async def began(relay: Relay, *reader: Any) -> Beside:
    """What has batches made ready, after so many that they follow one another."""
    beside = Beside(relay.world, *(reader or (Reader(relay.world),)))
    # steps of a message's own have a version once one was accepted
    assert not isinstance(await relay.order(service(text="the first")), Problem)
    return beside


def unread(relay: Relay, messages: list[dict[str, Any]], key: str = "", body_hash: bytes = b"h") -> Unread:
    """A request for these."""
    body = msgspec.json.encode({"messages": messages})
    return Unread(relay.workspace_id, body, key, body_hash if key else b"")


async def as_the_server_does(relay: Relay, order: Unread) -> Answer | Problem:
    """Accept a request without anybody beside."""
    asked = Order(relay.workspace_id, tuple(BATCH.read(order.body)), True, order.key, order.body_hash)
    return (await accept(relay.world, [asked]))[0]


async def rows(relay: Relay) -> list[list[str]]:
    """Everything that was written, without what two runs cannot share."""

    async def work(tx: Transaction) -> list[list[str]]:
        found = []
        for table in TABLES:
            names = [column.name for column in table.columns if column.name not in OWN]
            told = await tx.rows(Statement(select(*(table.c[name] for name in names))))
            found.append(
                sorted(repr([bytes(v) if isinstance(v, memoryview) else v for v in row]) for row in told)
            )
        return found

    return await relay.ground.db.read(work)


async def forget(relay: Relay) -> None:
    """Forget what was accepted, and who came by it."""

    async def work(tx: Transaction) -> None:
        for table in (attempt, message, fact, fact_common, idempotency):
            await tx.execute(Statement(table.delete()))
        await tx.execute(Statement(address.delete().where(address.c.value == NEW)))
        await tx.execute(Statement(contact.delete().where(contact.c.created_at == relay.clock.now())))

    await relay.ground.db.run(work)


def plain(answer: Answer | Problem | None) -> dict[str, Any]:
    """An answer without the ids in it."""
    assert isinstance(answer, Answer)
    document = msgspec.json.decode(answer.body)
    for one in document["results"]:
        one.pop("id", None)
        one.pop("contact", None)
    return {"status": answer.status, **document}


async def test_they_are_what_the_server_accepts_itself(shop: Relay) -> None:
    reader = Reader(shop.world)
    beside = await began(shop, reader)
    shop.clock.advance(60)
    await forget(shop)
    order = unread(shop, MIXED, key="k")
    first = plain(await as_the_server_does(shop, order))
    written = await rows(shop)
    await forget(shop)
    assert plain(await beside.accept(order)) == first
    assert await rows(shop) == written
    assert reader.composed == 1
    assert (first["accepted"], first["rejected"]) == (9, 4)


async def test_they_go_out_and_wake_their_line(shop: Relay) -> None:
    beside = await began(shop)
    await shop.take("sms")  # the first
    answer = await beside.accept(unread(shop, [service(text="ready"), service({"phone": NEW}, text="new")]))
    assert isinstance(answer, Answer)
    assert [one.address for one in await shop.claim("sms")] == [KNOWN, NEW]


async def test_a_request_that_is_repeated_is_answered_as_before(shop: Relay) -> None:
    beside = await began(shop)
    order = unread(shop, [service()], key="k")
    first = await beside.accept(order)
    count = len((await rows(shop))[TABLES.index(message)])
    assert await beside.accept(order) == first
    assert await as_the_server_does(shop, order) == first
    other = await beside.accept(unread(shop, [service(text="other")], key="k", body_hash=b"o"))
    assert isinstance(other, Problem)
    assert other.slug == "idempotency-mismatch"
    assert len((await rows(shop))[TABLES.index(message)]) == count


async def meanwhile(shop: Relay, what: str) -> None:
    if what == "erased":
        gone = (await shop.contact(external_id="c1", addresses=[{"kind": "phone", "value": KNOWN}])).id
        await erasing.erase(shop.world, shop.workspace_id, gone, "key_shop")
    else:
        await shop.contact(external_id="quicker", addresses=[{"kind": "phone", "value": NEW}])


class Slow(Reader):
    """Something happens while it answers."""

    def __init__(self, shop: Relay, what: str) -> None:
        super().__init__(shop.world)
        self._shop, self._what = shop, what

    async def batch(self, offered: Offered) -> Batch | None:
        """What was asked for; it is outdated when it comes."""
        found = await super().batch(offered)
        await meanwhile(self._shop, self._what)
        return found


@pytest.mark.parametrize("what", ["erased", "quicker"])
async def test_what_is_outdated_is_not_written_and_its_key_is_free(shop: Relay, what: str) -> None:
    slow = Slow(shop, what)
    beside = await began(shop, slow)
    before = (await rows(shop))[TABLES.index(message)]
    order = unread(shop, [service(), service({"phone": NEW})], key="k")
    assert await beside.accept(order) is None
    assert slow.composed == 1
    after = await rows(shop)
    assert len(after[TABLES.index(message)]) == len(before)
    assert after[TABLES.index(idempotency)] == []
    assert plain(await as_the_server_does(shop, order))["accepted"] == 2


async def test_a_no_that_comes_in_between_is_heard_before_bytes_leave(shop: Relay) -> None:
    class Late(Reader):
        async def batch(self, offered: Offered) -> Batch | None:
            found = await super().batch(offered)
            at = [{"kind": "phone", "value": KNOWN}]
            await shop.contact(external_id="c1", opted_out=["promotional"], addresses=at)
            return found

    beside = await began(shop, Late(shop.world))
    await shop.take("sms", Accepted(("first",)))
    answer = await beside.accept(unread(shop, [service(**{"class": "promotional"})]))
    assert plain(answer)["results"][0]["state"] == "queued"
    assert await shop.claim("sms") == []


@pytest.mark.parametrize(
    "messages",
    [
        [service(), service(**{"class": "otp"})],
        [service(steps=[{"channel": "viber_business", "wait_s": 30}, {"channel": "smpp"}])],  # of a new kind
        [service({"phone": "12"})],
        [service()] * (batch.MESSAGES_MAX + 1),
    ],
)
async def test_what_more_has_a_say_in_is_accepted_by_the_server(
    shop: Relay, messages: list[dict[str, Any]]
) -> None:
    reader = Reader(shop.world)
    beside = await began(shop, reader)
    assert await beside.accept(unread(shop, messages)) is None
    assert reader.composed == 0


async def test_what_a_budget_counts_is_accepted_by_the_server(shop: Relay) -> None:
    await shop.policy("budgets", budgets=[{"name": "b", "every": "day", "currency": "UAH", "amount": "10"}])
    reader = Reader(shop.world)
    beside = await began(shop, reader)
    assert await beside.accept(unread(shop, [service()])) is None
    assert reader.composed == 0


@pytest.mark.parametrize("body", [b"no JSON", b'{"messages": "to"}', b"\xff", b"[" * 100_000, b'{"to":1}'])
async def test_what_cannot_be_read_is_for_the_server_to_refuse(shop: Relay, body: bytes) -> None:
    reader = Reader(shop.world)
    beside = await began(shop, reader)
    assert await beside.accept(Unread(shop.workspace_id, body + b' "to"')) is None


async def test_a_workspace_of_which_nothing_could_be_made_ready_is_left_alone_for_a_while(
    shop: Relay,
) -> None:
    reader = Reader(shop.world)
    beside = await began(shop, reader)
    assert await beside.accept(unread(shop, [service(**{"class": "otp"})])) is None
    assert await beside.accept(unread(shop, [service()])) is None
    assert reader.composed == 0
    shop.clock.advance(batch.AGAIN_S)
    assert await beside.accept(unread(shop, [service()])) is not None
    assert reader.composed == 1


async def test_one_that_is_gone_is_done_without(shop: Relay) -> None:
    beside = await began(shop, Broken())
    assert await beside.accept(unread(shop, [service()])) is None


async def test_it_begins_once_batches_follow_one_another(
    shop: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(shop.world)
    reader.is_up = False
    beside = await began(shop, reader)
    order = unread(shop, [service()])
    for _ in range(batch.FOLLOWING):
        assert await beside.accept(order) is None
        shop.clock.advance(batch.FOLLOW_S)
    assert not reader.is_up, "they were too far apart"
    shop.clock.advance(batch.FOLLOW_S)
    for _ in range(batch.FOLLOWING - 1):
        assert await beside.accept(order) is None
    assert await beside.accept(order) is not None
    monkeypatch.setattr(batch, "MESSAGES_MIN", 2)
    assert await beside.accept(order) is None, "too few messages"


async def test_who_says_that_there_are_ever_so_many_has_no_ids_minted(shop: Relay) -> None:
    beside = await began(shop)
    minted = shop.ground.ids.mint()
    for body in (b'"to"' * (batch.MESSAGES_MAX + 1), b'"to"' + b" " * batch.BYTES_MAX):
        assert await beside.accept(Unread(shop.workspace_id, body)) is None
    assert shop.ground.ids.mint() == minted + 1


# ── the process ──────────────────────────────────────────────────────────────────────────────────────


def process_beside(database_url: str, folder: Path) -> ComposerProcess:
    """A process on the database and the key of the relay."""
    key = folder / "angarium.key"
    key.write_text(base64.b64encode(SeededChance(0).secret(32)).decode())
    stands_on = msgspec.json.encode(StandsOn(database_url, str(key), ""))
    return ComposerProcess("angarium.composer", stands_on, SystemClock())


async def until(seen: Callable[[], bool]) -> None:
    """Wait until something is so of a process."""
    async with asyncio.timeout(20):
        while not seen():  # noqa: ASYNC110  a process
            await asyncio.sleep(0.02)


async def test_the_process_begins_meanwhile_and_what_breaks_in_it_is_left_to_the_server(
    shop: Relay, database_url: str, tmp_path: Path
) -> None:
    process = process_beside(database_url, tmp_path)
    beside = await began(shop, process)
    order = unread(shop, [service()])
    try:
        for _ in range(batch.FOLLOWING):
            assert await beside.accept(order) is None
        await until(lambda: process.is_up)
        pid = process._process.pid if process._process else 0
        assert plain(await beside.accept(order))["accepted"] == 1
        short = Offered(shop.workspace_id, order.body, [], shop.clock.now(), {}, {})
        assert await process.batch(short) is None, "it has no ids left"
        assert plain(await beside.accept(order))["accepted"] == 1
        assert process._process is not None
        assert process._process.pid == pid, "it began anew"
    finally:
        await process.stop()


@pytest.mark.turns(5, 1)
async def test_who_does_not_answer_is_not_waited_for_long(
    shop: Relay, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composer, "ANSWER_WITHIN_S", 0.2)
    process = process_beside(database_url, tmp_path)
    beside = await began(shop, process)
    try:
        process.begin()
        await until(lambda: process.is_up)
        assert process._process is not None
        os.kill(process._process.pid, signal.SIGSTOP)
        assert await beside.accept(unread(shop, [service()])) is None
        assert not process.is_up
    finally:
        await process.stop()


async def test_one_workspace_waits_for_one_request_of_another(
    shop: Relay, database_url: str, tmp_path: Path
) -> None:
    process, answered = process_beside(database_url, tmp_path), list[int]()
    body = unread(shop, [service()]).body

    async def ask(workspace_id: int) -> None:
        await process.batch(Offered(workspace_id, body, [], shop.clock.now(), {}, {}))
        answered.append(workspace_id)

    try:
        asked = [asyncio.create_task(ask(one)) for one in [shop.workspace_id] * 5 + [7]]
        await asyncio.gather(*asked)
        assert answered == [shop.workspace_id, 7] + [shop.workspace_id] * 4
    finally:
        await process.stop()


async def test_a_process_that_cannot_begin_is_left_alone_for_a_while(shop: Relay) -> None:
    process = ComposerProcess("angarium.no_such_module", b"{}", shop.clock)
    beside = await began(shop, process)
    order = unread(shop, [service()])
    try:
        for _ in range(batch.FOLLOWING):
            assert await beside.accept(order) is None
        await until(lambda: process._not_before > shop.clock.monotonic())
        assert await beside.accept(order) is None
        assert process._supervisor.failures == {}
        assert not process.is_up
    finally:
        await process.stop()
