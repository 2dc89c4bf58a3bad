"""All that has passed between us and one contact, over every line: what we told it and what it sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.clock import to_datetime
from angarium.core.values import MessageClass
from angarium.messaging import story, strangers
from angarium.messaging.case import CODE_MASK, open_content
from angarium.messaging.states import AttemptState, MessageState
from angarium.messaging.store import inbox
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.messages import Filter
from angarium.messaging.timeline import ATTEMPT_TONES, DOUBT, MESSAGE_TONES, Names
from angarium.messaging.world import World
from angarium.storage.database import Transaction

NEWEST = (1 << 63) - 1


class Hop(msgspec.Struct, frozen=True):
    """One attempt: the channel, its name, and how it stands."""

    kind: str
    channel: str
    state: str
    tone: str


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A message of ours, or one from the contact (`ours` is false)."""

    id: int
    at: datetime
    ours: bool
    words: str
    hops: tuple[Hop, ...]
    line: str = ""
    message: str = ""  # its id, as it is shown
    state: str = ""
    tone: str = ""
    reason: str = ""
    message_class: str = ""
    label: str = ""
    media_url: str = ""


async def history(
    tx: Transaction, world: World, names: Names, workspace_id: int, contact: Contact, before: int, limit: int
) -> tuple[list[Passed], int]:
    """The newest below an id, and the id where it goes on; 0 at the end.

    Ids are ordered in time, whatever they are of, so that lists become one by them.
    """
    place = before or NEWEST
    told = await story.listing(tx, world, workspace_id, Filter(contact_id=contact.id), place, limit + 1)
    heard = await inbox.of_contact(tx, workspace_id, contact.id, place, limit + 1)
    heard += await strangers.of_contact(tx, world, workspace_id, contact.addresses, place, limit + 1)
    ours = [_ours(world, names, one, tried) for one, tried in zip(told.messages, told.attempts, strict=True)]
    passed = sorted(
        [*ours, *(_theirs(world, names, workspace_id, one) for one in heard)], key=lambda one: -one.id
    )
    return passed[:limit], passed[limit - 1].id if len(passed) > limit else 0


def _ours(world: World, names: Names, outline: story.Document, tried: Sequence[Attempt]) -> Passed:
    return Passed(
        id=ids.read("message", outline["id"]),
        at=datetime.fromisoformat(outline["created_at"]),
        ours=True,
        words=_words(world, tried[-1]) if tried else "",
        hops=tuple(_hop(names, one, last=one is tried[-1]) for one in tried),
        message=outline["id"],
        state=outline["state"],
        tone=MESSAGE_TONES[MessageState(outline["state"])],
        reason=outline["reason"],
        message_class=outline["class"],
        label=outline["label"],
    )


def _words(world: World, attempt: Attempt) -> str:
    """The words as the phone shows them; those of a code are never shown."""
    return CODE_MASK if attempt.message_class is MessageClass.OTP else open_content(world, attempt).text


def _hop(names: Names, attempt: Attempt, *, last: bool) -> Hop:
    """An attempt that was taken, but did not keep the next one from being tried, has not done its work."""
    fell_short = attempt.state is AttemptState.ACCEPTED and not last
    tone = DOUBT if fell_short else ATTEMPT_TONES[attempt.state]
    return Hop(attempt.channel, names.channel(attempt.channel), attempt.state.value, tone)


def _theirs(world: World, names: Names, workspace_id: int, one: inbox.Said) -> Passed:
    line = world.lines.seen(workspace_id, one.line_id)
    kind = line.channel if line else ""
    return Passed(
        id=one.id,
        at=to_datetime(one.received_at),
        ours=False,
        words=one.text,
        hops=(Hop(kind, names.channel(kind), "received", "on"),) if kind else (),
        line=line.name if line else "",
        media_url=one.media_url,
    )
