"""A function is one thought and a file one subject: both are short, and exceptions may only shrink."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from house.tree import PACKAGE, ROOT, functions, modules, none_of, short

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
MIGRATIONS = PACKAGE / "storage" / "migrations" / "versions"
ALLOWED = tomllib.loads(Path(__file__).with_name("sizes.toml").read_text())


def test_functions_are_short() -> None:
    found = {
        f"{short(path)}::{name}": length
        for path, tree in measured()
        for name, length in function_lengths(tree).items()
    }
    none_of(ratchet(found, ALLOWED["functions"], FUNCTION_LINES_MAX), "Split the function by its thoughts:")


def test_files_are_short() -> None:
    found = {short(path): len(path.read_bytes().splitlines()) for path, _ in measured()}
    none_of(ratchet(found, ALLOWED["files"], FILE_LINES_MAX), "Split the file by verb or by role:")


def measured() -> Iterator[tuple[Path, ast.Module]]:
    """Every Python file that is written by hand; a migration is a record, made from the schema."""
    written = modules(ROOT / "src", ROOT / "tests", ROOT / "bench")
    return ((path, tree) for path, tree in written if path.parent != MIGRATIONS)


def function_lengths(tree: ast.Module) -> dict[str, int]:
    """Lines of each function from `def` to its end; decorators, where tests keep tables, are not counted."""
    return {name: (node.end_lineno or node.lineno) - node.lineno + 1 for name, node in functions(tree)}


def ratchet(found: Mapping[str, int], allowed: Mapping[str, int], most: int) -> list[str]:
    """What is too long and not excused, and every excuse that could be less."""
    grown = [
        f"{name}: {length} lines, at most {allowed.get(name, most)}"
        for name, length in found.items()
        if length > max(most, allowed.get(name, 0))
    ]
    slack = [
        f"{name}: is {found.get(name, 0)} lines now; "
        + (
            f"lower its entry in sizes.toml from {excuse}"
            if found.get(name, 0) > most
            else "take it out of sizes.toml"
        )
        for name, excuse in allowed.items()
        if found.get(name, 0) < excuse
    ]
    return grown + slack


@pytest.mark.parametrize(
    ("length", "allowed", "complaint"),
    [
        (70, {}, None),
        (71, {}, "f: 71 lines, at most 70"),
        (80, {"f": 80}, None),
        (81, {"f": 80}, "f: 81 lines, at most 80"),
        (79, {"f": 80}, "f: is 79 lines now; lower its entry in sizes.toml from 80"),
        (70, {"f": 80}, "f: is 70 lines now; take it out of sizes.toml"),
        (5, {"gone": 80}, "gone: is 0 lines now; take it out of sizes.toml"),
    ],
)
def test_the_ratchet_turns_one_way(length: int, allowed: dict[str, int], complaint: str | None) -> None:
    assert ratchet({"f": length}, allowed, 70) == ([complaint] if complaint else [])


def test_a_function_is_measured_from_def_to_its_end() -> None:
    tree = ast.parse(
        'class C:\n    @table(\n        1,\n    )\n    def f(self):\n        """Why."""\n\n        return 1\n'
    )
    assert function_lengths(tree) == {"C.f": 4}
