"""What providers say of addresses, noted on the suppression list: bounces, complaints, blacklists.

Only what is not known yet is written, so that a provider's word never takes the place of a list that somebody
imported. Other messages to the address are looked at by the planner, soon.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from angarium.contacts import suppression_list as suppression
from angarium.contacts.store import consents, suppressions
from angarium.contacts.suppression import BELIEVED_S, NOTED, Why
from angarium.contacts.suppression_list import New
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
    new = [one for said in heard if (one := _new(world, *said, now)) is not None]
    if not new:
        return
    world.suppressing[workspace_id] = True
    fresh = await _unknown(tx, world, workspace_id, new, now)
    owners = await suppression.add(tx, world.ground, workspace_id, fresh, ACTOR)
    await consents.ask_to_look(tx, workspace_id, owners)


def refusals(ended: Iterable[tuple[Attempt, object]]) -> list[Heard]:
    """What outcomes say of attempts that a provider did not take."""
    return [
        (attempt, outcome.reason, outcome.code) for attempt, outcome in ended if isinstance(outcome, Refused)
    ]


def _new(world: World, attempt: Attempt, reason: Reason, code: str, now: int) -> New | None:
    kind = world.channels[attempt.channel].kind_at(attempt.address)
    why = NOTED.get((kind, reason))
    if why is None:
        return None
    believed_s = BELIEVED_S.get(why)
    return New(
        kind=kind,
        value=attempt.address,
        why=why,
        source=RECEIPT,
        detail=f"{attempt.channel} {code}".strip(),
        expires_at=now + micros(believed_s) if believed_s else 0,
    )


async def _unknown(
    tx: Transaction, world: World, workspace_id: int, new: Sequence[New], now: int
) -> list[New]:
    """Those of which nothing is known for the same reason, or nothing that is in force."""
    by_hash = {
        suppression.address_hash(world.ground.vault, workspace_id, (one.kind, one.value)): one for one in new
    }
    known: Mapping[tuple[str, Why], int] = {
        (entry.hash, entry.why): entry.expires_at
        for entry in await suppressions.entries_of(tx, workspace_id, by_hash)
        if not entry.line_id
    }
    return [
        one
        for hashed, one in by_hash.items()
        if (hashed, one.why) not in known or 0 < known[hashed, one.why] <= now
    ]
