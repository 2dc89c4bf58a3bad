"""A simulated message centre that speaks SMPP 3.4: what it takes, what becomes of it, what it tells.

It shares the codec with the product, and nothing else: binds, windows, reassembly and receipts are its own.
Receipts wait for a bind of their account, and come again when they are not answered.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import msgspec

from angarium.protocols import smpp_pdu
from angarium.protocols.smpp_numbers import (
    RECEIPT_ALWAYS,
    RECEIPT_MASK,
    RECEIPT_ON_FAILURE,
    Status,
    Tlv,
    status_name,
)
from angarium.protocols.smpp_pdu import Frame, Message, PduError
from angarium.simulators.behaviour import Behaviour, Faults, Rhythm
from angarium.simulators.ledger import Entry
from angarium.simulators.people import LOOK_S
from angarium.simulators.smsc_bind import Bind, Knobs, Mailbox
from angarium.simulators.smsc_text import Piece, inbound_parts, read_piece, seconds_of
from angarium.simulators.stage import Stage

VALIDITY_S = 60.0  # of messages that name none
LATE_BY_S = 1.0  # how long after its time a late message arrives
REFUSALS = 2  # how often a throttled recipient is refused before the message is taken
BATCH_S = 0.005  # what is due within it happens together
EARLY_S = 0.02  # how long an answer waits when its receipt is to come first
PARTS_KEPT_MAX = 10_000  # texts that wait for parts
STRANGER, STRAY_AHEAD = "989000000000", 5_000_000  # who a stray receipt is about, and how far its id is off
TEMPLATE_REFUSED, WINDOW_REFUSED = 0x410, 0x411  # vendor's own statuses

REFUSED_AS = {
    Behaviour.NOT_A_USER: Status.RINVDSTADR,
    Behaviour.TEMPLATE_PAUSED: TEMPLATE_REFUSED,
    Behaviour.WINDOW_CLOSED: WINDOW_REFUSED,
}
# The word of a receipt: message_state, and what every ledger calls it.
WORDS = {
    "ENROUTE": (1, "sent"),
    "DELIVRD": (2, "delivered"),
    "EXPIRED": (3, "expired"),
    "UNDELIV": (5, "undelivered"),
    "REJECTD": (8, "blocked"),
}
RHYTHMS = ("silent", "late", "double", "stray", "reorder", "garbage")
FAILURES = {"EXPIRED", "UNDELIV", "REJECTD"}


class Text(msgspec.Struct, gc=False):  # gc=False: there are many, and they hold no cycle
    """A text on its way in: its parts, and its entry in the ledger when all are here."""

    total: int
    pieces: dict[int, Piece] = {}
    ids: list[int] = []
    entry: Entry | None = None
    told: dict[str, int] = {}


class Sms(msgspec.Struct, gc=False, frozen=True):
    """One submit_sm that was taken."""

    number: int  # its id
    message: Message
    system_id: str
    text: Text
    doubled: bool


def stray(sms: Sms) -> Sms:
    """Somebody else's message, to a person we never wrote to."""
    message = msgspec.structs.replace(sms.message, dest=STRANGER)
    return msgspec.structs.replace(sms, number=sms.number + STRAY_AHEAD, message=message)


def fate(behaviour: Behaviour, validity_s: float, faults: Faults) -> list[tuple[float, str]]:
    """After how many seconds which receipt comes."""
    wait_s = faults.receipt_delay_s
    match behaviour:
        case Behaviour.SILENT:
            return []
        case Behaviour.EXPIRED:
            return [(validity_s, "EXPIRED")]
        case Behaviour.LATE:
            return [(validity_s + LATE_BY_S, "DELIVRD")]
        case Behaviour.BLOCKED:
            return [(wait_s, "REJECTD")]
        case Behaviour.UNDELIVERED:
            return [(wait_s, "UNDELIV")]
        case Behaviour.DOUBLED:
            return [(wait_s, "DELIVRD"), (wait_s, "ENROUTE"), (2 * wait_s, "DELIVRD")]
        case _:  # there is no read in SMS
            return [(wait_s, "DELIVRD")]


ACCOUNTS = {"angarium": "secret", "angarium-promo": "secret"}


class Smsc:
    """The message centre: `Smsc(stage, port, accounts={"angarium": "secret"})`."""

    def __init__(
        self,
        stage: Stage,
        port: int = 0,
        accounts: Mapping[str, str] | None = None,
        knobs: Knobs | None = None,
        name: str = "smpp",
    ) -> None:
        self.name = name
        self.ledger = stage.ledger(self.name)
        self.accounts = dict(accounts or ACCOUNTS)
        self.knobs = knobs or Knobs()
        self.connections: set[Bind] = set()
        self.binds: list[Bind] = []
        self.binds_tried = 0
        self._stage, self._port = stage, port
        self._server: asyncio.Server | None = None
        self._mailboxes = {system_id: Mailbox(self, system_id) for system_id in self.accounts}
        self._texts: dict[tuple[str, str, str, int, int], Text] = {}
        self._rhythms = {fault: Rhythm() for fault in RHYTHMS}
        self._refusals: Counter[str] = Counter()
        self._second, self._taken_this_second = 0, 0
        self._submissions = 0
        self._numbers = count(round(time.time()))
        self._references = count(1)
        self._sessions = count(1)
        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Listen on 127.0.0.1."""
        await self._open()

    async def heed(self) -> None:
        """Open or close the door."""
        if self.faults().away and self._server is not None:
            self._server.close()
            self._server = None
            for connection in list(self.connections):
                self._hang_up(connection)
        elif not self.faults().away and self._server is None:
            await self._open()

    def waiting(self) -> int:
        """Receipts and answers to come, and letters that nobody has taken."""
        to_come = sum(happening in (self._happened, self._say_taken) for _, _, happening, _ in self._due)
        return to_come + sum(map(len, self._mailboxes.values())) + sum(bind.unheard for bind in self.binds)

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Bind(self), "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every connection; what is still to happen does not."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.abort()
            await connection.gone.wait()
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def url(self) -> str:
        """Where it listens."""
        return f"smpp://127.0.0.1:{self._port}"

    def faults(self) -> Faults:
        """How it misbehaves now."""
        return self._stage.faults(self.name)

    def mailbox(self, system_id: str) -> Mailbox:
        """What waits for an account."""
        return self._mailboxes[system_id]

    async def send_inbound(
        self, sender: str, recipient: str, text: str, *, system_id: str = "", shuffled: bool = False
    ) -> None:
        """A person writes to us; returns when every part was taken. `shuffled`: the last part comes first."""
        messages = inbound_parts(sender, recipient, text, next(self._references))
        if shuffled:
            messages.reverse()
        mailbox = self._mailboxes[system_id or next(iter(self.accounts))]
        await asyncio.gather(*[mailbox.put(message) for message in messages])

    def bound(self, bind: Bind) -> int:
        """Write down that somebody has bound: the number of the session."""
        session = next(self._sessions)
        self.ledger.bound(session, bind.system_id, time.time())
        return session

    def unbound(self, bind: Bind, *, orderly: bool) -> None:
        """Write down that a session is over."""
        self.ledger.unbound(bind.session, time.time(), orderly=orderly)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────

    def later(self, seconds: float, happening: Callable[..., None], *facts: Any) -> None:
        """Let something happen; what is due at nearly one time happens in one turn."""
        due = time.monotonic() + seconds
        heapq.heappush(self._due, (due, next(self._order), happening, facts))
        if self._timer is None or due < self._timer_at - BATCH_S:
            self._wait()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        seconds = max(BATCH_S, self._due[0][0] - time.monotonic())
        self._timer_at = time.monotonic() + seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, happening, facts = heapq.heappop(self._due)
            happening(*facts)
        for mailbox in self._mailboxes.values():
            mailbox.deliver()
        for bind in self.binds:
            bind.flush()
        if self._due and self._timer is None:
            self._wait()

    # ── what is submitted ────────────────────────────────────────────────────────────────────────────

    def submit(self, bind: Bind, frame: Frame) -> None:
        """A submit_sm or data_sm: taken and answered, refused, or what the faults make of it."""
        faults = self.faults()
        try:
            message = smpp_pdu.decode(frame)
            assert isinstance(message, Message)
            piece = read_piece(message, self.knobs.alphabet)
        except PduError as error:
            bind.answer(frame, error.status)
            return
        behaviour = self._stage.behaviour(self.name, message.dest)
        refused = self._refusal(message, piece, behaviour, faults)
        refused = self.knobs.refused_as.get(refused, refused)
        if refused:
            self.ledger.refused[status_name(refused)] += 1
            bind.answer(frame, refused)
            return
        sms = self._take(bind, message, piece)
        validity_s = seconds_of(message.validity, time.time()) or VALIDITY_S
        receipts = fate(behaviour, validity_s, faults)
        early = bool(receipts) and self._rhythms["reorder"].due(faults.reorder_share)
        for after_s, word in receipts:
            self.later(0.0 if early else after_s, self._happened, sms, word, time.monotonic() + validity_s)
        self._submissions += 1
        if faults.drop_every and self._submissions % faults.drop_every == 0:
            bind.flush()
            self._hang_up(bind)
        elif behaviour is not Behaviour.LOST_ANSWER and not self._rhythms["silent"].due(faults.silent_share):
            late = self._rhythms["late"].due(faults.late_share)
            delay_s = faults.late_s if late else faults.answer_delay_s
            self._answer(bind, frame, sms, EARLY_S if early else delay_s, faults)

    def _hang_up(self, bind: Bind) -> None:
        bind.abort()
        self.ledger.cut(time.time())

    def _answer(self, bind: Bind, frame: Frame, sms: Sms, after_s: float, faults: Faults) -> None:
        message_id = "" if self.knobs.no_ids else self.shown_id(sms.number, self.knobs.id_base)
        if self._rhythms["garbage"].due(faults.garbage_share):
            bind.write(b"\xff" * 16)
            self.ledger.cut(time.time())  # whoever reads this hangs up, and reads nothing that comes after it
        elif after_s:
            self.later(after_s, self._say_taken, bind, frame, sms, message_id)
        else:
            self._say_taken(bind, frame, sms, message_id)

    def _say_taken(self, bind: Bind, frame: Frame, sms: Sms, message_id: str) -> None:
        bind.answer(frame, Status.ROK, message_id)
        if sms.text.entry is not None and not bind.gone.is_set():
            self.ledger.answered(sms.text.entry, time.time())

    def _refusal(self, message: Message, piece: Piece, behaviour: Behaviour, faults: Faults) -> int:
        if self._too_fast(faults.throttle_per_s):
            return Status.RTHROTTLED
        if behaviour is Behaviour.THROTTLED and self._refusals[message.dest] < REFUSALS:
            self._refusals[message.dest] += 1
            return Status.RTHROTTLED
        if message.data_coding in self.knobs.refused_codings:
            return Status.RINVDCS
        if self.knobs.refuse_sar and piece.way == "sar":
            return Status.ROPTPARNOTALLWD
        if piece.total > 1 and piece.number == self.knobs.refused_part:
            return Status.RINVDSTADR
        return REFUSED_AS.get(behaviour, Status.ROK)

    def _too_fast(self, per_s: float) -> bool:
        if not per_s:
            return False
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._taken_this_second = second, 0
        self._taken_this_second += 1
        return self._taken_this_second > per_s

    def _take(self, bind: Bind, message: Message, piece: Piece) -> Sms:
        number = next(self._numbers)
        key = (bind.system_id, message.source, message.dest, piece.reference, piece.total)
        text = Text(1) if piece.total == 1 else self._texts.setdefault(key, Text(piece.total))
        text.pieces[piece.number] = piece
        text.ids.append(number)
        if len(text.pieces) == text.total:
            self._texts.pop(key, None)
            self._refusals.pop(message.dest, None)
            text.entry = self._entry(bind, message, text)
            self.ledger.took(text.entry)
        elif len(self._texts) > PARTS_KEPT_MAX:
            del self._texts[next(iter(self._texts))]
        doubled = self._rhythms["double"].due(self.faults().double_share)
        return Sms(number, message, bind.system_id, text, doubled)

    def _entry(self, bind: Bind, message: Message, text: Text) -> Entry:
        pieces = [piece for _, piece in sorted(text.pieces.items())]
        details: dict[str, Any] = {
            "way": pieces[0].way,
            "data_coding": message.data_coding,
            "ids": [self.shown_id(number, self.knobs.id_base) for number in text.ids],
            "system_id": bind.system_id,
        }
        if message.validity:
            details["validity"] = message.validity
        if message.tlvs:
            details["tlvs"] = {
                f"{tag:04x}": value.hex() for tag, value in message.tlvs if tag != Tlv.MESSAGE_PAYLOAD
            }
        return Entry(
            face=self.name,
            ref=details["ids"][0],
            recipient=f"+{message.dest}",
            text="".join(piece.text for piece in pieces),
            at=time.time(),
            sender=message.source,
            parts=text.total,
            encoding=pieces[0].encoding,
            session=bind.session,
            details=details,
        )

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────

    def shown_id(self, number: int, base: str) -> str:
        """An id as it is written in that base."""
        return f"{number:X}" if base == "hex" else f"{number:010d}"

    def _happened(self, sms: Sms, word: str, until: float) -> None:
        if word == "DELIVRD" and self._stage.is_off(sms.message.dest):
            if time.monotonic() < until:
                self.later(LOOK_S, self._happened, sms, word, until)
                return
            word = "EXPIRED"  # the phone was off for too long
        text = sms.text
        text.told[word] = text.told.get(word, 0) + 1
        if text.entry is not None and text.told[word] % text.total == 0:
            self.ledger.reported(text.entry, WORDS[word][1], time.time())
        asked = sms.message.registered_delivery & RECEIPT_MASK
        if asked == RECEIPT_ALWAYS or (asked == RECEIPT_ON_FAILURE and word in FAILURES):
            mailbox = self._mailboxes[sms.system_id]
            for _ in range(2 if sms.doubled else 1):
                mailbox.add(self._receipt(sms, word))
            if self._rhythms["stray"].due(self.faults().stray_share):
                mailbox.add(self._receipt(stray(sms), word))

    def _receipt(self, sms: Sms, word: str) -> Message:
        knobs, message = self.knobs, sms.message
        message_id = self.shown_id(sms.number, knobs.receipt_id_base)
        message_id = message_id.lower() if knobs.id_letters == "lower" else message_id
        text = receipt_text(message_id, word, message, knobs) if knobs.dialect != "tlv" else b""
        return Message(
            source_ton=message.dest_ton,
            source_npi=message.dest_npi,
            source=message.dest,
            dest_ton=message.source_ton,
            dest_npi=message.source_npi,
            dest=message.source,
            esm_class=knobs.receipt_class,
            short_message=b"" if knobs.receipt_in_payload else text,
            tlvs=receipt_parameters(message_id, word, text, knobs),
        )


def smsc_hex(stage: Stage, port: int = 0, accounts: Mapping[str, str] | None = None) -> Smsc:
    """A second operator: it writes the ids in its answers in hexadecimal, those in its receipts in decimal.

    Started in one second with the first, it gives the same ids to other messages.
    """
    return Smsc(stage, port, accounts, Knobs(id_base="hex"), "smpp-hex")


def receipt_text(message_id: str, word: str, message: Message, knobs: Knobs) -> bytes:
    """A receipt as the standard shows it (SMPP 3.4 appendix B), with the first 20 bytes of the message."""
    at = time.strftime(knobs.receipt_date, time.gmtime())
    fields = {
        "id": message_id,
        "sub": "001",
        "dlvrd": f"{int(word == 'DELIVRD'):03}",
        "submit date": at,
        "done date": at,
        "stat": knobs.receipt_words.get(word, word),
        "err": knobs.receipt_errors.get(word, f"{int(word in FAILURES):03}"),
        "text": "",
    }
    told = [f"{knobs.receipt_fields.get(name, name)}:{value}" for name, value in fields.items()]
    return " ".join(told).encode() + message.short_message[:20]


def receipt_parameters(
    message_id: str, word: str, text: bytes, knobs: Knobs
) -> tuple[tuple[int, bytes], ...]:
    """What a receipt says beside its text."""
    found: list[tuple[int, bytes]] = []
    if knobs.dialect != "text":
        found.append((Tlv.RECEIPTED_MESSAGE_ID, message_id.encode() + b"\0"))
        found.append((Tlv.MESSAGE_STATE, bytes((WORDS[word][0],))))
    if word in knobs.network_errors:
        found.append((Tlv.NETWORK_ERROR_CODE, b"\3" + knobs.network_errors[word].to_bytes(2, "big")))
    if knobs.receipt_in_payload and text:
        found.append((Tlv.MESSAGE_PAYLOAD, text))
    return tuple(found)
