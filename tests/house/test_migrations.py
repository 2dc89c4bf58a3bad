"""A migration only adds, so that the version before it runs beside it, or it says which version must not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from house.tree import PACKAGE, none_of

VERSIONS = PACKAGE / "storage" / "migrations" / "versions"
SINCE = "0055"  # the first that older versions can look at
TAKE = {"drop_table", "drop_column", "drop_constraint", "rename_table", "create_check_constraint"}
NARROW = {"create_unique_constraint", "create_foreign_key", "create_primary_key"}


def more_than_adds(source: str) -> Iterator[str]:
    """What a revision does that a version which does not know it might trip over."""
    tree = ast.parse(source)
    if any(isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "least" for one in tree.body):
        return
    upgrade = next(one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "upgrade")
    calls = [one for one in ast.walk(upgrade) if isinstance(one, ast.Call)]
    new = {ast.unparse(one.args[0]) for one in calls if _name(one) == "create_table"}
    for call in calls:
        name = _name(call)
        named = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        on_a_new_one = any(ast.unparse(one) in new for one in call.args)
        if name in TAKE or (name in NARROW and not on_a_new_one):
            yield name
        if name == "create_index" and named.get("unique") == "True" and not on_a_new_one:
            yield "create_index(unique=True)"
        if name == "alter_column" and named.keys() & {"new_column_name", "type_"}:
            yield "alter_column"
        if name == "alter_column" and named.get("nullable") == "False":
            yield "alter_column(nullable=False)"
        if name == "add_column" and _must_be_given(call):
            yield "add_column without a default"


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _must_be_given(call: ast.Call) -> bool:
    column = next((one for one in call.args if isinstance(one, ast.Call)), None)
    named = {one.arg: ast.unparse(one.value) for one in column.keywords} if column else {}
    return named.get("nullable") == "False" and "server_default" not in named


def test_migrations_only_add_or_say_what_a_version_must_know() -> None:
    none_of(
        (
            f"{path.name}: {what}"
            for path in sorted(Path(VERSIONS).glob("0*.py"))
            if path.name[:4] > SINCE
            for what in more_than_adds(path.read_text(encoding="utf-8"))
        ),
        "Add now and take away a version later (docs/howto/upgrade-without-stopping.md), or write `least`:",
    )


CASES = {
    'op.add_column("message", sa.Column("x", sa.Text(), nullable=True))': [],
    'op.add_column("message", sa.Column("x", sa.Text(), nullable=False, server_default=""))': [],
    'op.add_column("message", sa.Column("x", sa.Text(), nullable=False))': ["add_column without a default"],
    'op.create_index("i", "message", ["x"])': [],
    'op.create_index("i", "message", ["x"], unique=True)': ["create_index(unique=True)"],
    'op.create_table("new")\n    op.create_index("i", "new", ["x"], unique=True)': [],
    'op.drop_column("message", "x")': ["drop_column"],
    'op.alter_column("message", "x", nullable=True)': [],
    'op.alter_column("message", "x", nullable=False)': ["alter_column(nullable=False)"],
    'op.alter_column("message", "x", new_column_name="y")': ["alter_column"],
}


@pytest.mark.parametrize("deed", CASES)
def test_what_more_than_adds(deed: str) -> None:
    source = f"def upgrade():\n    {deed}\n"
    assert list(more_than_adds(source)) == CASES[deed]
    assert list(more_than_adds(f'least = "0001"\n{source}')) == []
