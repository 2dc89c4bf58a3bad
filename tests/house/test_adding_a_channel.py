"""The guide on adding a channel is followed to the letter: its four files, and the exam of all channels."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "adding-a-channel.md"
BLOCK = re.compile(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDED = ("src", "tests", "docs/channels", "pyproject.toml")
# Bytecode goes with its source, whose time and length it knows: to make it anew takes longer than the exam.
LEFT_OUT = shutil.ignore_patterns("*.pyc.*", "node_modules", "build", "console", "e2e", "peers")
EXAM = (
    "tests/channels/test_acme_sms.py",
    "tests/contracts/test_channels.py",
    "tests/flows/test_every_operator.py",
)


def files() -> dict[str, str]:
    """The files of the guide, by their place."""
    return dict(BLOCK.findall(GUIDE.read_text()))


def copied(folder: Path) -> Path:
    """The source with the files of the guide in their places."""
    for name in NEEDED:
        found = ROOT / name
        if found.is_dir():
            shutil.copytree(found, folder / name, ignore=LEFT_OUT)
        else:
            shutil.copy(found, folder / name)
    for name, content in files().items():
        assert not (folder / name).exists(), f"{name} would be an edit"
        (folder / name).write_text(content)
    return folder


def test_the_guide_has_the_four_files() -> None:
    assert sorted(files()) == [
        "docs/channels/acme_sms.md",
        "src/angarium/channels/acme_sms.py",
        "src/angarium/simulators/faces/acme_sms.py",
        "tests/channels/test_acme_sms.py",
    ]


@pytest.mark.timeout(300)
@pytest.mark.turns(2, 1)
def test_the_guide_makes_a_channel_that_passes_the_exam(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    environment = {**os.environ, "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder / 'tests'}"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        *EXAM,
        "-k",
        "acme_sms",
    ]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])  # type: ignore[index]  # it says so where it is 0
    assert passed > 30, done.stdout
