"""What tests of SMPP lines share: submissions, ears that remember, a quick clock, a scripted centre."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from angarium.channels import kit
from angarium.channels.smpp import CHANNEL, Settings, connect
from angarium.core.clock import SystemChance, SystemClock
from angarium.core.ports import Accepted, Event, Inbound, Outcome, Raw, Receipt, Submission, Tape, Tools
from angarium.core.values import Content, MessageClass
from angarium.protocols.smpp_line import SmppConnection
from angarium.protocols.smpp_numbers import BINDS, RESPONSE, Command, Status
from angarium.protocols.smpp_pdu import Frame, Message, Splitter, encode, encode_message_id, pack

SETTINGS: dict[str, Any] = {
    "host": "127.0.0.1",
    "system_id": "angarium",
    "password": "secret",
    "source": "Shop",
}
PATIENCE_S = 40.0


def settings_of(**changes: Any) -> Settings:
    """The settings of a line."""
    settings: Settings = kit.decode_settings(CHANNEL, {**SETTINGS, **changes})
    return settings


def submission(text: str = "Your order is ready", number: int = 7, **changes: Any) -> Submission:
    """A submission of a text, the attempt of that number."""
    usual: dict[str, Any] = {
        "attempt_id": number,
        "client_ref": f"att_{number:013}",
        "address": "+989120000001",
        "message_class": MessageClass.SERVICE,
        "content": Content(text=text),
        "ttl_s": None,
    }
    return Submission(**{**usual, **changes})


def answer(status: int = 0, body: bytes = b"4F02\0", command: int = Command.SUBMIT_SM_RESP) -> Frame:
    """The answer to a submit_sm."""
    return Frame(command, status, 1, pack(command, 1, body, status))


def delivered(text: bytes = b"", sequence: int = 9, **fields: Any) -> bytes:
    """A deliver_sm."""
    usual: dict[str, Any] = {
        "source_ton": 1,
        "source": "989120000001",
        "dest": "30007",
        "short_message": text,
    }
    return pack(Command.DELIVER_SM, sequence, encode(Command.DELIVER_SM, Message(**{**usual, **fields})))


class FastClock(SystemClock):
    """A clock on which time runs `speed` times as fast."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed

    def monotonic(self) -> float:
        return time.monotonic() * self._speed

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / self._speed)


async def until(seen: Callable[[], object]) -> None:
    """Look again until it is so; TimeoutError when it does not come."""
    async with asyncio.timeout(PATIENCE_S):
        while not seen():  # noqa: ASYNC110 - what is waited for happens at the other end of a socket
            await asyncio.sleep(0.002)


class Heard:
    """Ears that remember, and read what arrives as the engine would."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.outcomes: dict[int, Outcome] = {}
        self.tapes: dict[int, Tape | None] = {}
        self.raws: list[Raw] = []
        self.events: list[Event] = []
        self.rooms = 0
        self.ours = True  # the line, still
        self.failures = 0  # how many journalings are to fail
        self.failure: Exception = OSError("the disk is full")
        self.journal_open = asyncio.Event()
        self.journal_open.set()

    def outcome(self, attempt_id: int, outcome: Outcome, tape: Tape | None = None) -> None:
        assert attempt_id not in self.outcomes, "a submission ended twice"
        self.outcomes[attempt_id] = outcome
        self.tapes[attempt_id] = tape

    async def arrived(self, raw: Raw) -> None:
        await self.journal_open.wait()
        if self.failures:
            self.failures -= 1
            raise self.failure
        self.raws.append(raw)
        self.events += CHANNEL.parse(self._settings, raw)

    def may_submit(self) -> bool:
        return self.ours

    def room(self) -> None:
        self.rooms += 1

    @property
    def receipts(self) -> list[Receipt]:
        return [event for event in self.events if isinstance(event, Receipt)]

    @property
    def inbound(self) -> list[Inbound]:
        return [event for event in self.events if isinstance(event, Inbound)]


@dataclass
class Line:
    """A live line and what it told."""

    connection: SmppConnection
    heard: Heard

    async def send(self, *batch: Submission) -> list[Outcome]:
        """Submit when there is room; the outcomes of the batch."""
        await until(self.connection.free)
        self.connection.submit(batch)
        return [await self.outcome(one.attempt_id) for one in batch]

    async def outcome(self, attempt_id: int) -> Outcome:
        await until(lambda: attempt_id in self.heard.outcomes)
        return self.heard.outcomes[attempt_id]

    async def taken(self, one: Submission) -> tuple[str, ...]:
        """Submit one that is to be accepted; its references."""
        [outcome] = await self.send(one)
        assert isinstance(outcome, Accepted), outcome
        return outcome.refs


@asynccontextmanager
async def a_line(
    port: int, *, window: int = 10, speed: float = 1.0, grace_s: float = 0.0, **settings: Any
) -> AsyncIterator[Line]:
    """A line that begins to bind, and is closed at the end."""
    decoded = settings_of(**{"port": port, "reconnect_s": 0.02, **settings})
    heard = Heard(decoded)
    connection = connect(Tools(FastClock(speed), SystemChance(), None), decoded, window, heard)
    broken: list[dict[str, Any]] = []  # what callbacks of the loop raised: nobody else would hear of it
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: broken.append(context))
    await connection.open()
    try:
        yield Line(connection, heard)
    finally:
        await connection.close(grace_s)
    assert broken == []


@dataclass
class Centre:
    """A message centre that does what the test says, to the octet; it answers binds and enquiries itself."""

    port: int = 0
    bind_status: int = Status.ROK
    answers_binds: bool = True
    answers_enquiries: bool = True
    frames: list[Frame] = field(default_factory=list)  # all but binds and enquiries
    binds: list[float] = field(default_factory=list)  # when
    bind_frames: list[Frame] = field(default_factory=list)
    enquiries: int = 0
    writer: asyncio.StreamWriter | None = None  # of the latest connection

    def of(self, command: int) -> list[Frame]:
        """What came of that command."""
        return [frame for frame in self.frames if frame.command == command]

    async def came(self, command: int, number: int = 1) -> list[Frame]:
        """Wait until so many of that command came."""
        await until(lambda: len(self.of(command)) >= number)
        return self.of(command)

    def say(self, data: bytes) -> None:
        """Write to the latest connection."""
        assert self.writer is not None
        self.writer.write(data)

    def accept(self, frame: Frame, message_id: str) -> None:
        """Answer a submit_sm."""
        self.say(pack(Command.SUBMIT_SM_RESP, frame.sequence, encode_message_id(message_id)))

    def refuse(self, frame: Frame, status: int) -> None:
        """Refuse a submit_sm."""
        self.say(pack(Command.SUBMIT_SM_RESP, frame.sequence, b"", status))

    def drop(self) -> None:
        """Close the latest connection at once."""
        assert self.writer is not None
        self.writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.writer = writer
        splitter = Splitter()
        try:
            while data := await reader.read(65_536):
                for frame in splitter.feed(data):
                    self._heard(frame, writer)
        except OSError:
            pass
        finally:
            writer.close()

    def _heard(self, frame: Frame, writer: asyncio.StreamWriter) -> None:
        if frame.command in BINDS:
            self.binds.append(time.monotonic())
            self.bind_frames.append(frame)
            if self.answers_binds:
                writer.write(pack(frame.command | RESPONSE, frame.sequence, b"centre\0", self.bind_status))
        elif frame.command == Command.ENQUIRE_LINK:
            self.enquiries += 1
            if self.answers_enquiries:
                writer.write(pack(frame.command | RESPONSE, frame.sequence))
        elif frame.command == Command.UNBIND:
            writer.write(pack(frame.command | RESPONSE, frame.sequence))
        else:
            self.frames.append(frame)


@asynccontextmanager
async def a_centre(**facts: Any) -> AsyncIterator[Centre]:
    """A scripted message centre on a free port."""
    centre = Centre(**facts)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(centre.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    centre.port = server.sockets[0].getsockname()[1]
    try:
        yield centre
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
