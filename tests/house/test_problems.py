"""Every problem that can be answered has its place on the page that explains them, and no other has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from angarium.web.problems import FRAMEWORK
from house.tree import PACKAGE, ROOT, modules

PAGE = ROOT / "docs" / "reference" / "problems.md"
HEADING = re.compile(r"^### (.+)$", re.MULTILINE)
SLUG = re.compile(r"[a-z]+(-[a-z]+)*")


def slugs(tree: ast.Module) -> Iterator[str]:
    """The names that problems are made with in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Problem" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)


def test_each_problem_is_explained() -> None:
    made = {slug for _, tree in modules(PACKAGE) for slug in slugs(tree)}
    made |= {slug for slug, _, _ in FRAMEWORK.values()}
    explained = HEADING.findall(PAGE.read_text(encoding="utf-8"))
    assert len(explained) == len(set(explained))
    assert set(explained) == made, "docs/reference/problems.md and the code name different problems"
    assert all(SLUG.fullmatch(slug) for slug in made)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise Problem("gone", "It is gone", status=410)', ["gone"]),
        ("Problem(problem.slug, problem.title)", []),
        ('FieldProblem("name", "is empty")', []),
    ],
)
def test_where_a_problem_is_made(source: str, found: list[str]) -> None:
    assert list(slugs(ast.parse(source))) == found
