"""Each parser for half a second with a fixed seed, for a second in `make long`.

`python -m tests.fuzz --seconds 60` does it for a minute.
"""

from __future__ import annotations

import gc

import pytest

from angarium.protocols.smpp_receipt import fields
from fuzz.harness import GROWTH_MAX_BYTES, Target, fuzz, simple
from fuzz.targets import TARGETS

SEED = 1


@pytest.fixture(autouse=True)
def lean() -> None:
    """What tests before have left is not gone through by each look at the memory: that takes seconds."""
    gc.freeze()


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("share", [2, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parts(2)
def test_a_parser_bears_anything(target: Target, share: int) -> None:
    known = len(target.seeds)  # which come first
    report = fuzz(target, SEED, executions=known + (target.in_tests - known) // share)
    assert not report.failures, "\n".join(map(str, report.failures))
    assert report.growth < GROWTH_MAX_BYTES, str(report)


# ── the fuzzer itself ────────────────────────────────────────────────────────────────────────────────


def brittle(data: bytes) -> None:
    """Breaks on one octet in one place."""
    if data[:1] == b"{" and data[-1:] == b"!":
        raise KeyError(data)


def test_what_breaks_is_found_and_found_again() -> None:
    target = Target("brittle", simple(brittle), [b"{}"], [b"!"])
    first, second = (fuzz(target, 7, executions=4_000) for _ in range(2))
    (failure,) = first.failures
    assert "KeyError" in failure.said
    assert failure.data.endswith(b"!")
    assert [one.data for one in second.failures] == [failure.data]


def test_work_without_end_is_stopped_though_the_parser_hides_exceptions() -> None:
    def hiding(data: bytes) -> None:
        try:
            while True:
                fields(data.decode("latin-1"))
        except Exception:
            return

    (failure,) = fuzz(Target("hiding", simple(hiding), [b"id:1"], steps=(1_000, 0)), 1, executions=1).failures
    assert "more than 1000 lines" in failure.said


def test_what_is_held_is_seen() -> None:
    held: list[bytes] = []
    target = Target("hoarder", simple(lambda data: held.append(b"x" * 400_000)), [b"x"])
    assert fuzz(target, 1, executions=200).growth > GROWTH_MAX_BYTES


def test_a_new_line_of_code_is_kept() -> None:
    report = fuzz(TARGETS["receipts"], SEED, executions=300)
    assert report.corpus > len(TARGETS["receipts"].seeds)
