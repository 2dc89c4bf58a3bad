"""Kannel: its bearerbox and its smsbox, with the stores it has and a place for what is known of receipts.

Sources: the user guide of Kannel 1.4.5 (§ "core group": store-type, store-dump-freq; § "DLR with SQLite3").

What its stores are worth: the file store appends each message to a log and writes it all anew every
`store-dump-freq` seconds; the spool store has a file for each message. Neither is ever synced: bearerbox does
not import fsync (`nm -D`), so after a failure of power the last seconds may be gone. `internal` keeps what is
known of receipts in memory, and a stop loses it. SQLite keeps it, and syncs each change of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import apsw
import msgspec

from angarium.core.clock import SystemClock
from angarium.processes import Processes, free_port, is_free
from bench.gateway import Gateway, keeps_no_book, until_bound
from bench.peers.debian import program, run
from bench.processes import Worker
from bench.simulator import ACCOUNT

PROGRAMS = {"bearerbox": "kannel", "smsbox": "kannel"}  # and the packages that bring them
READY_S = 30.0


class Kannel(msgspec.Struct, frozen=True):
    """One way to set it up."""

    name: str
    store: str  # file or spool
    receipts: str  # where what is known of receipts is kept: internal, or sqlite3


KANNELS = (
    Kannel("kannel, file store", "file", "internal"),
    Kannel("kannel, spool store", "spool", "internal"),
    Kannel("kannel, spool store, receipts in SQLite", "spool", "sqlite3"),
)

CONFIG = """
group = core
admin-port = {admin}
admin-password = secret
smsbox-port = {box}
box-allow-ip = "127.0.0.1"
log-level = 3
store-type = {store}
store-location = {place}
dlr-storage = {receipts}
{dump}
group = smsc
smsc = smpp
smsc-id = operator
host = 127.0.0.1
port = {operator}
transceiver-mode = true
smsc-username = "{system_id}"
smsc-password = "{password}"
system-type = ""
max-pending-submits = {window}

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}
log-level = 3
http-request-retry = 3

group = sendsms-user
username = bench
password = secret
max-messages = 1
user-allow-ip = "127.0.0.1"
"""
# As its manual has it (share/doc/kannel/examples/dlr-sqlite3.conf).
IN_SQLITE = """
group = sqlite3-connection
id = receipts
database = {file}
max-connections = 1

group = dlr-db
id = receipts
table = dlr
field-smsc = smsc
field-timestamp = ts
field-destination = destination
field-source = source
field-service = service
field-url = url
field-mask = mask
field-status = status
field-boxc-id = boxc
"""
TABLE = """
CREATE TABLE dlr (smsc TEXT, ts TEXT, destination TEXT, source TEXT, service TEXT, url TEXT,
  mask INTEGER, status INTEGER, boxc TEXT);
CREATE INDEX dlr_found ON dlr (smsc, ts);
"""


def about(kind: Kannel) -> str:
    """How it is set up, for whoever reads the figures."""
    store = {
        "file": "file store, dumped every 10 s, never synced",
        "spool": "spool store, a file a message, never synced",
    }[kind.store]
    kept = {"internal": "receipts in memory", "sqlite3": "receipts in SQLite, WAL, synchronous=FULL"}
    return f"{store}; {kept[kind.receipts]}"


def version() -> str:
    """What it says of itself."""
    return run([program("bearerbox"), "--version"]).partition("\n")[0].split("`")[-1].strip("'. ")


def configuration(kind: Kannel, folder: Path, operator_port: int, window: int) -> tuple[str, dict[str, int]]:
    """Its file of settings, and the ports that it chose."""
    ports = {name: free_port() for name in ("admin", "box", "send")}
    database = IN_SQLITE.format(file=folder / "receipts.db") if kind.receipts == "sqlite3" else ""
    text = CONFIG.format(
        store=kind.store,
        place=folder / ("spool" if kind.store == "spool" else "store"),
        dump="store-dump-freq = 10\n" if kind.store == "file" else "",
        receipts=kind.receipts,
        operator=operator_port,
        system_id=ACCOUNT[0],
        password=ACCOUNT[1],
        window=window,
        **ports,
    )
    return database + text, ports


def make_table(file: Path) -> None:
    """The table of receipts. Its log is written ahead: the file says so to whoever opens it."""
    connection = apsw.Connection(str(file))
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute(TABLE)
    connection.close()


def set_up(kind: Kannel, folder: Path, operator_port: int, window: int) -> tuple[Path, dict[str, int]]:
    """Its folder with all that it expects there; the file of settings, and the ports."""
    folder.mkdir(parents=True)
    (folder / "spool").mkdir()
    if kind.receipts == "sqlite3":
        make_table(folder / "receipts.db")
    text, ports = configuration(kind, folder, operator_port, window)
    config = folder / "kannel.conf"
    config.write_text(text)
    return config, ports


@asynccontextmanager
async def running(
    kind: Kannel, folder: Path, operator: Worker, operator_port: int, window: int
) -> AsyncIterator[Gateway]:
    """Kannel, bound to the operator."""
    config, ports = set_up(kind, folder, operator_port, window)
    processes = Processes(folder, SystemClock(), READY_S)
    try:
        bearer = await processes.execute("bearerbox", program("bearerbox"), str(config))
        await processes.until("bearerbox", listens(ports["box"]))
        sms = await processes.execute("smsbox", program("smsbox"), str(config))
        await processes.until("smsbox", listens(ports["send"]))
        await processes.until("smsbox", knows_smsbox(ports["admin"]))
        await until_bound(operator)
        pids = {"bearerbox": bearer.pid, "smsbox": sms.pid}
        yield Gateway(kind.name, "kannel", ports["send"], "", pids, keeps_no_book)
    finally:
        await processes.stop_all()


def knows_smsbox(admin: int) -> Callable[[], Awaitable[bool]]:
    """Whether bearerbox has its smsbox, as a question: that listens before, and panics at what comes then."""

    async def asked() -> bool:
        async with aiohttp.request("GET", f"http://127.0.0.1:{admin}/status.xml") as answer:
            return "<type>smsbox</type>" in await answer.text()

    return asked


def listens(port: int) -> Callable[[], Awaitable[bool]]:
    """Whether somebody listens there, as a question to ask again and again."""

    async def asked() -> bool:
        return not is_free(port)

    return asked
