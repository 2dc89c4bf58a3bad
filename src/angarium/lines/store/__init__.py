"""The table of lines, one function per query. Secrets in `settings` are sealed before they get here.

A line is read with what its registrations come to, so that whether it may carry a class needs no query.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, select, update

from angarium.accounts.store import workspace
from angarium.core.values import Hours, Json, MessageClass
from angarium.lines import registration_rules
from angarium.lines.registration_rules import GRANTED, ONCE_GRANTED, TELLING, Standing, State
from angarium.lines.store import patterns, registrations
from angarium.lines.store.registrations import read_classes
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Count, Id, Instant, Micros, Real, Words, metadata

line = Table(
    "line",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("channel", Words, nullable=False),
    Column("settings", Words, nullable=False),
    Column("classes", Words, nullable=False),
    Column("requirement", Words, nullable=False),
    Column("patterned", Words, nullable=False),
    Column("enabled", Count, nullable=False),
    Column("speed_per_s", Real, nullable=False),
    Column("window_max", Count, nullable=False),
    Column("hours", Words),
    Column("price_micros", Micros, nullable=False),
    Column("price_per", Words, nullable=False),
    Column("currency", Words, nullable=False),
    Column("tariff", Words, nullable=False),
    Column("weight", Count, nullable=False),
    Column("only_to", Words, nullable=False),
    Column("never_to", Words, nullable=False),
    Column("callback_token", Words, nullable=False),
    Column("version", Count, nullable=False),
    Column("rules_version", Count, nullable=False),
    Column("patterns_version", Count, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("recorded_until", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("line_name", "workspace_id", "name", unique=True),
    sqlite_with_rowid=False,
)

# A line that its workspace lends to others. A row stays when a loan has ended: receipts for it still come.
line_guest = Table(
    "line_guest",
    metadata,
    Column("workspace_id", Id, nullable=False),  # the owner
    Column("line_id", Id, nullable=False),
    Column("guest_id", Id, nullable=False),  # a workspace
    Column("state", Words, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "line_id", "guest_id"),
    Index("line_guest_guest", "guest_id", "line_id"),
    sqlite_with_rowid=False,
)

COLUMNS = tuple(line.columns.keys())
# columns that a description of the line does not change
KEPT = (
    "workspace_id",
    "id",
    "created_at",
    "callback_token",
    "rules_version",
    "patterns_version",
    "recorded_until",
)


class Line(msgspec.Struct, frozen=True):
    """One configured connection on a channel."""

    workspace_id: int
    id: int
    name: str
    channel: str
    settings: Json  # secret values sealed
    classes: frozenset[MessageClass]  # what it is for; its registrations say what of that may go
    requirement: str  # what kind of line it is: what its registrations need
    patterned: frozenset[MessageClass]  # classes whose text must fit a pattern that the operator approved
    enabled: bool
    speed_per_s: float  # submissions a second; 0: without limit
    window_max: int  # submissions without an answer at the same time
    hours: Hours | None
    price_micros: int
    price_per: str  # part or message
    currency: str
    tariff: str  # name of a tariff; empty: `price_micros` alone
    weight: int  # its share of the traffic among lines chosen by weight
    only_to: tuple[str, ...]  # destinations; empty: everywhere
    never_to: tuple[str, ...]
    callback_token: str
    version: int
    rules_version: int  # counts every change of what decides whether a message may go on it
    patterns_version: int
    created_at: int
    updated_at: int
    recorded_until: int = 0  # all that is said on it is kept until then
    registrations: tuple[Standing, ...] = ()  # of its kind, oldest first

    @property
    def approved(self) -> bool:
        """Whether it was approved for a class that it is for; the clock may have ended that since."""
        return any(one.state in GRANTED and one.classes & self.classes for one in self.registrations)

    @property
    def known(self) -> bool:
        """Whether its provider has known it at some time: then receipts may come."""
        return any(one.state in ONCE_GRANTED for one in self.registrations)

    @property
    def registration(self) -> str:
        """The state of its registrations in one word: that of the most telling one; draft without any."""
        found = [one.state for one in self.registrations]
        return min(found, key=TELLING.index, default=State.DRAFT).value

    def granted(self, now: int) -> frozenset[MessageClass]:
        """The classes that may go on it now."""
        return self.classes & registration_rules.granted(self.registrations, now)

    @property
    def callback_path(self) -> str:
        """Where its provider posts to; the token is what keeps strangers out."""
        return f"/callbacks/{self.id:x}/{self.callback_token}"

    def price(self, parts: int) -> int:
        """What a message of so many parts costs by the line alone, in micro-units of `currency`."""
        return self.price_micros * (parts if self.price_per == "part" else 1)


class Loan(StrEnum):
    """What has become of the lending of a line."""

    OFFERED = "offered"  # the guest has not agreed: nothing of it goes on the line
    TAKEN = "taken"
    ENDED = "ended"  # nothing new goes; what is under way is still heard of


class Guest(msgspec.Struct, frozen=True):
    """A workspace that a line is lent to."""

    line_id: int
    workspace_id: int  # of the guest
    state: Loan
    updated_at: int


class Lent(msgspec.Struct, frozen=True):
    """A line as the workspace that it is lent to knows it."""

    line: Line
    owner: str  # name of the workspace that lends it
    state: Loan

    @property
    def name(self) -> str:
        """What the guest calls it; no line of its own can be called so."""
        return f"{self.owner}/{self.line.name}"


_columns = list(line.columns)
_here = line.c.workspace_id == bindparam("workspace_id")
_save = BulkInsert(
    line,
    COLUMNS,
    conflict=("workspace_id", "id"),
    update=tuple(name for name in COLUMNS if name not in KEPT),
)
_all = Statement(select(*_columns).where(_here).order_by(line.c.id))
_held = Statement(select(*_columns).where(_here).order_by(line.c.id).with_for_update())
_one = Statement(select(*_columns).where(_here, line.c.id == bindparam("line_id")))
_named = Statement(select(*_columns).where(_here, line.c.name == bindparam("name")))
_guest_columns = (line_guest.c.line_id, line_guest.c.guest_id, line_guest.c.state, line_guest.c.updated_at)
_lent_here = line_guest.c.workspace_id == bindparam("workspace_id")
_save_guest = BulkInsert(
    line_guest,
    ("workspace_id", "line_id", "guest_id", "state", "updated_at"),
    conflict=("workspace_id", "line_id", "guest_id"),
    update=("state", "updated_at"),
)
_guests = Statement(
    select(*_guest_columns).where(_lent_here).order_by(line_guest.c.line_id, line_guest.c.guest_id)
)
_drop_guest = Statement(
    delete(line_guest).where(
        _lent_here,
        line_guest.c.line_id == bindparam("line_id"),
        line_guest.c.guest_id == bindparam("guest_id"),
    )
)
_drop_guests = Statement(delete(line_guest).where(_lent_here, line_guest.c.line_id == bindparam("line_id")))
_lent = Statement(
    select(*_columns, workspace.c.name, line_guest.c.state)
    .join(
        line_guest,
        (line_guest.c.workspace_id == line.c.workspace_id) & (line_guest.c.line_id == line.c.id),
    )
    .join(workspace, workspace.c.workspace_id == line.c.workspace_id)
    .where(line_guest.c.guest_id == bindparam("guest_id"), line_guest.c.state != "ended")
    .order_by(line.c.id)
)
_drop = Statement(delete(line).where(_here, line.c.id == bindparam("line_id")))
_this = (_here, line.c.id == bindparam("line_id"))
_rules_changed = Statement(update(line).where(*_this).values(rules_version=line.c.rules_version + 1))
_patterns_changed = Statement(
    update(line)
    .where(*_this)
    .values(rules_version=line.c.rules_version + 1, patterns_version=line.c.patterns_version + 1)
)
_record = Statement(update(line).where(*_this).values(recorded_until=bindparam("until")))
_rules_version = Statement(select(line.c.rules_version).where(*_this))


async def save(tx: Transaction, one: Line) -> None:
    """Write a new line or a new version of one; Conflict when the name is taken."""
    await tx.insert(_save, [_row(one)])
    await rules_changed(tx, one.workspace_id, one.id)


async def rules_changed(tx: Transaction, workspace_id: int, line_id: int, *, patterns: bool = False) -> None:
    """Whoever sends on a line has to look at it again before the next claim."""
    await tx.execute(
        _patterns_changed if patterns else _rules_changed, workspace_id=workspace_id, line_id=line_id
    )


async def record(tx: Transaction, workspace_id: int, line_id: int, until: int) -> bool:
    """Have all that is said on a line kept until then; False when there is no such line."""
    return await tx.execute(_record, workspace_id=workspace_id, line_id=line_id, until=until) > 0


async def rules_version(tx: Transaction, workspace_id: int, line_id: int) -> int | None:
    """Which change of its rules is the newest; None when there is no such line."""
    row = await tx.row(_rules_version, workspace_id=workspace_id, line_id=line_id)
    return None if row is None else row[0]


async def all_of(tx: Transaction, workspace_id: int) -> list[Line]:
    """All lines of a workspace, oldest first."""
    found = [_read(row) for row in await tx.rows(_all, workspace_id=workspace_id)]
    return await _registered(tx, workspace_id, found)


async def _registered(tx: Transaction, workspace_id: int, found: list[Line]) -> list[Line]:
    """Lines of one workspace, with what their registrations come to."""
    if not found:
        return found
    if len(found) == 1:
        rows = await registrations.of_line(tx, workspace_id, found[0].id)
    else:
        rows = await registrations.all_of(tx, workspace_id)
    standings = registrations.by_line(rows)
    return [_with(one, standings.get(one.id, ())) for one in found]


def _with(one: Line, standings: Sequence[Standing]) -> Line:
    """A line with the registrations that are of its kind; others were for what it was before."""
    ours = tuple(standing for standing in standings if standing.requirement == one.requirement)
    return msgspec.structs.replace(one, registrations=ours)


async def hold_all(tx: Transaction, workspace_id: int) -> list[Line]:
    """The same, their rows held until the end of the transaction."""
    found = [_read(row) for row in await tx.rows(_held, workspace_id=workspace_id)]
    return await _registered(tx, workspace_id, found)


async def by_id(tx: Transaction, workspace_id: int, line_id: int) -> Line | None:
    """One line."""
    row = await tx.row(_one, workspace_id=workspace_id, line_id=line_id)
    return await _only(tx, workspace_id, row)


async def by_name(tx: Transaction, workspace_id: int, name: str) -> Line | None:
    """One line."""
    row = await tx.row(_named, workspace_id=workspace_id, name=name)
    return await _only(tx, workspace_id, row)


async def _only(tx: Transaction, workspace_id: int, row: Row | None) -> Line | None:
    return None if row is None else (await _registered(tx, workspace_id, [_read(row)]))[0]


async def remove(tx: Transaction, workspace_id: int, line_id: int) -> bool:
    """Delete a line, its registrations and patterns, and whom it is lent to; False when there is none."""
    await registrations.remove_of_line(tx, workspace_id, line_id)
    await patterns.remove_of_line(tx, workspace_id, line_id)
    await tx.execute(_drop_guests, workspace_id=workspace_id, line_id=line_id)
    return await tx.execute(_drop, workspace_id=workspace_id, line_id=line_id) > 0


async def save_guest(tx: Transaction, workspace_id: int, guest: Guest) -> None:
    """Write how a line is lent to a workspace."""
    await tx.insert(
        _save_guest, [(workspace_id, guest.line_id, guest.workspace_id, guest.state.value, guest.updated_at)]
    )


async def guests(tx: Transaction, workspace_id: int) -> list[Guest]:
    """Whom the lines of a workspace are lent to, or have been."""
    rows = await tx.rows(_guests, workspace_id=workspace_id)
    return [Guest(row[0], row[1], Loan(row[2]), row[3]) for row in rows]


async def forget_guest(tx: Transaction, workspace_id: int, line_id: int, guest_id: int) -> None:
    """Forget an offer that was not taken."""
    await tx.execute(_drop_guest, workspace_id=workspace_id, line_id=line_id, guest_id=guest_id)


async def lent_to(tx: Transaction, guest_id: int) -> list[Lent]:
    """The lines that are offered to a workspace or that it has taken, oldest first."""
    async with tx.across_workspaces():
        rows = await tx.rows(_lent, guest_id=guest_id)
        return [await _of_its_owner(tx, Lent(_read(row[:-2]), row[-2], Loan(row[-1]))) for row in rows]


async def _of_its_owner(tx: Transaction, lent: Lent) -> Lent:
    """A line that is lent, with the registrations of its owner: those count."""
    (whole,) = await _registered(tx, lent.line.workspace_id, [lent.line])
    return msgspec.structs.replace(lent, line=whole)


async def names_known(tx: Transaction, workspace_id: int) -> dict[str, Line]:
    """The lines that a workspace may send on, by the names that it has for them."""
    lent = {one.name: one.line for one in await lent_to(tx, workspace_id) if one.state is Loan.TAKEN}
    return {one.name: one for one in await all_of(tx, workspace_id)} | lent


def _row(one: Line) -> tuple[Any, ...]:
    values: dict[str, Any] = {name: getattr(one, name) for name in COLUMNS}
    values["settings"] = _text(one.settings)
    values["classes"] = " ".join(sorted(one.classes))
    values["patterned"] = " ".join(sorted(one.patterned))
    values["enabled"] = int(one.enabled)
    values["only_to"], values["never_to"] = "\n".join(one.only_to), "\n".join(one.never_to)
    values["hours"] = None if one.hours is None else _text(one.hours)
    return tuple(values[name] for name in COLUMNS)


def _read(row: Row) -> Line:
    values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    values["settings"] = msgspec.json.decode(values["settings"])
    values["classes"] = read_classes(values["classes"])
    values["patterned"] = read_classes(values["patterned"])
    values["enabled"] = bool(values["enabled"])
    for name in ("only_to", "never_to"):
        values[name] = tuple(values[name].splitlines())
    values["hours"] = None if values["hours"] is None else msgspec.json.decode(values["hours"], type=Hours)
    return Line(**values)


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
