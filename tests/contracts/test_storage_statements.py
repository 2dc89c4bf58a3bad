"""Every statement of every room is good SQL on both databases and stays in its workspace."""

from __future__ import annotations

import re
import sys
from typing import Any

import apsw
import apsw.ext
import asyncpg
from sqlalchemy import BigInteger, Float, Integer, LargeBinary, Text

from angarium.storage.bulk import all_statements
from angarium.storage.revise import load_tables
from angarium.storage.schema import metadata
from angarium.storage.sqlite import SqliteDatabase
from support.databases import PostgresServer, create_schema

load_tables()

ALEMBICS_OWN = "CREATE TABLE alembic_version (version_num TEXT)"
IN_ITS_WORKSPACE = re.compile(r"\.workspace_id = |^INSERT INTO \w+ \([^)]*\bworkspace_id\b")
OF_NO_WORKSPACE = (
    "alembic_version",
    "FROM workspace",
    "SELECT 1 WHERE to_regclass(",
    "pg_current_xact_id()",
    "pg_advisory_xact_lock(",
    "SELECT max(fact",  # these move the whole log after a restore
    "FROM fact ORDER BY",
    "UPDATE fact SET tx=",
    "UPDATE fact_cursor SET tx=",
    "SELECT max(line_owner.epoch)",  # of all lines: where the numbers of leases go on
    "INSERT INTO instance ",  # the database's row about itself
    "FROM instance",
    "UPDATE instance SET ",
)


def of_the_rooms() -> list[Any]:
    """The statements that our modules declare; those that other tests made and still hold are theirs."""
    modules = [module for name, module in sys.modules.items() if name.startswith("angarium.")]
    declared = {id(value) for module in modules for value in vars(module).values()}
    return [statement for statement in all_statements() if id(statement) in declared]


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


def test_every_statement_names_its_workspace() -> None:
    texts = [statement.text("postgresql") for statement in of_the_rooms()]
    assert len(texts) > 10
    strays = [text for text in texts if not IN_ITS_WORKSPACE.search(text)]
    assert not [text for text in strays if not any(word in text for word in OF_NO_WORKSPACE)]


def test_a_column_is_an_integer_a_float_text_or_bytes() -> None:
    wrong = [
        f"{column.table.name}.{column.name} is {column.type}"
        for table in metadata.tables.values()
        for column in table.columns
        if type(column.type) not in {BigInteger, Float, Integer, LargeBinary, Text}
    ]
    assert not wrong
