"""At the edges, what lasts from one call to the next is held by somebody: their modules never change.

Two servers in one process, as tests run them, would share what a module holds. What is remembered because it
is a pure function's answer (`functools.cache`) is the same for both, and may be.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from house.tree import PACKAGE, functions, modules, none_of, short

EDGES = [PACKAGE / room for room in ("channels", "core", "doors", "fabric", "protocols", "simulators", "web")]
CHANGING = {
    *("append", "extend", "insert", "add", "discard", "remove", "pop", "popitem", "clear", "update"),
    *("setdefault", "appendleft", "popleft", "sort", "reverse", "move_to_end", "put", "put_nowait"),
}


def test_no_module_holds_what_changes() -> None:
    found = (f"{short(path)}:{line}" for path, tree in modules(*EDGES) for line in changed(tree))
    none_of(found, "Hand it in: what a channel is given for a while is in `tools.memory` (core/memory.py):")


def changed(tree: ast.Module) -> Iterator[int]:
    """The lines of functions that change what their module holds."""
    held = set(names_of(tree))
    for _, function in functions(tree):
        own = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
        own |= {
            node.id
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Global) or changes(node, held - own):
                yield node.lineno


def names_of(tree: ast.Module) -> Iterator[str]:
    """Names that a module gives to what it makes when it is read."""
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def changes(node: ast.AST, held: set[str]) -> bool:
    """Whether a piece of code changes one of these, at first hand."""
    if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
        return isinstance(node.value, ast.Name) and node.value.id in held
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
        return isinstance(node.func.value, ast.Name) and node.func.value.id in held
    return False


@pytest.mark.parametrize(
    ("inside", "seen"),
    [
        ("_kept[1] = 2", True),
        ("del _kept[1]", True),
        ("_kept[1] += 2", True),
        ("_kept.pop(1)", True),
        ("_kept.size = 1", True),
        ("if _kept: _kept.setdefault(1, [])", True),
        ("global _kept; _kept = {}", True),
        ("return _kept[1]", False),
        ("return _kept.get(1)", False),
        ("_kept = {}; _kept[1] = 2", False),
        ("kept = {}; kept[1] = 2", False),
    ],
)
def test_what_changes_a_module(inside: str, seen: bool) -> None:
    source = "_kept: dict = {}\ndef f():\n    " + inside.replace(": _", ":\n        _").replace(
        "; ", "\n    "
    )
    assert bool(list(changed(ast.parse(source)))) is seen
