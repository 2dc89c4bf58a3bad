"""npm's smpp at the other end: a message centre that our line binds to, and a client of our simulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from angarium.core.ports import Accepted
from angarium.core.values import ReceiptStatus
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.smsc import Smsc
from angarium.simulators.smsc_bind import Knobs
from angarium.simulators.stage import Stage
from support.smpp_line import a_line, submission, until

pytestmark = pytest.mark.peers("node", "npm")

HERE = Path(__file__).parent
LINE_MAX_BYTES = 1 << 20
LATIN = "Your order [1234] has left the shop; it costs 20 € and comes tomorrow. " * 4
PERSIAN = "سفارش شما ارسال شد و فردا می‌رسد. 🚚 " * 5


class Peer:
    """A program in JavaScript that writes JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[dict[str, Any]] = []

    def of(self, kind: str) -> list[Any]:
        """What it said of one kind."""
        return [event[kind] for event in self.said if kind in event]

    async def say(self, kind: str, number: int = 1) -> list[Any]:
        """Wait until it has said so much of one kind."""
        await until(lambda: len(self.of(kind)) >= number)
        assert self.of("error") == []
        return self.of(kind)

    def tell(self, document: object) -> None:
        """Write a line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(document).encode() + b"\n")

    async def listen(self) -> None:
        """Read what it says, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.said.append(json.loads(line))


@asynccontextmanager
async def node(script: str, **options: Any) -> AsyncIterator[Peer]:
    """A running script."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "node", script, json.dumps(options), cwd=HERE, stdin=pipe, stdout=pipe, limit=LINE_MAX_BYTES
    )
    peer = Peer(process)
    listening = asyncio.create_task(peer.listen())
    try:
        yield peer
    finally:
        process.kill()
        await process.wait()
        await listening


# ── as our operator ──────────────────────────────────────────────────────────────────────────────────


def joined(way: str, reference: int, number: int, total: int) -> dict[str, Any]:
    """How this peer sees that a message is a part of a text."""
    plain: dict[str, Any] = {"esm_class": 0, "udh": [], "sar": [None, None, None], "payload": False}
    match way:
        case "udh":
            return {**plain, "esm_class": 0x40, "udh": [f"0003{reference:02x}{total:02x}{number:02x}"]}
        case "sar":
            return {**plain, "sar": [reference, total, number]}
    return {**plain, "payload": True}


@pytest.mark.parametrize("way", ["udh", "sar", "payload"])
@pytest.mark.parametrize(("text", "coding"), [(LATIN, 0), (PERSIAN, 8)])
async def test_it_reads_our_texts_and_we_its_receipts(way: str, text: str, coding: int) -> None:
    async with node("smsc.js") as peer:
        [port] = await peer.say("port")
        async with a_line(port, long_messages=way) as line:
            refs = await line.taken(submission(text))
            submits = await peer.say("submit", len(refs))
            assert "".join(one["text"] for one in submits) == text
            assert {(one["source"], one["source_ton"], one["data_coding"]) for one in submits} == {
                ("Shop", 5, coding)
            }
            reference = submits[0]["sar"][0] or int((submits[0]["udh"] or ["000300"])[0][4:6], 16)
            for number, one in enumerate(submits, 1):
                told = joined(way, reference, number, len(submits))
                assert {name: one[name] for name in told} == told
            await until(lambda: len(line.heard.receipts) == len(refs))
            assert [receipt.ref for receipt in line.heard.receipts] == list(refs)
            assert {receipt.status for receipt in line.heard.receipts} == {ReceiptStatus.DELIVERED}
            assert await peer.say("delivered", len(refs)) == [0] * len(refs)


@pytest.mark.parametrize(
    ("options", "id_base"),
    [({"tlv": True}, "same"), ({"hex": True}, "hex_to_dec"), ({"hex": True, "tlv": True}, "hex_to_dec")],
)
async def test_we_match_its_receipts_in_other_dialects(options: dict[str, Any], id_base: str) -> None:
    async with node("smsc.js", **options) as peer:
        [port] = await peer.say("port")
        async with a_line(port, receipt_id_base=id_base) as line:
            refs = await line.taken(submission())
            await until(lambda: line.heard.receipts)
            assert tuple(receipt.ref for receipt in line.heard.receipts) == refs


async def test_it_writes_to_us_in_parts() -> None:
    async with node("smsc.js") as peer:
        [port] = await peer.say("port")
        async with a_line(port) as line:
            await until(line.connection.free)
            peer.tell({"from": "989120000001", "to": "30007", "parts": [PERSIAN[:60], PERSIAN[60:]]})
            assert await peer.say("delivered", 2) == [0, 0]
            parts = line.heard.inbound
            assert "".join(part.text for part in parts) == PERSIAN
            assert [(part.part_ref, part.part_number, part.part_total) for part in parts] == [
                (42, 1, 2),
                (42, 2, 2),
            ]
            assert {(part.sender, part.recipient) for part in parts} == {("+989120000001", "30007")}


async def test_it_knows_our_binds() -> None:
    async with node("smsc.js", password="another") as peer:
        [port] = await peer.say("port")
        async with a_line(port) as line:
            await until(lambda: "RINVPASWD" in line.connection.state())
        async with a_line(port, password="another", bind_mode="pair") as line:
            await until(line.connection.free)
            bound = await peer.say("bound", 2)
            assert sorted(one["command"] for one in bound) == ["bind_receiver", "bind_transmitter"]
            assert {(one["system_id"], one["version"]) for one in bound} == {("angarium", 0x34)}


async def test_many_messages_at_once() -> None:
    async with node("smsc.js") as peer:
        [port] = await peer.say("port")
        async with a_line(port, window=50, grace_s=5) as line:
            sent = 0
            while sent < 500:
                await until(line.connection.free)
                batch = [
                    submission(f"text {number}", number)
                    for number in range(sent, min(500, sent + line.connection.free()))
                ]
                line.connection.submit(batch)
                sent += len(batch)
            await until(lambda: len(line.heard.receipts) == 500)
            refs = {
                outcome.refs[0] for outcome in line.heard.outcomes.values() if isinstance(outcome, Accepted)
            }
            assert refs == {receipt.ref for receipt in line.heard.receipts}
            assert len(refs) == 500


# ── as a client of our simulator ─────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def a_smsc(knobs: Knobs | None = None) -> AsyncIterator[tuple[Smsc, int]]:
    """Our simulator and its port."""
    smsc = Smsc(Stage(Script(faults={"smpp": Faults(receipt_delay_s=0.01)})), knobs=knobs)
    await smsc.start()
    try:
        yield smsc, int(smsc.url().rpartition(":")[2])
    finally:
        await smsc.stop()


def of_npm(**fields: Any) -> dict[str, Any]:
    """A submit_sm as npm's smpp wants it."""
    return {
        "source_addr": "Shop",
        "source_addr_ton": 5,
        "destination_addr": "989120000001",
        "registered_delivery": 1,
        **fields,
    }


SUBMISSIONS = [
    ("short", of_npm(data_coding=0, short_message="Hello [€]"), "Hello [€]", "single", 1),
    (
        "in parts",
        of_npm(data_coding=8, parts=[PERSIAN[:60], PERSIAN[60:120], PERSIAN[120:]]),
        PERSIAN,
        "udh",
        3,
    ),
    ("a payload", of_npm(data_coding=8, message_payload={"message": PERSIAN}), PERSIAN, "payload", 1),
]


@pytest.mark.parametrize(
    ("fields", "text", "way", "parts"),
    [case[1:] for case in SUBMISSIONS],
    ids=[case[0] for case in SUBMISSIONS],
)
async def test_our_simulator_takes_its_texts_and_tells_it(
    fields: dict[str, Any], text: str, way: str, parts: int
) -> None:
    async with (
        a_smsc(Knobs(dialect="both")) as (smsc, port),
        node("esme.js", port=port, submissions=[fields]) as peer,
    ):
        answers = await peer.say("answer", parts)
        assert {answer["status"] for answer in answers} == {0}
        [entry] = smsc.ledger.entries
        assert (entry.text, entry.parts, entry.details["way"]) == (text, parts, way)
        assert entry.details["ids"] == [answer["id"] for answer in answers]
        receipts = await peer.say("receipt", parts)
        assert all(
            f"id:{answer['id']} " in receipt for answer, receipt in zip(answers, receipts, strict=True)
        )
        assert [event["state"] for event in peer.said if "receipt" in event] == [2] * parts


async def test_our_simulator_refuses_and_writes_to_it() -> None:
    refused = of_npm(destination_addr="989120000002", short_message="x")
    async with a_smsc() as (smsc, port), node("esme.js", port=port, submissions=[refused]) as peer:
        assert await peer.say("answer") == [{"status": 0x0B}]
        await smsc.send_inbound("+989120000001", "30007", "سلام")
        assert await peer.say("message") == ["سلام"]


async def test_our_simulator_does_not_know_a_wrong_password() -> None:
    async with a_smsc() as (smsc, port), node("esme.js", port=port, password="wrong", submissions=[]) as peer:
        assert await peer.say("bound") == [0x0E]
        assert smsc.binds == []
