"""Which contacts fit what somebody looks for: ids in order, a piece at a time.

A beginning of a name, or of its last words, is looked for by indexes among those whose names begin with the
same letters, or their last words do; when these are very many, as when it is one letter, along the contacts,
so that they need not all be put in order.
A tag or a kind of address is always looked for along the contacts, in the order of their ids: quick where
many have it; to find few among very many is what segments are for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import and_, bindparam, exists, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from angarium.contacts.likeness import BEGINS
from angarium.contacts.store.tables import HAS_LAST, address, contact
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction

MANY = 5_000  # more names than this are not put in order for one page
LAST = "\U0010ffff"  # behind every text that goes on


class Wanted(msgspec.Struct, frozen=True):
    """What a contact must be to be listed; empty means any. `name` is how it, or its last words,
    begin, as it is sought."""

    name: str = ""
    tag: str = ""
    kind: str = ""


_here = contact.c.workspace_id == bindparam("workspace_id")
_of_kind = or_(
    bindparam("kind") == "",
    exists().where(
        address.c.workspace_id == bindparam("workspace_id"),
        address.c.contact_id == contact.c.id,
        address.c.kind == bindparam("kind"),
    ),
)


def _tagged(place: Any) -> ColumnElement[bool]:
    """`place` is where the dialect finds a text in another; tags are a list in JSON."""
    return or_(bindparam("tag") == "", place > 0)


_tag = {
    "sqlite": _tagged(func.instr(contact.c.tags, bindparam("tag"))),
    "postgresql": _tagged(func.strpos(contact.c.tags, bindparam("tag"))),
}


# The last word of a name begins so, or its last words do: a surname may have two, or a half space.
_last = {
    "sqlite": func.instr(contact.c.sought, bindparam("word")) > 0,
    "postgresql": func.strpos(contact.c.sought, bindparam("word")) > 0,
}


def _along_ids(dialect: str, *, newest: bool = False) -> Any:
    return _from(contact.c.id, select(contact.c.id).where(_here, _of_kind, _tag[dialect]), newest=newest)


def _by_name(dialect: str, letters: Any, begins: Any, *, newest: bool = False) -> Any:
    among_these = _between(dialect, letters, "lowest", "highest")
    place = contact.c.id + 0  # else the planner walks along the ids and not along the names
    fitting = select(contact.c.id).where(_here, among_these, begins, _of_kind, _tag[dialect])
    return _from(place, fitting, newest=newest)


def _along_names(dialect: str, *, newest: bool = False) -> Any:
    named = _between(dialect, contact.c.sought + "", "first", "last")  # and not by the index of names
    fitting = select(contact.c.id).where(_here, or_(named, _last[dialect]), _of_kind, _tag[dialect])
    return _from(contact.c.id, fitting, newest=newest)


def _beyond_many(dialect: str, letters: Any, begins: Any) -> Any:
    among_these = _between(dialect, letters, "lowest", "highest")
    return select(contact.c.id).where(_here, among_these, begins).offset(bindparam("many")).limit(1)


def _from(place: Any, fitting: Any, *, newest: bool) -> Any:
    """A piece of those who fit: after an id in the order of ids, or before it, the newest first."""
    beyond = place < bindparam("after") if newest else place > bindparam("after")
    return fitting.where(beyond).order_by(place.desc() if newest else place).limit(bindparam("limit"))


def _between(dialect: str, text: Any, low: str, high: str) -> ColumnElement[bool]:
    """Both included; by bytes on PostgreSQL too, as its index compares (text_pattern_ops)."""
    at_least, at_most = ("~>=~", "~<=~") if dialect == "postgresql" else (">=", "<=")
    return and_(text.op(at_least)(bindparam(low)), text.op(at_most)(bindparam(high)))


_ids, _newest = (
    Statement(_along_ids("sqlite", newest=newest), postgresql=_along_ids("postgresql", newest=newest))
    for newest in (False, True)
)
_ids_along_names, _newest_along_names = (
    Statement(_along_names("sqlite", newest=newest), postgresql=_along_names("postgresql", newest=newest))
    for newest in (False, True)
)


class _Way(NamedTuple):
    """An index of names: whether it holds very many, and who fits, in order and the newest first. `asks`:
    what the name is called in its statements."""

    asks: tuple[str, ...]
    many: Statement
    ids: Statement
    newest: Statement


def _way(letters: Any, begins: Mapping[str, Any], *asks: str) -> _Way:
    def on(statement: Callable[..., Any], **order: bool) -> Statement:
        return Statement(
            statement("sqlite", letters, begins["sqlite"], **order),
            postgresql=statement("postgresql", letters, begins["postgresql"], **order),
        )

    return _Way(asks, on(_beyond_many), on(_by_name), on(_by_name, newest=True))


_first = {dialect: _between(dialect, contact.c.sought, "first", "last") for dialect in _last}
_with_last = {dialect: and_(HAS_LAST, fits) for dialect, fits in _last.items()}
_WAYS = (
    _way(contact.c.begins, _first, "first", "last"),
    _way(contact.c.last_begins, _with_last, "word"),
)


async def ids(
    tx: Transaction, workspace_id: int, wanted: Wanted, after: int, limit: int, *, newest: bool = False
) -> list[int]:
    """The ids of contacts that fit, in their order, after one of them; or the newest first, before it."""
    asked: dict[str, Any] = {
        "workspace_id": workspace_id,
        "after": after,
        "limit": limit,
        "kind": wanted.kind,
        "tag": msgspec.json.encode(wanted.tag).decode() if wanted.tag else "",
    }
    if not wanted.name:
        return [row[0] for row in await tx.rows(_newest if newest else _ids, **asked)]
    last = wanted.name + LAST
    name = {"first": wanted.name, "last": last, "word": f" {wanted.name}"}
    named = [
        (way, _letters(words) | {each: name[each] for each in way.asks})
        for way, words in zip(_WAYS, (wanted.name, wanted.name.rpartition(" ")[2]), strict=True)
    ]
    for way, sought in named:
        if await tx.row(way.many, workspace_id=workspace_id, many=MANY, **sought):
            along = _newest_along_names if newest else _ids_along_names
            return [row[0] for row in await tx.rows(along, **asked, **name)]
    found: set[int] = set()
    for way, sought in named:
        found |= {row[0] for row in await tx.rows(way.newest if newest else way.ids, **asked, **sought)}
    return sorted(found, reverse=newest)[:limit]


def _letters(words: str) -> dict[str, str]:
    """Between what the first letters lie of all that begins with these words."""
    return {"lowest": words[:BEGINS], "highest": (words + LAST)[:BEGINS]}
