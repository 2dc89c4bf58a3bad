"""Tell many people one thing: what they share is settled once, and each of them gets a message of their own.

The rules are asked of each person as for any message. Whom they refuse at once gets no message: whoever tells
many keeps a row for each person anyway, and that row says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from angarium.contacts.store import Contact, merges
from angarium.content.store.versions import Worded
from angarium.core.clock import micros
from angarium.core.values import Json, MessageClass
from angarium.messaging import budgets, permission, tracking, unsubscribe
from angarium.messaging.alike import Alike
from angarium.messaging.cascade import Step
from angarium.messaging.case import Case, created, seal_wording, write_new
from angarium.messaging.permission import Permissions
from angarium.messaging.states import MessageState
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.messages import Message
from angarium.messaging.straight import Straight
from angarium.messaging.world import Wording, World
from angarium.storage.database import Transaction


class Telling(msgspec.Struct, frozen=True):
    """One thing that many are told, in versions: what is published meanwhile changes nobody's words."""

    message_class: MessageClass
    template_version_id: int
    cascade_version_id: int
    label: str
    deadline_s: float  # of each message, from when it is made
    until: int | None = None  # nothing goes out at or after this instant
    variables: Json = {}  # for everybody; a person's own come before them
    track: bool | None = None  # whether links and openings are counted; None: as the policy says


class Person(msgspec.Struct, frozen=True, gc=False):
    """One of the many."""

    contact_id: int
    variables: Json = {}


class Told(msgspec.Struct, frozen=True, gc=False):
    """A message was made."""

    message_id: int


class NotTold(msgspec.Struct, frozen=True, gc=False):
    """None was: the rules refuse it, or there is no way."""

    reason: str
    detail: str = ""


class Gone(msgspec.Struct, frozen=True):
    """There is no such contact any more; `merged_into` is the one that it has become part of, or 0."""

    merged_into: int = 0


Answer = Told | NotTold | Gone


async def tell(
    tx: Transaction,
    straight: Straight,
    world: World,
    workspace_id: int,
    telling: Telling,
    people: Sequence[Person],
    now: int,
) -> list[Answer]:
    """A message for each person, with its first step planned, within a transaction; what became of each, in
    their order."""
    made = await consider(tx, world, workspace_id, telling, people, now)
    answers: list[Answer] = [one if isinstance(one, Gone) else answer(one) for one in made]
    cases = [one for one in made if isinstance(one, Case) and goes(one)]
    await message_store.insert(tx, [case.message for case in cases])
    async with straight.claiming(tx, workspace_id, created(cases), now):
        await write_new(tx, cases)
    return answers


async def consider(
    tx: Transaction,
    world: World,
    workspace_id: int,
    telling: Telling,
    people: Sequence[Person],
    now: int,
    *,
    hold: bool = True,
    within_budgets: bool = True,
) -> list[Case | Gone]:
    """What would become of each person; nothing is written. `hold`: the budgets, because it will be done;
    without `within_budgets` as if there was room for all."""
    asked = {one.contact_id for one in people}
    found = await merges.found(tx, workspace_id, asked)
    await world.versions.load(tx, workspace_id, {telling.cascade_version_id}, {telling.template_version_id})
    steps = world.versions.steps[telling.cascade_version_id]
    relayed = {one.id for one in found.values()} if len(steps) > 1 else ()
    known = await permission.of_contacts(tx, world, workspace_id, found.values(), now, relayed)
    purse = await budgets.purse(tx, world, workspace_id, now, hold=hold) if within_budgets else None
    words = world.versions.words[telling.template_version_id]
    wording = Wording(telling.variables, track=telling.track)
    message = _message(workspace_id, telling, now)
    common = _Common(steps, words, wording, msgspec.json.encode(wording), message)
    alike = Alike(world, now)
    made: list[Case | Gone] = []
    for person, message_id in zip(people, world.ground.ids.mint_many(len(people)), strict=True):
        contact = found.get(person.contact_id)
        if contact is None or contact.id != person.contact_id:
            made.append(Gone(contact.id if contact else 0))
            continue
        case = _case(world, telling, person, contact, message_id, common, known, now)
        case.purse = purse
        alike.plan(case)
        made.append(case)
    return made


class _Common(msgspec.Struct, frozen=True):
    """What everybody's message shares; `sealed`: its wording as it is kept, where nobody has variables."""

    steps: tuple[Step, ...]
    words: Worded
    wording: Wording
    sealed: bytes
    message: Message  # nobody's yet


def _message(workspace_id: int, telling: Telling, now: int) -> Message:
    """The message of everybody, as far as it is the same."""
    ends_at = now + micros(telling.deadline_s)
    return Message(
        workspace_id=workspace_id,
        id=0,
        contact_id=0,
        message_class=telling.message_class,
        state=MessageState.QUEUED,
        reason="",
        label=telling.label,
        reference="",
        template_version_id=telling.template_version_id,
        cascade_version_id=telling.cascade_version_id,
        locale="",
        words=b"",
        skips=(),
        cost_micros=0,
        currency="",
        expires_at=ends_at if telling.until is None else min(ends_at, telling.until),
        decide_at=None,
        created_at=now,
        finished_at=None,
        to_address="",
    )


def _case(
    world: World,
    telling: Telling,
    person: Person,
    contact: Contact,
    message_id: int,
    common: _Common,
    known: Permissions,
    now: int,
) -> Case:
    wording, sealed = common.wording, common.sealed
    if person.variables:
        wording = Wording({**telling.variables, **person.variables}, track=telling.track)
    if person.variables or telling.message_class is MessageClass.OTP:
        workspace_id = common.message.workspace_id
        sealed = seal_wording(world, workspace_id, telling.message_class, message_id, wording)
    message: Message = common.message.__copy__()  # type: ignore[attr-defined]  # a method that the stubs forgot
    message.id, message.contact_id = message_id, contact.id
    message.locale, message.words = contact.locale, sealed
    words = common.words
    case = Case(message, [], common.steps, contact, wording, words.variants, words.default_locale, known)
    case.unsubscribe_url = unsubscribe.url(world, message)
    case.tracking = tracking.of(world, message, telling.track)
    case.hear("accepted", now, {"class": telling.message_class}, {"contact": contact.id})
    return case


def goes(case: Case) -> bool:
    """Whether there is something to wait for: an attempt, or a person who has to look at its wording."""
    return case.message.finished_at is None


def answer(case: Case) -> Told | NotTold:
    """What became of a person whose message was considered."""
    if goes(case):
        return Told(case.message.id)
    skips = [one for one in case.decisions if one.get("do") == "skip"]
    last: Mapping[str, object] = skips[-1] if skips else {}
    return NotTold(case.message.reason or str(last.get("reason", "")), str(last.get("detail", "")))
