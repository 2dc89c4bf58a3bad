"""The demo by its processes: its report says what the operators' ledgers say, also after a kill -9."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from support.demo import Demo, copies

pytestmark = pytest.mark.sqlite

FINAL = {"sent", "delivered", "read", "failed", "refused", "expired", "unknown"}


def check_people(demo: Demo, report: dict[str, Any]) -> None:
    """Everybody in exactly one final state, for each message."""
    people = demo.customers()
    for name, found in report["messages"].items():
        assert found["total"] == len(people) == sum(found["by_state"].values()), name
        assert set(found["by_state"]) <= FINAL, name
    rows = demo.rows()
    assert len(rows) == 2 * len(people)
    assert len({(row["label"], row["external_id"]) for row in rows}) == 2 * len(people)


def check_shielded(demo: Demo, report: dict[str, Any]) -> None:
    """Nobody who refused advertising got any, on any channel; each is refused with the reason."""
    people = demo.customers()
    shielded = {p["external_id"] for p in people if p["opt_out"] or p["operator_blacklist"]}
    phones = {p["phone"] for p in people if p["external_id"] in shielded and p["phone"]}
    sale = "chaykhana.example/s"
    told = {e["recipient"] for entries in demo.ledgers().values() for e in entries if sale in e["text"]}
    assert not told & phones
    refused = {
        row["external_id"]
        for row in demo.rows()
        if row["label"] == "winter-sale" and row["state"] == "refused"
    }
    assert shielded == refused
    reasons = report["messages"]["winter-sale"]["refused"]
    assert sum(reasons.values()) == len(shielded)
    assert set(reasons) == {"opted_out", "operator_blacklist"}


@pytest.mark.timeout(300)
@pytest.mark.turns(4, 2)
async def test_the_report_is_what_the_ledgers_say(tmp_path: Path) -> None:
    demo = Demo(tmp_path, people=150)
    await demo.start("--patience", "0.4")
    report = await demo.finish()
    check_people(demo, report)
    check_shielded(demo, report)
    ledgers = demo.ledgers()
    for face, entries in ledgers.items():
        assert report["ledgers"][face]["received"] == len(entries), face
        assert report["ledgers"][face]["doubled"] == 0, face
        assert max(copies(entries).values()) == 1, face
    accepted = dict.fromkeys(ledgers, 0)
    of_channel = {"vk_notify": "vk", "viber_business": "viber", "smpp": "smpp"}
    for line in report["channels"]:
        accepted[of_channel[line["channel"]]] += line["accepted"]
    assert accepted == {face: len(entries) for face, entries in ledgers.items()}


@pytest.mark.timeout(300)
@pytest.mark.turns(2, 1)
async def test_kill_9_in_the_middle_loses_nothing_and_doubles_nothing_it_must_not(tmp_path: Path) -> None:
    demo = Demo(tmp_path, people=150)
    await demo.start("--patience", "0.4")
    await demo.until_taken(0.5)
    demo.kill_server()
    with (demo.folder / "again.log").open("wb") as log:
        again = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "angarium", "--config", str(demo.folder / "angarium.toml"), "serve"),
            stdout=log,
            stderr=log,
        )
    try:
        report = await demo.finish()
    finally:
        again.terminate()
        assert await again.wait() == 0
    check_people(demo, report)
    check_shielded(demo, report)
    sale = "chaykhana.example/s"
    for face, entries in demo.ledgers().items():
        at_most_once = [entry for entry in entries if sale in entry["text"]]
        assert not at_most_once or max(copies(at_most_once).values()) == 1, face
        # A service message may be sent once more after an unanswered submission, and not oftener.
        assert max(copies(entries).values()) <= 2, face
