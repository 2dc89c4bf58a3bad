"""A client of the SMPP door: it binds, submits, and answers what it is told."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from angarium.protocols import smpp_pdu
from angarium.protocols.gsm import segment
from angarium.protocols.smpp_numbers import ESM_INTERMEDIATE, ESM_RECEIPT, ESM_TYPE_MASK, Command, Status, Tlv
from angarium.protocols.smpp_pdu import Frame, Message, MessageResp, tlv, tlv_number
from angarium.protocols.smpp_receipt import fields, text_of
from angarium.protocols.smpp_session import Request, Response, Role, Session, Unbound
from angarium.protocols.smpp_text import Way, short_messages
from support.smpp_line import until

PHONE = "38050{:05}77"  # of these last digits the simulated operators know no mischief


class Esme(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, window: int = 10_000) -> None:
        self.session = Session(
            Role.ESME, window=window, response_timeout_s=60, enquire_link_s=60, now=time.monotonic()
        )
        self.transport: asyncio.Transport | None = None
        self.answers: dict[Any, tuple[int, str]] = {}  # by token: status and message_id
        self.others: list[tuple[Frame, int]] = []  # responses to what is no submission, and to which command
        self.receipts: list[dict[str, str]] = []
        self.messages: list[Message] = []
        self.says = Status.ROK  # to what it is told
        self.silent = False  # answers nothing it is told
        self.unbound = False
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Note the answers, answer what is told."""
        for event in self.session.receive_data(data, time.monotonic()):
            if isinstance(event, Response):
                self._answered(event)
            elif isinstance(event, Request):
                self._told(event.frame)
            elif isinstance(event, Unbound):
                self.unbound = True
        self.flush()

    def connection_lost(self, _error: Exception | None) -> None:
        """It is gone."""
        self.transport = None
        self.gone.set()

    def flush(self) -> None:
        """Write what there is to say."""
        data = self.session.data_to_send()
        if data and self.transport is not None:
            self.transport.write(data)

    def write(self, data: bytes) -> None:
        """Write anything."""
        assert self.transport is not None
        self.transport.write(data)

    def _answered(self, event: Response) -> None:
        if event.command in (Command.SUBMIT_SM, Command.DATA_SM):
            answer = smpp_pdu.decode(event.frame)
            message_id = answer.message_id if isinstance(answer, MessageResp) else ""
            self.answers[event.token] = event.frame.status, message_id
        else:
            self.others.append((event.frame, event.command))

    def _told(self, frame: Frame) -> None:
        message = smpp_pdu.decode(frame)
        assert isinstance(message, Message)
        kind = message.esm_class & ESM_TYPE_MASK
        if kind in (ESM_RECEIPT, ESM_INTERMEDIATE):
            self.receipts.append({**fields(text_of(message)), **_parameters(message)})
        else:
            self.messages.append(message)
        if not self.silent:
            self.session.answer(frame, self.says, b"\0")

    # ── what it does ─────────────────────────────────────────────────────────────────────────────────

    async def bind(self, system_id: str, password: str, command: Command = Command.BIND_TRANSCEIVER) -> int:
        """Ask to be bound; the status."""
        asked = smpp_pdu.encode(command, smpp_pdu.Bind(system_id, password))
        return (await self.ask(command, asked)).status

    async def ask(self, command: Command, body: bytes = b"") -> Frame:
        """Ask something that is answered once; the answer."""
        seen = len(self.others)
        self.session.request(command, body, "other", time.monotonic())
        self.flush()
        await until(lambda: len(self.others) > seen or self.gone.is_set())
        assert len(self.others) > seen, "hung up"
        return self.others[-1][0]

    def submit(self, token: Any, command: Command = Command.SUBMIT_SM, **given: Any) -> None:
        """Submit one; its answer comes under the token."""
        message = Message(
            **{
                "source": "Shop",
                "source_ton": 5,
                "dest": PHONE.format(1),
                "dest_ton": 1,
                "dest_npi": 1,
                "registered_delivery": 1,
                "short_message": b"Hello",
                **given,
            }
        )
        self.session.request(command, smpp_pdu.encode(command, message), token, time.monotonic())

    def submit_long(self, token: str, text: str, way: Way = "udh", reference: int = 7, **given: Any) -> int:
        """Submit a text in parts, under `token/1`, `token/2` …; how many there were."""
        like = Message(
            **{
                "source": "Shop",
                "source_ton": 5,
                "dest": PHONE.format(1),
                "dest_ton": 1,
                "dest_npi": 1,
                "registered_delivery": 1,
                **given,
            }
        )
        messages = short_messages(like, segment(text), way=way, reference=reference, reference_bits=8)
        for number, message in enumerate(messages, 1):
            body = smpp_pdu.encode_message(message)
            self.session.request(Command.SUBMIT_SM, body, f"{token}/{number}", time.monotonic())
        return len(messages)

    async def answered(self, *tokens: Any) -> list[tuple[int, str]]:
        """Wait until these are answered: status and message_id of each."""
        self.flush()
        await until(lambda: all(token in self.answers for token in tokens) or self.gone.is_set())
        return [self.answers[token] for token in tokens]

    async def heard(self, count: int) -> Sequence[dict[str, str]]:
        """Wait until it has so many receipts; all of them."""
        await until(lambda: len(self.receipts) >= count)
        return self.receipts

    def words(self) -> dict[str, str]:
        """The last word of each receipt, by id."""
        return {one["id"]: one["stat"] for one in self.receipts}

    async def leave(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.abort()
            await self.gone.wait()


def _parameters(message: Message) -> dict[str, str]:
    found = {"source": message.source, "dest": message.dest, "esm": hex(message.esm_class)}
    receipted = tlv(message.tlvs, Tlv.RECEIPTED_MESSAGE_ID)
    if receipted is not None:
        found["receipted"] = receipted.rstrip(b"\0").decode()
    found["state"] = str(tlv_number(message.tlvs, Tlv.MESSAGE_STATE))
    network = tlv(message.tlvs, Tlv.NETWORK_ERROR_CODE)
    if network is not None:
        found["network"] = network.hex()
    return found


@asynccontextmanager
async def connected(port: int, tls: ssl.SSLContext | None = None, **given: Any) -> AsyncIterator[Esme]:
    """A client that is connected and not bound."""
    loop = asyncio.get_running_loop()
    _, esme = await loop.create_connection(lambda: Esme(**given), "127.0.0.1", port, ssl=tls)
    try:
        yield esme
    finally:
        await esme.leave()
