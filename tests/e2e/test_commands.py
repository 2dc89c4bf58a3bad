"""The commands as a person types them wrong: one sentence that says what to do, and never a traceback."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from angarium.accounts import flows as accounts
from angarium.accounts import people
from angarium.accounts.store import people as people_store
from angarium.assembly import make_ground
from angarium.config import Settings
from angarium.lines import flows as lines
from angarium.lines.rules import LineInput
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from support import together
from support.nursery import typed
from support.server import LINE


async def said(folder: Path, *arguments: str, **environment: str) -> tuple[int | None, str]:
    """The status of `angarium …` in a folder, and all it printed, without its line breaks."""
    given = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    status, printed = await typed(arguments, folder, {**given, "HOME": str(folder), **environment})
    return status, " ".join(printed.split())


@dataclass
class Place:
    """A folder with the key of a server that has a database."""

    folder: Path
    settings: Settings

    async def said(self, *arguments: str, **environment: str) -> tuple[int | None, str]:
        """The status of `angarium …` there, and all it printed."""
        told = {"ANGARIUM_DATABASE": self.settings.database, **environment}
        return await said(self.folder, *arguments, **told)

    @asynccontextmanager
    async def ground(self) -> AsyncIterator[Ground]:
        """What that server stands on."""
        ground = make_ground(self.settings)
        await ground.db.start()
        yield ground
        await ground.db.stop()

    async def meddle(self, *statements: str) -> None:
        """Do what Angarium never does to its tables."""

        async def work(tx: Transaction) -> None:
            for one in statements:
                await tx.execute(Statement(text(one)))

        async with self.ground() as ground:
            await ground.db.run(work)


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    url = await together.nothing_in(tmp_path)
    return Place(tmp_path, Settings(database=url, key_file=str(tmp_path / "angarium.key")))


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        status, printed = await said(tmp_path, "serve", ANGARIUM_PORT=port)
    assert status == 1
    assert f"The server cannot start [Errno 98] Address already in use: '127.0.0.1:{port}'" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", ["serve", "doctor"])
async def test_a_variable_that_is_misspelt(tmp_path: Path, command: str) -> None:
    """It fails nothing, but what was meant by it does not hold: it is said, with what it is most like."""
    given = {"ANGARIUM_PORTT": "8081", "ANGARIUM_PUBLC_URL": "x", "ANGARIUM_TEST_DAY": "1"}
    _, printed = await said(tmp_path, command, ANGARIUM_DATABASE="sqlite:///no/such/folder/a.db", **given)
    for name in ("ANGARIUM_PORTT", "ANGARIUM_PUBLC_URL", "ANGARIUM_PUBLIC_URL"):
        assert name in printed
    assert re.search(r"ANGARIUM_PORT\b", printed)
    assert "ANGARIUM_TEST" not in printed
    assert "no/such/folder" in printed


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("doctor",), {"ANGARIUM_DATABASE": "mysql://x"}, "sqlite:///path/to.db or postgresql://user@host"),
        (("serve",), {"ANGARIUM_PORT": "eighty"}, "port"),
        (("--config", "nowhere.toml", "serve"), {}, "name a file that can be read"),
        (
            ("serve",),
            {"ANGARIUM_DATABASE": "sqlite:///no/such/folder/a.db"},
            "There is no folder no/such/folder",
        ),
        (("keys", "create", "--workspace", "main"), {}, "There is no such workspace"),
        (("keys", "revoke", "--workspace", "main", "x"), {}, "There is no such workspace"),
        (
            ("send", "--to", "+380441234567", "--text", "x", "--channel", "smpp"),
            {"ANGARIUM_API_KEY": "k", "ANGARIUM_URL": "http://127.0.0.1:9"},
            "Start it: angarium serve",
        ),
    ],
)
async def test_what_is_wrong_is_said(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], words: str
) -> None:
    status, printed = await said(tmp_path, *arguments, **environment)
    assert status == 1, printed
    assert words in printed
    assert "Traceback" not in printed


async def test_of_a_narrow_table_nothing_is_cut(place: Place) -> None:
    """A terminal has 80 columns, and so has a pipe: whether a key is still used must be seen there too."""
    every = ("keys", "create", "--workspace", "main", "--new")
    some = (*every, "--name", "shop", "--scope", "campaigns:decide", "--scope", "contacts:write")
    assert (await place.said(*every))[0] == (await place.said(*some))[0] == 0
    _, printed = await place.said("keys", "list", "--workspace", "main")
    assert "…" not in printed
    assert "everything" in printed
    assert re.search(r"\b20\d\d-\d\d-\d\d\b", printed)
    assert re.search(r"\b\d\d:\d\dZ", printed)


async def test_a_line_is_lent_and_taken_back(place: Place) -> None:
    for name in ("holding", "club"):
        status, printed = await place.said("keys", "create", "--workspace", name, "--new")
        assert status == 0, printed
    async with place.ground() as ground:
        owner, guest = [await accounts.workspace_named(ground, name) for name in ("holding", "club")]
        await lines.create(ground, owner.id, msgspec.convert(LINE, LineInput))
        both = ("--workspace", "holding", "--to", "club")
        assert await place.said("lines", "lend", "viber", *both) == (0, "club sends on it as holding/viber.")
        (lent,) = await lines.lent_to(ground, guest.id)
        assert (lent.name, lent.state) == ("holding/viber", "taken")
        status, printed = await place.said("lines", "lend", "nothing", *both)
        assert (status, "no such line" in printed) == (1, True), printed
        both = ("--workspace", "holding", "--from", "club")
        assert (await place.said("lines", "take-back", "viber", *both))[0] == 0
        assert await lines.lent_to(ground, guest.id) == []


async def test_the_audit_log_is_verified_and_exported(place: Place) -> None:
    await place.said("keys", "create", "--workspace", "main", "--new")
    status, printed = await place.said("audit", "verify")
    assert status == 0, printed
    assert "✓ main: 2 rows, whole; sealed up to row 2" in printed
    status, _ = await place.said("audit", "export", "--workspace", "main", "--to", "log.jsonl")
    made, key = [json.loads(line) for line in (place.folder / "log.jsonl").read_text().splitlines()]
    assert (made["action"], key["action"], key["actor"]) == ("workspace.created", "key.created", "cli")
    assert key["hash"] in printed
    assert (place.folder / "angarium.key.audit").stat().st_size > 0

    await place.meddle("UPDATE audit SET details = '{}' WHERE number = 2")
    status, printed = await place.said("audit", "verify", "--workspace", "main")
    assert (status, printed) == (1, "✗ main: the details of row 2 are not what was written")
    await place.meddle("DELETE FROM audit WHERE number = 2", "DELETE FROM audit_seal")
    for arguments in ((), ("--workspace", "main")):
        status, printed = await place.said("audit", "verify", *arguments)
        assert status == 1
        assert "✗ main: row 2 is missing: the file beside the key knows row 2" in printed
    status, printed = await place.said("audit", "verify", "--accept")  # say that a backup was put back
    assert (status, "✓ main: 1 rows" in printed) == (0, True)
    assert (await place.said("audit", "verify"))[0] == 0


async def test_the_first_owner_is_invited_kept_out_and_let_in(place: Place) -> None:
    invite = ("people", "invite", "Olena@Shop.example", "--workspace", "main")
    status, printed = await place.said(*invite)
    assert (status, "There is no such workspace" in printed) == (1, True)
    status, printed = await place.said(*invite, "--new", "--quiet")
    assert (status, printed.startswith("http://127.0.0.1:8080/invitation?token=inv_ws_")) == (0, True)
    assert "Nobody yet" in (await place.said("people", "list"))[1]
    async with place.ground() as ground:
        person = people.new_person(ground, "olena@shop.example", "Olena", None)
        await ground.db.run(people_store.add_person, person)
        await ground.db.run(people.accept, ground, printed.rpartition("=")[2], person)
    _, listed = await place.said("people", "list", "--workspace", "main")
    assert "…" not in listed
    assert "olena@shop.example" in listed
    assert "owner" in listed
    status, link = await place.said("people", "reset", "olena@shop.example", "--factors")
    assert (status, link.startswith("http://127.0.0.1:8080/reset/new?token=rst_")) == (0, True)
    assert (await place.said("people", "disable", "OLENA@shop.example")) == (0, "They are kept out.")
    assert "disabled" in (await place.said("people", "list"))[1]
    again = await place.said("people", "disable", "olena@shop.example", "--again")
    assert again == (0, "They may sign in again.")
    status, printed = await place.said("people", "reset", "nobody@shop.example")
    assert (status, "There is no such person" in printed) == (1, True)
    status, printed = await place.said("audit", "verify")
    assert (status, "whole" in printed) == (0, True)
