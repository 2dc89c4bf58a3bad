"""A start that would lose what was kept is refused, in words to act on; nothing is made instead."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from support.databases import PostgresServer
from support.process import Shop, shop

pytestmark = pytest.mark.sqlite

PAGE = 4096


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop whose server was stopped in order, after it had accepted something."""
    folder = tmp_path / "shop"
    folder.mkdir()
    async with shop(folder) as made:
        for _ in range(100):
            assert (await made.send()).status == 202
        assert await made.stop() == 0
        yield made


@pytest.fixture
async def killed(tmp_path: Path) -> AsyncIterator[Shop]:
    """The same, killed: what was accepted last stands in the log."""
    folder = tmp_path / "shop"
    folder.mkdir()
    async with shop(folder) as made:
        for _ in range(100):
            assert (await made.send()).status == 202
        await made.kill()
        yield made


async def refusal(served: Shop) -> str:
    """What the server says when it does not start."""
    status, said = await served.command("serve")
    assert status == 1, said
    assert "Traceback" not in said
    return said


def flip(file: Path, at: int) -> None:
    """Change one byte."""
    content = bytearray(file.read_bytes())
    content[at] ^= 0x55
    file.write_bytes(content)


# ── damaged ──────────────────────────────────────────────────────────────────────────────────────────


def header(file: Path) -> None:
    flip(file, 3)


def page_header(file: Path) -> None:
    flip(file, 8 * PAGE)


def cell_pointer(file: Path) -> None:
    flip(file, 8 * PAGE + 12)


def cut(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2 // PAGE * PAGE)


@pytest.mark.parametrize("harm", [header, page_header, cell_pointer, cut])
@pytest.mark.parts(2)
async def test_a_damaged_file(kept: Shop, harm: Callable[[Path], None]) -> None:
    harm(kept.file)
    said = await refusal(kept)
    assert "The database is damaged" in said
    assert "No backup is known here." in said


def log_flipped(file: Path) -> None:
    flip(file, file.stat().st_size // 2)


def log_cut(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


@pytest.mark.parametrize("harm", [log_flipped, log_cut])
@pytest.mark.parts(2)
async def test_a_damaged_log(killed: Shop, harm: Callable[[Path], None]) -> None:
    """SQLite itself would drop what comes behind, and start."""
    harm(killed.file.with_name("angarium.db-wal"))
    said = await refusal(killed)
    assert "The database is damaged" in said
    assert "pages that were written to it" in said


async def test_a_damaged_log_is_not_overlooked_by_a_command_that_comes_first(killed: Shop) -> None:
    """Whoever opens the file first makes the index anew, and with it the evidence is gone."""
    log_cut(killed.file.with_name("angarium.db-wal"))
    status, said = await killed.command("keys", "list", "--workspace", "shop")
    assert (status, "pages that were written to it" in said) == (1, True), said


@pytest.mark.turns(2, 1)
async def test_a_server_that_was_killed_starts_with_all_it_accepted(killed: Shop) -> None:
    await killed.start()
    listed = await killed.client.ask("GET", "/v1/messages?limit=1000")
    assert len(listed.json["items"]) == 100
    assert await killed.stop() == 0


# ── not ours ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_file_that_is_gone(kept: Shop) -> None:
    kept.file.unlink()
    assert f"There is no database at {kept.file}, and one is expected" in await refusal(kept)
    assert not kept.file.exists()


async def test_a_path_that_is_wrong(kept: Shop) -> None:
    kept.database = kept.database.replace("angarium.db", "angaruim.db")
    assert "angaruim.db, and one is expected" in await refusal(kept)
    assert not (kept.folder / "angaruim.db").exists()


async def test_a_file_that_is_empty(kept: Shop) -> None:
    kept.file.write_bytes(b"")
    assert "and one is expected" in await refusal(kept)


@pytest.mark.turns(2, 1)
async def test_a_database_of_somebody_else(kept: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    async with shop(folder) as other:
        assert await other.stop() == 0
        shutil.copy(other.file, kept.file)
    said = await refusal(kept)
    assert "This is not the database that belongs here" in said
    assert "; expected is " in said


@pytest.mark.turns(2, 1)
async def test_an_empty_database_of_postgresql(tmp_path: Path, postgres_server: PostgresServer) -> None:
    async with shop(tmp_path, await postgres_server.empty_database()) as served:
        assert await served.stop() == 0
        served.database = await postgres_server.empty_database()
        assert "The database is empty, and one that was used before is expected" in await refusal(served)


async def test_no_command_makes_a_new_one_either(kept: Shop) -> None:
    kept.file.unlink()
    status, said = await kept.command("keys", "create", "--workspace", "shop", "--new")
    assert (status, "and one is expected" in said) == (1, True), said
    assert not kept.file.exists()


async def test_a_second_server_on_the_same_file(tmp_path: Path) -> None:
    async with shop(tmp_path) as first:
        status, said = await first.command("serve", ANGARIUM_PORT="0")
        assert (status, "Another server runs on this place" in said) == (1, True), said


# ── the key ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_key_that_is_gone(kept: Shop) -> None:
    key = kept.folder / "angarium.key"
    key.unlink()
    assert "The key that seals secrets is missing" in await refusal(kept)
    assert not key.exists()


def without_secret(key: Path) -> None:
    key.write_text(key.read_text().partition("hashing:")[0])


async def test_a_key_of_somebody_else(kept: Shop) -> None:
    without_secret(kept.folder / "angarium.key")
    assert "The key file has another secret of hashes" in await refusal(kept)
    status, said = await kept.command("doctor")
    assert (status, "another secret of hashes" in said) == (1, True), said
    (kept.folder / "angarium.key").write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
    said = await refusal(kept)
    assert "The key does not open this database's secrets" in said
