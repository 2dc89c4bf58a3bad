"""The one schema: every room declares its tables on `metadata`, in its own store.

A column is an integer, a float, text or bytes and nothing else, so that what a driver hands back is the
value, on both databases. Instants are microseconds UTC, money is micro-units, JSON is text. The names of
constraints are fixed here, because a migration and a conflict both speak of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import BigInteger, Float, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

NAMES = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

metadata = MetaData(naming_convention=NAMES)

Id = BigInteger  # minted by core.ids; give it autoincrement=False when it is a whole key by itself
Instant = BigInteger  # microseconds since 1970, UTC
Micros = BigInteger  # money in micro-units
Count = Integer
Real = Float
Words = Text  # also JSON, encoded by msgspec
Blob = LargeBinary
# A number the database gives out itself. SQLite does so only for a column declared INTEGER.
Serial = BigInteger().with_variant(Integer(), "sqlite")


def unique_name(table_name: str, columns: frozenset[str]) -> str:
    """The name of the key or unique index over these columns; the columns themselves when there is none.

    SQLite reports a conflict by columns, PostgreSQL by name: this makes them say the same.
    """
    table = metadata.tables.get(table_name)
    if table is not None:
        for name, keyed in _uniques(table):
            if keyed == columns:
                return name
    return f"{table_name}({', '.join(sorted(columns))})"


def _uniques(table: Table) -> Iterator[tuple[str, frozenset[str]]]:
    yield str(table.primary_key.name), frozenset(table.primary_key.columns.keys())
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield str(constraint.name), frozenset(constraint.columns.keys())
    for index in table.indexes:
        if index.unique:
            yield str(index.name), frozenset(index.columns.keys())
