"""What needs a person: each kind with how many there are, and where they are seen to.

A room gives what it has (assembly hands all of it over as the service `needs`); who lacks its scope is told
nothing of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from angarium.content.store import versions
from angarium.lines.registration_rules import State
from angarium.lines.store import registrations
from angarium.messaging.store import review, unknowns
from angarium.storage.database import Transaction

SOME = 100  # counted so far and no further

Counting = Callable[[Transaction, int], Awaitable[int]]  # in a workspace


class Need(msgspec.Struct, frozen=True):
    """One kind of things. Its words are `need.<name>`."""

    name: str
    path: str
    scope: str
    tone: str
    count: Counting


class Wanted(msgspec.Struct, frozen=True):
    """One kind of which there are some."""

    need: Need
    count: int


async def unknown_outcomes(tx: Transaction, workspace_id: int) -> int:
    """Messages of which nobody knows whether they went out, and about which nothing follows by itself."""
    return sum(share.for_a_person for share in await unknowns.summary(tx, workspace_id))


async def held_wording(tx: Transaction, workspace_id: int) -> int:
    """Messages that are held until somebody has looked at their wording."""
    return len(await review.held(tx, workspace_id, 0, SOME))


async def templates_to_review(tx: Transaction, workspace_id: int) -> int:
    """Versions that wait for a decision."""
    shown = await versions.shown_versions(tx, workspace_id)
    return sum(one.waits_for_review for one in shown)


async def refused_registrations(tx: Transaction, workspace_id: int) -> int:
    """Registrations that were refused or suspended, or are about to end."""
    found = await registrations.all_of(tx, workspace_id)
    return sum(one.state in {State.REFUSED, State.SUSPENDED, State.EXPIRING} for one in found)


async def registrations_to_review(tx: Transaction, workspace_id: int) -> int:
    """Registrations that wait for a decision."""
    found = await registrations.all_of(tx, workspace_id)
    return sum(one.state in {State.SUBMITTED, State.IN_REVIEW} for one in found)


NEEDS = (
    Need("unknown", "/unknowns", "messages:read", "doubt", unknown_outcomes),
    Need("wording", "/messages?waiting=review", "messages:read", "doubt", held_wording),
    Need("templates", "/templates/reviews", "templates:decide", "on", templates_to_review),
    Need("registrations", "/lines", "lines:decide", "on", registrations_to_review),
    Need("refused_registrations", "/lines", "setup:read", "bad", refused_registrations),
)


async def wanted(
    tx: Transaction, workspace_id: int, needs: Sequence[Need], scopes: frozenset[str]
) -> list[Wanted]:
    """What there is to do for somebody with these scopes."""
    asked = [need for need in needs if need.scope in scopes]
    found = [Wanted(need, await need.count(tx, workspace_id)) for need in asked]
    return [one for one in found if one.count]
