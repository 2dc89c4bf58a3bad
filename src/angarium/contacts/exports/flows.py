"""What people do with an export: ask for it, look, fetch the file, delete it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

from angarium.accounts import audit
from angarium.contacts import audience, fields
from angarium.contacts import store as contact_store
from angarium.contacts.audience import Audience, Settled
from angarium.contacts.exports import store, table
from angarium.contacts.exports.store import Export
from angarium.contacts.exports.table import AddressTold, Cell, Told
from angarium.contacts.exports.writer import ENCODINGS
from angarium.contacts.imports.sniffing import DELIMITERS
from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.problems import FieldProblem, Problem, all_invalid, not_found, shown
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground
from angarium.storage.shelf import Shelf

TOPIC = "exports"
RUNNING, DONE, FAILED, EXPIRED = "running", "done", "failed", "expired"
OPEN_MAX = 10  # of a workspace, running or to be fetched
KEPT_S = 86_400.0  # then the file is removed
PAGE_ROWS = 500


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What is to be in a file, and how it is to be written."""

    format: Literal["csv", "xlsx"] = "csv"
    columns: tuple[str, ...] = ()  # empty: all that an import takes
    audience: Audience = Audience(everybody=True)
    encoding: str = "utf-8-sig"  # of CSV; utf-8-sig has a byte-order mark, by which Excel knows it
    delimiter: str = ","
    right_to_left: bool = False  # sheets of XLSX begin at the right, for readers of such a language


class Order(Wanted, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=False):
    """What is wanted, as it is kept: with whom it was settled to be about when it was asked for."""

    settled: Settled
    source: str = ""  # rows of a room above, by its name; empty: contacts
    about: str = ""  # which of them, as that room writes it
    name: str = ""  # of what they are, by which the file is saved; empty: by its kind and id


class Source(Protocol):
    """A room above that has rows for files."""

    title: str  # of the sheets of a workbook

    async def columns(self, workspace_id: int, about: str) -> tuple[str, ...]:
        """The names of its columns."""

    def pages(self, workspace_id: int, about: str) -> AsyncIterator[Sequence[Sequence[Cell]]]:
        """Its rows, a page at a time; the first cell of a row says which it is."""


@dataclass(frozen=True)
class Exports:
    """What exports need: the ground, the folder of their files, and the rooms above that have rows."""

    ground: Ground
    shelf: Shelf
    sources: Mapping[str, Source] = field(default_factory=dict)


def check(wanted: Wanted) -> None:
    """A Problem names everything that is wrong with what is wanted."""
    found = list(table.check(wanted.columns))
    if wanted.encoding not in ENCODINGS:
        remedy = "one of " + ", ".join(ENCODINGS)
        found.append(FieldProblem("encoding", "is not one that is known", remedy, shown(wanted.encoding)))
    if wanted.delimiter not in DELIMITERS:
        found.append(FieldProblem("delimiter", "is not one", ", ; tab or |", shown(wanted.delimiter)))
    if found:
        raise all_invalid("The export is not valid", tuple(found))


async def ask(exports: Exports, workspace_id: int, actor: str, wanted: Wanted) -> Export:
    """A new export, which is not written yet."""
    check(wanted)
    ground = exports.ground
    now = ground.clock.now()
    settled = await ground.db.read(audience.settle, workspace_id, wanted.audience, now)
    return await _new(exports, workspace_id, actor, Order(**msgspec.structs.asdict(wanted), settled=settled))


async def ask_of(
    exports: Exports, workspace_id: int, actor: str, source: str, about: str, wanted: Wanted, name: str = ""
) -> Export:
    """A new export of the rows of a room above, which may bring a name for its file."""
    check(wanted)
    settled = Settled(exports.ground.clock.now())
    order = Order(**msgspec.structs.asdict(wanted), settled=settled, source=source, about=about, name=name)
    return await _new(exports, workspace_id, actor, order)


async def _new(exports: Exports, workspace_id: int, actor: str, kept: Order) -> Export:
    ground = exports.ground
    now = ground.clock.now()
    if await ground.db.read(store.jobs.count, workspace_id, (RUNNING, DONE)) >= OPEN_MAX:
        detail = f"There are {OPEN_MAX}. Fetch what is done, and delete it."
        raise Problem("too-many-exports", "Too many exports are kept", status=409, detail=detail)
    text = msgspec.json.encode(kept).decode()
    return Export(
        id=ground.ids.mint(), state=RUNNING, wanted=text, actor=actor, created_at=now, updated_at=now
    )


async def begin(exports: Exports, workspace_id: int, one: Export) -> None:
    """Write down an export that was asked for, and have it written."""

    async def work(tx: Transaction) -> None:
        await store.insert(tx, workspace_id, one)
        await note(tx, workspace_id, one, one.created_at)

    await exports.ground.db.run(work)
    exports.ground.fabric.wake(TOPIC)


async def get(exports: Exports, workspace_id: int, export_id: int) -> Export:
    """One export; a Problem when there is none."""
    found = await exports.ground.db.read(store.jobs.get, workspace_id, export_id)
    if found is None:
        raise not_found("export", ids.show("export", export_id))
    return found


async def fetched(exports: Exports, workspace_id: int, export_id: int) -> Export:
    """An export whose file is there; a Problem when it is not yet, or not any more."""
    one = await get(exports, workspace_id, export_id)
    if one.state != DONE or not exports.shelf.has(one.id):
        detail = f"It is {one.state}. {one.reason}".strip()
        raise Problem("export-state", "There is no file to fetch", status=409, detail=detail)
    return one


async def delete(exports: Exports, workspace_id: int, export_id: int) -> None:
    """Forget an export and remove its file; one that is being written ends."""
    one = await get(exports, workspace_id, export_id)
    await exports.ground.db.run(store.remove, workspace_id, one.id)
    exports.shelf.remove(one.id)


async def withdraw(tx: Transaction, workspace_id: int, now: int) -> int:
    """No file of a workspace is to be fetched any more, nor one that is being written: somebody who is erased
    may be in it. How many there were; their octets are swept from the shelf soon after."""
    count = 0
    while found := await store.jobs.in_states(tx, workspace_id, (RUNNING, DONE), OPEN_MAX):
        for export_id in found:  # more than OPEN_MAX where several were begun at one moment
            await store.end(
                tx, workspace_id, export_id, (RUNNING, DONE), EXPIRED, now, reason="a person was erased"
            )
        count += len(found)
    return count


async def note(tx: Transaction, workspace_id: int, one: Export, now: int) -> None:
    """Write down who takes contacts out, for the audit and as a fact."""
    details = msgspec.json.decode(one.wanted)
    await tell(tx, workspace_id, "asked", one, now)
    await audit.note(tx, workspace_id, one.actor, "export.asked", ids.show("export", one.id), details, now)


async def tell(tx: Transaction, workspace_id: int, verb: str, one: Export, now: int, **more: object) -> None:
    """The fact of what has become of an export; `source` is empty when contacts are in it."""
    kept = msgspec.json.decode(one.wanted, type=Order)
    body = msgspec.json.encode({"by": one.actor, "source": kept.source, "format": kept.format, **more})
    await facts.append(tx, [Fact(workspace_id, f"export.{verb}", one.id, now, body)])


# ── who is in it ─────────────────────────────────────────────────────────────────────────────────────


async def pages(ground: Ground, workspace_id: int, settled: Settled) -> AsyncIterator[list[Contact]]:
    """The contacts that are wanted, in the order in which they were created."""
    after, done = 0, False
    while not done:
        chosen, after, done = await ground.db.read(_page, workspace_id, settled, after)
        if chosen:
            yield chosen


async def _page(
    tx: Transaction, workspace_id: int, settled: Settled, after: int
) -> tuple[list[Contact], int, bool]:
    """Some contacts, where the next ones begin, and whether there are none."""
    window = await audience.window(tx, workspace_id, settled, after, PAGE_ROWS)
    there = await contact_store.by_ids(tx, workspace_id, window.ids)
    return [there[one] for one in window.ids if one in there], window.after, window.done


async def columns_of(ground: Ground, workspace_id: int, wanted: Order) -> tuple[str, ...]:
    """The columns of a file: those that were chosen, else all for which anybody has had a value."""
    if wanted.columns:
        return wanted.columns
    names, kinds = await ground.db.read(_had, workspace_id)
    return table.usual(sorted(names)[: table.COLUMNS_MAX - len(table.KINDS) - len(table.PLAIN)], kinds)


async def _had(tx: Transaction, workspace_id: int) -> tuple[set[str], set[str]]:
    """The fields that are defined or that somebody has had, and the kinds of address that there are."""
    names = {*await fields.definitions(tx, workspace_id), *await contact_store.index.places(tx, workspace_id)}
    return names, await contact_store.kinds(tx, workspace_id)


def told(one: Contact) -> Told:
    """A contact as the writer is told of it."""
    return Told(
        id=one.id,
        external_id=one.external_id,
        name=one.name,
        locale="" if one.locale_is_guess else one.locale,
        time_zone="" if one.time_zone_is_guess else one.time_zone,
        country=one.country,
        fields=one.fields,
        tags=one.tags,
        opted_out=tuple(sorted(one.opted_out)),
        addresses=tuple([AddressTold(a.kind.value, a.value, a.operator_blacklist) for a in one.addresses]),
        created_at=one.created_at,
        updated_at=one.updated_at,
    )
