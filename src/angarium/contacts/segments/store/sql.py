"""Tests as statements. Pure; every value is bound, and a statement is made once for each shape.

The rows of `contact_index` are read in the order of contacts and asked one by one, cheap questions first.
What happened on one channel, or with one label, is looked up beside the row. So a count reads what it must
once, sorts nothing, and needs no memory.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Label,
    LargeBinary,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    column,
    func,
    literal_column,
    not_,
    or_,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from angarium.contacts.activity import COUNT_BYTES, TIME_BYTES
from angarium.contacts.segments.lower import Term
from angarium.contacts.store.activity import contact_activity, contact_mention
from angarium.contacts.store.index import contact_index, contact_value
from angarium.storage.bulk import Statement, among

SHAPES_MAX = 500
FENCE = (1 << 62) - 1  # a LIMIT that keeps the planner from asking the same thing twice
COSTS = {
    "happened_on": 3,
    "mention": 3,
    "beyond": 3,
    "happened": 2,
    "like": 2,
    "contains": 1,
    "day": 1,
    "anniversary": 1,
}

Shape = tuple[Any, ...]


class Found(FunctionElement[int]):
    """The place of a text in another, 0 when it is not there."""

    inherit_cache = True
    type = Integer()


@compiles(Found, "sqlite")
def _found_on_sqlite(element: Found, compiler: SQLCompiler, **kw: Any) -> str:
    return f"instr{compiler.process(element.clause_expr, **kw)}"


@compiles(Found, "postgresql")
def _found_on_postgresql(element: Found, compiler: SQLCompiler, **kw: Any) -> str:
    return f"strpos{compiler.process(element.clause_expr, **kw)}"


class Within(FunctionElement[int]):
    """The place of some bytes in others, 0 when they are not there."""

    inherit_cache = True
    type = Integer()


@compiles(Within, "sqlite")
def _within_on_sqlite(element: Within, compiler: SQLCompiler, **kw: Any) -> str:
    return f"instr{compiler.process(element.clause_expr, **kw)}"


@compiles(Within, "postgresql")
def _within_on_postgresql(element: Within, compiler: SQLCompiler, **kw: Any) -> str:
    whole, sought = [compiler.process(clause, **kw) for clause in element.clauses.get_children()]
    return f"position({sought} IN {whole})"


class Bytewise(FunctionElement[str]):
    """A text that is compared by its bytes, whatever language the database was made for."""

    inherit_cache = True
    type = Text()


@compiles(Bytewise, "sqlite")
def _bytewise_on_sqlite(element: Bytewise, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clause_expr.element, **kw)


@compiles(Bytewise, "postgresql")
def _bytewise_on_postgresql(element: Bytewise, compiler: SQLCompiler, **kw: Any) -> str:
    return f'({compiler.process(element.clause_expr.element, **kw)} COLLATE "C")'


# ── statements ───────────────────────────────────────────────────────────────────────────────────────

_here = contact_index.c.workspace_id == bindparam("workspace_id")


def values(term: Term) -> dict[str, Any]:
    """What is bound in the statement of a term."""
    return {f"p{number}": value for number, value in enumerate(term.bound())}


@lru_cache(maxsize=SHAPES_MAX)
def counting(shape: Shape) -> Statement:
    """How many contacts meet a term."""
    return Statement(select(func.count()).select_from(contact_index).where(_here, _Asked().of(shape)))


@lru_cache(maxsize=SHAPES_MAX)
def counting_each(shape: Shape) -> Statement:
    """How many contacts meet each term of a tree, in the order in which it is written; the whole first.

    Either database asks each leaf once. PostgreSQL shares the work out when contacts who meet the same leaves
    are counted together; SQLite would sort for that.
    """
    asked = _Asked()
    asked.of(shape)
    flags = [case((leaf, 1), else_=0).label(f"t{number}") for number, leaf in enumerate(asked.leaves)]
    one_by_one = select(*flags, literal_column("1").label("n")).where(_here).limit(FENCE)
    together = select(*flags, func.count().label("n")).where(_here).group_by(*flags)
    return Statement(_summed(shape, one_by_one, flags), postgresql=_summed(shape, together, flags))


def _summed(shape: Shape, rows: Select[Any], flags: list[Label[int]]) -> Select[Any]:
    inner = rows.subquery()
    each = _each(shape, iter([inner.c[flag.name] == 1 for flag in flags]))
    return select(*(func.coalesce(func.sum(case((one, inner.c.n), else_=0)), 0) for one in each))


@lru_cache(maxsize=SHAPES_MAX)
def paging(shape: Shape) -> Statement:
    """The ids of contacts that meet a term, in their order, after one of them."""
    return Statement(
        select(contact_index.c.contact_id)
        .where(_here, contact_index.c.contact_id > bindparam("after"), _Asked().of(shape))
        .order_by(contact_index.c.contact_id)
        .limit(bindparam("limit"))
    )


# The last of so many contacts after one of them, whoever they are; 0 when there is none.
last_of = Statement(
    select(func.coalesce(func.max(column("contact_id")), literal_column("0"))).select_from(
        select(contact_index.c.contact_id)
        .where(_here, contact_index.c.contact_id > bindparam("after"))
        .order_by(contact_index.c.contact_id)
        .limit(bindparam("limit"))
        .subquery()
    )
)


@lru_cache(maxsize=SHAPES_MAX)
def within(shape: Shape) -> Statement:
    """The ids of contacts that meet a term, in their order, after one of them and up to another."""
    own = contact_index.c.contact_id
    return Statement(
        select(own)
        .where(_here, own > bindparam("after"), own <= bindparam("until"), _Asked().of(shape))
        .order_by(own)
    )


@lru_cache(maxsize=SHAPES_MAX)
def among_these(shape: Shape) -> Statement:
    """Those of some contacts that meet a term."""
    return Statement(
        select(contact_index.c.contact_id).where(
            _here, among(contact_index.c.contact_id, "contact_ids"), _Asked().of(shape)
        )
    )


def _each(shape: Shape, met: Iterator[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """The terms of a tree as combinations of its leaves, the top first."""
    op, _, _, *parts = shape
    if op == "leaf":
        return [next(met)]
    below = [_each(part, met) for part in parts]
    return [_joined(op, [one[0] for one in below]), *(element for one in below for element in one)]


def _joined(op: str, elements: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    if op == "not":
        return not_(elements[0])
    return and_(*elements) if op == "all" else or_(*elements)


class _Asked:
    """Turns one shape into a condition; numbers what is bound as it goes, and keeps the leaves."""

    def __init__(self) -> None:
        self._bound = 0
        self._inside = False
        self.leaves: list[ColumnElement[bool]] = []

    def of(self, shape: Shape, table: Table = contact_index) -> ColumnElement[bool]:
        """The condition of a shape."""
        op, name, count, *parts = shape
        if op == "leaf":
            return self._whole(parts[0], table)
        if op in ("all", "any", "not"):
            below = [(_cost(part), place, self.of(part, table)) for place, part in enumerate(parts)]
            return _joined(op, [element for _, _, element in sorted(below, key=lambda one: one[:2])])
        names = [f"p{self._bound + number}" for number in range(count)]
        self._bound += count
        return self._beyond(names, parts[0]) if op == "beyond" else _leaf(op, name, names, table)

    def _whole(self, part: Shape, table: Table) -> ColumnElement[bool]:
        """A leaf of the rules, which may be a tree of terms: all that a segment asks is a leaf of another."""
        within, self._inside = self._inside, True
        element = self.of(part, table)
        self._inside = within
        if not within:
            self.leaves.append(element)
        return element

    def _beyond(self, names: list[str], part: Shape) -> ColumnElement[bool]:
        """A term of a field that is no column of the row."""
        found: Select[Any] = select(literal_column("1")).where(
            contact_value.c.workspace_id == bindparam("workspace_id"),
            contact_value.c.contact_id == contact_index.c.contact_id,
            contact_value.c.place == bindparam(names[0]),
            self.of(part, contact_value),
        )
        return found.correlate(contact_index).exists()


def _cost(shape: Shape) -> int:
    op, _, _, *parts = shape
    return COSTS.get(op, 0) if op == "beyond" or not parts else max(map(_cost, parts))


def _leaf(op: str, name: str, names: list[str], table: Table) -> ColumnElement[bool]:
    if op in ("never", "always"):
        nobody = contact_index.c.contact_id < literal_column(
            "0"
        )  # a constant would be folded, with what is bound
        return nobody if op == "never" else not_(nobody)
    if op in LOOKED_UP:
        return LOOKED_UP[op](name.split(), names)
    column = table.c[name] if name in table.c else contact_index.c[name]  # the zone, beside a value
    asked = COMPARISONS[op](column, names)
    return and_(column.is_not(None), asked) if column.nullable else asked


Column_ = ColumnElement[Any]
Asked = Callable[[Column_, list[str]], ColumnElement[bool]]


def _ordered(compared: Callable[[Column_, Column_], ColumnElement[bool]]) -> Asked:
    def asked(found: Column_, names: list[str]) -> ColumnElement[bool]:
        return compared(Bytewise(found) if isinstance(found.type, Text) else found, bindparam(names[0]))

    return asked


def _piece(found: Column_, begin: int, length: int) -> Column_:
    return func.substr(found, literal_column(str(begin)), literal_column(str(length)), type_=Text)


def _begins(found: Column_, names: list[str]) -> ColumnElement[bool]:
    length = bindparam(names[0], type_=Integer)
    return func.substr(found, literal_column("1"), length, type_=Text) == bindparam(names[1])


COMPARISONS: dict[str, Asked] = {
    "set": lambda found, _: found.is_not(None),
    "eq": lambda found, names: found == bindparam(names[0]),
    "among": lambda found, names: among(found, names[0]),
    "ge": _ordered(operator.ge),
    "gt": _ordered(operator.gt),
    "le": _ordered(operator.le),
    "lt": _ordered(operator.lt),
    "begins": _begins,
    "contains": lambda found, names: Found(found, bindparam(names[0], type_=Text)) > literal_column("0"),
    "day": lambda found, names: among(_piece(found, 1, 10), names[0]),
    "anniversary": lambda found, names: among(_piece(found, 6, 5), names[0]),
    "like": lambda found, names: found.like(bindparam(names[0]), escape="\\"),
}


# ── history ──────────────────────────────────────────────────────────────────────────────────────────
# How it is kept: contacts/activity.py. The order of what is bound: `lower._history`.


def _happened(told: list[str], names: list[str]) -> ColumnElement[bool]:
    """What has happened, as the row itself says it."""
    return _entry(contact_index.c[told[0]], told[1:], names)


def _happened_on(told: list[str], names: list[str]) -> ColumnElement[bool]:
    """What has happened on one channel."""
    found: Select[Any] = select(literal_column("1")).where(
        contact_activity.c.workspace_id == bindparam("workspace_id"),
        contact_activity.c.contact_id == contact_index.c.contact_id,
        _entry(contact_activity.c[told[0]], told[1:], names),
    )
    return found.correlate(contact_index).exists()


def _entry(kept: Column_, told: list[str], names: list[str]) -> ColumnElement[bool]:
    """Whether an entry is there, says often enough, and of the last times one that is late enough."""
    given = iter([bindparam(name, type_=LargeBinary) for name in names])
    begin = next(given)
    place = Within(kept, begin)
    behind = place + func.length(begin, type_=Integer)
    conditions: list[ColumnElement[bool]] = [kept.is_not(None), place > literal_column("0")]
    times = _times(told)
    if times is not None:
        conditions.append(_bytes(kept, behind, COUNT_BYTES) >= next(given))
    if "since" in told:
        ahead = COUNT_BYTES + TIME_BYTES * (int(times or 1) - 1)
        conditions.append(_bytes(kept, behind + literal_column(str(ahead)), TIME_BYTES) <= next(given))
    return and_(*conditions)


def _times(told: list[str]) -> str | None:
    """None: once is enough; "": often enough, whenever; "3": so often since."""
    return next((word.removeprefix("times") for word in told if word.startswith("times")), None)


def _bytes(kept: Column_, begin: Column_, length: int) -> Column_:
    return func.substr(kept, begin, literal_column(str(length)), type_=LargeBinary)


def _mentioned(told: list[str], names: list[str]) -> ColumnElement[bool]:
    """What has happened to messages with a label or a template."""
    given, table = iter(names), contact_mention
    conditions: list[ColumnElement[bool]] = [
        table.c.workspace_id == bindparam("workspace_id"),
        table.c.event == bindparam(next(given)),
        table.c.contact_id == contact_index.c.contact_id,
        among(table.c.topic, next(given)),
    ]
    if "channel" in told:
        conditions.append(table.c.channel == bindparam(next(given)))
    if "since" in told:
        conditions.append(table.c.last_at >= bindparam(next(given)))
    times = _times(told)
    if times is None:
        return select(literal_column("1")).where(*conditions).correlate(contact_index).exists()
    counted = _late_enough(next(given), int(times)) if times else table.c.times
    how_often = select(func.coalesce(func.sum(counted), literal_column("0"))).where(*conditions)
    return how_often.correlate(contact_index).scalar_subquery() >= bindparam(next(given))


def _late_enough(since: str, times: int) -> ColumnElement[int]:
    """How many of the last times of a row are not before an instant, as far as it matters."""
    found: ColumnElement[Any] = literal_column("0")
    for number in range(times):
        end: ColumnElement[Any] = literal_column(str((number + 1) * TIME_BYTES))
        there = func.length(contact_mention.c.recent, type_=Integer) >= end
        begin: ColumnElement[Any] = literal_column(str(number * TIME_BYTES + 1))
        time = _bytes(contact_mention.c.recent, begin, TIME_BYTES)
        late = time <= bindparam(since, type_=LargeBinary)
        found = found + case((and_(there, late), 1), else_=0)
    return found


LOOKED_UP = {"happened": _happened, "happened_on": _happened_on, "mention": _mentioned}
