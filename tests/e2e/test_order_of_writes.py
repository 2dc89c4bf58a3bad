"""Nothing is promised before it is on the disk: the order of a real server's calls, as the kernel saw them.

kill -9 cannot show it, for it loses nothing that was written and not yet synced. A cut of the power would.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from angarium.processes import free_port
from support import trace
from support.esme import connected
from support.process import Shop
from support.trace import Call

pytestmark = [
    pytest.mark.peers("strace"),
    pytest.mark.sqlite,  # its calls are the server's own
    pytest.mark.xdist_group("e2e/traced"),  # by one server
]

MESSAGES = 20
VIBER = {
    "name": "viber",
    "channel": "viber_business",
    "settings": {"api_key": "k", "sender": "Shop"},
    "classes": ["service"],
    "registration": "approved",
    "enabled": False,
}
SEALED = b"v1."  # how a callback in the journal begins; nothing else that is sealed is written here
SUBMIT_SM, DELIVER_SM, DELIVER_SM_RESP = b"\0\0\0\x04", b"\0\0\0\x05", b"\x80\0\0\x05"
SUBMIT_SM_RESP = b"\x80\0\0\x04"
TOMORROW = "000001000000000R"
CLIENT = {"name": "client", "routes": [{"class": "service", "line": "sms"}]}  # of the SMPP door


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """The calls of a server that accepted messages, sent them, and heard of them by SMPP and by HTTP."""
    folder = tmp_path_factory.mktemp("traced")
    asyncio.run(play(folder))
    return trace.calls(folder / "trace")


async def play(folder: Path) -> None:
    """A little of everything, some of it at once."""
    async with Shop(folder) as shop:
        shop.door_port = free_port()
        await shop.start_operator()
        await shop.start(*trace.COMMAND, "-o", str(folder / "trace"))
        line = (await shop.client.ask("POST", "/v1/lines", VIBER)).json
        heard = [await shop.send() for _ in range(MESSAGES // 2)]
        heard += await asyncio.gather(*(shop.send() for _ in range(MESSAGES // 2)))
        assert {one.status for one in heard} == {202}
        for number in range(MESSAGES):
            report = {"message_id": f"callback-{number}", "status": 0}
            told = await shop.client.ask("POST", line["callback_path"], report)
            assert told.status == 200, told

        await submit(shop)

        async def all_delivered() -> bool:
            states = [(await shop.message(one.json["id"]))["state"] for one in heard]
            return set(states) == {"delivered"}

        await shop.until(all_delivered)
        await shop.stop_traced()


async def submit(shop: Shop) -> None:
    """The same by a client of the SMPP door, for tomorrow, so that they stay."""
    account = (await shop.client.ask("POST", "/v1/smpp-accounts", CLIENT)).json
    async with connected(shop.door_port) as esme:
        assert await esme.bind(account["system_id"], account["password"]) == 0
        for number in range(MESSAGES):
            esme.submit(
                number, dest=f"3806712345{number:02}", short_message=b"Door %d" % number, schedule=TOMORROW
            )
        answers = await esme.answered(*range(MESSAGES))
        assert {status for status, _ in answers} == {0}


def pdus(data: bytes) -> list[bytes]:
    """The whole PDUs in what one call carried."""
    found = []
    while len(data) >= 16:
        size = int.from_bytes(data[:4], "big")
        if not 16 <= size <= len(data):
            break
        found.append(data[:size])
        data = data[size:]
    return found


def carrying(calls: list[Call], command: bytes) -> list[tuple[Call, bytes]]:
    """Each PDU of this command on the wire, with the call that carried it."""
    return [(call, pdu) for call in calls for pdu in pdus(call.data) if pdu[4:8] == command]


def test_no_202_before_its_message_is_kept(traced: list[Call]) -> None:
    answers = trace.sent(traced, b"HTTP/1.1 202")
    assert len(answers) == MESSAGES
    for call in answers:
        assert trace.kept_before(traced, text_of(traced, call), call)


def text_of(traced: list[Call], answer: Call) -> bytes:
    """The text of the message that was offered on the connection of an answer, last before it."""
    asked = [call for call in trace.received(traced, b"POST /v1/messages") if call.fd == answer.fd]
    last = max((call for call in asked if call.ended < answer.began), key=lambda call: call.ended)
    (text,) = re.findall(rb'"text":("Hello \d+")', last.data)
    return bytes(text)


def test_no_byte_of_a_submission_before_its_intent_is_kept(traced: list[Call]) -> None:
    submissions = [
        found for found in carrying(traced, SUBMIT_SM) if found[0].result > 0 and b"Door" not in found[1]
    ]
    assert len(submissions) == MESSAGES
    for call, pdu in submissions:
        (phone,) = re.findall(rb"38050\d{7}", pdu)
        assert any(trace.kept_before(traced, intent, call) for intent in intents(traced, phone)), phone


def intents(traced: list[Call], phone: bytes) -> list[bytes]:
    """The rows of the database's pages that say of this phone that it is being submitted."""
    row = re.compile(rb"\+" + phone + rb"(?:(?!\+38050).)*?submitting", re.DOTALL)
    pages = (call.data for call in traced if call.name == "pwrite64")
    return [found for page in pages for found in row.findall(page)]


def test_no_submit_sm_resp_before_its_message_is_kept(traced: list[Call]) -> None:
    said = {pdu[12:16]: (call, pdu) for call, pdu in carrying(traced, SUBMIT_SM) if b"Door" in pdu}
    assert len(said) == MESSAGES
    answers = [
        (call, pdu)
        for call, pdu in carrying(traced, SUBMIT_SM_RESP)
        if call.fd == next(iter(said.values()))[0].fd
    ]
    assert len(answers) == MESSAGES
    for call, answer in answers:
        (text,) = re.findall(rb"Door \d+", said[answer[12:16]][1])
        assert trace.kept_before(traced, b'"' + text + b'"', call)


def test_no_deliver_sm_resp_before_what_it_answers_is_kept(traced: list[Call]) -> None:
    receipts = {pdu[12:16]: call for call, pdu in carrying(traced, DELIVER_SM)}
    answered = carrying(traced, DELIVER_SM_RESP)
    assert len(answered) == MESSAGES
    for call, answer in answered:
        assert answer[8:12] == b"\0\0\0\0"
        assert trace.kept_before(traced, SEALED, call, after=receipts[answer[12:16]])


def test_no_webhook_is_answered_before_it_is_kept(traced: list[Call]) -> None:
    asked = trace.received(traced, b"POST /callbacks/")
    assert len(asked) == MESSAGES
    for request in asked:
        answers = [call for call in trace.sent(traced, b"HTTP/1.1 200") if call.fd == request.fd]
        answer = min((call for call in answers if call.began > request.ended), key=lambda call: call.began)
        assert trace.kept_before(traced, SEALED, answer, after=request)
