"""A new key while the server runs under load: everything is sealed anew, and the old key can go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from angarium import keeping
from angarium.accounts import store as accounts
from angarium.assembly import make_ground
from angarium.core.problems import Problem
from angarium.keeping import Retired
from angarium.lines import flows as lines
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction, open_database
from angarium.storage.vault import NotOpened, Vault, keys_from
from support.databases import PostgresServer
from support.process import Shop
from support.server import Heard

pytestmark = pytest.mark.timeout(400)  # several processes, one after the other

SEALED = {"message": "words", "attempt": "content", "journal": "body"}


@pytest.fixture(params=["sqlite", "postgresql"])
async def served_by(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """A shop on each kind of database."""
    if request.param == "sqlite":
        return Shop(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return Shop(tmp_path, await server.empty_database())


async def codes(served: Shop, until: asyncio.Event) -> list[Heard]:
    """One code after the other until it is enough."""
    heard = []
    while not until.is_set():
        heard.append(await served.send(**{"class": "otp"}))
    return heard


def keys_of(served: Shop) -> list[bytes]:
    """The keys in the file."""
    return keys_from(Path(served.settings.key_file).read_text())


async def sealed_with(database: str, key: str) -> dict[str, int]:
    """How much is sealed with a key, by table."""
    opened = open_database(database)
    await opened.start()

    async def count(tx: Transaction) -> dict[str, int]:
        found = {}
        for table, column in SEALED.items():
            rows = await tx.rows(Statement(text(f"SELECT {column} FROM {table}")))
            found[table] = sum(bytes(row[0]).startswith(key.encode()) for row in rows)
        return found

    try:
        return await opened.read(count)
    finally:
        await opened.stop()


async def test_a_new_key_under_load(served_by: Shop) -> None:
    async with served_by as served:
        old = Vault(keys_of(served), None).newest  # type: ignore[arg-type]  it seals nothing
        await served.start()  # no operator yet, so that codes wait
        enough = asyncio.Event()
        sending = asyncio.create_task(codes(served, enough))
        await served.until(lambda: served._sent > 20)
        assert await keeping.rotate(served.settings) > 0
        sent = served._sent
        await served.until(lambda: served._sent > sent + 20)
        enough.set()
        heard = await sending
        assert {one.status for one in heard} == {202}
        assert await sealed_with(served.database, old) == dict.fromkeys(SEALED, 0)
        await served.start_operator()
        await served.until(lambda: len(set(served.taken())) == len(heard))  # each opened, and went out
        await served.stop()

        assert await keeping.retire(served.settings) == Retired(keys=1, wiped=True)
        assert len(keys_of(served)) == 1
        if served.database.startswith("sqlite:"):
            assert old.encode() not in served.file.read_bytes()
        await served.start()
        assert (await served.send(**{"class": "otp"})).status == 202
        await served.until(lambda: len(set(served.taken())) == len(heard) + 1)
        await served.stop()


async def test_a_run_that_was_cut_off_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Shop(tmp_path) as served:

        async def cut_off(*_: object) -> int:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(lines, "seal_anew", cut_off)
            with pytest.raises(KeyboardInterrupt):
                await keeping.rotate(served.settings)
        assert len(keys_of(served)) == 2
        with pytest.raises(Problem, match="still needed"):
            await keeping.retire(served.settings)
        assert await keeping.rotate(served.settings) > 0
        assert len(keys_of(served)) == 2
        assert await keeping.retire(served.settings) == Retired(keys=1, wiped=True)


async def test_a_line_that_is_copied_into_another_workspace_does_not_open(tmp_path: Path) -> None:
    async with Shop(tmp_path) as served:
        ground = make_ground(served.settings)
        await ground.db.start()
        (workspace,) = await ground.db.read(accounts.workspaces)
        (line,) = await lines.everything(ground, workspace.id)
        await ground.db.stop()
        assert lines.opened_settings(ground, line).password == "secret"
        with pytest.raises(NotOpened, match="another place"):
            lines.opened_settings(ground, msgspec.structs.replace(line, workspace_id=workspace.id + 1))
        with pytest.raises(NotOpened, match="another place"):
            lines.opened_settings(ground, msgspec.structs.replace(line, id=line.id + 1))
