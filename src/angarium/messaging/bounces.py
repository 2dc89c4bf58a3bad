"""What providers say of addresses, noted on the suppression list: bounces, complaints, blacklists.

Only what is not known yet is written, so that a provider's word never takes the place of a list that somebody
imported. Other messages to the address are looked at by the planner, soon.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from angarium.contacts import suppression_list as suppression
from angarium.contacts.store import consents, suppressions
from angarium.contacts.store.suppressions import Entry
from angarium.contacts.suppression import AGAIN_S, BadAddresses, Note, Why, note_of
from angarium.contacts.suppression_list import New, Place
from angarium.core.clock import micros
from angarium.core.ports import Refused
from angarium.core.values import Reason
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.world import World
from angarium.storage.database import Transaction

RECEIPT = "receipt"  # source
ACTOR = "provider"

Heard = tuple[Attempt, Reason, str]  # what was said of an attempt: why it failed, and the provider's own code


async def note(tx: Transaction, world: World, workspace_id: int, heard: Iterable[Heard], now: int) -> None:
    """Put addresses on the list of which these failures say that they belong there."""
    policy = world.policies.of(workspace_id).bad_addresses
    new = [one for said in heard if (one := _new(world, policy, *said, now)) is not None]
    if not new:
        return
    world.suppressing[workspace_id] = True
    fresh = await _unknown(tx, world, workspace_id, new, now)
    owners = await suppression.add(tx, world.ground, workspace_id, fresh, ACTOR)
    await consents.ask_to_look(tx, workspace_id, owners)


async def proven(tx: Transaction, world: World, workspace_id: int, place: Place, line_id: int) -> None:
    """Who writes on a line, or lets it write, is there: what the line was told otherwise is taken off."""
    if not world.suppressing.get(workspace_id, True):
        return
    hashed = suppression.address_hash(world.ground.vault, workspace_id, place)
    disproved = [
        one
        for one in await suppressions.entries_of(tx, workspace_id, [hashed])
        if (one.why, one.source, one.line_id) == (Why.HARD_BOUNCE, RECEIPT, line_id)
    ]
    if disproved:
        await suppression.remove(tx, world.ground, workspace_id, disproved)


def refusals(ended: Iterable[tuple[Attempt, object]]) -> list[Heard]:
    """What outcomes say of attempts that a provider did not take."""
    return [
        (attempt, outcome.reason, outcome.code) for attempt, outcome in ended if isinstance(outcome, Refused)
    ]


def _new(
    world: World, policy: BadAddresses, attempt: Attempt, reason: Reason, code: str, now: int
) -> tuple[New, Note] | None:
    kind = world.channels[attempt.channel].kind_at(attempt.address)
    about = note_of(kind, reason, code, policy)
    if about is None:
        return None
    new = New(
        kind=kind,
        value=attempt.address,
        why=about.why,
        source=RECEIPT,
        line_id=0 if about.everywhere else attempt.line_id,
        detail=f"{attempt.channel} {code}".strip(),
        expires_at=now + micros(about.believed_s) if about.believed_s else 0,
    )
    return new, about


async def _unknown(
    tx: Transaction, world: World, workspace_id: int, new: Sequence[tuple[New, Note]], now: int
) -> list[New]:
    """Those of which nothing is known for the same reason, or nothing that is in force."""
    vault = world.ground.vault
    by_key = {
        (suppression.address_hash(vault, workspace_id, (one.kind, one.value)), one.why, one.line_id): (
            one,
            about,
        )
        for one, about in new
    }
    known = {
        (entry.hash, entry.why, entry.line_id): entry
        for entry in await suppressions.entries_of(tx, workspace_id, {hashed for hashed, _, _ in by_key})
    }
    fresh = []
    for key, (one, about) in by_key.items():
        before, everywhere = known.get(key), known.get((*key[:2], 0))
        if any(entry and _in_force(entry, now) for entry in (before, everywhere)):
            continue
        if about.again and before is None:
            fresh.append(_heard_once(one, now))
        elif not about.again or before is None or now - before.created_at >= micros(AGAIN_S):
            fresh.append(one)
    return fresh


def _in_force(entry: Entry, now: int) -> bool:
    return not entry.expires_at or now < entry.expires_at


def _heard_once(one: New, now: int) -> New:
    """An entry that is out of force from the first: it tells what was heard, and waits to hear it again."""
    return msgspec.structs.replace(one, expires_at=now)
