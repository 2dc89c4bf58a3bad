"""The revisions add up to the declared tables, on both databases, and none is ever half done."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from angarium.contacts.likeness import as_sought, middle_begins
from angarium.core.problems import Problem
from angarium.storage import migrations
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction, open_database
from angarium.storage.migrate import migrate, pending, revisions
from angarium.storage.migrations.runner import downgrade, on_connection, upgrade
from angarium.storage.postgres import split_url
from angarium.storage.revise import autogenerate, load_tables
from angarium.storage.schema import metadata
from support.databases import PostgresServer, create_schema

load_tables()

COLUMNS = text(
    'SELECT t.name, t.wr, c.name, c.type, c."notnull", c.pk'
    " FROM pragma_table_list t, pragma_table_info(t.name) c"
    " WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite%'"
)
COLUMNS_ON_POSTGRESQL = text(
    "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
    " WHERE table_schema = 'public'"
)
INDEXES = text("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
INDEXES_ON_POSTGRESQL = text(
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
)

WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'contact'::regclass"

FAILING = '''"""Fails after it has begun."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("CREATE TABLE half (done INTEGER)")
    op.execute("INSERT INTO half VALUES (1)")
    raise LookupError("half done")
'''

TWO_TABLES = '''"""Needs two tables, one after the other."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("LOCK TABLE line")
    op.execute("LOCK TABLE contact")
'''


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        return await server.empty_database()
    return f"sqlite:///{tmp_path}/angarium.db"


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history of its own, with one revision that makes every table."""
    own = tmp_path / "migrations"
    shutil.copytree(migrations.FOLDER, own, ignore=shutil.ignore_patterns("0*.py", "__pycache__"))
    monkeypatch.setattr(migrations, "FOLDER", own)
    await autogenerate("everything")
    return own


async def schema_of(url: str) -> list[tuple[Any, ...]]:
    """Columns, keys and indexes as the database itself has them."""

    async def look(tx: Transaction) -> list[tuple[Any, ...]]:
        columns = await tx.rows(Statement(COLUMNS, postgresql=COLUMNS_ON_POSTGRESQL))
        indexes = await tx.rows(Statement(INDEXES, postgresql=INDEXES_ON_POSTGRESQL))
        found = [tuple(str(value).replace('"', "") for value in row) for row in (*columns, *indexes)]
        return sorted(row for row in found if row[0] not in ("alembic_version", "sample"))

    database = open_database(url)
    await database.start()
    try:
        return await database.read(look)
    finally:
        await database.stop()


def differences(connection: Connection) -> list[Any]:
    """What Alembic would still change."""
    context = MigrationContext.configure(connection, opts={"include_object": is_of_the_product})
    return list(compare_metadata(context, metadata))


def is_of_the_product(item: Any, *_: Any) -> bool:
    return not getattr(item, "info", {}).get("only_in_tests")


async def test_the_revisions_add_up_to_the_declared_tables(
    url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert revisions(), 'no revision yet: python -m angarium.storage.revise "the first tables"'
    assert await migrate(url) == revisions()
    assert await on_connection(url, differences) == []
    declared = f"sqlite:///{tmp_path}/declared.db"
    if url.startswith("postgresql"):
        server: PostgresServer = request.getfixturevalue("postgres_server")
        declared = await server.database_with_schema()
    else:
        database = open_database(declared)
        await database.start()
        await create_schema(database)
        await database.stop()
    assert await schema_of(url) == await schema_of(declared)


@pytest.mark.usefixtures("folder")
async def test_what_is_written_by_itself_makes_every_table(url: str) -> None:
    assert await pending(url) == ["0001"]
    assert await migrate(url) == ["0001"]
    assert await on_connection(url, differences) == []
    assert await pending(url) == await migrate(url) == []


LINES = """INSERT INTO line (
 workspace_id, id, name, channel, registration, settings, classes, enabled, speed_per_s, window_max,
 price_micros, price_per, currency, callback_token, version, created_at, updated_at,
 tariff, weight, only_to, never_to)
 SELECT 1, n, name, channel, registration, '{}', 'otp service', 1, 0, 10,
 0, 'part', 'EUR', name, 1, 5, 7, '', 1, '', ''
 FROM (SELECT 11 AS n, 'a' AS name, 'smpp' AS channel, 'approved' AS registration
 UNION ALL SELECT 12, 'b', 'viber_business', 'refused'
 UNION ALL SELECT 13, 'c', 'whatsapp_cloud', 'draft') AS given"""
DECLARED = "SELECT line_id, requirement, classes, granted, state, declared FROM registration ORDER BY 1"
KINDS = "SELECT id, requirement, patterned, rules_version FROM line ORDER BY 1"


async def test_what_was_a_word_on_a_line_is_a_declaration(url: str) -> None:
    (number,) = [
        int(path.name[:4])
        for path in (migrations.FOLDER / "versions").glob("*_registrations_and_patterns_of_lines.py")
    ]
    await on_connection(url, upgrade, f"{number - 1:04}")
    await on_connection(url, lambda connection: connection.execute(text(LINES)))
    await on_connection(url, upgrade)

    def look(connection: Connection, query: str) -> list[Any]:
        return [tuple(row) for row in connection.execute(text(query))]

    declared, kinds = [await on_connection(url, look, query) for query in (DECLARED, KINDS)]
    assert declared == [
        (11, "plain", "otp service", "otp service", "approved", 1),
        (12, "viber-sender", "otp service", "", "refused", 1),
    ]
    assert kinds == [(11, "plain", "", 1), (12, "viber-sender", "", 1), (13, "whatsapp-number", "", 1)]


TOLD = """INSERT INTO fact (seq, tx, workspace_id, kind, subject_id, at, body, common_id) SELECT * FROM (
 SELECT 1, 0, 5, 'message.sent', 7, 9, '{"ref":"a"}', 0 UNION ALL
 SELECT 2, 0, 5, 'message.sent', 8, 9, '{"ref":"b"}', 3 UNION ALL
 SELECT 3, 0, 5, 'message.sent', 9, 9, '{}', 3) AS given"""
SAID_ALIKE = (
    """INSERT INTO fact_common (id, workspace_id, body, holders) VALUES (3, 5, '{"state":"sent"}', 2)"""
)


async def test_what_many_facts_say_stands_in_each_of_them_where_it_is_not_kept_once(url: str) -> None:
    await on_connection(url, upgrade, "0060")
    for statement in (TOLD, SAID_ALIKE):
        await on_connection(url, lambda connection, said: connection.execute(text(said)), statement)
    await on_connection(url, downgrade, "0059")
    bodies = text("SELECT body FROM fact ORDER BY seq")
    found = await on_connection(url, lambda connection: connection.execute(bodies).scalars().all())
    assert found == ['{"ref":"a"}', '{"ref":"b","state":"sent"}', '{"state":"sent"}']


NAMED = """INSERT INTO contact (id, workspace_id, name, sought, begins, last_begins, locale, time_zone,
 country, locale_is_guess, time_zone_is_guess, fields, tags, opted_out, opted_in, created_at, updated_at)
 VALUES (7, 5, 'آرش رضائی', 'آرش رضائی', 'آرش', 'رضا', '', '', '', 0, 0, '{}', '[]', '', '', 1, 1)"""


async def test_names_are_looked_for_without_what_stands_above_their_letters(url: str) -> None:
    await on_connection(url, upgrade, "0061")
    await on_connection(url, lambda connection: connection.execute(text(NAMED)))
    await on_connection(url, upgrade, "0062")
    sought = text("SELECT name, sought, begins, last_begins FROM contact")
    found = await on_connection(url, lambda connection: [tuple(row) for row in connection.execute(sought)])
    assert found == [("آرش رضائی", as_sought("آرش رضائی"), "ارش", "رضا")]


SOUGHT = """INSERT INTO contact (id, workspace_id, name, sought, begins, last_begins, locale, time_zone,
 country, locale_is_guess, time_zone_is_guess, fields, tags, opted_out, opted_in, created_at, updated_at)
 VALUES ({id}, 5, '', '{sought}', '', '', '', '', '', 0, 0, '{{}}', '[]', '', '', 1, 1)"""


async def test_names_are_looked_for_by_their_last_word_but_one(url: str) -> None:
    names = ["ارش علی پور", "محمد", "علی پور", "سید آرش گل محمدی", "a bb bb", "", "x ab x ab"]
    await on_connection(url, upgrade, "0062")
    for number, name in enumerate(names):
        said = text(SOUGHT.format(id=number, sought=name))
        await on_connection(url, lambda connection, said: connection.execute(said), said)
    await on_connection(url, upgrade)
    asked = text("SELECT middle_begins FROM contact ORDER BY id")
    found = await on_connection(url, lambda connection: connection.execute(asked).scalars().all())
    assert found == [middle_begins(name) for name in names] == ["علی", "", "", "گل", "bb", "", "x"]


@pytest.mark.usefixtures("folder")
async def test_down_and_up_again(url: str) -> None:
    await migrate(url)
    before = await schema_of(url)
    await on_connection(url, downgrade)
    assert await schema_of(url) == []
    assert await pending(url) == ["0001"]
    await on_connection(url, upgrade)
    assert await schema_of(url) == before


async def test_a_migration_that_fails_leaves_nothing(url: str, folder: Path) -> None:
    failing = folder / "versions" / "0002_half.py"
    failing.write_text(FAILING)
    with pytest.raises(LookupError, match="half done"):
        await migrate(url)
    assert await schema_of(url) == []
    assert await pending(url) == ["0001", "0002"]
    failing.write_text(FAILING.replace('    raise LookupError("half done")\n', ""))
    assert await migrate(url) == ["0001", "0002"]
    assert {row[0] for row in await schema_of(url)} > {"half", "fact"}


@pytest.mark.turns(2, 1)
async def test_servers_that_start_at_once_migrate_once(url: str, folder: Path) -> None:
    program = (
        "import asyncio, pathlib\n"
        "from angarium.storage import migrate, migrations\n"
        f"migrations.FOLDER = pathlib.Path({str(folder)!r})\n"
        f"asyncio.run(migrate.migrate({url!r}))"
    )
    servers = [await asyncio.create_subprocess_exec(sys.executable, "-c", program) for _ in range(3)]
    assert [await server.wait() for server in servers] == [0, 0, 0]
    assert await pending(url) == []


@pytest.mark.turns(2, 1)
async def test_a_migration_that_meets_a_server_half_way_is_run_again(
    postgres_server: PostgresServer, folder: Path
) -> None:
    url = await postgres_server.empty_database()
    await migrate(url)
    (folder / "versions" / "0002_two_tables.py").write_text(TWO_TABLES)
    server = await asyncpg.connect(split_url(url)[0])
    try:
        async with server.transaction():
            await server.execute("LOCK TABLE contact")
            migrating = asyncio.create_task(migrate(url))
            while not await server.fetchval(WAITING):  # noqa: ASYNC110 - there is nobody to tell of it
                await asyncio.sleep(0.01)
            while not await locked(server, "line"):
                pass
    finally:
        await server.close()
    assert await migrating == ["0002"]


async def locked(server: asyncpg.Connection[Any], table: str) -> bool:
    """Whether a transaction got a table; False where it was the one to end a deadlock."""
    try:
        async with server.transaction():
            await server.execute(f"LOCK TABLE {table}")
    except asyncpg.DeadlockDetectedError:
        return False
    return True


async def test_a_database_of_a_newer_version_is_left_alone(url: str, folder: Path) -> None:
    (folder / "versions" / "0002_more.py").write_text(FAILING.replace("raise LookupError", "str"))
    await migrate(url)
    (folder / "versions" / "0002_more.py").unlink()
    with pytest.raises(Problem, match="0002, and this version knows 0001"):
        await migrate(url)


async def test_a_version_runs_on_a_newer_database_that_allows_it(url: str, folder: Path) -> None:
    """Of two revisions that it does not know the first only adds; the second needs who knows the first."""
    versions = folder / "versions"
    everything = versions / "0001_everything.py"
    everything.write_text(everything.read_text() + '\nleast = "0001"\n')
    for number, before, least in (("0002", "0001", ""), ("0003", "0002", 'least = "0002"\n')):
        text = FAILING.replace("raise LookupError", "str").replace("half", f"half_{number}")
        text = text.replace('"0001"', f'"{before}"').replace('revision = "0002"', f'revision = "{number}"', 1)
        (folder / f"{number}_more.py").write_text(text + least)
    first, second = versions / "0002_more.py", versions / "0003_more.py"
    first.write_text((folder / "0002_more.py").read_text())
    await migrate(url)
    first.unlink()
    assert await migrate(url) == []  # one that knows 0001 alone
    first.write_text((folder / "0002_more.py").read_text())
    second.write_text((folder / "0003_more.py").read_text())
    await migrate(url)
    second.unlink()
    assert await migrate(url) == []  # one that knows 0002
    first.unlink()
    with pytest.raises(Problem, match="0003, and this version knows 0001"):
        await migrate(url)


def test_a_start_with_nothing_to_migrate_does_not_load_alembic(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from angarium.storage.migrate import pending\n"
        f"asyncio.run(pending('sqlite:///{tmp_path}/x.db'))\n"
        "print([name for name in ('alembic', 'asyncpg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
