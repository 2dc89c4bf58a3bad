"""The demo as a process of its own, and what its operators wrote into their ledgers."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from angarium.core.clock import SystemClock

EXAMPLES = Path(__file__).parents[2] / "examples"
FINISHES_S = 280.0


class Demo:
    """One run of `angarium demo --exit` in a folder of the test's own."""

    def __init__(self, folder: Path, people: int) -> None:
        self.folder = folder / "demo"
        self.report_file = folder / "report.json"
        self.csv_file = folder / "who.csv"
        self.contacts = folder / "contacts.csv"
        self.people = _some_of(EXAMPLES / "contacts.csv", self.contacts, people)
        self._process: asyncio.subprocess.Process | None = None
        self._clock = SystemClock()

    async def start(self, *arguments: str) -> None:
        """Begin."""
        log = (self.folder.parent / "demo.log").open("wb")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "angarium", "demo", "--exit", "--port", "0"),
            *("--folder", str(self.folder), "--contacts", str(self.contacts)),
            *("--json", str(self.report_file), "--csv", str(self.csv_file), *arguments),
            stdout=log,
            stderr=log,
        )
        log.close()

    async def finish(self) -> dict[str, Any]:
        """Wait for the end; the report."""
        assert self._process is not None
        try:
            async with asyncio.timeout(FINISHES_S):
                status = await self._process.wait()
        except TimeoutError:
            self._process.send_signal(signal.SIGINT)
            await self._process.wait()
            raise AssertionError(f"the demo did not end:\n{self.said()}") from None
        assert status == 0, self.said()
        report: dict[str, Any] = msgspec.json.decode(self.report_file.read_bytes())
        return report

    async def until_taken(self, share: float) -> None:
        """Wait until the operators have taken so many messages, as a share of the people."""
        while sum(len(entries) for entries in self.ledgers().values()) < self.people * share:
            assert self._process is not None
            assert self._process.returncode is None, self.said()
            await self._clock.sleep(0.02)

    def kill_server(self) -> None:
        """kill -9."""
        os.kill(int((self.folder / "server.pid").read_text()), signal.SIGKILL)

    def said(self) -> str:
        """The logs."""
        found = [self.folder.parent / "demo.log", *sorted(self.folder.glob("*.log"))]
        return "\n".join(f"── {path.name}\n{path.read_text(errors='replace')[-4_000:]}" for path in found)

    def ledgers(self) -> dict[str, list[dict[str, Any]]]:
        """What each operator took, by its own hand."""
        taken: dict[str, list[dict[str, Any]]] = {}
        for path in (self.folder / "ledgers").glob("*.jsonl"):
            lines = path.read_bytes().split(b"\n")[:-1]  # the last may still be written
            entries = [msgspec.json.decode(line) for line in lines]
            taken[path.stem] = [entry for entry in entries if "recipient" in entry]
        return taken

    def customers(self) -> list[dict[str, str]]:
        """The list that went in."""
        with self.contacts.open(newline="", encoding="utf-8") as rows:
            return list(csv.DictReader(rows))

    def rows(self) -> list[dict[str, str]]:
        """The list that came out."""
        with self.csv_file.open(newline="", encoding="utf-8-sig") as rows:
            return list(csv.DictReader(rows))


def copies(entries: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """How often each recipient was sent each text."""
    return Counter((entry["recipient"], entry["text"]) for entry in entries)


def _some_of(source: Path, target: Path, count: int) -> int:
    """Every n-th customer, so that every fate is among them."""
    with source.open(newline="", encoding="utf-8") as rows:
        header, *people = rows.readlines()
    step = max(1, len(people) // count)
    target.write_text(header + "".join(people[::step]), encoding="utf-8")
    return len(people[::step])
