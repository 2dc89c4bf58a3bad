"""Which of several addresses is used first, and what stays known of an address when it is written again."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.contacts.choice import AS_BEFORE, JUST_NOW, carried, first_of, ordered
from angarium.core.values import Address, AddressKind

PHONE, EMAIL = AddressKind.PHONE, AddressKind.EMAIL
NOW = 1_000


def phone(value: str, **known: Any) -> Address:
    """A phone; the rules do not look at its digits."""
    return Address(PHONE, value, **known)


FIRST = [  # the addresses, the order in which they are used
    ("there is none", (), []),
    ("there is one", (phone("a"),), ["a"]),
    ("as they were given", (phone("a"), phone("b")), ["a", "b"]),
    ("the newest", (phone("a", added_at=1), phone("b", added_at=2)), ["b", "a"]),
    ("verified before new", (phone("a", verified_at=1), phone("b", added_at=9)), ["a", "b"]),
    ("verified last", (phone("a", verified_at=1), phone("b", verified_at=2)), ["b", "a"]),
    ("preferred before verified", (phone("a", verified_at=9), phone("b", preferred=True)), ["b", "a"]),
    ("two preferred", (phone("a", preferred=True), phone("b", preferred=True, verified_at=1)), ["b", "a"]),
    ("of its kind alone", (Address(EMAIL, "e", preferred=True), phone("a")), ["a"]),
]


@pytest.mark.parametrize(("addresses", "used"), [row[1:] for row in FIRST], ids=[row[0] for row in FIRST])
def test_which_is_used_first(addresses: tuple[Address, ...], used: list[str]) -> None:
    assert [one.value for one in ordered(addresses, PHONE)] == used
    first = first_of(addresses, PHONE)
    assert (first.value if first else None) == next(iter(used), None)


KNOWN = phone("a", verified_at=7, verified_how="code", added_at=5)
CARRIED = [  # what was known, what is said now, what is kept
    ("new", (), phone("a", verified_at=AS_BEFORE), phone("a", added_at=NOW)),
    ("new and verified", (), phone("a", verified_at=JUST_NOW), phone("a", verified_at=NOW, added_at=NOW)),
    ("nothing is said", (KNOWN,), phone("a", verified_at=AS_BEFORE), KNOWN),
    ("still verified", (KNOWN,), phone("a", verified_at=JUST_NOW), KNOWN),
    (
        "verified again",
        (KNOWN,),
        phone("a", verified_at=8, verified_how="link"),
        phone("a", verified_at=8, verified_how="link", added_at=5),
    ),
    ("taken back", (KNOWN,), phone("a"), phone("a", added_at=5)),
    (
        "of another kind",
        (Address(EMAIL, "a", verified_at=7),),
        phone("a", verified_at=AS_BEFORE),
        phone("a", added_at=NOW),
    ),
]


@pytest.mark.parametrize(("before", "said", "kept"), [r[1:] for r in CARRIED], ids=[r[0] for r in CARRIED])
def test_what_stays_known(before: tuple[Address, ...], said: Address, kept: Address) -> None:
    assert carried(before, (said,), NOW) == (kept,)
