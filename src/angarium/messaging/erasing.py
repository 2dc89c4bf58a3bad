"""Erase a person: every trace in every room goes, and what was counted and what it cost stays.

The order of things: first the callbacks of providers are looked through, for they are sealed, and what is
about this person in them is known when they are opened: in batches, as there may be very many. Then one
transaction ends what is under way and lets everything else go (`store/traces.py` says what that is in each
table), with the callbacks that have come meanwhile. Whoever is stopped in between begins again: until that
transaction the contact is there.

What comes later of an attempt that was on its way is not written down (`receive.py`, `send.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from angarium.accounts import audit
from angarium.contacts import consent_ledger, suppression_list
from angarium.contacts.exports import flows as exports
from angarium.contacts.phones import E164
from angarium.contacts.store import Contact, merges
from angarium.content.media import flows as media_flows
from angarium.content.store import media as media_store
from angarium.core import ids
from angarium.core.ports import Inbound, Receipt
from angarium.core.problems import Problem, not_found
from angarium.core.values import Address
from angarium.messaging import cancel
from angarium.messaging.case import load, open_callback, write
from angarium.messaging.receive import read_entry
from angarium.messaging.store import inbox, traces
from angarium.messaging.store.traces import TRACES, Kept, Sent
from angarium.messaging.world import World
from angarium.storage import facts, idempotency
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

JOURNAL_AT_ONCE = 500
KEYS_AT_ONCE = 1_000
MERGES_MAX = 1_000  # of one contact
_encode = msgspec.json.encode
TAIL = 9  # digits of the end of a phone, which stand there however it is written
NEEDLE_MIN = 4  # characters of something that is looked for in texts
# What of a fact says nothing of a person: which step on which line came to what.
PLAIN = frozenset({"state", "finished", "step", "channel", "line", "reason", "class", "late"})
GONE = Problem(
    "erased",
    "The person has been erased",
    status=410,
    detail="What was answered to this request told of a person who has been erased since.",
)


class Person(msgspec.Struct, frozen=True):
    """One person as all rooms know them: contacts, among them those that were merged, and what was sent."""

    contact: Contact
    addresses: tuple[Address, ...]  # of all of them
    contact_ids: frozenset[int]
    merge_ids: frozenset[int]
    words: frozenset[str]  # what names them, for texts that have no column of their own
    sent: Sent


class Found(msgspec.Struct, frozen=True):
    """Where texts name the person that no column leads to."""

    keys_naming: list[str]
    keys_answering: list[str]
    imports: list[tuple[int, str, str]]  # id, and name and what was seen without the person
    errors: list[tuple[int, int]]  # import and row


class Erasure(msgspec.Struct, frozen=True):
    """What goes, or went, by table; and what was counted and stays."""

    contact_id: int
    gone: dict[str, int]
    messages_that_stay_counted: int


async def person(tx: Transaction, workspace_id: int, contact_id: int) -> Person:
    """Everything that is known of a person by their contact; a Problem when there is none."""
    found = (await merges.found(tx, workspace_id, [contact_id])).get(contact_id)
    if found is None:
        raise not_found("contact", ids.show("contact", contact_id))
    contact_ids, merge_ids, everyone = {found.id}, set(), [found]
    going = [found.id]
    while going:
        for one in await merges.page(tx, workspace_id, going.pop(), 0, MERGES_MAX):
            merge_ids.add(one.id)
            if one.survivor_id in contact_ids and not one.undone_at and one.merged_id not in contact_ids:
                contact_ids.add(one.merged_id)
                going.append(one.merged_id)
                everyone.append(one.before.merged)
    own = {(a.kind, a.value): a for one in reversed(everyone) for a in one.addresses}
    addresses = {value for _, value in own}
    sent = await traces.sent_to(tx, workspace_id, contact_ids, addresses)
    words = {text for one in everyone for text in _words(one)} | sent.addresses
    shown = {ids.show("contact", one) for one in contact_ids}
    return Person(
        found,
        tuple(own.values()),
        frozenset(contact_ids),
        frozenset(merge_ids),
        frozenset(words | shown),
        sent,
    )


def _words(one: Contact) -> Iterable[str]:
    """What names a contact in a text."""
    name = one.name if " " in one.name.strip() else ""  # of one word are many people
    texts = (name, one.external_id or "", *(a.value for a in one.addresses))
    return (text for text in texts if len(text) >= NEEDLE_MIN)


async def preview(tx: Transaction, workspace_id: int, contact_id: int) -> Erasure:
    """What would go, as far as columns tell; callbacks are counted when they are opened."""
    one = await person(tx, workspace_id, contact_id)
    under_way = await traces.unfinished(tx, workspace_id, one.contact_ids)
    counted = {
        "contact": len(one.contact_ids),
        "address": len(one.addresses),
        "contact_merge": len(one.merge_ids),
        "message": len(one.sent.messages),
        "attempt": len(one.sent.attempts),
        "inbound": len(one.sent.inbound),
        "under_way": len(under_way),
    }
    gone = {name: count for name, count in counted.items() if count}
    return Erasure(one.contact.id, gone, len(one.sent.messages))


async def erase(world: World, workspace_id: int, contact_id: int, actor: str) -> Erasure:
    """Erase a person for good; what went. A Problem when there is none."""
    db, now = world.ground.db, world.ground.clock.now()
    one = await db.read(person, workspace_id, contact_id)
    looked_at: dict[int, int] = {}
    dropped = 0
    for owner_id, lines in _journals(world, workspace_id, one).items():
        looked_at[owner_id], found = await _sweep(world, owner_id, lines, one)
        dropped += found
    found_in = Found(
        *await _keys_that_tell(world, workspace_id, one),
        await _imports_that_tell(world, workspace_id, one),
        await _errors_that_tell(world, workspace_id, one),
    )
    erased = await db.run(_erase, world, workspace_id, contact_id, looked_at, found_in, actor, now)
    gone = erased.gone | {"journal": erased.gone.get("journal", 0) + dropped}
    return msgspec.structs.replace(erased, gone={name: count for name, count in gone.items() if count})


async def _erase(
    tx: Transaction,
    world: World,
    workspace_id: int,
    contact_id: int,
    looked_at: dict[int, int],
    found: Found,
    actor: str,
    now: int,
) -> Erasure:
    one = await person(tx, workspace_id, contact_id)
    await merges.hold(tx, workspace_id, sorted(one.contact_ids))
    await _end_what_is_under_way(tx, world, workspace_id, one, now)
    one = await person(tx, workspace_id, contact_id)
    gone = {"journal": await _sweep_the_rest(tx, world, workspace_id, one, looked_at)}
    gone["idempotency"] = await idempotency.drop(tx, workspace_id, found.keys_naming)
    instead = _encode(GONE.document())
    gone["idempotency"] += await idempotency.answer_anew(
        tx, workspace_id, found.keys_answering, GONE.status, instead
    )
    gone["contact_import"] = await traces.see_anew(tx, workspace_id, found.imports)
    gone["import_error"] = await traces.drop_errors(tx, workspace_id, found.errors)
    lifted = [told.suppression for told in await suppression_list.lifted(tx, workspace_id, one.contact_ids)]
    gone["fact"] = await _plain_facts(tx, workspace_id, one, found)
    files = await traces.files_from(tx, workspace_id, one.contact_ids, one.sent.addresses)
    brought = [file.id for file in await media_flows.of_strangers(tx, workspace_id, files)]
    lifted += [ids.show("media", file_id) for file_id in brought]
    gone["audit"] = await audit.erase_details(tx, workspace_id, [*_subjects(one, found), *lifted])
    for file_id in brought:  # the octets are swept from their shelf soon after
        await media_store.remove(tx, workspace_id, file_id)
    gone["content_media"] = len(brought)
    gone["contact_export"] = await exports.withdraw(tx, workspace_id, now)
    everywhere = msgspec.structs.replace(one.contact, addresses=one.addresses)
    await consent_ledger.outlive(tx, world.ground, workspace_id, everywhere)
    for name, count in (await _let_go(tx, world, workspace_id, one)).items():
        gone[name] = gone.get(name, 0) + count
    subject = ids.show("contact", one.contact.id)
    body = msgspec.json.encode({"contacts": len(one.contact_ids)})
    await facts.append(tx, [Fact(workspace_id, "contact.erased", one.contact.id, now, body)])
    told = {name: count for name, count in gone.items() if count}
    await audit.note(tx, workspace_id, actor, f"contact{audit.ERASED}", subject, told, now)
    return Erasure(one.contact.id, told, len(one.sent.messages))


async def _let_go(tx: Transaction, world: World, workspace_id: int, one: Person) -> dict[str, int]:
    """Every row that a column leads to; receipts are parked with the owners of the lines."""
    values: dict[str, Sequence[int] | Sequence[str]] = {
        "contacts": sorted(one.contact_ids),
        "messages": list(one.sent.messages),
        "attempts": list(one.sent.attempts),
        "addresses": sorted(one.sent.addresses),
    }
    owners = _journals(world, workspace_id, one).keys() - {workspace_id}
    gone: dict[str, int] = {}
    for name, trace in TRACES.items():
        for rows in () if isinstance(trace, Kept) else trace:
            count = await rows.go(tx, workspace_id, values[rows.of])
            for owner_id in owners if name == "parked_receipt" else ():
                async with tx.across_workspaces():
                    count += await rows.go(tx, owner_id, values[rows.of])
            gone[name] = gone.get(name, 0) + count
    return gone


async def _end_what_is_under_way(
    tx: Transaction, world: World, workspace_id: int, one: Person, now: int
) -> None:
    """Nothing more goes out; what has been handed over stays out, and its end is not written down."""
    under_way = await traces.unfinished(tx, workspace_id, one.contact_ids)
    cases = list((await load(tx, world, workspace_id, under_way)).values())
    for case in cases:
        cancel.end(case, now)
    await write(tx, world, cases)


# ── callbacks ────────────────────────────────────────────────────────────────────────────────────────


def _journals(world: World, workspace_id: int, one: Person) -> dict[int, set[int]]:
    """The workspaces that own the lines on which the person was written to, each with these lines."""
    found: dict[int, set[int]] = {workspace_id: set(one.sent.lines)}
    for line_id in one.sent.lines:
        line = world.lines.get(line_id)
        if line is not None and line.workspace_id != workspace_id:
            found.setdefault(line.workspace_id, set()).add(line_id)
    return found


async def _sweep(world: World, owner_id: int, lines: Collection[int], one: Person) -> tuple[int, int]:
    """Let go of the callbacks about a person, batch by batch; the last id looked at, and how many went."""
    after, dropped = 0, 0
    while True:
        rows = await world.ground.db.read(traces.journal_after, owner_id, lines, after, JOURNAL_AT_ONCE)
        if not rows:
            return after, dropped
        about = [entry.id for entry in map(inbox.as_entry, rows) if _is_about(world, entry, one)]
        dropped += await world.ground.db.run(traces.drop_journal, owner_id, about)
        after = rows[-1][1]


async def _sweep_the_rest(
    tx: Transaction, world: World, workspace_id: int, one: Person, looked_at: dict[int, int]
) -> int:
    """The same of what has come since, within the transaction."""
    dropped = 0
    for owner_id, lines in _journals(world, workspace_id, one).items():
        after = looked_at.get(owner_id, 0)
        while rows := await traces.journal_after(tx, owner_id, lines, after, JOURNAL_AT_ONCE):
            about = [entry.id for entry in map(inbox.as_entry, rows) if _is_about(world, entry, one)]
            dropped += await traces.drop_journal(tx, owner_id, about)
            after = rows[-1][1]
    return dropped


def _is_about(world: World, sealed: inbox.Entry, one: Person) -> bool:
    """Whether a callback speaks of this person: its channel says so, or their address stands in it."""
    entry = open_callback(world, sealed) if sealed.raw.body else sealed  # what tells of a code is not kept
    sent = one.sent
    own = {ids.show("attempt", attempt_id) for attempt_id in sent.attempts}
    for event in read_entry(world, entry).events:
        if isinstance(event, Receipt) and (
            event.ref in sent.refs or event.client_ref in own or event.address in sent.addresses
        ):
            return True
        if isinstance(event, Inbound) and (event.sender in sent.addresses or event.ref in sent.refs):
            return True
    said = entry.raw.body + msgspec.json.encode([entry.raw.headers, entry.raw.query])
    return any(needle in said for needle in _needles(one))


def _needles(one: Person) -> list[bytes]:
    """Addresses as providers write them: a phone with its plus or without."""
    texts = {text.removeprefix("+") for text in one.sent.addresses}
    return [text.encode() for text in texts if len(text) >= NEEDLE_MIN]


# ── what has no column ───────────────────────────────────────────────────────────────────────────────


async def _keys_that_tell(world: World, workspace_id: int, one: Person) -> tuple[list[str], list[str]]:
    """Idempotency keys that name the person, which go; and those whose kept answer does, which get another:
    what is repeated shall not make the person again."""
    needles = [needle for word in one.words for needle in _written(word)]
    naming: list[str] = []
    answering: list[str] = []
    after = ""
    while True:
        rows = await world.ground.db.read(idempotency.answers_after, workspace_id, after, KEYS_AT_ONCE)
        if not rows:
            return naming, answering
        for key, response in rows:
            if any(needle in key.encode() for needle in needles):
                naming.append(key)
            elif any(needle in response for needle in needles):
                answering.append(key)
        after = rows[-1][0]


async def _imports_that_tell(world: World, workspace_id: int, one: Person) -> list[tuple[int, str, str]]:
    """Imports of which the person was among the first rows, or in the name of the file."""
    found: list[tuple[int, str, str]] = []
    after = 0
    while rows := await world.ground.db.read(traces.imports_after, workspace_id, after, KEYS_AT_ONCE):
        for import_id, name, seen in rows:
            less = without(msgspec.json.decode(seen), one.words), without(name, one.words)
            if less != (msgspec.json.decode(seen), name):
                found.append((import_id, less[1], _encode(less[0]).decode()))
        after = rows[-1][0]
    return found


async def _errors_that_tell(world: World, workspace_id: int, one: Person) -> list[tuple[int, int]]:
    """Rows that were not imported, and tell of the person."""
    found: list[tuple[int, int]] = []
    after = (0, 0)
    while rows := await world.ground.db.read(traces.errors_after, workspace_id, after, KEYS_AT_ONCE):
        found += [(row[0], row[1]) for row in rows if tells(row[3], one.words) or tells(row[2], one.words)]
        after = (rows[-1][0], rows[-1][1])
    return found


def tells(text: str, words: Collection[str]) -> bool:
    """Whether a text names somebody: in their words, or with their phone as people write it."""
    if any(word in text for word in words):
        return True
    digits = "".join([str(int(sign)) for sign in text if sign.isdecimal()])
    phones = (word[-TAIL:] for word in words if E164.fullmatch(word))
    return any(phone in digits for phone in phones)


def without(value: Any, words: Collection[str]) -> Any:
    """A JSON value in which every text that names somebody is empty, and so is all of its row."""
    if isinstance(value, str):
        return "" if tells(value, words) else value
    if isinstance(value, list) and any(isinstance(item, str) and tells(item, words) for item in value):
        return ["" if isinstance(item, str) else item for item in value]
    if isinstance(value, list):
        return [without(item, words) for item in value]
    if isinstance(value, dict):
        return {name: without(item, words) for name, item in value.items()}
    return value


def _written(word: str) -> list[bytes]:
    """A text as it stands in JSON."""
    return [msgspec.json.encode(word)[1:-1], word.encode()]


async def _plain_facts(tx: Transaction, workspace_id: int, one: Person, found: Found) -> int:
    """Facts about the person, their messages, what they sent and files that name them say what happened, and
    nothing more."""
    files = [import_id for import_id, _, _ in found.imports]
    subjects = [*one.contact_ids, *one.sent.messages, *one.sent.inbound, *files]
    return await facts.reduce(tx, workspace_id, subjects, PLAIN)


def _subjects(one: Person, found: Found) -> list[str]:
    return [
        *(ids.show("contact", each) for each in one.contact_ids),
        *(ids.show("merge", each) for each in one.merge_ids),
        *(ids.show("message", each) for each in one.sent.messages),
        *(ids.show("inbound", each) for each in one.sent.inbound),
        *(ids.show("import", each) for each, _, _ in found.imports),
    ]
