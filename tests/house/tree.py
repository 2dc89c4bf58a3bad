"""What the rules of the house are held against: the project's files, and its Python as syntax trees."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "angarium"
TEXT = {
    ".css",
    ".html",
    ".js",
    ".json",
    ".lock",
    ".md",
    ".py",
    ".sh",
    ".sql",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    "",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project, without what .gitignore names."""
    ignored = [
        line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split() if not line.startswith("#")
    ]
    ignored.append(".git")

    def kept(names: Iterable[str]) -> list[str]:
        return sorted(name for name in names if not any(fnmatch(name, pattern) for pattern in ignored))

    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = kept(folders)
        found += [Path(folder) / name for name in kept(names)]
    return tuple(found)


NAMES_THAT_SAY_NOTHING = {
    "base",
    "common",
    "helper",
    "helpers",
    "lib",
    "manager",
    "misc",
    "shared",
    "util",
    "utils",
}


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the project and what is in it."""
    for path in files():
        if path.suffix in TEXT:
            yield path, path.read_text(encoding="utf-8")


def modules(*folders: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Every Python file under some folders of the project, parsed."""
    for path in files():
        if path.suffix == ".py" and any(path.is_relative_to(folder) for folder in folders):
            yield path, parsed(path)


@cache
def parsed(path: Path) -> ast.Module:
    """A Python file as a tree."""
    return ast.parse(path.read_bytes(), filename=str(path))


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Every function with its dotted name; a function inside another is part of it and not given."""
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        prefix, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield prefix + child.name, child
            elif isinstance(child, ast.ClassDef):
                waiting.append((f"{prefix}{child.name}.", child))
            else:
                waiting.append((prefix, child))


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every import, wherever it stands: its line and the full name of what is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def short(path: Path) -> str:
    """A path as one would type it at the root of the project."""
    return path.relative_to(ROOT).as_posix()


def is_kit(stem: str) -> bool:
    """Whether a file among the channels is what several of them share."""
    return stem.endswith("_kit") and (PACKAGE / "channels" / f"{stem}.py").is_file()


def none_of(found: Iterable[str], remedy: str) -> None:
    """Fail with the list of what was found and the sentence that says what to do."""
    listed = sorted(found)
    assert not listed, "\n".join([remedy, *(f"  {line}" for line in listed)])
