"""PostgreSQL shows a transaction that is one workspace's no row of another, whatever is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, Table, bindparam, select, text

from angarium.config import Settings
from angarium.core import ids
from angarium.core.batches import Batcher
from angarium.doctor import examine
from angarium.lines import store as lines
from angarium.storage import row_security
from angarium.storage.behalf import ALL, on_behalf_of, whose
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction, open_database
from angarium.storage.revise import load_tables
from angarium.storage.schema import metadata
from support.databases import PostgresServer, bring_up
from support.server import furnish, member, whole_house

load_tables()

OURS, THEIRS = 1, 2
TABLES = [table for table in metadata.sorted_tables if "workspace_id" in table.columns]
VALUES: dict[type, Any] = {Integer: 7, Float: 7.0, LargeBinary: b"x"}


@pytest.fixture
async def url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    async with postgres_server.lent() as lent:
        yield lent


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = open_database(f"{url}&pool_max=1")  # so the next transaction is on the same connection
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture(autouse=True)
def for_all() -> Iterator[None]:
    yield
    on_behalf_of(ALL)


def value(column: Column[Any], workspace_id: int) -> Any:
    """Something that fits into a column; ids and names are the workspace's own."""
    if isinstance(column.type, BigInteger):
        return workspace_id
    return VALUES.get(type(column.type), f"of {workspace_id}")


def insert(table: Table) -> str:
    """A statement that fills every column."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = ", ".join(f"${number}" for number in range(1, len(table.columns) + 1))
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'


async def fill(connection: asyncpg.Connection, table: Table, workspace_id: int) -> None:
    await connection.execute(insert(table), *(value(column, workspace_id) for column in table.columns))


async def test_no_table_shows_or_takes_a_row_of_another(url: str) -> None:
    """Statements without any word of a workspace, on every table that has the column."""
    connection = await asyncpg.connect(url)
    for table in TABLES:
        for workspace_id in (OURS, THEIRS):
            await fill(connection, table, workspace_id)
    for table in TABLES:
        await connection.execute("BEGIN" + row_security.begun_for(OURS))
        shown = await connection.fetch(f'SELECT workspace_id FROM "{table.name}"')
        assert [row[0] for row in shown] == [OURS], table.name
        touched = await connection.execute(f'UPDATE "{table.name}" SET workspace_id = workspace_id')
        assert touched == "UPDATE 1", table.name
        assert await connection.execute(f'DELETE FROM "{table.name}"') == "DELETE 1", table.name
        for statement, given in (
            (insert(table), [value(column, THEIRS) for column in table.columns]),
            (f'UPDATE "{table.name}" SET workspace_id = {THEIRS}', []),
        ):
            await connection.execute("ROLLBACK; BEGIN" + row_security.begun_for(OURS))
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await connection.execute(statement, *given)
        await connection.execute("ROLLBACK")
        left = await connection.fetch(f'SELECT workspace_id FROM "{table.name}" ORDER BY 1')
        assert [row[0] for row in left] == [OURS, THEIRS], table.name
    await connection.close()


async def test_migrations_leave_no_table_out(postgres_server: PostgresServer) -> None:
    url = await postgres_server.empty_database()
    await bring_up(url)
    connection = await asyncpg.connect(url)
    assert await connection.fetch(row_security.LACKING) == []
    options = await connection.fetchval("SELECT reloptions FROM pg_class WHERE relname = 'attempt'")
    assert "autovacuum_vacuum_scale_factor=0.01" in options  # else lost, for no table declares it
    await connection.execute("CREATE TABLE later (workspace_id bigint)")
    assert [row[0] for row in await connection.fetch(row_security.LACKING)] == ["later"]
    await connection.execute(row_security.COMPLETE)
    assert await connection.fetch(row_security.LACKING) == []
    await connection.close()


_seen = Statement(text("SELECT workspace_id FROM line ORDER BY 1"))


async def seen(tx: Transaction) -> list[int]:
    return [row[0] for row in await tx.rows(_seen)]


async def test_it_is_said_as_the_transaction_begins_and_ends_with_it(database: Database, url: str) -> None:
    admin = await asyncpg.connect(url)
    for workspace_id in (OURS, THEIRS):
        await fill(admin, metadata.tables["line"], workspace_id)
    await admin.close()
    sent: list[str] = []

    async def look(tx: Any) -> list[int]:
        tx._connection.add_query_logger(lambda record: sent.append(record.query))
        return await seen(tx)

    await database.read(look)
    on_behalf_of(OURS)
    assert (await database.read(seen), await database.run(seen)) == ([OURS], [OURS])
    assert len(sent) == 1 + 2 * 3 + 1, sent  # BEGIN, one statement and COMMIT, as without it
    on_behalf_of(ALL)
    assert await database.run(seen) == [OURS, THEIRS]


async def test_who_must_looks_across_and_no_further(database: Database, url: str) -> None:
    admin = await asyncpg.connect(url)
    for workspace_id in (OURS, THEIRS):
        await fill(admin, metadata.tables["line"], workspace_id)
    await admin.close()

    async def look(tx: Transaction) -> list[list[int]]:
        found = [await seen(tx)]
        async with tx.across_workspaces():
            async with tx.across_workspaces():
                found.append(await seen(tx))
            found.append(await seen(tx))
        return [*found, await seen(tx)]

    both = [OURS, THEIRS]
    assert await database.run(look) == [both] * 4
    on_behalf_of(OURS)
    assert await database.run(look) == [[OURS], both, both, [OURS]]


async def test_a_batch_is_not_of_whoever_comes_first() -> None:
    async def work(items: list[int]) -> list[int]:
        return [whose() for _ in items]

    async def ask(batcher: Batcher[int, int], workspace_id: int) -> int:
        on_behalf_of(workspace_id)
        return await batcher.put(workspace_id)

    batcher = Batcher(work, 10)
    assert await asyncio.gather(*(ask(batcher, one) for one in (OURS, THEIRS))) == [ALL, ALL]


async def test_a_route_whose_statement_forgets_the_workspace(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with whole_house(url, tmp_path) as (house, nobody):
        mine = await member(nobody, house.ground, "mine")
        theirs = await member(nobody, house.ground, "theirs")
        own = await furnish(mine, house)
        await furnish(theirs, house)
        forgetful = select(*lines._columns).where(bindparam("workspace_id", type_=BigInteger) > 0)
        monkeypatch.setattr(lines, "_all", Statement(forgetful))
        listed = (await mine.ask("GET", "/v1/lines")).json["items"]
    assert [one["id"] for one in listed] == [own["line_id"]]


async def test_who_calls_behind_another_is_not_taken_for_them(url: str, tmp_path: Path) -> None:
    """On one connection, before the first is answered (RFC 9112 §9.3.2), as a proxy may do."""
    async with whole_house(url, tmp_path) as (house, nobody):
        callers = [await member(nobody, house.ground, name) for name in ("mine", "theirs")]
        port = int(nobody.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        asked = "GET /v1/workspace HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {}\r\n{}\r\n"
        closing = "Connection: close\r\n"
        texts = [asked.format(one.key, closing if one is callers[-1] else "") for one in callers]
        writer.write("".join(texts).encode())
        answers = (await reader.read()).decode()
        writer.close()
    assert answers.count("HTTP/1.1 200 ") == 2, answers
    for one in callers:
        assert ids.show("workspace", one.workspace_id) in answers


async def test_the_doctor_tells_of_a_role_that_no_policy_binds(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = await postgres_server.empty_database()
    await bring_up(url)
    found = {}
    for name, place in (("plain", url), ("superuser", url.replace("angarium_plain@", "postgres@"))):
        settings = Settings(database=place, key_file=str(tmp_path / "vault.key"))
        found[name] = [one.what async for one in examine(settings) if "PostgreSQL" in one.what]
    assert found["plain"] == ["PostgreSQL keeps the rows of workspaces apart."]
    assert found["superuser"][0].startswith("The role postgres passes by the policies on rows")
