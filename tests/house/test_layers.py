"""Imports run downwards: the contracts of pyproject.toml hold, and each of them can be broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from house.tree import PACKAGE, ROOT

LAYERS = "Imports run downwards only"
PLANTED = [  # what is written where, and the contract that must see it
    ("the ground floor looks up", {"core/planted.py": "import angarium.storage"}, LAYERS),
    ("a protocol knows a channel", {"protocols/planted.py": "from angarium import channels"}, LAYERS),
    ("accounts knows the web", {"accounts/planted.py": "import angarium.web"}, LAYERS),
    ("neighbours meet", {"lines/planted.py": "from angarium.contacts import store"}, LAYERS),
    ("features meet", {"verify/__init__.py": "", "inbox/__init__.py": "import angarium.verify"}, LAYERS),
    ("storage leans on the fabric", {"storage/planted.py": "import angarium.fabric"}, LAYERS),
    ("a room without a floor", {"attic/__init__.py": ""}, LAYERS),
    ("hidden in a function", {"core/planted.py": "def late():\n    import angarium.storage"}, LAYERS),
    ("the server knows the simulators", {"web/planted.py": "import angarium.simulators"}, LAYERS),
    (
        "messaging knows a channel",
        {"messaging/planted.py": "import angarium.channels"},
        "Messaging knows channels only",
    ),
    (
        "by way of another room",
        {
            "lines/planted.py": "import angarium.channels",
            "messaging/planted.py": "import angarium.lines.planted",
        },
        "Messaging knows channels only",
    ),
    (
        "a channel writes rows",
        {"channels/planted.py": "import angarium.storage"},
        "Channels and protocols store",
    ),
    (
        "an operator reads our tables",
        {"simulators/planted.py": "import angarium.storage"},
        "A simulated operator",
    ),
    (
        "in a circle",
        {
            "core/planted.py": "import angarium.core.planted_too",
            "core/planted_too.py": "import angarium.core.planted",
        },
        "No two modules import one another",
    ),
]


def test_the_imports_of_the_house() -> None:
    said = lint(ROOT / "src")
    assert "BROKEN" not in said, said


@pytest.mark.parametrize(("files", "contract"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_a_planted_import_is_seen(files: dict[str, str], contract: str, tmp_path: Path) -> None:
    house = tmp_path / "angarium"
    shutil.copytree(PACKAGE, house, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in files.items():
        (house / name).parent.mkdir(exist_ok=True)
        (house / name).write_text(text)
    said = lint(tmp_path)
    assert any(line.startswith(contract) and " BROKEN" in line for line in said.splitlines()), said


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
