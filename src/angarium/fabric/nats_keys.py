"""What servers keep in NATS: a bucket with a key for each lease, and for each server that is there.

A key goes by itself TTL_S after it was last written. To take a lease is to write a key that nobody has, to
renew it is to write it again; each write says which was the last that the writer knows of, and is refused
when there was another since. Where a key has run out, NATS leaves an empty message: that is the one to name
then.

A write has a number, which grows as long as the bucket lives. The epoch of a lease is that number behind the
*base* of the bucket, which is in all its subjects. Where the bucket is new, because all servers of NATS have
lost their disks, its base is the instant at which that was found, or what the database remembers if that is
more: so epochs go on growing, and whoever does not know yet asks for subjects that there are not. Whoever had
a lease in the old bucket may still believe in it: so nobody takes any for TTL_S.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from math import ceil
from typing import Any

import msgspec

from angarium.core.clock import Clock
from angarium.fabric import holding
from angarium.fabric.members import Member
from angarium.fabric.nats_link import WRONG_LAST, Kept, Link, Refused

REST = "rest"  # in what is kept with the bucket: whether leases of another may still be believed in
EXPECT, TTL, OPERATION = "Nats-Expected-Last-Subject-Sequence", "Nats-TTL", "KV-Operation"
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/")
MARKED_S = 60  # for so long it can be seen that a key was given up or has run out


class Base(msgspec.Struct, frozen=True):
    """Behind which epochs begin. `rest`: leases of an earlier bucket may still be believed in."""

    number: int
    rest: bool


class Owner(msgspec.Struct, frozen=True):
    """Who has a lease. `epoch` 0: it was taken by this very write."""

    server: int
    name: str
    epoch: int = 0


class Keys:
    """The bucket, as one server reads and writes it."""

    def __init__(self, link: Link, prefix: str, clock: Clock, me: Member) -> None:
        self._link = link
        self._clock = clock
        self._me = me
        self._stream = f"KV_{prefix}_fabric"
        self._root = f"$KV.{prefix}_fabric"
        self._base: Base | None = None
        self._rests_until = 0.0  # by the monotonic clock
        self._written: dict[str, int] = {}  # the numbers of our last writes, by lease
        self._being_seen = asyncio.Lock()  # else it would join twice
        self.takes_leases = False  # until it has asked for one
        self.members: tuple[Member, ...] = ()

    # ── the bucket ───────────────────────────────────────────────────────────────────────────────────

    @property
    def open(self) -> bool:
        """Whether leases may be taken."""
        return self._base is not None and self._clock.monotonic() >= self._rests_until

    async def settle(self, after: int, *, first: bool) -> bool:
        """Find the bucket, or make it; whether its base is another than before.

        `after`: what the database remembers. `first`: this server comes, and has been in no other bucket.
        """
        new = Base(max(after, self._clock.now()), rest=not (first and after <= 1))
        config = {
            "subjects": [f"{self._root}.{new.number}.>"],
            "metadata": {REST: "yes" if new.rest else "no"},
            "max_msgs_per_subject": 1,
            "allow_direct": True,
            "allow_msg_ttl": True,
            "allow_rollup_hdrs": True,
            "subject_delete_marker_ttl": MARKED_S * 1_000_000_000,
        }
        said = await self._link.make_stream(self._stream, config)
        base = _base(said["config"])
        if base.number + said["state"]["last_seq"] < after:  # servers have met by something else since
            await self._link.api(f"STREAM.DELETE.{self._stream}")
            return await self.settle(after, first=False)
        if base == self._base:
            return False
        self._base = base
        self._written.clear()
        age_s = (datetime.fromisoformat(said["ts"]) - datetime.fromisoformat(said["created"])).total_seconds()
        rest_s = max(0.0, holding.TTL_S - age_s) if base.rest else 0.0
        self._rests_until = self._clock.monotonic() + rest_s
        return True

    # ── who is there ─────────────────────────────────────────────────────────────────────────────────

    async def be_seen(self, *, blind: bool = False) -> None:
        """Be one of those who are there, for TTL_S; who comes anew writes twice, to say since when. `blind`:
        it does not reach the ledger."""
        key = f"member.{self._me.server}"
        async with self._being_seen:
            if self._me.joined_at == 0 and self.takes_leases:
                number = await self._write(key, self._me, None, _ttl())
                self._me = msgspec.structs.replace(self._me, joined_at=self._epoch(number))
            me = msgspec.structs.replace(self._me, seen_at=self._clock.now(), blind=blind)
            await self._write(key, me, None, _ttl())

    def come_anew(self) -> None:
        """It is another bucket: this server has come to it just now."""
        self._me = msgspec.structs.replace(self._me, joined_at=0)

    async def leave(self) -> None:
        """Be there no more."""
        await self._link.put(self._subject(f"member.{self._me.server}"), b"", _given_up())

    async def look(self) -> None:
        """See who is there, and has joined."""
        found = await self._link.lasts(self._stream, [self._subject("member.*")])
        there = (msgspec.json.decode(one.body, type=Member) for one in found if one.body)
        self.members = tuple(one for one in there if one.joined_at)

    # ── leases ───────────────────────────────────────────────────────────────────────────────────────

    async def take(self, key: str) -> int | Owner | None:
        """The epoch of a lease that is ours now; who has it; or None when somebody was quicker."""
        last = await self._link.last(self._stream, self._lease(key))
        owner = _owner(last)
        if owner is not None and owner.server != self._me.server:
            return owner
        try:
            number = await self._put(key, Owner(self._me.server, self._me.name), last.seq if last else 0)
        except Refused as refused:
            if refused.err_code != WRONG_LAST:
                raise
            return None
        return self._epoch(number)

    async def renew(self, key: str, epoch: int) -> bool:
        """Whether it is ours, and is so for TTL_S again."""
        mine = Owner(self._me.server, self._me.name, epoch)
        try:
            await self._put(key, mine, self._written.get(key, 0))
            return True
        except Refused as refused:
            if refused.err_code != WRONG_LAST:
                raise
        last = await self._link.last(self._stream, self._lease(key))
        owner = _owner(last)
        if last is None or owner is None or owner.server != self._me.server:
            return False
        if owner.epoch != epoch and (owner.epoch or self._epoch(last.seq) != epoch):
            return False
        await self._put(key, mine, last.seq)  # a write of ours that we were not told of
        return True

    async def release(self, key: str) -> None:
        """Let others have it."""
        number = self._written.pop(key, None)
        if number is not None:
            headers = {**_given_up(), EXPECT: str(number)}
            await self._link.put(self._lease(key), b"", headers)

    # ── keys ─────────────────────────────────────────────────────────────────────────────────────────

    async def _put(self, key: str, owner: Owner, last: int) -> int:
        number = await self._link.put(
            self._lease(key), msgspec.json.encode(owner), {EXPECT: str(last), TTL: _ttl()}
        )
        self._written[key] = number
        return number

    async def _write(self, key: str, value: Any, last: int | None, ttl: str = "") -> int:
        headers = ({TTL: ttl} if ttl else {}) | ({EXPECT: str(last)} if last is not None else {})
        return await self._link.put(self._subject(key), msgspec.json.encode(value), headers)

    def _epoch(self, number: int) -> int:
        assert self._base is not None
        return self._base.number + number

    def _lease(self, key: str) -> str:
        return self._subject(f"lease.{token(key)}")

    def _subject(self, key: str) -> str:
        assert self._base is not None
        return f"{self._root}.{self._base.number}.{key}"


def token(text: str) -> str:
    """Any text as one token of a subject."""
    return "".join(one if one in PLAIN else "".join(f"={byte:02X}" for byte in one.encode()) for one in text)


def _owner(kept: Kept | None) -> Owner | None:
    return msgspec.json.decode(kept.body, type=Owner) if kept is not None and kept.body else None


def _ttl() -> str:
    return f"{ceil(holding.TTL_S)}s"


def _given_up() -> dict[str, str]:
    return {OPERATION: "DEL", TTL: f"{MARKED_S}s"}


def _base(config: dict[str, Any]) -> Base:
    number = config["subjects"][0].split(".")[2]
    return Base(int(number), rest=config["metadata"][REST] == "yes")
