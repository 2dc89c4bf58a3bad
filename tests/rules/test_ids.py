"""Ids: in order, printed and read back, never minted twice, whatever the clock does."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.clock import SystemClock, micros
from angarium.core.ids import (
    EPOCH_MS,
    NODE_MAX,
    PREFIXES,
    SEQUENCE_MAX,
    WIDTH,
    IdMint,
    earliest,
    read,
    show,
)
from support.still import StillClock

NOW = micros(1_800_000_000)
ID_MAX = (1 << 63) - 1

nouns = st.sampled_from(list(PREFIXES))
values = st.integers(0, ID_MAX)


def parts(value: int) -> tuple[int, int, int]:
    """Milliseconds since 2024, node and sequence of an id."""
    return value >> 21, value >> 13 & NODE_MAX, value & SEQUENCE_MAX


# ── minting ──────────────────────────────────────────────────────────────────────────────────────────

CLOCKS = [  # the clock in milliseconds, time by time; what the ids say
    ([0, 1, 2], [(0, 0), (1, 0), (2, 0)]),
    ([5, 5, 5, 6], [(5, 0), (5, 1), (5, 2), (6, 0)]),
    ([5, 4, 4, 6], [(5, 0), (5, 1), (5, 2), (6, 0)]),  # a step back
    ([5, -3_600_000, 5, 6], [(5, 0), (5, 1), (5, 2), (6, 0)]),
]


@pytest.mark.parametrize(("clock_ms", "expected"), CLOCKS)
def test_minting(clock_ms: list[int], expected: list[tuple[int, int]]) -> None:
    clock = StillClock()
    mint = IdMint(clock, node=7)
    minted = []
    for ms in clock_ms:
        clock.at = NOW + 1000 * ms
        minted.append(parts(mint.mint()))
    begin_ms = NOW // 1000 - EPOCH_MS
    assert minted == [(begin_ms + ms, 7, sequence) for ms, sequence in expected]


def test_a_full_millisecond_borrows_from_the_next() -> None:
    mint = IdMint(StillClock(NOW))
    minted = [mint.mint() for _ in range(2 * (SEQUENCE_MAX + 1) + 1)]
    assert all(earlier < later for earlier, later in pairwise(minted))
    begin_ms, _, _ = parts(minted[0])
    edges = [minted[SEQUENCE_MAX], minted[SEQUENCE_MAX + 1], minted[-1]]
    assert [parts(value) for value in edges] == [
        (begin_ms, 0, SEQUENCE_MAX),
        (begin_ms + 1, 0, 0),
        (begin_ms + 2, 0, 0),
    ]


@given(st.integers(1, 5), st.integers(-2, 2), st.integers(1, 3 * SEQUENCE_MAX))
def test_many_are_what_one_by_one_are(before: int, step_ms: int, count: int) -> None:
    """As many as one mint makes one after the other, another makes at once; both go on alike."""
    minted = []
    for at_once in (False, True):
        clock = StillClock(NOW)
        mint = IdMint(clock, node=7)
        some = [mint.mint() for _ in range(before)]
        clock.at += 1000 * step_ms
        some += mint.mint_many(count) if at_once else [mint.mint() for _ in range(count)]
        minted.append([*some, mint.mint()])
    assert minted[0] == minted[1]


def test_the_layout_stays_as_it_is() -> None:
    """Ids are in databases and in other people's systems."""
    assert show("message", IdMint(StillClock(NOW), node=7).mint()) == "msg_05jp19e001r00"


@given(st.lists(st.integers(-(10**9), 10**9), max_size=50))
def test_ids_of_one_mint_increase(steps: list[int]) -> None:
    clock = StillClock(NOW)
    mint = IdMint(clock, node=NODE_MAX)
    minted = []
    for step in steps:
        clock.at += step
        minted.append(mint.mint())
    assert all(earlier < later for earlier, later in pairwise(minted))
    assert all(0 < value <= ID_MAX for value in minted)


@pytest.mark.parametrize("year_s", [0, 4_102_444_800])  # before our epoch, and in 2100
def test_an_id_is_positive_in_any_year(year_s: int) -> None:
    value = IdMint(StillClock(micros(year_s)), node=NODE_MAX).mint()
    assert 0 < value <= ID_MAX


@pytest.mark.parametrize("node", [-1, NODE_MAX + 1])
def test_a_node_out_of_range_is_refused(node: int) -> None:
    with pytest.raises(ValueError, match=f"not {node}"):
        IdMint(StillClock(), node)


@given(st.integers(NOW, 2 * NOW), st.integers(0, NODE_MAX), st.integers(0, NODE_MAX))
def test_the_earliest_id_of_an_instant(at: int, node: int, other: int) -> None:
    assert earliest(at) <= IdMint(StillClock(at), node).mint()
    assert IdMint(StillClock(at - 1000), other).mint() < earliest(at)


def test_threads_of_one_process_get_different_ids() -> None:
    mint = IdMint(SystemClock())
    with ThreadPoolExecutor(4) as threads:
        minted = [*threads.map(lambda _: [mint.mint() for _ in range(3000)], range(4))]
    assert len({value for some in minted for value in some}) == 12_000
    assert all(some == sorted(some) for some in minted)


MINTING = """
import sys
from angarium.core.clock import SystemClock
from angarium.core.ids import IdMint
mint = IdMint(SystemClock(), int(sys.argv[1]))
sys.stdin.readline()
print(*(mint.mint() for _ in range(20_000)))
"""


def test_processes_that_mint_at_once_get_different_ids() -> None:
    minting = [
        subprocess.Popen(
            [sys.executable, "-c", MINTING, str(node)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for node in (0, 1, NODE_MAX)
    ]
    for process in minting:  # all of them stand ready, and begin together
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    minted = [[int(word) for word in process.communicate(timeout=30)[0].split()] for process in minting]
    assert len({value for some in minted for value in some}) == 60_000
    assert [{parts(value)[1] for value in some} for some in minted] == [{0}, {1}, {NODE_MAX}]


# ── as people see them ───────────────────────────────────────────────────────────────────────────────


@given(nouns, values)
def test_round_trip(noun: str, value: int) -> None:
    shown = show(noun, value)
    assert shown == shown.lower()
    assert len(shown) == len(PREFIXES[noun]) + 1 + WIDTH
    assert read(noun, shown) == value


@given(values, values)
def test_shown_ids_sort_as_the_ids_do(one: int, other: int) -> None:
    assert (show("message", one) < show("message", other)) is (one < other)


def test_each_noun_has_its_own_prefix() -> None:
    assert len(set(PREFIXES.values())) == len(PREFIXES)


SHOWN = [
    ("message", 0, "msg_0000000000000"),
    ("message", 1, "msg_0000000000001"),
    ("message", 32, "msg_0000000000010"),
    ("workspace", ID_MAX, "ws_7zzzzzzzzzzzz"),
]


@pytest.mark.parametrize(("noun", "value", "shown"), SHOWN)
def test_how_it_is_shown(noun: str, value: int, shown: str) -> None:
    assert show(noun, value) == shown


def test_capitals_are_read_too() -> None:
    assert read("message", "msg_00000000000ZZ") == 32 * 32 - 1


WRONG = [
    ("", "expected msg_ and 13 characters"),
    ("msg", "expected msg_"),
    ("msg_", "expected msg_"),
    ("con_0000000000001", "expected msg_"),  # a contact
    ("MSG_0000000000001", "expected msg_"),
    ("0000000000001", "expected msg_"),
    ("msg_000000000001", "13 characters"),
    ("msg_00000000000001", "13 characters"),
    ("msg_000000000000i", "unexpected character 'i'"),  # Crockford leaves out i, l, o, u
    ("msg_000000000000u", "unexpected character 'u'"),
    ("msg_00000000000 1", "unexpected character ' '"),
    ("msg_00000000000٠1", "unexpected character"),  # an Arabic-Indic nought
    ("msg_0000000000_01", "unexpected character '_'"),
    ("msg_8000000000000", "out of range"),
    ("msg_zzzzzzzzzzzzz", "out of range"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG)
def test_what_is_no_message_id(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read("message", text)


@given(nouns, st.text(max_size=40))
def test_any_text_is_an_id_or_a_value_error(noun: str, text: str) -> None:
    try:
        value = read(noun, text)
    except ValueError:
        return
    assert 0 <= value <= ID_MAX
