"""A message with all that a decision needs: taken from the database, changed in memory, written back.

`load` holds the rows of the message and of its attempts to the end of the transaction, so that of two events
that come at the same moment the second sees what the first decided.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import structlog

from angarium.contacts.store import Contact
from angarium.content.rules import Variant, pick
from angarium.core import kept
from angarium.core.clock import micros
from angarium.core.ports import Accepted, Charged, Outcome, Refused, Unknown
from angarium.core.problems import FieldProblem
from angarium.core.values import Content, Json, MessageClass, Price, Reason, amount_text
from angarium.messaging.billing import Bill, settle
from angarium.messaging.budgets import NOWHERE, Purse, Stand, move, stand, tell
from angarium.messaging.cascade import Run, Step, Try
from angarium.messaging.links import Tracking
from angarium.messaging.permission import NOTHING, Permissions
from angarium.messaging.states import AttemptState
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import links as link_store
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.inbox import Entry
from angarium.messaging.store.messages import NOBODY_ID, Message
from angarium.messaging.world import LOOKS_EVERY_S, Wording, World, planner_topic, topic
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.vault import NotOpened

log = structlog.get_logger()


_encode = msgspec.json.Encoder().encode
PICKED_MAX = 10_000
PICKED: dict[tuple[int, str, str, str], Variant | None] = {}


class Unworded(msgspec.Struct, frozen=True):
    """There are no words for this channel; `problems` names the fields of a template that does not render."""

    detail: str
    problems: tuple[FieldProblem, ...] = ()


class Case(msgspec.Struct):
    """One message with everything that a decision needs, and what has been decided so far."""

    message: Message
    attempts: list[Attempt]
    steps: tuple[Step, ...]
    contact: Contact | None = None
    wording: Wording | None = None
    variants: tuple[Variant, ...] = ()
    default_locale: str = ""  # of its template
    permissions: Permissions = NOTHING
    unsubscribe_url: str = ""
    tracking: Tracking | None = None  # what is counted of it; None when nothing is
    rendered: dict[str, Content | Unworded] = {}  # by channel
    unlinked: dict[str, Content] = {}  # the same before links that are counted were put in
    created: list[Attempt] = []
    changed: dict[int, Attempt] = {}
    events: list[tuple[str, int, Json, Json]] = []  # what was heard: kind, when, details, and its own
    decisions: list[Json] = []  # what was decided upon it
    bills: list[Bill] = []  # what the provider charges for now
    purse: Purse | None = None  # what may be spent; None where there is no budget
    stood: dict[int, Stand] = {}  # attempt -> where its price was before it was changed
    turns: dict[int, tuple[bytes, int, int]] = {}  # attempt -> its turn before it was changed
    words: bytes | None = None  # of the message, as they were read

    @property
    def erased(self) -> bool:
        """Whether its person has been erased: what is heard of it is not written down any more."""
        return self.message.contact_id == NOBODY_ID

    def run(self) -> Run:
        """What the cascade looks at."""
        message = self.message
        return Run(
            message.message_class,
            self.steps,
            message.expires_at,
            tuple(_as_try(attempt) for attempt in self.attempts if not _taken_back(attempt)),
            message.skips,
        )

    def picked(self, channel: str, locale: str, group: str, fallback: str) -> Variant | None:
        """The variant for a channel and a locale, else for a fall-back locale.

        It is looked for once in each version of a template, which never changes.
        """
        if not self.message.template_version_id:
            return self._pick(channel, locale, group, fallback)
        key = (self.message.template_version_id, channel, locale, fallback)
        if key not in PICKED:
            if len(PICKED) >= PICKED_MAX:
                PICKED.clear()
            PICKED[key] = self._pick(channel, locale, group, fallback)
        return PICKED[key]

    def _pick(self, channel: str, locale: str, group: str, fallback: str) -> Variant | None:
        found = pick(self.variants, channel, locale, group, self.default_locale)
        if found is None and fallback:
            return pick(self.variants, channel, fallback, group)
        return found

    def attempt(self, attempt_id: int) -> Attempt:
        """One of its attempts, about to be changed."""
        for attempt in self.attempts:
            if attempt.id == attempt_id:
                if attempt_id not in self.changed:
                    self.changed[attempt_id] = attempt
                    self.turns[attempt_id] = attempt_store.turn(attempt)
                if attempt.budgets and attempt_id not in self.stood:
                    self.stood[attempt_id] = stand(attempt)
                return attempt
        raise KeyError(attempt_id)

    def record(self, kind: str, now: int, **details: object) -> None:
        """Note something that was heard of this message."""
        self.hear(kind, now, details, {})

    def hear(self, kind: str, now: int, details: Json, own: Json) -> None:
        """The same, where what is `own` is said of no other message, and the details of many at once."""
        self.events.append((kind, now, details, own))

    def facts(self) -> list[Fact]:
        """What was heard, as facts; the last one carries the decisions and the state that they led to."""
        if not self.events:
            return []
        *before, (kind, at, heard, own) = self.events
        message = self.message
        common = {**heard, "state": message.state, "finished": message.finished_at is not None}
        if self.bills:
            common["billed"] = [_told_bill(bill) for bill in self.bills]
        common["decisions"] = self.decisions
        last = self._fact(kind, at, own, _encode(common))
        if not before:
            return [last]
        return [*[self._fact(kind, at, {**heard, **own}) for kind, at, heard, own in before], last]

    def _fact(self, kind: str, at: int, own: Json, common: bytes = b"") -> Fact:
        message = self.message
        return Fact(message.workspace_id, f"message.{kind}", message.id, at, _encode(own), common)

    def bill(self, attempt: Attempt, billed_on: str, event: str, now: int, *, parts: int = 0) -> None:
        """Have it billed once, when the provider charges for it: on acceptance or on delivery.

        `parts`: those that were planned, if they turned out to be others.
        """
        if billed_on == event and attempt.billed_at is None:
            attempt.billed_at = now
            self.bills.append(Bill(self.message, attempt, parts or attempt.parts))

    def correct(self, attempt: Attempt, told: Price | None, charged: Charged | None = None) -> None:
        """Have a bill corrected by the provider's own price; nothing in no currency: it does not charge.

        `charged`: as what, which a bill that is being made goes by.
        """
        if charged is not None and (pending := self._pending(attempt)) is not None:
            pending.charged = charged
        if told is None or attempt.billed_at is None or told.currency not in ("", attempt.currency):
            return
        pending = self._pending(attempt)
        if pending is not None:
            pending.told = told
        elif told.micros != attempt.cost_micros:
            self.bills.append(Bill(self.message, attempt, attempt.parts, told, first=False))

    def _pending(self, attempt: Attempt) -> Bill | None:
        return next((bill for bill in self.bills if bill.attempt is attempt), None)


def _told_bill(bill: Bill) -> Json:
    """A bill in the timeline: what it cost, and by which row."""
    attempt = bill.attempt
    told: Json = {
        "step": attempt.step + 1,
        "amount": amount_text(attempt.cost_micros),
        "currency": attempt.currency,
        "by": bill.words,
    }
    return told if bill.charged is None else {**told, "charged": bill.charged.words}


def _taken_back(attempt: Attempt) -> bool:
    """Whether it was queued in the place of one that had been taken; the cascade goes on as if without it."""
    return attempt.state is AttemptState.CANCELLED and attempt.reason == Reason.ANSWERED


def _as_try(attempt: Attempt) -> Try:
    return Try(
        attempt.step,
        attempt.state,
        attempt.planned_at,
        attempt.line_id,
        Reason(attempt.reason) if attempt.reason else None,
        attempt.accepted_at,
        attempt.ended_at,
    )


# ── in and out of the database ───────────────────────────────────────────────────────────────────────


async def load(
    tx: Transaction, world: World, workspace_id: int, message_ids: Iterable[int]
) -> dict[int, Case]:
    """Messages by id, their rows and those of their attempts held until the end of the transaction."""
    held = await message_store.hold(tx, workspace_id, list(message_ids))
    cases = {message.id: Case(message, [], (), words=message.words) for message in held}
    for attempt in await attempt_store.hold(tx, workspace_id, list(cases)):
        cases[attempt.message_id].attempts.append(attempt)
    await world.versions.load(tx, workspace_id, {m.cascade_version_id for m in held}, set())
    for case in cases.values():
        case.steps = world.versions.steps[case.message.cascade_version_id]
    return cases


async def write(tx: Transaction, world: World, cases: Sequence[Case]) -> None:
    """Write what has been decided of messages that were there before, and bill what is to be billed."""
    await settle(tx, world, [bill for case in cases for bill in case.bills])
    await _save(tx, cases)
    await write_new(tx, cases)


async def _save(tx: Transaction, cases: Sequence[Case]) -> None:
    """Most only stand otherwise than before; few have other words, or another turn."""
    reworded = [case.message for case in cases if case.message.words is not case.words]
    await message_store.save(tx, reworded)
    await message_store.save_standing(tx, [one.message for one in cases if one.message.words is one.words])
    again: list[Attempt] = []
    standing: list[Attempt] = []
    for case in cases:
        for attempt in case.changed.values():
            if attempt not in case.created:
                as_before = case.turns[attempt.id] == attempt_store.turn(attempt)
                (standing if as_before else again).append(attempt)
    await attempt_store.save(tx, again)
    await attempt_store.save_standing(tx, standing)


async def write_new(tx: Transaction, cases: Sequence[Case]) -> None:
    """Write newly planned attempts with the links in them, the facts, and what became of budgets."""
    await attempt_store.insert(tx, created(cases))
    await _keep_links(tx, cases)
    told = await _spend(tx, cases)
    await facts.append(tx, [fact for case in cases for fact in case.facts()] + told)


async def _keep_links(tx: Transaction, cases: Sequence[Case]) -> None:
    """Write the tokens of links that go out; one that was made for words which do not is forgotten."""
    new = [
        link_store.Link(case.message.workspace_id, case.message.id, link_id, url)
        for case, tracked in ((one, one.tracking) for one in cases if one.tracking and one.created)
        for url, link_id in tracked.new.items()
        if any(tracked.tokens[url].encode() in attempt.content for attempt in case.created)
    ]
    if new:
        await link_store.keep(tx, new)


async def _spend(tx: Transaction, cases: Sequence[Case]) -> list[Fact]:
    """Move in their budgets the prices of attempts that are new or changed; what is to be told of budgets."""
    known = next((case.purse for case in cases if case.purse is not None), None)
    counted = {
        attempt.id: (case.stood.get(attempt.id, NOWHERE), attempt)
        for case in cases
        for some in (case.changed.values(), case.created)
        for attempt in some
        if attempt.budgets
    }
    if not counted and known is None:
        return []
    workspace_id = cases[0].message.workspace_id
    await move(tx, workspace_id, counted.values(), known)
    return [] if known is None else await tell(tx, workspace_id, known)


def wake(world: World, cases: Iterable[Case]) -> None:
    """After the commit: tell the lines on which something is due."""
    wake_lines(world, lines_due(cases))


def created(cases: Iterable[Case]) -> list[Attempt]:
    """The attempts that were planned now."""
    return [attempt for case in cases for attempt in case.created]


def lines_due(cases: Iterable[Case]) -> set[int]:
    """The lines on which something is due."""
    return {attempt.line_id for case in cases for attempt in case.created}


def wake_lines(world: World, line_ids: Iterable[int]) -> None:
    """After the commit: tell these lines."""
    for line_id in line_ids:
        world.ground.fabric.wake(topic(line_id))


def wake_planner(world: World, cases: Iterable[Case]) -> None:
    """After the commit: tell the planner, if one of them is due before it would look by itself."""
    by_workspace: dict[int, int] = {}
    for case in cases:
        due_at, workspace_id = case.message.decide_at, case.message.workspace_id
        if due_at is not None:
            by_workspace[workspace_id] = min(due_at, by_workspace.get(workspace_id, due_at))
    wake_planner_for(world, by_workspace)


def wake_planner_for(world: World, due: Mapping[int, int]) -> None:
    """The same, by when the first is due in each workspace."""
    soon = world.ground.clock.now() + micros(LOOKS_EVERY_S)  # whoever is at work, or elsewhere, sees it then
    for workspace_id, due_at in due.items():
        if due_at < world.looks_at.get(workspace_id, soon):
            world.ground.fabric.wake(planner_topic(workspace_id))


# ── words at rest ────────────────────────────────────────────────────────────────────────────────────


CODE_MASK = "••••••"  # what is shown instead of the text of a code
WITH_DIGITS = re.compile(r"\w*\d\w*")
CODE_MIN = 4  # characters


def muted(outcome: Outcome) -> Outcome:
    """An outcome without anything that a provider says of a person who has been erased."""
    match outcome:
        case Accepted():
            return Accepted()
        case Refused():
            return msgspec.structs.replace(outcome, code="", detail="")
        case Unknown():
            return Unknown("")


def discreet(world: World, attempt: Attempt, outcome: Outcome) -> Outcome:
    """An outcome without the code that its words repeat: what a provider says is kept and shown."""
    is_code = attempt.message_class is MessageClass.OTP
    if not is_code or isinstance(outcome, Accepted) or not outcome.detail:
        return outcome
    content = open_content(world, attempt)
    detail = outcome.detail
    for word in WITH_DIGITS.findall(f"{content.subject} {content.text}"):
        if len(word) >= CODE_MIN:
            detail = detail.replace(word, CODE_MASK)
    return msgspec.structs.replace(outcome, detail=detail)


def content_cell(workspace_id: int, attempt_id: int) -> str:
    """Where the words of an attempt open."""
    return f"{workspace_id}/attempt/{attempt_id}/content"


def wording_cell(workspace_id: int, message_id: int) -> str:
    """Where the words of a message open."""
    return f"{workspace_id}/message/{message_id}/words"


def callback_cell(workspace_id: int, entry_id: int) -> str:
    """Where what a provider said opens."""
    return f"{workspace_id}/journal/{entry_id}/body"


def seal_content(world: World, message: Message, attempt_id: int, content: Content) -> bytes:
    """The rendered words of an attempt as they are kept; those of a code are sealed."""
    plain = msgspec.json.encode(content)
    if message.message_class is not MessageClass.OTP:
        return plain
    return world.ground.vault.seal(plain, content_cell(message.workspace_id, attempt_id)).encode()


def open_content(world: World, attempt: Attempt) -> Content:
    """The rendered words of an attempt; empty once they have been forgotten."""
    if not attempt.content:
        return Content()
    plain = attempt.content
    if attempt.message_class is MessageClass.OTP:
        plain = world.ground.vault.open(plain.decode(), content_cell(attempt.workspace_id, attempt.id))
    return kept.read(plain, Content)


def seal_callback(world: World, entry: Entry) -> Entry:
    """A callback as it is kept: providers repeat the words of a message in what they tell of it."""
    sealed = world.ground.vault.seal(entry.raw.body, callback_cell(entry.workspace_id, entry.id)).encode()
    return msgspec.structs.replace(entry, raw=msgspec.structs.replace(entry.raw, body=sealed))


def open_callback(world: World, entry: Entry) -> Entry:
    """A callback as it came; without its bytes when they are sealed with a key that is gone."""
    try:
        body = world.ground.vault.open(
            entry.raw.body.decode("latin-1"), callback_cell(entry.workspace_id, entry.id)
        )
    except NotOpened:
        log.exception("a callback that was journalled does not open", journal=entry.id)
        body = b""
    return msgspec.structs.replace(entry, raw=msgspec.structs.replace(entry.raw, body=body))


def seal_wording(
    world: World, workspace_id: int, message_class: MessageClass, message_id: int, wording: Wording
) -> bytes:
    """A message's words as they are kept; those of a code are sealed."""
    plain = msgspec.json.encode(wording)
    if message_class is not MessageClass.OTP:
        return plain
    return world.ground.vault.seal(plain, wording_cell(workspace_id, message_id)).encode()


def open_wording(world: World, message: Message) -> Wording:
    """A message's words; empty once they have been forgotten."""
    if not message.words:
        return Wording()
    plain = message.words
    if message.message_class is MessageClass.OTP:
        plain = world.ground.vault.open(plain.decode(), wording_cell(message.workspace_id, message.id))
    return kept.read(plain, Wording)
