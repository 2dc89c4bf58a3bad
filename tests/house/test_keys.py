"""Keys and indexes of a workspace's table begin with the workspace; what Citus asks for follows from it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Table

from angarium.storage.revise import load_tables
from angarium.storage.schema import metadata
from house.tree import ROOT, none_of

load_tables()

PAGE = ROOT / "docs" / "howto" / "distribute-by-citus.md"
OTHERWISE = {  # keys and indexes that begin otherwise: why
    "pk_fact": "numbers are given by the database, in the order of commits, over all workspaces",
    "pk_fact_common": "the same",
    "line_guest_guest": "what is lent is asked for by the guest, which does not know the owner",
    "link_id": "whoever follows a link names no workspace",
    "member_person": "whoever signs in names no workspace",
    "smpp_account_system_id": "whoever binds names no workspace",
    "workspace_name": "it is how a workspace is found",
}
# Small, and with a key that must be unique over all workspaces: they stand on every node.
EVERYWHERE = ("smpp_account", "workspace")


def tables() -> list[Table]:
    """All that are the product's."""
    return [table for table in metadata.sorted_tables if not table.info.get("only_in_tests")]


def beginnings(table: Table) -> Iterator[tuple[str, str]]:
    """The name of each key and index, and its first column."""
    yield str(table.primary_key.name), next(iter(table.primary_key.columns)).name
    for index in table.indexes:
        yield str(index.name), str(getattr(index.expressions[0], "name", index.expressions[0]))


def test_they_begin_with_the_workspace() -> None:
    other = {
        name
        for table in tables()
        if "workspace_id" in table.columns
        for name, first in beginnings(table)
        if first != "workspace_id"
    }
    none_of(other - OTHERWISE.keys(), "Let it begin with workspace_id, or say here why it cannot:")
    none_of(OTHERWISE.keys() - other, "Take it off the list:")


def statements() -> str:
    """What makes the tables those of a cluster of Citus."""
    everywhere = [one.name for one in tables() if "workspace_id" not in one.columns]
    lines = [f"SELECT create_reference_table('{name}');" for name in (*EVERYWHERE, *sorted(everywhere))]
    for table in sorted(tables(), key=lambda one: one.name):
        if table.name in (*EVERYWHERE, *everywhere):
            continue
        key = [column.name for column in table.primary_key.columns]
        if "workspace_id" not in key:
            named = ", ".join(("workspace_id", *key))
            dropped = f"DROP CONSTRAINT {table.primary_key.name}"
            lines.append(f"ALTER TABLE {table.name} {dropped}, ADD PRIMARY KEY ({named});")
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            columns = [column.name for column in index.columns]
            if index.unique and "workspace_id" not in columns:
                lines.append(f"DROP INDEX {index.name};")
                lines.append(f"CREATE INDEX {index.name} ON {table.name} ({', '.join(columns)});")
        lines.append(f"SELECT create_distributed_table('{table.name}', 'workspace_id');")
    return "\n".join(lines)


def test_the_page_has_the_statements_of_today() -> None:
    assert f"```sql\n{statements()}\n```" in PAGE.read_text(encoding="utf-8"), (
        "Print them anew: python -c 'from house.test_keys import statements; print(statements())', in tests"
    )
