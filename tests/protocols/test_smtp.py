"""SMTP both ways: links to a server that fails at every step, and a door at which strangers knock."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosmtpd import smtp as smtpd

from angarium.core.clock import SystemClock
from angarium.protocols import smtp
from angarium.protocols.mime import SIZE_MAX
from angarium.protocols.smtp import Arrived, Door, Envelope, Links, NoAnswer, NotTaken, Server
from support.mail_peers import HANG_UP, SILENCE, scripted, server_tls, until

MAIL = b"Subject: x\r\n\r\n.hidden\r\n..twice\r\nend\r\n"


def server(port: int, **changes: object) -> Server:
    facts = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "hello_name": "mail.example",
        "timeout_s": 5.0,
    }
    return Server(**(facts | changes))  # type: ignore[arg-type]


def envelope(number: int = 1, **changes: str) -> Envelope:
    return Envelope(f"b+{number}@bounces.example", "anna+x=y@example.org", MAIL, **changes)


@asynccontextmanager
async def links(port: int, **changes: object) -> AsyncIterator[Links]:
    made = Links(server(port, **changes), SystemClock())
    try:
        yield made
    finally:
        await made.close()


async def test_a_mail_is_handed_over_to_the_byte() -> None:
    async with scripted() as peer, links(peer.port) as out:
        await out.hand(envelope())
    assert peer.mails == [b"Subject: x\r\n\r\n..hidden\r\n...twice\r\nend\r\n"]
    assert peer.said == [
        "EHLO mail.example",
        "MAIL FROM:<b+1@bounces.example>",
        "RCPT TO:<anna+x=y@example.org>",
        "DATA",
        "QUIT",
    ]


async def test_reports_are_asked_for_where_they_are_offered() -> None:
    async with scripted() as peer, links(peer.port) as out:
        await out.hand(envelope(envelope_id="att_1"))
    assert peer.said[1:3] == [
        "MAIL FROM:<b+1@bounces.example> RET=HDRS ENVID=att_1",
        "RCPT TO:<anna+x=y@example.org> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;anna+2Bx+3Dy@example.org",
    ]
    async with scripted(EHLO="250 mx.example") as plain, links(plain.port) as out:
        await out.hand(envelope(envelope_id="att_1"))
    assert plain.said[1] == "MAIL FROM:<b+1@bounces.example>"


NOT_TAKEN = [
    # where it fails, what is said there → stage, code, words
    ({"greeting": "554 no"}, "CONNECT", 554, "no"),
    ({"greeting": HANG_UP}, "CONNECT", 0, ""),
    ({"EHLO": "550 go away"}, "CONNECT", 550, "go away"),
    ({"EHLO": HANG_UP}, "CONNECT", 0, ""),
    ({"MAIL": "553 5.1.8 who are you"}, "MAIL", 553, "5.1.8 who are you"),
    ({"MAIL": HANG_UP}, "MAIL", 0, "hung up"),
    ({"RCPT": "550-5.1.1 no such user\r\n550 5.1.1 really"}, "RCPT", 550, "5.1.1 no such user\n5.1.1 really"),
    ({"RCPT": "452 4.2.2 full"}, "RCPT", 452, "4.2.2 full"),
    ({"RCPT": HANG_UP}, "RCPT", 0, ""),
    ({"RCPT": "nonsense"}, "RCPT", -1, "nonsense"),
    ({"DATA": "554 5.7.1 no"}, "DATA", 554, "5.7.1 no"),
    ({"DATA": HANG_UP}, "DATA", 0, ""),
    ({"DATA": "250 what?"}, "DATA", 250, "what?"),
    ({"dot": "554 5.6.0 content"}, "DATA", 554, "5.6.0 content"),
    ({"dot": "451 4.3.0 later"}, "DATA", 451, "4.3.0 later"),
]


@pytest.mark.parametrize(("answers", "stage", "code", "words"), NOT_TAKEN)
async def test_what_fails_before_the_dot_was_not_taken(
    answers: dict[str, str], stage: str, code: int, words: str
) -> None:
    async with scripted(**answers) as peer, links(peer.port) as out:
        with pytest.raises(NotTaken) as caught:
            await out.hand(envelope())
    assert (caught.value.stage, caught.value.code) == (stage, code)
    assert words in caught.value.text
    assert len(peer.mails) == ("dot" in answers)


@pytest.mark.parametrize("dot", [HANG_UP, "nonsense", "354 go on", "199 odd"])
async def test_a_lost_answer_after_the_dot_is_no_answer(dot: str) -> None:
    async with scripted(dot=dot) as peer, links(peer.port) as out:
        with pytest.raises(NoAnswer):
            await out.hand(envelope())
        assert out.open == 0
    assert len(peer.mails) == 1


async def test_silence_after_the_dot_is_no_answer_when_the_time_is_over() -> None:
    async with scripted(dot=SILENCE) as peer, links(peer.port, final_timeout_s=0.05) as out:
        with pytest.raises(NoAnswer):
            await out.hand(envelope())
    assert len(peer.mails) == 1


async def test_silence_before_the_dot_is_not_taken() -> None:
    async with scripted(RCPT=SILENCE) as peer, links(peer.port, timeout_s=0.05) as out:
        with pytest.raises(NotTaken) as caught:
            await out.hand(envelope())
        assert (caught.value.stage, caught.value.code) == ("RCPT", 0)
        assert out.open == 0


async def cancelled_at(command: str) -> BaseException:
    async with scripted(**{command: SILENCE}) as peer, links(peer.port) as out:
        task = asyncio.create_task(out.hand(envelope()))
        await until(lambda: peer.mails if command == "dot" else peer.count(command))
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert out.open == 0
    assert isinstance(ended, BaseException)
    return ended


@pytest.mark.parametrize(
    ("command", "kind"),
    [("EHLO", asyncio.CancelledError), ("RCPT", asyncio.CancelledError), ("dot", NoAnswer)],
)
async def test_a_cancelled_wait_says_on_which_side_of_the_dot(
    command: str, kind: type[BaseException]
) -> None:
    assert isinstance(await cancelled_at(command), kind)


async def test_one_link_carries_many_mails() -> None:
    async with scripted() as peer, links(peer.port) as out:
        for number in range(20):
            await out.hand(envelope(number))
        assert (peer.links, out.open) == (1, 1)
    assert len(peer.mails) == 20


async def test_mails_at_once_go_over_links_of_their_own() -> None:
    async with scripted() as peer, links(peer.port) as out:
        await asyncio.gather(*(out.hand(envelope(number)) for number in range(8)))
        assert peer.links == 8
        await asyncio.gather(*(out.hand(envelope(number)) for number in range(8)))
        assert (peer.links, out.open) == (8, 8)


async def test_a_link_is_renewed_after_so_many_mails() -> None:
    async with scripted() as peer, links(peer.port, mails_per_link=3) as out:
        for number in range(7):
            await out.hand(envelope(number))
    assert (peer.links, peer.count("QUIT")) == (3, 3)


async def test_a_refused_mail_leaves_the_link_fit_for_the_next() -> None:
    async with scripted(RCPT=["550 5.1.1 no", "250 ok"]) as peer, links(peer.port) as out:
        with pytest.raises(NotTaken):
            await out.hand(envelope())
        await out.hand(envelope())
    assert (peer.links, peer.count("RSET"), len(peer.mails)) == (1, 1, 1)


async def test_421_ends_the_link() -> None:
    async with scripted(RCPT=["421 4.3.2 closing", "250 ok"]) as peer, links(peer.port) as out:
        with pytest.raises(NotTaken):
            await out.hand(envelope())
        await out.hand(envelope())
    assert (peer.links, len(peer.mails)) == (2, 1)


async def test_an_idle_link_found_dead_is_replaced_and_nothing_is_said_twice() -> None:
    async with scripted(MAIL=["250 ok", HANG_UP, "250 ok"]) as peer, links(peer.port) as out:
        await out.hand(envelope(1))
        await out.hand(envelope(2))
    assert (peer.links, len(peer.mails)) == (2, 2)


async def test_a_link_unused_for_long_is_not_trusted() -> None:
    class Leap(SystemClock):
        ahead_s = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.ahead_s

    clock = Leap()
    async with scripted() as peer:
        out = Links(server(peer.port), clock)
        await out.hand(envelope())
        clock.ahead_s = smtp.IDLE_MAX_S + 1
        await out.hand(envelope())
        await out.close()
    assert peer.links == 2


async def test_a_mail_that_may_not_be_handed_over_any_more_is_not() -> None:
    async with scripted() as peer:
        out = Links(server(peer.port), SystemClock(), lambda: not peer.said or peer.said[-1] != "DATA")
        with pytest.raises(NotTaken) as told:
            await out.hand(envelope())
        await out.close()
    assert (told.value.stage, told.value.code, peer.mails) == ("DATA", 0, [])


async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with links(port) as out:
        with pytest.raises(NotTaken) as caught:
            await out.reach()
        assert (caught.value.stage, caught.value.code, out.open) == ("CONNECT", 0, 0)


# ── encryption and signing in ────────────────────────────────────────────────────────────────────────


class Keeper:
    """A handler of aiosmtpd that keeps mails."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.users: list[str] = []

    async def handle_DATA(self, _server: object, _session: object, received: smtpd.Envelope) -> str:  # noqa: N802 - aiosmtpd's
        assert received.original_content is not None
        self.mails.append(received.original_content)
        return "250 ok"


@asynccontextmanager
async def aiosmtpd(*, implicit: bool) -> AsyncIterator[tuple[int, Keeper]]:
    """A server of other people's making, with TLS from the start or by STARTTLS; its password is "right"."""
    keeper, context, loop = Keeper(), server_tls(), asyncio.get_running_loop()

    def authenticated(
        _server: object, _session: object, _envelope: object, _way: str, data: Any
    ) -> smtpd.AuthResult:
        keeper.users.append(data.login.decode())
        return smtpd.AuthResult(success=data.password == b"right", handled=False)

    def session() -> smtpd.SMTP:
        return smtpd.SMTP(
            keeper,
            hostname="localhost",
            loop=loop,
            auth_require_tls=not implicit,
            authenticator=authenticated,
            tls_context=None if implicit else context,
            require_starttls=not implicit,
        )

    listening = await loop.create_server(session, "localhost", 0, ssl=context if implicit else None)
    try:
        yield listening.sockets[0].getsockname()[1], keeper
    finally:
        listening.close()


SIGNED_IN = {"host": "localhost", "verify_tls": False, "username": "shop", "password": "right"}


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_encrypted_and_signed_in(security: str) -> None:
    implicit = security == "tls"
    async with (
        aiosmtpd(implicit=implicit) as (port, keeper),
        links(port, security=security, **SIGNED_IN) as out,
    ):
        await out.hand(envelope())
    assert (keeper.users, keeper.mails) == (["shop"], [MAIL])


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_of_nobody_is_not_trusted(security: str) -> None:
    wary = SIGNED_IN | {"security": security, "verify_tls": True}
    async with aiosmtpd(implicit=security == "tls") as (port, keeper), links(port, **wary) as out:
        with pytest.raises(NotTaken, match="certificate verify failed"):
            await out.hand(envelope())
        assert out.open == 0
    assert (keeper.users, keeper.mails) == ([], [])


async def test_a_wrong_password_is_said_to_be_one() -> None:
    wrong = SIGNED_IN | {"security": "starttls", "password": "wrong"}
    async with aiosmtpd(implicit=False) as (port, _), links(port, **wrong) as out:
        with pytest.raises(NotTaken) as caught:
            await out.hand(envelope())
    assert (caught.value.stage, caught.value.code) == ("AUTH", 535)


async def test_a_server_without_starttls_is_not_spoken_to_in_clear() -> None:
    async with scripted() as peer, links(peer.port, security="starttls", **SIGNED_IN) as out:
        with pytest.raises(NotTaken, match="STARTTLS"):
            await out.hand(envelope())
    assert peer.said == ["EHLO mail.example"]


# ── the door ─────────────────────────────────────────────────────────────────────────────────────────


class Recorder:
    """Remembers what arrived; `fails` makes it raise."""

    def __init__(self, *, fails: bool = False) -> None:
        self.arrived: list[Arrived] = []
        self.fails = fails

    async def record(self, arrived: Arrived) -> None:
        if self.fails:
            raise OSError("the disk is full")
        self.arrived.append(arrived)


@asynccontextmanager
async def door(recorder: Recorder) -> AsyncIterator[tuple[Door, str, int]]:
    opened = Door("127.0.0.1", 0, {"Bounces.example", "mail.example"}, recorder.record)
    await opened.open()
    host, _, port = opened.address().rpartition(":")
    try:
        yield opened, host, int(port)
    finally:
        await opened.close()


def brings(
    host: str, port: int, recipients: list[str], mail: bytes = MAIL, sender: str = ""
) -> dict[str, object]:
    """Python's own client brings a mail."""
    with smtplib.SMTP(host, port, "peer.example", timeout=40) as client:
        return dict(client.sendmail(sender, recipients, mail))


async def test_a_bounce_is_recorded_to_the_byte_before_250() -> None:
    recorder = Recorder()
    async with door(recorder) as (_, host, port):
        assert (
            await asyncio.to_thread(brings, host, port, ["b+att_1@bounces.example", "shop@MAIL.example"])
            == {}
        )
    assert recorder.arrived == [Arrived("<>", ("b+att_1@bounces.example", "shop@MAIL.example"), MAIL)]


async def test_the_door_is_no_relay() -> None:
    recorder = Recorder()
    async with door(recorder) as (_, host, port):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            await asyncio.to_thread(brings, host, port, ["anna@elsewhere.example"])
    assert caught.value.recipients["anna@elsewhere.example"][0] == 550
    assert recorder.arrived == []


async def test_what_cannot_be_recorded_is_to_be_brought_again() -> None:
    recorder = Recorder(fails=True)
    async with door(recorder) as (_, host, port):
        with pytest.raises(smtplib.SMTPDataError) as caught:
            await asyncio.to_thread(brings, host, port, ["b+att_1@bounces.example"])
        assert caught.value.smtp_code == 451
        recorder.fails = False
        await asyncio.to_thread(brings, host, port, ["b+att_1@bounces.example"])
    assert len(recorder.arrived) == 1


async def test_a_mail_too_large_is_refused() -> None:
    recorder = Recorder()
    mail = b"Subject: x\r\n\r\n" + (b"x" * 78 + b"\r\n") * (SIZE_MAX // 80)
    async with door(recorder) as (_, host, port):
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            await asyncio.to_thread(brings, host, port, ["b+att_1@bounces.example"], mail)
    assert caught.value.smtp_code == 552
    assert recorder.arrived == []


async def told(host: str, port: int, *lines: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A peer that has said these lines and heard an answer to each."""
    reader, writer = await asyncio.open_connection(host, port)
    await reader.readline()
    for line in lines:
        writer.write(line + b"\r\n")
        while (await reader.readline())[3:4] == b"-":
            continue
    return reader, writer


CUT = (ConnectionError, asyncio.IncompleteReadError)
IN_DATA = (b"EHLO x", b"MAIL FROM:<>", b"RCPT TO:<b+att_1@bounces.example>", b"DATA")


async def test_a_line_that_never_ends_is_cut() -> None:
    async with door(Recorder()) as (opened, host, port):
        reader, writer = await told(host, port, *IN_DATA)
        writer.write(b"x" * (2 * SIZE_MAX + 1))
        with pytest.raises(CUT):
            await reader.readexactly(1)
        await until(lambda: not opened.peers)
        writer.close()


async def test_the_dot_must_stand_between_true_line_ends() -> None:
    """SMTP smuggling: a second mail after a bare LF dot would come with a sender of the peer's choice."""
    recorder = Recorder()
    async with door(recorder) as (_, host, port):
        reader, writer = await told(host, port, *IN_DATA)
        writer.write(b"Subject: x\r\n\r\none\n.\nMAIL FROM:<eve@example.org>\r\n.\r\n")
        assert (await reader.readline()).startswith(b"250")
        writer.close()
    assert len(recorder.arrived) == 1
    assert b"eve@example.org" in recorder.arrived[0].mail


async def test_too_many_peers_are_turned_away() -> None:
    async with door(Recorder()) as (opened, host, port):
        peers = [await told(host, port) for _ in range(smtp.PEERS_MAX)]
        reader, writer = await asyncio.open_connection(host, port)
        assert (await reader.readline()).startswith(b"421")
        assert len(opened.peers) == smtp.PEERS_MAX
        for _, each in [*peers, (reader, writer)]:
            each.close()


async def test_closing_hangs_up_on_who_is_in_the_middle_of_a_mail() -> None:
    recorder = Recorder()
    async with door(recorder) as (opened, host, port):
        reader, writer = await told(host, port, *IN_DATA)
        await opened.close()
        with pytest.raises(CUT):
            await reader.readexactly(1)
        assert opened.address() == ""
        writer.close()
    assert recorder.arrived == []
