"""What holds for every test: it stays on this machine, writes to memory, and is never skipped in silence."""

from __future__ import annotations

import gc
import importlib.util
import ipaddress
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
from _pytest.nodeid import NodeId

from support.memory import quick_folder
from support.turns import TODAY, leave_out, resting

# Two shared cores are no place for a limit on wall time; pytest-timeout stops what hangs.
hypothesis.settings.register_profile("angarium", deadline=None)
if "CI" not in os.environ:  # there hypothesis chooses its own: the same examples each time, no deadline
    hypothesis.settings.load_profile("angarium")

PROGRAM_FOLDERS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/lib/kannel/test"))
PACKAGES = {  # program: the Debian package that brings it
    "bearerbox": "kannel",
    "chromium": "chromium",
    "drive_smpp": "kannel-extras",
    "node": "nodejs",
    "npm": "npm",
    "pgbouncer": "pgbouncer",
    "strace": "strace",
    "systemd-analyze": "systemd",
}

# Every file of a test, and of the programs it starts: a sync that waits for a disk tells nothing here.
if (memory := quick_folder()) is not None:
    tempfile.tempdir = os.environ["TMPDIR"] = str(memory)


WAITING = ("console", "e2e", "peers", "promises")  # for processes and browsers: spread among what works
FIRST = ("house", "security")  # long: the end is not to wait for them
LAST = ("channels", "protocols", "rules", "simulators")  # thousands, each soon done: shared out by the file
APART = ("test_adding_a_channel.py", "test_conduct.py", "test_layers.py", "test_tools.py")  # programs
WAITED = 0.7  # of the work that is neither FIRST nor LAST: by then the last of WAITING has begun


gc.disable()  # until all is collected, which stays


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Of several processes each first reads files of its own, every fourth where they are four.

    What pytest makes of a file, its checks rewritten, is kept as bytecode. So it is made once, and not by all
    of them at the same time: in a clean checkout that takes longer than everything else before the tests.
    """
    worker, count = os.environ.get("PYTEST_XDIST_WORKER", ""), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "")
    if not worker or sys.dont_write_bytecode:
        return
    files = sorted(Path(__file__).parent.glob("*/test_*.py"))
    for path in files[int(worker.removeprefix("gw")) :: int(count)]:
        with suppress(Exception):  # it comes again when all are collected, and is told of then
            pytest.Module.from_parent(session, path=path).obj  # noqa: B018 - it is imported


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In which order work is shared out among processes, and what is not shared out by the test."""
    leave_out(config, items, resting(config, items))
    if os.environ.get("ANGARIUM_TEST_TOGETHER"):  # support/together.py
        left_out = [item for item in items if is_of_sqlite(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not is_of_sqlite(item)]
    places = {path: path.parent.name for path in {item.path for item in items}}
    items.sort(key=lambda item: (places[item.path] in LAST) - (places[item.path] in FIRST))
    waiting = [item for item in items if places[item.path] in WAITING]
    working = [item for item in items if places[item.path] not in (*WAITING, *LAST)]
    when = {item: number / len(working) for number, item in enumerate(working)}
    when |= {item: WAITED * number / len(waiting) for number, item in enumerate(waiting)}
    items.sort(key=lambda item: when.get(item, 1.0))
    for item in items:
        if item.get_closest_marker("xdist_group") is None and (group := _group_of(item.path)):
            item.add_marker(pytest.mark.xdist_group(group))


def _group_of(path: Path) -> str:
    """What one process does: a file of small tests; or the rules of the house, for which all is parsed."""
    if path.parent.name == "house" and path.name not in APART:
        return "house"
    return f"{path.parent.name}/{path.name}" if path.parent.name in LAST else ""


def is_of_sqlite(item: pytest.Item) -> bool:
    """Whether it is about SQLite, or runs on it."""
    given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return item.get_closest_marker("sqlite") is not None or given.get("database_url") == "sqlite"


def pytest_report_header() -> str:
    """What repeats this run where tests take turns."""
    return f"ANGARIUM_TEST_DAY={TODAY}"


def pytest_configure() -> None:
    """Have a traceback in the log be one: with every value in it, it takes a second to print."""
    pretty = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], pretty])


@pytest.hookimpl(tryfirst=True)  # before xdist tells its other end of the items
def pytest_collection_finish(session: pytest.Session) -> None:
    """Have groups be groups; and look for cycles as seldom as the server does (`assembly.py`).

    Xdist 3.8 writes the group of an item where pytest 9.2 does not look: nothing would be one process's.
    What was imported and collected stays to the end, and need not be gone through again and again.
    """
    for item in session.items:
        if named := vars(item).get("_nodeid"):
            item._id = NodeId.parse(named)
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose peer is not installed, and say what to install; where peers are required, fail it."""
    programs = [program for mark in item.iter_markers("peers") for program in mark.args]
    if item.get_closest_marker("browser"):
        programs.append("chromium")
    missing = [program for program in programs if not is_there(program)]
    if not missing:
        return
    say = f"{', '.join(missing)} not found: apt-get install {' '.join(PACKAGES.get(p, p) for p in missing)}"
    if os.environ.get("ANGARIUM_TEST_PEERS") == "required":
        pytest.fail(say, pytrace=False)
    pytest.skip(say)


def is_there(peer: str) -> bool:
    """Whether a program, or what Python imports (`python:twilio`), is installed."""
    if peer.startswith("python:"):
        return importlib.util.find_spec(peer.removeprefix("python:")) is not None
    return shutil.which(peer, path=PROGRAM_FOLDERS) is not None


def stay_home(event: str, args: tuple[Any, ...]) -> None:
    """Refuse every connection that leaves the machine (an audit hook: PEP 578)."""
    if event == "socket.connect" and isinstance(args[1], tuple) and not is_here(args[1][0]):
        raise PermissionError(f"a test reached for {args[1]}: tests talk to this machine only")


def is_here(host: str) -> bool:
    """Whether an address, as it is given to `connect`, is this machine."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host in ("", "localhost")
    return address.is_loopback or address.is_unspecified


if "ANGARIUM_TEST_POSTGRES" not in os.environ:  # a database of the developer's may be anywhere
    sys.addaudithook(stay_home)
