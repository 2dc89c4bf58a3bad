"""IMAP: unread mail is taken in, then marked, whatever the server says; imaplib agrees with the peer."""

from __future__ import annotations

import asyncio
import imaplib

import pytest

from angarium.channels import kit
from angarium.channels.smtp import CHANNEL
from angarium.core.ports import Inbound
from angarium.core.problems import Problem
from angarium.protocols import imap
from support.imap_peer import imap_peer
from support.mail_line import LIVE, MESSAGE_ID, line
from support.mail_peers import scripted, until

LETTER = (
    f"From: Anna <anna@example.org>\r\nTo: shop@shop.example\r\nMessage-ID: <m1@example.org>\r\n"
    f"In-Reply-To: <{MESSAGE_ID}>\r\nSubject: Re: Order\r\n\r\nThank you\r\n> Your order is ready\r\n"
).encode()


def account(port: int, password: str = 'a "b\\') -> imap.Account:
    return imap.Account("127.0.0.1", port, "none", "shop", password)


async def taken(port: int) -> list[bytes]:
    mails: list[bytes] = []

    async def take(mail: bytes) -> None:
        mails.append(mail)

    await imap.visit(account(port), take)
    return mails


async def test_what_is_unread_is_taken_once() -> None:
    async with imap_peer(LETTER, b"x" * 100) as peer:
        assert await taken(peer.port) == [LETTER, b"x" * 100]
        assert peer.said[0] == 'LOGIN "shop" "a \\"b\\\\"'
        assert peer.seen == {11, 12}
        assert await taken(peer.port) == []


async def test_what_could_not_be_recorded_stays_unread() -> None:
    async def take(_mail: bytes) -> None:
        raise OSError("the disk is full")

    async with imap_peer(LETTER) as peer:
        with pytest.raises(imap.ImapError, match="the disk is full"):
            await imap.visit(account(peer.port), take)
        assert not peer.seen
        assert await taken(peer.port) == [LETTER]


async def test_imaplib_reads_the_same_of_our_peer() -> None:
    def read(port: int) -> object:
        with imaplib.IMAP4("127.0.0.1", port) as client:
            client.login("shop", "secret")
            client.select("INBOX")
            uids = client.uid("SEARCH", "UNSEEN")[1][0]
            return uids, client.uid("FETCH", "11", "(UID BODY.PEEK[])")[1][0][1]

    async with imap_peer(LETTER) as peer:
        assert await asyncio.to_thread(read, peer.port) == (b"11", LETTER)


@pytest.mark.parametrize(
    ("command", "says", "trouble"),
    [
        ("LOGIN", b"TAG NO [AUTHENTICATIONFAILED] wrong\r\n", r"LOGIN: NO \[AUTHENTICATIONFAILED\] wrong"),
        ("SELECT", b"TAG NO no such folder\r\n", "SELECT: NO no such folder"),
        ("UID FETCH", b"* 1 FETCH (BODY[] {9999999999}\r\n", "a literal of 9999999999 bytes"),
        ("UID SEARCH", b"* x\r\n" * 10_002, "more than 10000 answers"),
        ("UID SEARCH", b"x" * 3_000_000, "hung up"),
    ],
    ids=["password", "folder", "literal", "answers", "line"],
)
async def test_a_server_is_not_trusted(command: str, says: bytes, trouble: str) -> None:
    async with imap_peer(LETTER) as peer:
        peer.says[command] = says
        with pytest.raises(imap.ImapError, match=trouble) as caught:
            await taken(peer.port)
        assert 'a "b' not in str(caught.value)
        assert not peer.seen


async def test_an_answer_in_the_mailbox_of_a_line_is_heard_with_what_it_quotes() -> None:
    async with imap_peer(
        LETTER, LETTER.replace(b"Subject", b"Auto-Submitted: auto-replied\r\nSubject")
    ) as peer:
        settings = {
            "imap_host": "127.0.0.1",
            "imap_port": peer.port,
            "imap_security": "none",
            "imap_username": "shop",
            "imap_password": "secret",
        }
        async with scripted() as server, line(port=server.port, **settings) as (_, heard):
            await until(lambda: peer.seen == {11, 12})
    (answer,) = heard.events
    assert isinstance(answer, Inbound)
    assert (answer.sender, answer.text) == ("anna@example.org", "Thank you\n> Your order is ready")
    assert answer.context_ref == MESSAGE_ID


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"imap_username": "x", "imap_password": "é"}, "imap_password"),
        ({"imap_username": "x", "imap_password": "a\r\nb"}, "imap_password"),
        ({"imap_username": "", "imap_password": "a"}, "imap_username"),
        ({"imap_host": "a..b"}, "imap_host"),
        ({"imap_host": "imap.example.org", "imap_security": "none"}, "imap_security"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, str], field: str) -> None:
    usual = {"imap_host": "127.0.0.1", "imap_username": "x", "imap_password": "a"}
    with pytest.raises(Problem) as caught:
        kit.decode_settings(CHANNEL, {**LIVE, **usual, **changes})
    (found,) = caught.value.fields
    assert found.field == field
