"""A live SMPP line against a scripted message centre: every way a message or an answer can be lost."""

from __future__ import annotations

import asyncio
import gc

import pytest

from angarium.core.ports import Accepted, Raw, Receipt, Refused, Unknown
from angarium.core.values import Reason, ReceiptStatus
from angarium.protocols import smpp_line
from angarium.protocols.smpp_numbers import Command, Status
from angarium.protocols.smpp_pdu import SEQUENCE_MAX, Frame, Message, decode, pack
from angarium.protocols.smpp_text import read_piece
from angarium.protocols.smpp_traffic import Attempt, Part
from support.smpp_line import Centre, Line, a_centre, a_line, delivered, submission, until

LONG = "Your order has left the shop and comes tomorrow. " * 8  # three parts
SUBMIT, DELIVERED = Command.SUBMIT_SM, Command.DELIVER_SM_RESP
LOST = Unknown("the connection was lost before the answer came")


def text_of(frame: Frame) -> str:
    """The text of a submit_sm."""
    message = decode(frame)
    assert isinstance(message, Message)
    return read_piece(message, "gsm7").text


async def submitted(line: Line, centre: Centre, *texts: str) -> list[Frame]:
    """Submit texts, numbered from 1, and wait until the centre has them."""
    await until(line.connection.free)
    line.connection.submit([submission(text, number) for number, text in enumerate(texts, 1)])
    return await centre.came(SUBMIT, len(texts))


# ── the window ───────────────────────────────────────────────────────────────────────────────────────


async def test_the_window_is_kept_and_filled() -> None:
    async with a_centre() as centre, a_line(centre.port, window=3) as line:
        await until(line.connection.free)
        assert line.connection.free() == 3
        line.connection.submit([submission("a", 1), submission("b", 2)])
        assert line.connection.free() == 1
        line.connection.submit([submission(LONG, 3)])  # one part fits, two wait
        assert line.connection.free() == 0
        first, second, third = await centre.came(SUBMIT, 3)
        rooms = line.heard.rooms
        centre.accept(first, "1")
        await centre.came(SUBMIT, 4)
        assert line.connection.free() == 0, "the parts go before anything new"
        for frame in (second, third, centre.of(SUBMIT)[3]):
            centre.accept(frame, "x")
        *_, last = await centre.came(SUBMIT, 5)
        centre.accept(last, "5")
        assert await line.outcome(3) == Accepted(("x", "x", "5"))
        assert line.connection.free() == 3
        assert line.heard.rooms > rooms


async def test_a_read_gives_room_once() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        frames = await submitted(line, centre, "a", "b", "c")
        rooms = line.heard.rooms
        centre.say(b"".join(pack(Command.SUBMIT_SM_RESP, frame.sequence, b"1\0") for frame in frames))
        await line.outcome(3)
        assert line.heard.rooms == rooms + 1


async def test_nothing_is_taken_before_the_bind() -> None:
    async with a_centre(bind_status=Status.RSYSERR) as centre, a_line(centre.port) as line:
        await until(lambda: centre.binds)
        assert line.connection.free() == 0
        line.connection.submit([submission()])
        outcome = await line.outcome(7)
        assert isinstance(outcome, Refused)
        assert outcome.reason is Reason.TEMPORARY


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────


async def test_answers_in_any_order_and_in_single_octets_find_their_messages() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        frames = await submitted(line, centre, "a", "b", "c")
        for frame in reversed(frames):
            data = pack(Command.SUBMIT_SM_RESP, frame.sequence, f"id-{text_of(frame)}\0".encode())
            for octet in data:
                centre.say(bytes((octet,)))
        assert [await line.outcome(number) for number in (1, 2, 3)] == [
            Accepted(("id-a",)),
            Accepted(("id-b",)),
            Accepted(("id-c",)),
        ]


async def test_an_answer_to_nothing_changes_nothing() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        [frame] = await submitted(line, centre, "a")
        centre.say(pack(Command.SUBMIT_SM_RESP, frame.sequence + 1, b"stray\0"))
        centre.say(pack(Command.QUERY_SM_RESP, frame.sequence, b"stray\0\0\x02\0"))
        centre.accept(frame, "mine")
        assert await line.outcome(1) == Accepted(("mine",))


async def test_sequence_numbers_wrap() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        await until(line.connection.free)
        line.connection._sender.session._sequence = SEQUENCE_MAX - 1
        frames = await submitted(line, centre, "a", "b")
        assert [frame.sequence for frame in frames] == [SEQUENCE_MAX, 1]
        for frame in frames:
            centre.accept(frame, f"id-{text_of(frame)}")
        assert [await line.outcome(1), await line.outcome(2)] == [Accepted(("id-a",)), Accepted(("id-b",))]


async def test_a_nack_refuses() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        [frame] = await submitted(line, centre, "a")
        centre.say(pack(Command.GENERIC_NACK, frame.sequence, status=Status.RINVCMDLEN))
        outcome = await line.outcome(1)
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.code) == (Reason.CONFIG, "RINVCMDLEN")


LATE_ANSWERS = [
    (Status.ROK, b"id-1\0", Receipt(ReceiptStatus.ACCEPTED, ref="id-1", client_ref="att_0000000000001")),
    (
        Status.RINVDSTADR,
        b"",
        Receipt(
            ReceiptStatus.FAILED, client_ref="att_0000000000001", reason=Reason.BAD_ADDRESS, code="RINVDSTADR"
        ),
    ),
]


@pytest.mark.parametrize(("status", "body", "receipt"), LATE_ANSWERS)
async def test_a_late_answer_is_evidence_and_nothing_is_sent_twice(
    status: int, body: bytes, receipt: Receipt
) -> None:
    async with a_centre() as centre, a_line(centre.port, speed=300) as line:
        [frame] = await submitted(line, centre, "a")
        assert await line.outcome(1) == Unknown("no answer came in time")
        line.heard.failures = 1  # evidence outlives a journal in trouble
        centre.say(pack(Command.SUBMIT_SM_RESP, frame.sequence, body, status))
        await until(lambda: line.heard.receipts)
        assert line.heard.receipts == [receipt]
        [raw] = line.heard.raws
        assert raw.headers == {"client-ref": "att_0000000000001", "part": "1/1"}
        assert len(centre.of(SUBMIT)) == 1


# ── connections that end ─────────────────────────────────────────────────────────────────────────────


async def test_a_connection_lost_with_a_full_window_leaves_as_many_unknowns() -> None:
    async with a_centre() as centre, a_line(centre.port, window=4, reconnect_s=60) as line:
        await until(line.connection.free)
        line.connection.submit(
            [submission("a", 1), submission("b", 2), submission(LONG, 3), submission("c", 4)]
        )
        frames = await centre.came(SUBMIT, 4)
        centre.accept(frames[0], "1")
        await line.outcome(1)
        await centre.came(SUBMIT, 5)  # b, and the three parts
        centre.drop()
        assert await line.outcome(2) == LOST
        assert isinstance(await line.outcome(3), Unknown)
        unwritten = await line.outcome(4)
        assert isinstance(unwritten, Refused)
        assert unwritten.reason is Reason.TEMPORARY
        assert line.connection.free() == 0


async def test_after_a_loss_the_line_comes_back() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        for number in (1, 2, 3):
            await until(line.connection.free)
            line.connection.submit([submission(number=number)])
            await centre.came(SUBMIT, number)
            centre.drop()
            assert await line.outcome(number) == LOST
        await until(lambda: len(centre.binds) == 4)


@pytest.mark.parametrize(
    "garbage",
    [b"\x80\x00\x00\x00" + bytes(12), bytes(16), b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    ids=["2 GiB", "nothing", "HTTP"],
)
async def test_garbage_ends_the_connection_after_what_came_before(garbage: bytes) -> None:
    async with a_centre() as centre, a_line(centre.port, reconnect_s=60) as line:
        first, _ = await submitted(line, centre, "a", "b")
        centre.say(pack(Command.SUBMIT_SM_RESP, first.sequence, b"1\0") + garbage)
        assert await line.outcome(1) == Accepted(("1",))
        assert await line.outcome(2) == LOST
        await until(lambda: "no SMPP" in line.connection.state())


async def test_an_operator_that_unbinds_is_bound_again() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        await until(line.connection.free)
        centre.say(pack(Command.UNBIND, 99))
        [answer] = await centre.came(Command.UNBIND_RESP)
        assert answer.sequence == 99
        await until(lambda: len(centre.binds) == 2 and line.connection.free())


async def test_a_link_on_which_nothing_is_heard_is_given_up_within_two_intervals() -> None:
    async with (
        a_centre(answers_enquiries=False) as centre,
        a_line(centre.port, speed=200, response_timeout_s=600, reconnect_s=2) as line,
    ):
        await submitted(line, centre, "a")
        assert await line.outcome(1) == LOST
        await until(lambda: len(centre.binds) == 2)
        assert centre.enquiries == 1
        assert (centre.binds[1] - centre.binds[0]) * 200 >= 60  # twice enquire_link_s


async def test_an_idle_link_is_kept_alive() -> None:
    async with a_centre() as centre, a_line(centre.port, speed=1000) as line:
        await until(lambda: centre.enquiries >= 5)
        assert len(centre.binds) == 1
        centre.say(pack(Command.ENQUIRE_LINK, 77))
        [answer] = await centre.came(Command.ENQUIRE_LINK_RESP)
        assert answer.sequence == 77
        assert line.connection.state() == "bound"


# ── slow down ────────────────────────────────────────────────────────────────────────────────────────


async def test_slow_down_pauses_the_bind_and_twice_as_long_when_it_repeats() -> None:
    async with a_centre() as centre, a_line(centre.port, speed=5) as line:
        for number, pause_s in ((1, 1.0), (2, 2.0)):
            await until(line.connection.free)
            line.connection.submit([submission(number=number)])
            frames = await centre.came(SUBMIT, number)
            centre.refuse(frames[-1], Status.RTHROTTLED)
            outcome = await line.outcome(number)
            assert isinstance(outcome, Refused)
            assert outcome.reason is Reason.THROTTLED
            assert outcome.retry_after_s == pause_s
            assert line.connection.free() == 0
            assert "easing off" in line.connection.state()
        rooms = line.heard.rooms
        await until(line.connection.free)
        await until(lambda: line.heard.rooms > rooms)


async def test_a_part_that_came_too_fast_is_written_again_beside_its_others() -> None:
    async with a_centre() as centre, a_line(centre.port, speed=50) as line:
        first, second, third = await submitted_long(line, centre)
        centre.accept(first, "1")
        centre.refuse(second, Status.RMSGQFUL)
        centre.accept(third, "3")
        *_, again = await centre.came(SUBMIT, 4)
        assert text_of(again) == text_of(second)
        centre.accept(again, "2")
        assert await line.outcome(1) == Accepted(("1", "2", "3"))


async def test_a_text_all_of_which_came_too_fast_is_refused() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        for frame in await submitted_long(line, centre):
            centre.refuse(frame, Status.RTHROTTLED)
        outcome = await line.outcome(1)
        assert isinstance(outcome, Refused)
        assert outcome.reason is Reason.THROTTLED
        assert len(centre.of(SUBMIT)) == 3


async def test_a_part_is_not_written_for_ever() -> None:
    async with a_centre() as centre, a_line(centre.port, speed=300) as line:
        first, second, third = await submitted_long(line, centre)
        centre.accept(first, "1")
        centre.accept(third, "3")
        centre.refuse(second, Status.RTHROTTLED)
        for number in range(4, 3 + smpp_line.TRIES_MAX):
            *_, again = await centre.came(SUBMIT, number)
            centre.refuse(again, Status.RTHROTTLED)
        outcome = await line.outcome(1)
        assert isinstance(outcome, Unknown)
        assert "part 2 of 3 refused: RTHROTTLED" in outcome.detail


# ── parts of a text ──────────────────────────────────────────────────────────────────────────────────


async def submitted_long(line: Line, centre: Centre) -> list[Frame]:
    """Submit a text of three parts as attempt 1."""
    await until(line.connection.free)
    line.connection.submit([submission(LONG, 1)])
    return await centre.came(SUBMIT, 3)


async def test_what_has_ended_does_not_wait_for_the_collector() -> None:
    gc.collect()
    gc.disable()  # what is in a circle stays now
    try:
        async with a_centre() as centre, a_line(centre.port, window=50) as line:
            for frame in await submitted(line, centre, *["a text"] * 50):
                centre.accept(frame, "1")
            for number in range(1, 51):
                await line.outcome(number)
            line.heard.tapes.clear()
            left = [one for one in gc.get_objects() if isinstance(one, Attempt | Part)]
            assert len(left) <= 2, "the last may be held by the frames that run"
    finally:
        gc.enable()


async def test_texts_of_one_part_leave_no_reference_behind() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        await submitted(line, centre, "a text", "another")
        assert not line.connection._references._last
        line.connection.submit([submission(LONG, 3)])
        await centre.came(SUBMIT, 5)
        assert len(line.connection._references._last) == 1


async def test_a_text_of_which_a_part_was_refused_is_unknown_and_leaves_evidence() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        first, second, third = await submitted_long(line, centre)
        centre.refuse(second, Status.RINVDSTADR)
        centre.accept(first, "1")
        centre.accept(third, "3")
        outcome = await line.outcome(1)
        assert isinstance(outcome, Unknown)
        assert "part 2 of 3 refused: RINVDSTADR" in outcome.detail
        await until(lambda: len(line.heard.receipts) == 2)
        assert [(receipt.ref, receipt.client_ref) for receipt in line.heard.receipts] == [
            ("1", "att_0000000000001"),
            ("3", "att_0000000000001"),
        ]
        assert [raw.headers["part"] for raw in line.heard.raws] == ["1/3", "3/3"]


async def test_a_part_that_is_refused_stops_those_that_wait() -> None:
    async with a_centre() as centre, a_line(centre.port, window=1) as line:
        await until(line.connection.free)
        line.connection.submit([submission(LONG, 1)])
        [first] = await centre.came(SUBMIT)
        centre.refuse(first, Status.RINVDSTADR)
        outcome = await line.outcome(1)
        assert isinstance(outcome, Refused)
        assert outcome.code == "RINVDSTADR"
        await until(line.connection.free)
        assert len(centre.of(SUBMIT)) == 1


# ── what the operator sends ──────────────────────────────────────────────────────────────────────────


async def test_what_came_is_answered_after_it_is_journalled() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        await until(line.connection.free)
        line.heard.journal_open.clear()
        messages = [delivered(b"text %d" % number, sequence=number) for number in (1, 2, 3)]
        centre.say(b"".join(messages))
        [frame] = await submitted(line, centre, "meanwhile")
        centre.accept(frame, "1")
        await line.outcome(1)
        assert centre.of(DELIVERED) == []
        line.heard.journal_open.set()
        answers = await centre.came(DELIVERED, 3)
        assert [(answer.sequence, answer.status) for answer in answers] == [(1, 0), (2, 0), (3, 0)]
        [raw] = line.heard.raws
        assert raw.body == b"".join(messages)
        assert [message.text for message in line.heard.inbound] == ["text 1", "text 2", "text 3"]


async def test_what_comes_while_the_journal_writes_is_one_piece() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        await until(line.connection.free)
        line.heard.journal_open.clear()
        for number in range(1, 6):
            centre.say(delivered(b"text %d" % number, sequence=number))
            centre.say(pack(Command.ENQUIRE_LINK, number))
            await centre.came(Command.ENQUIRE_LINK_RESP, number)
        line.heard.journal_open.set()
        await centre.came(DELIVERED, 5)
        assert [len(raw.body) for raw in line.heard.raws] == [
            len(delivered(b"text 1")),
            4 * len(delivered(b"text 1")),
        ]


async def test_what_could_not_be_journalled_is_asked_for_again() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        await until(line.connection.free)
        line.heard.failures = 1
        centre.say(delivered(b"one", sequence=1))
        [answer] = await centre.came(DELIVERED)
        assert answer.status == Status.RX_T_APPN
        centre.say(delivered(b"one", sequence=2))
        *_, answer = await centre.came(DELIVERED, 2)
        assert answer.status == Status.ROK
        assert [message.text for message in line.heard.inbound] == ["one"]


async def test_a_message_that_cannot_be_read_is_kept_and_answered() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        await until(line.connection.free)
        centre.say(pack(Command.DELIVER_SM, 1, b"\0\0\0"))
        [answer] = await centre.came(DELIVERED)
        assert answer.status == Status.ROK
        assert len(line.heard.events) == 1


async def test_a_flood_is_left_unread_until_the_journal_has_kept_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_line, "WAITING_MAX", 100)
    async with a_centre() as centre, a_line(centre.port) as line:
        await until(line.connection.free)
        line.heard.journal_open.clear()
        centre.say(b"".join(delivered(b"x" * 200, sequence=number) for number in range(1, 2001)))
        await until(lambda: line.connection._journal._deaf)
        assert line.connection._sender._transport is not None
        assert not line.connection._sender._transport.is_reading()
        line.heard.journal_open.set()
        await centre.came(DELIVERED, 2000)
        assert len(line.heard.inbound) == 2000


async def test_a_message_repeated_on_a_new_connection_is_the_same() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        await until(line.connection.free)
        line.heard.journal_open.clear()
        centre.say(delivered(b"1", sequence=5))
        centre.say(pack(Command.ENQUIRE_LINK, 1))
        await centre.came(Command.ENQUIRE_LINK_RESP)
        centre.drop()
        await until(lambda: len(centre.binds) == 2 and line.connection.free())
        centre.say(delivered(b"1", sequence=1))
        line.heard.journal_open.set()
        await centre.came(DELIVERED)
        await until(lambda: len(line.heard.inbound) == 2)
        assert len({message.ref for message in line.heard.inbound}) == 1
        assert isinstance(line.heard.raws[1], Raw)
        assert "origin" in line.heard.raws[1].headers


# ── closing ──────────────────────────────────────────────────────────────────────────────────────────


async def test_closing_waits_for_answers_and_then_gives_up() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        first, _second = await submitted(line, centre, "a", "b")
        centre.accept(first, "1")
        await line.connection.close(0.05)
        assert line.heard.outcomes == {
            1: Accepted(("1",)),
            2: Unknown("the line was closed before the answer came"),
        }
        assert line.connection.free() == 0
        assert line.connection.state() == "closed"
        line.connection.submit([submission(number=3)])
        assert isinstance(line.heard.outcomes[3], Refused)


async def test_closing_ends_when_the_last_answer_came() -> None:
    async with a_centre() as centre, a_line(centre.port, grace_s=60) as line:
        [frame] = await submitted(line, centre, "a")
        centre.accept(frame, "1")
    assert line.heard.outcomes == {1: Accepted(("1",))}


async def test_closing_waits_for_the_journal() -> None:
    async with a_centre() as centre:
        async with a_line(centre.port, grace_s=60) as line:
            await until(line.connection.free)
            line.heard.journal_open.clear()
            centre.say(delivered(b"hello") + pack(Command.ENQUIRE_LINK, 1))
            await centre.came(Command.ENQUIRE_LINK_RESP)
            asyncio.get_running_loop().call_later(0.01, line.heard.journal_open.set)
        assert [message.text for message in line.heard.inbound] == ["hello"]
        assert len(centre.of(DELIVERED)) == 1


async def test_closing_leaves_evidence_of_the_parts_that_were_accepted() -> None:
    async with a_centre() as centre:
        async with a_line(centre.port) as line:
            first, _, _ = await submitted_long(line, centre)
            centre.accept(first, "1")
            await until(lambda: line.connection._attempts[1].parts[0].end)
        assert isinstance(line.heard.outcomes[1], Unknown)
        assert [receipt.ref for receipt in line.heard.receipts] == ["1"]


async def test_closing_a_line_that_never_connected_is_quiet() -> None:
    async with a_centre() as centre:
        port = centre.port
    async with a_line(port, reconnect_s=60) as line:
        await until(lambda: "retry in" in line.connection.state())
        assert line.connection.free() == 0
    assert line.connection.state() == "closed"
