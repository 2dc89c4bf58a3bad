"""Tell notices from the log of facts, look once a minute at what is only counted, and let people read them.

The log is read with a cursor of its own (`storage/facts.py`), which moves in the transaction that writes the
notices: whoever is killed in between tells nothing twice and leaves nothing out. What happens to single
messages is not read at all. Of such things the figures are looked at that the first page has as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from zoneinfo import ZoneInfo

import msgspec

from angarium.accounts import flows as accounts
from angarium.accounts.flows import Caller
from angarium.core import ids
from angarium.core.clock import from_datetime, local_date, micros
from angarium.messaging.store import held, review, unknowns
from angarium.messaging.world import World
from angarium.notices import rules, store
from angarium.notices.rules import KINDS, News, Notice, Settled, Told
from angarium.notices.store import Reader, Shown, Wanted
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground

READER = "notices"
TOLD = "notice.told"  # the fact by which open pages hear of it
BATCH_MAX = 500  # facts in one transaction
KEPT_S = 90 * 86_400.0
UNREAD_S = 30 * 86_400.0  # what is older counts as read
UNREAD_MAX = 99  # counted so far, and told as "99+"
REVIEW_MAX = 100  # messages held for their wording that are counted


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────


async def follow(tx: Transaction, world: World, workspace_id: int, limit: int, now: int) -> int:
    """Tell what the next facts come to; how many facts there were."""
    position = await facts.position_of(tx, workspace_id, READER)
    new, end = await facts.seldom_after(tx, workspace_id, position, limit)
    if not new:
        return 0
    fresh = [news for one in new for news in rules.news(one.kind, one.subject_id, one.at, one.body)]
    await _tell(tx, world, workspace_id, fresh, now)
    await facts.save_position(tx, workspace_id, READER, end)
    return len(new)


async def look(tx: Transaction, world: World, workspace_id: int, now: int) -> None:
    """Tell of what waits for people and is only counted: messages of unknown outcome, by line; messages held
    for their wording; messages of a backup that was put back."""
    await facts.position_of(tx, workspace_id, READER)  # so that nobody else tells at the same time
    zone = (await accounts.workspace(tx, workspace_id)).time_zone
    counts = [
        *await _unknown(tx, world, workspace_id, zone, now),
        ("wording_held", "", len(await review.held(tx, workspace_id, 0, REVIEW_MAX)), {}),
        ("restored", "", sum(one.messages for one in await held.summary(tx, workspace_id)), {}),
    ]
    there = {(kind, about) for kind, about, count, _ in counts if count}
    fresh: list[News] = [Told(kind, about, now, says, count=n) for kind, about, n, says in counts if n]
    kinds = [name for name, kind in KINDS.items() if kind.counted]
    before = await store.open_of(tx, workspace_id, kinds)
    gone = [one for one in before if (one.kind, one.about) not in there]
    over = [one for one in gone if not await _waits(tx, workspace_id, one)]
    fresh += [Settled((one.kind,), one.about, now) for one in over]
    await _tell(tx, world, workspace_id, fresh, now)


async def _unknown(
    tx: Transaction, world: World, workspace_id: int, zone: str, now: int
) -> list[tuple[str, str, int, dict[str, str]]]:
    """Of each line how many became unknown today and wait for a person."""
    found = []
    for line_id in await unknowns.silent_lines(tx, workspace_id):
        count = await unknowns.for_a_person(tx, workspace_id, line_id, _midnight(now, zone))
        shown = ids.show("line", line_id)
        found.append(("unknown", shown, count, {"line": shown, "name": _name(world, workspace_id, shown)}))
    return found


async def _waits(tx: Transaction, workspace_id: int, one: Notice) -> bool:
    """Whether what was told on an earlier day still waits."""
    if one.kind != "unknown":
        return False
    return await unknowns.for_a_person(tx, workspace_id, ids.read("line", one.about), 0) > 0


async def _tell(tx: Transaction, world: World, workspace_id: int, fresh: Sequence[News], now: int) -> None:
    if not fresh:
        return
    zone = (await accounts.workspace(tx, workspace_id)).time_zone
    days = {0, *(_day(one.at, zone) for one in fresh)}
    known = await store.about(tx, workspace_id, {one.about for one in fresh}, days)
    named = [_named(world, workspace_id, one) if isinstance(one, Told) else one for one in fresh]
    changed = rules.fold(known, named, lambda at: _day(at, zone), world.ground.ids.mint)
    await store.save(tx, workspace_id, changed)
    if changed:
        await facts.append(tx, [Fact(workspace_id, TOLD, workspace_id, now, "{}")])


def _named(world: World, workspace_id: int, one: Told) -> Told:
    """With the name of the line that it is about."""
    line = one.says.get("line")
    if not line or "name" in one.says:
        return one
    return msgspec.structs.replace(one, says={**one.says, "name": _name(world, workspace_id, str(line))})


def _name(world: World, workspace_id: int, shown: str) -> str:
    line_id = ids.read("line", shown)
    found = world.lines.seen(workspace_id, line_id) or world.lines.get(line_id)
    return found.name if found else shown


def _midnight(at: int, zone: str) -> int:
    return from_datetime(datetime.combine(local_date(at, zone), time(), ZoneInfo(zone)))


def _day(at: int, zone: str) -> int:
    return local_date(at, zone).toordinal()


async def tidy(tx: Transaction, workspace_id: int, now: int) -> int:
    """Delete what was kept long enough; how many."""
    return await store.forget(tx, workspace_id, ids.earliest(now - micros(KEPT_S)))


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────


def reader_of(caller: Caller) -> Reader:
    """Who looks: a person, or a key."""
    return Reader(caller.person_id or caller.key_id, caller.actor, rules.kinds_for(caller.scopes))


def since(now: int) -> int:
    """The id up to which everything counts as read."""
    return ids.earliest(now - micros(UNREAD_S))


async def unread(ground: Ground, caller: Caller) -> int:
    """How many somebody has not read; at most one more than `UNREAD_MAX`."""
    if not caller.workspace_id:
        return 0
    reader, most = reader_of(caller), UNREAD_MAX + 1
    return await ground.db.read(store.unread, caller.workspace_id, reader, since(ground.clock.now()), most)


async def page(ground: Ground, caller: Caller, wanted: Wanted, kind: str, limit: int) -> list[Shown]:
    """The newest notices for somebody, but for kinds that they do not want; or all of one kind."""
    now = ground.clock.now()

    async def work(tx: Transaction) -> list[Shown]:
        reader = reader_of(caller)
        left_out = {} if kind else {*await store.muted(tx, caller.workspace_id, reader.id)}
        kinds = [one for one in reader.kinds if one not in left_out and kind in ("", one)]
        if wanted.only == "person":
            kinds = [one for one in kinds if one in store.PERSON]
        narrowed = msgspec.structs.replace(reader, kinds=kinds)
        return await store.page(tx, caller.workspace_id, narrowed, wanted, since(now), limit)

    return await ground.db.read(work)


async def read(ground: Ground, caller: Caller, notice_ids: Sequence[int], until: int | None) -> None:
    """These count as read, and all up to an id. Whoever looks at another page of theirs sees it there."""

    async def work(tx: Transaction) -> None:
        reader_id, newest = reader_of(caller).id, ground.ids.mint()
        if until is not None:  # what comes later than now was not seen
            await store.read_until(tx, caller.workspace_id, reader_id, min(until, newest))
        await store.mark(tx, caller.workspace_id, reader_id, notice_ids)

    await ground.db.run(work)


async def muted(ground: Ground, caller: Caller) -> list[str]:
    """The kinds of which somebody does not want to be told."""
    return await ground.db.read(store.muted, caller.workspace_id, reader_of(caller).id)


async def mute(ground: Ground, caller: Caller, kinds: Sequence[str]) -> None:
    """Of these kinds and no others somebody does not want to be told."""
    await ground.db.run(store.mute, caller.workspace_id, reader_of(caller).id, kinds)
