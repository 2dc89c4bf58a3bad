"""Whole worlds from seeds: nothing lost, nothing doubled, nothing silent, whatever falls and whenever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.world import Simulation

TESTS = Path(__file__).parents[1]
SEEDS = 300
CHUNK = 25  # seeds in one test, so that workers share them


def wrong_of(seeds: range) -> dict[int, list[str]]:
    """What was wrong in which of these worlds."""
    return {seed: wrong for seed in seeds if (wrong := Simulation(seed).play())}


def retold(wrong: dict[int, list[str]]) -> str:
    """The seeds, and how to see them again."""
    return "\n".join(
        f"seed {seed}: {'; '.join(blames)}\n    replay: cd tests && python -m sim {seed}"
        for seed, blames in wrong.items()
    )


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_nothing_is_lost_and_nothing_doubled(first: int) -> None:
    wrong = wrong_of(range(first, first + CHUNK))
    assert not wrong, retold(wrong)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_tells_the_same_story(seed: int) -> None:
    here = Simulation(seed)
    here.play()
    again = Simulation(seed)
    again.play()
    assert again.trace == here.trace
    assert len(here.trace) > 30  # a story, not silence
    assert {told_elsewhere(seed, hash_seed) for hash_seed in ("1", "2")} == {here.digest()}


def told_elsewhere(seed: int, hash_seed: str) -> str:
    """The digest of a seed in another interpreter, which orders its sets in another way."""
    told = subprocess.run(
        [sys.executable, "-m", "sim", str(seed), "no such word"],
        cwd=TESTS,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.strip()
