"""Many messages with their attempts, made quickly: some thousand as if they had been sent, the rest copied.

A copy has other ids and another contact; what else it has is that of its model. So lists, pages and indexes
meet as many rows as after a year, in minutes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import click
import msgspec
from sqlalchemy import text

from angarium.core.clock import MICROS
from angarium.core.values import MessageClass
from angarium.messaging.states import AttemptState, MessageState
from angarium.messaging.store import attempts, messages
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.messages import Message
from angarium.messaging.store.tables import attempt, message
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

AT_ONCE = 5_000
TELL_EVERY = 10  # copies
ENDS = (  # how often messages end as what
    (MessageState.DELIVERED, AttemptState.DELIVERED, 0.70),
    (MessageState.READ, AttemptState.READ, 0.20),
    (MessageState.FAILED, AttemptState.FAILED, 0.08),
    (MessageState.SENT, AttemptState.ACCEPTED, 0.0194),
    (MessageState.UNKNOWN, AttemptState.UNKNOWN, 0.0005),
    (MessageState.CANCELLED, AttemptState.CANCELLED, 0.0001),  # which a filter has to look for
)
CLASSES = (MessageClass.PROMOTIONAL,) * 5 + (MessageClass.SERVICE,) * 3 + (MessageClass.TRANSACTIONAL,) * 2


class Place(msgspec.Struct, frozen=True):
    """Where messages are told from: the line, and the version of the cascade."""

    line_id: int
    cascade_version_id: int


class Span(msgspec.Struct, frozen=True):
    """Between which ids messages lie, and how many they are."""

    first: int
    last: int
    count: int


async def write(
    ground: Ground,
    workspace_id: int,
    place: Place,
    contacts: Sequence[tuple[int, str]],
    crowds: int,
    apart: int,
    each: int,
) -> Span:
    """`each` messages to whoever is among `crowds` copies of these contacts (id and phone), whose ids lie
    `apart`; the span of the first message to everybody."""
    roll = random.Random(2)
    first = last = 0
    for begin in range(0, len(contacts), AT_ONCE):
        made = [_message(roll, ground, workspace_id, place, one) for one in contacts[begin : begin + AT_ONCE]]
        first, last = first or made[0][0].id, made[-1][1].id
        await ground.db.run(_insert, made)
    wide = last - first + 1
    for copy in range(1, crowds * each):
        await ground.db.run(_copy, workspace_id, first, last, copy * wide, copy % crowds * apart)
        tell("messages", copy + 1, len(contacts))
    return Span(first, first + crowds * wide - 1, len(contacts) * crowds)


def tell(noun: str, copies: int, rows: int) -> None:
    """Say now and then how far it is: so many copies of so many rows."""
    if copies % TELL_EVERY == 0:
        click.echo(f"  {copies * rows:,} {noun}", err=True)


async def _insert(tx: Transaction, made: Sequence[tuple[Message, Attempt]]) -> None:
    await messages.insert(tx, [one for one, _ in made])
    await attempts.insert(tx, [one for _, one in made])


def _message(
    roll: random.Random, ground: Ground, workspace_id: int, place: Place, contact: tuple[int, str]
) -> tuple[Message, Attempt]:
    (state, attempt_state, _), contact_id, phone = _end(roll), *contact
    message_class, now = roll.choice(CLASSES), ground.clock.now()
    label = f"campaign-{roll.randint(1, 20)}" if roll.random() < 0.5 else ""
    content = b'{"text":"Your order is on its way: https://shop.example/t"}'
    message_id = ground.ids.mint()
    told = Message(
        workspace_id=workspace_id,
        id=message_id,
        contact_id=contact_id,
        message_class=message_class,
        state=state,
        reason="",
        label=label,
        reference="",
        template_version_id=0,
        cascade_version_id=place.cascade_version_id,
        locale="",
        words=content,
        skips=(),
        cost_micros=42_000,
        currency="EUR",
        expires_at=now + 3_600 * MICROS,
        decide_at=None,
        created_at=now,
        finished_at=now + MICROS,
    )
    tried = Attempt(
        workspace_id=workspace_id,
        id=ground.ids.mint(),
        message_id=message_id,
        contact_id=contact_id,
        step=0,
        number=1,
        line_id=place.line_id,
        channel="smpp",
        message_class=message_class,
        priority=2,
        address=phone,
        content=content,
        parts=1,
        price_micros=42_000,
        cost_micros=42_000,
        currency="EUR",
        state=attempt_state,
        reason="",
        code="",
        detail="",
        late=0,
        tries=1,
        epoch=1,
        ttl_s=None,
        due_at=now,
        expires_at=now + 3_600 * MICROS,
        planned_at=now,
        submitted_at=now,
        accepted_at=now,
        delivered_at=now + MICROS,
        ended_at=now + MICROS,
    )
    return told, tried


def _end(roll: random.Random) -> tuple[MessageState, AttemptState, float]:
    left = roll.random()
    for one in ENDS:
        left -= one[2]
        if left < 0:
            return one
    return ENDS[0]


async def _copy(tx: Transaction, workspace_id: int, first: int, last: int, shift: int, apart: int) -> None:
    """Rows between two ids once more: `shift` is added to ids of messages, `apart` to those of contacts."""
    moved = {"id": ":shift", "message_id": ":shift", "contact_id": ":apart"}
    for table, own in ((message, "id"), (attempt, "id")):
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        values = ", ".join(
            f'"{name}" + CAST({moved[name]} AS BIGINT)' if name in moved else f'"{name}"'
            for name in [column.name for column in table.columns]
        )
        copying = (
            f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM {table.name} "
            f"WHERE workspace_id = :workspace_id AND {own} BETWEEN :first AND :last"
        )
        asked = {"workspace_id": workspace_id, "first": first, "last": last, "shift": shift, "apart": apart}
        await tx.execute(Statement(text(copying)), **asked)
