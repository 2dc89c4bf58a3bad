"""What happens at the door: words are kept for visitors; visitors come, write, and mark what they saw."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

import msgspec

from angarium.content import fetching
from angarium.content.media import flows
from angarium.content.store.media import Kept
from angarium.core.batches import Batcher
from angarium.core.clock import MICROS
from angarium.core.ports import Keep, Raw, Submission
from angarium.core.values import Json
from angarium.doors.webchat import rules, store
from angarium.doors.webchat.room import WebChatRoom, topic
from angarium.doors.webchat.rules import Marking, Opening, Saying, Sending, Visitor
from angarium.doors.webchat.store import Entry
from angarium.lines.store import Line
from angarium.protocols.web_chat import Happened, Words, words_of
from angarium.storage.ground import Ground

KEPT_AT_ONCE = 500  # submissions in one transaction


# ── going out ────────────────────────────────────────────────────────────────────────────────────────


class Outbox:
    """Keeps what is sent on lines of the web chat, however many at once in one transaction."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._gathered: Batcher[tuple[Line, Submission], None] = Batcher(self._keep, KEPT_AT_ONCE)

    def of(self, line: Line) -> Keep:
        """What a line's channel is handed."""
        return partial(self._put, line)

    async def _put(self, line: Line, submission: Submission) -> None:
        await self._gathered.put((line, submission))

    async def _keep(self, batch: list[tuple[Line, Submission]]) -> Sequence[None]:
        now = self._ground.clock.now()
        for workspace_id in sorted({line.workspace_id for line, _ in batch}):
            ours = [(line.id, kept(one, now)) for line, one in batch if line.workspace_id == workspace_id]
            await self._ground.db.run(store.keep, workspace_id, ours, now)
        for line, one in batch:
            self._ground.fabric.wake(topic(line.id, one.address))
        return [None] * len(batch)


def kept(one: Submission, now: int) -> Entry:
    """A submission as it waits for its visitor."""
    expires_at = 0 if one.ttl_s is None else now + one.ttl_s * MICROS
    return Entry(one.address, 0, one.client_ref, False, words_of(one.content), now, expires_at)


# ── visitors ─────────────────────────────────────────────────────────────────────────────────────────


async def enter(room: WebChatRoom, line: Line, given: Opening) -> Json:
    """Somebody opens the chat: their session, and the number of the last entry that there is."""
    ground, settings = room.ground, room.world.settings(line)
    now, hashed = ground.clock.now(), ground.vault.keyed_hash
    before = rules.read_token(hashed, line.id, settings.identity_secret, given.token, now)
    visitor = rules.opened(settings, given, before, ground.chance.secret(rules.SECRET_BYTES))
    await ground.db.run(store.see, line.workspace_id, line.id, visitor.address, now)
    until_s = now // MICROS + settings.session_days * rules.DAY_S
    token = rules.token(hashed, line.id, settings.identity_secret, visitor, until_s)
    return {"token": token, "visitor": visitor.address, "valid_s": settings.session_days * rules.DAY_S}


async def say(room: WebChatRoom, line: Line, visitor: Visitor, given: Saying) -> Json:
    """A visitor writes: journalled first, then shown in the conversation. Said twice it is said once."""
    ground, now = room.ground, room.ground.clock.now()
    place = (line.workspace_id, line.id)
    answered = None
    if given.answers:
        answered = await ground.db.read(store.one, *place, visitor.address, given.answers, now)
    said = rules.answered(given, answered)
    happened = rules.message(visitor, given, said, now)
    await room.heard(line, raw(happened))
    entry = Entry(visitor.address, 0, happened.ref, True, Words(happened.text), now)
    await ground.db.run(store.keep, line.workspace_id, [(line.id, entry)], now)
    ground.fabric.wake(topic(line.id, visitor.address))
    shown = await ground.db.read(store.by_ref, *place, happened.ref)
    assert shown is not None, "it was kept just now"
    return rules.shown(shown)


async def send_file(
    room: WebChatRoom, line: Line, visitor: Visitor, given: Sending, pieces: AsyncIterator[bytes]
) -> Json:
    """A visitor sends a file: kept first, then journalled and shown. Sent twice it is sent once."""
    ground, place = room.ground, (line.workspace_id, line.id)
    said = rules.message(visitor, Saying(given.id), ("", "", ""), ground.clock.now())
    there = await ground.db.read(store.by_ref, *place, said.ref)
    if there is None:
        kept = await _keep_file(room, line, given.file_name, pieces)
        url = fetching.url(room.media_of(line).public_url, kept.token)
        happened = msgspec.structs.replace(said, text=rules.named(kept, given.text), media_url=url)
        await room.heard(line, raw(happened))
        words = rules.entry_of(kept, url, given.text.strip())
        entry = Entry(visitor.address, 0, said.ref, True, words, said.at)
        await ground.db.run(store.keep, line.workspace_id, [(line.id, entry)], said.at)
        ground.fabric.wake(topic(line.id, visitor.address))
        there = await ground.db.read(store.by_ref, *place, said.ref)
    assert there is not None, "it was kept just now"
    return rules.shown(there)


async def _keep_file(room: WebChatRoom, line: Line, name: str, pieces: AsyncIterator[bytes]) -> Kept:
    media, actor = room.media_of(line), rules.brought_by(line.id)
    brought = await flows.bring(media, line.workspace_id, actor, name, pieces, rules.FILES_SHARE)
    kept = None
    try:
        kept = await room.ground.db.run(flows.add, line.workspace_id, brought)
    finally:
        if kept is None or kept.id != brought.id:  # the same bytes are there already
            media.shelf.remove(brought.id)
    return kept


async def mark(room: WebChatRoom, line: Line, visitor: Visitor, given: Marking) -> None:
    """A browser has come so far: what was not known of our entries is journalled as receipts."""
    ground, now = room.ground, room.ground.clock.now()
    place = (line.workspace_id, line.id)
    new = await ground.db.read(store.unmarked, *place, visitor.address, given.delivered, given.read, now)
    delivered = tuple(one.ref for one in new if not one.delivered_at)
    read = tuple(one.ref for one in new if not one.read_at and one.number <= given.read)
    if delivered or read:
        told = Happened("marks", visitor.address, now, delivered=delivered, read=read)
        await room.heard(line, raw(told))
        await ground.db.run(store.mark, *place, delivered, read, now)


async def look(room: WebChatRoom, line: Line, visitor: Visitor, given: rules.Looking) -> Json:
    """Some entries: the last ones, or those behind a number; waiting for some to come, if asked."""
    if given.after is not None:
        found = await room.news(line, visitor.address, given.after, given.limit, given.wait)
    else:
        place = (line.workspace_id, line.id, visitor.address)
        before, now = given.before or NEWEST, room.ground.clock.now()
        found = await room.ground.db.read(store.before, *place, before, given.limit, now)
    return {"items": [rules.shown(one) for one in found]}


NEWEST = (1 << 62) - 1


def raw(happened: Happened) -> Raw:
    """What happened as a line's journal keeps it."""
    return Raw(msgspec.json.encode(happened))
