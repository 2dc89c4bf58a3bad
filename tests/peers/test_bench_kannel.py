"""Kannel in the bench beside ours: the same operator and client, books that agree. No second is asserted."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.peers import kannel
from bench.peers.contest import Place, contenders, paced, run
from bench.stage import Seed

pytestmark = [pytest.mark.peers("bearerbox"), pytest.mark.xdist_group("kannel")]

DURABLE = next(one for one in contenders(kannel.KANNELS, jasmin_too=False) if "SQLite" in one.name)


async def test_kannel_is_measured_and_its_receipts_are_heard(tmp_path: Path) -> None:
    place = Place(tmp_path, {True: Seed(tmp_path, "", 0, 0, 100)}, 50, 100)
    made = await run(DURABLE, place, "run", 40, receipts=True)
    assert made.ledgers == dict.fromkeys(
        ("accepted", "received by the operator", "delivered by the operator", "receipts called about"), 40
    )
    assert made.cpu_us.keys() == {"bearerbox", "smsbox", "operator", "ears", "client"}
    course = await paced(DURABLE, place, "paced", 100.0, 0.0, 0.2, receipts=True)
    assert (course.requests, course.gateway) == (20, DURABLE.name)
