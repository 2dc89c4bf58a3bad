"""What the documents tell people to type is what the program takes: its commands, options and arguments."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from angarium.cli import main
from house.tree import ROOT, none_of

FENCE = re.compile(r"^ *```(?:console|sh|shell|bash)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
# At the beginning of a line, or behind what runs it elsewhere: a container, another user, a variable.
TYPED = re.compile(
    r"^(?:docker (?:compose )?exec \S+ |docker run .* angarium )?angarium(?:-as)? (?P<rest>\S.*)$"
)
BEHIND = re.compile(r"\s+#\s|\s*(?:\||;|&&|>|<)")  # what is no part of the command any more
LEAST = 40  # of them in the documents: else the test has gone blind


def told() -> Iterator[tuple[str, str]]:
    """Every command in a block of a document: where, and what stands behind `angarium`."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in FENCE.findall(page.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                if typed := TYPED.match(line.strip()):
                    yield str(page.relative_to(ROOT)), BEHIND.split(typed["rest"])[0]


def refused(typed: str) -> str:
    """Why the program would not take it; empty where it would. A file of an example need not be there."""
    given = shlex.split(typed)
    try:
        at = main.make_context("angarium", given)
        while isinstance(at.command, click.Group) and (given := [*at._protected_args, *at.args]):
            name, command, given = at.command.resolve_command(at, given)
            assert command is not None
            at = command.make_context(name, given, parent=at)
    except click.exceptions.Exit:
        return ""
    except click.ClickException as error:
        return "" if "does not exist" in error.message else error.format_message()
    return ""


def test_what_documents_tell_people_to_type_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANGARIUM_API_KEY", "ang_…")  # as they tell before
    commands = list(told())
    assert len(commands) >= LEAST
    wrong = ((where, typed, refused(typed)) for where, typed in commands)
    none_of(
        (f"{where}: angarium {typed}: {why}" for where, typed, why in wrong if why),
        "Mend the document, or the program:",
    )


@pytest.mark.parametrize("typed", ["keys rotate --retired", "clusters status", "move", "backup a b"])
def test_what_the_program_does_not_know_is_found(typed: str) -> None:
    assert refused(typed)


def test_commands_run_as_the_service_have_what_its_environment_says(tmp_path: Path) -> None:
    """The password of PostgreSQL stands there alone, by the same guide."""
    guide = (ROOT / "docs/howto/run-as-a-service.md").read_text()
    (block,) = [one for one in FENCE.findall(guide) if "angarium-as keys create" in one]
    begin = block.partition("angarium-as keys create")[0]
    environment, runuser = tmp_path / "environment", tmp_path / "runuser"
    environment.write_text("PGPASSWORD='pa$$ word'\n")
    runuser.write_text('#!/bin/sh\necho "$PGPASSWORD" "$@"\n')
    runuser.chmod(0o755)
    typed = begin.replace("/etc/angarium/environment", str(environment)) + "\nangarium-as doctor 'a b'\n"
    ran = subprocess.run(
        ["bash", "-O", "expand_aliases", "-c", typed],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    program = "/opt/angarium/.venv/bin/angarium --config /etc/angarium/angarium.toml"
    assert ran.stdout == f"pa$$ word --user angarium -- {program} doctor a b\n"
