"""Jasmin: its gateway with its two daemons for receipts, and a RabbitMQ and a Redis of its own.

Sources: Jasmin 0.11's documentation (installation, jCli) and its code. What it keeps: the broker's queues are
declared without `durable` and messages are published without a delivery mode (`queues/factory.py`,
`managers/listeners.py`), so nothing of them outlives a stop of RabbitMQ, and no setting changes that. Redis,
which keeps what is known of receipts, syncs each change here (`appendfsync always`).

It has an environment of its own, for it wants older releases of libraries that we use.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from angarium.core.clock import SystemClock
from angarium.processes import Processes, free_port
from bench.gateway import Gateway, keeps_no_book, until_bound
from bench.peers.debian import program, run
from bench.peers.kannel import listens
from bench.processes import Worker
from bench.simulator import ACCOUNT

NAME, VERSION = "jasmin", "0.11.0"
ABOUT = "queues of RabbitMQ that are not durable, as Jasmin declares them; Redis, appendfsync always"
ENVIRONMENT = Path(".bench") / "jasmin"
SPECIFICATION = ENVIRONMENT / "amqp0-9-1.xml"  # of the broker's protocol, which its package does not install
PROGRAMS = {"redis-server": "redis-server", "rabbitmq-server": "rabbitmq-server"}  # and their packages
BROKER = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # without the script that is for a service alone
BROKER_TOLD = "/usr/lib/rabbitmq/bin/rabbitmqctl"
READY_S = 90.0
ANSWER_WITHIN_S = 20.0
PROMPT = b"jcli : ", b"> "
DAEMONS = {  # the module of each, and what it is told
    "jasmind": ("jasmin.bin.jasmind", ("--disable-deliver-thrower",)),
    "dlrlookupd": ("jasmin.bin.dlrlookupd", ()),
    "dlrd": ("jasmin.bin.dlrd", ()),
}
QUEUES = {"dlrlookupd": "DLRLookup-main", "dlrd": "dlr_thrower"}  # which each takes receipts from
LOGS = (
    *("smpp-server", "smpp-server-pb", "client-management", "service-smppclient", "sm-listener", "dlr"),
    *("amqp-broker", "http-api", "router", "deliversm-thrower", "dlr-thrower", "redis-client", "jcli"),
)


def python() -> Path:
    """The interpreter of its environment."""
    return ENVIRONMENT.resolve() / "bin" / "python"


def install() -> None:
    """Its environment; Missing when it cannot be made."""
    if (
        SPECIFICATION.exists()
        and subprocess.run([python(), "-c", "import jasmin"], check=False).returncode == 0
    ):
        return
    fetched = ENVIRONMENT.with_name("jasmin-source")
    source = ["--no-deps", "--no-binary", NAME, "--dest", str(fetched), f"{NAME}=={VERSION}"]
    run([sys.executable, "-m", "pip", "download", "--quiet", *source])
    (archive,) = fetched.glob("*.tar.gz")
    uv = str(Path(sys.executable).with_name("uv"))  # as the Makefile has put it there
    run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT)])
    run([uv, "pip", "install", "--quiet", "--python", str(python()), str(archive), "setuptools<70"])
    with tarfile.open(archive) as packed, SPECIFICATION.open("wb") as kept:
        found = packed.extractfile(f"{NAME}-{VERSION}/misc/config/resource/{SPECIFICATION.name}")
        assert found is not None
        kept.write(found.read())


def configuration(ports: dict[str, int]) -> str:
    """Its file of settings: ports, and logs that say only what went wrong."""
    own = {
        "http-api": {"bind": "127.0.0.1", "port": ports["send"], "access_log": "/dev/null"},
        "jcli": {"port": ports["cli"], "authentication": "False"},
        "router": {"bind": "127.0.0.1", "port": ports["router"]},
        "client-management": {"bind": "127.0.0.1", "port": ports["clients"]},
        "smpp-server": {"bind": "127.0.0.1", "port": ports["smpp"]},
        "smpp-server-pb": {"bind": "127.0.0.1", "port": ports["smpp_pb"]},
        "smpp-server-pb-client": {"port": ports["smpp_pb"]},
        "amqp-broker": {"port": ports["amqp"], "spec": str(SPECIFICATION.resolve())},
        "redis-client": {"port": ports["redis"]},
    }
    sections = {name: {"log_level": "ERROR", **own.get(name, {})} for name in [*LOGS, *own]}
    return "".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()) + "\n"
        for name, values in sections.items()
    )


def words(operator_port: int) -> list[str]:
    """What jCli is told: a user, a connector without a limit of speed, a route."""
    system_id, password = ACCOUNT
    return [
        *("group -a", "gid bench", "ok"),
        *("user -a", "username bench", "password secret", "gid bench", "uid bench", "ok"),
        *("smppccm -a", "cid operator", "host 127.0.0.1", f"port {operator_port}"),
        *(f"username {system_id}", f"password {password}", "submit_throughput 0", "ok"),
        *("mtrouter -a", "type defaultroute", "connector smppc(operator)", "rate 0.00", "ok"),
        "smppccm -1 operator",
    ]


async def tell(port: int, lines: list[str]) -> None:
    """Say each line to jCli, and wait for its next prompt."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for line in ("", *lines):  # it greets, and shows its prompt after the first line alone
            writer.write(line.encode() + b"\r\n")
            await _prompted(reader)
    finally:
        writer.close()


async def _prompted(reader: asyncio.StreamReader) -> None:
    heard = b""
    async with asyncio.timeout(ANSWER_WITHIN_S):
        while not heard.endswith(PROMPT):
            piece = await reader.read(4_096)
            if not piece:
                raise ConnectionResetError(f"jCli hung up after {heard[-200:]!r}")
            heard += piece


def set_up(folder: Path) -> tuple[Path, dict[str, int]]:
    """Its folder with all that it expects there; the file of settings, and the ports."""
    for place in ("log", "etc/jasmin/store", "etc/jasmin/resource"):
        (folder / place).mkdir(parents=True)
    wanted = ("send", "cli", "router", "clients", "smpp", "smpp_pb", "amqp", "dist", "epmd", "redis")
    ports = {name: free_port() for name in wanted}
    config = folder / "jasmin.cfg"
    config.write_text(configuration(ports))
    return config, ports


@asynccontextmanager
async def running(folder: Path, operator: Worker, operator_port: int) -> AsyncIterator[Gateway]:
    """Jasmin and all that it needs, bound to the operator."""
    config, ports = set_up(folder)
    processes = Processes(folder, SystemClock(), READY_S)
    try:
        await _stores(processes, folder, ports)
        await _daemons(processes, folder, ports, config)
        await tell(ports["cli"], words(operator_port))
        await until_bound(operator)
        pids = {name: processes.running(name).pid for name in (*DAEMONS, "redis")}
        pids["rabbitmq"] = _machine(processes.running("rabbitmq").pid)
        yield Gateway(NAME, "jasmin", ports["send"], "", pids, keeps_no_book)
    finally:
        await processes.stop_all()
        _end_epmd(ports)


async def _stores(processes: Processes, folder: Path, ports: dict[str, int]) -> None:
    redis = ["--port", str(ports["redis"]), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    await processes.execute(
        "redis", program("redis-server"), *redis, "--appendonly", "yes", "--appendfsync", "always"
    )
    await processes.until("redis", listens(ports["redis"]))
    await processes.execute("rabbitmq", "env", *_surroundings(folder, ports), BROKER)
    await processes.until("rabbitmq", listens(ports["amqp"]))


def _surroundings(folder: Path, ports: dict[str, int]) -> list[str]:
    """A RabbitMQ that keeps everything in the folder, and whose names nobody else has."""
    given = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"bench{ports['amqp']}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports["amqp"]),
        "RABBITMQ_DIST_PORT": str(ports["dist"]),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "rabbitmq"),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
    }
    return [f"{name}={value}" for name, value in given.items()]


def _takes(folder: Path, ports: dict[str, int], queue: str) -> Callable[[], Awaitable[bool]]:
    """Whether somebody takes from a queue, as a question: a receipt that comes before is lost, as an exchange
    of RabbitMQ drops what no queue is bound for."""
    command = ["env", *_surroundings(folder, ports), BROKER_TOLD, "--quiet", "list_consumers", "queue_name"]

    async def asked() -> bool:
        return queue in (await asyncio.to_thread(run, command)).split()

    return asked


async def _daemons(processes: Processes, folder: Path, ports: dict[str, int], config: Path) -> None:
    around = [f"ROOT_PATH={folder}", f"LOG_PATH={folder / 'log'}", f"TMPDIR={folder}"]
    for name, (module, told) in DAEMONS.items():
        command = (str(python()), "-m", module, "--config", str(config), *told)
        await processes.execute(name, "env", *around, *command)
        if name == "jasmind":
            await processes.until(name, listens(ports["cli"]))
            await processes.until(name, listens(ports["send"]))
    for name, queue in QUEUES.items():
        await processes.until(name, _takes(folder, ports, queue))


def _machine(pid: int) -> int:
    """Erlang's own process, which the script of RabbitMQ became or started."""
    for child in (pid, *_children(pid)):
        if "beam" in (Path("/proc") / str(child) / "comm").read_text():
            return child
    return pid


def _children(pid: int) -> list[int]:
    return list(map(int, (Path("/proc") / str(pid) / "task" / str(pid) / "children").read_text().split()))


def _end_epmd(ports: dict[str, int]) -> None:
    """The name server of Erlang goes on by itself, so it is told to end."""
    port = str(ports["epmd"])
    subprocess.run(
        ["epmd", "-port", port, "-kill"], capture_output=True, check=False, timeout=ANSWER_WITHIN_S
    )
