"""What is installed is what was locked: every dependency pinned and hashed, whichever index serves it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from house.tree import ROOT, none_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
DECLARED = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    "requirements-dev.lock": [
        *PROJECT["project"]["dependencies"],
        *(d for d in GROUPS["dev"] if isinstance(d, str)),
    ],
    "requirements-deploy.lock": GROUPS["deploy"],
    "requirements-install.lock": GROUPS["install"],
    "requirements-node.lock": GROUPS["node"],
}
APART = {"requirements-node.lock", "requirements-deploy.lock"}  # of programs that the tests do not start
LINE = re.compile(r"#.*|    --hash=sha256:[0-9a-f]{64}(?: \\)?|[a-z0-9-]+==[\w.!+]+(?: ; [^:/]+)? \\|")


@cache
def pins(lock: str) -> dict[str, str]:
    """The version of each distribution in a lock file."""
    return dict(re.findall(r"^([a-z0-9-]+)==([\w.!+]+)", (ROOT / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", DECLARED)
def test_a_lock_holds_pins_and_hashes_only(lock: str) -> None:
    none_of(
        strange_lines((ROOT / lock).read_text()),
        f"{lock} must name no index and no host; make lock writes it:",
    )


def strange_lines(text: str) -> Iterator[str]:
    """The lines of a lock file that are neither a pin, a hash nor a remark."""
    return (line for line in text.splitlines() if not LINE.fullmatch(line))


@pytest.mark.parametrize(
    "line",
    [
        "--index-url mirror",
        "--find-links wheels",
        "apsw",
        "apsw>=3.54 \\",
        "apsw @ https://example.org/apsw.whl \\",
        "    --hash=md5:00",
    ],
)
def test_what_a_lock_may_not_hold(line: str) -> None:
    assert list(strange_lines(line)) == [line]


@pytest.mark.parametrize("lock", DECLARED)
def test_every_pin_has_a_hash(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9-]+==)", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]
    none_of((entry.split()[0] for entry in entries if "--hash=" not in entry), f"{lock}: run make lock:")


@pytest.mark.parametrize("lock", DECLARED)
def test_every_dependency_is_pinned_to_what_it_asks_for(lock: str) -> None:
    none_of(unmet(DECLARED[lock], pins(lock)), f"{lock} is behind pyproject.toml; run make lock:")


def unmet(declared: list[str], pinned: dict[str, str]) -> Iterator[str]:
    """The declared dependencies that are not pinned, or pinned to another version than they allow."""
    for requirement in map(Requirement, declared):
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None or version not in SpecifierSet(str(requirement.specifier)):
            yield f"{requirement} (pinned: {version})"


@pytest.mark.parametrize(
    ("declared", "met"),
    [("apsw>=3.54.1", True), ("apsw>=4", False), ("flufl.bounce>=6", True), ("left-pad", False)],
)
def test_what_unmet_means(declared: str, met: bool) -> None:
    assert (list(unmet([declared], {"apsw": "3.54.1.0", "flufl-bounce": "6.0.0"})) == []) is met


def test_all_locks_agree() -> None:
    everything = pins("requirements-dev.lock")
    apart = (
        f"{lock}: {name} {version}, but {everything.get(name)}"
        for lock in DECLARED
        for name, version in pins(lock).items()
        if everything.get(name) != version and (lock not in APART or name in everything)
    )
    none_of(apart, "What is tested is not what runs; run make lock:")
