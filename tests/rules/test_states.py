"""The lifecycle tables: every state is reached, bad news never undoes good, and database and docs agree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

import pytest

from angarium.messaging.states import (
    ATTEMPT_SUCCESS,
    ATTEMPT_TRANSITIONS,
    MESSAGE_TRANSITIONS,
    OPEN_ATTEMPT,
    AttemptState,
    MessageState,
    attempt_may_become,
    diagram,
    may_become,
)
from angarium.messaging.store.tables import attempt

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "cascades.md"

Table = Mapping[StrEnum, frozenset[StrEnum]]
TABLES: list[tuple[type[StrEnum], Table, str]] = [
    (MessageState, MESSAGE_TRANSITIONS, "scheduled"),
    (AttemptState, ATTEMPT_TRANSITIONS, "queued"),
]
both_tables = pytest.mark.parametrize(("states", "table", "first"), TABLES)

GOOD_NEWS = ("delivered", "read")
BAD_NEWS = {"failed", "refused", "expired", "cancelled", "unknown"}


@both_tables
def test_every_state_has_its_row(states: type[StrEnum], table: Table, first: str) -> None:
    assert set(table) == set(states)
    assert all(state not in nexts for state, nexts in table.items())


@both_tables
def test_every_state_is_reached_from_the_first(states: type[StrEnum], table: Table, first: str) -> None:
    reached, waiting = set(), [states(first)]
    while waiting:
        state = waiting.pop()
        if state not in reached:
            reached.add(state)
            waiting += table[state]
    assert reached == set(states)


@both_tables
def test_nothing_undoes_good_news(states: type[StrEnum], table: Table, first: str) -> None:
    assert table[states("read")] == set()
    assert table[states("delivered")] == {states("read")}


@both_tables
def test_good_news_is_always_heard(states: type[StrEnum], table: Table, first: str) -> None:
    deaf = [s for s in states if s not in GOOD_NEWS and not {"delivered", "read"} <= table[s]]
    assert deaf == []


@both_tables
def test_what_was_given_up_is_lifted_by_good_news_only(
    states: type[StrEnum], table: Table, first: str
) -> None:
    given_up = BAD_NEWS & set(states) - {"unknown"}
    lifting = {"sent", *GOOD_NEWS}  # sent: the answer to a message that was cancelled on its way
    assert all(table[states(state)] <= lifting for state in given_up)


ONLY_FROM = [  # a state of an attempt; what it can come from: the promises about what leaves us
    ("queued", {"submitting"}),  # only what was certainly not taken is tried again
    ("submitting", {"queued"}),
    ("cancelled", {"queued"}),  # what has been handed over cannot be taken back
    ("unknown", {"submitting", "queued"}),  # queued: an earlier try under its key was not answered
    ("accepted", {"queued", "submitting", "unknown"}),
    ("failed", {"queued", "submitting", "unknown", "accepted"}),
    ("refused", {"queued", "submitting", "unknown"}),
]


@pytest.mark.parametrize(("state", "sources"), ONLY_FROM)
def test_where_an_attempt_comes_from(state: str, sources: set[str]) -> None:
    assert {s for s in AttemptState if attempt_may_become(s, AttemptState(state))} == sources


def test_a_message_may_stay_what_it_is_and_an_attempt_is_not_set_again() -> None:
    assert all(may_become(state, state) for state in MessageState)
    assert not any(attempt_may_become(state, state) for state in AttemptState)


@pytest.mark.parametrize(
    ("state", "following", "may"),
    [
        ("scheduled", "queued", True),
        ("queued", "scheduled", True),
        ("sent", "queued", False),
        ("sent", "expired", False),
        ("delivered", "failed", False),
        ("failed", "sent", False),
        ("unknown", "sent", True),
    ],
)
def test_what_a_message_may_become(state: str, following: str, may: bool) -> None:
    assert may_become(MessageState(state), MessageState(following)) is may


def test_the_rank_of_good_news_only_rises() -> None:
    ranked = sorted(ATTEMPT_SUCCESS, key=ATTEMPT_SUCCESS.__getitem__)
    assert ranked == ["accepted", "delivered", "read"]
    assert len(set(ATTEMPT_SUCCESS.values())) == len(ranked)
    for lower, higher in pairwise(ranked):
        assert attempt_may_become(lower, higher)
        assert not attempt_may_become(higher, lower)


# ── what the database is told ────────────────────────────────────────────────────────────────────────

PARTIAL = [  # an index of table `attempt`; the states it holds; whether it carries a promise
    ("attempt_open", set(OPEN_ATTEMPT), True),
    ("attempt_queue", {AttemptState.QUEUED}, False),
    ("attempt_submitting", {AttemptState.SUBMITTING}, False),
    ("attempt_unknown", {AttemptState.UNKNOWN}, False),
]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize(("name", "states", "unique"), PARTIAL)
def test_partial_indexes_hold_what_the_states_say(
    name: str, states: set[AttemptState], unique: bool, dialect: str
) -> None:
    index = next(index for index in attempt.indexes if index.name == name)
    condition = str(index.dialect_options[dialect]["where"])
    assert re.fullmatch(r"state (?:= '\w+'|IN \('\w+'(?:, '\w+')*\))", condition)
    assert set(re.findall(r"'(\w+)'", condition)) == states
    assert bool(index.unique) is unique


def test_one_open_attempt_of_a_message() -> None:
    index = next(index for index in attempt.indexes if index.name == "attempt_open")
    assert [column.name for column in index.columns] == ["workspace_id", "message_id"]


# ── what the docs show ───────────────────────────────────────────────────────────────────────────────


def test_a_diagram_has_an_arrow_for_each_transition() -> None:
    table = {AttemptState.QUEUED: frozenset({AttemptState.REFUSED, AttemptState.CANCELLED})}
    assert diagram(table) == "stateDiagram-v2\n    queued --> cancelled\n    queued --> refused"


def test_the_page_shows_the_diagrams_of_the_tables() -> None:
    shown = re.findall(
        r"^```mermaid\n(.*?)\n```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert shown == [diagram(MESSAGE_TRANSITIONS), diagram(ATTEMPT_TRANSITIONS)]
