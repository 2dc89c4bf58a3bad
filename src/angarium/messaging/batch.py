"""Accept a batch whose messages a process beside the server has made ready, as rows that are to be written.

It reads the request as it came, and does what `accept` would (`accept.prepare`), on a snapshot that is
younger than the request: whatever was answered before the request came is seen. What is changed at the same
moment is judged once more before bytes leave, as of any message that has waited; that nobody is written to
who is not there any more is looked at where the rows are written.

It is asked once batches follow one another, and only about those that are no more than their rows. Of all
others, and whatever goes wrong, the server does it itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Protocol

import msgspec
import structlog

from angarium.contacts import store as contact_store
from angarium.contacts.store import Contact, members
from angarium.content.media import flows as media
from angarium.core.decoding import Items, Shape
from angarium.core.problems import Problem
from angarium.core.values import MessageClass
from angarium.messaging import accept, answering, composing, course, keyed, straight
from angarium.messaging.accept import MESSAGES_MAX, MessageInput
from angarium.messaging.answering import Answer
from angarium.messaging.case import Case, wake_planner_for
from angarium.messaging.composing import Made, Outdated
from angarium.messaging.course import NotNumbered
from angarium.messaging.straight import Straight
from angarium.messaging.world import World
from angarium.storage import idempotency
from angarium.storage.database import Transaction

log = structlog.get_logger()

MESSAGE = Shape(MessageInput)
BATCH = Items("messages", MESSAGE, MESSAGES_MAX)

IDS_EACH = 3  # that are minted for a message: its own, of its attempt, and of a contact that is new
RECIPIENT = b'"to"'  # each message has one
MESSAGES_MIN = 50  # below that the way there and back costs what it spares
BYTES_MAX = 1 << 20
FOLLOW_S, FOLLOWING = 10.0, 3  # so many within this time follow one another
AGAIN_S = 5.0  # how long a workspace is left alone of which nothing could be made ready


class Unread(msgspec.Struct, frozen=True):
    """A request for many messages as it came."""

    workspace_id: int
    body: bytes
    key: str = ""
    body_hash: bytes = b""

    @property
    def size(self) -> int:
        """How many messages it has, or somewhat more."""
        return self.body.count(RECIPIENT)


class Offered(msgspec.Struct, frozen=True, array_like=True, tag="batch"):
    """The same, to be made ready."""

    workspace_id: int
    body: bytes
    ids: list[int]  # `IDS_EACH` for each message, minted by who will write them
    now: int
    connected: Mapping[int, bool]  # line -> whether it is, where anybody says
    taken: Mapping[int, int]  # line -> per mille of the last hour that was taken


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """A request for many messages, made ready: what it is answered, and what is to be written."""

    answer: Answer
    made: Made
    people: list[int]  # contacts who must be there still
    newcomers: list[Contact]  # whose addresses nobody must have yet
    decide_at: int | None  # when the first of them is looked at again


class Composer(Protocol):
    """Makes messages ready where nothing is written."""

    @property
    def is_up(self) -> bool:
        """Whether it answers at once."""

    def begin(self) -> None:
        """Have it begin meanwhile, where it is not up."""

    async def batch(self, offered: Offered) -> Batch | None:
        """What was asked for; None where only the server itself can say. Raises OSError when it is gone."""


# ── where nothing is written ─────────────────────────────────────────────────────────────────────────


async def compose(tx: Transaction, world: World, offered: Offered) -> Batch | None:
    """What would become of a request, as rows. None where more has a say than can be read, where there is a
    code, whose words are sealed where it is written, and where nothing in it can be accepted.

    The ids of `world` are those that were given.
    """
    workspace_id, now = offered.workspace_id, offered.now
    if world.policies.of(workspace_id).budgets.budgets:
        return None
    try:
        asked = BATCH.read(offered.body)
        readable = [one for one in asked if isinstance(one, MessageInput)]
        if media.named_in(variant for one in readable for variant in one.variants):
            return None
        numbering = partial(course.known_version, tx, world, workspace_id)
        prepared = iter(await accept.prepare(tx, world, workspace_id, readable, now, numbering))
    except (Problem, NotNumbered):
        return None
    own = [one if isinstance(one, Problem) else next(prepared) for one in asked]
    cases = [one for one in own if isinstance(one, Case)]
    if not all(
        composing.is_plain(one) and one.message.message_class is not MessageClass.OTP for one in cases
    ):
        return None
    answer = answering.answer(own, batch=True)
    if isinstance(answer, Problem) or not cases:
        return None
    return _batch(answer, cases, frozenset(offered.ids))


def _batch(answer: Answer, cases: list[Case], minted: frozenset[int]) -> Batch:
    people = {case.contact.id: case.contact for case in cases if case.contact is not None}
    return Batch(
        answer,
        composing.made(cases),
        [contact_id for contact_id in people if contact_id not in minted],
        [contact for contact_id, contact in people.items() if contact_id in minted],
        min((case.message.decide_at for case in cases if case.message.decide_at is not None), default=None),
    )


# ── where it is written ──────────────────────────────────────────────────────────────────────────────


async def write(
    tx: Transaction, at_once: Straight, order: Unread, batch: Batch, now: int
) -> Answer | Problem:
    """Write what was made ready of a request; raises Outdated when it must not be written any more."""
    workspace_id = order.workspace_id
    (claim,) = await keyed.claims(tx, workspace_id, [order], now)
    if not isinstance(claim, idempotency.New):
        return keyed.told([order], 0, claim, {})
    if await members.count_of(tx, workspace_id, batch.people) < len(batch.people):
        raise Outdated
    if batch.newcomers:
        places = {(one.kind.value, one.value) for contact in batch.newcomers for one in contact.addresses}
        if await contact_store.ids_by_addresses(tx, workspace_id, places):
            raise Outdated
        await contact_store.insert(tx, workspace_id, batch.newcomers)
    await composing.write_rows(tx, at_once, workspace_id, batch.made, now)
    await keyed.keep(tx, workspace_id, [order], {id(order): batch.answer})
    return batch.answer


class Beside:
    """Has batches made ready beside the server, once they follow one another."""

    def __init__(self, world: World, composer: Composer) -> None:
        self._world = world
        self._clock = world.ground.clock
        self._composer = composer
        self._lately: deque[float] = deque(maxlen=FOLLOWING)  # by the monotonic clock
        self._not_before: dict[int, float] = {}  # by workspace

    async def accept(self, order: Unread) -> Answer | Problem | None:
        """Accept a request; None where nothing was done, and the server is to do it."""
        if not self._is_worth(order):
            return None
        batch = await self._made_ready(order)
        if batch is None:
            self._not_before[order.workspace_id] = self._clock.monotonic() + AGAIN_S
            return None
        try:
            answer = await straight.run(
                self._world, order.workspace_id, order.size, write, order, batch, self._clock.now()
            )
        except Outdated:
            return None
        if batch.decide_at is not None:
            wake_planner_for(self._world, {order.workspace_id: batch.decide_at})
        return answer

    def _is_worth(self, order: Unread) -> bool:
        """Whether it is large, one of many, and the process is there; else that begins meanwhile."""
        if len(order.body) > BYTES_MAX or not MESSAGES_MIN <= order.size <= MESSAGES_MAX:
            return False
        now = self._clock.monotonic()
        self._lately.append(now)
        if now < self._not_before.get(order.workspace_id, now):
            return False
        if not self._composer.is_up and len(self._lately) == FOLLOWING and now - self._lately[0] <= FOLLOW_S:
            self._composer.begin()
        return self._composer.is_up

    async def _made_ready(self, order: Unread) -> Batch | None:
        world, workspace_id = self._world, order.workspace_id
        offered = Offered(
            workspace_id,
            order.body,
            world.ground.ids.mint_many(IDS_EACH * order.size),
            self._clock.now(),
            composing.connected(world, workspace_id),
            world.taken,
        )
        try:
            return await self._composer.batch(offered)
        except OSError as error:
            log.warning("a batch is not made ready", why=repr(error))
            return None
