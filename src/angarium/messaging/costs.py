"""What was billed, by month, line, channel, class and destination: to be held against an invoice.

The sums were written by the transactions that billed, so each is exactly what its attempts cost.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import msgspec

from angarium.core import ids
from angarium.core.values import amount_text
from angarium.messaging.store import costs as store
from angarium.messaging.store.costs import Kind, Sum, Wanted
from angarium.messaging.world import World
from angarium.storage.database import Transaction

SUMS_MAX = 100_000
BY = ("month", "line", "channel", "class", "destination")


class CostShown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one kind of messages cost; what they were not summed up by is left out."""

    messages: int
    parts: int
    cost: str
    currency: str
    month: str = ""
    line: str = ""
    channel: str = ""
    message_class: str = msgspec.field(name="class", default="")
    destination: str = ""


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What was billed, and all of it together by currency."""

    items: list[CostShown]
    totals: list[CostShown]


async def costs(tx: Transaction, world: World, workspace_id: int, wanted: Wanted, by: Sequence[str]) -> Costs:
    """What was billed, summed up by some of `BY`; and all of it together by currency."""
    found = await store.sums(tx, workspace_id, wanted, SUMS_MAX)
    named = [(_named(world, workspace_id, kind), kind.currency, one) for kind, one in found]
    return Costs(items=_grouped(named, by), totals=_grouped(named, ()))


def _named(world: World, workspace_id: int, kind: Kind) -> dict[str, str]:
    line = world.lines.seen(workspace_id, kind.line_id)
    return {
        "month": kind.month,
        "line": line.name if line else ids.show("line", kind.line_id),
        "channel": kind.channel,
        "class": kind.message_class,
        "destination": kind.destination,
    }


def _grouped(named: Sequence[tuple[dict[str, str], str, Sum]], by: Sequence[str]) -> list[CostShown]:
    groups: dict[tuple[str, ...], Sum] = defaultdict(Sum)
    for names, currency, one in named:
        whole = groups[(*(names[word] for word in by), currency)]
        whole.messages += one.messages
        whole.parts += one.parts
        whole.micros += one.micros
    return [
        CostShown(
            messages=whole.messages,
            parts=whole.parts,
            cost=amount_text(whole.micros),
            currency=key[-1],
            **{_field(word): value for word, value in zip(by, key, strict=False)},
        )
        for key, whole in sorted(groups.items())
    ]


def _field(word: str) -> str:
    return "message_class" if word == "class" else word


async def export(world: World, workspace_id: int, wanted: Wanted) -> AsyncIterator[str]:
    """A CSV with a row for each kind, to be held against the provider's invoice."""
    found = await world.ground.db.read(costs, world, workspace_id, wanted, BY)
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow((*BY, "messages", "parts", "cost", "currency"))
    for one in found.items:
        row = (one.month, one.line, one.channel, one.message_class, one.destination)
        writer.writerow((*row, one.messages, one.parts, one.cost, one.currency))
    yield buffer.getvalue()
