"""What has had its time goes as fast as it came, and whoever sends is let in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from angarium.core.ports import Raw
from angarium.messaging import forgetting, reconcile
from angarium.messaging.retention import Retention
from angarium.messaging.store import inbox
from angarium.messaging.store.inbox import Closed, Entry
from angarium.storage.database import Database
from support.relay import Relay
from support.still import StillClock

OF_A_MINUTE = 2_500  # two batches and a half
DAY_S = 86_400.0


class Resting(StillClock):
    """Whoever sleeps lets somebody else do something."""

    meanwhile: Callable[[], Awaitable[None]]

    async def sleep(self, seconds: float) -> None:
        assert seconds == forgetting.REST_S
        await self.meanwhile()


async def journalled(relay: Relay, count: int, error: str = "") -> list[int]:
    """Callbacks as a provider posts them, worked through."""
    line, now, mint = relay.lines["sms"].id, relay.clock.now(), relay.ground.ids.mint
    entries = [Entry(relay.workspace_id, mint(), line, Raw(b"posted"), now) for _ in range(count)]
    closed = [Closed(one.id, error, about_code=False) for one in entries]
    await relay.ground.db.run(inbox.write_journal, entries)
    await relay.ground.db.run(inbox.close_journal, relay.workspace_id, closed)
    return [one.id for one in entries]


async def test_many_callbacks_go_in_one_tidying_and_messages_leave_meanwhile(database: Database) -> None:
    clock, left = Resting(), []
    relay = await Relay(database, clock=clock).open()
    await relay.line("sms", "smpp")

    async def kept(entry_ids: list[int]) -> int:
        return len(await database.read(inbox.by_ids, relay.workspace_id, entry_ids))

    async def send() -> None:
        left.append(await kept(old))
        message = await relay.send(line="sms")
        await relay.take("sms")
        assert (await relay.state(message))[0] == "sent"

    clock.meanwhile = send
    old, unread = await journalled(relay, OF_A_MINUTE), await journalled(relay, 3, "not understood")
    clock.advance((Retention().callbacks_days + 0.01) * DAY_S)
    new = await journalled(relay, 5)
    await reconcile.tidy(relay.world, relay.workspace_id)

    assert left == [OF_A_MINUTE - forgetting.BATCH_MAX, OF_A_MINUTE - 2 * forgetting.BATCH_MAX]
    assert (await kept(old), await kept(unread), await kept(new)) == (0, 3, 5)
