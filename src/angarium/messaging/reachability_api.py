"""The JSON edge of what cascades remember of a contact: see it, and have it forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from angarium.accounts import audit, edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.contacts.reachability import Known, usual_hour
from angarium.contacts.store import Contact, merges, reachability
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.problems import not_found
from angarium.messaging import policies
from angarium.messaging.gate.documents import Reachability
from angarium.messaging.gate.reachability import NAME, Heard, speaks_against
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground


class BlockShown(msgspec.Struct, frozen=True, kw_only=True):
    """A line that the person has blocked; until when the policy skips it, null when it does not."""

    line: str
    at: str
    skipped_until: str | None = None


class MemoryShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one address on one channel. `hours`: how much was heard of it in each hour of
    the contact's day, 24 numbers, or none; `unheard`: attempts in a row that were not delivered;
    `skipped_until`: for how long the policy skips steps there, null when it does not."""

    channel: str
    address: str
    not_a_user_at: str | None = None
    blocked: list[BlockShown] = []
    last_delivered_at: str | None = None
    last_read_at: str | None = None
    unheard: int = 0
    silent_at: str | None = None
    hours: list[int] = []
    skipped_until: str | None = None


class ReachabilityShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a contact; `usual_hour` is an hour of its own day, null while too little is
    known."""

    contact: str
    time_zone: str
    usual_hour: int | None
    channels: list[MemoryShown]


EXAMPLE = ReachabilityShown(
    contact="con_05a58xarj0000",
    time_zone="Europe/Kyiv",
    usual_hour=19,
    channels=[
        MemoryShown(
            channel="smpp",
            address="+380441234567",
            last_delivered_at="2026-11-23T17:30:00.000Z",
            hours=[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 5, 2, 0, 0, 0],
        ),
        MemoryShown(
            channel="vk_notify",
            address="+380441234567",
            not_a_user_at="2026-11-02T08:30:00.000Z",
            skipped_until="2026-12-02T08:30:00.000Z",
        ),
    ],
)


@route(
    "GET /v1/contacts/{contact_id}/reachability",
    Operation(
        summary="Show what is remembered of reaching a contact",
        detail="On which channels it is not, which lines it has blocked, when it was reached last, and at "
        "which hours. Learnt from outcomes and receipts; what is good news is remembered by the day.",
        scope="contacts:read",
        gives=ReachabilityShown,
        problems=(404,),
        answer_example=EXAMPLE,
    ),
)
async def get_reachability(request: Call) -> JsonAnswer:
    """What is remembered."""
    contact_id, ground = edge.id_in_path(request, "contact"), edge.ground_of(request)
    return edge.answer(request, await remembered(ground, request.auth.workspace_id, contact_id))


async def remembered(ground: Ground, workspace_id: int, contact_id: int) -> ReachabilityShown:
    """What is remembered of a contact; a Problem when there is none."""
    one, memories = await ground.db.read(_known, workspace_id, contact_id)
    written = (await policies.current(ground, workspace_id)).get(NAME)
    policy: Reachability = policies.read(written) if written else policies.default(NAME)
    return shown(one, memories, policy, ground.clock.now())


@route(
    "DELETE /v1/contacts/{contact_id}/reachability",
    Operation(
        summary="Forget what is remembered of reaching a contact",
        detail="Every step is tried again. It is not learnt anew from what has been before.",
        scope="contacts:write",
        status=204,
        problems=(404,),
    ),
)
async def forget_reachability(request: Call) -> JsonAnswer:
    """Nothing is remembered any more."""
    contact_id, ground = edge.id_in_path(request, "contact"), edge.ground_of(request)
    caller = request.auth
    await ground.db.run(forget, caller.workspace_id, contact_id, caller.actor, ground.clock.now())
    return edge.nothing(request)


async def _known(tx: Transaction, workspace_id: int, contact_id: int) -> tuple[Contact, list[Known]]:
    one = await _found(tx, workspace_id, contact_id)
    return one, await reachability.of_contacts(tx, workspace_id, [one.id])


async def forget(tx: Transaction, workspace_id: int, contact_id: int, actor: str, now: int) -> None:
    """Forget what is remembered of a contact; a Problem when there is none."""
    one = await _found(tx, workspace_id, contact_id)
    await merges.hold(tx, workspace_id, [one.id])  # who learns of it meanwhile looks again
    count = await reachability.forget_so_far(tx, workspace_id, one.id, now)
    subject = ids.show("contact", one.id)
    await audit.note(tx, workspace_id, actor, "reachability.forgotten", subject, {"rows": count}, now)


async def _found(tx: Transaction, workspace_id: int, contact_id: int) -> Contact:
    """The contact, or the one that it has become part of."""
    there = await merges.found(tx, workspace_id, [contact_id])
    if contact_id not in there:
        raise not_found("contact", ids.show("contact", contact_id))
    return there[contact_id]


def shown(one: Contact, memories: Sequence[Known], policy: Reachability, now: int) -> ReachabilityShown:
    """What is remembered of a contact, and what the policy makes of it, for the outside."""
    told = sorted((each for each in memories if not each.says_nothing), key=lambda each: each.channel)
    return ReachabilityShown(
        contact=ids.show("contact", one.id),
        time_zone=one.time_zone,
        usual_hour=usual_hour(memories),
        channels=[_memory(each, list(speaks_against(each, policy, now))) for each in told],
    )


def _memory(one: Known, against: Sequence[Heard]) -> MemoryShown:
    until: dict[int, int] = {}  # by line, 0: on every line
    for each in against:
        until[each.line_id] = max(until.get(each.line_id, 0), each.until)
    return MemoryShown(
        channel=one.channel,
        address=one.address,
        not_a_user_at=_maybe(one.not_a_user_at if one.not_a_user else None),
        blocked=[
            BlockShown(
                line=ids.show("line", block.line_id),
                at=iso(block.at),
                skipped_until=_maybe(until.get(block.line_id)),
            )
            for block in one.blocked
        ],
        last_delivered_at=_maybe(one.last_delivered_at),
        last_read_at=_maybe(one.last_read_at),
        unheard=one.unheard,
        silent_at=_maybe(one.silent_at if one.unheard else None),
        hours=list(one.hours),
        skipped_until=_maybe(until.get(0)),
    )


def _maybe(at: int | None) -> str | None:
    return iso(at) if at else None


HANDLERS = (get_reachability, forget_reachability)
