"""Which messages are tracked, and the tokens that they have already, looked up for a batch."""

from __future__ import annotations

from collections.abc import Sequence

from angarium.core.clock import micros
from angarium.core.ids import earliest
from angarium.core.problems import FieldProblem
from angarium.core.values import MessageClass
from angarium.messaging import links, unsubscribe
from angarium.messaging.case import Case
from angarium.messaging.links import Tokens, Tracking
from angarium.messaging.store import links as store
from angarium.messaging.store.messages import Message
from angarium.messaging.world import World
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

PURPOSE = "links"
KEPT_S = 86_400.0  # a link is there for a day at least (`LinkPolicy.keep_days`), and tells by itself
CLOCKS_S = 3_600.0  # by which those of two servers may differ, and the order of ids with them


def of(world: World, message: Message, asked: bool | None) -> Tracking | None:
    """What is counted of a message, by its own wish or the policy; None when nothing is."""
    policy = world.policies.of(message.workspace_id).links
    if not asked and policy.is_quiet:
        return None
    leaving, ground = f"{unsubscribe.PATH}/", world.ground
    return links.tracking(
        policy, asked, message.message_class, world.public_url, leaving, ground.ids.mint, names(ground)
    )


def names(ground: Ground) -> Tokens:
    """The names of links on this ground."""
    return links.tokens(ground.vault.keyed_hash(b"tokens", PURPOSE))


async def known(tx: Transaction, cases: Sequence[Case]) -> None:
    """Let messages that are tracked know the tokens that went out with their earlier steps."""
    tracked = {case.message.id: case.tracking for case in cases if case.tracking is not None}
    if not tracked:
        return
    workspace_id = cases[0].message.workspace_id
    for message_id, sent in (await store.of_messages(tx, workspace_id, tracked)).items():
        one = tracked[message_id]
        one.tokens |= {url: one.names.name(link_id) for url, link_id in sent.items()}


async def counted(tx: Transaction, world: World, workspace_id: int, label: str) -> store.Counted:
    """What can be known of the messages of a label: by their links, and when those have been let go of, by
    what was sent."""
    made = await store.counted(tx, workspace_id, label)
    if made.clicked or made.opened:
        return made
    now = world.ground.clock.now()
    until, hour = earliest(now), earliest(now) - earliest(now - micros(CLOCKS_S))
    found = set[bool]()
    before = now - micros(KEPT_S)
    for message_id, content in await store.words_of_newest(tx, workspace_id, label, before):
        words = content.decode(errors="replace")
        found |= links.made_in(words, names(world.ground), message_id - hour, until + hour)
    return store.Counted(True in found, False in found)


def misfit(world: World, message: Message, asked: bool | None) -> FieldProblem | None:
    """What is in the way of a message that asks to be tracked; None when nothing is."""
    if not asked:
        return None
    if message.message_class is MessageClass.OTP:
        return FieldProblem("track", "a code is never tracked", "leave track out", "true")
    return next(iter(unmet(world, message.workspace_id, asked)), None)


def unmet(world: World, workspace_id: int, asked: bool | None) -> list[FieldProblem]:
    """What a workspace lacks to track what asks for it."""
    if not asked or world.public_url or world.policies.of(workspace_id).links.base_url:
        return []
    remedy = "set base_url in PUT /v1/policies/links, or ANGARIUM_PUBLIC_URL of the server"
    return [FieldProblem("track", "there is no address that links can begin with", remedy, "true")]
