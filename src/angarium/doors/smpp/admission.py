"""Takes what clients submit: whatever the windows of all binds hold becomes one transaction.

A text that comes in parts is put together before it is a message: rules about wording look at all of it, it
is billed as one, and may go by another channel than SMS. Each part is kept, sealed, before it is answered,
and has an id of its own; the last one makes the message. So each part that asks for a receipt gets one:

- all parts are there: the word about the message, for each of them;
- the rest does not come within `PARTS_WAIT_S`, or our rules refuse the whole: UNDELIV. Nothing was sent, for
  half a text is worse than none.

SMPP knows no keys for repetitions. A part that comes again with the same octets, because its client saw no
answer, is known by its text and changes nothing. A whole text that comes again is another message: nobody can
tell it from a person who says the same twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec
import structlog

from angarium.core import ids, kept
from angarium.core.clock import micros
from angarium.core.problems import Problem
from angarium.doors.smpp import reading, store
from angarium.doors.smpp.reading import Submit
from angarium.doors.smpp.receipts import Submission, shown
from angarium.doors.smpp.store import Account, New, Part
from angarium.messaging import accept, poison
from angarium.messaging.accept import MessageInput
from angarium.messaging.case import Case, wake, wake_planner
from angarium.messaging.world import World
from angarium.protocols.smpp_numbers import Status
from angarium.protocols.smpp_pdu import PduError
from angarium.storage import facts
from angarium.storage.database import Transaction, Trouble
from angarium.storage.facts import Fact
from angarium.storage.vault import NotOpened

log = structlog.get_logger()

PARTS_WAIT_S = 600.0  # for the rest of a text
# So long a part that comes again is one whose answer was lost, also when its client has been told what became
# of the message: after a restart of ours that may come first. Later it is the same text once more.
LOST_ANSWER_S = 120.0
GIVEN_UP = "smpp.text_given_up"  # a fact: the parts of a text that will be no message
REPEATED = "smpp.part_repeated"  # a fact: a part came again of what had become a message
UNDELIVERED = "UNDELIV"
PURPOSE = "smpp text"
DIGEST_BYTES = 16
# Nothing was kept: it may be tried again.
CERTAIN = (Trouble.AWAY, Trouble.CROWDED, Trouble.FULL, Trouble.LOCKED)


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What an account submits."""

    account: Account
    submit: Submit


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a submission is answered: an id where it was taken."""

    status: int
    message_id: str = ""


class Gathered(msgspec.Struct):
    """A text of a batch that is whole."""

    parts: list[Submit]  # in their order
    ids: list[int]  # of the submissions that are to become the message
    place: int  # in the batch: of the submission that made it whole, and is answered by what becomes of it


class Work(msgspec.Struct):
    """A batch on its way through a transaction."""

    asked: Sequence[Asked]
    ids: list[int]
    answers: list[Answer | None]
    new: dict[int, New] = {}  # by place
    whole: list[Gathered] = []
    done: dict[int, Gathered] = {}  # those of several parts, by the first of them
    given_up: set[int] = set()
    again: set[int] = set()  # messages of which a part came again


async def admit(world: World, bundles: Sequence[Sequence[Asked]]) -> list[list[Answer]]:
    """Take what was read from several binds, in one transaction for each workspace; an answer for each."""
    flat = [one for bundle in bundles for one in bundle]
    answers = await _admit(world, flat)
    found, start = [], 0
    for bundle in bundles:
        found.append(answers[start : start + len(bundle)])
        start += len(bundle)
    return found


async def _admit(world: World, flat: Sequence[Asked]) -> list[Answer]:
    answers: list[Answer] = [Answer(Status.RSYSERR)] * len(flat)
    for workspace_id in {one.account.workspace_id for one in flat}:
        places = [i for i, one in enumerate(flat) if one.account.workspace_id == workspace_id]
        found = await _of_one(world, workspace_id, [flat[i] for i in places])
        for i, answer in zip(places, found, strict=True):
            answers[i] = answer
    return answers


async def _of_one(world: World, workspace_id: int, asked: Sequence[Asked]) -> list[Answer]:
    """What one workspace submits. One that breaks our code is answered so, and spoils no other."""
    try:
        return await _taken(world, workspace_id, asked)
    except Exception as error:
        if poison.is_away(error):
            return [Answer(_status_away(error))] * len(asked)
        log.exception("accepting at the SMPP door broke", submissions=len(asked))
        if len(asked) == 1:
            return [Answer(Status.RSYSERR)]
    return [answer for one in asked for answer in await _of_one(world, workspace_id, [one])]


def _status_away(error: Exception) -> Status:
    """After a commit that was cut off nobody knows whether it was taken."""
    certain = isinstance(error, Problem) and error.detail.startswith(CERTAIN)
    return Status.RMSGQFUL if certain else Status.RSYSERR


async def _taken(world: World, workspace_id: int, asked: Sequence[Asked]) -> list[Answer]:
    now = world.ground.clock.now()
    ids = world.ground.ids.mint_many(len(asked))
    answers, cases = await world.ground.db.run(_take, world, workspace_id, asked, ids, now)
    wake(world, cases)
    wake_planner(world, cases)
    return answers


async def _take(
    tx: Transaction, world: World, workspace_id: int, asked: Sequence[Asked], ids: list[int], now: int
) -> tuple[list[Answer], list[Case]]:
    work = Work(asked, ids, [None] * len(asked))
    await _gather(tx, world, workspace_id, work, now)
    inputs = list(_inputs(work, now))
    made = await accept.take_each(tx, world, workspace_id, [one for _, one in inputs], now)
    became: list[tuple[int, int]] = []
    for (text, _), one in zip(inputs, made, strict=True):
        if isinstance(one, Case):
            became += _became(work, text, one.message.id)
        else:
            _refuse(work, text, reading.status_of(one))
    await store.became(tx, workspace_id, became)
    await store.add(tx, workspace_id, work.new.values())
    await give_up(tx, workspace_id, work.given_up, now)
    again = [Fact(workspace_id, REPEATED, message_id, now, b"{}") for message_id in sorted(work.again)]
    await facts.append(tx, again)
    answers = [answer or Answer(Status.ROK, shown(ids[i])) for i, answer in enumerate(work.answers)]
    return answers, [one for one in made if isinstance(one, Case)]


def _inputs(work: Work, now: int) -> Iterator[tuple[Gathered, MessageInput]]:
    """The texts of a batch that are whole, as our flow is asked to accept them."""
    for text in work.whole:
        one = work.asked[text.place]
        try:
            words = reading.text_of(text.parts, one.account.settings)
        except PduError as error:
            _refuse(work, text, error.status)
            continue
        yield text, reading.as_input(text.parts[0], words, shown(text.ids[0]), now)


def _refuse(work: Work, text: Gathered, status: Status) -> None:
    """The submission that made a text whole is refused; the others, which were taken, are told later."""
    work.answers[text.place] = Answer(status)
    del work.new[text.place]
    work.given_up |= set(text.ids) - {work.ids[text.place]}


def _became(work: Work, text: Gathered, message_id: int) -> list[tuple[int, int]]:
    """Name the message in the submissions of a text; those of earlier batches are rows already."""
    ids = set(text.ids)
    for place, new in work.new.items():
        if new.kept.id in ids:
            kept = msgspec.structs.replace(new.kept, message_id=message_id)
            work.new[place] = msgspec.structs.replace(new, kept=kept, held="")
            ids.discard(kept.id)
    return [(one, message_id) for one in sorted(ids)]


# ── texts in parts ───────────────────────────────────────────────────────────────────────────────────


async def _gather(tx: Transaction, world: World, workspace_id: int, work: Work, now: int) -> None:
    """Find what is whole: texts that came as one, and those whose last part is in this batch."""
    keys = {i: text_key(world, one) for i, one in enumerate(work.asked) if one.submit.total > 1}
    known: dict[str, list[Part]] = {}
    lost_since = ids.earliest(now - micros(LOST_ANSWER_S))
    if keys:
        since = now - micros(PARTS_WAIT_S)
        known = await store.of_texts(tx, workspace_id, set(keys.values()), since)
    for i, one in enumerate(work.asked):
        kept = _kept(one, work.ids[i], now)
        if i in keys:
            part = _part(world, workspace_id, one, kept, keys[i])
            _join(world, workspace_id, work, i, part, kept, known.setdefault(keys[i], []), lost_since)
        else:
            work.new[i] = New(kept)
            work.whole.append(Gathered([one.submit], [kept.id], i))


def _join(
    world: World,
    workspace_id: int,
    work: Work,
    place: int,
    part: Part,
    kept: Submission,
    siblings: list[Part],
    lost_since: int,
) -> None:
    """Put a part to the text that it belongs to, or begin one with it."""
    text_id = siblings[-1].text_id if siblings else 0
    text = [one for one in siblings if one.text_id == text_id]
    same = next((one for one in text if one.number == part.number), None)
    ended = text_id in work.done or any(one.message_id or one.told for one in text)
    repeated = same is not None and _comes_again(same, part, lost_since)
    if repeated or (text and same is None and not ended):
        part = msgspec.structs.replace(part, text_id=text_id)
    else:
        work.given_up |= set() if ended else {one.id for one in text}
        text = []
    siblings.append(part)
    if same is not None and repeated:
        _repeat(work, part, same)
        part = msgspec.structs.replace(part, held=part.held if same.held else "")
        kept = msgspec.structs.replace(kept, message_id=same.message_id)
    work.new[place] = _new(kept, part)
    there = {one.number: one for one in [*text, part]}
    if not repeated and len(there) == part.total:
        _complete(world, workspace_id, work, place, [*text, part], there)


def _comes_again(same: Part, part: Part, lost_since: int) -> bool:
    """Whether a part is one that is there already. What was given up may be sent anew at once."""
    unheard = not same.told or (same.message_id > 0 and same.id >= lost_since)
    return same.digest == part.digest and unheard


def _repeat(work: Work, part: Part, same: Part) -> None:
    """A part came again: what becomes of its text is told for this one too."""
    if part.text_id in work.done:
        work.done[part.text_id].ids.append(part.id)
    elif same.message_id:
        work.again.add(same.message_id)


def _complete(
    world: World,
    workspace_id: int,
    work: Work,
    place: int,
    everything: Sequence[Part],
    there: dict[int, Part],
) -> None:
    """The last part of a text is there."""
    text = Gathered([], sorted(one.id for one in everything), place)
    try:
        text.parts = [opened(world, workspace_id, one.id, one.held) for _, one in sorted(there.items())]
    except NotOpened:  # the key was taken out while it waited
        log.exception("a part of a text does not open")
        _refuse(work, text, Status.RSUBMITFAIL)
        return
    work.done[everything[-1].text_id] = text
    work.whole.append(text)


def text_key(world: World, one: Asked) -> str:
    """What the parts of a text have in common; nobody reads a number from it."""
    submit = one.submit
    said = [one.account.id, submit.source, submit.dest, submit.reference, submit.total, submit.coding]
    return _hashed(world, msgspec.json.encode(said))


def _hashed(world: World, data: bytes) -> str:
    return world.ground.vault.keyed_hash(data, PURPOSE)[:DIGEST_BYTES].hex()


def cell(workspace_id: int, submission_id: int) -> str:
    """Where the part of a text opens."""
    return f"{workspace_id}/smpp_submission/{submission_id}/held"


def opened(world: World, workspace_id: int, part_id: int, held: str) -> Submit:
    """The part of a text as it came. NotOpened when the key is gone."""
    plain = world.ground.vault.open(held, cell(workspace_id, part_id))
    return kept.read(plain, Submit)


def _part(world: World, workspace_id: int, one: Asked, kept: Submission, key: str) -> Part:
    submit = one.submit
    held = world.ground.vault.seal(msgspec.json.encode(submit), cell(workspace_id, kept.id))
    digest = _hashed(world, submit.data)
    return Part(kept.id, key, kept.id, submit.number, submit.total, digest, held, 0, "")


def _new(kept: Submission, part: Part) -> New:
    return New(kept, part.text_key, part.text_id, part.number, part.total, part.digest, part.held)


def _kept(one: Asked, submission_id: int, now: int) -> Submission:
    submit = one.submit
    return Submission(
        id=submission_id,
        account_id=one.account.id,
        message_id=0,
        source=submit.source,
        source_ton=submit.source_ton,
        source_npi=submit.source_npi,
        dest_ton=submit.dest_ton,
        dest_npi=submit.dest_npi,
        style=submit.style,
        asked=submit.asked,
        told="",
        submitted_at=now,
    )


async def give_up(tx: Transaction, workspace_id: int, ids: Collection[int], now: int) -> None:
    """Let parts be no message; who reads the log of facts tells their clients."""
    if ids:
        parts = sorted(ids)
        await store.tell(tx, workspace_id, [(one, UNDELIVERED) for one in parts])
        body = msgspec.json.encode({"parts": parts})
        await facts.append(tx, [Fact(workspace_id, GIVEN_UP, parts[0], now, body)])
