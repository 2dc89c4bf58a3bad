"""A real pgbouncer before a PostgreSQL, in transaction mode: every transaction may get another connection."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from angarium.processes import free_port
from support.memory import quick_folder

# Fewer connections than two servers have of their own, so that each is lent to everybody in turn.
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
max_client_conn = 200
log_connections = 0
log_disconnections = 0
"""
PATIENCE_S = 20.0
FOLDERS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
MISSING = "pgbouncer is missing; on Debian: apt-get install pgbouncer"


@asynccontextmanager
async def pooled(url: str) -> AsyncIterator[str]:
    """The same database through a pgbouncer of its own, which may be older than 1.21."""
    parts, listen = urlsplit(url), free_port()
    folder, command = _prepared(url, listen)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        await _listens(listen, process)
        user = parts.username or "postgres"
        yield f"postgresql://{user}@127.0.0.1:{listen}{parts.path}?sslmode=disable&statement_cache_size=0"
    finally:
        process.terminate()
        await process.communicate()
        shutil.rmtree(folder)


def _prepared(url: str, listen: int) -> tuple[Path, tuple[str, ...]]:
    """Its folder, and how it is started."""
    program = shutil.which("pgbouncer", path=FOLDERS)
    assert program, MISSING
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
