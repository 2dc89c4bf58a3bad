"""Statements compiled once per database and run on the raw driver; the two bulk writes that differ.

SQLAlchemy's execution costs three to four times the driver's, so it only declares and compiles. Rules:

1. A value written into a statement (`state == "due"`, `limit(100)`) stays in the text as a literal, so that
   both planners can see that a partial index serves it. A value of the moment is a named bind parameter.
2. Columns hold integers, floats, text and bytes: nothing is converted between the driver and us, except
   that a list for `among` travels to SQLite as JSON.
3. A bulk write names a row once. Twice would mean one thing on SQLite and another on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from operator import itemgetter
from typing import Any, Literal
from weakref import WeakSet

import msgspec
from sqlalchemy import ARRAY, Boolean, ColumnElement, LargeBinary, Table, Text, bindparam
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg as postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BindParameter, ClauseElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

DIALECTS: dict[str, Callable[[], Dialect]] = {
    "sqlite": lambda: sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.dialect,
}

# A work that fails is undone whole (`sqlite_lanes.py`), so no statement has to be able to undo itself, for
# which SQLite notes each page that it changes and keeps it as it was (sqlite.org/lang_conflict.html).
ON_SQLITE = "OR FAIL"

Values = tuple[Any, ...]


# ── one statement ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Prepared:
    """Driver text and how to bind it."""

    text: str
    names: tuple[str, ...]  # in the order of the driver's placeholders
    fixed: Mapping[str, Any]  # values that came with the statement
    asked: frozenset[str]  # names a caller must give, all of them and no other
    listed: frozenset[str]  # those of them whose value is a list sent as JSON

    def bind(self, values: Mapping[str, Any]) -> Values:
        """The values in the driver's order; TypeError names what is missing or too much."""
        if values.keys() != self.asked:
            missing, unknown = self.asked - values.keys(), values.keys() - self.asked
            raise TypeError(f"missing {sorted(missing)}, unknown {sorted(unknown)} in {self.text}")
        if self.listed or self.fixed:
            values = {**self.fixed, **values}
            for name in self.listed:
                values[name] = msgspec.json.encode(list(values[name])).decode()
        return tuple([values[name] for name in self.names])


class Statement:
    """A SQLAlchemy Core statement, declared once at the top of a store.

    `postgresql` takes its place there where one text cannot serve both databases.
    """

    def __init__(self, statement: ClauseElement, /, *, postgresql: ClauseElement | None = None) -> None:
        self._written = {"sqlite": statement, "postgresql": statement if postgresql is None else postgresql}
        self._prepared: dict[str, Prepared] = {}
        _declared.add(self)

    def on(self, dialect: str) -> Prepared:
        """Its text on one database; compiled at the first call."""
        prepared = self._prepared.get(dialect)
        if prepared is None:
            prepared = self._prepared[dialect] = _prepare(self._written[dialect], dialect)
        return prepared

    def text(self, dialect: str) -> str:
        """Its text on one database."""
        return self.on(dialect).text


def _prepare(statement: ClauseElement, name: str) -> Prepared:
    literal = visitors.cloned_traverse(statement, {}, {"bindparam": _write_out})
    compiled = literal.compile(dialect=_dialect(name))
    assert isinstance(compiled, SQLCompiler)
    if compiled.insert_prefetch or compiled.update_prefetch:
        raise TypeError(f"a default made in Python is not run here, give the value: {compiled}")
    asked = frozenset(key for key in compiled.bind_names.values() if compiled.binds[key].required)
    expanded = compiled.construct_expanded_state(dict.fromkeys(asked))
    return Prepared(
        text=expanded.statement,
        names=tuple(expanded.positiontup or ()),
        fixed={key: value for key, value in expanded.parameters.items() if key not in asked},
        asked=asked,
        listed=frozenset(
            key for key in asked if name == "sqlite" and isinstance(compiled.binds[key].type, ARRAY)
        ),
    )


def _write_out(bind: BindParameter[Any]) -> None:
    if bind.required:
        return
    if isinstance(bind.value, Enum):
        bind.value = bind.value.value
        bind.type = Text() if isinstance(bind.type, NullType) else bind.type
    if not isinstance(bind.type, LargeBinary | NullType):
        bind.literal_execute = True


@cache
def _dialect(name: str) -> Dialect:
    return DIALECTS[name]()


class Among(FunctionElement[bool]):
    """`column IN (a list bound at run time)`; made by `among`."""

    inherit_cache = True
    type = Boolean()
    _is_implicitly_boolean = True  # else SQLite is given `(…) = 1`, which no index serves


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether an integer or text column is in the list given under `name`; an empty list matches nothing."""
    return Among(column, bindparam(name, type_=ARRAY(column.type)))


@compiles(Among, "sqlite")
def _among_on_sqlite(element: Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, listed = _parts(element, compiler, kw)
    return f"({column} IN (SELECT value FROM json_each({listed})))"  # noqa: S608  compiled text


@compiles(Among, "postgresql")
def _among_on_postgresql(element: Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, listed = _parts(element, compiler, kw)
    return f"({column} = ANY ({listed}))"


def _parts(element: Among, compiler: SQLCompiler, kw: dict[str, Any]) -> list[str]:
    return [compiler.process(clause, **kw) for clause in element.clauses.get_children()]


# ── many rows ────────────────────────────────────────────────────────────────────────────────────────


class BulkInsert:
    """Insert many rows; each is a tuple in the order of `columns`.

    `conflict`: None, a second row with the same key is an error; "nothing", it is left out; a tuple of key
    columns, those in `update` are overwritten in the row that is there, and those in `add` are added to.
    """

    def __init__(
        self,
        table: Table,
        columns: tuple[str, ...],
        *,
        conflict: Literal["nothing"] | tuple[str, ...] | None = None,
        update: tuple[str, ...] = (),
        add: tuple[str, ...] = (),
        returning: tuple[str, ...] = (),
    ) -> None:
        key = conflict if isinstance(conflict, tuple) else ()
        _check_columns(table, columns, key, update, add, returning)
        if bool(key) != bool(update or add):
            raise ValueError("conflict=(key columns) and update or add=(columns) go together")
        self.returning = returning
        self._once = _once(columns, key) if key else None
        self._begins = {dialect: _insert_text(dialect, table, columns) for dialect in DIALECTS}
        self._row = f", ({_marks(columns)})"
        self._of: dict[int, str] = {}
        self._ends = {
            dialect: _on_conflict(dialect, table, conflict, update, add)
            + _returning(_names(dialect, returning))
            for dialect in DIALECTS
        }
        _declared.add(self)

    def text(self, dialect: str) -> str:
        """Its text on one database: on SQLite for one row, on PostgreSQL for as many as there are."""
        return self._begins[dialect] + self._ends[dialect]

    def of(self, count: int) -> str:
        """Its text for so many rows at once, on SQLite; their values come one row after another."""
        if count not in self._of:
            self._of[count] = self._begins["sqlite"] + self._row * (count - 1) + self._ends["sqlite"]
        return self._of[count]

    def check(self, rows: Sequence[Values]) -> None:
        """ValueError when an upsert names a row twice."""
        if self._once is not None:
            self._once(rows)


class BulkUpdate:
    """Update many rows; each is a tuple of the values of `match`, then those of `set`.

    `where` is a condition more, on the row as it is now: only rows that meet it are changed.
    """

    def __init__(
        self,
        table: Table,
        *,
        match: tuple[str, ...],
        set: tuple[str, ...],  # noqa: A002  the word of SQL
        where: ColumnElement[bool] | None = None,
    ) -> None:
        _check_columns(table, match, set)
        self._once = _once(match + set, match)
        self._of: dict[int, str] = {}
        self._many = _update_of_many(table, match, set, where)
        self._texts = {dialect: _update_text(dialect, table, match, set, where) for dialect in DIALECTS}
        self._returning = {
            dialect: _returning([f"{table.name}.{name}" for name in _names(dialect, match)])
            for dialect in DIALECTS
        }
        _declared.add(self)

    def text(self, dialect: str) -> str:
        """Its text on one database."""
        return self._texts[dialect]

    def of(self, count: int) -> str:
        """Its text for so many rows at once, on SQLite; their values come one row after another."""
        if count not in self._of:
            begin, row, end = self._many
            self._of[count] = begin + ", ".join([row] * count) + end
        return self._of[count]

    def text_returning(self, dialect: str) -> str:
        """Its text when the keys of the changed rows are wanted."""
        return self._texts[dialect] + self._returning[dialect]

    def check(self, rows: Sequence[Values]) -> None:
        """ValueError when it names a row twice."""
        self._once(rows)


_declared: WeakSet[Statement | BulkInsert | BulkUpdate] = WeakSet()


def all_statements() -> list[Statement | BulkInsert | BulkUpdate]:
    """Every statement declared in the modules imported so far, so that a test can look at each `text`."""
    return list(_declared)


def _check_columns(table: Table, *groups: tuple[str, ...]) -> None:
    unknown = {name for group in groups for name in group} - set(table.columns.keys())
    if unknown:
        raise ValueError(f"table {table.name} has no column {', '.join(sorted(unknown))}")


def _once(columns: tuple[str, ...], key: tuple[str, ...]) -> Callable[[Sequence[Values]], None]:
    of_row = itemgetter(*(columns.index(name) for name in key))

    def check(rows: Sequence[Values]) -> None:
        if len(set(map(of_row, rows))) != len(rows):
            raise ValueError(f"a bulk write names a row once; the same {key} came twice")

    return check


def _insert_text(dialect: str, table: Table, columns: tuple[str, ...]) -> str:
    into = f"INTO {table.name} ({', '.join(_names(dialect, columns))})"
    if dialect == "postgresql":
        return f"INSERT {into} SELECT * FROM unnest({_arrays(table, columns)})"  # noqa: S608  our own names
    return f"INSERT {ON_SQLITE} {into} VALUES ({_marks(columns)})"  # noqa: S608  our own names


def _marks(columns: tuple[str, ...]) -> str:
    return ", ".join("?" * len(columns))


def _on_conflict(
    dialect: str,
    table: Table,
    conflict: str | tuple[str, ...] | None,
    update: tuple[str, ...],
    add: tuple[str, ...],
) -> str:
    if conflict is None:
        return ""
    if isinstance(conflict, str):
        return " ON CONFLICT DO NOTHING"
    written = [f"{name} = excluded.{name}" for name in _names(dialect, update)]
    added = [f"{name} = {table.name}.{name} + excluded.{name}" for name in _names(dialect, add)]
    changes = ", ".join(written + added)
    return f" ON CONFLICT ({', '.join(_names(dialect, conflict))}) DO UPDATE SET {changes}"


def _update_text(
    dialect: str,
    table: Table,
    match: tuple[str, ...],
    changed: tuple[str, ...],
    where: ColumnElement[bool] | None,
) -> str:
    names = _names(dialect, match + changed)
    if dialect == "postgresql":
        source = f" FROM unnest({_arrays(table, match + changed)}) AS given ({', '.join(names)})"
        values = [f"given.{name}" for name in names]
    else:
        source = ""
        values = [f"?{number}" for number in range(1, len(names) + 1)]
    pairs = list(zip(names, values, strict=True))
    changes = ", ".join(f"{name} = {value}" for name, value in pairs[len(match) :])
    conditions = [f"{table.name}.{name} = {value}" for name, value in pairs[: len(match)]]
    if where is not None:
        conditions.append(_condition(dialect, where))
    where_text = " AND ".join(conditions)
    return f"UPDATE {table.name} SET {changes}{source} WHERE {where_text}"  # noqa: S608  our own names


def _update_of_many(
    table: Table, match: tuple[str, ...], changed: tuple[str, ...], where: ColumnElement[bool] | None
) -> tuple[str, str, str]:
    """What stands before, between and behind the rows; SQLite calls the columns of VALUES so."""
    names = _names("sqlite", match + changed)
    pairs = [(name, f"given.column{place}") for place, name in enumerate(names, start=1)]
    changes = ", ".join(f"{name} = {value}" for name, value in pairs[len(match) :])
    conditions = [f"{table.name}.{name} = {value}" for name, value in pairs[: len(match)]]
    if where is not None:
        conditions.append(_condition("sqlite", where))
    begin = f"UPDATE {ON_SQLITE} {table.name} SET {changes} FROM (VALUES "  # noqa: S608  our own names
    return begin, f"({_marks(match + changed)})", f") AS given WHERE {' AND '.join(conditions)}"


def _condition(dialect: str, where: ColumnElement[bool]) -> str:
    return f"({where.compile(dialect=_dialect(dialect), compile_kwargs={'literal_binds': True})})"


def _returning(names: Sequence[str]) -> str:
    return f" RETURNING {', '.join(names)}" if names else ""


def _arrays(table: Table, columns: tuple[str, ...]) -> str:
    dialect = _dialect("postgresql")
    types = (table.columns[name].type.compile(dialect) for name in columns)
    return ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, start=1))


def _names(dialect: str, columns: Sequence[str]) -> list[str]:
    return [_dialect(dialect).identifier_preparer.quote(name) for name in columns]
