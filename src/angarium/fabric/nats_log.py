"""A log as a stream of JetStream: acknowledged writes, drained in batches by a consumer that lasts.

A write that nobody answers is written again under the same id, until it is acknowledged or APPEND_WITHIN_S
have passed: the loss of a stream's leader keeps everybody waiting for four or five seconds. JetStream knows
ids for LOG_WINDOW_S. What has been acknowledged as done is gone from the stream.

A stream has a most of bytes, which NATS keeps free for it: however much waits, there is room for the leases
on the same disks. One that is full refuses what is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from nats.aio.msg import Msg

from angarium.core.clock import Clock
from angarium.core.fabric import LOG_WINDOW_S, Backlog, Entry, check_size, fabric_away, log_full
from angarium.core.problems import Problem
from angarium.fabric.nats_keys import token
from angarium.fabric.nats_link import ANSWER_S, NOBODY, NOT_FOUND, Answers, Link, Refused

log = structlog.get_logger()

APPEND_WITHIN_S = 12.0
AGAIN_S = 0.2  # before it is written again
AT_ONCE = 200  # writes under way
ACK_WAIT_S = 30.0  # after it what a reader took and did not settle is handed out again
NANOS = 1_000_000_000
CONSUMER = "ledger"
HANDED_OUT_MAX = 10_000
ACK, NOT_YET = b"+ACK", b"-NAK"
ID = "Nats-Msg-Id"
# err_code: the stream is full; the servers are; there is none with so much room left (two ways to say it)
NO_ROOM = frozenset({10077, 10023, 10047, 10005})
REMEDY = "Lower nats_log_max_bytes, or give NATS more (max_file_store)."
GONE = frozenset({NOBODY, "409"})  # there is no consumer, or it goes


class NatsLog:
    """One log by its name."""

    def __init__(self, link: Link, clock: Clock, prefix: str, name: str) -> None:
        self._link = link
        self._clock = clock
        self._stream = f"{prefix}_log_{token(name).replace('/', '=2F')}"
        self._subject = f"{prefix}.log.{token(name)}"
        self._given_out: list[str] = []  # where what was read is settled
        self._there = False

    # ── appending ────────────────────────────────────────────────────────────────────────────────────

    async def append(self, entries: Sequence[Entry]) -> None:
        check_size(entries)
        until, room = self._clock.monotonic() + APPEND_WITHIN_S, asyncio.Semaphore(AT_ONCE)
        with suppress(Problem):  # it is looked for again below
            await self._exist()
        done = await asyncio.gather(
            *(self._append(one, until, room) for one in entries), return_exceptions=True
        )
        for error in done:
            if error is not None:
                raise error

    async def _append(self, entry: Entry, until: float, room: asyncio.Semaphore) -> None:
        while True:
            try:
                async with room:
                    await self._link.put(self._subject, entry.body, {ID: entry.id})
                return
            except (Problem, Refused) as error:
                if isinstance(error, Refused) and error.err_code in NO_ROOM:
                    raise log_full(f"The log {self._stream} is full: {error}") from error
                if self._clock.monotonic() >= until:
                    raise fabric_away(f"The log {self._stream} takes nothing: {error}") from error
            await self._clock.sleep(AGAIN_S)
            with suppress(Problem):  # it may be missing, if NATS has lost everything
                await self._exist(again=True)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    async def read(self, most: int, timeout_s: float) -> Sequence[Entry]:
        await self._exist()
        await self.give_back()
        async with self._link.answers() as answers:
            found = await self._pull(answers, {"batch": most, "no_wait": True}, most)
            if not found and timeout_s > 0:
                waiting = {"batch": 1, "expires": int(timeout_s * NANOS)}
                found = await self._pull(answers, waiting, 1, timeout_s)
                if found and most > 1:
                    found += await self._pull(answers, {"batch": most - 1, "no_wait": True}, most - 1)
        self._given_out = [one.reply for one in found]
        return [Entry((one.headers or {}).get(ID, ""), one.data) for one in found]

    async def done(self) -> None:
        await self._settle(ACK)

    async def give_back(self) -> None:
        await self._settle(NOT_YET)

    async def _settle(self, word: bytes) -> None:
        settled, self._given_out = self._given_out, []
        for settled_at in settled:
            await self._link.say(settled_at, word)

    async def waiting(self) -> Backlog:
        try:
            said = await self._link.api(f"STREAM.INFO.{self._stream}")
        except Refused as refused:
            if refused.code == NOT_FOUND:  # whoever has something for it makes it
                return Backlog(max_bytes=self._link.log_max_bytes)
            raise fabric_away(f"The log {self._stream} cannot be looked at: {refused}") from refused
        return Backlog(said["state"]["messages"], said["state"]["bytes"], _max_bytes(said))

    async def _pull(self, answers: Answers, asked: dict[str, int], most: int, wait_s: float = 0) -> list[Msg]:
        """What the consumer hands out for one request, which it ends with a status, or with the last."""
        found: list[Msg] = []
        await answers.ask(f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{CONSUMER}", asked)
        while len(found) < most:
            answer = await answers.next(wait_s + ANSWER_S)
            if answer is None and found:
                break
            if answer is None:
                self._there = False
                raise fabric_away(f"The log {self._stream} does not answer")
            status = (answer.headers or {}).get("Status")
            if status in GONE:
                self._there = False
                raise fabric_away(f"The log {self._stream} is not there now")
            if status:
                break
            found.append(answer)
        return found

    # ── the stream ───────────────────────────────────────────────────────────────────────────────────

    async def _exist(self, *, again: bool = False) -> None:
        """Find the stream and its consumer, or make them."""
        if self._there and not again:
            return
        config = {
            "subjects": [self._subject],
            "retention": "workqueue",
            "duplicate_window": int(LOG_WINDOW_S * NANOS),
            "max_bytes": self._link.log_max_bytes,
        }
        consumer = {
            "durable_name": CONSUMER,
            "ack_policy": "explicit",
            "ack_wait": int(ACK_WAIT_S * NANOS),
            "max_ack_pending": HANDED_OUT_MAX,
        }
        try:
            await self._bound(await self._link.make_stream(self._stream, config))
            made = {"stream_name": self._stream, "config": consumer}
            await self._link.api(f"CONSUMER.DURABLE.CREATE.{self._stream}.{CONSUMER}", made)
        except Refused as refused:
            why = f"The log {self._stream} cannot be made: {refused}"
            raise fabric_away(f"{why}. {REMEDY}" if refused.err_code in NO_ROOM else why) from refused
        self._there = True

    async def _bound(self, said: dict[str, Any]) -> None:
        """It was made by an older version, or when the setting was another: now it is as it is to be, if NATS
        has the room."""
        wanted = self._link.log_max_bytes
        if _max_bytes(said) == wanted:
            return
        try:
            await self._link.api(f"STREAM.UPDATE.{self._stream}", {**said["config"], "max_bytes": wanted})
        except Refused as refused:
            log.warning("the most of a log cannot be set", log=self._stream, why=str(refused), remedy=REMEDY)


def _max_bytes(said: dict[str, Any]) -> int | None:
    most: int = said["config"].get("max_bytes", -1)
    return most if most > 0 else None
