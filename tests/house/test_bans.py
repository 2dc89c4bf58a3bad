"""What may not be called: ruff knows each ban, sees it broken, and looks away only for a reason."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from house.tree import PACKAGE, ROOT, imports, modules, none_of, short

CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
BANNED = CONFIG["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
TIME_AND_CHANCE = {
    "asyncio.sleep",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "os.urandom",
    "random",
    "secrets",
    "time.monotonic",
    "time.sleep",
    "time.time",
    "time.time_ns",
    "uuid",
}
REFUSED_LIBRARIES = {"aiosqlite", "httpx", "pickle", "pydantic", "requests", "sqlite3"}
EXCUSE = re.compile(r"# (?:noqa|type: ignore|mypy:|ruff:)[^\n]*")
EXCUSE_WITH_REASON = re.compile(r"# (?:noqa: [A-Z0-9, ]+|type: ignore\[[a-z-]+\])(?: -| {2}#)? +\w.*")


def test_the_bans_are_configured() -> None:
    assert set(BANNED) >= TIME_AND_CHANCE | REFUSED_LIBRARIES
    assert all(len(ban["msg"].split()) > 0 for ban in BANNED.values())
    assert "TID" in CONFIG["ruff"]["lint"]["select"]


def test_every_ban_is_seen_when_it_is_broken() -> None:
    planted = "".join(f"import {name.split('.')[0]}\n{name}\n" for name in BANNED)
    seen = ruff(
        "check", "--output-format=concise", planted=planted, path=PACKAGE / "messaging" / "planted.py"
    )
    assert {name for name in BANNED if f"`{name}` is banned" not in seen} == set(), seen


def test_the_one_door_to_time_and_chance_is_one() -> None:
    opened = [path for path, rules in CONFIG["ruff"]["lint"]["per-file-ignores"].items() if "TID251" in rules]
    assert sorted(opened) == [
        "bench/**",
        "src/angarium/core/clock.py",
        "src/angarium/demo.py",
        "src/angarium/simulators/**",
        "tests/**",
    ]


def ruff(*arguments: str, planted: str, path: Path) -> str:
    """What ruff says of a text as if it stood at a path."""
    done = subprocess.run(
        [Path(sys.executable).with_name("ruff"), *arguments, "--stdin-filename", path, "-"],
        cwd=ROOT,
        input=planted,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


# ── data that becomes code ───────────────────────────────────────────────────────────────────────────

# What comes from a database, a bus or a request is JSON, or a format with a parser that makes data of it.
# Nothing of it is run, neither as Python nor as a template of Jinja's (OWASP ASVS 5.0, 1.3.7 and 1.5.2), and
# no comment lets one of these pass.
RUNNING_IMPORTS = {
    *("pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "joblib", "copyreg", "yaml", "xml"),
    *("code", "codeop", "jinja2.Template", "jinja2.nativetypes", "string.Template"),
}
RUNNING_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "builtins.eval",
    "builtins.exec",
}
RUNNING_METHODS = {
    "from_string",
    "compile_expression",
    "overlay",
}  # of Jinja's environment: text as a template

RUNNING_LAST = {one.rpartition(".")[2] for one in RUNNING_CALLS}  # most calls need not be looked at


def test_no_data_becomes_code() -> None:
    found = (f"{short(path)}:{line}" for path, tree in modules(PACKAGE) for line in running(tree))
    none_of(found, "Read it with msgspec; what people write is Liquid (content/liquid.py):")


def running(tree: ast.Module) -> Iterator[int]:
    """The lines on which data may become code."""
    found = list(imports(tree))
    jinja = any(name.startswith("jinja2") for _, name in found)
    for line, name in found:
        if any(f"{name}.".startswith(f"{banned}.") for banned in RUNNING_IMPORTS):
            yield line
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        last = method or getattr(node.func, "id", "")
        runs = last in RUNNING_LAST and ast.unparse(node.func) in RUNNING_CALLS
        shell = any(keyword.arg == "shell" for keyword in node.keywords)
        if runs or (jinja and method in RUNNING_METHODS) or shell:
            yield node.lineno


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("import pickle", True),
        ("from pickle import loads", True),
        ("from marshal import loads as read", True),
        ("import xml.etree.ElementTree", True),
        ("import yaml", True),
        ("from jinja2 import Template", True),
        ("from jinja2 import Environment\nEnvironment().from_string(text)", True),
        ("from liquid import Environment\nEnvironment().from_string(text)", False),
        ("eval('1')", True),
        ("subprocess.run(command, shell=True)", True),
        ("re.compile('x')", False),
        ("import codecs", False),
        ("from jinja2 import Environment", False),
        ("subprocess.run(command)", False),
    ],
)
def test_what_makes_code_of_data(source: str, seen: bool) -> None:
    assert bool(list(running(ast.parse(source)))) is seen


# ── looking away ─────────────────────────────────────────────────────────────────────────────────────


def test_an_exception_to_a_rule_has_its_reason() -> None:
    found = (
        f"{short(path)}:{number}: {excuse}"
        for path, _ in modules(ROOT / "src", ROOT / "bench")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for excuse in unexplained(line)
    )
    none_of(found, "Name the rule and after it why it does not hold here:")


def unexplained(line: str) -> list[str]:
    """The comment in a line that switches a check off without saying which and why."""
    return [excuse for excuse in EXCUSE.findall(line) if not EXCUSE_WITH_REASON.fullmatch(excuse)]


@pytest.mark.parametrize(
    ("comment", "explained"),
    [
        ("# noqa: PLC0415  a driver is loaded where it is used", True),
        ("# noqa: PLC0415 - a driver is loaded where it is used", True),
        ("# noqa: PLC0415", False),
        ("# noqa", False),
        ("# type: ignore[arg-type]  the stub is wrong: issue 12", True),
        ("# type: ignore", False),
        ("# ruff: noqa", False),
        ("# noqualms about this", True),
    ],
)
def test_what_a_reason_looks_like(comment: str, explained: bool) -> None:
    assert (unexplained(f"x = 1  {comment}") == []) is explained
