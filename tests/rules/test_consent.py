"""What counts of what was said: the last word, for as much as it covers."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.contacts.consent import (
    ALL,
    ASKED_FOR,
    PURPOSES,
    Choices,
    Scope,
    State,
    apply,
    read_scope,
    replaced,
    said,
)
from angarium.core.values import MessageClass

CHANNELS = ("smpp", "smtp", "viber_business")
scopes = st.builds(Scope, st.sampled_from(PURPOSES), st.sampled_from(("", *CHANNELS)))
words = st.tuples(scopes, st.sampled_from((State.GRANTED, State.WITHDRAWN)))

TOLD: list[tuple[list[str], dict[str, str]]] = [
    # what was said, one after the other (+ granted, - withdrawn); what then counts of class@channel
    ([], {"promotional@smpp": ""}),
    (["-promotional"], {"promotional@smpp": "-", "service@smpp": "", "otp@smpp": ""}),
    (["-all"], {"promotional@smpp": "-", "service@smtp": "-", "transactional@smpp": "", "otp@smpp": ""}),
    (["-promotional@smpp"], {"promotional@smpp": "-", "promotional@smtp": ""}),
    (["-promotional", "+promotional@smpp"], {"promotional@smpp": "+", "promotional@smtp": "-"}),
    (["+promotional@smpp", "-promotional"], {"promotional@smpp": "-"}),
    (["-all", "+promotional"], {"promotional@smpp": "+", "service@smpp": "-"}),
    (["+promotional", "-all"], {"promotional@smpp": "-"}),
    (["+promotional", "-all@smpp"], {"promotional@smpp": "-", "promotional@smtp": "+"}),
    (["-all@smpp", "+promotional"], {"promotional@smpp": "+", "service@smpp": "-"}),
    (["-promotional@smpp", "+all"], {"promotional@smpp": "+"}),
    (["-otp", "+all"], {"otp@smpp": "-"}),
    (["-otp"], {"otp@smpp": "-"}),
]
SIGNS = {None: "", State.GRANTED: "+", State.WITHDRAWN: "-"}
STATES = {"+": State.GRANTED, "-": State.WITHDRAWN}


@pytest.mark.parametrize(("told", "counts"), TOLD, ids=" ".join)
def test_the_last_word_counts(told: list[str], counts: dict[str, str]) -> None:
    choices = Choices()
    for word in told:
        choices = apply(choices, read_scope(word[1:]), STATES[word[0]])
    for text, sign in counts.items():
        scope = read_scope(text)
        assert SIGNS[said(choices, MessageClass(scope.purpose), scope.channel)] == sign, text


@given(st.lists(words, max_size=8), st.sampled_from(MessageClass), st.sampled_from(CHANNELS))
def test_two_sets_say_what_the_whole_ledger_says(
    told: list[tuple[Scope, State]], message_class: MessageClass, channel: str
) -> None:
    choices, last = Choices(), None
    for scope, state in told:
        choices = apply(choices, scope, state)
        covers = scope.covers(message_class, channel)
        last = state if covers else last
    assert said(choices, message_class, channel) is last
    assert not choices.withdrawn & choices.granted


def _means(text: str) -> set[tuple[MessageClass, str]]:
    """The messages that a scope is about."""
    scope = read_scope(text)
    return {pair for pair in product(MessageClass, CHANNELS) if scope.covers(*pair)}


@given(st.lists(words, max_size=5), st.frozensets(scopes.map(str), max_size=4))
def test_a_contact_that_is_written_whole_refuses_exactly_what_it_says(
    told: list[tuple[Scope, State]], wanted: frozenset[str]
) -> None:
    choices = Choices()
    for scope, state in told:
        choices = apply(choices, scope, state)
    after, entries = replaced(choices, wanted)
    assert after.withdrawn >= wanted
    lifted = {str(scope) for scope, state in entries if state is State.LIFTED}
    assert lifted <= choices.withdrawn - wanted
    for stays in choices.withdrawn - wanted - lifted:  # a wider refusal says the same
        assert any(_means(wider) >= _means(stays) for wider in wanted)
    assert replaced(after, after.withdrawn) == (after, [])
    for message_class in set(MessageClass) - ASKED_FOR:
        for channel in CHANNELS:
            if any(read_scope(one).covers(message_class, channel) for one in wanted):
                assert said(after, message_class, channel) is State.WITHDRAWN


@pytest.mark.parametrize("text", ["", "ads", "promotional@", "all@SMPP", "promotional@a b", f"{ALL}@@smpp"])
def test_what_is_no_scope(text: str) -> None:
    with pytest.raises(ValueError, match="scope"):
        read_scope(text)
