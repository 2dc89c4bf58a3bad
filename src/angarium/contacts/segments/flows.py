"""Create, change and delete segments; count them, go through their members, explain one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from angarium.accounts import audit
from angarium.contacts import store as contacts
from angarium.contacts.fields import FieldDefinition, definitions
from angarium.contacts.segments import plain, store
from angarium.contacts.segments.check import check
from angarium.contacts.segments.lower import Known, Term, lower
from angarium.contacts.segments.plain import Judged, Subject
from angarium.contacts.segments.rules import Rule, walk
from angarium.contacts.segments.store import Segment, sql
from angarium.contacts.store import Contact, activity, index
from angarium.core import ids
from angarium.core.problems import FieldProblem, Problem, all_invalid, invalid, not_found, shown
from angarium.storage.database import Conflict, Transaction
from angarium.storage.ground import Ground

NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,100}")
SEGMENTS_MAX = 1_000  # of a workspace
NAMED_MAX = 5  # segments that the rules of one may name
SAMPLE = 10  # members that are shown beside a count


class SegmentInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A segment as a person or a system describes it."""

    name: str
    rules: Rule


class Counted(msgspec.Struct, frozen=True):
    """How many contacts meet rules, how many meet each of them, and the first who meet them all."""

    total: int
    each: list[tuple[str, int]]  # place and count, the whole first
    sample: list[Contact]


# ── saved segments ───────────────────────────────────────────────────────────────────────────────────


async def everything(ground: Ground, workspace_id: int) -> list[Segment]:
    """All segments of a workspace, oldest first."""
    return await ground.db.read(store.all_of, workspace_id)


async def get(ground: Ground, workspace_id: int, segment_id: int) -> Segment:
    """One segment; a Problem when there is none."""
    return await ground.db.read(existing, workspace_id, segment_id)


async def existing(tx: Transaction, workspace_id: int, segment_id: int) -> Segment:
    """One segment, within a transaction; a Problem when there is none."""
    found = await store.by_id(tx, workspace_id, segment_id)
    if found is None:
        raise not_found("segment", ids.show("segment", segment_id))
    return found


async def create(
    tx: Transaction, ground: Ground, workspace_id: int, given: SegmentInput, actor: str
) -> Segment:
    """A new segment within a transaction; its Conflict means `taken`."""
    there = await store.all_of(tx, workspace_id)
    if len(there) >= SEGMENTS_MAX:
        raise invalid("name", "there are too many segments", remedy=f"at most {SEGMENTS_MAX}: delete one")
    await _must_be_right(tx, workspace_id, given, there, 0)
    now = ground.clock.now()
    new = Segment(ground.ids.mint(), given.name, 1, given.rules, actor, now, now)
    await store.save(tx, workspace_id, new, new_version=True)
    await _note(tx, workspace_id, actor, "segment.created", new, now)
    return new


async def _note(tx: Transaction, workspace_id: int, actor: str, action: str, one: Segment, now: int) -> None:
    details = {"name": one.name, "version": one.version}
    await audit.note(tx, workspace_id, actor, action, ids.show("segment", one.id), details, now)


async def change(
    ground: Ground, workspace_id: int, segment_id: int, given: SegmentInput, actor: str
) -> Segment:
    """A segment as it is described now; other rules make a new version."""
    try:
        return await ground.db.run(_changed, workspace_id, segment_id, given, actor, ground.clock.now())
    except Conflict:
        raise taken(given.name) from None


async def _changed(
    tx: Transaction, workspace_id: int, segment_id: int, given: SegmentInput, actor: str, now: int
) -> Segment:
    before = await existing(tx, workspace_id, segment_id)
    there = await store.all_of(tx, workspace_id)
    await _must_be_right(tx, workspace_id, given, there, segment_id)
    new_version = given.rules != before.rules
    after = msgspec.structs.replace(before, name=given.name)
    if new_version:
        after = Segment(
            segment_id, given.name, before.version + 1, given.rules, actor, before.created_at, now
        )
    await store.save(tx, workspace_id, after, new_version=new_version)
    await _note(tx, workspace_id, actor, "segment.changed", after, now)
    return after


async def delete(ground: Ground, workspace_id: int, segment_id: int, actor: str) -> None:
    """Delete a segment; a Problem when there is none, or another one names it."""
    await ground.db.run(_deleted, workspace_id, segment_id, actor, ground.clock.now())


async def _deleted(tx: Transaction, workspace_id: int, segment_id: int, actor: str, now: int) -> None:
    gone = await existing(tx, workspace_id, segment_id)
    there = await store.all_of(tx, workspace_id)
    users = users_of(segment_id, there)
    if users:
        names = ", ".join(one.name for one in users)
        raise Problem(
            "in-use",
            "Other segments name this one",
            status=409,
            detail=f"It is used by {shown(names)}. Change these first.",
        )
    await store.remove(tx, workspace_id, segment_id)
    await _note(tx, workspace_id, actor, "segment.deleted", gone, now)


def taken(name: str) -> Problem:
    """Another segment has this name."""
    return invalid("name", "a segment of this name exists", value=name, remedy="choose another name")


def users_of(segment_id: int, there: Iterable[Segment]) -> list[Segment]:
    """The segments whose rules name this one."""
    shown_id = ids.show("segment", segment_id)
    return [one for one in there if shown_id in named_in(one.rules)]


def named_in(rules: Rule) -> set[str]:
    """The segments that rules name."""
    return {rule.segment for _, rule, _ in walk(rules) if rule.segment is not None}


async def _must_be_right(
    tx: Transaction, workspace_id: int, given: SegmentInput, there: Iterable[Segment], own_id: int
) -> None:
    wrong: list[FieldProblem] = []
    if not NAME.fullmatch(given.name) or not given.name.strip():
        remedy = "1 to 100 characters in one line"
        wrong.append(
            FieldProblem("name", "is empty, too long or has control characters", remedy, shown(given.name))
        )
    defined = await definitions(tx, workspace_id)
    wrong += _wrong(given.rules, defined, there, own_id)
    if wrong:
        raise all_invalid("The segment is not valid", tuple(wrong))


async def wrong_with(tx: Transaction, workspace_id: int, rules: Rule) -> tuple[FieldProblem, ...]:
    """What is wrong with rules that need not be saved, each problem with its place in them."""
    return _wrong(rules, await definitions(tx, workspace_id), await store.all_of(tx, workspace_id), 0)


def _wrong(
    rules: Rule, defined: Mapping[str, FieldDefinition], there: Iterable[Segment], own_id: int
) -> tuple[FieldProblem, ...]:
    """What is wrong with rules. A segment that names others may not be named: so none names itself."""
    others = list(there)
    usable = {ids.show("segment", one.id) for one in others if one.id != own_id and not named_in(one.rules)}
    if own_id and users_of(own_id, others):
        usable = set()
    wrong = check(rules, defined, usable)
    if not wrong and len(named_in(rules)) > NAMED_MAX:
        return (FieldProblem("rules", "name too many segments", f"at most {NAMED_MAX}"),)
    return wrong


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


async def count(ground: Ground, workspace_id: int, rules: Rule) -> Counted:
    """Count rules that need not be saved."""
    return await ground.db.read(_count, workspace_id, rules, ground.clock.now())


async def _count(tx: Transaction, workspace_id: int, rules: Rule, now: int) -> Counted:
    wrong = await wrong_with(tx, workspace_id, rules)
    if wrong:
        raise all_invalid("The rules are not valid", wrong)
    term = await as_term(tx, workspace_id, rules, now)
    row = await tx.row(sql.counting_each(term.shape()), workspace_id=workspace_id, **sql.values(term))
    assert row is not None
    places = [place for place, _, _ in walk(rules)]
    first = await page(tx, workspace_id, term, 0, SAMPLE) if row[0] else []
    known = await contacts.by_ids(tx, workspace_id, first)
    each = list(zip(places, map(int, row), strict=True))
    return Counted(each[0][1], each, [known[contact_id] for contact_id in first if contact_id in known])


async def total(tx: Transaction, workspace_id: int, term: Term) -> int:
    """How many contacts meet a term."""
    row = await tx.row(sql.counting(term.shape()), workspace_id=workspace_id, **sql.values(term))
    return 0 if row is None else int(row[0])


async def page(tx: Transaction, workspace_id: int, term: Term, after: int, limit: int) -> list[int]:
    """The ids of contacts that meet a term, in their order."""
    asked = {"workspace_id": workspace_id, "after": after, "limit": limit, **sql.values(term)}
    return [row[0] for row in await tx.rows(sql.paging(term.shape()), **asked)]


async def as_term(tx: Transaction, workspace_id: int, rules: Rule, now: int) -> Term:
    """Rules that are right, as a term at one moment."""
    named = await _named(tx, workspace_id, rules)
    asks = any(rule.history is not None for tree in (rules, *named.values()) for _, rule, _ in walk(tree))
    known = Known(
        now,
        await index.places(tx, workspace_id),
        await definitions(tx, workspace_id),
        await activity.topics(tx, workspace_id) if asks else {},
        named,
    )
    return lower(rules, known)


async def _named(tx: Transaction, workspace_id: int, rules: Rule) -> dict[str, Rule]:
    wanted = named_in(rules)
    if not wanted:
        return {}
    there = {ids.show("segment", one.id): one.rules for one in await store.all_of(tx, workspace_id)}
    return {name: there[name] for name in wanted if name in there}


async def explain(
    ground: Ground, workspace_id: int, segment_id: int, contact_id: int
) -> tuple[Segment, Judged]:
    """Which rules of a segment hold for a contact; a Problem when one of the two is not there."""
    return await ground.db.read(_explained, workspace_id, segment_id, contact_id, ground.clock.now())


async def _explained(
    tx: Transaction, workspace_id: int, segment_id: int, contact_id: int, now: int
) -> tuple[Segment, Judged]:
    found = await existing(tx, workspace_id, segment_id)
    contact = (await contacts.by_ids(tx, workspace_id, [contact_id])).get(contact_id)
    if contact is None:
        raise not_found("contact", ids.show("contact", contact_id))
    done = await activity.of_contact(tx, workspace_id, contact_id)
    defined = await definitions(tx, workspace_id)
    named = await _named(tx, workspace_id, found.rules)
    return found, plain.judge(found.rules, Subject(contact, done, defined, now, named))
