"""Submissions as fast as the operator takes them, made of nothing but bytes: how fast the operator can be."""

from __future__ import annotations

import asyncio
import time
from typing import cast

import msgspec
import uvloop

from angarium.protocols.smpp_numbers import RESPONSE, Command
from angarium.protocols.smpp_pdu import Bind, Message, Splitter, encode, encode_message, pack
from bench.simulator import ACCOUNT
from bench.talk import questions, say, told
from bench.traffic import POOL_FIRST, phone


class Flood(msgspec.Struct, frozen=True):
    """A load on an operator."""

    port: int
    messages: int
    window: int


class Link(asyncio.Protocol):
    """One bind that submits, and answers receipts."""

    def __init__(self, flood: Flood) -> None:
        self._splitter = Splitter()
        self._window = flood.window
        self._bodies = [submission(i) for i in range(flood.messages)]
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
                self._reported += 1
                said.append(pack(frame.command | RESPONSE, frame.sequence, b"\0"))
            elif frame.command == Command.SUBMIT_SM | RESPONSE:
                self._answered += 1
        until = min(self._answered + self._window, len(self._bodies))
        said += [pack(Command.SUBMIT_SM, i + 1, self._bodies[i]) for i in range(self._begun, until)]
        self._begun = until
        self._transport.write(b"".join(said))
        if self._reported == len(self._bodies):
            self.done.set()


def submission(number: int) -> bytes:
    """The body of a submit_sm that asks for a receipt."""
    text = f"Your order {number} is on its way. Follow it: https://shop.example/t/{number}"
    return encode_message(
        Message(
            source="Bench",
            source_ton=5,
            dest=phone(POOL_FIRST, number)[1:],
            dest_ton=1,
            dest_npi=1,
            registered_delivery=1,
            short_message=text.encode(),
        )
    )


async def main() -> None:
    """Flood when told."""
    flood = told(Flood)
    link = Link(flood)
    say({})
    async for _ in questions():
        began_at = time.monotonic()
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: link, "127.0.0.1", flood.port
        )
        await link.done.wait()
        say({"seconds": time.monotonic() - began_at})
        transport.close()


if __name__ == "__main__":
    uvloop.run(main())
