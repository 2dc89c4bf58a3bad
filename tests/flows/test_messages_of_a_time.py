"""The messages of a span of time are found by their ids, which are ordered by time."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from angarium.core import ids
from angarium.core.clock import MICROS, micros
from angarium.core.ids import earliest
from angarium.messaging import story
from angarium.messaging.store import messages
from angarium.messaging.store.messages import EVER, Filter
from angarium.storage.database import Database
from support.relay import Relay

DAY_S = 86_400.0
NEWEST = 1 << 62


async def days(relay: Relay, count: int, each: int) -> list[list[str]]:
    """Messages of so many days, by day."""
    found: list[list[str]] = []
    for _ in range(count):
        found.append([ids.show("message", await relay.send(line="sms")) for _ in range(each)])
        relay.clock.advance(DAY_S)
    return found


async def listed(relay: Relay, limit: int, **wanted: Any) -> list[list[str]]:
    """All pages of the list."""
    pages, before = list[list[str]](), NEWEST
    while True:
        asked = (relay.world, relay.workspace_id, Filter(**wanted), before, limit)
        one = await relay.ground.db.read(story.listing, *asked)
        pages.append([message["id"] for message in one.messages])
        if one.following is None:
            return pages
        before = one.following


async def test_a_span_has_its_messages_alone_and_ends(database: Database) -> None:
    relay = await Relay(database).open()
    await relay.line("sms", "smpp")
    began = relay.clock.now()
    made = await days(relay, 5, 3)
    second, fourth = began + micros(DAY_S), began + micros(3 * DAY_S)
    for state in ("", "queued"):  # few may fit where a state is asked for, so a page looks no farther than so
        pages = await listed(relay, 4, created_from=second, created_until=fourth, state=state)
        assert [len(one) for one in pages] == [4, 2]
        assert sorted(chain.from_iterable(pages)) == sorted(made[1] + made[2])
    assert await listed(relay, 9, created_until=began) == [[]]
    assert await listed(relay, 9, created_from=relay.clock.now()) == [[]]


async def test_nothing_later_and_nothing_earlier_is_gone_through(database: Database) -> None:
    relay = await Relay(database).open()
    await relay.line("sms", "smpp")
    began = relay.clock.now()
    await days(relay, 3, 1)
    until = began + micros(DAY_S)
    asked = messages.filter_values(Filter(created_from=began, created_until=until), NEWEST, 9)
    assert asked["down_to"] == earliest(began)
    assert asked["before"] == earliest(until + micros(messages.MINTED_WITHIN_S))
    assert messages.filter_values(Filter(), NEWEST, 9)["before"] == NEWEST
    assert Filter().created_until == EVER


async def test_who_was_made_while_the_clock_was_set_back_is_there(database: Database) -> None:
    """Its id is later than it: ids go on where they were."""
    relay = await Relay(database).open()
    await relay.line("sms", "smpp")
    await relay.send(line="sms")
    relay.clock.at -= 3_000 * MICROS
    late = ids.show("message", await relay.send(line="sms"))
    found = await listed(relay, 9, created_until=relay.clock.now() + 1)
    assert found == [[late]]


@pytest.mark.parametrize("at", [-62_135_596_800 * MICROS, 253_402_300_799 * MICROS])  # the years 1 and 9999
async def test_no_time_is_too_far_away(at: int, database: Database) -> None:
    relay = await Relay(database).open()
    await relay.line("sms", "smpp")
    made = ids.show("message", await relay.send(line="sms"))
    later = at > relay.clock.now()
    assert await listed(relay, 9, created_from=at) == ([[]] if later else [[made]])
    assert await listed(relay, 9, created_until=at, state="queued") == ([[made]] if later else [[]])
