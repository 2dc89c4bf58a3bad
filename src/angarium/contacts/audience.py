"""The one way in to a set of contacts: a segment, tags, rules, a list of contacts, or everybody.

Whoever tells many people something (a campaign, an export, a list of contacts) takes an `Audience` from
outside, has it settled once, keeps the `Settled` with its own state and asks for page after page. Rules:

1. A settled audience holds the version of the segment and the moment: neither a change of the rules nor
   midnight changes halfway who is asked for.
2. A page begins after the last id of the one before. So nobody comes twice, and whoever meets the rules all
   the while comes once, whatever is written, deleted or moved beside it; a process that was killed goes on
   from the last page that it has written down.
3. Nothing is loaded whole: neither the people nor their ids.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec

from angarium.contacts import store as contacts
from angarium.contacts.fields import FieldKind, definitions
from angarium.contacts.segments import flows, store
from angarium.contacts.segments.lower import ALWAYS, Term, every
from angarium.contacts.segments.rules import LIST_MAX, Operator, Rule
from angarium.contacts.segments.store import Segment, sql
from angarium.contacts.store import members
from angarium.contacts.store.members import Member
from angarium.core import ids
from angarium.core.problems import FieldProblem, Problem, all_invalid, invalid, not_found, shown
from angarium.core.values import AddressKind
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

CONTACTS_MAX = 10_000  # named one by one; of more, a segment or a tag is made
WINDOW = 5_000  # contacts that are looked at in one transaction
NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
WAYS = ("segment", "tags", "contacts", "rules", "everybody")


class Audience(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who is meant: exactly one of a segment, tags (any of them), contacts by their ids, rules as those of a
    segment, or everybody."""

    segment: str = ""
    tags: Annotated[tuple[str, ...], msgspec.Meta(max_length=LIST_MAX)] = ()
    contacts: Annotated[tuple[str, ...], msgspec.Meta(max_length=CONTACTS_MAX)] = ()
    rules: Rule | None = None
    everybody: bool = False


class Settled(msgspec.Struct, frozen=True, omit_defaults=True):
    """An audience that no longer changes its mind; kept as JSON by whoever goes through it.

    Who is in it meets all that is told; nothing told is everybody.
    """

    at: int  # the moment that "within the last days" is counted from
    segment_id: int = 0
    version: int = 0
    tags: tuple[str, ...] = ()
    contact_ids: tuple[int, ...] = ()  # in order; empty: not named one by one
    rules: Rule | None = None


async def settle(
    tx: Transaction, workspace_id: int, given: Audience, now: int, field: str = "audience"
) -> Settled:
    """An audience as it was given under a field of a request; a Problem when it cannot be."""
    named = [way for way in WAYS if getattr(given, way)]
    if len(named) != 1:
        problem = "names nobody" if not named else "names more than one way"
        wrong = FieldProblem(field, problem, "exactly one of " + ", ".join(WAYS), shown(", ".join(named)))
        raise all_invalid("The audience is not valid", (wrong,))
    if given.segment:
        return await _of_segment(tx, workspace_id, given.segment, now, field)
    if given.rules is not None:
        return await _of_rules(tx, workspace_id, given.rules, now, field)
    found: list[int] = []
    for number, text in enumerate(given.contacts):
        try:
            found.append(ids.read("contact", text))
        except ValueError as error:
            wrong = FieldProblem(f"{field}.contacts[{number}]", str(error), value=shown(text))
            raise all_invalid("The audience is not valid", (wrong,)) from None
    return Settled(now, tags=given.tags, contact_ids=tuple(sorted(set(found))))


async def _of_segment(tx: Transaction, workspace_id: int, text: str, now: int, field: str) -> Settled:
    try:
        there = await segment_named(tx, workspace_id, text)
    except Problem:
        remedy = "GET /v1/segments lists them"
        wrong = FieldProblem(f"{field}.segment", "no such segment", remedy, shown(text))
        raise all_invalid("The audience is not valid", (wrong,)) from None
    return Settled(now, there.id, there.version)


async def _of_rules(tx: Transaction, workspace_id: int, rules: Rule, now: int, field: str) -> Settled:
    wrong = await flows.wrong_with(tx, workspace_id, rules)
    if wrong:
        placed = [msgspec.structs.replace(one, field=f"{field}.{one.field}") for one in wrong]
        raise all_invalid("The audience is not valid", tuple(placed))
    return Settled(now, rules=rules)


class Asked(msgspec.Struct, frozen=True):
    """What a list may be narrowed by, as it stands in a query; empty means any."""

    segment: str = ""
    tag: str = ""
    kind: AddressKind | None = None
    field: str = ""
    value: str = ""


async def asked_for(tx: Transaction, workspace_id: int, asked: Asked, now: int) -> Settled:
    """Those who meet all that is asked; a Problem names what cannot be."""
    there = await segment_named(tx, workspace_id, asked.segment) if asked.segment else None
    rules = []
    if asked.tag:
        rules.append(Rule(tag=asked.tag))
    if asked.kind:
        rules.append(Rule(address=asked.kind))
    if asked.field:
        rules.append(await _of_field(tx, workspace_id, asked.field, asked.value))
    whole = Rule(all=tuple(rules)) if rules else None
    wrong = await flows.wrong_with(tx, workspace_id, whole) if whole else ()
    if wrong:
        named = [msgspec.structs.replace(one, field=one.field.rpartition(".")[2]) for one in wrong]
        raise all_invalid("The query is not valid", tuple(named[:1]))
    return Settled(now, there.id, there.version, rules=whole) if there else Settled(now, rules=whole)


async def _of_field(tx: Transaction, workspace_id: int, name: str, text: str) -> Rule:
    """A field has a value that is told as text: one that is not defined may have it as a number, too."""
    definition = (await definitions(tx, workspace_id)).get(name)
    kinds = (definition.kind,) if definition else (FieldKind.TEXT, FieldKind.NUMBER)
    rules = [Rule(field=name, is_=Operator.IS, value=value) for kind in kinds for value in _told(kind, text)]
    if not rules:
        remedy = f"a value of {kinds[0]}, as text; else ask with the rules of a segment"
        raise invalid("value", "is no value of this field", value=text, remedy=remedy)
    return Rule(any=tuple(rules))


def _told(kind: FieldKind, text: str) -> list[Any]:
    """What a text in a query means for a kind of field; nothing where it cannot be told so."""
    if kind is FieldKind.NUMBER:
        return [float(text)] if NUMBER.fullmatch(text) else []
    if kind is FieldKind.YES_NO:
        return [text == "true"] if text in ("true", "false") else []
    return [] if kind in (FieldKind.MONEY, FieldKind.DATE_TIME) else [text]


async def segment_named(tx: Transaction, workspace_id: int, text: str) -> Segment:
    """The segment whose id is written so; a Problem when there is none."""
    try:
        return await flows.existing(tx, workspace_id, ids.read("segment", text))
    except ValueError:
        raise not_found("segment", text) from None


async def page(tx: Transaction, workspace_id: int, settled: Settled, after: int, limit: int) -> list[int]:
    """The next ids of contacts, in their order; fewer than `limit` at the end alone."""
    term = await _term(tx, workspace_id, settled)
    if not settled.contact_ids:
        return await flows.page(tx, workspace_id, term, after, limit)
    wanted = [one for one in settled.contact_ids if one > after]
    found: list[int] = []
    while wanted and len(found) < limit:  # of those who are named, some may have been deleted
        some, wanted = wanted[:limit], wanted[limit:]
        asked = {"workspace_id": workspace_id, "contact_ids": some, **sql.values(term)}
        found += sorted(row[0] for row in await tx.rows(sql.among_these(term.shape()), **asked))
    return found[:limit]


class Window(msgspec.Struct, frozen=True):
    """The members among some contacts that lie beside one another, in the order of their ids."""

    ids: list[int]  # may be none: the next window may have some
    after: int  # where the next one begins; what is kept to go on from
    done: bool  # there is no next one


class Piece(msgspec.Struct, frozen=True):
    """A window with what is told of its members."""

    members: list[Member]
    after: int
    done: bool


async def window(
    tx: Transaction, workspace_id: int, settled: Settled, after: int = 0, size: int = WINDOW
) -> Window:
    """The members among the next `size` contacts after an id, whoever these are; 0: from the beginning.

    It looks at `size` contacts and no more, so that a transaction stays short also where few of very many are
    meant.
    """
    term = await _term(tx, workspace_id, settled)
    asked = {"workspace_id": workspace_id, **sql.values(term)}
    if settled.contact_ids:
        wanted = [one for one in settled.contact_ids if one > after]
        some, done = wanted[:size], len(wanted) <= size
        end = some[-1] if some else after
        rows = await tx.rows(sql.among_these(term.shape()), contact_ids=some, **asked)
        return Window(sorted(row[0] for row in rows), end, done)
    if term == ALWAYS:  # also those of whom segments know nothing yet, as after an upgrade
        found = await contacts.ids_after(tx, workspace_id, after, size)
        return Window(found, found[-1] if found else after, done=not found)
    last = await tx.row(sql.last_of, workspace_id=workspace_id, after=after, limit=size)
    assert last is not None
    if not last[0]:
        return Window([], after, done=True)
    rows = await tx.rows(sql.within(term.shape()), after=after, until=last[0], **asked)
    return Window([row[0] for row in rows], last[0], done=False)


async def piece(
    tx: Transaction, workspace_id: int, settled: Settled, after: int = 0, size: int = WINDOW
) -> Piece:
    """A `window` with the locale, time zone, country and addresses of its members, in three short statements.

    For whoever writes members down: in the same transaction, with `Piece.after` beside them. Killed anywhere,
    it goes on from there, and nobody was left out or comes twice.
    """
    found = await window(tx, workspace_id, settled, after, size)
    return Piece(await members.members(tx, workspace_id, found.ids), found.after, found.done)


async def pieces(
    ground: Ground, workspace_id: int, settled: Settled, after: int = 0, size: int = WINDOW
) -> AsyncIterator[Piece]:
    """All of an audience from an id on, piece by piece, each read on a snapshot of its own.

    No transaction stays open between two of them. Each has members but for the last, which is `done`.
    """
    while True:
        found = await ground.db.read(piece, workspace_id, settled, after, size)
        if found.members or found.done:
            yield found
        if found.done:
            return
        after = found.after


async def count(tx: Transaction, workspace_id: int, settled: Settled) -> int:
    """How many contacts it has now."""
    term = await _term(tx, workspace_id, settled)
    if not settled.contact_ids:
        return await flows.total(tx, workspace_id, term)
    asked = {"workspace_id": workspace_id, "contact_ids": settled.contact_ids, **sql.values(term)}
    return len(await tx.rows(sql.among_these(term.shape()), **asked))


async def _term(tx: Transaction, workspace_id: int, settled: Settled) -> Term:
    told: list[Rule] = []
    if settled.tags:
        told.append(Rule(any=tuple(Rule(tag=tag) for tag in settled.tags)))
    if settled.rules is not None:
        told.append(settled.rules)
    if settled.segment_id:
        of_version = await store.rules_of(tx, workspace_id, settled.segment_id, settled.version)
        assert of_version is not None  # versions are never deleted
        told.append(of_version)
    terms = [await flows.as_term(tx, workspace_id, rules, settled.at) for rules in told]
    return every(*terms) if terms else ALWAYS
