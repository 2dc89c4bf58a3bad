"""What was said to providers: kept with the outcomes that it led to, looked at, switched on for a time.

It is masked at the moment it is written down (`masking.py`) and sealed, as the callbacks of providers are:
both repeat the words of messages. A line that is lent keeps nothing of its guests: the account is the
owner's, the words are the guest's, and neither may see the whole.

Callbacks are those of the journal. The event that one led to names it; of a callback that speaks of many
messages, only those pieces are shown that speak of this one alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import structlog

from angarium.accounts import audit
from angarium.core import ids
from angarium.core.clock import iso, micros
from angarium.core.ports import Channel, Exchange, Outcome, Raw, Receipt, Tape
from angarium.core.problems import invalid, not_found
from angarium.core.values import MessageClass
from angarium.lines import store as line_store
from angarium.lines.flows import TOPIC as LINES_TOPIC
from angarium.lines.store import Line
from angarium.messaging import masking
from angarium.messaging.case import Case, open_callback, open_content
from angarium.messaging.masking import Kept, Side
from angarium.messaging.recording import HOURS, per_minute
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import exchanges as store
from angarium.messaging.store import inbox
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.exchanges import Row
from angarium.messaging.store.inbox import Entry
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.vault import NotOpened

log = structlog.get_logger()

SHOWN_MAX = 100  # exchanges of a message, and as many callbacks
PIECES_MAX = 20  # of a callback
DAY_S = 86_400.0
Ending = tuple[Attempt, Outcome, Tape | None]  # how a submission ended, and what was said about it
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Kept)


def cell(workspace_id: int, exchange_id: int) -> str:
    """Where an exchange opens."""
    return f"{workspace_id}/exchange/{exchange_id}/body"


# ── keeping ──────────────────────────────────────────────────────────────────────────────────────────


async def keep(
    tx: Transaction, world: World, ended: Iterable[Ending], cases: Mapping[int, Case], now: int
) -> None:
    """Write down what was said about those submissions of which it is to be kept; mostly none."""
    rows = [row for ending in ended if ending[2] for row in _rows(world, *ending, cases, now)]
    if rows:
        await store.insert(tx, rows)


def _rows(
    world: World, attempt: Attempt, outcome: Outcome, tape: Tape | None, cases: Mapping[int, Case], now: int
) -> Sequence[Row]:
    case, line = cases[attempt.message_id], world.lines.get(attempt.line_id)
    if tape is None or line is None:
        return ()
    most = per_minute(line, case.message.label, outcome, now)
    if not most or line.workspace_id != attempt.workspace_id or case.erased:
        return ()
    try:
        said = tape.exchanges()
        if not said or not world.recorded.take(line.id, most, now):
            return ()
        return _kept(world, line, attempt, said, now)
    except Exception as error:  # the outcome counts; and no stack, which might print what was said
        log.warning("what was said could not be kept", attempt=attempt.id, error=type(error).__name__)
        return ()


def _kept(world: World, line: Line, attempt: Attempt, said: Sequence[Exchange], now: int) -> list[Row]:
    code = open_content(world, attempt) if attempt.message_class is MessageClass.OTP else None
    masks, now_s = world.masks(line), world.ground.clock.monotonic()
    return [_row(world, attempt, masking.kept(each, masks, now, now_s, code)) for each in said]


def _row(world: World, attempt: Attempt, kept: Kept) -> Row:
    row_id, ground = world.ground.ids.mint(), world.ground
    sealed = ground.vault.seal(_encode(kept), cell(attempt.workspace_id, row_id)).encode()
    return Row(attempt.workspace_id, row_id, attempt.id, sealed)


async def forget(tx: Transaction, workspace_id: int, until: int, most: int) -> int:
    """Let go of up to `most` that are older than an instant; how many."""
    return await store.forget(tx, workspace_id, ids.earliest(until), most)


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────


class Told(msgspec.Struct, frozen=True):
    """An exchange or a callback, as it is told: when, of which attempt, what was said."""

    attempt_id: int
    at: int
    exchange: Kept | None = None
    callback_id: int = 0
    pieces: tuple[Side, ...] = ()
    others: int = 0  # pieces of the callback that speak of other messages too, and are not shown
    gone: str = ""  # why nothing of the callback can be shown: "kept", "opened", "line"


class Look(msgspec.Struct, frozen=True):
    """What is told of a message: its exchanges and callbacks by time, and its attempts with their lines."""

    told: list[Told]
    lent: frozenset[int]  # attempts over lines of others, of which nothing is kept
    off: dict[int, Line]  # lines of its attempts on which nothing but what goes wrong is recorded now


async def look(tx: Transaction, world: World, workspace_id: int, message_id: int) -> Look:
    """What was said about a message; a Problem when there is none."""
    if not await message_store.by_ids(tx, workspace_id, [message_id]):
        raise not_found("message", ids.show("message", message_id))
    attempts = await attempt_store.of_messages(tx, workspace_id, [message_id])
    attempt_ids = [one.id for one in attempts]
    rows = await store.of_attempts(tx, workspace_id, attempt_ids, SHOWN_MAX) if attempts else []
    told = [_opened(world, row) for row in rows]
    told += await _callbacks(tx, world, workspace_id, message_id, attempts)
    now, own, lent = world.ground.clock.now(), {}, set()
    for attempt in attempts:
        line = world.lines.get(attempt.line_id)
        if line is not None and line.workspace_id != workspace_id:
            lent.add(attempt.id)
        elif line is not None and line.recorded_until <= now:
            own[line.id] = line
    return Look(sorted(told, key=lambda one: one.at), frozenset(lent), own)


def _opened(world: World, row: Row) -> Told:
    try:
        kept = _decoder.decode(world.ground.vault.open(row.body.decode(), cell(row.workspace_id, row.id)))
    except NotOpened:
        return Told(row.attempt_id, 0, gone="opened")
    return Told(row.attempt_id, kept.at, kept)


async def _callbacks(
    tx: Transaction, world: World, workspace_id: int, message_id: int, attempts: Sequence[Attempt]
) -> list[Told]:
    """The callbacks that events of the message name; none of a message with a code."""
    if not attempts or attempts[0].message_class is MessageClass.OTP:
        return []
    named: dict[int, int] = {}
    for fact in await facts.of_subject(tx, workspace_id, message_id):
        body = msgspec.json.decode(fact.body)
        if "callback" in body and len(named) < SHOWN_MAX:
            named[ids.read("journal", body["callback"])] = fact.at
    if not named:
        return []
    by_attempt = await attempt_store.parts_of(tx, workspace_id, [one.id for one in attempts])
    refs = {part.ref: part.attempt_id for parts in by_attempt.values() for part in parts}
    refs |= {ids.show("attempt", one.id): one.id for one in attempts}
    entries = {entry.id: entry for entry in await inbox.by_ids(tx, workspace_id, list(named))}
    return [
        _callback(world, entries.get(entry_id), entry_id, at, About(refs, attempts[-1].id))
        for entry_id, at in named.items()
    ]


class About(msgspec.Struct, frozen=True):
    """A message as receipts speak of it: its attempts by references, ours among them; the last of them."""

    refs: Mapping[str, int]
    last: int

    def attempt(self, receipt: Receipt) -> int | None:
        """The attempt that a receipt names; None when it names none of this message."""
        return self.refs.get(receipt.ref) or self.refs.get(receipt.client_ref)


def _callback(world: World, entry: Entry | None, entry_id: int, at: int, about: About) -> Told:
    if entry is None or not entry.raw.body:
        return Told(about.last, at, callback_id=entry_id, gone="kept")
    line = world.lines.get(entry.line_id)
    channel = world.channels.get(line.channel) if line is not None else None
    if line is None or channel is None:
        return Told(about.last, at, callback_id=entry_id, gone="line")
    raw = open_callback(world, entry).raw
    if not raw.body:
        return Told(about.last, at, callback_id=entry_id, gone="opened")
    settings, masks = world.settings(line), world.masks(line)
    pieces = channel.pieces(settings, raw)
    own = [(piece, found) for piece in pieces if (found := _spoken_of(channel, settings, piece, about))]
    shown = tuple(masking.side(channel.told(settings, piece), masks) for piece, _ in own[:PIECES_MAX])
    attempt_id = own[0][1] if own else about.last
    return Told(attempt_id, entry.received_at, None, entry_id, shown, others=len(pieces) - len(shown))


def _spoken_of(channel: Channel, settings: object, piece: Raw, about: About) -> int | None:
    """The attempt that a piece of a callback speaks of; None when it speaks of anything else as well."""
    try:
        events = channel.parse(settings, piece)
    except Exception:  # it was read once: the line has other settings now
        return None
    found = [about.attempt(event) if isinstance(event, Receipt) else None for event in events]
    return found[0] if found and None not in found else None


# ── switching it on ──────────────────────────────────────────────────────────────────────────────────


async def record(world: World, line: Line, hours: int, actor: str) -> Line:
    """Have all that is said on a line kept for so many hours, or no more (0); the line as it is then."""
    if hours not in (0, *HOURS):
        known = " or ".join(str(one) for one in HOURS)
        raise invalid("hours", "is not one of the choices", value=hours, remedy=known)
    now = world.ground.clock.now()
    until = now + micros(hours * 3_600.0) if hours else 0
    await world.ground.db.run(_record, line, until, actor, now)
    await world.lines.again()
    world.ground.fabric.wake(LINES_TOPIC)
    return msgspec.structs.replace(line, recorded_until=until)


async def _record(tx: Transaction, line: Line, until: int, actor: str, now: int) -> None:
    shown = ids.show("line", line.id)
    if not await line_store.record(tx, line.workspace_id, line.id, until):
        raise not_found("line", shown)
    action = "line.recording_began" if until else "line.recording_ended"
    await audit.note(tx, line.workspace_id, actor, action, shown, {"until": iso(until)} if until else {}, now)
