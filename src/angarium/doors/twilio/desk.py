"""What the routes of Twilio's shape work with: who calls, and messages that are accepted together."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from angarium.core.batches import Batcher
from angarium.core.problems import Problem
from angarium.doors.twilio import showing, store
from angarium.doors.twilio.asking import Wanted
from angarium.doors.twilio.flows import Gate, Known
from angarium.doors.twilio.showing import Standing
from angarium.doors.twilio.store import Came
from angarium.messaging import accept, poison
from angarium.messaging.case import Case, wake, wake_planner
from angarium.messaging.world import World
from angarium.storage.database import Transaction, Trouble, unavailable

log = structlog.get_logger()

ACCEPT_MAX = 500  # messages in one transaction
WAITING_MAX = 20_000


class Asked(msgspec.Struct, frozen=True):
    """A message that an account asks for."""

    known: Known
    wanted: Wanted


class Made(msgspec.Struct, frozen=True):
    """A message that was accepted."""

    came: Came
    standing: Standing


class TwilioDesk:
    """`request.app.state.twilio`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.gate = Gate(world.ground)
        self._accepting: Batcher[Asked, Made | Problem] = Batcher(self._accept, ACCEPT_MAX)

    async def offer(self, asked: Asked) -> Made:
        """Accept a message with those that come at the same time; a Problem when it cannot be."""
        if len(self._accepting) >= WAITING_MAX:
            raise unavailable(Trouble.CROWDED, f"{len(self._accepting)} messages")
        made = await self._accepting.put(asked)
        if isinstance(made, Problem):
            raise made
        return made

    async def _accept(self, asked: list[Asked]) -> Sequence[Made | Problem | BaseException]:
        found: list[Made | Problem | BaseException | None] = [None] * len(asked)
        for workspace_id in {one.known.account.workspace_id for one in asked}:
            places = [i for i, one in enumerate(asked) if one.known.account.workspace_id == workspace_id]
            made = await self._of_one(workspace_id, [asked[i] for i in places])
            for i, one in zip(places, made, strict=True):
                found[i] = one
        return [one for one in found if one is not None]

    async def _of_one(
        self, workspace_id: int, asked: Sequence[Asked]
    ) -> Sequence[Made | Problem | BaseException]:
        """What one workspace asks for. One that breaks our code spoils no other."""
        ground, now = self.world.ground, self.world.ground.clock.now()
        try:
            made, cases = await ground.db.run(_take, self.world, workspace_id, asked, now)
        except Exception as error:
            if poison.is_away(error) or len(asked) == 1:
                return [error] * len(asked)
            log.exception("accepting at the Twilio door broke", messages=len(asked))
            return [one for alone in asked for one in await self._of_one(workspace_id, [alone])]
        wake(self.world, cases)
        wake_planner(self.world, cases)
        return made


async def _take(
    tx: Transaction, world: World, workspace_id: int, asked: Sequence[Asked], now: int
) -> tuple[list[Made | Problem], list[Case]]:
    inputs = [one.wanted.asked for one in asked]
    reaches = [one.known.caller.reach for one in asked]
    made = await accept.take_each(tx, world, workspace_id, inputs, now, reaches)
    found: list[Made | Problem] = []
    for one, case in zip(asked, made, strict=True):
        if isinstance(case, Problem):
            found.append(case)
            continue
        standing = showing.standing(case.message, case.attempts)
        wanted = one.wanted
        came = Came(
            one.known.account.id,
            case.message.id,
            wanted.sender,
            wanted.service_sid,
            wanted.status_callback,
            standing.status,
        )
        found.append(Made(came, standing))
    await store.keep(tx, workspace_id, [one.came for one in found if isinstance(one, Made)])
    return found, [one for one in made if isinstance(one, Case)]
