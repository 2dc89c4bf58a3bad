"""Reads what happened to messages in the log of facts, and tells the room of contacts, for its segments.

It has a cursor of its own, which is moved in the transaction that counts: nothing is counted twice, and after
a restart it goes on where it was. A receipt that says *read* implies *delivered*, and either that it was
sent: what nobody has told before is counted with it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf

import msgspec

from angarium.contacts import reindex
from angarium.contacts.activity import Event, Happened, Topic
from angarium.contacts.store import activity, index
from angarium.core.clock import MICROS
from angarium.messaging import remembering, traffic
from angarium.messaging.store import outlines
from angarium.messaging.store import traffic as traffic_store
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import START, Fact, Position
from angarium.storage.ground import Ground

BATCH_MAX = 1_000  # facts in one transaction
POLL_S = 2.0
# While messages are under way: behind by no more seconds, it rests so many times longer than it works.
RESTS = ((300.0, 30.0), (1_800.0, 9.0), (inf, 2.0))

MESSAGE = "message."
REPLY = "inbound.received"
RECOGNISED = "inbound.recognised"  # whose it is, of what came from nobody known
REARRANGED = ("contact.merged", "contact.unmerged")
IMPLIED = {  # what a fact says, the first thing first
    "message.sent": (Event.SENT,),
    "message.delivered": (Event.SENT, Event.DELIVERED),
    "message.read": (Event.SENT, Event.DELIVERED, Event.READ),
    "message.opened": (Event.READ,),  # by a person: no mail provider says that a mail was read
    "message.clicked": (Event.CLICKED,),
}
# After these more is known of reaching somebody, as after whatever ends a message.
VERDICTS = frozenset({"message.delivered", "message.read", "message.failed", "message.not_taken"})


class Decided(msgspec.Struct, frozen=True):
    """What was decided upon it."""

    do: str = ""
    state: str = ""


class Told(msgspec.Struct, frozen=True):
    """What is read of a fact's body."""

    channel: str = ""
    contact: int | None = None
    at: int = 0  # when what is recognised had come
    finished: bool = False
    decisions: tuple[Decided, ...] = ()
    billed: tuple[traffic.Billed, ...] = ()


class Pair(msgspec.Struct, frozen=True):
    """The contacts of a merge."""

    survivor: int
    merged: int


class Followed(msgspec.Struct, frozen=True):
    """How many facts were told, how far it has come, and when the last of them happened."""

    facts: int
    position: Position
    until: int | None = None


Word = tuple[Fact, Told]  # a fact, and what is read of it

_read = msgspec.json.Decoder(Told).decode


async def follow(tx: Transaction, workspace_id: int, limit: int) -> Followed:
    """Tell what the next facts say."""
    position = await facts.position_of(tx, workspace_id, activity.READER)
    new, end = await facts.after(tx, workspace_id, position, limit)
    if not new:
        return Followed(0, position)
    messages, replies = _told(new)
    happened, through = await _happened_to_messages(tx, workspace_id, messages, position)
    happened += await _replies(tx, workspace_id, replies)
    happened += _recognised(new)
    await traffic_store.add(tx, workspace_id, traffic.sums(through))
    # first: it waits for who holds a contact
    answers = {one.subject_id: body.channel for one, body in replies}
    await remembering.learn(tx, workspace_id, _judged(messages), answers)
    await activity.tell(tx, workspace_id, happened)
    for contact_id in sorted(_rearranged(new)):
        await recount(tx, workspace_id, contact_id, end)
    await facts.save_position(tx, workspace_id, activity.READER, end)
    return Followed(len(new), end, new[-1].at)


async def recount(tx: Transaction, workspace_id: int, contact_id: int, until: Position) -> None:
    """Tell anew what has happened to one contact, whose messages are not those that they were: it was merged
    with another, or parted from it."""
    await activity.forget(tx, workspace_id, [contact_id])
    if not await index.existing(tx, workspace_id, [contact_id]):
        return
    kinds = [*IMPLIED, REPLY, RECOGNISED]
    things = await outlines.of_contact(tx, workspace_id, contact_id)
    topics: dict[int, Topic] = {}  # of the messages so far, the first one first
    for first in range(0, len(things), BATCH_MAX):
        some = things[first : first + BATCH_MAX]
        told = await facts.earlier(tx, workspace_id, some, kinds, until)
        told.sort(key=lambda one: one.seq)
        messages, replies = _told(told)
        happened, _ = await _happened_to_messages(tx, workspace_id, messages, START)
        about = await outlines.of_messages(tx, workspace_id, some)
        topics |= {message_id: about[message_id][1] for message_id in sorted(about)}
        happened += _answers(contact_id, replies, topics)
        happened += [msgspec.structs.replace(one, contact_id=contact_id) for one in _recognised(told)]
        await activity.tell(tx, workspace_id, [one for one in happened if one.contact_id == contact_id])


def _answers(contact_id: int, told: Sequence[Word], topics: Mapping[int, Topic]) -> list[Happened]:
    """What a contact answered, each answer to the message that had come last. The facts name whoever wrote
    then, and that one may have become a part of this contact since."""
    came = list(topics)
    found = []
    for one, body in told:
        if body.contact is not None:
            before = bisect_left(came, one.subject_id)
            topic = topics[came[before - 1]] if before else Topic(None)
            found.append(Happened(Event.REPLIED, contact_id, topic, body.channel, one.at))
    return found


def _recognised(new: Sequence[Fact]) -> list[Happened]:
    """What people wrote before they were contacts: answers to nothing of ours, for nobody had been told
    anything. It counts from when it came."""
    told = _read_all([one for one in new if one.kind == RECOGNISED])
    return [
        Happened(Event.REPLIED, body.contact, Topic(None), body.channel, body.at)
        for _, body in told
        if body.contact is not None  # the person has been erased since
    ]


def _told(new: Sequence[Fact]) -> tuple[list[Word], list[Word]]:
    """What is said of messages, and what customers sent."""
    messages = _read_all([one for one in new if one.kind.startswith(MESSAGE)])
    return messages, _read_all([one for one in new if one.kind == REPLY])


def _read_all(told: Sequence[Fact]) -> list[Word]:
    """Facts with what is read of them; of words that many say alike only once."""
    read: dict[str, Told] = {}
    words: list[Word] = []
    for one in told:
        text = str(one.common) or one.body  # beside what others say too there are only references
        if text not in read:
            read[text] = _read(text)
        words.append((one, read[text]))
    return words


def _judged(messages: Sequence[Word]) -> set[int]:
    """The messages of which something is known that was not known before."""
    return {one.subject_id for one, body in messages if body.finished or one.kind in VERDICTS}


def _rearranged(new: Sequence[Fact]) -> set[int]:
    """The contacts that were merged, or are two again."""
    bodies = [msgspec.json.decode(one.body, type=Pair) for one in new if one.kind in REARRANGED]
    return {contact_id for body in bodies for contact_id in (body.survivor, body.merged)}


async def _happened_to_messages(
    tx: Transaction, workspace_id: int, told: Sequence[Word], position: Position
) -> tuple[list[Happened], Counter[traffic.Said]]:
    """Each thing that can happen to a message counts once on each channel."""
    if not told:
        return [], Counter()
    about = await outlines.of_messages(tx, workspace_id, {one.subject_id for one, _ in told})
    implying = sorted({one.subject_id for one, _ in told if one.kind in IMPLIED})
    earlier = await facts.earlier(tx, workspace_id, implying, list(IMPLIED), position) if implying else []
    counted = {said for one, body in _read_all(earlier) for said in _said(one, body)}
    found: list[Happened] = []
    through: list[traffic.Said] = []
    for one, body in told:
        fresh = [said for said in _said(one, body) if said not in counted]
        counted.update(fresh)
        if one.subject_id in about:
            contact_id, topic = about[one.subject_id]
            found += [Happened(event, contact_id, topic, body.channel, one.at) for _, _, event in fresh]
            through.append(_through(one, body, topic, fresh))
    return found, Counter(through)


def _said(one: Fact, body: Told) -> list[tuple[int, str, Event]]:
    return [(one.subject_id, body.channel, event) for event in IMPLIED.get(one.kind, ())]


def _through(one: Fact, body: Told, topic: Topic, fresh: Sequence[tuple[int, str, Event]]) -> traffic.Said:
    slot, events = one.at // traffic.SLOT, tuple([event for _, _, event in fresh])
    ended = next((decided.state for decided in body.decisions if decided.do == "finish"), "")
    return traffic.Said(slot, one.kind, topic.message_class, body.channel, ended, body.billed, events)


async def _replies(tx: Transaction, workspace_id: int, told: Sequence[Word]) -> list[Happened]:
    """A customer answers the message that came last."""
    known = [(one, body.contact, body.channel) for one, body in told if body.contact is not None]
    if not known:
        return []
    newest = max(one.subject_id for one, _, _ in known)
    last = await outlines.last_before(tx, workspace_id, {contact_id for _, contact_id, _ in known}, newest)
    about = await outlines.of_messages(tx, workspace_id, set(last.values()))
    return [
        Happened(Event.REPLIED, contact_id, _topic(about, last.get(contact_id, 0)), channel, one.at)
        for one, contact_id, channel in known
    ]


def _topic(about: Mapping[int, tuple[int, Topic]], message_id: int) -> Topic:
    return about[message_id][1] if message_id in about else Topic(None)


def rest_s(worked_s: float, behind_s: float) -> float:
    """How long to rest from work while messages are under way: who is far behind rests less, or what people
    are shown would be of this morning where a server is busy all day."""
    return min(POLL_S, worked_s * next(times for most_s, times in RESTS if behind_s <= most_s))


class Chronicler:
    """Follows the log of every workspace. While messages are under way it takes its time."""

    def __init__(
        self, ground: Ground, workspaces: Callable[[], Awaitable[list[int]]], under_way: Callable[[], int]
    ) -> None:
        self._ground = ground
        self._workspaces = workspaces
        self._under_way = under_way  # a count that grows while messages are
        self._behind: dict[int, float] = {}  # workspace -> how many seconds ago happened what was told last
        self.told = 0  # facts, since the start

    @property
    def behind_s(self) -> float:
        """Of the workspace that is farthest behind; 0 where nothing is new, or another server tells it."""
        return max(self._behind.values(), default=0.0)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await self._follow_all()
        finally:
            self._behind.clear()

    async def _follow_all(self) -> None:
        while True:
            found, there = 0, await self._workspaces()
            awake = await self._ground.db.read(_awake, there)
            for workspace_id in awake:
                found += await self.turn(workspace_id)
            for caught_up in self._behind.keys() - awake:
                del self._behind[caught_up]
            if not found:
                await self._ground.clock.sleep(POLL_S)

    async def turn(self, workspace_id: int) -> int:
        """One batch of what a workspace has new, and a rest when others are busy; how many there were."""
        seen, began_at = self._under_way(), self._ground.clock.monotonic()
        done = await self._index(workspace_id) or await self._follow(workspace_id)
        if done and self._under_way() != seen:
            took_s = self._ground.clock.monotonic() - began_at
            await self._ground.clock.sleep(rest_s(took_s, self._behind.get(workspace_id, 0.0)))
        return done

    async def _follow(self, workspace_id: int) -> int:
        told = await self._ground.db.run(follow, workspace_id, BATCH_MAX)
        until = told.until if told.until is not None else self._ground.clock.now()
        self._behind[workspace_id] = (self._ground.clock.now() - until) / MICROS
        self.told += told.facts
        return told.facts

    async def _index(self, workspace_id: int) -> int:
        """What happened is written into the rows of contacts: it is not told before all have theirs."""
        if not await self._ground.db.read(reindex.is_due, workspace_id):
            return 0
        return await self._ground.db.run(reindex.step, workspace_id)


async def _awake(tx: Transaction, workspace_ids: Sequence[int]) -> list[int]:
    """Those of these workspaces that want something; in others nothing is written, nor held."""
    new = await facts.with_news(tx, workspace_ids, activity.READER)
    due = await reindex.due_in(tx, workspace_ids)
    return sorted({*new, *due})
