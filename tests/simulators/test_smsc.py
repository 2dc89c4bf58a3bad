"""The simulated message centre and a live line: every behaviour and every fault, over real sockets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from angarium.core.ports import Accepted, Outcome, Refused, Unknown
from angarium.core.values import Reason, ReceiptStatus
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.smsc import Smsc, smsc_hex
from angarium.simulators.smsc_bind import Knobs
from angarium.simulators.stage import Stage
from support.smpp_line import Line, a_line, submission, until

LONG = "Your order has left the shop and comes tomorrow. " * 8
PERSIAN = "سفارش شما ارسال شد و فردا می‌رسد. 🚚 " * 9
QUICK = Faults(receipt_delay_s=0.01)


@asynccontextmanager
async def a_smsc(faults: Faults = QUICK, knobs: Knobs | None = None) -> AsyncIterator[Smsc]:
    """A message centre that misbehaves so."""
    smsc = Smsc(Stage(Script(faults={"smpp": faults})), knobs=knobs)
    await smsc.start()
    try:
        yield smsc
    finally:
        await smsc.stop()


def port_of(smsc: Smsc) -> int:
    """Where it listens."""
    return int(smsc.url().rpartition(":")[2])


@asynccontextmanager
async def both(
    faults: Faults = QUICK, knobs: Knobs | None = None, window: int = 10, speed: float = 1.0, **settings: Any
) -> AsyncIterator[tuple[Smsc, Line]]:
    """A centre, and a line bound to it."""
    async with (
        a_smsc(faults, knobs) as smsc,
        a_line(port_of(smsc), window=window, speed=speed, **settings) as line,
    ):
        await until(line.connection.free)
        yield smsc, line


# ── what becomes of a message ────────────────────────────────────────────────────────────────────────

D, S, F = ReceiptStatus.DELIVERED, ReceiptStatus.SENT, ReceiptStatus.FAILED
ACCEPTED = Accepted()


def refused(reason: Reason, code: str) -> Refused:
    return Refused(reason, code)


FATES: list[tuple[str, str, Outcome, list[tuple[ReceiptStatus, Reason | None]], list[str]]] = [
    ("00", "read is delivered", ACCEPTED, [(D, None)], ["delivered"]),
    ("01", "delivered", ACCEPTED, [(D, None)], ["delivered"]),
    ("02", "no such number", refused(Reason.BAD_ADDRESS, "RINVDSTADR"), [], []),
    ("03", "blocked", ACCEPTED, [(F, Reason.REJECTED)], ["blocked"]),
    ("04", "expired", ACCEPTED, [(F, Reason.EXPIRED)], ["expired"]),
    ("05", "late", ACCEPTED, [(D, None)], ["delivered"]),
    ("06", "silent", ACCEPTED, [], []),
    ("07", "throttled", refused(Reason.THROTTLED, "RTHROTTLED"), [], []),
    (
        "09",
        "doubled and out of order",
        ACCEPTED,
        [(D, None), (S, None), (D, None)],
        ["delivered", "sent", "delivered"],
    ),
    ("10", "template paused", refused(Reason.REJECTED, "0x00000410"), [], []),
    ("11", "window closed", refused(Reason.REJECTED, "0x00000411"), [], []),
    ("12", "undelivered", ACCEPTED, [(F, Reason.UNDELIVERED)], ["undelivered"]),
]


@pytest.mark.parametrize(
    ("digits", "outcome", "receipts", "statuses"),
    [(case[0], *case[2:]) for case in FATES],
    ids=[case[1] for case in FATES],
)
async def test_the_last_digits_decide(
    digits: str, outcome: Outcome, receipts: list[tuple[ReceiptStatus, Reason | None]], statuses: list[str]
) -> None:
    async with both() as (smsc, line):
        [found] = await line.send(submission(address=f"+9891200000{digits}", ttl_s=1))
        if isinstance(outcome, Refused):
            assert isinstance(found, Refused)
            assert (found.reason, found.code) == (outcome.reason, outcome.code)
            assert smsc.ledger.refused == {found.code: 1}
            return
        assert isinstance(found, Accepted)
        [entry] = smsc.ledger.entries
        await until(
            lambda: len(entry.statuses) >= len(statuses) and len(line.heard.receipts) >= len(receipts)
        )
        assert [status for status, _ in entry.statuses] == statuses
        assert [(receipt.status, receipt.reason) for receipt in line.heard.receipts] == receipts
        assert all((receipt.ref,) == found.refs for receipt in line.heard.receipts)


async def test_an_answer_that_is_lost_leaves_an_unknown_and_a_receipt_with_the_id() -> None:
    async with both(speed=100) as (smsc, line):
        [outcome] = await line.send(submission(address="+989120000008"))
        assert outcome == Unknown("no answer came in time")
        await until(lambda: line.heard.receipts)
        [receipt] = line.heard.receipts
        assert (receipt.status, receipt.address) == (D, "+989120000008")
        assert receipt.ref == smsc.ledger.entries[0].ref.lstrip("0")


async def test_a_throttled_number_is_taken_the_third_time() -> None:
    async with both(speed=100) as (smsc, line):
        for number, reason in ((1, Reason.THROTTLED), (2, Reason.THROTTLED)):
            [outcome] = await line.send(submission(number=number, address="+989120000007"))
            assert isinstance(outcome, Refused)
            assert outcome.reason is reason
            assert outcome.retry_after_s == pytest.approx(number, abs=0.5)  # 1 s, then 2 s
        assert await line.taken(submission(number=3, address="+989120000007"))
        assert len(smsc.ledger.entries) == 1


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["udh", "sar", "payload"])
@pytest.mark.parametrize(
    ("text", "parts", "encoding"), [(LONG, 3, "gsm7"), (PERSIAN, 5, "ucs2"), ("Hi", 1, "gsm7")]
)
async def test_a_text_arrives_whole(way: str, text: str, parts: int, encoding: str) -> None:
    async with both(long_messages=way) as (smsc, line):
        refs = await line.taken(submission(text))
        [entry] = smsc.ledger.entries
        assert (entry.text, entry.encoding, entry.sender) == (text, encoding, "Shop")
        assert entry.details["way"] == ("single" if parts == 1 else way)
        assert len(refs) == (1 if way == "payload" else parts)
        await until(lambda: len(line.heard.receipts) == len(refs))
        assert sorted(receipt.ref for receipt in line.heard.receipts) == sorted(refs)
        assert [status for status, _ in entry.statuses] == ["delivered"]


@pytest.mark.parametrize(
    ("knobs", "id_base"),
    [
        (Knobs(id_base="hex", receipt_id_base="dec"), "hex_to_dec"),
        (Knobs(id_base="dec", receipt_id_base="hex"), "dec_to_hex"),
        (Knobs(id_base="hex", receipt_id_base="hex"), "same"),
        (Knobs(dialect="tlv"), "same"),
        (Knobs(dialect="both"), "same"),
    ],
)
async def test_a_receipt_finds_its_message_in_every_dialect(knobs: Knobs, id_base: str) -> None:
    async with both(knobs=knobs, receipt_id_base=id_base) as (_, line):
        refs = await line.taken(submission())
        await until(lambda: line.heard.receipts)
        assert refs == tuple(receipt.ref for receipt in line.heard.receipts)


async def test_answers_without_ids_are_accepted_untraceably() -> None:
    async with both(knobs=Knobs(no_ids=True)) as (_, line):
        assert await line.send(submission()) == [Accepted(())]


async def test_a_part_that_is_refused_leaves_the_text_unknown() -> None:
    async with both(knobs=Knobs(refused_part=2)) as (smsc, line):
        [outcome] = await line.send(submission(LONG))
        assert isinstance(outcome, Unknown)
        assert "part 1 of 3 accepted; part 2 of 3 refused: RINVDSTADR" in outcome.detail
        assert smsc.ledger.entries == []
        accepted = [receipt for receipt in line.heard.receipts if receipt.status is ReceiptStatus.ACCEPTED]
        await until(lambda: {receipt.client_ref for receipt in line.heard.receipts} >= {"att_0000000000007"})
        assert all(receipt.ref for receipt in accepted), "what was accepted is journalled with its reference"


async def test_a_coding_or_a_way_the_operator_does_not_take_is_refused() -> None:
    knobs = Knobs(refused_codings=(8,), refuse_sar=True)
    async with both(knobs=knobs, long_messages="sar") as (_, line):
        outcomes = await line.send(submission(PERSIAN, 1), submission(LONG, 2))
        assert [getattr(outcome, "code", "") for outcome in outcomes] == ["RINVDCS", "ROPTPARNOTALLWD"]


# ── people write ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shuffled", [False, True])
async def test_a_person_writes(shuffled: bool) -> None:
    async with both() as (smsc, line):
        await smsc.send_inbound("+989120000001", "30007", PERSIAN, shuffled=shuffled)
        parts = line.heard.inbound
        assert {(part.sender, part.recipient, part.part_total) for part in parts} == {
            ("+989120000001", "30007", 5)
        }
        assert [part.part_number for part in parts] == ([5, 4, 3, 2, 1] if shuffled else [1, 2, 3, 4, 5])
        assert "".join(part.text for part in sorted(parts, key=lambda part: part.part_number)) == PERSIAN
        assert len({part.part_ref for part in parts}) == 1


async def test_a_person_may_write_the_same_twice() -> None:
    async with both() as (smsc, line):
        await smsc.send_inbound("+989120000001", "30007", "1")
        await smsc.send_inbound("+989120000001", "30007", "1")
        assert len({message.ref for message in line.heard.inbound}) == 2


async def test_what_is_not_taken_comes_again_as_the_same_message() -> None:
    async with both(knobs=Knobs(redeliver_s=0.05), speed=200) as (smsc, line):
        line.heard.journal_open.clear()
        writing = asyncio.create_task(smsc.send_inbound("+989120000001", "30007", "1"))
        await until(lambda: smsc.mailbox("angarium").repeated >= 2)
        line.heard.journal_open.set()
        await writing
        await until(lambda: len(line.heard.inbound) >= 3)
        assert len({message.ref for message in line.heard.inbound}) == 1


async def test_a_message_that_could_not_be_journalled_comes_again() -> None:
    async with both(knobs=Knobs(redeliver_s=0.02)) as (smsc, line):
        line.heard.failures = 2
        await smsc.send_inbound("+989120000001", "30007", "hello")
        assert [message.text for message in line.heard.inbound] == ["hello"]


async def test_receipts_wait_for_a_bind_of_their_account() -> None:
    async with a_smsc() as smsc:
        async with a_line(port_of(smsc), speed=20) as line:
            line.heard.journal_open.clear()  # nothing can be answered
            refs = await line.taken(submission())
            await until(lambda: smsc.ledger.entries[0].statuses)
        async with a_line(port_of(smsc)) as line:
            await until(lambda: line.heard.receipts)
            assert line.heard.receipts[0].ref == refs[0]


async def test_a_pair_hears_on_its_receiver() -> None:
    async with both(bind_mode="pair") as (smsc, line):
        await until(lambda: len(smsc.binds) == 2)
        refs = await line.taken(submission())
        await until(lambda: line.heard.receipts)
        assert line.heard.receipts[0].ref == refs[0]
        assert line.connection.state() == "bound"


# ── an operator in trouble ───────────────────────────────────────────────────────────────────────────


async def test_a_receipt_may_come_before_the_answer() -> None:
    async with both(Faults(reorder_share=1)) as (_, line):
        await until(line.connection.free)
        line.connection.submit([submission()])
        await until(lambda: line.heard.receipts)
        assert line.heard.outcomes == {}
        outcome = await line.outcome(7)
        assert outcome == Accepted((line.heard.receipts[0].ref,))


async def test_receipts_may_come_twice() -> None:
    async with both(Faults(double_share=1, receipt_delay_s=0.01)) as (_, line):
        refs = await line.taken(submission())
        await until(lambda: len(line.heard.receipts) == 2)
        assert {receipt.ref for receipt in line.heard.receipts} == set(refs)


async def test_answers_may_come_backwards_and_late() -> None:
    knobs = Knobs(backwards=True)
    async with both(Faults(answer_delay_s=0.02), knobs) as (smsc, line):
        outcomes = await line.send(*[submission(f"text {number}", number) for number in range(10)])
        refs = {entry.text: entry.ref.lstrip("0") for entry in smsc.ledger.entries}
        assert outcomes == [Accepted((refs[f"text {number}"],)) for number in range(10)]


async def test_a_speed_limit_is_kept_and_nothing_is_lost() -> None:
    async with both(Faults(throttle_per_s=40, receipt_delay_s=0), speed=20, window=5) as (smsc, line):
        waiting = [submission(f"text {number}", number) for number in range(100)]
        again = 1000
        while waiting:
            batch = waiting[: max(1, line.connection.free())]
            outcomes = await line.send(*batch)
            waiting = waiting[len(batch) :]
            for one, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Refused):
                    assert outcome.reason is Reason.THROTTLED
                    waiting.append(submission(one.content.text, again))
                    again += 1
        texts = Counter(entry.text for entry in smsc.ledger.entries)
        assert texts == Counter(f"text {number}" for number in range(100))


async def test_answers_may_come_when_the_line_has_given_them_up() -> None:
    faults = Faults(late_share=0.5, late_s=0.6, receipt_delay_s=0.01)
    async with both(faults, response_timeout_s=0.3) as (smsc, line):
        await line.send(*[submission(f"text {number}", number) for number in range(4)])
        await until(lambda: smsc.waiting() == 0)
        kinds = Counter(type(outcome).__name__ for outcome in line.heard.outcomes.values())
    assert kinds == {"Accepted": 2, "Unknown": 2}
    assert len(smsc.ledger.entries) == 4


async def test_receipts_may_be_about_strangers() -> None:
    async with both(Faults(stray_share=1.0, receipt_delay_s=0.01)) as (smsc, line):
        await line.send(submission())
        await until(lambda: len(line.heard.receipts) == 2)
        ours, strange = line.heard.receipts
    assert ours.ref == smsc.ledger.entries[0].ref
    assert strange.ref != ours.ref
    assert strange.address != ours.address


TOLD = ("text", "answered", "cut", "unbound", "bound")  # by which a row of a ledger is known


async def test_a_centre_goes_away_and_comes_back(tmp_path: Path) -> None:
    stage = Stage(ledger_folder=tmp_path)
    smsc = Smsc(stage)
    await smsc.start()
    async with a_line(port_of(smsc), reconnect_s=0.01) as line:
        await until(line.connection.free)
        await line.send(submission())
        stage.script = Script(faults={"smpp": Faults(away=True)})
        await smsc.heed()
        await until(lambda: not line.connection.free())
        stage.script = Script()
        await smsc.heed()
        await until(line.connection.free)
    await smsc.stop()
    smsc.ledger.close()
    written = [msgspec.json.decode(row) for row in (tmp_path / "smpp.jsonl").read_bytes().splitlines()]
    told = [word for row in written for word in TOLD if word in row]
    assert told[:3] == ["bound", "text", "answered"]
    assert sorted(told[3:]) == ["bound", "cut", "unbound", "unbound"]
    sessions = [row["session"] for row in written if "bound" in row]
    assert sessions == [1, 2]
    assert written[1]["session"] == 1
    # The first was cut, and whoever was on the line said goodbye to the second.
    assert {row["session"]: row["orderly"] for row in written if "unbound" in row} == {1: False, 2: True}


async def test_a_second_operator_counts_as_the_first_and_writes_it_in_two_ways() -> None:
    smsc = smsc_hex(Stage(Script(faults={"*": QUICK})))
    await smsc.start()
    async with a_line(port_of(smsc), receipt_id_base="hex_to_dec") as line:
        await until(line.connection.free)
        await line.send(submission())
        await until(lambda: line.heard.receipts)
        ref = int(smsc.ledger.entries[0].ref, 16)
        assert int(line.heard.receipts[0].ref) == ref
    await smsc.stop()


async def test_a_connection_that_drops_leaves_unknowns_which_all_went_out() -> None:
    async with both(Faults(drop_every=25), window=10) as (smsc, line):
        waiting = [submission(f"text {number}", number) for number in range(200)]
        while waiting:
            await until(line.connection.free)
            batch, waiting = waiting[: line.connection.free()], waiting[line.connection.free() :]
            await line.send(*batch)
        outcomes = line.heard.outcomes
        accepted = {f"text {number}" for number, outcome in outcomes.items() if isinstance(outcome, Accepted)}
        unknown = {f"text {number}" for number, outcome in outcomes.items() if isinstance(outcome, Unknown)}
        there = Counter(entry.text for entry in smsc.ledger.entries)
        assert len(outcomes) == 200
        assert max(there.values()) == 1, "nothing was sent twice"
        assert accepted <= set(there) <= accepted | unknown
        assert smsc.binds_tried > 5


async def test_garbage_ends_the_connection_and_nothing_more() -> None:
    async with both(Faults(garbage_share=0.5)) as (smsc, line):
        assert isinstance((await line.send(submission(number=1)))[0], Accepted)
        assert isinstance((await line.send(submission(number=2)))[0], Unknown)
        assert isinstance((await line.send(submission(number=3)))[0], Accepted)
        assert smsc.binds_tried == 2
