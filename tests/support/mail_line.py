"""What tests of the mail line share: a submission, ears that remember, and a live line on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from angarium.channels import kit
from angarium.channels.smtp import CHANNEL, Settings, SmtpConnection
from angarium.core.clock import SystemChance, SystemClock
from angarium.core.ports import Event, Outcome, Raw, Receipt, Submission, Tape, Tools
from angarium.core.values import Content, MessageClass, ReceiptStatus
from support.mail_peers import until

REF = "att_0000000000007"
MESSAGE_ID = f"{REF}@shop.example"


class QuickClock(SystemClock):
    """Waits a fiftieth of what it is asked to."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 50)


TOOLS = Tools(QuickClock(), SystemChance(), None)
WORDS = Content(subject="Order 1234", text="Your order is ready")
LIVE = {"host": "127.0.0.1", "sender_address": "shop@shop.example", "security": "none", "timeout_s": 5}


def submission(**changes: Any) -> Submission:
    usual = {
        "attempt_id": 7,
        "client_ref": REF,
        "address": "anna@example.org",
        "message_class": MessageClass.SERVICE,
        "content": WORDS,
        "ttl_s": None,
    }
    return Submission(**{**usual, **changes})


class Heard:
    """Ears that remember, and parse what arrives as the engine would."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.outcomes: dict[int, Outcome] = {}
        self.tapes: dict[int, Tape | None] = {}
        self.events: list[Event] = []
        self.rooms = 0
        self.ours = True  # the line, still
        self.deaf_times = 0  # how often recording is to fail

    def outcome(self, attempt_id: int, outcome: Outcome, tape: Tape | None = None) -> None:
        assert attempt_id not in self.outcomes, "a submission ended twice"
        self.outcomes[attempt_id] = outcome
        self.tapes[attempt_id] = tape

    async def arrived(self, raw: Raw) -> None:
        if self.deaf_times:
            self.deaf_times -= 1
            raise OSError("the disk is full")
        self.events += CHANNEL.parse(self.settings, raw)

    def may_submit(self) -> bool:
        return self.ours

    def room(self) -> None:
        self.rooms += 1

    def statuses(self, client_ref: str) -> list[ReceiptStatus]:
        receipts = [event for event in self.events if isinstance(event, Receipt)]
        return [receipt.status for receipt in receipts if receipt.client_ref == client_ref]


@asynccontextmanager
async def line(window: int = 4, **settings: Any) -> AsyncIterator[tuple[SmtpConnection, Heard]]:
    decoded = kit.decode_settings(CHANNEL, {**LIVE, **settings})
    heard = Heard(decoded)
    connection = SmtpConnection(TOOLS, decoded, window, heard)
    await connection.open()
    try:
        yield connection, heard
    finally:
        await connection.close(0.05)


async def sent(connection: SmtpConnection, heard: Heard, **changes: Any) -> Outcome:
    one = submission(**changes)
    await until(connection.free)
    connection.submit([one])
    await until(lambda: one.attempt_id in heard.outcomes)
    return heard.outcomes[one.attempt_id]
