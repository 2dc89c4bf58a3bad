"""What providers and customers say: journal it, answer, then work it through.

Order of things: the raw bytes are committed to the journal; only then is the provider answered; then the
channel reads them (pure) and what was read is applied. A crash in between leaves a journal entry that the
next start works through. A receipt that fits no attempt is parked, and matched when the answer to its
submission is recorded, or as evidence for an attempt that was never answered.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
import structlog

from angarium.content import registering
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.ports import Allowance, Event, Inbound, Raw, Receipt, TemplateNews, Unreadable, Watermark
from angarium.core.values import Json, MessageClass, Reason
from angarium.lines.store import Line
from angarium.messaging import allowance, bounces, evidence, inbound, plan, poison, receipts, watermark
from angarium.messaging.case import Case, load, seal_callback, wake, write
from angarium.messaging.receipts import Applied, Contradiction, Same
from angarium.messaging.states import AttemptState
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import inbox
from angarium.messaging.store.attempts import Attempt, Part, Unanswered
from angarium.messaging.store.inbox import Closed, Entry, Parked
from angarium.messaging.world import World
from angarium.storage.database import Transaction

log = structlog.get_logger()

# A parked receipt is evidence for an unanswered attempt to the same address within this time.
EVIDENCE_S = 3600.0


class Word(msgspec.Struct, frozen=True):
    """One receipt with the attempt that it speaks of."""

    workspace_id: int
    attempt_id: int
    message_id: int
    receipt: Receipt
    part: Part | None
    inferred: bool = False  # found by evidence, not by reference
    entry_id: int = 0  # the callback that said it; 0: not known


class Read(msgspec.Struct, frozen=True):
    """A journal entry as its channel read it."""

    entry: Entry
    line: Line | None
    events: list[Event]


# ── journalling ──────────────────────────────────────────────────────────────────────────────────────


def entry(world: World, line: Line, raw: Raw) -> Entry:
    """A callback as a journal entry."""
    return Entry(line.workspace_id, world.ground.ids.mint(), line.id, raw, world.ground.clock.now())


async def journal(world: World, entries: Sequence[Entry]) -> None:
    """Commit callbacks to the journal; when it returns their providers may be answered."""
    for workspace_id in {e.workspace_id for e in entries}:
        ours = [seal_callback(world, e) for e in entries if e.workspace_id == workspace_id]
        await world.ground.db.run(inbox.write_journal, ours)


# ── working through ──────────────────────────────────────────────────────────────────────────────────


async def work_through(world: World, entries: Sequence[Entry]) -> None:
    """Read journalled callbacks and apply what they say, in one transaction per workspace."""
    read = [read_entry(world, e) for e in entries]
    for workspace_id in sorted({r.entry.workspace_id for r in read}):
        ours = [r for r in read if r.entry.workspace_id == workspace_id]
        now = world.ground.clock.now()
        cases = await world.ground.db.run(_apply, world, workspace_id, ours, now)
        hear(world, cases, now)
        wake(world, cases)


def hear(world: World, cases: Iterable[Case], now: int) -> None:
    """After the commit: let it be known how lines are doing by the verdicts that came just now."""
    for case in cases:
        for attempt in case.changed.values():
            line = world.lines.get(attempt.line_id)
            if line is not None:
                world.ear.receipt(line, attempt, now)


async def give_up(world: World, one: Entry, why: str) -> None:
    """Of a callback that breaks what works on it, apply what can be; it stays in the journal, with why."""
    read = read_entry(world, one)
    for event in read.events if len(read.events) > 1 else []:
        alone, now = msgspec.structs.replace(read, events=[event]), world.ground.clock.now()
        try:
            wake(world, await world.ground.db.run(_apply, world, one.workspace_id, [alone], now))
        except Exception as error:
            if poison.is_away(error):
                raise
            log.exception("a piece of a callback broke", journal=one.id)
    closed = Closed(one.id, why, about_code=False)  # what is known to be, its piece has seen to
    await world.ground.db.run(inbox.close_journal, one.workspace_id, [closed])


def read_entry(world: World, one: Entry) -> Read:
    """What a callback says; a channel that cannot read it says so, and one that breaks is reported."""
    line = world.lines.get(one.line_id)
    if line is None:
        return Read(one, None, [Unreadable("the line has been deleted", "")])
    try:
        return Read(one, line, world.channels[line.channel].parse(world.settings(line), one.raw))
    except Exception as error:
        log.exception("a channel could not read a callback", channel=line.channel, journal=one.id)
        return Read(one, line, [Unreadable(f"{type(error).__name__}: {error}", "")])


async def _apply(
    tx: Transaction, world: World, workspace_id: int, read: Sequence[Read], now: int
) -> list[Case]:
    await hold_lines(tx, {one.entry.line_id for one in read})
    for one in read:
        news = [event for event in one.events if isinstance(event, TemplateNews)]
        if news and one.line is not None:
            await registering.hear(tx, world.ground, workspace_id, one.line.channel, one.line.id, news, now)
    by_line: dict[int, list[Receipt]] = defaultdict(list)
    said_by: dict[int, int] = {}
    cases: list[Case] = []
    for one in read:
        for event in one.events:
            told = [event] if isinstance(event, Receipt) else []
            if isinstance(event, Inbound) and one.line is not None:
                cases += await inbound.hear(tx, world, one.line, event, now)
            elif isinstance(event, Allowance) and one.line is not None:
                cases += await allowance.heed(tx, world, one.line, event, now)
            elif isinstance(event, Watermark) and one.line is not None:
                told = await watermark.receipts_below(tx, world, one.line, event)
            by_line[one.entry.line_id] += told
            said_by |= {id(receipt): one.entry.id for receipt in told}
    words: list[Word] = []
    for line_id, found in by_line.items():
        words += await _match(tx, world, workspace_id, line_id, found, said_by, now)
    for sender_id in sorted({word.workspace_id for word in words}):
        theirs = [word for word in words if word.workspace_id == sender_id]
        cases += await apply_words(tx, world, sender_id, theirs, now)
    codes = {case.message.id for case in cases if _is_discreet(case)}
    about_codes = {id(word.receipt) for word in words if word.message_id in codes}
    await inbox.close_journal(
        tx,
        workspace_id,
        [Closed(one.entry.id, _not_understood(one), _is_about(one, about_codes)) for one in read],
    )
    return cases


async def answered(tx: Transaction, world: World, line: Line, told: list[Receipt], now: int) -> list[Case]:
    """Apply what a provider said of attempts when it was asked; the cases that were touched."""
    await hold_lines(tx, {line.id})
    nobody = {id(one): 0 for one in told}  # no callback said it
    words = await _match(tx, world, line.workspace_id, line.id, told, nobody, now)
    cases: list[Case] = []
    for sender_id in sorted({word.workspace_id for word in words}):
        theirs = [word for word in words if word.workspace_id == sender_id]
        cases += await apply_words(tx, world, sender_id, theirs, now)
    return cases


def _is_discreet(case: Case) -> bool:
    """Whether what a provider says of it is not kept: it is a code, or its person has been erased."""
    return case.message.message_class is MessageClass.OTP or case.erased


def _is_about(one: Read, receipts: set[int]) -> bool:
    return any(id(event) in receipts for event in one.events)


def _not_understood(one: Read) -> str:
    return "; ".join(event.detail for event in one.events if isinstance(event, Unreadable))


async def hold_lines(tx: Transaction, line_ids: Collection[int]) -> None:
    """Whoever parks a receipt, or learns what parked ones wait for, does so alone on its line.

    Else, side by side, the one parks a receipt whose reference the other has not committed yet, the other
    does not see the receipt, and the two never meet.
    """
    for line_id in sorted(line_ids):
        await tx.hold(line_id)


async def _match(
    tx: Transaction,
    world: World,
    workspace_id: int,
    line_id: int,
    found: list[Receipt],
    said_by: Mapping[int, int],
    now: int,
) -> list[Word]:
    """Find the attempts that receipts speak of, of every workspace that sends on the line or did; park with
    the line's owner the receipts of which none is known. `said_by`: callbacks by the `id()` of a receipt."""
    everybody = world.lines.everybody(line_id)
    by_ref = await attempt_store.by_refs(tx, everybody, line_id, [r.ref for r in found if r.ref])
    own = {r.client_ref: _own_id(r.client_ref) for r in found if r.client_ref and r.ref not in by_ref}
    messages = await attempt_store.messages_of(tx, everybody, line_id, [i for i in own.values() if i])
    words, homeless = [], []
    for receipt in found:
        if receipt.ref in by_ref:
            part, message_id, sender_id = by_ref[receipt.ref]
            entry_id = said_by[id(receipt)]
            words.append(Word(sender_id, part.attempt_id, message_id, receipt, part, entry_id=entry_id))
        elif (attempt_id := own.get(receipt.client_ref, 0)) in messages:
            sender_id, message_id = messages[attempt_id]
            entry_id = said_by[id(receipt)]
            words.append(Word(sender_id, attempt_id, message_id, receipt, None, entry_id=entry_id))
        else:
            homeless.append(receipt)
    inferred, left = await _infer(tx, everybody, line_id, homeless, said_by)
    await inbox.park(tx, workspace_id, [Parked(line_id, one, now, said_by[id(one)]) for one in left])
    return words + inferred


def _own_id(client_ref: str) -> int:
    try:
        return ids.read("attempt", client_ref)
    except ValueError:
        return 0


async def _infer(
    tx: Transaction,
    everybody: Sequence[int],
    line_id: int,
    homeless: list[Receipt],
    said_by: Mapping[int, int],
) -> tuple[list[Word], list[Receipt]]:
    """A receipt to an address with exactly one unanswered attempt on this line is taken to be about it.

    While another one to the address is on its way the receipt may be about that one: it is parked until then.
    """
    addressed = [r for r in homeless if r.address]
    if not addressed:
        return [], homeless
    candidates = await _unanswered(tx, everybody, line_id, {r.address for r in addressed})
    words, left = [], []
    for receipt in homeless:
        match candidates.get(receipt.address):
            case [Unanswered(state=AttemptState.UNKNOWN) as only]:
                about = (only.workspace_id, only.attempt_id, only.message_id)
                words.append(Word(*about, receipt, None, inferred=True, entry_id=said_by[id(receipt)]))
            case _:
                left.append(receipt)
    return words, left


async def _unanswered(
    tx: Transaction, everybody: Sequence[int], line_id: int, addresses: Iterable[str]
) -> dict[str, list[Unanswered]]:
    """Attempts without an answer, or without one yet, by address."""
    found: dict[str, list[Unanswered]] = defaultdict(list)
    for one in await attempt_store.unanswered_at(tx, everybody, line_id, sorted(addresses)):
        found[one.address].append(one)
    return found


# ── applying ─────────────────────────────────────────────────────────────────────────────────────────


async def apply_words(
    tx: Transaction, world: World, workspace_id: int, words: Sequence[Word], now: int
) -> list[Case]:
    """Apply receipts to their attempts, decide what follows, write it; the cases that were touched."""
    cases = await load(tx, world, workspace_id, {word.message_id for word in words})
    of_somebody = {message_id for message_id, case in cases.items() if not case.erased}
    await tell(tx, world, workspace_id, cases, [one for one in words if one.message_id in of_somebody], now)
    touched = list(cases.values())
    await plan.advance(tx, world, touched, now)
    await write(tx, world, touched)
    return touched


async def tell(
    tx: Transaction,
    world: World,
    workspace_id: int,
    cases: Mapping[int, Case],
    words: Sequence[Word],
    now: int,
) -> None:
    """Tell cases what was heard of them. A reference that is new may match receipts parked before."""
    if not words:
        return
    several = [word.attempt_id for word in words if word.part is None and _attempt(cases, word).parts > 1]
    known = await attempt_store.parts_of(tx, workspace_id, several) if several else {}
    learned = _learned_parts(cases, words, known)
    await attempt_store.insert_parts(tx, workspace_id, learned)
    everything = [*words, *await parked_words(tx, world, workspace_id, cases, learned)]
    siblings = await _siblings(tx, workspace_id, everything, learned)
    for word in everything:
        _apply_word(world, cases[word.message_id], word, siblings, now)
    said = [
        (_attempt(cases, one), one.receipt.reason, one.receipt.code)
        for one in everything
        if one.receipt.reason is not None
    ]
    await bounces.note(tx, world, workspace_id, said, now)
    await attempt_store.save_parts(tx, workspace_id, [p for parts in siblings.values() for p in parts])


async def _siblings(
    tx: Transaction, workspace_id: int, words: Sequence[Word], learned: Sequence[Part]
) -> dict[int, list[Part]]:
    """All parts of the texts of several parts that are spoken of, by attempt."""
    spoken_of = [*learned, *(word.part for word in words if word.part is not None)]
    several = {part.attempt_id for part in spoken_of if part.total > 1}
    return await attempt_store.parts_of(tx, workspace_id, list(several)) if several else {}


def _learned_parts(
    cases: Mapping[int, Case], words: Sequence[Word], known: Mapping[int, Sequence[Part]]
) -> list[Part]:
    """References learned from a receipt that named our own reference or was inferred.

    Each speaks of one part of its text: the answers to the others may be late too, and until all are known,
    those that are missing may be what the next receipt to the address is about.
    """
    learned: dict[tuple[int, str], Part] = {}
    words = [word for word in words if word.part is None and word.receipt.ref]
    numbers = Counter({attempt_id: len(parts) for attempt_id, parts in known.items()})
    for word in words:
        attempt = _attempt(cases, word)
        key = (attempt.line_id, word.receipt.ref)
        if key not in learned:
            numbers[attempt.id] += 1
            number, total = (numbers[attempt.id], attempt.parts) if attempt.parts > 1 else (1, 1)
            learned[key] = Part(*key, attempt.id, number, total, AttemptState.ACCEPTED)
    return list(learned.values())


def _attempt(cases: Mapping[int, Case], word: Word) -> Attempt:
    return cases[word.message_id].attempt(word.attempt_id)


def _apply_word(world: World, case: Case, word: Word, siblings: Mapping[int, list[Part]], now: int) -> None:
    attempt = case.attempt(word.attempt_id)
    news = receipts.STATE_OF[word.receipt.status]
    parts = siblings.get(word.attempt_id)
    if parts:
        news = _news_of_whole(parts, word, news)
        if attempt.state is AttemptState.UNKNOWN and len(parts) < parts[0].total:
            return  # some of the text is known to have gone out, and nothing of the rest
    change = receipts.apply(attempt.state, news)
    if isinstance(change, Applied):
        _change(world, case, attempt, change.state, word.receipt, now)
    case.correct(attempt, word.receipt.price, word.receipt.charged)
    _note(world, case, attempt, word, change, now)


def _news_of_whole(parts: list[Part], word: Word, news: AttemptState) -> AttemptState:
    ref = word.receipt.ref if word.part is None else word.part.ref
    for part in parts:
        if part.ref == ref:
            change = receipts.apply(part.state, news)
            part.state = change.state if isinstance(change, Applied) else part.state
    return receipts.whole([part.state for part in parts])


def _change(
    world: World, case: Case, attempt: Attempt, state: AttemptState, receipt: Receipt, now: int
) -> None:
    billed_on = world.channels[attempt.channel].capabilities.billed_on
    attempt.state = state
    attempt.accepted_at = attempt.accepted_at or now
    case.bill(attempt, billed_on, "accepted", now)
    attempt.code = receipt.code
    if state is AttemptState.FAILED:
        attempt.reason, attempt.ended_at = (receipt.reason or Reason.UNDELIVERED).value, now
        return
    attempt.reason = attempt.detail = ""
    if state in (AttemptState.DELIVERED, AttemptState.READ):
        attempt.delivered_at = attempt.delivered_at or now
        attempt.read_at = now if state is AttemptState.READ else attempt.read_at
        attempt.late = attempt.late or int(_superseded(case, attempt))
        case.bill(attempt, billed_on, "delivered", now)


def _superseded(case: Case, attempt: Attempt) -> bool:
    """Whether a later attempt had gone out before this one was known to be delivered."""
    return len(case.attempts) > 1 and any(
        other.id > attempt.id and other.submitted_at is not None and other.state is not AttemptState.REFUSED
        for other in case.attempts
    )


def _note(
    world: World, case: Case, attempt: Attempt, word: Word, change: Applied | Same | Contradiction, now: int
) -> None:
    """One event for one receipt that says something new; a repetition is no event."""
    if isinstance(change, Same):
        return
    line = world.lines.seen(attempt.workspace_id, attempt.line_id)
    details: Json = {
        "step": attempt.step + 1,
        "channel": attempt.channel,
        "line": line.name if line else "",
        "code": word.receipt.code,
    }
    if isinstance(change, Contradiction):
        details["contradicts"] = attempt.state.value
    if attempt.reason:
        details["reason"] = attempt.reason
    if attempt.late:
        details["late"] = True
    own = line is not None and line.workspace_id == attempt.workspace_id
    if word.entry_id and own and attempt.message_class is not MessageClass.OTP:  # of codes no bytes are kept
        details["callback"] = ids.show("journal", word.entry_id)
    if word.inferred:
        details["evidence"] = "inferred: the only unanswered attempt to this address on this line"
    case.hear(word.receipt.status, now, details, {"ref": word.receipt.ref})


# ── parked receipts ──────────────────────────────────────────────────────────────────────────────────


def _keeper(world: World, line_id: int, workspace_id: int) -> int:
    """The workspace that the receipts of a line are parked with: its owner."""
    line = world.lines.get(line_id)
    return line.workspace_id if line else workspace_id


async def parked_words(
    tx: Transaction, world: World, workspace_id: int, cases: Mapping[int, Case], parts: Iterable[Part]
) -> list[Word]:
    """Receipts that came before their reference was known: taken out of the park, with what they speak of."""
    by_line: dict[int, dict[str, Part]] = defaultdict(dict)
    for part in parts:
        by_line[part.line_id][part.ref] = part
    message_of = {attempt.id: case.message.id for case in cases.values() for attempt in case.attempts}
    words = []
    for line_id, by_ref in by_line.items():
        keeper = _keeper(world, line_id, workspace_id)
        parked = await inbox.parked_by_refs(tx, keeper, line_id, list(by_ref))
        for p in parked:
            part = by_ref[p.key]
            about = (workspace_id, part.attempt_id, message_of[part.attempt_id])
            words.append(Word(*about, p.receipt, part, entry_id=p.entry_id))
        if parked:
            await inbox.unpark(tx, keeper, line_id, list({p.key for p in parked}))
    return words


async def parked_addresses(
    tx: Transaction, world: World, workspace_id: int, line_id: int, addresses: Sequence[str]
) -> set[str]:
    """Those of these addresses to which a receipt is parked on this line."""
    keeper = _keeper(world, line_id, workspace_id)
    return {p.receipt.address for p in await inbox.parked_for(tx, keeper, line_id, addresses, 0)}


async def evidence_words(
    tx: Transaction, world: World, workspace_id: int, attempts: Sequence[Attempt], now: int
) -> list[Word]:
    """Parked receipts for those of these attempts that ended unanswered, each the only one at its address."""
    unknown = [attempt for attempt in attempts if attempt.state is AttemptState.UNKNOWN]
    if not unknown:
        return []
    ended = {attempt.id: attempt for attempt in attempts}
    words: list[Word] = []
    for line_id in {attempt.line_id for attempt in unknown}:
        addresses = {attempt.address for attempt in unknown if attempt.line_id == line_id}
        keeper = _keeper(world, line_id, workspace_id)
        candidates = await _unanswered(tx, world.lines.everybody(line_id), line_id, addresses)
        parked = await inbox.parked_for(tx, keeper, line_id, list(addresses), now - micros(EVIDENCE_S))
        fitting = [(p, evidence.only(candidates[p.receipt.address], ended)) for p in parked]
        found = [(p, a) for p, a in fitting if a is not None and p.received_at >= (a.submitted_at or 0)]
        words += [
            Word(workspace_id, a.id, a.message_id, p.receipt, None, inferred=True, entry_id=p.entry_id)
            for p, a in found
        ]
        if found:
            await inbox.unpark(tx, keeper, line_id, list({p.key for p, _ in found}))
    return words
