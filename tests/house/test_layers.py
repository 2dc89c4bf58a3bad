"""Imports run downwards: the contracts of pyproject.toml hold, and each of them can be broken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from house.tree import PACKAGE, ROOT

LAYERS = "Imports run downwards only"
MESSAGING = "Messaging knows channels only"
CHANNELS = "Channels and protocols store"
OPERATORS = "A simulated operator"
CIRCLES = "No two modules import one another"
PLANTED = {  # by what is wrong: what is written where, and the contract that must see the first of them
    "the ground floor looks up": ({"core/p_up.py": "import angarium.storage"}, LAYERS),
    "a protocol knows a channel": ({"protocols/p_channel.py": "from angarium import channels"}, LAYERS),
    "accounts knows the web": ({"accounts/p_web.py": "import angarium.web"}, LAYERS),
    "neighbours meet": ({"lines/p_meets.py": "from angarium.contacts import store"}, LAYERS),
    "features meet": ({"inbox/__init__.py": "import angarium.verify", "verify/__init__.py": ""}, LAYERS),
    "storage leans on the fabric": ({"storage/p_fabric.py": "import angarium.fabric"}, LAYERS),
    "a room without a floor": ({"attic/__init__.py": ""}, LAYERS),
    "hidden in a function": ({"core/p_late.py": "def late():\n    import angarium.storage"}, LAYERS),
    "the server knows the simulators": ({"web/p_simulator.py": "import angarium.simulators"}, LAYERS),
    "messaging knows a channel": ({"messaging/p_channel.py": "import angarium.channels"}, MESSAGING),
    "by way of another room": (
        {
            "messaging/p_way.py": "import angarium.lines.p_way",
            "lines/p_way.py": "import angarium.channels",
        },
        MESSAGING,
    ),
    "a channel writes rows": ({"channels/p_rows.py": "import angarium.storage"}, CHANNELS),
    "an operator reads our tables": ({"simulators/p_tables.py": "import angarium.storage"}, OPERATORS),
    "in a circle": (
        {"core/p_one.py": "import angarium.core.p_two", "core/p_two.py": "import angarium.core.p_one"},
        CIRCLES,
    ),
}


def test_the_imports_of_the_house() -> None:
    said = lint(ROOT / "src")
    assert "BROKEN" not in said, said


@pytest.fixture(scope="module")
def said_of_all(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said of a house in which all of it is planted."""
    folder = tmp_path_factory.mktemp("planted")
    house = folder / "angarium"
    shutil.copytree(PACKAGE, house, ignore=shutil.ignore_patterns("__pycache__", "static"))
    for files, _ in PLANTED.values():
        for name, text in files.items():
            (house / name).parent.mkdir(exist_ok=True)
            (house / name).write_text(text)
    return lint(folder)


@pytest.mark.xdist_group("house/layers")  # said once
@pytest.mark.parametrize(("files", "contract"), PLANTED.values(), ids=PLANTED)
def test_a_planted_import_is_seen(files: dict[str, str], contract: str, said_of_all: str) -> None:
    file = Path(next(iter(files)))
    # Circles are told of from inside the package that has them.
    module = f".{file.stem}" if contract == CIRCLES else f"angarium.{'.'.join(file.with_suffix('').parts)}"
    told = under(contract, said_of_all)
    assert re.search(rf"{re.escape(module.removesuffix('.__init__'))}\b", told), said_of_all


def under(contract: str, said: str) -> str:
    """What is told of one broken contract: up to the next line that is underlined."""
    broken = said.partition("Broken contracts\n")[2]
    parts = re.split(r"^(.+)\n-{8,}$", broken, flags=re.MULTILINE)
    return "".join(
        text for head, text in zip(parts[1::2], parts[2::2], strict=True) if head.startswith(contract)
    )


def lint(src: Path) -> str:
    """What import-linter says of the package in a folder, under the contracts of this project."""
    command = [
        Path(sys.executable).with_name("lint-imports"),
        "--config",
        ROOT / "pyproject.toml",
        "--no-cache",
    ]
    environment = os.environ | {"PYTHONPATH": str(src), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        command, cwd=src, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    return done.stdout
