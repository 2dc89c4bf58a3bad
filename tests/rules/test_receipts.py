"""What a receipt changes: every state against every status, twice, in any order, and of several parts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.values import ReceiptStatus
from angarium.messaging.receipts import PART_ORDER, STATE_OF, Applied, Contradiction, Same, apply, whole
from angarium.messaging.states import ATTEMPT_SUCCESS, AttemptState

# What a receipt does: the new state (! when the attempt had been given up), = nothing, # a contradiction.
MATRIX = """
           | accepted | sent     | delivered  | read  | failed
queued     | accepted | accepted | delivered  | read  | failed
submitting | accepted | accepted | delivered  | read  | failed
unknown    | accepted | accepted | delivered  | read  | failed
accepted   | =        | =        | delivered  | read  | failed
delivered  | =        | =        | =          | read  | #
read       | =        | =        | =          | =     | #
failed     | =        | =        | delivered! | read! | =
refused    | =        | =        | delivered! | read! | =
cancelled  | =        | =        | delivered! | read! | =
"""


def cells() -> list[tuple[str, str, str]]:
    """State, status and what follows, for each cell of the matrix."""
    head, *rows = [[cell.strip() for cell in line.split("|")] for line in MATRIX.strip("\n").splitlines()]
    return [(row[0], status, cell) for row in rows for status, cell in zip(head[1:], row[1:], strict=True)]


def test_the_matrix_is_whole() -> None:
    pairs = {(state, status) for state, status, _ in cells()}
    assert pairs == {(state.value, status.value) for state in AttemptState for status in ReceiptStatus}


@pytest.mark.parametrize(("state", "status", "follows"), cells())
def test_matrix(state: str, status: str, follows: str) -> None:
    news = apply(AttemptState(state), STATE_OF[ReceiptStatus(status)])
    match follows:
        case "=":
            assert news == Same()
        case "#":
            assert news == Contradiction()
        case _:
            assert news == Applied(AttemptState(follows.rstrip("!")), lifted=follows.endswith("!"))


states = st.sampled_from(AttemptState)
statuses = st.lists(st.sampled_from(ReceiptStatus), max_size=8)
GOOD = {ReceiptStatus.DELIVERED, ReceiptStatus.READ}
GOOD_STATES = {AttemptState.DELIVERED, AttemptState.READ}


def after(state: AttemptState, heard: Iterable[ReceiptStatus]) -> AttemptState:
    """The state of an attempt after receipts in this order."""
    for status in heard:
        news = apply(state, STATE_OF[status])
        state = news.state if isinstance(news, Applied) else state
    return state


@given(state=states, status=st.sampled_from(ReceiptStatus))
def test_the_same_twice_changes_nothing(state: AttemptState, status: ReceiptStatus) -> None:
    once = after(state, [status])
    assert not isinstance(apply(once, STATE_OF[status]), Applied)


@given(state=states, heard=statuses)
def test_the_rank_of_good_news_never_falls(state: AttemptState, heard: list[ReceiptStatus]) -> None:
    for status in heard:
        following = after(state, [status])
        if ATTEMPT_SUCCESS.get(state, 0) > ATTEMPT_SUCCESS[AttemptState.ACCEPTED]:
            assert ATTEMPT_SUCCESS[following] >= ATTEMPT_SUCCESS[state]
        state = following


@given(state=states, heard=statuses, order=st.randoms(use_true_random=False))
def test_the_order_does_not_matter(state: AttemptState, heard: list[ReceiptStatus], order: Random) -> None:
    assert after(state, heard) is after(state, order.sample(heard, len(heard)))


@given(state=states, heard=statuses)
def test_good_news_is_what_remains(state: AttemptState, heard: list[ReceiptStatus]) -> None:
    best = max(
        (STATE_OF[status] for status in heard if status in GOOD),
        key=ATTEMPT_SUCCESS.__getitem__,
        default=None,
    )
    if best is not None:
        assert ATTEMPT_SUCCESS[after(state, heard)] >= ATTEMPT_SUCCESS[best]


# ── several parts ────────────────────────────────────────────────────────────────────────────────────

WHOLES = [  # the parts of a text; the text
    ("accepted", "accepted"),
    ("accepted accepted", "accepted"),
    ("delivered accepted", "accepted"),  # half a text is no text
    ("delivered delivered", "delivered"),
    ("delivered read", "delivered"),
    ("read read", "read"),
    ("delivered failed", "failed"),
    ("accepted failed read", "failed"),
]


@pytest.mark.parametrize(("parts", "text"), WHOLES)
def test_a_text_is_as_far_as_its_worst_part(parts: str, text: str) -> None:
    for order in permutations([AttemptState(part) for part in parts.split()]):
        assert whole(order) is AttemptState(text)


def test_a_part_is_in_the_states_that_receipts_make() -> None:
    assert set(PART_ORDER) == set(STATE_OF.values())


news_of_parts = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(ReceiptStatus)), max_size=12)


def text_after(heard: Iterable[tuple[int, ReceiptStatus]]) -> AttemptState:
    """As `receive.py` does it: news goes to its part, and what the parts make together to the attempt."""
    parts, text = [AttemptState.ACCEPTED] * 3, AttemptState.ACCEPTED
    for number, status in heard:
        parts[number] = after(parts[number], [status])
        news = apply(text, whole(parts))
        text = news.state if isinstance(news, Applied) else text
        assert (text in GOOD_STATES) is (whole(parts) in GOOD_STATES)
    return text


@given(heard=news_of_parts, order=st.randoms(use_true_random=False))
def test_a_text_is_good_when_all_its_parts_are_in_whatever_order(
    heard: list[tuple[int, ReceiptStatus]], order: Random
) -> None:
    one, other = text_after(heard), text_after(order.sample(heard, len(heard)))
    assert one is other or not GOOD_STATES & {one, other}
