"""kill -9 of the server while a client submits over SMPP: what was answered is kept, sent and told.

The client submits again what was not answered, as every client of an operator does. A text in one piece that
was kept and not answered is then a second message, since nobody can tell; one in parts is known by its parts.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from angarium.processes import free_port
from angarium.protocols.gsm import segment
from angarium.protocols.smpp_numbers import Command, Status
from angarium.protocols.smpp_pdu import Message, encode_message
from angarium.protocols.smpp_text import short_messages
from support.esme import PHONE, Esme, connected
from support.process import Shop

TEXTS, WINDOW = 180, 20
KILLED_AFTER = (15, 40, 35)  # answers of a run of the server
LONG = " It costs 20 and comes tomorrow." * 8
ACCOUNT = {
    "name": "client",
    "window": WINDOW,
    "routes": [{"source": "*", "class": "promotional", "channel": "smpp"}],
}
Token = tuple[int, int]  # which text, and which part of it


def text_of(number: int) -> str:
    """Every third is long."""
    return f"Text {number}." + (LONG if number % 3 == 0 else "")


def number_of(message: dict[str, Any]) -> int:
    """Which text a message has."""
    text: str = message["attempts"][0]["content"]["text"]
    return int(text.removeprefix("Text ").partition(".")[0])


def bodies() -> dict[Token, bytes]:
    """Everything that is to be submitted."""
    found: dict[Token, bytes] = {}
    for number in range(TEXTS):
        like = Message(source="Shop", dest=PHONE.format(number), dest_ton=1, registered_delivery=1)
        cut = segment(text_of(number))
        parts = short_messages(like, cut, way="udh", reference=number, reference_bits=8)
        found |= {(number, place): encode_message(part) for place, part in enumerate(parts)}
    return found


class Client:
    """What it has still to submit, what was taken, and what it was told."""

    def __init__(self) -> None:
        self.left = bodies()
        self.again: set[Token] = set()  # submitted, and not answered
        self.taken: dict[str, Token] = {}  # message_id -> what it is
        self.told: dict[str, str] = {}

    async def session(self, shop: Shop, system_id: str, password: str, kill_after: int = 0) -> None:
        """Submit within the window; the server is killed after so many answers, or it goes on to the end."""
        async with connected(shop.door_port) as esme:
            assert await esme.bind(system_id, password) == Status.ROK
            waiting = list(self.left)
            sent: set[Token] = set()
            while waiting and not (kill_after and len(esme.answers) >= kill_after):
                while waiting and len(sent) - len(esme.answers) < WINDOW:
                    token = waiting.pop(0)
                    sent.add(token)
                    esme.session.request(Command.SUBMIT_SM, self.left[token], token, 0.0)
                esme.flush()
                seen = len(esme.answers)
                await shop.until(lambda seen=seen: len(esme.answers) > seen)
            if kill_after:
                for token in waiting[:WINDOW]:  # these are under way
                    sent.add(token)
                    esme.session.request(Command.SUBMIT_SM, self.left[token], token, 0.0)
                esme.flush()
                await shop.kill()
                await esme.gone.wait()
            else:
                await shop.until(lambda: self._hears(shop, esme))
            self._note(esme, sent)

    async def _hears(self, shop: Shop, esme: Esme) -> bool:
        """Whether it was told of everything, but of what waits for evidence: in a minute and a half."""
        self._note(esme, set())
        untold = {number for message_id, (number, _) in self.taken.items() if message_id not in self.told}
        if self.left or len(untold) > WINDOW:
            return False
        in_doubt = [one for one in await shop.messages() if one["state"] == "unknown"] if untold else []
        return untold <= {number_of(await shop.message(one["id"])) for one in in_doubt}

    def _note(self, esme: Esme, sent: set[Token]) -> None:
        for token, (status, message_id) in esme.answers.items():
            assert status == Status.ROK
            self.taken[message_id] = token
            self.left.pop(token, None)
        self.again |= sent - esme.answers.keys()
        self.told |= esme.words()


@pytest.mark.turns(2, 0)
async def test_what_was_answered_is_kept_and_told_and_doubled_only_where_nobody_can_tell(
    tmp_path: Path,
) -> None:
    async with Shop(tmp_path, classes=["promotional"], window=10) as shop:
        shop.door_port = free_port()
        await shop.start_operator()
        await shop.start()
        account = (await shop.client.ask("POST", "/v1/smpp-accounts", ACCOUNT)).json
        client = Client()
        for kill_after in KILLED_AFTER:
            await client.session(shop, account["system_id"], account["password"], kill_after)
            await shop.start()
        await client.session(shop, account["system_id"], account["password"])
        assert client.again, "nothing was under way when it was killed"
        await _check(shop, client)


async def _check(shop: Shop, client: Client) -> None:
    ended = await shop.drained(lambda one: one["finished"] or one["state"] == "unknown")
    kept = Counter([(await shop.message(one["id"]))["attempts"][0]["content"]["text"] for one in ended])
    taken = Counter(shop.taken())
    again = {number for number, _ in client.again}
    for number in range(TEXTS):
        text = text_of(number)
        most = 2 if number in again and number % 3 else 1  # one in parts is known by its parts
        assert 1 <= kept[text] <= most, (text, kept[text])
        assert taken[text] <= kept[text], text  # an unknown one of this class is not tried again
    assert kept.keys() == {text_of(number) for number in range(TEXTS)}
    assert set(client.told.values()) <= {"DELIVRD", "UNKNOWN"}
    assert Counter(client.told.values())["DELIVRD"] >= 0.8 * len(client.told)
