"""Seals the audit log with the key that is not in the database, keeps what it sealed elsewhere, and verifies.

A seal is the hash of a row and the instant of sealing, encrypted and bound to the row (`storage/vault.py`):
whoever has the database alone can neither make one nor move one, and can delete them only so that rows are
left without one for longer than `LATE_S`, or are sealed late by the next run: both are told. The newest
hashes are also kept in a file beside the key, so that a log that lost its end, seals and all, is noticed; and
nothing is sealed that contradicts that file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import structlog

from angarium.accounts import audit
from angarium.accounts import store as accounts
from angarium.accounts.store import audit as store
from angarium.accounts.store.audit import NOTHING, Entry, Head
from angarium.core.clock import iso, micros
from angarium.core.problems import Problem
from angarium.core.service import Supervisor
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from angarium.storage.vault import NotOpened

log = structlog.get_logger()

SEAL_EVERY_S = 60.0
LATE_S = 900.0  # a row without a seal for longer than this is told of
AT_ONCE = 1_000


class Seal(msgspec.Struct, frozen=True):
    """What a seal says: at this instant, the row had this hash."""

    hash: bytes
    at: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in the log of one workspace."""

    workspace: str
    rows: int
    head: Head
    sealed: int  # rows up to the newest good seal
    erased: int  # rows whose details are gone
    broken: str = ""  # the first thing that is wrong, with the number of its row
    remarks: tuple[str, ...] = ()  # what is not proof of a change, and should be explained by somebody

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.broken


def seal_cell(workspace_id: int, number: int) -> str:
    """The only place where a seal opens."""
    return f"{workspace_id}/audit/{number}"


# ── sealing ──────────────────────────────────────────────────────────────────────────────────────────


class Notary:
    """A service: seals what is new in every workspace, and keeps the newest hashes in a file."""

    def __init__(self, ground: Ground, anchors: Path | None = None) -> None:
        self._ground = ground
        self._anchors = anchors
        self._supervisor = Supervisor(ground.clock)

    async def start(self) -> None:
        """Begin; the first seals are made at once."""
        self._supervisor.run("audit seals", self._loop)

    async def stop(self) -> None:
        """Seal what is new, and end; without the database it is sealed at the next start."""
        await self._supervisor.stop()
        try:
            await seal_everything(self._ground, self._anchors)
        except Problem as problem:
            log.warning("the audit log is not sealed to its end", why=problem.detail)

    async def _loop(self) -> None:
        while True:
            await seal_everything(self._ground, self._anchors)
            await self._ground.clock.sleep(SEAL_EVERY_S)


async def seal_everything(ground: Ground, anchors: Path | None) -> int:
    """Seal the newest row of every workspace that has a new one; how many."""
    heads, known = {}, read_anchors(anchors) if anchors else {}
    for workspace in await ground.db.read(accounts.workspaces):
        anchor = known.get(workspace.id)
        head, sealed, same = await ground.db.read(_state, workspace.id, anchor)
        if not same:
            log.error("the audit log was changed", workspace=workspace.name, remedy="angarium audit verify")
        elif head.number > sealed:
            told = msgspec.json.encode(Seal(head.hash, ground.clock.now()))
            seal = ground.vault.seal(told, seal_cell(workspace.id, head.number))
            await ground.db.run(store.add_seal, workspace.id, head.number, seal)
            heads[workspace.id] = head
    if heads and anchors is not None:
        write_anchors(anchors, heads)
    return len(heads)


async def _state(tx: Transaction, workspace_id: int, anchor: Head | None) -> tuple[Head, int, bool]:
    """The newest row, the newest that is sealed, and whether the row that is known elsewhere is there."""
    head, sealed = await store.head(tx, workspace_id), await store.last_sealed(tx, workspace_id)
    if anchor is None or head == anchor:
        return head, sealed, True
    row = await store.after(tx, workspace_id, anchor.number - 1, 1)
    return head, sealed, bool(row) and row[0].hash == anchor.hash


# ── what is kept beside the key ──────────────────────────────────────────────────────────────────────


def anchors_beside(key_file: str) -> Path:
    """The file with the newest hashes."""
    return Path(f"{key_file}.audit")


def read_anchors(file: Path) -> dict[int, Head]:
    """The newest hash of each workspace that this machine has seen."""
    if not file.exists():
        return {}
    kept = msgspec.json.decode(file.read_bytes(), type=dict[str, tuple[int, str]])
    return {int(name): Head(number, bytes.fromhex(hashed)) for name, (number, hashed) in kept.items()}


def write_anchors(file: Path, heads: dict[int, Head], *, back: bool = False) -> None:
    """Keep newer hashes; older ones only if `back`, after somebody has said that a backup was put back."""
    kept = read_anchors(file)
    for workspace_id, head in heads.items():
        if back or workspace_id not in kept or kept[workspace_id].number < head.number:
            kept[workspace_id] = head
    draft = file.with_name(f"{file.name}.new")
    shown = {str(workspace_id): (head.number, head.hash.hex()) for workspace_id, head in kept.items()}
    draft.write_bytes(msgspec.json.encode(shown))
    draft.replace(file)


# ── verifying ────────────────────────────────────────────────────────────────────────────────────────


async def entries(ground: Ground, workspace_id: int) -> AsyncIterator[Entry]:
    """Every row of a workspace, the oldest first, some at a time."""
    number = 0
    while found := await ground.db.read(store.after, workspace_id, number, AT_ONCE):
        for entry in found:
            yield entry
        number = found[-1].number


async def verify(ground: Ground, workspace: accounts.Workspace, anchor: Head | None = None) -> Verdict:
    """Go through the log of a workspace from its first row, and compare it with its seals and the anchor."""
    course = _Course(ground, workspace, anchor)
    await course.read_seals()
    async for entry in entries(ground, workspace.id):
        course.take(entry)
        if course.broken:
            break
    return course.verdict()


class _Course:
    """How far the rows have been gone through, and what was found."""

    def __init__(self, ground: Ground, workspace: accounts.Workspace, anchor: Head | None) -> None:
        self._ground = ground
        self._workspace = workspace
        self._anchor = anchor
        self._seals: dict[int, str] = {}
        self._head = Head(0, NOTHING)
        self._sealed = 0
        self._unsealed: Entry | None = None  # the oldest row that no seal covers yet
        self._bare: dict[str, int] = {}  # subjects without details, and where, until their erasure is met
        self._erased = 0
        self._remarks: list[str] = []
        self.broken = ""

    async def read_seals(self) -> None:
        """All seals: one a minute at most in which something was done."""
        number = 0
        while found := await self._ground.db.read(store.seals, self._workspace.id, number, AT_ONCE):
            self._seals.update(found)
            number = found[-1][0]

    def take(self, entry: Entry) -> None:
        """Go one row further."""
        self.broken = self._fault(entry)
        if self.broken:
            return
        self._head = Head(entry.number, entry.hash)
        self._unsealed = self._unsealed or entry
        if entry.number in self._seals:
            self.broken = self._fault_of_seal(entry, self._seals.pop(entry.number))
        if entry.details is None:
            self._erased += 1
            self._bare.setdefault(entry.subject, entry.number)
        if entry.action.endswith(audit.ERASED):
            self._bare.pop(entry.subject, None)

    def _fault(self, entry: Entry) -> str:
        if entry.number != self._head.number + 1:
            return f"row {self._head.number + 1} is missing"
        if entry.hash != audit.hash_of(self._workspace.id, entry, self._head.hash):
            return f"row {entry.number} is not what was written, or what stood before it is gone"
        if entry.details is not None and entry.details_hash != audit.hash_of_details(
            entry.details, entry.salt or b""
        ):
            return f"the details of row {entry.number} are not what was written"
        if self._anchor and entry.number == self._anchor.number and entry.hash != self._anchor.hash:
            return f"row {entry.number} is not the one that is kept beside the key"
        return ""

    def _fault_of_seal(self, entry: Entry, sealed: str) -> str:
        try:
            opened = self._ground.vault.open(sealed, seal_cell(self._workspace.id, entry.number))
            seal = msgspec.json.decode(opened, type=Seal)
        except (NotOpened, msgspec.DecodeError):
            return f"the seal of row {entry.number} is not ours"
        if seal.hash != entry.hash:
            return f"row {entry.number} is not the one that was sealed"
        first, self._unsealed, self._sealed = self._unsealed, None, entry.number
        if first is not None and seal.at - first.at > micros(LATE_S):
            which = f"rows {first.number} to {entry.number}" if first is not entry else f"row {entry.number}"
            self._remarks.append(f"{which}: sealed late, at {iso(seal.at)}")
        return ""

    def verdict(self) -> Verdict:
        """What was found, once no row is left."""
        broken = self.broken or self._fault_at_end()
        if self._unsealed is not None and not broken:
            age = self._ground.clock.now() - self._unsealed.at
            if age > micros(LATE_S):
                self._remarks.append(f"row {self._unsealed.number} and what follows have no seal yet")
        for subject, number in self._bare.items():
            self._remarks.append(f"row {number}: details of {subject} are gone, and no erasure tells why")
        return Verdict(
            workspace=self._workspace.name,
            rows=self._head.number,
            head=self._head,
            sealed=self._sealed,
            erased=self._erased,
            broken=broken,
            remarks=tuple(self._remarks),
        )

    def _fault_at_end(self) -> str:
        missing = f"row {self._head.number + 1} is missing"
        if self._seals:
            return f"{missing}: row {max(self._seals)} was sealed"
        if self._anchor and self._anchor.number > self._head.number:
            return f"{missing}: the file beside the key knows row {self._anchor.number}"
        return ""
