"""The few commands of the Makefile are there, and CI gives the one the README gives its readers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from house.tree import ROOT

COMMANDS = (
    "demo",
    "run",
    "test",
    "long",
    "together",
    "check",
    "bench",
    "bench-peers",
    "setup",
    "cluster",
    "deploy",
    "lock",
    "clean",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_there_and_explained(command: str) -> None:
    planned = make("--dry-run", command)
    assert planned.returncode == 0, planned.stderr
    assert re.search(rf"^make {command} +\S", make().stdout, re.MULTILINE)


def test_without_a_word_make_explains_itself() -> None:
    explained = re.findall(r"^make ([\w-]+)", make().stdout, re.MULTILINE)
    assert tuple(explained) == COMMANDS


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What make says when it is asked as a person would ask it."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_ci_ends_with_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1].startswith("make test ")
    assert subprocess.run([shutil.which("bash") or "bash", "-n", script], check=False).returncode == 0


def test_each_package_that_ci_lacks_is_named_by_itself() -> None:
    """apt-get takes two names in one word for a package that nobody has, and installs nothing then."""
    functions = (ROOT / ".ci" / "run").read_text().partition("\npackages() {")[2].partition("\n}\n")[0]
    nothing_is_here = f"PYTHON=false; has() {{ false; }}; packages() {{{functions}\n}}; packages"
    told = subprocess.run(
        [shutil.which("bash") or "bash", "-c", nothing_is_here],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    packages = told.stdout.splitlines()
    assert "chromium-headless-shell" in packages
    assert [name for name in packages if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name)] == []
