"""The SMPP door over real sockets, a simulated operator behind it: what is submitted arrives, and is told."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from angarium.doors.smpp import admission, following, store
from angarium.doors.smpp.door import Listening
from angarium.messaging.store import messages
from angarium.messaging.store.messages import Filter
from angarium.protocols import smpp_pdu
from angarium.protocols.gsm import segment
from angarium.protocols.smpp_numbers import Command, Status
from angarium.protocols.smpp_pdu import Cancel, Message, Query, QueryResp
from angarium.protocols.smpp_text import short_messages
from angarium.storage.database import Database
from support.esme import PHONE, Esme, connected
from support.running import misbehave, until
from support.smpp_door import PASSWORD, Doorway, doorway

LONG = "Your order [1234] has left the shop and comes tomorrow; {call} us if it does not. " * 5
PERSIAN = "سفارش شما ارسال شد و فردا می‌رسد. 🚚 " * 5


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Doorway]:
    """A shop with a door."""
    async with doorway(database) as made:
        yield made


@pytest.fixture
async def client(place: Doorway) -> AsyncIterator[Esme]:
    """A client that is bound."""
    await place.account()
    async with connected(place.port) as esme:
        assert await esme.bind("client", PASSWORD) == Status.ROK
        yield esme


async def test_many_at_once_arrive_and_each_is_told(place: Doorway, client: Esme) -> None:
    texts = {f"No {number}" for number in range(100)}
    for number, text in enumerate(sorted(texts)):
        client.submit(text, dest=PHONE.format(number), short_message=text.encode())
    answers = await client.answered(*texts)
    assert {status for status, _ in answers} == {Status.ROK}
    assert len({message_id for _, message_id in answers}) == 100
    await client.heard(100)
    assert client.words() == {message_id: "DELIVRD" for _, message_id in answers}
    assert sorted(place.texts()) == sorted(texts)
    [one] = [one for one in client.receipts if one["id"] == client.answers["No 7"][1]]
    assert (one["receipted"], one["state"], one["err"], one["esm"]) == (one["id"], "2", "000", "0x4")
    assert one["dest"] == "Shop"


async def test_letters_that_are_written_while_others_are_read_are_read_next(
    place: Doorway, client: Esme, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client
    [mailbox] = place.door._mailboxes.values()
    read = following.write

    async def meanwhile(*asked: Any) -> list[following.Written]:
        written = await read(*asked)
        mailbox.more = True  # what the follower of facts says when it has written one
        return written

    monkeypatch.setattr(following, "write", meanwhile)
    await place.door._fill(mailbox)
    assert mailbox.more


@pytest.mark.parametrize("way", ["udh", "sar", "payload"])
async def test_a_long_text_is_one_message_and_each_part_is_told(
    place: Doorway, client: Esme, way: Any
) -> None:
    parts = client.submit_long("a", PERSIAN, way=way)
    answers = await client.answered(*[f"a/{number}" for number in range(1, parts + 1)])
    await client.heard(parts)
    assert client.words() == {message_id: "DELIVRD" for _, message_id in answers}
    assert place.texts() == [PERSIAN]
    assert len(await place.shop.ground.db.read(_messages, place)) == 1


async def _messages(tx: Any, place: Doorway) -> list[int]:
    found = await messages.page(tx, place.shop.workspace_id, Filter(), 1 << 62, 100)
    return [one.id for one in found]


async def test_parts_out_of_order_over_two_binds_and_repeated_are_one(place: Doorway, client: Esme) -> None:
    async with connected(place.port) as other:
        assert await other.bind("client", PASSWORD, Command.BIND_TRANSMITTER) == Status.ROK
        parts = _parts_of(LONG)
        for number in (3, 1):
            client.submit(number, **parts[number - 1])
        await client.answered(3, 1)
        other.submit(1, **parts[0])  # the client saw no answer on the first bind
        other.submit(2, **parts[1])
        await other.answered(1, 2)
        assert await place.taken(1) == [LONG]
        other.submit("late", **parts[1])  # and once more, when it is a message already
        await other.answered("late")
        await client.heard(5)
        await until(lambda: set(client.words().values()) == {"DELIVRD"} and len(client.words()) == 5)
        assert place.texts() == [LONG]


async def test_a_part_whose_answer_was_lost_is_known_after_its_receipt(
    place: Doorway, client: Esme, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = _parts_of(LONG)
    for number in (1, 2, 3):
        client.submit(number, **parts[number - 1])
    await client.answered(1, 2, 3)
    await client.heard(3)
    assert set(client.words().values()) == {"DELIVRD"}
    for number in (1, 2, 3):
        client.submit(f"again/{number}", **parts[number - 1])
    await client.answered("again/1", "again/2", "again/3")
    await client.heard(3)
    assert place.texts() == [LONG]
    monkeypatch.setattr(admission, "LOST_ANSWER_S", 0.0)
    for number in (1, 2, 3):  # as by a client whose reference never changes
        client.submit(f"anew/{number}", **parts[number - 1])
    await client.answered("anew/1", "anew/2", "anew/3")
    assert await place.taken(2) == [LONG, LONG]


def _parts_of(text: str) -> list[dict[str, Any]]:
    cut = short_messages(Message(), segment(text), way="udh", reference=9, reference_bits=8)
    return [{"esm_class": one.esm_class, "short_message": one.short_message} for one in cut]


async def test_a_text_whose_rest_does_not_come_is_given_up(place: Doorway, client: Esme) -> None:
    client.submit(1, **_parts_of(LONG)[0])
    [(status, message_id)] = await client.answered(1)
    assert status == Status.ROK
    now = place.shop.clock.now() + int(admission.PARTS_WAIT_S * 1_000_000) + 1
    assert await place.shop.ground.db.run(following.tidy, place.shop.workspace_id, now) == 1
    [receipt] = await client.heard(1)
    assert (receipt["id"], receipt["stat"], receipt["source"]) == (message_id, "UNDELIV", PHONE.format(1))
    client.submit("all", **_parts_of(LONG)[0])  # begins another text
    await client.answered("all")
    assert place.texts() == []


async def test_what_fails_is_told_with_its_reason(place: Doorway, client: Esme) -> None:
    for digits in ("12", "02"):
        client.submit(digits, dest=f"3805000000{digits}")
    await client.answered("12", "02")
    await client.heard(2)
    by_id = {one["id"]: one for one in client.receipts}
    undelivered, unknown = (by_id[client.answers[digits][1]] for digits in ("12", "02"))
    assert (undelivered["stat"], undelivered["err"], undelivered["state"]) == ("UNDELIV", "023", "5")
    assert (unknown["stat"], unknown["err"], unknown["network"]) == ("UNDELIV", "001", "030001")
    assert unknown["source"] == "380500000002"


@pytest.mark.parametrize(
    ("asked", "digits", "words"),
    [(0, "77", []), (2, "77", []), (2, "12", ["UNDELIV"]), (3, "77", ["DELIVRD"]), (0x11, "77", None)],
)
async def test_it_is_told_what_was_asked_for(
    place: Doorway, client: Esme, asked: int, digits: str, words: list[str] | None
) -> None:
    client.submit("one", dest=f"3805000000{digits}", registered_delivery=asked)
    client.submit("last", dest=PHONE.format(9))
    await client.answered("one", "last")
    await until(lambda: client.words().get(client.answers["last"][1]) == "DELIVRD")
    own = [one["stat"] for one in client.receipts if one["id"] == client.answers["one"][1]]
    assert own[-1:] == ["DELIVRD"] if words is None else own == words


REFUSED = [
    ({"dest": "123"}, Status.RINVDSTADR),
    ({"dest": "shop", "dest_ton": 5}, Status.RINVDSTADR),
    ({"short_message": b""}, Status.RINVMSGLEN),
    ({"data_coding": 4}, Status.RINVDCS),
    ({"validity": "nonsense"}, Status.RINVEXPIRY),
    ({"validity": "200101000000000+"}, Status.RINVEXPIRY),
    ({"schedule": "991399000000000+"}, Status.RINVSCHED),
    ({"schedule": "990101000000000+"}, Status.RINVSCHED),
    ({"esm_class": 0x40, "short_message": b"\xff\x00"}, Status.RINVESMCLASS),
    ({"tlvs": ((0x0424, b"more"),)}, Status.ROPTPARNOTALLWD),
    ({"source": "Nobody"}, Status.RINVSRCADR),
]


async def test_what_cannot_be_taken_says_why_and_leaves_nothing(place: Doorway) -> None:
    await place.account(routes=[{"source": "Shop", "class": "service", "channel": "smpp"}])
    async with connected(place.port) as esme:
        assert await esme.bind("client", PASSWORD) == Status.ROK
        for number, (given, _) in enumerate(REFUSED):
            esme.submit(number, **given)
        answers = await esme.answered(*range(len(REFUSED)))
        assert [status for status, _ in answers] == [status for _, status in REFUSED]
        assert await place.shop.ground.db.read(_messages, place) == []


async def test_times_and_numbers_as_clients_write_them(place: Doorway) -> None:
    await place.account(region="UA")
    async with connected(place.port) as esme:
        assert await esme.bind("client", PASSWORD) == Status.ROK
        written = {"380500000177": 2, "+380500000277": 0, "00380500000377": 0, "0500000477": 0}
        for dest, ton in written.items():
            esme.submit(dest, dest=dest, dest_ton=ton, validity="000000001000000R")
        await esme.answered(*written)
        await esme.heard(4)
        assert {one["source"] for one in esme.receipts} == {*list(written)[:3], "380500000477"}
        esme.submit("later", schedule="000000010000000R")
        await esme.answered("later")
        [newest, *_] = await place.shop.ground.db.read(_messages, place)
        assert await place.shop.state(newest) == ("scheduled", "", False)
        told = await place.shop.told(newest)
        assert told["reference"] == esme.answers["later"][1]
        assert await _query(esme, "later") == (1, "")
        assert await _cancel(esme, "later") == Status.ROK
        assert (await place.shop.state(newest))[0] == "cancelled"
        assert (await _query(esme, "later"))[0] == 4
        assert await _cancel(esme, "later") == Status.RCANCELFAIL
        await until(lambda: esme.words().get(esme.answers["later"][1]) == "DELETED")


async def _query(esme: Esme, token: str) -> tuple[int, str]:
    asked = smpp_pdu.encode(Command.QUERY_SM, Query(esme.answers[token][1]))
    answer = smpp_pdu.decode(await esme.ask(Command.QUERY_SM, asked))
    assert isinstance(answer, QueryResp)
    return answer.message_state, "" if not answer.final_date else "at its end"


async def _cancel(esme: Esme, token: str) -> int:
    asked = smpp_pdu.encode(Command.CANCEL_SM, Cancel(message_id=esme.answers[token][1]))
    return (await esme.ask(Command.CANCEL_SM, asked)).status


async def test_one_account_sees_nothing_of_another(place: Doorway, client: Esme) -> None:
    client.submit("mine")
    await client.answered("mine")
    await place.account("other")
    async with connected(place.port) as other:
        assert await other.bind("other", PASSWORD) == Status.ROK
        other.answers["mine"] = client.answers["mine"]
        asked = smpp_pdu.encode(Command.QUERY_SM, Query(client.answers["mine"][1]))
        assert (await other.ask(Command.QUERY_SM, asked)).status == Status.RINVMSGID
        assert await _cancel(other, "mine") == Status.RINVMSGID
        await client.heard(1)
        assert other.receipts == []


# ── who comes in ─────────────────────────────────────────────────────────────────────────────────────


async def test_who_may_bind(place: Doorway) -> None:
    await place.account(binds_max=1, binds=["transceiver"])
    await place.account("far", networks=["192.0.2.0/24"])
    await place.account("off", enabled=False)
    strangers = [
        ("client", "wrong password", Command.BIND_TRANSCEIVER, Status.RINVPASWD, "wrong password"),
        ("nobody", PASSWORD, Command.BIND_TRANSCEIVER, Status.RINVPASWD, "no such account, or it is off"),
        ("off", PASSWORD, Command.BIND_TRANSCEIVER, Status.RINVPASWD, "no such account, or it is off"),
        ("far", PASSWORD, Command.BIND_TRANSCEIVER, Status.RBINDFAIL, "not from its networks"),
        ("client", PASSWORD, Command.BIND_RECEIVER, Status.RBINDFAIL, "not as receiver"),
    ]
    for system_id, password, command, status, why in strangers:
        with capture_logs() as said:
            async with connected(place.port) as esme:
                assert await esme.bind(system_id, password, command) == status
                await esme.gone.wait()
        named = (
            None if why == "no such account, or it is off" else system_id
        )  # what a stranger wrote is not logged
        assert [(one["status"], one["why"], one.get("system_id")) for one in said] == [
            (status.name, why, named)
        ]
    with capture_logs() as said:
        async with connected(place.port) as esme, connected(place.port) as second:
            assert await esme.bind("client", PASSWORD) == Status.ROK
            assert await second.bind("client", PASSWORD) == Status.RBINDFAIL
        await until(lambda: said[-1]["event"] == "a client has gone")
    assert [one["event"] for one in said] == [
        "a client has bound",
        "a bind was turned away",
        "a client has gone",
    ]
    assert said[1]["why"] == "it has its 1 binds"


async def test_who_guesses_is_not_heard_for_a_while(database: Database) -> None:
    async with doorway(database, Listening(failed_per_min=2)) as place:
        await place.account()
        statuses = []
        for password in ("guess-1", "guess-2", PASSWORD):
            async with connected(place.port) as esme:
                statuses.append(await esme.bind("client", password))
        assert statuses == [Status.RINVPASWD, Status.RINVPASWD, Status.RBINDFAIL]


async def test_a_changed_password_ends_what_is_bound(place: Doorway) -> None:
    account = await place.account()
    async with connected(place.port) as esme:
        assert await esme.bind("client", PASSWORD) == Status.ROK
        await place.change(account, password="another-one")
        await esme.gone.wait()
        assert esme.unbound
    async with connected(place.port) as esme:
        assert await esme.bind("client", PASSWORD) == Status.RINVPASWD
    async with connected(place.port) as esme:
        assert await esme.bind("client", "another-one") == Status.ROK


async def test_beyond_window_and_speed_it_is_told_to_wait(place: Doorway) -> None:
    await place.account("narrow", window=5)
    await place.account("slow", speed_per_s=3)
    for system_id, most in (("narrow", 5), ("slow", 3)):
        async with connected(place.port) as esme:
            assert await esme.bind(system_id, PASSWORD) == Status.ROK
            for number in range(20):
                esme.submit(number, dest=PHONE.format(number), registered_delivery=0)
            statuses = [status for status, _ in await esme.answered(*range(20))]
            assert statuses.count(Status.ROK) == most
            assert statuses.count(Status.RTHROTTLED) == 20 - most
    assert len(await place.taken(8)) == 8


@pytest.mark.parametrize(
    "garbage", [b"\xff" * 32, struct.pack(">IIII", 8, 4, 0, 1), b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_garbage_ends_the_connection_and_nothing_else(
    place: Doorway, client: Esme, garbage: bytes
) -> None:
    async with connected(place.port) as esme:
        esme.write(garbage)
        await esme.gone.wait()
    client.write(struct.pack(">IIII", 20, Command.SUBMIT_SM, 0, 77) + b"abcd")  # no submit_sm
    client.submit("after")
    assert (await client.answered("after"))[0][0] == Status.ROK
    await place.taken(1)


# ── what it is told ──────────────────────────────────────────────────────────────────────────────────


async def test_receipts_wait_for_a_bind_and_outlive_a_restart(place: Doorway, client: Esme) -> None:
    client.silent = True
    for number in range(10):
        client.submit(number, dest=PHONE.format(number))
    answers = await client.answered(*range(10))
    await client.heard(10)  # and answers none of them
    await place.again()
    async with connected(place.port) as esme:
        assert await esme.bind("client", PASSWORD, Command.BIND_RECEIVER) == Status.ROK
        await esme.heard(10)
        assert esme.words() == {message_id: "DELIVRD" for _, message_id in answers}
    await place.again()
    async with connected(place.port) as esme:
        assert await esme.bind("client", PASSWORD) == Status.ROK
        esme.submit("new")
        await esme.answered("new")
        await esme.heard(1)
        assert list(esme.words()) == [esme.answers["new"][1]]  # nothing that was taken is told again


async def test_what_a_client_refuses_for_good_is_let_go(place: Doorway, client: Esme) -> None:
    client.says = Status.RX_P_APPN
    client.submit("one")
    await client.answered("one")
    await client.heard(1)
    db, workspace_id = place.shop.ground.db, place.shop.workspace_id

    async def is_empty() -> bool:
        return not await db.read(store.letters_waiting, workspace_id)

    await until(is_empty)


async def test_what_customers_write_is_told_whole(place: Doorway) -> None:
    await place.account(inbound_lines=["sms"])
    await place.account("deaf")
    async with connected(place.port) as esme, connected(place.port) as deaf:
        assert await esme.bind("client", PASSWORD) == Status.ROK
        assert await deaf.bind("deaf", PASSWORD) == Status.ROK
        await until(lambda: place.smsc.binds)
        await place.smsc.send_inbound("+380500000177", "30007", PERSIAN)
        await until(lambda: len(esme.messages) == 3)
        joined = b"".join(one.short_message[6:] for one in esme.messages).decode("utf-16-be")
        assert joined == PERSIAN
        assert {(one.source, one.source_ton, one.dest) for one in esme.messages} == {
            ("380500000177", 1, "30007")
        }
        assert deaf.messages == []


async def test_a_route_says_class_and_label(place: Doorway) -> None:
    routes = [
        {"source": "Code", "class": "otp", "line": "sms", "label": "codes"},
        {"source": "Ad*", "class": "promotional", "channel": "smpp"},
    ]
    await place.account(routes=routes)
    async with connected(place.port) as esme:
        assert await esme.bind("client", PASSWORD) == Status.ROK
        esme.submit("code", source="Code", short_message=b"Your code is 1234")
        esme.submit("ad", source="Ad-1", short_message=b"Buy")
        esme.submit("other", source="Shop")
        answers = await esme.answered("code", "ad", "other")
        assert [status for status, _ in answers] == [Status.ROK, Status.ROK, Status.RINVSRCADR]
        told = [await place.shop.told(one) for one in await place.shop.ground.db.read(_messages, place)]
        assert sorted((one["class"], one["label"]) for one in told) == [("otp", "codes"), ("promotional", "")]


async def test_an_operator_that_is_slow_is_waited_for(place: Doorway, client: Esme) -> None:
    misbehave(place.smsc, away=True)
    await place.smsc.heed()
    client.submit("one")
    [(status, _)] = await client.answered("one")
    assert status == Status.ROK
    misbehave(place.smsc)
    await place.smsc.heed()
    [receipt] = await client.heard(1)
    assert receipt["stat"] == "DELIVRD"
