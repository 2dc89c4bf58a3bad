"""Idempotency keys: done once, answered twice, on both databases."""

from __future__ import annotations

import asyncio

import pytest

from angarium.core.problems import Problem
from angarium.storage.database import Database, Transaction, open_database
from angarium.storage.idempotency import (
    Claim,
    Mismatch,
    New,
    Replay,
    Twin,
    claim,
    fill,
    once,
    purge,
    release,
)
from support.databases import PostgresServer
from support.sample import ids, put


async def answer(tx: Transaction, *asked: tuple[str, bytes], now: int = 0) -> list[Claim]:
    """Claim, and fill what is new with its own key as the response."""
    claims = await claim(tx, 1, asked, now)
    new = [key for (key, _), found in zip(asked, claims, strict=True) if found == New()]
    await fill(tx, 1, [(key, 202, key.encode()) for key in new])
    return claims


async def test_the_second_request_gets_the_first_answer(database: Database) -> None:
    assert await database.run(answer, ("a", b"1")) == [New()]
    assert await database.run(answer, ("a", b"1"), ("b", b"1")) == [Replay(202, b"a"), New()]


async def test_a_key_used_for_another_body(database: Database) -> None:
    await database.run(answer, ("a", b"1"))
    assert await database.run(answer, ("a", b"2")) == [Mismatch()]


async def test_a_batch_that_holds_a_key_twice(database: Database) -> None:
    claims = await database.run(answer, ("a", b"1"), ("b", b"1"), ("a", b"1"), ("b", b"2"))
    assert claims == [New(), New(), Twin(0), Mismatch()]
    again = await database.run(answer, ("a", b"1"), ("a", b"1"), ("a", b"2"))
    assert again == [Replay(202, b"a"), Replay(202, b"a"), Mismatch()]


async def test_keys_belong_to_a_workspace(database: Database) -> None:
    async def other(tx: Transaction) -> list[Claim]:
        return await claim(tx, 2, [("a", b"2")], 0)

    await database.run(answer, ("a", b"1"))
    assert await database.run(other) == [New()]


async def test_no_keys(database: Database) -> None:
    assert await database.run(answer) == []


async def test_a_claim_that_failed_is_free_again(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await answer(tx, ("a", b"1"))
        raise LookupError

    await asyncio.gather(database.run(work), return_exceptions=True)
    assert await database.run(answer, ("a", b"2")) == [New()]


async def test_a_claim_that_was_never_filled_is_new_again(database: Database) -> None:
    await database.run(claim, 1, [("a", b"1")], 0)
    assert await database.run(claim, 1, [("a", b"1"), ("a", b"1")], 0) == [New(), Twin(0)]
    assert await database.run(claim, 1, [("a", b"2")], 0) == [Mismatch()]


async def test_a_claim_that_is_given_back_is_free_for_another_body(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await answer(tx, ("kept", b"1"))
        await claim(tx, 1, [("back", b"1"), ("other", b"1")], 0)
        await release(tx, 1, ["back", "kept", "never claimed"])

    await database.run(work)
    asked = [("back", b"2"), ("kept", b"1"), ("other", b"2")]
    assert await database.run(answer, *asked) == [New(), Replay(202, b"kept"), Mismatch()]


async def test_no_claim_is_given_back_in_another_workspace(database: Database) -> None:
    await database.run(claim, 1, [("a", b"1")], 0)
    await database.run(release, 2, ["a"])
    assert await database.run(claim, 1, [("a", b"2")], 0) == [Mismatch()]


async def test_a_work_is_done_once(database: Database) -> None:
    async def work(tx: Transaction) -> tuple[int, bytes]:
        await put(tx, 1)
        return 201, b"made"

    async def fails(tx: Transaction) -> tuple[int, bytes]:
        await put(tx, 2)
        raise LookupError

    with pytest.raises(LookupError):
        await database.run(once, 1, "a", b"1", 0, fails)
    assert await database.run(once, 1, "a", b"2", 0, work) == (Replay(201, b"made"), False)
    assert await database.run(once, 1, "a", b"2", 0, work) == (Replay(201, b"made"), True)
    with pytest.raises(Problem, match="idempotency-mismatch"):
        await database.run(once, 1, "a", b"1", 0, work)
    assert await database.read(ids) == [1]


async def test_many_at_once_do_it_once(database: Database) -> None:
    async def work(tx: Transaction, number: int) -> Claim:
        keys = [("a", b"1"), ("b", b"1")] if number % 2 else [("b", b"1"), ("a", b"1")]
        claims = await answer(tx, *keys)
        if claims == [New(), New()]:
            await put(tx, 1)
        return claims[0]

    claims = await asyncio.gather(*(database.run(work, number) for number in range(30)))
    assert sum(found == New() for found in claims) == 1
    assert sum(isinstance(found, Replay) for found in claims) == 29
    assert await database.read(ids) == [1]


async def test_on_postgresql_a_claim_waits_for_the_one_before_it(postgres_server: PostgresServer) -> None:
    database = open_database(await postgres_server.database_with_schema())
    await database.start()
    claimed, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Transaction) -> list[Claim]:
        claims = await answer(tx, ("a", b"1"))
        claimed.set()
        await go_on.wait()
        return claims

    first = asyncio.create_task(database.run(slow))
    await claimed.wait()
    second = asyncio.create_task(database.run(answer, ("a", b"1")))
    await database.read(ids)
    assert not second.done()
    go_on.set()
    assert await first == [New()]
    assert await second == [Replay(202, b"a")]
    await database.stop()


async def test_old_keys_are_forgotten_a_few_at_a_time(database: Database) -> None:
    for now, key in enumerate("abcd"):
        await database.run(answer, (key, b"1"), now=now)
    assert await database.run(purge, 1, before=3, limit=2) == 2
    assert await database.run(purge, 1, before=3, limit=2) == 1
    assert await database.run(purge, 1, before=3, limit=2) == 0
    assert await database.run(answer, ("a", b"1"), ("d", b"1")) == [New(), Replay(202, b"d")]
