"""Kannel in the bench beside ours: the same operator and client, books that agree. No second is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.peers import kannel
from bench.peers.contest import Place, contenders, paced, run
from bench.stage import Seed

from house.tree import ROOT

pytestmark = [pytest.mark.peers("bearerbox"), pytest.mark.xdist_group("kannel")]

DURABLE = next(one for one in contenders(kannel.KANNELS, jasmin_too=False) if "SQLite" in one.name)


@pytest.mark.turns(2, 0)
async def test_kannel_is_measured_and_its_receipts_are_heard(tmp_path: Path) -> None:
    place = Place(tmp_path, {True: Seed(tmp_path, "", 0, 0, 100)}, 50, 100)
    made = await run(DURABLE, place, "run", 40, receipts=True)
    assert made.ledgers == dict.fromkeys(
        ("accepted", "received by the operator", "delivered by the operator", "receipts called about"), 40
    )
    assert made.cpu_us.keys() == {"bearerbox", "smsbox", "operator", "ears", "client"}
    course = await paced(DURABLE, place, "paced", 100.0, 0.0, 0.2, receipts=True)
    assert (course.requests, course.gateway) == (20, DURABLE.name)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_command_tells_and_keeps_what_both_came_to(tmp_path: Path) -> None:
    result = tmp_path / "peers.json"
    command = [
        *(sys.executable, "-m", "bench.peers", "--without-jasmin", "--messages", "160", "--runs", "1"),
        *("--phones", "50", "--window", "100", "--seconds", "0.5", "--json", str(result)),
        *("--only", DURABLE.name, "--only", "kannel, spool store", "--only", "angarium"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(result.read_text())
    made = {(one["median"]["gateway"], one["median"]["receipts"]) for one in found["contest"]}
    ours = ("angarium, batches of 500", "angarium, single requests")
    both = {(name, receipts) for name in (*ours, "kannel, spool store") for receipts in (True, False)}
    assert made == both | {(DURABLE.name, True)}  # where receipts are kept is of no matter without any
    for one in found["contest"]:
        (run_,) = one["runs"]
        assert set(run_["ledgers"].values()) == {160 if "batches" in run_["gateway"] else 40}
    assert {one["gateway"] for one in found["latency"]} >= {"angarium, single requests", DURABLE.name}
    assert found["ceilings"].keys() == {
        "operator",
        "client, angarium, batches of 500",
        "client, angarium, single requests",
        "client, kannel, single requests",
    }
    assert found["conditions"]["kannel"].startswith("1.4")
    assert "never synced" in done.stdout
    assert result.with_suffix(".html").exists()
