"""In which segments contacts are, and when they were last told something: for the few that a page shows.

The rules are asked of each contact without the database (`segments/plain.py`); what they look at is read in a
handful of statements, however many segments and contacts there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from angarium.contacts.activity import Done, Event
from angarium.contacts.fields import definitions
from angarium.contacts.segments import plain, store
from angarium.contacts.segments.plain import Subject
from angarium.contacts.segments.rules import Rule, walk
from angarium.contacts.segments.store import Segment
from angarium.contacts.store import Contact, activity
from angarium.core import ids
from angarium.storage.database import Transaction

SEGMENTS_MAX = 100  # that are asked for one page, the oldest


class Standing(msgspec.Struct, frozen=True):
    """What a list tells of a contact beside itself. `last_told_at` 0: never."""

    segments: tuple[Segment, ...]
    last_told_at: int


async def standings(
    tx: Transaction, workspace_id: int, contacts: Sequence[Contact], now: int
) -> dict[int, Standing]:
    """Of each of these contacts."""
    there = await store.all_of(tx, workspace_id)
    asked, rules = there[:SEGMENTS_MAX], {ids.show("segment", one.id): one.rules for one in there}
    about = await _topics_in(tx, workspace_id, rules.values())
    done = await activity.of_contacts(tx, workspace_id, [one.id for one in contacts], about)
    defined = await definitions(tx, workspace_id)
    found = {}
    for one in contacts:
        subject = Subject(one, done[one.id], defined, now, rules)
        within = tuple(each for each in asked if plain.judge(each.rules, subject).holds)
        found[one.id] = Standing(within, last_told(done[one.id]))
    return found


def last_told(done: Iterable[Done]) -> int:
    """When a provider last took a message to somebody; 0: never."""
    return max((each.tally.last_at for each in done if each.event is Event.SENT), default=0)


async def _topics_in(tx: Transaction, workspace_id: int, trees: Iterable[Rule]) -> set[int]:
    """The topics of which rules ask: those with a label or a template that they name."""
    labels: set[str] = set()
    templates: set[int] = set()
    for tree in trees:
        for _, rule, _ in walk(tree):
            labels |= {rule.label} - {""}
            templates |= {ids.read("template", rule.template)} if rule.template else set()
    if not (labels or templates):
        return set()
    known = await activity.topics(tx, workspace_id)
    return {
        number for topic, number in known.items() if topic.label in labels or topic.template_id in templates
    }
