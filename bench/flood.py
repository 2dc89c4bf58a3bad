"""Submissions as fast as the operator takes them: how fast it can be, or what SMPP costs without a database.

The first sends bytes that were made before and only counts. The second is the bare loop of a client: it makes
each submission, reads each id and each receipt, and finds what the receipt is about.
"""

from __future__ import annotations

import asyncio
import time
from typing import cast

import msgspec
import uvloop

from angarium.protocols.smpp_numbers import RESPONSE, Command
from angarium.protocols.smpp_pdu import (
    Bind,
    Frame,
    Message,
    Splitter,
    decode,
    decode_message_id,
    encode,
    encode_message,
    pack,
)
from angarium.protocols.smpp_receipt import Dialect, normal_id, read_receipt
from bench.simulator import ACCOUNT
from bench.talk import questions, say, told
from bench.traffic import POOL_FIRST, phone, text_of

DIALECT = Dialect()


class Flood(msgspec.Struct, frozen=True):
    """A load on an operator."""

    port: int
    messages: int
    window: int
    bare: bool = False  # a client's loop, not prepared bytes


class Flooded(msgspec.Struct, frozen=True):
    """What it took."""

    seconds: float
    cpu_s: float


class Link(asyncio.Protocol):
    """One bind that submits, and answers receipts."""

    def __init__(self, flood: Flood) -> None:
        self._splitter = Splitter()
        self._window = flood.window
        self._messages = flood.messages
        self._bodies = [] if flood.bare else [submission(i) for i in range(flood.messages)]
        self._heard = self._read if flood.bare else self._counted
        self._refs: dict[str, int] = {}
        self._begun = self._answered = self._reported = 0
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bind."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        body = encode(Command.BIND_TRANSCEIVER, Bind(*ACCOUNT))
        self._transport.write(pack(Command.BIND_TRANSCEIVER, 0, body))

    def data_received(self, data: bytes) -> None:
        """Count answers, answer receipts, submit what the window takes."""
        said: list[bytes] = []
        for frame in self._splitter.feed(data):
            if frame.command == Command.DELIVER_SM:
                said.append(pack(frame.command | RESPONSE, frame.sequence, b"\0"))
            self._heard(frame)
        until = min(self._answered + self._window, self._messages)
        said += [pack(Command.SUBMIT_SM, i + 1, self._body(i)) for i in range(self._begun, until)]
        self._begun = until
        self._transport.write(b"".join(said))
        if self._reported == self._messages:
            self.done.set()

    def _body(self, number: int) -> bytes:
        return self._bodies[number] if self._bodies else submission(number)

    def _counted(self, frame: Frame) -> None:
        if frame.command == Command.DELIVER_SM:
            self._reported += 1
        elif frame.command == Command.SUBMIT_SM | RESPONSE:
            self._answered += 1

    def _read(self, frame: Frame) -> None:
        """Which message an answer is of, and which a receipt is about."""
        if frame.command == Command.DELIVER_SM:
            message = decode(frame)
            assert isinstance(message, Message)
            del self._refs[normal_id(read_receipt(message, DIALECT).message_id)]
            self._reported += 1
        elif frame.command == Command.SUBMIT_SM | RESPONSE:
            self._refs[normal_id(decode_message_id(frame))] = frame.sequence
            self._answered += 1


def submission(number: int) -> bytes:
    """The body of a submit_sm that asks for a receipt."""
    return encode_message(
        Message(
            source="Bench",
            source_ton=5,
            dest=phone(POOL_FIRST, number)[1:],
            dest_ton=1,
            dest_npi=1,
            registered_delivery=1,
            short_message=text_of(number).encode(),
        )
    )


async def main() -> None:
    """Flood when told."""
    flood = told(Flood)
    link = Link(flood)
    say({})
    async for _ in questions():
        began_at, cpu_s = time.monotonic(), time.process_time()
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: link, "127.0.0.1", flood.port
        )
        await link.done.wait()
        say(Flooded(time.monotonic() - began_at, time.process_time() - cpu_s))
        transport.close()


if __name__ == "__main__":
    uvloop.run(main())
