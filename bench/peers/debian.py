"""What the other gateways need of Debian, and how what is missing is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import click

# Where Debian puts programs that are not for everybody.
FOLDERS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/lib/rabbitmq/bin"))
# No service of the system is started: each run has servers of its own.
NO_SERVICES = Path("/usr/sbin/policy-rc.d")


class Missing(Exception):
    """A program that a gateway needs is not here, and could not be installed."""


def program(name: str) -> str:
    """The path of a program."""
    found = shutil.which(name, path=FOLDERS)
    if found is None:
        raise Missing(f"there is no program {name}")
    return found


def need(programs: Mapping[str, str]) -> None:
    """Install the packages of programs that are not here; Missing with the remedy where that cannot be."""
    packages = sorted({package for name, package in programs.items() if not shutil.which(name, path=FOLDERS)})
    if not packages:
        return
    command = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(f"as root, on Debian: {' '.join(command)}")
    click.echo(f"installing {' '.join(packages)}", err=True)
    own = not NO_SERVICES.exists()
    if own:
        NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
        NO_SERVICES.chmod(0o755)
    try:
        for step in (["apt-get", "-qq", "update"], command):
            run(step, {"DEBIAN_FRONTEND": "noninteractive"})
    finally:
        if own:
            NO_SERVICES.unlink()


def run(command: list[str], more: Mapping[str, str] | None = None, within_s: float = 900.0) -> str:
    """What a command prints; Missing with its last words when it fails."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(more or {})},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(str(error)) from error
    if done.returncode:
        raise Missing(f"{' '.join(command)}: {(done.stdout + done.stderr)[-800:].strip()}")
    return done.stdout
