"""The lines in force at hand without a query, with their tariffs and their patterns made ready."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec

from angarium.accounts import store as accounts
from angarium.core.values import MessageClass
from angarium.lines import store
from angarium.lines.patterns_flows import indexed
from angarium.lines.patterns_index import Index
from angarium.lines.store import Guest, Lent, Line, Loan
from angarium.lines.store.patterns import Registered, approved
from angarium.lines.tariffs_flows import Tariffs
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

ANEW_S = 1.0  # between two times that lines are read again because one that was asked for is not at hand


class Lines:
    """The lines in force, of all workspaces, with what they cost, at hand without a query."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.tariffs = Tariffs(ground)
        self._workspace_ids: list[int] = []
        self._by_workspace: dict[int, list[Line]] = {}
        self._by_id: dict[int, Line] = {}
        self._senders: dict[int, list[int]] = {}
        self._known_to: dict[int, dict[int, Line]] = {}
        self._patterns: dict[int, Patterns] = {}
        self._reading = asyncio.Lock()
        self._anew_at = 0.0

    async def reload(self, workspace_ids: list[int]) -> None:
        """Read them again, after whoever does so now: an earlier reading never replaces a later one."""
        async with self._reading:
            await self._read(workspace_ids)

    async def _read(self, workspace_ids: list[int]) -> None:
        """Patterns only of lines whose patterns were changed."""
        at_hand = {line_id: patterns.version for line_id, patterns in self._patterns.items()}
        found = await self._ground.db.read(_all_lines, workspace_ids, self.tariffs, at_hand)
        self._workspace_ids = workspace_ids
        self._patterns = {
            line_id: self._patterns[line_id] if registered is None else Patterns(version, indexed(registered))
            for line_id, (version, registered) in found.patterns.items()
        }
        fresh = found.lines
        self._by_id = {line.id: line for lines in fresh.values() for line in lines}
        self._senders = {line.id: [line.workspace_id] for line in self._by_id.values()}
        self._known_to = {line.id: {line.workspace_id: line} for line in self._by_id.values()}
        for guest in found.guests:
            line = self._by_id.get(guest.line_id)
            if line is None or guest.state is Loan.OFFERED:
                continue
            owner = found.names[line.workspace_id]
            seen = msgspec.structs.replace(line, name=Lent(line, owner, guest.state).name)
            self._known_to[line.id][guest.workspace_id] = seen
            if guest.state is Loan.TAKEN:
                self._senders[line.id].append(guest.workspace_id)
                fresh.setdefault(guest.workspace_id, []).append(seen)
        self._by_workspace = fresh

    async def again(self) -> None:
        """Read those again that were read last: somebody has changed what decides about their messages."""
        await self.reload(self._workspace_ids)

    async def look_for(self, workspace_id: int, names: Collection[str], channels: Collection[str]) -> None:
        """Read them again where one that is asked for is not at hand: it may have been made a moment ago, and
        the word of it be on its way. Once a second, for it may not exist.
        """
        own = self.of(workspace_id)
        if {one.name for one in own}.issuperset(names) and {one.channel for one in own}.issuperset(channels):
            return
        now = self._ground.clock.monotonic()
        if now >= self._anew_at:
            self._anew_at = now + ANEW_S
            await self.reload(sorted({*self._workspace_ids, workspace_id}))

    def patterns(self, line: Line, message_class: MessageClass) -> Index | None:
        """What a text of this class has to fit on a line; None when it may be anything."""
        if message_class not in line.patterned:
            return None
        kept = self._patterns.get(line.id)
        return (kept.by_class.get(message_class) if kept else None) or NO_PATTERNS

    def of(self, workspace_id: int) -> list[Line]:
        """The lines that a workspace may send on, by its names for them: its own, and those it has taken."""
        return self._by_workspace.get(workspace_id, [])

    def get(self, line_id: int) -> Line | None:
        """One line, as its owner knows it."""
        return self._by_id.get(line_id)

    def seen(self, workspace_id: int, line_id: int) -> Line | None:
        """One line as a workspace knows it that sends on it, or did."""
        known = self._known_to.get(line_id)
        return known.get(workspace_id) if known else None

    def senders(self, line_id: int) -> list[int]:
        """The workspaces that send on a line, its owner first."""
        return self._senders.get(line_id, [])

    def everybody(self, line_id: int) -> list[int]:
        """The workspaces that send on a line or did, its owner first: whose receipts come on it."""
        return list(self._known_to.get(line_id, {}))

    def every(self) -> list[Line]:
        """All lines."""
        return list(self._by_id.values())


class Patterns(msgspec.Struct, frozen=True):
    """The approved patterns of a line, made ready, and which change of them this is."""

    version: int
    by_class: dict[MessageClass, Index]


NO_PATTERNS = Index(())


class Found(msgspec.Struct, frozen=True):
    """What is read of lines at once."""

    lines: dict[int, list[Line]]  # by workspace
    guests: list[Guest]
    names: dict[int, str]  # of workspaces
    patterns: dict[int, tuple[int, list[Registered] | None]]  # by line; None: not changed


async def _all_lines(
    tx: Transaction, workspace_ids: list[int], tariffs: Tariffs, at_hand: dict[int, int]
) -> Found:
    async with tx.across_workspaces():
        return await _of_all(tx, workspace_ids, tariffs, at_hand)


async def _of_all(
    tx: Transaction, workspace_ids: list[int], tariffs: Tariffs, at_hand: dict[int, int]
) -> Found:
    await tariffs.read(tx, workspace_ids)
    lines = {workspace_id: await store.all_of(tx, workspace_id) for workspace_id in workspace_ids}
    guests = [one for workspace_id in workspace_ids for one in await store.guests(tx, workspace_id)]
    patterns: dict[int, tuple[int, list[Registered] | None]] = {}
    for line in (line for some in lines.values() for line in some if line.patterned):
        changed = at_hand.get(line.id) != line.patterns_version
        registered = await approved(tx, line.workspace_id, line.id) if changed else None
        patterns[line.id] = (line.patterns_version, registered)
    return Found(lines, guests, {one.id: one.name for one in await accounts.workspaces(tx)}, patterns)
