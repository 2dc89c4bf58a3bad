"""What a contact has agreed to and what it has refused: scopes, and what each entry changes. Pure.

A scope is a class of messages, or all of them, on one channel or on every one: `promotional`, `all`,
`promotional@smpp`. What was said last counts, for as much as it covers. The ledger keeps everything that was
said; what counts now stands on the contact as two sets of scopes, which the gate reads with the contact.

An opt-out of everything stops what the shop wishes to tell, and not codes and movements of money: these the
person asked for by acting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from angarium.core.values import MessageClass

ALL = "all"
CLASSES = tuple(one.value for one in MessageClass)
PURPOSES = (*CLASSES, ALL)
# How what was said is known, where the person said it by themselves.
STOP_WORD, START_WORD, LINK, SWITCH = "stop_word", "start_word", "unsubscribe_link", "channel_switch"
LEAVING = (STOP_WORD, LINK, SWITCH)
# Classes that an opt-out of everything does not stop.
ASKED_FOR = frozenset({MessageClass.OTP, MessageClass.TRANSACTIONAL})
WRITTEN = re.compile(rf"({'|'.join(PURPOSES)})(?:@([a-z][a-z0-9_]{{0,39}}))?")


class State(StrEnum):
    """What an entry of the ledger says."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"
    LIFTED = "lifted"  # a withdrawal taken back, without a consent in its place


class Scope(msgspec.Struct, frozen=True):
    """What a consent is about: a class or all, on a channel or on every one."""

    purpose: str
    channel: str = ""  # empty: every channel

    def __str__(self) -> str:
        return f"{self.purpose}@{self.channel}" if self.channel else self.purpose

    def covers(self, message_class: MessageClass, channel: str) -> bool:
        """Whether a message of a class on a channel is meant."""
        by_class = self.purpose == message_class.value
        by_all = self.purpose == ALL and message_class not in ASKED_FOR
        return (by_class or by_all) and self.channel in ("", channel)


class Choices(msgspec.Struct, frozen=True):
    """What counts now: scopes as text."""

    withdrawn: frozenset[str] = frozenset()
    granted: frozenset[str] = frozenset()


def read_scope(text: str) -> Scope:
    """A scope from its text; ValueError when it is none."""
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError("is not a scope")
    return Scope(found[1], found[2] or "")


def said(choices: Choices, message_class: MessageClass, channel: str) -> State | None:
    """What was last said of messages of a class on a channel; None when nothing was."""
    for scope in narrow_to_wide(message_class, channel):
        if scope in choices.withdrawn:
            return State.WITHDRAWN
        if scope in choices.granted:
            return State.GRANTED
    return None


def narrow_to_wide(message_class: MessageClass, channel: str) -> list[str]:
    """The scopes that cover it. A narrower one is the later one: a wider one takes the narrower away."""
    name = message_class.value
    scopes = [f"{name}@{channel}", name]
    return scopes if message_class in ASKED_FOR else [*scopes, f"{ALL}@{channel}", ALL]


def apply(choices: Choices, scope: Scope, state: State) -> Choices:
    """What counts after another entry."""
    text = str(scope)
    if state is State.LIFTED:
        return Choices(choices.withdrawn - {text}, choices.granted)
    covered = {text, *(other for other in choices.withdrawn | choices.granted if _within(other, scope))}
    added = {text}
    if scope.purpose == ALL and scope.channel:
        # What was said of a class on every channel is older, and would be found first.
        added |= {
            f"{name}@{scope.channel}"
            for name in CLASSES
            if name not in ASKED_FOR and name in choices.withdrawn | choices.granted
        }
    withdrawn, granted = choices.withdrawn - covered - added, choices.granted - covered - added
    if state is State.WITHDRAWN:
        return Choices(withdrawn | added, granted)
    return Choices(withdrawn, granted | added)


def _within(text: str, scope: Scope) -> bool:
    """Whether a scope is part of another."""
    other = read_scope(text)
    classes = scope.purpose in (ALL, other.purpose) and other.purpose not in _asked_for_beyond(scope)
    return classes and scope.channel in ("", other.channel)


def _asked_for_beyond(scope: Scope) -> frozenset[str]:
    return frozenset(one.value for one in ASKED_FOR) if scope.purpose == ALL else frozenset()


def replaced(choices: Choices, withdrawn: Iterable[str]) -> tuple[Choices, list[tuple[Scope, State]]]:
    """What counts when exactly these scopes are to be withdrawn, and the entries that say so."""
    wanted = frozenset(withdrawn)
    after = Choices(choices.withdrawn & wanted, choices.granted)
    for text in _widest_first(wanted - choices.withdrawn):
        after = apply(after, read_scope(text), State.WITHDRAWN)
    after = Choices(after.withdrawn | wanted, after.granted - wanted)
    return after, between(choices, after)


def refuses(choices: Choices, scope: Scope) -> bool:
    """Whether somebody has refused any part of a scope, or what it is part of."""
    return any(_overlap(read_scope(text), scope) for text in choices.withdrawn)


def _overlap(one: Scope, other: Scope) -> bool:
    classes = one.purpose == other.purpose or ALL in (one.purpose, other.purpose)
    return classes and (one.channel == other.channel or "" in (one.channel, other.channel))


def joined(one: Choices, other: Choices) -> Choices:
    """What counts of two contacts that turn out to be one: every refusal, and every yes beside them."""
    together = Choices(frozenset(), one.granted | other.granted)
    return replaced(together, one.withdrawn | other.withdrawn)[0]


def between(before: Choices, after: Choices) -> list[tuple[Scope, State]]:
    """The entries of the ledger that lead from what counted to what counts, the widest refusals first."""
    lifted = [(text, State.LIFTED) for text in sorted(before.withdrawn - after.withdrawn)]
    refused = [(text, State.WITHDRAWN) for text in _widest_first(after.withdrawn - before.withdrawn)]
    agreed = [(text, State.GRANTED) for text in sorted(after.granted - before.granted)]
    return [(read_scope(text), state) for text, state in (*lifted, *refused, *agreed)]


def _widest_first(scopes: Iterable[str]) -> list[str]:
    return sorted(scopes, key=lambda text: ("@" in text, text != ALL, text))
