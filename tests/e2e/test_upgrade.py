"""Two versions side by side for one step: the next is this one with a migration more, and a newer number."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from pathlib import Path

import asyncpg
import pytest

import angarium
from angarium.core import ids
from angarium.storage.migrate import revisions
from support.databases import PostgresServer, postgres_server
from support.nodes import Node, nodes

__all__ = ["postgres_server"]

NEXT = "0999"
MIGRATION = f'''"""What the next version adds."""

import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{revisions()[-1]}"


def upgrade() -> None:
    for table in ("message", "attempt", "line", "fact", "contact", "server"):
        op.add_column(table, sa.Column("of_the_next", sa.Text(), nullable=True))
    op.create_table("of_the_next", sa.Column("id", sa.BigInteger(), primary_key=True))
'''


@pytest.fixture
async def url(postgres_server: PostgresServer) -> str:
    """A database that several servers may have."""
    return await postgres_server.empty_database()


class Next(Node):
    """A server of the next version."""

    @property
    def environment(self) -> dict[str, str]:
        """As the others', with a package of its own."""
        return {**super().environment, "PYTHONPATH": str(self.folder / "next")}

    def write(self) -> None:
        """The package: links to the files of this one, and two of its own."""
        package = self.folder / "next" / "angarium"
        shutil.copytree(Path(angarium.__file__).parent, package, copy_function=os.symlink)
        (package / "storage" / "migrations" / "versions" / f"{NEXT}_the_next.py").write_text(MIGRATION)
        ours = package / "__init__.py"
        text = ours.read_text()
        ours.unlink()
        ours.write_text(text.replace(angarium.__version__, "9.9.9"))


@pytest.mark.turns(4, 0)
async def test_a_version_and_the_next_one_work_side_by_side(tmp_path: Path, url: str) -> None:
    async with nodes(tmp_path, url, ()) as (old,):
        new = old.beside()
        new.__class__ = Next
        assert isinstance(new, Next)
        new.write()
        enough = asyncio.Event()
        busy = asyncio.create_task(_busy(old, enough))
        await new.start("env")
        enough.set()
        sent = await busy
        assert f"the database was migrated      first={NEXT} last={NEXT}" in new.said()
        assert (await _said_of_versions(old)) == {"versions"}
        await _leave_what_only_the_next_knows(old, url)
        await old.kill()
        await old.start()  # on a database that it does not know
        assert (
            f"the database is newer than this version, and compatible known={revisions()[-1]}" in old.said()
        )
        for node in (old, new):
            sent += 1
            assert (await node.send(key=f"last-{sent}", text=f"Hello {sent}")).status == 202
        await old.until(lambda: len(set(old.taken())) == sent)
        assert set(Counter(old.taken()).values()) == {1}
        await _run(url, f"UPDATE migration SET least = '{NEXT}'")
        assert await old.ends() == 1
        assert "The database is too new for this version" in old.said()
        assert await new.is_ready()
        await new.kill()


async def _busy(node: Node, enough: asyncio.Event) -> int:
    """Send, and see that it is taken and goes out, again and again; how many."""
    sent = 0
    while not enough.is_set():
        sent += 1
        heard = await node.send(text=f"Hello {sent}")
        assert heard.status == 202, heard
        await node.until(lambda: len(node.taken()) == sent)  # noqa: B023 - it is waited for here
    return sent


async def _said_of_versions(node: Node) -> set[str]:
    heard = await node.client.ask("GET", "/v1/servers")
    assert {one["version"] for one in heard.json["servers"]} == {angarium.__version__, "9.9.9"}
    return {one["name"] for one in heard.json["troubles"] if one["name"] in {"versions", "too_old"}}


async def _leave_what_only_the_next_knows(node: Node, url: str) -> None:
    """A fact of a kind, and a policy with a field, that this version has never heard of."""
    workspace_id = ids.read("workspace", (await node.client.ask("GET", "/v1/workspace")).json["id"])
    fact = f"(0, {workspace_id}, 'comet.seen', 1, 1, '{{}}')"
    await _run(url, f"INSERT INTO fact (tx, workspace_id, kind, subject_id, at, body) VALUES {fact}")
    await _run(
        url,
        "INSERT INTO policy (workspace_id, kind, version, body, changed_by, changed_at) "
        f"VALUES ({workspace_id}, 'caps', 1, '{{\"comets\": true}}', 'cli', 1)",
    )


async def _run(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
