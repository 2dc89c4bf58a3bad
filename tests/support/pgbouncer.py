"""A real pgbouncer before a PostgreSQL, in transaction mode: every transaction may get another connection."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from angarium.processes import free_port
from support.memory import quick_folder

# Fewer connections than two servers have of their own, so that each is lent to everybody, and in turn: left
# to itself pgbouncer lends the one that came back last, which may be the same all day.
CONFIG = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
server_round_robin = 1
max_client_conn = 200
log_connections = 0
log_disconnections = 0
"""
PATIENCE_S = 20.0
FOLDERS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
MISSING = "pgbouncer is missing; on Debian: apt-get install pgbouncer"
KEEPS = (1, 21)  # from here on it can keep prepared statements, and from the second on it does unless told
KEEPS_UNASKED = (1, 24)
NAMELESS = "&statement_cache_size=0"


@asynccontextmanager
async def pooled(url: str, *, forgetful: bool = False) -> AsyncIterator[str]:
    """The same database through a pgbouncer of its own, by the address that the guide gives for its version;
    or, where it forgets prepared statements, as for one that keeps them."""
    parts, listen = urlsplit(url), free_port()
    program = shutil.which("pgbouncer", path=FOLDERS)
    assert program, MISSING
    version = _version(program)
    folder, command = _prepared(program, url, listen)
    if forgetful and version >= KEEPS:
        with (folder / "pgbouncer.ini").open("a") as config:
            config.write("max_prepared_statements = 0\n")
    names = "" if forgetful or version >= KEEPS_UNASKED else NAMELESS
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        await _listens(listen, process)
        user = parts.username or "postgres"
        yield f"postgresql://{user}@127.0.0.1:{listen}{parts.path}?sslmode=disable{names}"
    finally:
        process.terminate()
        await process.communicate()
        shutil.rmtree(folder)


def _version(program: str) -> tuple[int, ...]:
    """Such as (1, 18)."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"PgBouncer (\d+)\.(\d+)", said)
    assert found, said
    return int(found[1]), int(found[2])


def _prepared(program: str, url: str, listen: int) -> tuple[Path, tuple[str, ...]]:
    """Its folder, and how it is started."""
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or "127.0.0.1"])[0]
    folder = Path(tempfile.mkdtemp(prefix="angarium-pgbouncer-", dir=quick_folder()))
    folder.chmod(0o755)
    config = folder / "pgbouncer.ini"
    user = parts.username or "postgres"
    config.write_text(CONFIG.format(host=host, port=parts.port or 5432, user=user, listen=listen))
    # It refuses to be root; and others than its owner do not reach the socket.
    owner = Path(host).owner() if host.startswith("/") else "nobody"
    return folder, (program, "-q", *(("-u", owner) if os.geteuid() == 0 else ()), str(config))


async def _listens(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            assert process.returncode is None, "pgbouncer ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
