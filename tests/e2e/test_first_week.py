"""What somebody types who runs the server for the first time, with a slip: it harms nothing, and is told."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import apsw
import msgspec
import pytest

from angarium import serving
from angarium.assembly import make_vault
from angarium.config import Settings, load
from angarium.core.clock import SystemClock
from angarium.core.problems import Problem
from angarium.doctor import Finding, examine
from angarium.doors.smpp import door
from angarium.keeping import back_up
from angarium.storage import backup, opening
from angarium.storage.migrate import revisions
from support.nursery import typed

pytestmark = pytest.mark.sqlite


async def said(folder: Path, *arguments: str, **environment: str) -> tuple[int | None, str]:
    """The status of `angarium …` in a folder, and all it printed."""
    return await typed(arguments, folder, {"HOME": str(folder), **environment})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a server has begun, with a workspace and a key."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
async def begun(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    if not (made / "angarium.db").exists():
        status, printed = await said(made, "keys", "create", "--workspace", "main", "--new")
        assert status == 0, printed
    return Path(shutil.copytree(made, tmp_path / "begun"))


def settings(folder: Path, **over: str) -> Settings:
    """Those of a server in this folder."""
    own = {"database": f"sqlite:///{folder}/angarium.db", "key_file": f"{folder}/angarium.key"}
    return Settings(**(own | over))


async def bad(wanted: Settings) -> list[Finding]:
    """What the doctor finds wrong."""
    return [one async for one in examine(wanted) if one.level == "bad"]


async def test_that_the_database_is_of_a_newer_version_is_said(begun: Path) -> None:
    """While an upgrade lasts, or when it was taken back: a version runs on the database of the next one."""
    connection = apsw.Connection(str(begun / "angarium.db"))
    newest = revisions()[-1]
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.execute("INSERT INTO migration (revision, least) VALUES ('9999', ?)", (newest,))
    connection.close()
    status, heard = await said(begun, "doctor")
    assert f"The database is of a newer version (9999); this one ({newest}) may run on it." in heard
    assert "up to date" not in heard
    status, heard = await said(begun, "migrate", "--check")
    assert (status, heard) == (0, "The database is of a newer version (9999), on which this one may run.\n")


def test_a_copy_of_the_key_lets_no_second_server_on_a_file(tmp_path: Path) -> None:
    first, second = settings(tmp_path), settings(tmp_path, key_file=f"{tmp_path}/elsewhere/angarium.key")
    (tmp_path / "elsewhere").mkdir()
    with opening.held(first.database, first.key_file, alone=True):
        with (
            pytest.raises(Problem, match=r"angarium\.db\.lock"),
            opening.held(second.database, second.key_file, alone=True),
        ):
            pass
        with opening.nobody_else(second.database, second.key_file) as alone:
            assert not alone
    with opening.held(second.database, second.key_file, alone=True):
        pass


def test_a_file_and_a_key_of_one_name_have_one_lock(tmp_path: Path) -> None:
    url, key = f"sqlite:///{tmp_path}/angarium", f"{tmp_path}/angarium.key"
    with opening.held(url, key, alone=True):
        assert [path.name for path in tmp_path.iterdir()] == ["angarium.lock"]


async def test_backups_of_every_night_go_into_a_folder_that_was_not_there(begun: Path) -> None:
    folder = begun / "nights"
    status, printed = await said(begun, "backup", "nights", "--keep", "14")
    assert status == 0, printed
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.suffix for path in folder.iterdir()] == [".db"]
    (begun / "file").touch()
    status, printed = await said(begun, "backup", "file", "--keep", "14")
    assert (status, "is a file; name a folder" in printed) == (1, True)


async def test_what_is_free_in_a_file_goes_back_to_the_disk(begun: Path) -> None:
    file = begun / "angarium.db"
    database = apsw.Connection(str(file))
    database.execute("CREATE TABLE once AS SELECT randomblob(4000000) AS octets")
    database.execute("DROP TABLE once")
    database.close()
    file.chmod(0o640)
    large = file.stat().st_size
    with opening.held(settings(begun).database, settings(begun).key_file, alone=True):
        status, printed = await said(begun, "shrink")
        assert (status, "Stop it first" in printed) == (1, True)
    status, printed = await said(begun, "shrink")
    assert status == 0, printed
    small = file.stat().st_size
    assert small < large - 3_500_000
    assert f"{small:,} now" in printed
    assert file.stat().st_mode & 0o777 == 0o640
    assert await bad(settings(begun)) == []


async def test_what_a_command_writes_meanwhile_is_not_lost(begun: Path) -> None:
    file = begun / "angarium.db"
    other = apsw.Connection(str(file))
    other.execute("BEGIN IMMEDIATE; CREATE TABLE meanwhile(id INTEGER)")
    asked = asyncio.create_task(asyncio.to_thread(backup.write_anew, file))
    await asyncio.sleep(0.2)
    other.execute("INSERT INTO meanwhile VALUES (7); COMMIT")
    with suppress(Problem):  # or it says that it is busy, and the file is as it was
        await asked
    other.close()
    found = apsw.Connection(str(file))
    assert found.execute("SELECT id FROM meanwhile").get == 7
    assert found.execute("PRAGMA integrity_check").get == "ok"


async def test_what_is_written_is_for_its_owner_and_group_alone(begun: Path) -> None:
    for name, words in {"night.db": ("backup", "night.db"), "angarium.db": ("shrink",)}.items():
        status, printed = await said(begun, *words)
        assert status == 0, printed
        assert (begun / name).stat().st_mode & 0o007 == 0
    told = "Others can read the database"
    assert not [one.what async for one in examine(settings(begun)) if one.what.startswith(told)]
    (begun / "angarium.db").chmod(0o644)
    assert [one.what async for one in examine(settings(begun)) if one.what.startswith(told)]


@pytest.mark.parametrize(("mode", "is_told"), [(0o644, True), (0o640, True), (0o600, False), (0o400, False)])
@pytest.mark.parts(2)
async def test_a_key_that_others_can_read_is_told_at_the_start_and_by_the_doctor(
    begun: Path, mode: int, is_told: bool
) -> None:
    opening.write_mark(begun / "angarium.instance", opening.Mark("another"))  # so that the start ends
    (begun / "angarium.key").chmod(mode)
    status, printed = await said(begun, "serve", ANGARIUM_LOG_FORMAT="json")
    assert (status, "not the database" in printed) == (1, True)
    logged = [msgspec.json.decode(line) for line in printed.splitlines() if line.startswith("{")]
    warned = [one for one in logged if one["event"] == "others can read the key file"]
    expected = [("angarium.key", f"{mode:04o}", "Run: chmod 600 angarium.key")] if is_told else []
    assert [(one["file"], one["mode"], one["remedy"]) for one in warned] == expected
    found = [one for one in await bad(settings(begun)) if one.what.startswith("Others can read the key file")]
    assert [one.remedy for one in found] == [f"Run: chmod 600 {begun}/angarium.key"] * is_told


@pytest.mark.parametrize(("mode", "remedies"), [(0o440, []), (0o444, ["Run: chmod o= {key}"])])
async def test_a_key_that_is_read_by_way_of_the_group_is_private(
    begun: Path, monkeypatch: pytest.MonkeyPatch, mode: int, remedies: list[str]
) -> None:
    key = begun / "angarium.key"
    key.chmod(mode)  # as a Secret of Kubernetes is mounted: it is root's, and the group's of the server
    monkeypatch.setattr(os, "geteuid", lambda: key.stat().st_uid + 10_001)
    monkeypatch.setattr(os, "getgroups", lambda: [key.stat().st_gid])
    found = await bad(settings(begun))
    assert [one.remedy for one in found] == [remedy.format(key=key) for remedy in remedies]


async def test_a_newer_database_that_a_server_accepts_is_backed_up(begun: Path) -> None:
    with apsw.Connection(str(begun / "angarium.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    made = await back_up(settings(begun), begun / "copy.db", 0)
    assert made.file.exists()


async def test_to_ask_what_is_pending_makes_no_file(tmp_path: Path) -> None:
    status, printed = await said(tmp_path, "migrate", "--check")
    assert (status, printed.count("\n")) == (1, 1)
    assert not (tmp_path / "angarium.db").exists()


async def test_no_new_database_is_made_where_the_disk_is_not_mounted(begun: Path) -> None:
    (begun / "angarium.db").unlink()
    status, printed = await said(begun, "migrate")
    assert (status, "one is expected" in printed) == (1, True)
    assert not (begun / "angarium.db").exists()


@pytest.mark.parametrize("held", [b"", b"garbage\n", b"\xff\xfe\x00"])
@pytest.mark.parts(2)
async def test_a_key_file_that_holds_no_keys_is_told(begun: Path, held: bytes) -> None:
    (begun / "angarium.key").write_bytes(held)
    found = await bad(settings(begun))
    assert [one.what for one in found] == ["The key file holds no keys."]
    assert "garbage" not in found[0].remedy
    with pytest.raises(Problem, match="holds no keys"):
        make_vault(settings(begun))


async def test_the_doctor_makes_no_key_for_a_database_that_has_one(begun: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    key = tmp_path / "elsewhere" / "angarium.key"
    found = await bad(settings(begun, key_file=str(key)))
    assert [one.what for one in found] == [f"There is no key file {key}, and one was used before."]
    assert not key.exists()
    (begun / "angarium.key").unlink()
    assert len(await bad(settings(begun))) == 1


async def test_the_doctor_tells_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    found = await bad(settings(tmp_path, database=f"sqlite:///{tmp_path}/away/angarium.db"))
    assert [one.what for one in found] == ["The database has no folder."]


async def test_a_file_that_somebody_else_owns_is_told(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).suffix != ".db" and allowed(path, mode))
    found = await bad(settings(begun))
    assert [one.what for one in found] == ["The files of this place cannot be used."]
    assert "angarium.db cannot be read and written" in found[0].remedy


async def test_a_lock_that_cannot_be_taken_is_told(begun: Path) -> None:
    (begun / "angarium.lock").unlink()
    (begun / "angarium.lock").mkdir()
    found = await bad(settings(begun))
    assert [one.what for one in found] == ["The files of this place cannot be used."]
    assert "angarium.lock" in found[0].remedy


async def test_the_doctor_tells_of_another_database(begun: Path) -> None:
    opening.write_mark(begun / "angarium.instance", opening.Mark("another"))
    found = await bad(settings(begun))
    assert [one.what for one in found] == ["This is not the database that belongs here."]


async def test_the_id_of_a_key_is_not_cut(begun: Path) -> None:
    status, printed = await said(begun, "keys", "list", "--workspace", "main", COLUMNS="80")
    (row,) = [line for line in printed.splitlines() if "key_" in line]
    key_id = row.split("│")[1].strip()
    assert (status, len(key_id)) == (0, len("key_05b8md43w0000"))
    status, printed = await said(begun, "keys", "revoke", "--workspace", "main", key_id)
    assert (status, printed) == (0, "Revoked.\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_who_closes_the_terminal_stops_the_server_in_order(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it would be let pass by
    asked = serving._signalled()
    try:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(asked, 5)
    finally:
        for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(one)
        signal.signal(number, before)


async def test_nohup_lets_the_server_outlive_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asked = serving._signalled()
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert not asked.done()
    finally:
        for one in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(one)
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("name", "entry", "is_good"),
    [
        ("trusted_proxies", "10.0.0.1", True),
        ("trusted_proxies", "10.0.0.0/8", True),
        ("trusted_proxies", "10.0.0.1/99", False),
        ("trusted_proxies", "10.0.0.1:80", False),
        ("allow_private", "10.0.0.1:2775", True),
        ("allow_private", "[::1]:2775", True),
        ("allow_private", "fd00::/8", True),
        ("allow_private", "operator.example", False),
        ("allow_private", "10.0.0.1:", False),
    ],
)
def test_a_network_that_is_none_is_told(name: str, entry: str, is_good: bool) -> None:
    if is_good:
        assert getattr(load(environment={}, **{name: (entry,)}), name) == (entry,)
        return
    with pytest.raises(Problem) as told:
        load(environment={}, **{name: (entry,)})
    assert [(one.field, one.value) for one in told.value.fields] == [(name, entry)]


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"none\.pem") as told:
        door._tls(door.Listening("127.0.0.1", 0, f"{tmp_path}/none.pem", ""))
    assert "No such file" in told.value.detail


def test_a_full_disk_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise apsw.FullError("not an error")

    monkeypatch.setattr(opening, "connect", full)
    with pytest.raises(Problem, match="storage full"):
        opening.flaws_of(tmp_path / "angarium.db", SystemClock(), 1.0)


async def test_a_backup_that_finds_no_room_says_so(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise apsw.FullError("not an error")

    monkeypatch.setattr(backup, "_copy_pages", full)
    with pytest.raises(Problem, match="There is no room for it"):
        await back_up(settings(begun), begun / "copy.db", 0)
