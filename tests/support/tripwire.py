"""A wire on every statement that reaches a database: which tables of workspaces it touches, and of which.

It hangs on the drivers, so that it sees what is run and not what was meant: apsw's hook on new connections
and asyncpg's log of queries.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw
import asyncpg
import pytest

from angarium.storage import postgres
from angarium.storage.bulk import ON_SQLITE, all_statements
from angarium.storage.schema import metadata

TOUCHED = re.compile(
    r"(?:\bFROM|\bJOIN|(?<!FOR )\bUPDATE|\bINTO|,)\s+([a-z_]+)(?:\s+AS\s+([a-z_0-9]+))?(?![\w.(])"
)
BOUND = re.compile(
    r"workspace_id\)? (?:= (?:\?|\$\d|ANY)|IN |= v\.)|\(workspace_id, |\bunnest\(|^INSERT INTO "
)


def tenant_tables() -> set[str]:
    """The tables with rows of workspaces."""
    return {name for name, table in metadata.tables.items() if "workspace_id" in table.columns}


def strays(text: str) -> list[str]:
    """The tables of workspaces that a statement touches without saying of which workspace.

    Each mention counts by itself: a join, a subquery or the second table of an update needs its own
    condition; and one of them must be a value that was given, not only a column that equals another.
    """
    text = re.sub(r"\s+", " ", text).replace('"', "").replace(f" {ON_SQLITE} ", " ").strip()
    touched = list(_touched(text))
    if touched and not BOUND.search(text):
        return [table for table, _ in touched]
    return [table for table, name in touched if not _is_held(text, table, name)]


def _touched(text: str) -> Iterator[tuple[str, str]]:
    known = tenant_tables()
    for found in TOUCHED.finditer(text):
        listed = found[0].startswith(",")
        if found[1] in known and not (listed and not re.search(rf"\bFROM [^()]*{re.escape(found[0])}", text)):
            yield found[1], found[2] or found[1]


def _is_held(text: str, table: str, name: str) -> bool:
    column = rf"(?:\b{name}\.|(?<![\w.]))workspace_id"
    return bool(
        re.search(rf"INSERT INTO {table} \([^)]*\bworkspace_id\b", text)
        or re.search(rf"{column} (?:= |IN \()", text)
        or re.search(rf"= {name}\.workspace_id\b", text)
        or re.search(rf"\({column}, [^)]*\) (?:= |IN )", text)
    )


@contextmanager
def wired(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is run on every connection that is made from here on."""
    run: list[str] = []
    prepare = postgres._prepare

    async def prepared(connection: asyncpg.Connection) -> None:
        await prepare(connection)
        connection.add_query_logger(lambda record: run.append(record.query))

    def connected(connection: apsw.Connection) -> None:
        def traced(_cursor: Any, text: str, _bindings: Any) -> bool:
            run.append(text)
            return True

        connection.exec_trace = traced

    monkeypatch.setattr(postgres, "_prepare", prepared)
    apsw.connection_hooks.append(connected)
    try:
        yield run
    finally:
        apsw.connection_hooks.remove(connected)


def of_the_rooms() -> list[Any]:
    """The statements that our modules declare; those that other tests made and still hold are theirs."""
    modules = [module for name, module in sys.modules.items() if name.startswith("angarium.")]
    declared = {id(value) for module in modules for value in vars(module).values()}
    return [statement for statement in all_statements() if id(statement) in declared]
