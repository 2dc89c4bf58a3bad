"""Style and types, for those who run the tests only; `make check` asks the same tools by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from house.tree import ROOT


@pytest.mark.timeout(400)  # mypy has all to read where nothing is kept, beside the other tests
@pytest.mark.parametrize(
    "command", ["ruff check --quiet", "ruff format --check --quiet", "mypy --no-error-summary"]
)
def test_a_tool_has_nothing_to_say(command: str) -> None:
    tool, *arguments = command.split()
    done = subprocess.run(
        [Path(sys.executable).with_name(tool), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=390,
        check=False,
    )
    assert done.stdout == "", f"{command}\n{done.stdout}"
    assert done.returncode == 0, done.stderr
