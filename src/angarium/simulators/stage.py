"""What all faces of one simulator process share: the script, and where each face posts its callbacks."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from angarium.simulators.behaviour import Behaviour, Faults, Script
from angarium.simulators.ledger import Ledger
from angarium.simulators.people import People


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a face posts callbacks when a submission names no address of its own, and its signing secret."""

    url: str
    secret: str = ""


class Stage:
    """The script in force; replaced whole while faces play."""

    def __init__(self, script: Script | None = None, ledger_folder: Path | None = None) -> None:
        self.script = script or Script()
        self.webhooks: dict[str, Webhook] = {}
        self.people = People()
        self._ledger_folder = ledger_folder

    def ledger(self, face: str) -> Ledger:
        """A new ledger for a face, kept in the ledger folder when there is one."""
        if self._ledger_folder is None:
            return Ledger(face)
        self._ledger_folder.mkdir(parents=True, exist_ok=True)
        return Ledger(face, self._ledger_folder / f"{face}.jsonl")

    def behaviour(self, face: str, recipient: str) -> Behaviour:
        """What happens to a message for this recipient here: as they are played, else by the script."""
        person = self.people.of(recipient)
        if face in person.absent:
            return Behaviour.NOT_A_USER
        if face in person.blocked:
            return Behaviour.BLOCKED
        return self.script.behaviour(face, recipient)

    def is_off(self, recipient: str) -> bool:
        """Whether somebody's phone is switched off."""
        return self.people.of(recipient).off

    def faults(self, face: str) -> Faults:
        """How this face misbehaves now."""
        return self.script.faults_of(face)


class Face(Protocol):
    """One simulated operator: `Face(stage, port)`; port 0 takes a free one."""

    name: str
    ledger: Ledger

    async def start(self) -> None:
        """Listen."""

    async def stop(self) -> None:
        """Close every connection and every task."""

    async def heed(self) -> None:
        """Open or close the door as the script now says (`Faults.away`)."""

    def waiting(self) -> int:
        """How much is still to happen here, or to be taken by whoever is told."""

    def url(self) -> str:
        """Where it listens: `http://127.0.0.1:8081`, `smpp://127.0.0.1:2775`, `smtp://127.0.0.1:2525`."""
