"""How many a draft would be for, and what is known of whether they can be told, before it has any words."""

from __future__ import annotations

import msgspec

from angarium.campaigns import people
from angarium.campaigns.people import Asked, SettledAudience
from angarium.contacts import audience
from angarium.contacts.audience import Settled
from angarium.contacts.segments.rules import Rule
from angarium.core.values import AddressKind, MessageClass
from angarium.storage.database import Transaction

NO_ADDRESS = Rule(not_=Rule(any=tuple(Rule(address=kind) for kind in AddressKind)))
LEFT_OUT = {
    "no_address": NO_ADDRESS,
    "no_promotional": Rule(opted_out=MessageClass.PROMOTIONAL.value),
}
WITH = (AddressKind.PHONE, AddressKind.EMAIL)


class Size(msgspec.Struct, frozen=True):
    """How many they are. Of a list of a file, and of members of a campaign, no more is known before."""

    count: int
    with_address: dict[str, int] = {}  # by the kind of address
    left_out: dict[str, int] = {}


async def size(tx: Transaction, workspace_id: int, asked: Asked, now: int) -> Size:
    """How many somebody means; a Problem when nobody can be meant so."""
    settled = await people.settle(tx, workspace_id, asked, now)
    count = await people.count(tx, workspace_id, settled)
    if not isinstance(settled, SettledAudience):
        return Size(count)

    async def having(rule: Rule) -> int:
        return await audience.count(tx, workspace_id, _narrowed(settled.audience, rule))

    reached = {kind.value: await having(Rule(address=kind)) for kind in WITH}
    left_out = {reason: await having(rule) for reason, rule in LEFT_OUT.items()}
    return Size(count, reached, {reason: number for reason, number in left_out.items() if number})


def _narrowed(settled: Settled, rule: Rule) -> Settled:
    rules = rule if settled.rules is None else Rule(all=(settled.rules, rule))
    return msgspec.structs.replace(settled, rules=rules)
