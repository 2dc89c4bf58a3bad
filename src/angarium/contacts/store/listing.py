"""Which contacts fit what somebody looks for: ids in order, a piece at a time.

A beginning of a name, or of its last words, is looked for by indexes among those whose names begin with the
same letters, or one of their last two words does; when these are very many, as when it is one letter, along
the contacts, so that they need not all be put in order.
How an address ends is looked for along the narrow rows of segments (decision 0051).
From BEGINS letters on it does not matter where the spaces are: a surname of two parts is written with a half
space (which `likeness.py` makes a space), with a space, or as one word, and looked for in each of these ways.
A tag or a kind of address is always looked for along the contacts, in the order of their ids: quick where
many have it; to find few among very many is what segments are for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import and_, bindparam, exists, func, literal_column, or_, select
from sqlalchemy.sql.elements import ColumnElement

from angarium.contacts.comparable import ADDRESS
from angarium.contacts.likeness import BEGINS
from angarium.contacts.store.index import contact_index
from angarium.contacts.store.tables import HAS_LAST, HAS_MIDDLE, address, contact
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Transaction

MANY = 5_000  # more names than this are not put in order for one page
LAST = "\U0010ffff"  # behind every text that goes on
NEVER = " "  # what no name has that is without its spaces


class Wanted(msgspec.Struct, frozen=True):
    """What a contact must be to be listed; empty means any. `name` is how it, or its last words,
    begin, as it is sought."""

    name: str = ""
    tag: str = ""
    kind: str = ""


_here = contact.c.workspace_id == bindparam("workspace_id")


def _has_kind(contact_id: Any) -> ColumnElement[bool]:
    has_one = exists().where(
        address.c.workspace_id == bindparam("workspace_id"),
        address.c.contact_id == contact_id,
        address.c.kind == bindparam("kind"),
    )
    return or_(bindparam("kind") == "", has_one)


_of_kind = _has_kind(contact.c.id)


def _tagged(place: Any) -> ColumnElement[bool]:
    """`place` is where the dialect finds a text in another; tags are a list in JSON."""
    return or_(bindparam("tag") == "", place > 0)


_tag = {
    "sqlite": _tagged(func.instr(contact.c.tags, bindparam("tag"))),
    "postgresql": _tagged(func.strpos(contact.c.tags, bindparam("tag"))),
}


_one_word = func.replace(contact.c.sought, literal_column("' '"), literal_column("''"))
_finds: Mapping[str, Any] = {"sqlite": func.instr, "postgresql": func.strpos}


def _starts(dialect: str) -> ColumnElement[bool]:
    """A name begins so, whichever its spaces are."""
    # and not by the index of names
    as_written = _between(dialect, contact.c.sought + "", "first", "last")
    return or_(as_written, _between(dialect, _one_word, "joined", "joined_last"))


def _written_in(dialect: str) -> Any:
    """A word in a name begins so, or it and those behind it do."""
    return _finds[dialect](contact.c.sought, bindparam("word")) > 0


def _joined_in(dialect: str) -> Any:
    """So it stands in a name without its spaces; that a word begins there, its first letters tell."""
    return _finds[dialect](_one_word, bindparam("joined")) > 0


def _along_ids(dialect: str, *, newest: bool = False) -> Any:
    return _from(contact.c.id, select(contact.c.id).where(_here, _of_kind, _tag[dialect]), newest=newest)


def _by_name(dialect: str, among_these: Any, fits: Any, *, newest: bool = False) -> Any:
    place = contact.c.id + 0  # else the planner walks along the ids and not along the names
    fitting = select(contact.c.id).where(_here, among_these, fits, _of_kind, _tag[dialect])
    return _from(place, fitting, newest=newest)


def _along_names(dialect: str, *, newest: bool = False) -> Any:
    begins = [among(column, "letters") for column in (contact.c.middle_begins, contact.c.last_begins)]
    named = or_(_starts(dialect), _written_in(dialect), and_(_joined_in(dialect), or_(*begins)))
    fitting = select(contact.c.id).where(_here, named, _of_kind, _tag[dialect])
    return _from(contact.c.id, fitting, newest=newest)


def _ending(dialect: str) -> Any:
    told = contact_index.c.addresses + literal_column("'\n'")  # so that each ends with what it begins with
    tagged = exists().where(_here, contact.c.id == contact_index.c.contact_id, _tag[dialect])
    fitting = select(contact_index.c.contact_id).where(
        contact_index.c.workspace_id == bindparam("workspace_id"),
        _finds[dialect](told, bindparam("ending")) > 0,
        _has_kind(contact_index.c.contact_id),
        tagged,
    )
    return _from(contact_index.c.contact_id, fitting, newest=True)


def _beyond_many(_dialect: str, among_these: Any, fits: Any) -> Any:
    return select(contact.c.id).where(_here, among_these, fits).offset(bindparam("many")).limit(1)


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


_newest_ending = Statement(_ending("sqlite"), postgresql=_ending("postgresql"))


class _Way(NamedTuple):
    """An index of names: whether it holds very many, and who fits, in order and the newest first. `asks`:
    what the name is called in its statements."""

    asks: tuple[str, ...]
    many: Statement
    ids: Statement
    newest: Statement


class _Ways(NamedTuple):
    """An index of names, of which all between two beginnings are asked, or those with one of some."""

    between: _Way
    listed: _Way


def _way(letters: Callable[[str], Any], fits: Callable[[str], Any], *asks: str) -> _Way:
    def on(statement: Callable[..., Any], **order: bool) -> Statement:
        return Statement(
            statement("sqlite", letters("sqlite"), fits("sqlite"), **order),
            postgresql=statement("postgresql", letters("postgresql"), fits("postgresql"), **order),
        )

    return _Way(asks, on(_beyond_many), on(_by_name), on(_by_name, newest=True))


def _ways(letters: Any, fits: Callable[[str], Any], *asks: str) -> _Ways:
    def between(dialect: str) -> Any:
        return _between(dialect, letters, "lowest", "highest")

    def listed(_dialect: str) -> Any:
        return among(letters, "letters")

    return _Ways(
        _way(between, fits, *asks),
        _way(listed, fits, *asks),
    )


def _of_word(has: Any) -> Callable[[str], Any]:
    return lambda dialect: and_(has, or_(_written_in(dialect), _joined_in(dialect)))


_BY_FIRST = _ways(contact.c.begins, _starts, "first", "last", "joined", "joined_last")
_BY_MIDDLE = _ways(contact.c.middle_begins, _of_word(HAS_MIDDLE), "word", "joined")
_BY_LAST = _ways(contact.c.last_begins, _of_word(HAS_LAST), "word", "joined")


async def ids(
    tx: Transaction, workspace_id: int, wanted: Wanted, after: int, limit: int, *, newest: bool = False
) -> list[int]:
    """The ids of contacts that fit, in their order, after one of them; or the newest first, before it."""
    asked = _asked(workspace_id, wanted, after, limit)
    if not wanted.name:
        return [row[0] for row in await tx.rows(_newest if newest else _ids, **asked)]
    name = _texts(wanted.name)
    named = [
        (way, letters | {each: name[each] for each in way.asks}) for way, letters in _asked_ways(wanted.name)
    ]
    for way, sought in named:
        if await tx.row(way.many, workspace_id=workspace_id, many=MANY, **sought):
            along, letters = _newest_along_names if newest else _ids_along_names, _joined_letters(wanted.name)
            return [row[0] for row in await tx.rows(along, **asked, **name, letters=letters)]
    found: set[int] = set()
    for way, sought in named:
        found |= {row[0] for row in await tx.rows(way.newest if newest else way.ids, **asked, **sought)}
    return sorted(found, reverse=newest)[:limit]


async def ending(
    tx: Transaction, workspace_id: int, wanted: Wanted, digits: str, before: int, limit: int
) -> list[int]:
    """The ids of contacts that fit and have an address that ends so, the newest first, before one of them."""
    asked = _asked(workspace_id, wanted, before, limit)
    return [row[0] for row in await tx.rows(_newest_ending, **asked, ending=digits + ADDRESS)]


def _asked(workspace_id: int, wanted: Wanted, after: int, limit: int) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "after": after,
        "limit": limit,
        "kind": wanted.kind,
        "tag": msgspec.json.encode(wanted.tag).decode() if wanted.tag else "",
    }


def _texts(name: str) -> dict[str, str]:
    """A name as the statements ask for it."""
    joined = _joined(name) or NEVER
    return {
        "first": name,
        "last": name + LAST,
        "word": f" {name}",
        "joined": joined,
        "joined_last": joined + LAST,
    }


def _joined(name: str) -> str:
    """A name without its spaces; empty for one of a few letters, as many others begin that have a space."""
    joined = name.replace(" ", "")
    return joined if len(joined) > BEGINS else ""


def _joined_letters(name: str) -> list[str]:
    """How a word may begin, or be, where this name does without its spaces."""
    joined = _joined(name)
    return [joined[:long] for long in range(1, BEGINS + 1) if joined]


def _asked_ways(name: str) -> list[tuple[_Way, dict[str, Any]]]:
    """By which indexes a name is looked for, and between or with which first letters."""
    joined, whole, found = _joined(name), _joined_letters(name), list[tuple[_Way, dict[str, Any]]]()
    apart = [f"{joined[:long]} {joined[long:]}"[:BEGINS] for long in range(1, BEGINS) if joined]
    for ways, words, others in (
        (_BY_FIRST, name, {*apart, *whole[-1:]}),
        (_BY_MIDDLE, name.partition(" ")[0], set(whole)),
        (_BY_LAST, name.rpartition(" ")[2], set(whole)),
    ):
        letters = others | {words[:BEGINS]}
        if len(words) < BEGINS:
            low, high = words[:BEGINS], (words + LAST)[:BEGINS]
            found.append((ways.between, {"lowest": low, "highest": high}))
            letters = others
        if letters:
            found.append((ways.listed, {"letters": sorted(letters)}))
    return found
