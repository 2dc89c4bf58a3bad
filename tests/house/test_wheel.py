"""The wheel holds the whole product: every module, and whatever stands beside them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from house.tree import PACKAGE, ROOT, files

pytestmark = pytest.mark.xdist_group("house/wheel")  # built once
MADE = "angarium/web/static/build/"  # by hatch_build.py; git does not keep it


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The project, built as it is published."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = Path(folder).glob("*.whl")
    return ZipFile(built)


def test_the_wheel_holds_the_package_whole(wheel: ZipFile) -> None:
    there = {path.relative_to(PACKAGE.parent).as_posix() for path in files() if path.is_relative_to(PACKAGE)}
    held = {name for name in wheel.namelist() if name.startswith("angarium/")}
    assert {name for name in held if not name.startswith(MADE)} == there


def test_the_wheel_holds_what_pages_load(wheel: ZipFile) -> None:
    held = {name.removeprefix(MADE) for name in wheel.namelist() if name.startswith(MADE)}
    assert held >= {"app.js", "app.js.gz", "app-style.css", "app-style.css.gz", "icons.svg", "look.js"}


def test_the_wheel_holds_its_licence_and_its_command(wheel: ZipFile) -> None:
    beside = {name.split("/", 1)[1]: name for name in wheel.namelist() if ".dist-info/" in name}
    assert "licenses/LICENSE" in beside
    assert b"angarium = angarium.cli:main" in wheel.read(beside["entry_points.txt"])
