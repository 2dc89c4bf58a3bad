"""Wording that may promote is held until a person has looked: list it, let it go, or turn it down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from angarium.accounts import audit
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.values import MessageClass, Reason
from angarium.messaging import plan
from angarium.messaging.cascade import Finish, Send
from angarium.messaging.case import CODE_MASK, Case, load, open_wording, seal_wording, write
from angarium.messaging.gate.verdicts import Hold
from angarium.messaging.states import MessageState
from angarium.messaging.store import messages as message_store
from angarium.messaging.store import review as store
from angarium.messaging.way import find_way
from angarium.messaging.world import World
from angarium.storage.database import Transaction

Document = dict[str, Any]
GOES, TURNED_DOWN = "goes", "turned_down"


class Reviewed(msgspec.Struct):
    """What became of the messages that were named: cases that changed, and the ids that are not held."""

    cases: list[Case]
    others: list[int]


async def listing(
    tx: Transaction, world: World, workspace_id: int, after: int, limit: int
) -> tuple[list[Document], int | None]:
    """What is held, oldest first, above an id; and the id to go on from."""
    found = await store.held(tx, workspace_id, after, limit)
    messages = await message_store.by_ids(tx, workspace_id, found)
    await world.versions.load(tx, workspace_id, {one.cascade_version_id for one in messages}, set())
    steps = world.versions.steps
    cases = [Case(one, [], steps[one.cascade_version_id]) for one in sorted(messages, key=lambda m: m.id)]
    now = world.ground.clock.now()
    await plan.furnish(tx, world, cases, now)
    return [_shown(world, case, now) for case in cases], found[-1] if len(found) == limit else None


def _shown(world: World, case: Case, now: int) -> Document:
    message = case.message
    ways = [find_way(world, case, Send(index, "review"), now) for index in range(len(case.steps))]
    why = next((way.detail for way in ways if isinstance(way, Hold)), "")
    texts = [] if message.message_class is MessageClass.OTP else list(_texts(case))
    return {
        "id": ids.show("message", message.id),
        "class": message.message_class.value,
        "contact": ids.show("contact", message.contact_id),
        "label": message.label,
        "texts": texts or [CODE_MASK],
        "why": why,
        "created_at": iso(message.created_at),
        "expires_at": iso(message.expires_at),
    }


def _texts(case: Case) -> Sequence[str]:
    said = (getattr(content, "text", "") for content in case.rendered.values())
    return tuple(dict.fromkeys(text for text in said if text))


async def decide(
    tx: Transaction, world: World, workspace_id: int, wanted: Sequence[int], ruling: str, actor: str, now: int
) -> Reviewed:
    """Let messages go as what they are called, or end them; those that are not held are left as they are."""
    cases = await load(tx, world, workspace_id, wanted)
    held = [case for case in cases.values() if is_held(case)]
    for case in held:
        if ruling == GOES:
            _let_go(world, case, actor, now)
        else:
            _turn_down(case, actor, now)
    await plan.advance(tx, world, held, now)
    await write(tx, world, held)
    reviewed = {case.message.id for case in held}
    if held:
        shown = [ids.show("message", one) for one in sorted(reviewed)]
        await audit.note(tx, workspace_id, actor, f"wording.{ruling}", shown[0], {"messages": shown}, now)
    return Reviewed(held, [one for one in wanted if one not in reviewed])


def is_held(case: Case) -> bool:
    """Whether a person has to look at its wording."""
    return case.message.held and case.message.reason == Reason.REVIEW


def _let_go(world: World, case: Case, actor: str, now: int) -> None:
    message = case.message
    wording = msgspec.structs.replace(open_wording(world, message), reviewed_by=actor)
    message.words = seal_wording(world, message.workspace_id, message.message_class, message.id, wording)
    message.reason = ""
    case.record("reviewed", now, by=actor)


def _turn_down(case: Case, actor: str, now: int) -> None:
    case.message.reason = ""
    case.record("turned_down", now, by=actor)
    why = "a person found that its wording promotes"
    plan.finish(case, Finish(MessageState.REFUSED, Reason.PROMOTIONAL, why), now)
