"""Every statement of every room is good SQL on both databases."""

from __future__ import annotations

import apsw
import apsw.ext
import asyncpg
from sqlalchemy import BigInteger, Float, Integer, LargeBinary, Text

from angarium.storage.bulk import BulkInsert, BulkUpdate
from angarium.storage.revise import load_tables
from angarium.storage.schema import metadata
from angarium.storage.sqlite import SqliteDatabase
from support.databases import PostgresServer, create_schema
from support.tripwire import of_the_rooms

load_tables()

ALEMBICS_OWN = "CREATE TABLE alembic_version (version_num TEXT)"


async def test_sqlite_knows_every_statement() -> None:
    database = SqliteDatabase("")
    await database.start()
    await create_schema(database)
    database._connections[0].execute(ALEMBICS_OWN)
    wrong = []
    for statement in of_the_rooms():
        try:
            apsw.ext.query_info(database._connections[0], statement.text("sqlite"))
        except apsw.Error as error:
            wrong.append(f"{error}: {statement.text('sqlite')}")
    await database.stop()
    assert not wrong


async def test_many_rows_at_once_find_theirs_by_its_key() -> None:
    database = SqliteDatabase("")
    await database.start()
    await create_schema(database)
    wrong = []
    for bulk in of_the_rooms():
        if not isinstance(bulk, BulkInsert | BulkUpdate):
            continue
        info = apsw.ext.query_info(database._connections[0], bulk.of(3), explain_query_plan=True)
        plan = [step.detail for step in (info.query_plan.sub or [])] if info.query_plan else []
        scanned = [detail for detail in plan if detail.startswith("SCAN") and "VALUES" not in detail]
        if scanned or (isinstance(bulk, BulkUpdate) and not any(one.startswith("SEARCH") for one in plan)):
            wrong.append(f"{bulk.of(3)}: {plan}")
    await database.stop()
    assert not wrong


async def test_postgresql_knows_every_statement(postgres_server: PostgresServer) -> None:
    connection = await asyncpg.connect(await postgres_server.database_with_schema())
    await connection.execute(ALEMBICS_OWN)
    wrong = []
    for statement in of_the_rooms():
        try:
            await connection.prepare(statement.text("postgresql"))
        except asyncpg.PostgresError as error:
            wrong.append(f"{error}: {statement.text('postgresql')}")
    await connection.close()
    assert not wrong


def test_a_column_is_an_integer_a_float_text_or_bytes() -> None:
    wrong = [
        f"{column.table.name}.{column.name} is {column.type}"
        for table in metadata.tables.values()
        for column in table.columns
        if type(column.type) not in {BigInteger, Float, Integer, LargeBinary, Text}
    ]
    assert not wrong
