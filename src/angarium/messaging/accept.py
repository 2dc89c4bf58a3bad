"""Accept messages: validate, resolve, plan the first step, write it all down, answer.

Whatever is queued is accepted in one transaction. Bad input stores nothing and burns no idempotency key; what
the rules forbid to this person is stored as a message that was refused, with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial

import msgspec

from angarium.accounts.reach import WHOLE, Reach
from angarium.contacts import flows as contacts
from angarium.contacts import store as contact_store
from angarium.contacts.flows import Recipient
from angarium.contacts.rules import LOCALE
from angarium.contacts.store import Contact
from angarium.content.rules import NOT_IN_TEXT, Variant
from angarium.content.store.versions import Worded
from angarium.core.clock import from_datetime, micros
from angarium.core.problems import FieldProblem, Problem, shown
from angarium.core.values import Content, Json, MessageClass
from angarium.messaging import (
    answering,
    budgets,
    course,
    keyed,
    permission,
    steps,
    straight,
    tracking,
    unsubscribe,
)
from angarium.messaging.alike import Alike
from angarium.messaging.answering import Answer
from angarium.messaging.bounds import beyond
from angarium.messaging.cascade import Step
from angarium.messaging.case import Case, Unworded, created, seal_wording, wake_planner, write_new
from angarium.messaging.course import Course, Inline, Numbering, remedy_for, unfit
from angarium.messaging.permission import Permissions
from angarium.messaging.states import MessageState
from angarium.messaging.store import cascades
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.cascades import Cascade
from angarium.messaging.store.messages import OF_CAMPAIGNS, Message
from angarium.messaging.straight import Straight
from angarium.messaging.way import word
from angarium.messaging.wording import Taken, misfit, taken
from angarium.messaging.world import Wording, World
from angarium.storage import idempotency
from angarium.storage.database import Transaction

MESSAGES_MAX = 1_000  # in one request
TEXT_MAX = 20_000  # characters
VARIABLES_BYTES_MAX = 32_768
LABEL_MAX = 64  # characters
REFERENCE_MAX = 128  # characters
AHEAD_MAX_S = 366 * 86_400.0
DEADLINE_MIN_S, DEADLINE_MAX_S = 1.0, 7 * 86_400.0
WORDINGS = ("text", "template", "variants")
IMAGE_URL = re.compile(r"https?://[^\s\x00-\x1f]{1,2040}")
WAYS = ("cascade", "steps", "channel", "line")
# How long a message may try, from its time on, when it does not say.
DEADLINE_S = {
    MessageClass.OTP: 600.0,
    MessageClass.TRANSACTIONAL: 86_400.0,
    MessageClass.SERVICE: 172_800.0,
    MessageClass.PROMOTIONAL: 86_400.0,
}


class MessageInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One message as a system asks for it."""

    to: Recipient
    message_class: MessageClass | None = msgspec.field(name="class", default=None)  # or its template's
    text: str = ""  # said as it stands, on every channel
    image_url: str = ""  # a picture beside `text`, or alone, by its address
    template: str = ""  # name of a template
    variants: tuple[Variant, ...] = ()  # wording of its own, as templates, per channel and locale
    variables: Json = {}
    cascade: str = ""  # name of a cascade
    steps: tuple[Step, ...] = ()  # steps of its own
    channel: str = ""  # one step, on a channel
    line: str = ""  # one step, on a line
    locale: str = ""  # instead of the contact's
    send_at: datetime | None = None
    deadline_s: float | None = None  # from its time on
    label: str = ""  # groups messages for reports
    reference: str = ""  # the caller's own name for it
    track: bool | None = None  # count clicks and opens, or do not; else as the policy `links` says


class Order(msgspec.Struct, frozen=True):
    """One request: its messages, and the idempotency key with the hash of its body, if it has one."""

    workspace_id: int
    messages: tuple[MessageInput | Problem, ...]  # a problem where an item of a batch could not be read
    batch: bool
    key: str = ""
    body_hash: bytes = b""
    reach: Reach = WHOLE  # of whoever asks


async def accept(world: World, orders: Sequence[Order]) -> list[Answer | Problem]:
    """Accept requests in one transaction per workspace; one answer for each, in order."""
    answers: list[Answer | Problem | None] = [None] * len(orders)
    for workspace_id in {order.workspace_id for order in orders}:
        places = [i for i, order in enumerate(orders) if order.workspace_id == workspace_id]
        ours = [orders[i] for i in places]
        await _look_for_lines(world, workspace_id, ours)
        now = world.ground.clock.now()
        most = sum(len(order.messages) for order in ours)
        answered, cases, learned = await straight.run(
            world, workspace_id, most, _accept, world, workspace_id, ours, now
        )
        world.versions.inline |= learned  # not before the commit: what was rolled back is not there
        wake_planner(world, cases)
        for i, answer in zip(places, answered, strict=True):
            answers[i] = answer
    return [answer for answer in answers if answer is not None]


async def _look_for_lines(world: World, workspace_id: int, orders: Sequence[Order]) -> None:
    """Have the lines at hand that messages and their own steps name, where they have just been made."""
    asked = [one for order in orders for one in order.messages if isinstance(one, MessageInput)]
    steps_of = [step for one in asked for step in one.steps]
    names = {one.line for one in asked} | {step.line for step in steps_of}
    channels = {one.channel for one in asked} | {step.channel for step in steps_of}
    await world.lines.look_for(workspace_id, names - {""}, channels - {""})


async def _accept(
    tx: Transaction,
    at_once: Straight,
    world: World,
    workspace_id: int,
    orders: Sequence[Order],
    now: int,
) -> tuple[list[Answer | Problem], list[Case], Inline]:
    claims = await keyed.claims(tx, workspace_id, orders, now)
    fresh = [order for order, claim in zip(orders, claims, strict=True) if isinstance(claim, idempotency.New)]
    readable = [m for order in fresh for m in order.messages if isinstance(m, MessageInput)]
    learned: Inline = {}
    numbering = partial(course.version, tx, world, workspace_id, now, learned)
    results = iter(await prepare(tx, world, workspace_id, readable, now, numbering))
    answers: dict[int, Answer | Problem] = {}
    cases: list[Case] = []
    for order in fresh:
        own = [m if isinstance(m, Problem) else next(results) for m in order.messages]
        if not order.reach.is_whole:
            own = [bounded(world, order.reach, one) for one in own]
        answers[id(order)] = answering.answer(own, batch=order.batch)
        cases += [one for one in own if isinstance(one, Case)]
    await _write(tx, at_once, workspace_id, cases, now)
    await keyed.keep(tx, workspace_id, fresh, answers)
    return [keyed.told(orders, i, claim, answers) for i, claim in enumerate(claims)], cases, learned


def bounded(world: World, reach: Reach, one: Case | Problem) -> Case | Problem:
    """A message, or the problem that it is out of reach of whoever asks for it."""
    if isinstance(one, Problem):
        return one
    lines = world.lines.of(one.message.workspace_id)
    return beyond(reach, one.message.message_class, one.steps, lines) or one


async def take(
    tx: Transaction, world: World, workspace_id: int, asked: Sequence[MessageInput], now: int
) -> list[Case]:
    """Accept messages within another transaction, after which the lines are woken; those that could be."""
    return [one for one in await take_each(tx, world, workspace_id, asked, now) if isinstance(one, Case)]


async def take_each(
    tx: Transaction,
    world: World,
    workspace_id: int,
    asked: Sequence[MessageInput],
    now: int,
    reaches: Sequence[Reach] = (),
) -> list[Case | Problem]:
    """The same; each of them, or what is wrong with it, in order. `reaches`: how far who asks for each may
    go; none: as far as they like."""
    made = await prepare(
        tx, world, workspace_id, asked, now, partial(course.version, tx, world, workspace_id, now, {})
    )
    if reaches:
        made = [bounded(world, reach, one) for reach, one in zip(reaches, made, strict=True)]
    await _write(tx, Straight(world), workspace_id, [one for one in made if isinstance(one, Case)], now)
    return made


async def _write(
    tx: Transaction, at_once: Straight, workspace_id: int, cases: Sequence[Case], now: int
) -> None:
    new = {case.contact.id: case.contact for case in cases if case.contact and case.contact.created_at == now}
    unknown = new.keys() - (await contact_store.by_ids(tx, workspace_id, new)).keys() if new else set()
    await contact_store.insert(tx, workspace_id, [new[contact_id] for contact_id in unknown])
    await message_store.insert(tx, [case.message for case in cases])
    async with at_once.claiming(tx, workspace_id, created(cases), now):
        await write_new(tx, cases)


# ── preparing ────────────────────────────────────────────────────────────────────────────────────────


class Names(msgspec.Struct):
    """What the names in a batch of messages stand for; found out once for all messages that use one."""

    templates: dict[str, Taken]
    cascades: dict[str, Cascade]
    channel_of_line: dict[str, str]
    alike: Alike
    courses: dict[tuple[str, str, str], Course] = {}  # by cascade, channel and line
    unfit: dict[tuple[str, str, MessageClass], str] = {}  # channel, line, class -> why none can carry it
    purse: budgets.Purse | None = None  # what may be spent


async def prepare(
    tx: Transaction,
    world: World,
    workspace_id: int,
    asked: Sequence[MessageInput],
    now: int,
    numbering: Numbering | None,
) -> list[Case | Problem]:
    """Each message with its first step planned, or what is wrong with it.

    Writes nothing but what `numbering` does, which gives steps of their own a version; None: nothing is kept.
    """
    names = Names(
        await taken(tx, world, workspace_id, {m.template for m in asked} - {""}, now),
        await cascades.by_names(tx, workspace_id, {m.cascade for m in asked} - {""}),
        {line.name: line.channel for line in world.lines.of(workspace_id)},
        Alike(world, now),
    )
    names.purse = await budgets.purse(tx, world, workspace_id, now, hold=numbering is not None)
    meant = await contacts.resolve(tx, world.ground.ids, workspace_id, [m.to for m in asked], now)
    people = [person for person, _ in meant]
    relayed = _relayed(world, workspace_id, zip(asked, people, strict=True), names, now)
    known = await permission.of_contacts(tx, world, workspace_id, people, now, relayed)
    made: list[Case | Problem] = []
    minted = world.ground.ids.mint_many(len(asked))
    for one, (person, named), message_id in zip(asked, meant, minted, strict=True):
        way = _course(world, one, names)
        wrong = [*_flaws(one, now), *way.wrong]
        if unfit := misfit(one.template, one.message_class, names.templates):
            wrong.append(unfit)
        if isinstance(person, FieldProblem):
            wrong.append(person)
        if wrong or isinstance(person, FieldProblem):
            made.append(_invalid(wrong))
            continue
        if numbering is not None and not way.version_id:
            way.version_id = await numbering(way.steps)
        made.append(_case(world, workspace_id, message_id, one, person, named, way, names, known, now))
    return made


def _relayed(
    world: World,
    workspace_id: int,
    asked: Iterable[tuple[MessageInput, Contact | FieldProblem]],
    names: Names,
    now: int,
) -> set[int]:
    """The contacts of which something may be remembered, and to whom a message has several ways."""
    if not world.policies.of(workspace_id).reachability.enabled:
        return set()
    return {
        person.id
        for one, person in asked
        if isinstance(person, Contact)
        and person.created_at != now
        and len(one.steps or _course(world, one, names).steps) > 1
    }


def _flaws(one: MessageInput, now: int) -> Iterator[FieldProblem]:
    """What is wrong with a message by itself."""
    said = bool(one.text or one.image_url) + bool(one.template) + bool(one.variants)
    ways = bool(one.cascade) + bool(one.steps) + bool(one.channel) + bool(one.line)
    if said != 1 or ways != 1:
        yield from _flaws_of_names(one)
    if len(one.text) > TEXT_MAX:
        yield _flaw("text", "is too long", one.text, f"at most {TEXT_MAX} characters")
    if NOT_IN_TEXT.search(one.text):
        yield _flaw("text", "has control characters", one.text, "take them out")
    if one.image_url and not IMAGE_URL.fullmatch(one.image_url):
        yield _flaw(
            "image_url", "is no address of a picture", one.image_url, "http or https, at most 2048 characters"
        )
    yield from _flaws_of_label(one.label)
    if len(one.reference) > REFERENCE_MAX:
        yield _flaw("reference", "is too long", one.reference, f"at most {REFERENCE_MAX} characters")
    if one.locale and not LOCALE.fullmatch(one.locale):
        yield _flaw("locale", "is not a locale", one.locale, "such as fa, uk or en-GB")
    size = len(msgspec.json.encode(one.variables)) if one.variables else 0
    if size > VARIABLES_BYTES_MAX:
        yield _flaw("variables", "are too large", f"{size} bytes", f"at most {VARIABLES_BYTES_MAX} bytes")
    if one.deadline_s is not None and not DEADLINE_MIN_S <= one.deadline_s <= DEADLINE_MAX_S:
        yield _flaw("deadline_s", "is out of range", one.deadline_s, f"1 to {DEADLINE_MAX_S:.0f} seconds")
    if one.send_at is not None:
        yield from _flaws_of_time(one.send_at, now)


def _flaws_of_time(at: datetime, now: int) -> Iterator[FieldProblem]:
    try:
        if at.tzinfo is None:
            yield _flaw("send_at", "has no time zone", at.isoformat(), "add Z or an offset")
        elif from_datetime(at) > now + micros(AHEAD_MAX_S):
            yield _flaw("send_at", "is too far ahead", at.isoformat(), "at most a year")
    except OverflowError:  # a year 1 or 9999 that its zone takes out of the calendar
        yield _flaw("send_at", "is out of range", at.isoformat(), "at most a year")


def _flaws_of_names(one: MessageInput) -> Iterator[FieldProblem]:
    """Whether it says what, and how, in one way each."""
    for names, problem in ((WORDINGS, "say it in exactly one way"), (WAYS, "name exactly one way to send")):
        given = [name for name in names if getattr(one, name) or (name == "text" and one.image_url)]
        if len(given) != 1:
            field = given[0] if given else names[0]
            yield _flaw(field, problem, ", ".join(given), "one of " + ", ".join(names))


def _flaws_of_label(label: str) -> Iterator[FieldProblem]:
    if len(label) > LABEL_MAX:
        yield _flaw("label", "is too long", label, f"at most {LABEL_MAX} characters")
    if label.startswith(OF_CAMPAIGNS):  # its report, its pause and its end go by it
        yield _flaw("label", "begins as the id of a campaign does", label, "another label")


def _flaw(field: str, problem: str, value: object, remedy: str) -> FieldProblem:
    return FieldProblem(field, problem, remedy, shown(value))


def _course(world: World, one: MessageInput, names: Names) -> Course:
    """The steps of a message, resolved; steps of its own are settled for it alone."""
    if one.steps:
        settled, wrong = steps.settle(one.steps, world.channels, names.channel_of_line)
        return Course(settled, list(wrong))
    key = (one.cascade, one.channel, one.line)
    found = names.courses.get(key)
    if found is None:
        found = names.courses[key] = course.named(world, key, names.cascades, names.channel_of_line)
    return found


def _case(
    world: World,
    workspace_id: int,
    message_id: int,
    one: MessageInput,
    person: Contact,
    named: str,
    way: Course,
    names: Names,
    known: Permissions,
    now: int,
) -> Case | Problem:
    """The message with its first step planned; a Problem when it could never be sent as it is asked for."""
    template = names.templates.get(one.template)
    wording = _wording(one)
    message = _message(
        world, workspace_id, message_id, one, person, named, way.version_id, template, wording, now
    )
    words = template.words if template else Worded(wording.variants)
    case = Case(message, [], way.steps, person, wording, words.variants, words.default_locale, known)
    if not wording.literal or message.message_class is MessageClass.PROMOTIONAL:
        case.unsubscribe_url = unsubscribe.url(world, message)
    case.tracking = tracking.of(world, message, one.track)
    untracked = tracking.misfit(world, message, one.track)
    if untracked is not None:
        return _invalid([untracked])
    wrong = _never(world, case, names)
    if wrong:
        return _invalid(wrong)
    case.hear("accepted", now, {"class": message.message_class.value}, {"contact": message.contact_id})
    if message.decide_at is None:
        case.purse = names.purse
        names.alike.plan(case)
    return case


def _wording(one: MessageInput) -> Wording:
    if one.text or one.image_url:
        content = Content(text=one.text, image_url=one.image_url)
        return Wording(variants=(Variant(content),), literal=True, track=one.track)
    return Wording(one.variables, one.variants, track=one.track)


def _message(
    world: World,
    workspace_id: int,
    message_id: int,
    one: MessageInput,
    person: Contact,
    named: str,
    version_id: int,
    template: Taken | None,
    wording: Wording,
    now: int,
) -> Message:
    send_at = from_datetime(one.send_at) if one.send_at else now
    later = send_at > now
    message_class = one.message_class or (template.message_class if template else None)
    assert message_class is not None  # wording.misfit
    deadline_s = one.deadline_s if one.deadline_s is not None else DEADLINE_S[message_class]
    return Message(
        workspace_id=workspace_id,
        id=message_id,
        contact_id=person.id,
        message_class=message_class,
        state=MessageState.SCHEDULED if later else MessageState.QUEUED,
        reason="",
        label=one.label,
        reference=one.reference,
        template_version_id=template.version_id if template else 0,
        cascade_version_id=version_id,
        locale=one.locale or person.locale,
        words=seal_wording(world, workspace_id, message_class, message_id, wording),
        skips=(),
        cost_micros=0,
        currency="",
        expires_at=max(send_at, now) + micros(deadline_s),
        decide_at=send_at if later else None,
        created_at=now,
        finished_at=None,
        to_address=named,
    )


def _never(world: World, case: Case, names: Names) -> list[FieldProblem]:
    """Why a message could never be sent: no line may carry its class, or there are no words for any step."""
    assert case.contact is not None
    no_line, no_words = [], []
    for index, step in enumerate(case.steps):
        field = f"steps[{index}]" if len(case.steps) > 1 else ("line" if step.line else "channel")
        why = _unfit(world, case, step, names)
        if why:
            no_line.append(FieldProblem(field, why, remedy_for(why), step.line or step.channel))
            continue
        channel = world.channels[steps.kind_of(step, names.channel_of_line)]
        content = word(case, channel, case.contact, world.public_url)
        if isinstance(content, Unworded):
            no_words.append((field, content))
    broken = [problem for _, content in no_words for problem in content.problems]
    if broken:
        return broken
    if len(no_line) == len(case.steps) or (len(case.steps) == 1 and no_line):
        return no_line
    if len(no_words) + len(no_line) == len(case.steps):
        return [
            FieldProblem(field, content.detail, "add a variant to the template")
            for field, content in no_words
        ]
    return []


def _unfit(world: World, case: Case, step: Step, names: Names) -> str:
    """Why no line of a step may carry the class of a message; empty when one may."""
    message_class = case.message.message_class
    key = (step.channel, step.line, message_class)
    if key not in names.unfit:
        names.unfit[key] = unfit(world, case.message.workspace_id, step, message_class)
    return names.unfit[key]


def _invalid(wrong: Sequence[FieldProblem]) -> Problem:
    detail = "; ".join(f"{w.field}: {w.problem}" for w in wrong)
    return Problem("invalid", "The message is not valid", detail=detail, fields=tuple(wrong))
