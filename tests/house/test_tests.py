"""Tests wait for what happens and never for time to pass; each folder of them says what belongs there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from house.tree import ROOT, modules, none_of, short
from support import together, turns

TESTS = ROOT / "tests"
SLEEPERS = ("asyncio.sleep", "time.sleep", "sleep")
SLEEP_MAX_S = 0.2  # a poll may rest this long between two looks
SLEEPS_ALLOWED: dict[str, str] = {}  # file: why nothing but real time will do there
SKIPS_ALLOWED = {"tests/conftest.py": "the one place that skips: a peer that is not installed, with its name"}
SKIPPERS = {f"pytest.{way}" for way in ("skip", "xfail", "importorskip")} | {
    f"pytest.mark.{way}" for way in ("skip", "skipif", "xfail")
}


def test_every_folder_of_tests_says_what_belongs_there() -> None:
    said = set(re.findall(r"^\| `([a-z0-9_]+)/` \| \S", (TESTS / "README.md").read_text(), re.MULTILINE))
    there = {path.name for path in TESTS.iterdir() if path.is_dir() and any(path.glob("**/test_*.py"))}
    none_of(there - said, "Add a row to tests/README.md that says what belongs in:")


def test_no_test_sleeps() -> None:
    found = (
        f"{short(path)}:{line}"
        for path, tree in modules(TESTS)
        if short(path) not in SLEEPS_ALLOWED
        for line in long_sleeps(tree)
    )
    none_of(
        found, f"Wait for an event, or poll with a deadline (at most {SLEEP_MAX_S} s, written as a number):"
    )


def long_sleeps(tree: ast.Module) -> Iterator[int]:
    """The lines of `sleep` calls that last longer than allowed, or for a time the file does not tell."""
    told = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) in SLEEPERS):
            continue
        seconds = node.args[0]
        if isinstance(seconds, ast.Name):
            seconds = told.get(seconds.id, seconds)
        if not (isinstance(seconds, ast.Constant) and seconds.value <= SLEEP_MAX_S):
            yield node.lineno


@pytest.mark.parametrize(
    ("source", "long"),
    [
        ("asyncio.sleep(0)", False),
        ("sleep(0.2)", False),
        ("sleep(0.3)", True),
        ("POLL_S = 0.01\nasyncio.sleep(POLL_S)", False),
        ("POLL_S = 1\nasyncio.sleep(POLL_S)", True),
        ("asyncio.sleep(delay)", True),
        ("clock.sleep(3600)", False),
    ],
)
def test_what_a_long_sleep_is(source: str, long: bool) -> None:
    assert bool(list(long_sleeps(ast.parse(source)))) is long


def test_no_module_forgets_its_own_marks() -> None:
    """A second `pytestmark` takes the place of the first, and says nothing."""
    found = (f"{short(path)}:{node.lineno}" for path, tree in modules(TESTS) for node in marks(tree)[1:])
    none_of(found, "Make it one list:")


def marks(tree: ast.Module) -> list[ast.Assign]:
    """Where a module gives its tests marks."""
    given = [node for node in tree.body if isinstance(node, ast.Assign)]
    return [node for node in given if ast.unparse(node.targets[0]) == "pytestmark"]


def test_every_flow_has_each_fabric_in_its_turn() -> None:
    for name in ("flows/test_a.py::test_one[postgresql]", "flows/test_b.py::test_two[postgresql-x]"):
        assert sorted(together.flow_turn(name, day) for day in range(3)) == ["", "nats", "postgres"]


def test_what_runs_on_both_databases_has_each_in_its_turn() -> None:
    for name in ("flows/test_a.py::test_one", "security/test_b.py::test_two"):
        assert {turns.database_turn(name, day) for day in range(2)} == set(turns.DATABASES)


def test_what_takes_turns_has_its_day() -> None:
    given = [
        [ast.literal_eval(argument) for argument in node.args]
        for path, tree in modules(TESTS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.turns"
        if path != Path(turns.__file__)
    ]
    given += [list(one.marks[0].args) for one in turns.by_turns("abc")]
    given += [[days, turns.day_of(place, days)] for days in (2, 3) for place in range(6)]
    for every, first in given:
        assert [turns.is_the_day(every, first, day) for day in range(every)].count(True) == 1


def test_no_test_is_skipped_by_hand() -> None:
    found = (
        f"{short(path)}:{line} {name}"
        for path, tree in modules(TESTS)
        if short(path) not in SKIPS_ALLOWED
        for line, name in skips(tree)
    )
    none_of(found, 'Run it; or mark it @pytest.mark.peers("program") when it needs one that may be missing:')


def skips(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every mention of one of pytest's ways not to run a test."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (name := ast.unparse(node)) in SKIPPERS:
            yield node.lineno, name


@pytest.mark.parametrize("way", sorted(SKIPPERS))
def test_a_skip_is_found_however_it_is_written(way: str) -> None:
    assert list(skips(ast.parse(f"@{way}('later')\ndef test(): pass"))) == [(1, way)]
