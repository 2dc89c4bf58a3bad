"""A new key while the server runs under load: everything is sealed anew, and the old key can go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pyotp
import pytest
from sqlalchemy import text

from angarium import keeping
from angarium.accounts import factors, people
from angarium.accounts import store as accounts
from angarium.accounts.store import people as people_store
from angarium.assembly import make_ground
from angarium.core import ids
from angarium.core.problems import Problem
from angarium.keeping import Retired
from angarium.lines import flows as lines
from angarium.messaging import tracking, unsubscribe
from angarium.messaging.unsubscribe import Left
from angarium.storage import instance
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction, open_database
from angarium.storage.ground import Ground
from angarium.storage.vault import NotOpened, Vault, keys_from
from support.databases import PostgresServer
from support.process import PHONE, Shop
from support.server import Heard

pytestmark = pytest.mark.timeout(400)  # several processes, one after the other

REFUSED = {"to": {"phone": "+380671112233"}, "class": "service", "channel": "smpp", "text": "Hello"}
SENT = {**REFUSED, "to": {"phone": PHONE.format(99_999)}}
# A key file and a hash as they were made before the secret of hashes had a line of its own.
FILE_OF_BEFORE = f"{'A' * 43}=\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
HASH_OF_BEFORE = "295ca934031f8122c4dcdf0d2c4b62ddde364a825034ccc216161b1f4596ef22"
SEALED = {"message": "words", "attempt": "content", "journal": "body"}


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.sqlite), "postgresql"])
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


def keys_of(served: Shop) -> tuple[bytes, ...]:
    """The keys in the file."""
    return keys_from(key_file_of(served)).sealing


def key_file_of(served: Shop) -> str:
    """What stands in it."""
    return Path(served.settings.key_file).read_text()


def write_keys(served: Shop, content: str) -> None:
    """Write the key file by hand."""
    Path(served.settings.key_file).write_text(content)


@asynccontextmanager
async def ground_of(served: Shop) -> AsyncIterator[Ground]:
    """As a command has it, beside the server."""
    ground = make_ground(served.settings)
    await ground.db.start()
    try:
        yield ground
    finally:
        await ground.db.stop()


class Promises:
    """What people were promised while the first key was there: nothing of it hangs on a key."""

    def __init__(self, served: Shop) -> None:
        self.served, self.sent, self.secret, self.link, self.click = served, "", "", "", ""
        self.person: people_store.Person | None = None

    async def make(self) -> Heard:
        """An address that takes nothing, a link to leave by, one that is counted, codes; the message sent."""
        given = {"kind": "phone", "value": REFUSED["to"]["phone"], "reason": "hard_bounce"}
        put = await self.served.client.ask("POST", "/v1/suppressions", given, Idempotency_Key="no")
        assert put.status == 200, put
        sent = await self.served.send(key="sent-before", **SENT)
        self.sent = sent.json["id"]
        async with ground_of(self.served) as ground:
            (workspace,) = await ground.db.read(accounts.workspaces)
            left = Left(workspace.id, ids.read("message", self.sent))
            self.link, self.click = unsubscribe.token(ground.vault, left), tracking.names(ground).name(7)
            self.secret = factors.new_secret(ground)
            person = people.new_person(ground, "olena@shop.example", "Olena", None)
            sealed = ground.vault.seal(self.secret.encode(), factors.cell(person.id))
            self.person = msgspec.structs.replace(person, totp=sealed, totp_asked=sealed)
            await ground.db.run(people_store.add_person, self.person)
        return sent

    async def are_kept(self) -> None:
        """AssertionError when one of them is not."""
        told = await self.served.client.ask("POST", "/v1/messages", REFUSED, Idempotency_Key="yes")
        assert (told.status, told.json["reason"]) == (202, "bad_address"), told.json
        again = await self.served.send(key="sent-before", **SENT)
        assert (again.status, again.json["id"]) == (202, self.sent), again
        page = await self.served.client.ask("GET", f"/u/{self.link}")
        assert page.status == 200, page
        assert self.person is not None
        async with ground_of(self.served) as ground:
            assert tracking.names(ground).read(self.click) == 7
            person = await ground.db.read(people_store.by_id, self.person.id)
            assert person is not None
            assert factors.asked(ground, person) == self.secret
            now = ground.clock.now()
            code = pyotp.TOTP(self.secret).at(now // 1_000_000)
            assert await ground.db.run(factors.fits, ground, person, code, now)


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
        promises = Promises(served)
        before = await promises.make()
        sending = asyncio.create_task(codes(served, enough))
        await served.until(lambda: served._sent > 20)
        assert await keeping.rotate(served.settings) > 0
        sent = served._sent
        await served.until(lambda: served._sent > sent + 20)
        enough.set()
        heard = [before, *await sending]
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
        await promises.are_kept()
        await served.stop()


async def test_a_place_from_before_hashes_as_it_did(served_by: Shop) -> None:
    write_keys(served_by, FILE_OF_BEFORE)

    async def seal_of_before(tx: Transaction, ground: Ground) -> None:
        found = await instance.introduce(tx, ground.chance, ground.clock.now())
        await instance.keep_seal(tx, ground.vault.seal(b"", found.cell))

    async with served_by as served:
        async with ground_of(served) as ground:
            await ground.db.run(seal_of_before, ground)
        assert await keeping.rotate(served.settings) > 0
        assert await keeping.retire(served.settings) == Retired(keys=2, wiped=True)
        async with ground_of(served) as ground:
            hashed = ground.vault.keyed_hash(b"+380501234567", "suppression")
        assert hashed.hex() == HASH_OF_BEFORE
        write_keys(served, key_file_of(served).partition("hashing:")[0])
        with pytest.raises(Problem, match="another secret of hashes"):
            await keeping.rotate(served.settings)


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


class Beside(Shop):
    """One of several servers on a database, with a key file of its own."""

    key_copy: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """That of a shop, but for what is each server's own."""
        more = {} if self.key_copy is None else {"ANGARIUM_KEY_FILE": str(self.key_copy)}
        files = {"ANGARIUM_FILES_FOLDER": str(self.folder / "files")}
        return {**super().environment, "ANGARIUM_FABRIC": "postgres", **files, **more}


@pytest.mark.turns(2, 1)
async def test_a_server_with_a_key_file_of_its_own_goes_on_while_keys_are_rotated(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """What is sealed with a key that it has not got is shut to it: so it is given the key before."""
    folder = tmp_path / "first"
    folder.mkdir()
    async with Beside(folder, await postgres_server.empty_database()) as first:
        await first.start_operator()
        await first.start()
        first.folder.joinpath("second").mkdir()
        copy = first.folder / "second" / "angarium.key"
        second = Beside(folder, first.database)
        second.smpp_port, second.key, second._session = first.smpp_port, first.key, first._session
        second.nursery, second._sent, second.key_copy = first.nursery, 1_000, copy
        copy.write_text(key_file_of(first))
        await second.start()
        status, said = await first.command("keys", "rotate")
        assert (status, "angarium keys rotate --prepare" in said) == (1, True), said
        assert (await second.send()).status == 202
        assert (await first.command("keys", "rotate", "--prepare"))[0] == 0
        copy.write_text(key_file_of(first))
        status, said = await first.command("keys", "rotate")
        assert status == 0, said
        assert [(await one.send()).status for one in (first, second)] == [202, 202]

        newest = key_file_of(first).split()[0]

        async def has_a_key_more() -> bool:  # at first what the second has sealed meanwhile is sealed anew
            for step in ("--prepare", ""):  # and nobody copies it
                assert (await first.command("keys", "rotate", *step.split()))[0] == 0
            return key_file_of(first).split()[0] != newest

        await first.until(has_a_key_more)
        line = first._line() | {"name": "other"}
        assert (await first.client.ask("POST", "/v1/lines", line)).status == 201
        heard: list[Heard] = []

        async def is_shut() -> bool:
            heard.append(await second.send(channel="", line="other"))
            return heard[-1].status not in (404, 422)  # there is no such line, as far as it knows yet

        await second.until(is_shut)
        told = heard[-1]
        assert told.status == 503, (told.status, told.json)
        assert told.json["title"] == "The key does not open this database's secrets"
        assert int(told.headers["retry-after"]) > 0
        copy.write_text(key_file_of(first))
        assert (await second.send(channel="", line="other")).status == 202
        assert await second.stop() == 0
        assert await first.stop() == 0
