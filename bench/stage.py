"""What stands before the clock starts: a database with a workspace, a key, a line and its contacts."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec

from angarium.accounts import flows as accounts
from angarium.accounts import people
from angarium.accounts import store as account_store
from angarium.accounts.reach import WHOLE
from angarium.accounts.roles import Role
from angarium.accounts.rules import SCOPES
from angarium.assembly import assemble, make_ground
from angarium.config import Settings
from angarium.contacts import flows as contacts
from angarium.contacts.flows import Recipient
from angarium.contacts.rules import AddressInput, ContactInput
from angarium.core.values import AddressKind, MessageClass
from angarium.lines import flows as lines
from angarium.lines.rules import LineInput
from angarium.messaging.accept import Answer, MessageInput, Order, accept
from angarium.processes import free_port, write_config
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from angarium.storage.migrate import migrate
from bench.simulator import ACCOUNT
from bench.traffic import MAIL, POOL_FIRST, SCATTER, line_name, mailbox, phone

CONTACTS_AT_ONCE = 1_000
DATABASE = "angarium.db"
LINE, GUEST = "sms", "campaign"
SMPP = "smpp"
HTTP, HTTP_WINDOW = "generic_http", 64  # the channel, and how many of its requests are under way
MAIL_WINDOW = 16  # connections to the mail server


class Way(msgspec.Struct, frozen=True):
    """What stands behind a scenario: the channel of the line, whether it asks for receipts, the database."""

    channel: str = "smpp"
    receipts: bool = True
    database: str = "sqlite"  # or postgresql, of which sow is told where it is


SMPP_ON_SQLITE = Way()

COUNT_EVERY_S = 0.2


class Seed(msgspec.Struct, frozen=True):
    """A folder to begin each run from, and what is known of it."""

    folder: Path
    key: str
    server_port: int
    smpp_port: int  # where the operator listens, whatever it speaks
    window: int
    way: Way = Way()
    url: str = ""  # of a database that each run has a copy of; empty: it is SQLite's, in the folder
    database_pid: int = 0  # of the first process of that


class Campaign(msgspec.Struct, frozen=True):
    """What another workspace has queued."""

    messages: int
    phones: int


async def sow(
    folder: Path, phones: int, window: int, way: Way = SMPP_ON_SQLITE, url: str = "", database_pid: int = 0
) -> Seed:
    """Make the database that every run begins with; of PostgreSQL, at the address of an empty one."""
    settings, smpp_port = _settings(folder, free_port(), url), free_port()
    await migrate(settings.database)
    ground = make_ground(settings)
    await ground.db.start()
    try:
        workspace = await accounts.create_workspace(ground, "bench")
        key = await accounts.create_key(ground, workspace.id, "bench", frozenset(SCOPES))
        line = LINES.get(way.channel, sms_line)(smpp_port, window)
        if way.channel == SMPP and not way.receipts:
            line = msgspec.structs.replace(line, settings={**line.settings, "registered_delivery": 0})
        await lines.create(ground, workspace.id, line)
        await settle(ground, workspace.id, phones, mail=way.channel == MAIL)
    finally:
        await ground.db.stop()
    if url:
        await count_rows(url)
    return Seed(folder, key, settings.port, smpp_port, window, way, url, database_pid)


# ── two workspaces on one line ───────────────────────────────────────────────────────────────────────


async def sow_lent(folder: Path, phones: int, window: int) -> Seed:
    """The same, and another workspace that sends on the same line."""
    seed = await sow(folder, phones, window)
    async with ground_of(seed, folder) as ground:
        owner = await accounts.workspace_named(ground, "bench")
        guest = await accounts.create_workspace(ground, GUEST)
        line = await lines.named(ground, owner.id, LINE)
        await lines.lend(ground, owner.id, line.id, guest.id)
        await lines.take(ground, guest.id, line.id)
        await settle(ground, guest.id, phones)
    await change_speed(seed, folder, 0.0)
    return seed


async def change_speed(seed: Seed, folder: Path, per_s: float) -> None:
    """A line for codes and campaigns that sends so many a second; 0 is without limit."""
    async with ground_of(seed, folder) as ground:
        owner = await accounts.workspace_named(ground, "bench")
        line = await lines.named(ground, owner.id, LINE)
        both = (MessageClass.OTP, MessageClass.PROMOTIONAL)
        given = sms_line(seed.smpp_port, seed.window)
        given = msgspec.structs.replace(given, classes=both, speed_per_s=per_s)
        await lines.change(ground, owner.id, line.id, given)


async def queue_campaign(seed: Seed, campaign: Campaign) -> None:
    """The other workspace queues its messages; nothing is sent."""
    house = assemble(_settings(seed.folder, seed.server_port))
    await house.open()
    try:
        workspaces = await house.ground.db.read(account_store.workspaces)
        await house.world.lines.reload([one.id for one in workspaces])
        (guest,) = (one.id for one in workspaces if one.name == GUEST)
        for first in range(0, campaign.messages, CONTACTS_AT_ONCE):
            numbers = range(first, min(first + CONTACTS_AT_ONCE, campaign.messages))
            order = Order(guest, tuple(_offer(number, campaign.phones) for number in numbers), batch=True)
            (answer,) = await accept(house.world, [order])
            assert isinstance(answer, Answer), answer
            assert msgspec.json.decode(answer.body)["accepted"] == len(numbers)
    finally:
        await house.close()


def _offer(number: int, phones: int) -> MessageInput:
    return MessageInput(
        to=Recipient(phone=phone(POOL_FIRST, number * SCATTER % phones)),
        message_class=MessageClass.PROMOTIONAL,
        text=f"Offer {number}: everything for half. See it: https://shop.example/o/{number}",
        channel="smpp",
    )


@asynccontextmanager
async def ground_of(seed: Seed, folder: Path) -> AsyncIterator[Ground]:
    """The database of a seed, opened by ourselves."""
    ground = make_ground(_settings(folder, seed.server_port, seed.url))
    await ground.db.start()
    try:
        yield ground
    finally:
        await ground.db.stop()


async def invitation(seed: Seed, folder: Path) -> str:
    """The token of an invitation to own the workspace of a copy of a seed."""
    async with ground_of(seed, folder) as ground:
        workspace = await accounts.workspace_named(ground, "bench")

        async def work(tx: Transaction) -> str:
            email = "owner@bench.example"
            return (await people.invite(tx, ground, workspace.id, email, Role.OWNER, WHOLE, "cli"))[1]

        return await ground.db.run(work)


# ── a run ────────────────────────────────────────────────────────────────────────────────────────────


def set_up(seed: Seed, folder: Path, url: str = "") -> Path:
    """A copy of the seed, or the seed itself, and the settings to serve it; of PostgreSQL, the address of
    the copy."""
    if folder != seed.folder:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(seed.folder, folder)
    config = folder / "angarium.toml"
    settings = _settings(folder, seed.server_port, url)
    if seed.way.channel != SMPP:  # whoever it leads to is on this machine, and may call back
        ours, allowed = f"http://127.0.0.1:{seed.server_port}", (f"127.0.0.1:{seed.smpp_port}",)
        settings = msgspec.structs.replace(settings, public_url=ours, allow_private=allowed)
    write_config(settings, config)
    return config


def database_bytes(folder: Path) -> int:
    """How large the database is; of a server that was stopped, everything is in the one file."""
    return (folder / DATABASE).stat().st_size


def forget_database(folder: Path) -> None:
    """Delete the database, so that the next start makes a new one."""
    for file in (*folder.glob(f"{DATABASE}*"), *folder.glob("*.instance")):
        file.unlink()


def _settings(folder: Path, port: int, url: str = "") -> Settings:
    database, key_file = url or f"sqlite:///{folder / DATABASE}", str(folder / "angarium.key")
    return Settings(database=database, port=port, key_file=key_file, log_level="warning", requests_per_s=0)


def sms_line(smpp_port: int, window: int, number: int | None = None) -> LineInput:
    """A line to an operator on this machine; one of several has an account of its own."""
    system_id, password = ACCOUNT if number is None else (line_name(number), ACCOUNT[1])
    return LineInput(
        name=LINE if number is None else line_name(number),
        channel="smpp",
        settings={
            "host": "127.0.0.1",
            "port": smpp_port,
            "system_id": system_id,
            "password": password,
            "source": "Bench",
            "reconnect_s": 0.1,
        },
        classes=(MessageClass.SERVICE,),
        registration="approved",
        window=window,
        price="0.042",
        price_per="part",
    )


def http_line(port: int, window: int) -> LineInput:
    """A line to a provider on this machine that takes a message by one request (`bench.http_operator`)."""
    return LineInput(
        name=LINE,
        channel=HTTP,
        settings={
            "base_url": f"http://127.0.0.1:{port}",
            "path": "/send",
            "body": '{"to": "{to_digits}", "text": "{text}", "callback": "{callback_url}"}',
            "id_path": "id",
            "receipt_id": "id",
            "receipt_status": "status",
            "statuses": "DELIVRD = delivered",
        },
        classes=(MessageClass.SERVICE,),
        registration="approved",
        window=min(window, HTTP_WINDOW),
        price="0.042",
        price_per="part",
    )


def mail_line(port: int, window: int) -> LineInput:
    """A line to a mail server on this machine that takes everything (`bench.mail_operator`)."""
    return LineInput(
        name=LINE,
        channel=MAIL,
        settings={
            "host": "127.0.0.1",
            "port": port,
            "security": "none",
            "sender_address": "shop@bench.example",
        },
        classes=(MessageClass.SERVICE,),
        registration="approved",
        window=min(window, MAIL_WINDOW),
    )


LINES = {HTTP: http_line, MAIL: mail_line}


async def settle(ground: Ground, workspace_id: int, count: int, *, mail: bool = False) -> None:
    """Contacts that are there before."""
    for first in range(0, count, CONTACTS_AT_ONCE):
        numbers = range(first, min(first + CONTACTS_AT_ONCE, count))
        given = [_person(number, mail=mail) for number in numbers]
        for made in await contacts.upsert(ground, workspace_id, given):
            if isinstance(made, Exception):
                raise made


async def count_rows(url: str, messages: int = 0) -> None:
    """Let PostgreSQL know what is there, once there are so many messages. Till it does, it takes a workspace
    for a few rows, and reads all of it for a hundred; autovacuum comes after a minute, when a run is over.
    """
    connection = await asyncpg.connect(url)
    try:
        while await connection.fetchval("SELECT count(*) FROM message") < messages:  # noqa: ASYNC110 - others write them
            await asyncio.sleep(COUNT_EVERY_S)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def _person(number: int, *, mail: bool) -> ContactInput:
    own = phone(POOL_FIRST, number)
    address = (AddressKind.EMAIL, mailbox(own)) if mail else (AddressKind.PHONE, own)
    return ContactInput(
        external_id=f"customer-{number}",
        name=f"Customer {number}",
        locale="fa",
        fields={"city": "Tehran", "points": number % 1_000},
        addresses=(AddressInput(*address),),
    )
